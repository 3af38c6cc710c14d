#!/bin/sh
# calloc(2^33, 2^33) cannot be met: its product overflows.
# Expected: every drop-in malloc returns NULL with errno ENOMEM, as glibc and
# jemalloc do, and as the same library does for one block that is too large.
# Seen: mimalloc 2.0.9 and gperftools' tcmalloc 2.10 return NULL and leave errno
# as it was; both set ENOMEM for malloc(2^62).
# Why: code that reports strerror(errno) says "Success" or an old error, and a
# test that compares allocators by errno blames the wrong one.
set -u
skip() { echo "skipped: $*"; exit 77; }
T=$(mktemp -d) || exit 77
trap 'rm -rf "$T"' EXIT
trap 'exit 77' HUP INT TERM
cd "$T" || exit 77
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || skip "not Debian amd64"
[ "$(gcc -dumpversion 2>/dev/null)" = 12 ] || skip "gcc is not 12"
apt-get -qq download libjemalloc2=5.3.0-1 libmimalloc2.0=2.0.9+ds-2 \
	libtcmalloc-minimal4=2.10-1 >/dev/null 2>&1 ||
	skip "the packages cannot be had"
for d in ./*.deb; do dpkg -x "$d" r || skip "$d cannot be unpacked"; done
cat >t.c <<'C'
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
int main(void)
{
	volatile size_t n = (size_t)1 << 33, big = (size_t)1 << 62;
	errno = 0;
	void *p = calloc(n, n);
	int product = errno;
	errno = 0;
	void *q = malloc(big);
	int large = errno;
	printf("%d%d product=%s large=%s\n", p != NULL, q != NULL,
	       product == ENOMEM ? "ENOMEM" : product ? "other" : "0",
	       large == ENOMEM ? "ENOMEM" : large ? "other" : "0");
	return 0;
}
C
gcc -O0 -fno-builtin -w t.c -o t || skip "no compiler"
L=$T/r/usr/lib/x86_64-linux-gnu
seen() { LD_PRELOAD=$1 ./t 2>/dev/null; }
je=$(seen "$L/libjemalloc.so.2")
mi=$(seen "$L/libmimalloc.so.2")
tc=$(seen "$L/libtcmalloc_minimal.so.4")
echo "version: jemalloc 5.3.0-1, mimalloc 2.0.9+ds-2, tcmalloc 2.10-1"
echo "expected: 00 product=ENOMEM large=ENOMEM from all three"
echo "seen: jemalloc $je; mimalloc $mi; tcmalloc $tc"
[ "$je" = "00 product=ENOMEM large=ENOMEM" ] &&
	[ "$mi" = "00 product=0 large=ENOMEM" ] &&
	[ "$tc" = "00 product=0 large=ENOMEM" ]
