#!/bin/sh
# GLIBC_TUNABLES=glibc.malloc.mmap_threshold=1M
# Expected: a threshold of 1 MiB, or a complaint and the default.
# Seen: glibc 2.36 reads the leading digits and drops the rest, silently: the
# threshold is one byte, and each of 1000 small blocks (and the thread cache)
# becomes a mapping. 1048576 works, 0x100000 too, "128K" is 128 bytes, a word is 0.
# Why: who tunes the baseline of a benchmark this way measures mmap, or the page
# table code, and not malloc.
set -u
skip() { echo "skipped: $*"; exit 77; }
T=$(mktemp -d) || exit 77
trap 'rm -rf "$T"' EXIT
trap 'exit 77' HUP INT TERM
cd "$T" || exit 77
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || skip "not Debian amd64"
[ "$(gcc -dumpversion 2>/dev/null)" = 12 ] || skip "gcc is not 12"
case $(dpkg-query -W -f '${Version}' libc6 2>/dev/null) in
2.36-*) ;;
*) skip "libc6 is not 2.36" ;;
esac
cat >t.c <<'C'
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
int main(void)
{
	for (int i = 0; i < 1000; i++)
		if (!malloc(200 + i))
			return 1;
	printf("%zu\n", mallinfo2().hblks);
	return 0;
}
C
gcc -O0 -fno-builtin -w t.c -o t || skip "no compiler"
run() { GLIBC_TUNABLES=glibc.malloc.mmap_threshold=$1 ./t 2>&1; }
plain=$(run 1048576)
hex=$(run 0x100000)
unit=$(run 1M)
word=$(run large)
echo "version: libc6 $(dpkg-query -W -f '${Version}' libc6)"
echo "expected: mappings for 1048576 0x100000 1M large: 0 0 0 0"
echo "seen: $plain $hex $unit $word"
[ "$plain $hex $unit $word" = "0 0 1001 1001" ]
