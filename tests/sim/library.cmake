# The simulator as libraries. Included from all who link it, defined once.
if(NOT TARGET plumvine_simulation)
  # Clusters of whole nodes: part of what is installed for tests of services, and of the simulator.
  set(sim ${PROJECT_SOURCE_DIR}/tests/sim)
  file(GLOB cluster_sources CONFIGURE_DEPENDS ${sim}/sim_*.cpp ${sim}/checkers/*.cpp)
  list(APPEND cluster_sources ${sim}/frame_tap.cpp ${sim}/trace.cpp ${sim}/testing.cpp)
  add_library(plumvine_simulation OBJECT ${cluster_sources})
  set_target_properties(plumvine_simulation PROPERTIES UNITY_BUILD OFF)
  target_include_directories(plumvine_simulation PUBLIC ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(plumvine_simulation PRIVATE plumvine_core plumvine_options plumvine_crypto)

  # plumvine-sim and the tests link this one.
  file(GLOB sim_sources CONFIGURE_DEPENDS ${sim}/*.cpp)
  list(REMOVE_ITEM sim_sources ${cluster_sources})
  add_library(plumvine_simulator STATIC EXCLUDE_FROM_ALL ${sim_sources} $<TARGET_OBJECTS:plumvine_simulation>)
  set_target_properties(plumvine_simulator PROPERTIES UNITY_BUILD OFF)
  target_include_directories(plumvine_simulator PUBLIC ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(plumvine_simulator PUBLIC plumvine_core PRIVATE plumvine_options plumvine_crypto)
endif()
