#!/bin/sh
# A global is written by asm with a "memory" clobber; Eva is asked for its value.
# Expected: the clobber means any memory may have changed, so the value is unknown.
# Seen: Frama-C 25 (Manganese) takes the opposite reading, that nothing but the named
# operands changes: g keeps its old value and the check holds. The kernel prints one
# warning among others; the summary counts no alarm and the status is 0.
# Why: barriers and hand-written loads and stores in a kernel all have that clobber.
# What is proved around them holds only if the asm writes nothing; wrap it in a
# function with an assigns clause.
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
int g = 3;
int main(void)
{
	__asm__ volatile("movl $7, g(%%rip)" : : : "memory");
	/*@ check kept: g == 3; */
	int after = g;
	return after;
}
C
gcc -O1 -fno-pie -no-pie t.c -o t 2>/dev/null || skip "no compiler"
./t
run=$?
"$F/bin/frama-c" -eva t.c >out 2>&1 || skip "frama-c's OCaml libraries are missing"
seen="run $run; Eva $(grep -o 'after ∈ .*' out | tail -1); $(grep -o '[0-9]* alarms generated' out); $(grep -o '[0-9]* valid .*invalid' out | head -1 | tr -s ' ')"
echo "version: frama-c-base 20220511-manganese-3+b4"
echo "expected: run 7; Eva any value, the check unknown"
echo "seen: $seen"
[ "$seen" = "run 7; Eva after ∈ {3}; 0 alarms generated; 1 valid 0 unknown 0 invalid" ]
