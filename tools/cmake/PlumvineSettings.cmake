# Compiler settings shared by every target: C++20, warnings as errors, repeatable floating point.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET default)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_program(PLUMVINE_CCACHE ccache)
if(PLUMVINE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros ${PLUMVINE_CCACHE})
endif()

option(PLUMVINE_WERROR "Warnings are errors" ${PROJECT_IS_TOP_LEVEL})
add_library(plumvine_options INTERFACE)
target_compile_options(plumvine_options INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow $<$<BOOL:${PLUMVINE_WERROR}>:-Werror> -ffp-contract=off
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds -Wno-missing-field-initializers>
  $<$<CXX_COMPILER_ID:Clang>:-Wno-missing-field-initializers>)
# Aggregates with defaults are initialised by naming only what differs.

set(PLUMVINE_SANITIZE "" CACHE STRING "Sanitizers for every target: address,undefined or thread")
if(PLUMVINE_SANITIZE)
  # The check of virtual tables opens a pipe for each look and calls the memory broken where descriptors have run out,
  # which a test brings about.
  add_compile_options(-fsanitize=${PLUMVINE_SANITIZE} -fno-sanitize=vptr -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${PLUMVINE_SANITIZE})
endif()
