# Sourced by tools/test and tools/demo: what a bare system may lack.
# Sets `jobs`, the number of compilers to run at once.

# The leak check of AddressSanitizer reads /proc, which a fresh chroot may not have; everything else goes without.
export SANITIZER_EXTRA=detect_leaks=1
if [[ ! -r /proc/self/maps ]]; then
  SANITIZER_EXTRA=detect_leaks=0
fi

# One compiler needs up to 1 GiB.
jobs=$(nproc)
memory_gib=$(awk '/^MemAvailable:/ {print int($2 / 1048576)}' /proc/meminfo 2>/dev/null || true)
if [[ ${memory_gib:-0} -gt 0 && $memory_gib -lt $jobs ]]; then jobs=$memory_gib; fi
if [[ $jobs -gt 8 ]]; then jobs=8; fi
export CMAKE_BUILD_PARALLEL_LEVEL=$jobs
export CCACHE_DIR=${CCACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/ccache}
export CMAKE_COLOR_DIAGNOSTICS=OFF NINJA_STATUS='[%f/%t %es] '
