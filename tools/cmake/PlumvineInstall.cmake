# What `cmake --install` copies: libraries with headers, CMake package and pkg-config files, and the programs.
# Nothing installed names the build tree or the prefix, so the whole may be moved.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/plumvine)
set(libraries plumvine)
if(PLUMVINE_METRICS)
  list(APPEND libraries plumvine_metrics)
endif()
if(PLUMVINE_TESTING)
  list(APPEND libraries plumvine_testing)
endif()

foreach(library ${libraries})
  if(BUILD_SHARED_LIBS)
    set_target_properties(${library} PROPERTIES INSTALL_RPATH "$ORIGIN")
  endif()
  install(TARGETS ${library} EXPORT ${library}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(EXPORT ${library} NAMESPACE plumvine:: DESTINATION ${package_dir} FILE ${library}Targets.cmake)
endforeach()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/plumvine DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.hpp")

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/plumvineConfig.cmake.in
  ${CMAKE_CURRENT_BINARY_DIR}/plumvineConfig.cmake INSTALL_DESTINATION ${package_dir}
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/plumvineConfigVersion.cmake
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/plumvineConfig.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/plumvineConfigVersion.cmake DESTINATION ${package_dir})

# pkg-config finds the prefix from where its file lies.
file(RELATIVE_PATH pc_to_prefix "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" "${CMAKE_INSTALL_PREFIX}")
string(REGEX REPLACE "/$" "" pc_to_prefix "${pc_to_prefix}")
set(pc_files plumvine.pc)
if(PLUMVINE_METRICS)
  list(APPEND pc_files plumvine-metrics.pc)
endif()
if(PLUMVINE_TESTING)
  list(APPEND pc_files plumvine-testing.pc)
endif()
# A static library's own libraries belong on every link line, a shared one brings them itself.
if(BUILD_SHARED_LIBS)
  set(pc_private "Requires.private")
  set(pc_libs "")
else()
  set(pc_private "Requires")
  set(pc_libs " -pthread")
endif()
set(pc_quic "")
if(PLUMVINE_QUIC)
  set(pc_quic ", libngtcp2 >= 0.12, libngtcp2_crypto_gnutls >= 0.12")
endif()
foreach(pc ${pc_files})
  configure_file(${CMAKE_CURRENT_LIST_DIR}/${pc}.in ${CMAKE_CURRENT_BINARY_DIR}/${pc} @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${pc} DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

foreach(program plumvined plumvine_cli plumvine-sim plumvine-bench)
  if(TARGET ${program})
    if(BUILD_SHARED_LIBS)
      set_target_properties(${program} PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
    endif()
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endforeach()

if(PLUMVINE_TOOLS)
  set(man ${PROJECT_BINARY_DIR}/tools/man)
  install(FILES ${man}/plumvine.1 ${man}/plumvine-sim.1 ${man}/plumvine-bench.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES ${man}/plumvined.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
  set(completion ${PROJECT_SOURCE_DIR}/tools/completion)
  foreach(program plumvine plumvined plumvine-sim plumvine-bench)  # both shells look for a file of the command's name
    install(FILES ${completion}/plumvine.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME ${program})
    install(FILES ${completion}/plumvine.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d RENAME ${program}.fish)
  endforeach()
  install(FILES ${completion}/_plumvine DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
  set(packaging ${PROJECT_SOURCE_DIR}/tools/packaging)
  install(FILES ${packaging}/systemd/plumvined.service DESTINATION lib/systemd/system)
  install(FILES ${packaging}/prometheus/recording.rules.yml ${packaging}/prometheus/alerts.rules.yml
    DESTINATION ${CMAKE_INSTALL_DATADIR}/plumvine/prometheus)
  install(FILES ${packaging}/grafana/plumvine.json DESTINATION ${CMAKE_INSTALL_DATADIR}/plumvine/grafana)
endif()
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
