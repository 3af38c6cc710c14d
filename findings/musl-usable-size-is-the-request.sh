#!/bin/sh
# malloc_usable_size after malloc(17), malloc(100), malloc(5000).
# Expected: the room of the size class, more than was asked for, so that a
# caller can grow into it; aligned blocks too.
# Seen: musl 1.2.3 answers the request to the byte, 0 for malloc(0), and 100 for
# aligned_alloc(65536, 100), whatever the class behind it holds.
# Why: size classes cannot be measured through that call, internal waste reads
# as zero, and code that grows strings into the slack never finds any.
set -u
skip() { echo "skipped: $*"; exit 77; }
T=$(mktemp -d) || exit 77
trap 'rm -rf "$T"' EXIT
trap 'exit 77' HUP INT TERM
cd "$T" || exit 77
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || skip "not Debian amd64"
[ "$(gcc -dumpversion 2>/dev/null)" = 12 ] || skip "gcc is not 12"
apt-get -qq download musl-dev=1.2.3-1 >/dev/null 2>&1 ||
	skip "the packages cannot be had"
for d in ./*.deb; do dpkg -x "$d" r || skip "$d cannot be unpacked"; done
cat >t.c <<'C'
#include <stdio.h>
#include <stdlib.h>
size_t malloc_usable_size(void *);
int main(void)
{
	static const size_t n[] = { 0, 1, 17, 100, 5000, 100000, 1000000 };
	for (int i = 0; i < 7; i++)
		printf("%zu ", malloc_usable_size(malloc(n[i])));
	printf("%zu\n", malloc_usable_size(aligned_alloc(65536, 100)));
	return 0;
}
C
M=$T/r/usr
gcc -O0 -fno-builtin -w -static -nostdinc -isystem "$M/include/x86_64-linux-musl" \
	-nostdlib "$M/lib/x86_64-linux-musl/crt1.o" t.c \
	"$M/lib/x86_64-linux-musl/libc.a" -lgcc -o t || skip "no compiler"
seen=$(./t)
echo "version: musl-dev 1.2.3-1"
echo "expected: above the request for most of 0 1 17 100 5000 100000 1000000 and 100"
echo "seen: $seen"
[ "$seen" = "0 1 17 100 5000 100000 1000000 100" ]
