#!/bin/sh
# Blocks of 16, 32 and 4096 bytes from the Boehm collector.
# Expected: powers of two from 16 up fit their class exactly.
# Seen: libgc 8.2.2 adds a byte so that a pointer just past the end still holds
# the block: GC_malloc(16) is a block of 32, 32 of 48, 4096 of 4112, pointer-free
# or not; GC_malloc(15) is 16. GC_malloc_uncollectable(16) is 16.
# Why: the sizes a careful design prefers are the worst ones here: a node of 16
# bytes takes twice its room, a page no longer fits a page.
set -u
skip() { echo "skipped: $*"; exit 77; }
T=$(mktemp -d) || exit 77
trap 'rm -rf "$T"' EXIT
trap 'exit 77' HUP INT TERM
cd "$T" || exit 77
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || skip "not Debian amd64"
[ "$(gcc -dumpversion 2>/dev/null)" = 12 ] || skip "gcc is not 12"
apt-get -qq download libgc-dev=1:8.2.2-3 >/dev/null 2>&1 ||
	skip "the packages cannot be had"
for d in ./*.deb; do dpkg -x "$d" r || skip "$d cannot be unpacked"; done
cat >t.c <<'C'
#include <gc.h>
#include <stdio.h>
int main(void)
{
	static const size_t n[] = { 15, 16, 31, 32, 64, 4096 };
	GC_INIT();
	for (int i = 0; i < 6; i++)
		printf("%zu:%zu,%zu ", n[i], GC_size(GC_malloc(n[i])),
		       GC_size(GC_malloc_atomic(n[i])));
	printf("uncollectable 16:%zu\n", GC_size(GC_malloc_uncollectable(16)));
	return 0;
}
C
gcc -w -Ir/usr/include t.c r/usr/lib/x86_64-linux-gnu/libgc.a -o t -lpthread -ldl ||
	skip "no compiler"
seen=$(./t)
echo "version: libgc-dev 1:8.2.2-3"
echo "expected: 15:16,16 16:16,16 31:32,32 32:32,32 64:64,64 4096:4096,4096 uncollectable 16:16"
echo "seen: $seen"
[ "$seen" = "15:16,16 16:32,32 31:32,32 32:48,48 64:80,80 4096:4112,4112 uncollectable 16:16" ]
