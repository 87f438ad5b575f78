#!/usr/bin/env bash
# Installs the build, moves what was installed, builds the examples against it in two ways, runs two of them.
# Usage: run.sh BUILD_DIR LIBDIR COMPILER FLAGS
set -euo pipefail
build=$1
libdir=$2
export CXX=$3 CXXFLAGS="-O0 ${4:-}"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
examples=$here/../../tools/examples
scratch=$(mktemp -d "$build/install-test.XXXXXX")
clean_up() {
  for pid in $(jobs -p); do kill -KILL "$pid" 2>/dev/null || true; done
  rm -rf "$scratch"
}
trap clean_up EXIT

fail() {
  echo "FAILED: $1" >&2
  exit 1
}

echo "== install, then move"
cmake --install "$build" --prefix "$scratch/first" >"$scratch/log" || { cat "$scratch/log"; fail "cmake --install"; }
prefix=$scratch/prefix
mv "$scratch/first" "$prefix"
if grep -rlF -e "$scratch/first" -e "$build" "$prefix/$libdir/cmake" "$prefix/$libdir/pkgconfig"; then
  fail "the files above name the place where they were built or first installed"
fi
for program in "$prefix"/bin/*; do
  [[ -e $program ]] || continue
  "$program" --version >/dev/null || fail "$(basename "$program") --version"
done

for file in share/man/man1/plumvine.1 share/man/man8/plumvined.8 share/man/man1/plumvine-sim.1 share/man/man1/plumvine-bench.1 lib/systemd/system/plumvined.service \
  share/bash-completion/completions/plumvined share/zsh/site-functions/_plumvine share/fish/vendor_completions.d/plumvine.fish \
  share/plumvine/prometheus/alerts.rules.yml share/plumvine/grafana/plumvine.json; do
  [[ ! -e $prefix/bin/plumvined || -s $prefix/$file ]] || fail "$file was not installed"
done

echo "== find_package"
cmake -S "$examples" -B "$scratch/cmake" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" >"$scratch/log" 2>&1 ||
  { cat "$scratch/log"; fail "configuring with find_package"; }
cmake --build "$scratch/cmake" >"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "building with find_package"; }

echo "== pkg-config"
mkdir "$scratch/make"
make -s -C "$examples" PKG_CONFIG_PATH="$prefix/$libdir/pkgconfig" OUT="$scratch/make" >"$scratch/log" 2>&1 ||
  { cat "$scratch/log"; fail "building with pkg-config"; }
[[ $(PKG_CONFIG_PATH="$prefix/$libdir/pkgconfig" pkg-config --modversion plumvine) == 0.* ]] || fail "plumvine.pc has no version"

# await FD TEXT: reads lines until one contains TEXT; 60 s per line at most.
await() {
  local line=""
  while read -r -t 60 line <&"$1"; do
    echo "  $line"
    [[ $line != *"$2"* ]] || { last_line=$line; return 0; }
  done
  fail "waited for '$2'"
}

echo "== the service's test in virtual time"
for way in cmake make; do
  [[ $("$scratch/$way/flags_test" 1 2) == "2 seeds, all good" ]] || fail "flags_test, built with $way"
done

echo "== two services, one built in each way"
coproc first { exec "$scratch/cmake/flags" first --bind 127.0.0.1:0 --http 127.0.0.1:0 2>&1; }
exec {first_out}<&"${first[0]}" {first_in}>&"${first[1]}"
first_pid=$first_PID
await "$first_out" "listening"
address=${last_line#listening }
echo "set colour red" >&"$first_in"
await "$first_out" "colour = red (by first)"

{ coproc second { exec "$scratch/make/flags" second --bind 127.0.0.1:0 --join "$address" 2>&1; }; } 2>/dev/null
exec {second_out}<&"${second[0]}" {second_in}>&"${second[1]}"
second_pid=$second_PID
# The newcomer asks for what was set before its time.
await "$second_out" "colour = red (by first)"
echo "set colour blue" >&"$second_in"
await "$first_out" "colour = blue (by second)"
echo "get colour" >&"$second_in"
await "$second_out" "colour = blue (by second)"

echo "quit" >&"$second_in"
wait "$second_pid" || fail "the second service ended with exit $?"
await "$first_out" "member second left"
echo "quit" >&"$first_in"
wait "$first_pid" || fail "the first service ended with exit $?"
echo "== good"
