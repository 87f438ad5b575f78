# shellcheck shell=bash
# A test in a network namespace of its own. Source this first.

# enter_namespace KINDS PREPARE ARG…: goes on with the whole script, given ARG…, in new namespaces with the loopback interface up;
# KINDS are flags of unshare. Tried with PREPARE before; where that fails the test is skipped (77).
enter_namespace() {
  local kinds=$1 prepare=$2 maker
  shift 2
  if [ "${IN_NAMESPACE:-}" = yes ]; then
    ip link set lo up
    return
  fi
  for maker in "unshare $kinds" "unshare --map-root-user $kinds"; do
    # shellcheck disable=SC2086
    $maker sh -c "ip link set lo up && $prepare" 2>/dev/null && IN_NAMESPACE=yes exec $maker bash "$0" "$@"
  done
  echo "SKIPPED: this system makes no namespaces ($kinds) in which this works: $prepare"
  exit 77
}
