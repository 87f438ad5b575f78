#!/usr/bin/env bash
# The files of a stopped member are verified, exported and imported; readers begin behind a message. Usage: state.sh PLUMVINED PLUMVINE
set -u
agent=$1 cli=$2
# shellcheck source=tests/integration/agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/../agents.sh"
key=$(head -c 32 /dev/urandom | base64)
start() { local name=$1; shift; launch "$name" 127.0.0.1:0 /dev/null --preset local --encrypt "$key" "$@"; }
expect() {
  local wanted=$1
  shift
  "$@" >"$work/answer" 2>&1
  local status=$?
  [ $status -eq "$wanted" ] || fail "exit $status instead of $wanted: $* ($(head -c 800 "$work/answer"))"
}
says() { grep -Eq -- "$1" "$work/answer" || fail "'$1' is not in: $(head -c 1500 "$work/answer")"; }

start a
start b --join "$(field a bind)" --data-dir "$work/b.d"
sees() { ours_is "$1" "$2" alive; }
within 20 sees a b
within 20 sees b a
seq 20 >"$work/lines"
ready_b() { curl -sf "http://$(field b http)/readyz" >/dev/null; }
within 20 ready_b
at a publish t <"$work/lines" || fail "publish"
kept() { at b metrics --grep '^plumvine_history_messages 2[0-9]$' >/dev/null; }
within 20 kept
new=$(head -c 32 /dev/urandom | base64)
for word in install use; do at b keys $word "$new" >/dev/null || fail "keys $word"; done
at b block add 10.99.0.0/16 >/dev/null || fail "block add"
remembered() { [ -s "$work/b.d/peers.json" ] && [ -s "$work/b.d/keyring.json" ] && [ -s "$work/b.d/blocks.json" ]; }
within 20 remembered

# take FROM LINES: the first lines of a stream of b, into $work/taken.
take() {
  : >"$work/stream"  # here, not by the reader: the last one's lines would be counted
  "$cli" --http "$(field b http)" subscribe t --from "$1" >"$work/stream" 2>"$work/stream.err" &
  pid[take]=$!
  taken() { [ "$(wc -l <"$work/stream")" -ge "$1" ]; }
  within 20 taken "$2"
  end take TERM
  head -n "$2" "$work/stream" >"$work/taken"
}

# --- a start behind a message ---------------------------------------------------------------------------------------
take window 20
id=$(sed -n 15p "$work/taken" | jq -r .id)
sed -n '16,$p' "$work/taken" | jq -r .payload >"$work/wanted"
take "$id" 5
jq -r .payload "$work/taken" | cmp - "$work/wanted" || fail "not what came behind $id: $(cat "$work/taken")"
cursor=$(sed -n 2p "$work/taken" | jq -r .cursor)
take "$cursor" 3
jq -r .payload "$work/taken" | cmp - <(tail -n 3 "$work/wanted") || fail "the cursor does not go on there"
expect 1 at b subscribe t --from "${id%-*}-999999" && says 'is not in the history of this node' && says 'from=window'
# At a terminal it says how far it is; the history is more than what the system takes in advance.
head -c 400000 /dev/zero | tr '\0' x >"$work/one"
for _ in $(seq 60); do cat "$work/one"; echo; done | at a publish big || fail "publish"
large_kept() { at b metrics --grep '^plumvine_history_messages [89][0-9]$' >/dev/null; }
within 60 large_kept
: >"$work/big"
script -qfec "$cli --http $(field b http) subscribe big --from window >$work/big" "$work/screen" </dev/null >/dev/null 2>&1 &
pid[script]=$!
read_all() { [ "$(wc -l <"$work/big")" -ge 60 ]; }
within 60 read_all
end script TERM
grep -aEq 'history \[[# ]{20}\] +[0-9]+/[0-9]+ [0-9]+ lines' "$work/screen" || fail "no progress on a terminal: $(head -c 300 "$work/screen")"

# --- a running member's files are left alone ------------------------------------------------------------------------
for words in verify "export $work/no.tar" "import $work/no.tar"; do
  # shellcheck disable=SC2086
  expect 1 "$cli" state $words --data-dir "$work/b.d" && says "'$work/b.d' is in use by another process \(${pid[b]}\); stop that one first"
done
[ ! -e "$work/no.tar" ] || fail "an export of a running member"
end b TERM

# --- verify ------------------------------------------------------------------------------------------------------------
expect 0 "$cli" state verify --data-dir "$work/b.d"
says '^peers\.json +good +1 member of the cluster ""$' && says '^keyring\.json +good +2 keys$' && says '^key-history\.json +good +1 key superseded$' && says '^blocks\.json +good +1 block$' && says '^messages\.db +good +[89][0-9] messages$'
expect 0 "$cli" --json state verify --data-dir "$work/b.d"
jq -e '.good and ([.files[] | select(.name | startswith("origin") | not) | .state] | unique == ["good"]) and ([.files[] | select(.state == "absent") | .name] == ["origin.key", "origin-keys.json"])' "$work/answer" >/dev/null || fail "$(cat "$work/answer")"
expect 1 "$cli" state verify --data-dir "$work/none" && says "cannot use '$work/none': No such file"
expect 2 "$cli" state verify && says 'state verify --data-dir DIR'
expect 2 "$cli" state mend --data-dir "$work/b.d"

# --- export -----------------------------------------------------------------------------------------------------------
expect 0 "$cli" state export "$work/b.tar" --data-dir "$work/b.d" && says 'b\.tar: [56] files; gossip keys are in it'
[ "$(stat -c %a "$work/b.tar")" = 600 ] || fail "others may read the archive"
expect 1 "$cli" state export "$work/b.tar" --data-dir "$work/b.d" && says 'exists already \(--force'
mkfifo "$work/pipe"
expect 1 "$cli" state export --force "$work/pipe" --data-dir "$work/b.d" && says 'pipe is no file, and stays'
expect 0 "$cli" --json state export --force "$work/b.tar" --data-dir "$work/b.d"
jq -e '.keys and .format == "plumvine state 1"' "$work/answer" >/dev/null || fail "$(cat "$work/answer")"
mkdir "$work/unpacked"
tar -xf "$work/b.tar" -C "$work/unpacked" || fail "no archive"
jq -r '.files[] | "\(.sha256)  \(.name)"' "$work/unpacked/plumvine-state/manifest.json" >"$work/sums"
[ "$(wc -l <"$work/sums")" -ge 4 ] || fail "the manifest names too little: $(cat "$work/sums")"
(cd "$work/unpacked/plumvine-state" && sha256sum --quiet -c "$work/sums") || fail "the manifest has other sums"

# --- import: only what was exported, only where nothing is lost -----------------------------------------------------
expect 1 "$cli" state import "$work/b.tar" --data-dir "$work/b.d" && says 'is not empty: what is there would be lost'
cp "$work/b.tar" "$work/bent.tar"
at=$(grep -aboF SQLite "$work/bent.tar" | head -n 1 | cut -d : -f 1)
printf 'Z' | dd of="$work/bent.tar" bs=1 seek=$((at + 20000)) conv=notrunc status=none
expect 1 "$cli" state import "$work/bent.tar" --data-dir "$work/other.d" && says "'messages\.db' in it is not what was exported: another SHA-256"
head -c 5000 "$work/b.tar" >"$work/short.tar"
expect 1 "$cli" state import "$work/short.tar" --data-dir "$work/other.d" && says 'cut off'
tar -cf "$work/foreign.tar" -C "$work" lines
expect 1 "$cli" state import "$work/foreign.tar" --data-dir "$work/other.d" && says "'lines' in it is not of a member's state"
expect 1 "$cli" state import "$work/nothing.tar" --data-dir "$work/other.d" && says 'No such file'
[ "$(ls "$work/other.d")" = lock ] || fail "a refused import left files: $(ls "$work/other.d")"
expect 0 "$cli" state import "$work/b.tar" --data-dir "$work/other.d" && says 'other\.d: [56] files; never start two members of one name'
for file in peers.json keyring.json blocks.json messages.db; do cmp "$work/b.d/$file" "$work/other.d/$file" || fail "$file is another one"; done
[ "$(stat -c '%a %n' "$work"/other.d/* | grep -vc '^600 ')" -eq 0 ] || fail "others may read: $(stat -c '%a %n' "$work"/other.d/*)"
expect 0 "$cli" state verify --data-dir "$work/other.d"

# The member goes on with it: it knows the other one, the changed key and its messages.
left() { ours_is a b left; }
within 30 left
mv "$work/b.err" "$work/b.before"
start b --data-dir "$work/other.d"
within 30 sees b a
at b --json block list | jq -e '[.[].what] == ["10.99.0.0/16"]' >/dev/null || fail "what was blocked is not kept out any more"
take window 20
[ "$(jq -r .payload "$work/taken" | head -n 20 | sort -n | tr '\n' ' ')" = "$(tr '\n' ' ' <"$work/lines")" ] || fail "its messages are not there: $(head -n 3 "$work/taken")"
end b TERM

# --- what is broken is named, with what to do -----------------------------------------------------------------------
printf '%4096s' '' | tr ' ' Z | dd of="$work/other.d/messages.db" bs=4096 seek=1 conv=notrunc status=none
echo '["half' >"$work/other.d/keyring.json"
echo '[{"what": 7}]' >"$work/other.d/blocks.json"
expect 1 "$cli" state verify --data-dir "$work/other.d"
says '^messages\.db +broken +-$' && says 'messages\.db is broken: .*; import a backup, or move it away with its -wal and -shm' && says 'blocks\.json is broken: .*; import a backup, or move it away' && says 'keyring\.json is broken: not a JSON array.*; import a backup'
expect 1 "$cli" state export "$work/broken.tar" --data-dir "$work/other.d" && says 'nothing was exported'
[ ! -e "$work/broken.tar" ] || fail "an export of broken files"
expect 1 "$cli" --json state verify --data-dir "$work/other.d"
jq -e '(.good | not) and ([.files[] | select(.state == "broken") | .name] == ["keyring.json", "blocks.json", "messages.db"])' "$work/answer" >/dev/null || fail "$(cat "$work/answer")"
echo "passed"
