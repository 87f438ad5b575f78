# The simulator as a library: plumvine-sim and the tests link it. Included from both sides, defined once.
if(NOT TARGET plumvine_simulator)
  file(GLOB sim_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/sim/*.cpp ${PROJECT_SOURCE_DIR}/tests/sim/checkers/*.cpp)
  add_library(plumvine_simulator STATIC ${sim_sources})
  set_target_properties(plumvine_simulator PROPERTIES UNITY_BUILD OFF)
  target_include_directories(plumvine_simulator PUBLIC ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(plumvine_simulator PUBLIC plumvine_core PRIVATE plumvine_options plumvine_crypto)
endif()
