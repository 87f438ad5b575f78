# The targets and what each may see. membership and plumtree never see each other; neither sees libuv.
pkg_check_modules(UV REQUIRED IMPORTED_TARGET libuv>=1.44)
pkg_check_modules(MHD REQUIRED IMPORTED_TARGET libmicrohttpd>=0.9.75)
pkg_check_modules(CARES REQUIRED IMPORTED_TARGET libcares>=1.18)
pkg_check_modules(GNUTLS REQUIRED IMPORTED_TARGET gnutls>=3.7)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3>=3.37)
pkg_check_modules(LZ4 REQUIRED IMPORTED_TARGET liblz4>=1.9)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)

# Header-only msgpack without Boost; its CMake package would pull Boost in.
add_library(plumvine_msgpack INTERFACE)
target_compile_definitions(plumvine_msgpack INTERFACE MSGPACK_NO_BOOST)

set(root ${PROJECT_SOURCE_DIR})
option(PLUMVINE_BATCHES "Compile eight files at a time: less than half of the time, for builds that only check" OFF)
function(plumvine_object name folder)
  file(GLOB sources CONFIGURE_DEPENDS ${root}/${folder}/*.cpp ${root}/${folder}/wire/*.cpp
    ${root}/${folder}/serf/*.cpp)
  if(NOT sources)
    file(WRITE ${CMAKE_BINARY_DIR}/${name}_empty.cpp "")
    set(sources ${CMAKE_BINARY_DIR}/${name}_empty.cpp)
  endif()
  add_library(${name} OBJECT ${sources})
  set_target_properties(${name} PROPERTIES UNITY_BUILD ${PLUMVINE_BATCHES})
  target_include_directories(${name} PUBLIC ${root}/include)
  target_link_libraries(${name} PRIVATE plumvine_options fmt::fmt plumvine_msgpack)
endfunction()

# These have names that others have, too.
set_source_files_properties(${root}/plumtree/wire.cpp ${root}/membership/serf/queries.cpp ${root}/membership/serf/serf.cpp
  ${root}/transport/uv/data_dir.cpp ${root}/transport/uv/history.cpp ${root}/transport/uv/tcp.cpp
  ${root}/transport/uv/quic_socket.cpp PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)

plumvine_object(plumvine_base include/src)
plumvine_object(plumvine_membership membership)
target_include_directories(plumvine_membership PRIVATE ${root})
plumvine_object(plumvine_plumtree plumtree)
plumvine_object(plumvine_runtime transport)
target_include_directories(plumvine_runtime PRIVATE ${root})
target_link_libraries(plumvine_runtime PUBLIC PkgConfig::LZ4)
plumvine_object(plumvine_health health)
target_link_libraries(plumvine_health PRIVATE nlohmann_json::nlohmann_json)

# The two places that know a crypto library. Not part of the core archive: the machines get them injected.
plumvine_object(plumvine_crypto transport/crypto)
target_include_directories(plumvine_crypto PRIVATE ${root})
target_link_libraries(plumvine_crypto PUBLIC PkgConfig::GNUTLS)
plumvine_object(plumvine_tls transport/tls)
target_include_directories(plumvine_tls PRIVATE ${root})
target_link_libraries(plumvine_tls PUBLIC PkgConfig::GNUTLS)

# QUIC, where its library is; without it links go over TCP.
option(PLUMVINE_QUIC "Build the QUIC transport (ngtcp2)" ON)
if(PLUMVINE_QUIC)
  pkg_check_modules(NGTCP2 REQUIRED IMPORTED_TARGET libngtcp2>=0.12 libngtcp2_crypto_gnutls>=0.12)
  plumvine_object(plumvine_quic transport/quic)
  target_include_directories(plumvine_quic PRIVATE ${root})
  target_link_libraries(plumvine_quic PUBLIC PkgConfig::NGTCP2 PkgConfig::GNUTLS)
  set(quic_objects $<TARGET_OBJECTS:plumvine_quic>)
endif()

# Everything without sockets, clocks and random devices, as one archive: the simulator and the tests link it.
add_library(plumvine_core STATIC)
target_link_libraries(plumvine_core PUBLIC fmt::fmt
  plumvine_base plumvine_membership plumvine_plumtree plumvine_runtime)
target_include_directories(plumvine_core PUBLIC ${root}/include PRIVATE ${root})

file(GLOB uv_sources CONFIGURE_DEPENDS ${root}/transport/uv/*.cpp)
if(NOT PLUMVINE_QUIC)
  list(FILTER uv_sources EXCLUDE REGEX "quic")
endif()
if(NOT uv_sources)
  file(WRITE ${CMAKE_BINARY_DIR}/uv_empty.cpp "")
  set(uv_sources ${CMAKE_BINARY_DIR}/uv_empty.cpp)
endif()

# The dashboard is part of the library.
file(GLOB dashboard_files CONFIGURE_DEPENDS ${root}/health/dashboard/*)
set(dashboard_source ${CMAKE_BINARY_DIR}/dashboard_files.cpp)
add_custom_command(OUTPUT ${dashboard_source}
  COMMAND ${CMAKE_COMMAND} -DFOLDER=${root}/health/dashboard -DOUTPUT=${dashboard_source} -P ${root}/tools/cmake/EmbedDashboard.cmake
  DEPENDS ${dashboard_files} ${root}/tools/cmake/EmbedDashboard.cmake VERBATIM)
add_library(plumvine ${uv_sources} ${dashboard_source}
  $<TARGET_OBJECTS:plumvine_base> $<TARGET_OBJECTS:plumvine_membership> $<TARGET_OBJECTS:plumvine_plumtree>
  $<TARGET_OBJECTS:plumvine_runtime> $<TARGET_OBJECTS:plumvine_crypto> $<TARGET_OBJECTS:plumvine_tls> ${quic_objects}
  $<TARGET_OBJECTS:plumvine_health>)
add_library(plumvine::plumvine ALIAS plumvine)
target_include_directories(plumvine PUBLIC $<BUILD_INTERFACE:${root}/include> $<INSTALL_INTERFACE:include> PRIVATE ${root})
target_link_libraries(plumvine PRIVATE $<BUILD_INTERFACE:plumvine_options> fmt::fmt PkgConfig::UV PkgConfig::MHD
  PkgConfig::CARES PkgConfig::GNUTLS PkgConfig::SQLITE PkgConfig::LZ4 $<BUILD_INTERFACE:nlohmann_json::nlohmann_json> Threads::Threads)
if(PLUMVINE_QUIC)
  target_link_libraries(plumvine PRIVATE PkgConfig::NGTCP2)
  target_compile_definitions(plumvine PUBLIC $<BUILD_INTERFACE:PLUMVINE_QUIC>)
endif()
set_target_properties(plumvine PROPERTIES UNITY_BUILD ${PLUMVINE_BATCHES} VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
target_compile_definitions(plumvine_runtime PRIVATE PLUMVINE_VERSION="${PROJECT_VERSION}")
target_compile_definitions(plumvine PRIVATE PLUMVINE_VERSION="${PROJECT_VERSION}")

if(PLUMVINE_METRICS)
  find_package(prometheus-cpp CONFIG REQUIRED COMPONENTS core)
  file(GLOB metrics_sources CONFIGURE_DEPENDS ${root}/metrics/*.cpp)
  if(NOT metrics_sources)
    file(WRITE ${CMAKE_BINARY_DIR}/metrics_empty.cpp "")
    set(metrics_sources ${CMAKE_BINARY_DIR}/metrics_empty.cpp)
  endif()
  add_library(plumvine_metrics ${metrics_sources})
  add_library(plumvine::metrics ALIAS plumvine_metrics)
  target_link_libraries(plumvine_metrics PUBLIC plumvine PRIVATE $<BUILD_INTERFACE:plumvine_options> prometheus-cpp::core fmt::fmt)
  set_target_properties(plumvine_metrics PROPERTIES EXPORT_NAME metrics VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
endif()

if(PLUMVINE_TESTING)
  include(${root}/tests/sim/library.cmake)
  add_library(plumvine_testing STATIC $<TARGET_OBJECTS:plumvine_simulation>)
  add_library(plumvine::testing ALIAS plumvine_testing)
  target_link_libraries(plumvine_testing PUBLIC plumvine PRIVATE fmt::fmt)
  set_target_properties(plumvine_testing PROPERTIES EXPORT_NAME testing)
endif()
