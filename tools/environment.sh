# Sourced by tools/test and tools/demo: what a bare system may lack.
# Sets `jobs`, the number of compilers to run at once.

# A fresh chroot may have no /proc, without which compilers and sanitizers cannot find themselves. Then the whole
# script starts again in a mount namespace of its own that has one; nothing outside of it changes.
if [[ ! -r /proc/self/maps && -z ${PLUMVINE_PRIVATE_PROC:-} ]]; then
  if unshare --mount true 2>/dev/null; then
    export PLUMVINE_PRIVATE_PROC=1
    # shellcheck disable=SC2016
    exec unshare --mount bash -c 'mkdir -p /proc && mount -t proc proc /proc; exec "$0" "$@"' \
      "$(cd "$(dirname "$0")" && pwd)/$(basename "$0")" "$@"
  fi
  echo "$(basename "$0"): /proc is not mounted here; if the build fails, mount it: mount -t proc proc /proc" >&2
fi

# One compiler needs up to 1 GiB.
jobs=$(nproc)
memory_gib=$(awk '/^MemAvailable:/ {print int($2 / 1048576)}' /proc/meminfo 2>/dev/null || true)
if [[ ${memory_gib:-0} -gt 0 && $memory_gib -lt $jobs ]]; then jobs=$memory_gib; fi
if [[ $jobs -gt 8 ]]; then jobs=8; fi
export CMAKE_BUILD_PARALLEL_LEVEL=$jobs
export CCACHE_DIR=${CCACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/ccache}
export CMAKE_COLOR_DIAGNOSTICS=OFF NINJA_STATUS='[%f/%t %es] '
