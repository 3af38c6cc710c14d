#!/bin/sh
# A pool allocator announces its blocks with VALGRIND_MALLOCLIKE_BLOCK.
# Expected: the heap tools of Valgrind see them alike.
# Seen: with Valgrind 3.19 Memcheck counts them as allocations and Massif as heap,
# DHAT reports 0 bytes in 0 blocks, with no hint.
# Why: DHAT is the tool that tells lifetimes and how full blocks are; for a custom
# allocator it shows an empty profile that looks like "nothing to improve".
set -u
skip() { echo "skipped: $*"; exit 77; }
T=$(mktemp -d) || exit 77
trap 'rm -rf "$T"' EXIT
trap 'exit 77' HUP INT TERM
cd "$T" || exit 77
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || skip "not Debian amd64"
[ "$(gcc -dumpversion 2>/dev/null)" = 12 ] || skip "gcc is not 12"
apt-get -qq download valgrind=1:3.19.0-1 >/dev/null 2>&1 ||
	skip "the packages cannot be had"
for d in ./*.deb; do dpkg -x "$d" r || skip "$d cannot be unpacked"; done
cat >t.c <<'C'
#include <valgrind/valgrind.h>
static char pool[1 << 17];
int main(void)
{
	for (int i = 0; i < 10; i++)
		VALGRIND_MALLOCLIKE_BLOCK(pool + i * 10016, 10000, 0, 0);
	for (int i = 0; i < 10; i++)
		VALGRIND_FREELIKE_BLOCK(pool + i * 10016, 0);
	return 0;
}
C
gcc -O0 -g -static -Ir/usr/include t.c -o t || skip "no compiler"
export VALGRIND_LIB="$T/r/usr/libexec/valgrind"
V=$T/r/usr/bin/valgrind.bin
[ -x "$V" ] || V=$T/r/usr/bin/valgrind
"$V" --tool=none ./t >/dev/null 2>&1 || skip "valgrind does not run"
mem=$("$V" --tool=memcheck ./t 2>&1 | grep -o '[0-9]* allocs, [0-9]* frees, [0-9,]* bytes')
"$V" -q --tool=massif --massif-out-file=m.out ./t 2>/dev/null
mas=$(sed -n 's/^mem_heap_B=//p' m.out | sort -n | tail -1)
dh=$("$V" --tool=dhat --dhat-out-file=d.out ./t 2>&1 | grep -o 'Total: .*' | tr -s ' ')
seen="memcheck $mem; massif peak $mas; dhat $dh"
echo "version: valgrind 1:3.19.0-1"
echo "expected: 100000 bytes in 10 blocks from each"
echo "seen: $seen"
[ "$seen" = "memcheck 10 allocs, 10 frees, 100,000 bytes; massif peak 100000; dhat Total: 0 bytes in 0 blocks" ]
