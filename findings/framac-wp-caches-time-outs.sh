#!/bin/sh
# frama-c -wp -wp-cache update on a goal that ran into its time limit before.
# Expected: only proofs are kept; what was not proved is tried again.
# Seen: Frama-C 25 (Manganese) keeps the time-out too, and a later run with the same
# or a smaller limit answers from the cache, without starting a prover; a run with a
# larger limit asks again, and its time-out replaces the older one.
# Why: a goal that a busy machine did not prove stays unproved on a quiet one until
# somebody raises the limit or removes the file; the report says only "cached".
set -u
skip() { echo "skipped: $*"; exit 77; }
T=$(mktemp -d) || exit 77
trap 'rm -rf "$T"' EXIT
trap 'exit 77' HUP INT TERM
cd "$T" || exit 77
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || skip "not Debian amd64"
apt-get -qq download frama-c-base=20220511-manganese-3+b4 \
	cvc4=1.8-3 libcvc4-7=1.8-3 libcvc4parser7=1.8-3 \
	libcln6=1.3.6-4 libantlr3c-3.4-0=3.4+dfsg-4 \
	libgmp10=2:6.2.1+dfsg1-1.1 >/dev/null 2>&1 ||
	skip "the packages cannot be had"
for d in ./*.deb; do dpkg -x "$d" r || skip "$d cannot be unpacked"; done
F=$T/r/usr
export FRAMAC_SHARE="$F/share/frama-c" FRAMAC_LIB="$F/lib/frama-c" FRAMAC_PLUGIN="$F/lib/frama-c/plugins"
export HOME="$T" LD_LIBRARY_PATH="$F/lib/x86_64-linux-gnu" PATH="$F/bin:$PATH"
export WHY3CONFIG="$T/why3.conf"
why3 config detect >/dev/null 2>&1 || skip "why3 is missing"
# No prover finds this one: the sum of two cubes is none.
cat >t.c <<'C'
/*@ lemma cubes: \forall integer x, y, z; 2 < x && 2 < y && 2 < z ==>
      x * x * x + y * y * y != z * z * z; */
C
# Prints "asked" or "cached", and what the cache holds afterwards.
run() {
	"$F/bin/frama-c" t.c -wp -wp-prover cvc4 -wp-timeout "$1" -wp-cache update \
		-wp-cache-dir "$T/cache" >out 2>&1 || skip "frama-c does not run"
	grep -q 'interrupted: 1' out || skip "the prover gave another answer"
	grep -q 'cached: 1' out && how=cached || how=asked
	echo "$how $(sed -n 's/.*"verdict": "\([a-z]*\)".*/\1/p' cache/*.json)"
}
mkdir cache
seen="2 s: $(run 2); 2 s: $(run 2); 1 s: $(run 1); 4 s: $(run 4)" || exit 77
echo "version: frama-c-base 20220511-manganese-3+b4, cvc4 1.8-3"
echo "expected: asked each time"
echo "seen: $seen"
[ "$seen" = "2 s: asked timeout; 2 s: cached timeout; 1 s: cached timeout; 4 s: asked timeout" ]
