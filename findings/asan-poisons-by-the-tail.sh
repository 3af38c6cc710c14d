#!/bin/sh
# An allocator poisons and unpoisons 4-byte parts of 8-byte cells for AddressSanitizer.
# Expected: those bytes, or the whole cell, are poisoned and unpoisoned, both halves
# alike.
# Seen: with gcc 12 poisoning the first half of a cell does nothing, and 2 bytes in
# the middle do nothing, the last half works; unpoisoning the last half opens
# the first half too.
# Why: redzones of 4 bytes behind 12-byte blocks, or a header of 4 before the data,
# are silently no protection; only a zone up to an 8-byte boundary counts.
set -u
skip() { echo "skipped: $*"; exit 77; }
T=$(mktemp -d) || exit 77
trap 'rm -rf "$T"' EXIT
trap 'exit 77' HUP INT TERM
cd "$T" || exit 77
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || skip "not Debian amd64"
[ "$(gcc -dumpversion 2>/dev/null)" = 12 ] || skip "gcc is not 12"
cat >t.c <<'C'
#include <sanitizer/asan_interface.h>
#include <stdio.h>
static char b[16] __attribute__((aligned(64)));
static void show(void)
{
	for (int i = 0; i < 8; i++)
		putchar(__asan_address_is_poisoned(b + i) ? 'x' : '.');
	putchar(' ');
	__asan_unpoison_memory_region(b, 16);
}
int main(void)
{
	__asan_poison_memory_region(b, 4);
	show();
	__asan_poison_memory_region(b + 3, 2);
	show();
	__asan_poison_memory_region(b + 4, 4);
	show();
	__asan_poison_memory_region(b, 8);
	__asan_unpoison_memory_region(b + 4, 4);
	show();
	return 0;
}
C
gcc -O0 -fsanitize=address t.c -o t 2>/dev/null || skip "no address sanitizer"
seen=$(ASAN_OPTIONS=detect_leaks=0 ./t) || skip "it does not run"
echo "version: gcc $(gcc -dumpfullversion)"
echo "expected: xxxx.... ...xx... ....xxxx xxxx...."
echo "seen: $seen"
[ "$seen" = "........ ........ ....xxxx ........ " ] || [ "$seen" = "........ ........ ....xxxx ........" ]
