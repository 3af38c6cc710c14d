#!/bin/sh
# A C macro ALL = (~0U), used in the code and in its annotations.
# Expected: the U suffix makes it 4294967295 in both places.
# Seen: in ACSL integers are unbounded and the suffix counts for nothing: ~0U is -1.
# With Frama-C 25, after r = ALL the check r == ALL is refuted, while ALL == -1 and
# r == (unsigned)ALL hold.
# Why: masks such as ~(PAGE_SIZE - 1UL) become negative in contracts: "x <= MASK" is
# false for all x, and a contract that assumes it proves anything.
set -u
skip() { echo "skipped: $*"; exit 77; }
T=$(mktemp -d) || exit 77
trap 'rm -rf "$T"' EXIT
trap 'exit 77' HUP INT TERM
cd "$T" || exit 77
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || skip "not Debian amd64"
[ "$(gcc -dumpversion 2>/dev/null)" = 12 ] || skip "gcc is not 12"
apt-get -qq download frama-c-base=20220511-manganese-3+b4 \
	libgmp10=2:6.2.1+dfsg1-1.1 >/dev/null 2>&1 ||
	skip "the packages cannot be had"
for d in ./*.deb; do dpkg -x "$d" r || skip "$d cannot be unpacked"; done
F=$T/r/usr
export FRAMAC_SHARE="$F/share/frama-c" FRAMAC_LIB="$F/lib/frama-c" FRAMAC_PLUGIN="$F/lib/frama-c/plugins"
export HOME="$T" LD_LIBRARY_PATH="$F/lib/x86_64-linux-gnu"
cat >t.c <<'C'
#define ALL (~0U)
int main(void)
{
	unsigned r = ALL;
	/*@ check literal: r == 4294967295; */
	/*@ check minus: ALL == -1; */
	/*@ check cast: r == (unsigned)ALL; */
	/*@ check same: r == ALL; */
	return 0;
}
C
gcc --version >/dev/null || skip "no compiler"
"$F/bin/frama-c" -eva t.c >out 2>&1 || skip "frama-c's OCaml libraries are missing"
seen="$(grep -o "'[a-z]*' got status [a-z]*" out | tr '\n' ' ')$(grep -o '[0-9]* valid .*invalid' out | head -1 | tr -s ' ')"
echo "version: frama-c-base 20220511-manganese-3+b4"
echo "expected: only 'minus' is invalid"
echo "seen: $seen"
[ "$seen" = "'same' got status invalid 3 valid 0 unknown 1 invalid" ]
