#!/bin/sh
# A model with two named ltl formulas, the second one false; spin -run model.
# Expected: both are checked, so an error is reported; or a warning.
# Seen: Spin 6.5.2 checks the first formula only and ends with "errors: 0". The
# second is checked only by name (-ltl q), and fails.
# Why: a protocol's safety property added below the first one is never looked at.
set -u
skip() { echo "skipped: $*"; exit 77; }
T=$(mktemp -d) || exit 77
trap 'rm -rf "$T"' EXIT
trap 'exit 77' HUP INT TERM
cd "$T" || exit 77
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || skip "not Debian amd64"
[ "$(gcc -dumpversion 2>/dev/null)" = 12 ] || skip "gcc is not 12"
apt-get -qq download spin=6.5.2+dfsg-1 >/dev/null 2>&1 ||
	skip "the packages cannot be had"
for d in ./*.deb; do dpkg -x "$d" r || skip "$d cannot be unpacked"; done
cat >m.pml <<'C'
byte x
ltl p { [] (x < 9) }
ltl q { [] (x < 2) }
active proctype A() { x = 1; x = 2; x = 0 }
C
gcc --version >/dev/null || skip "no compiler"
S=$T/r/usr/bin/spin
"$S" -run m.pml >all.txt 2>&1
"$S" -run -ltl q m.pml >q.txt 2>&1
seen="$(grep -o 'errors: [0-9]*' all.txt) / $(grep -o 'ltl formula .' all.txt) / -ltl q $(grep -o 'errors: [0-9]*' q.txt)"
echo "version: spin 6.5.2+dfsg-1"
echo "expected: errors: 1"
echo "seen: $seen"
[ "$seen" = "errors: 0 / ltl formula p / -ltl q errors: 1" ]
