#!/bin/sh
# calloc(1, 64 MiB) as a program's first large request.
# Expected: fresh pages from the system are zero already, so nothing is written
# and nothing becomes resident: so it is with glibc and jemalloc.
# Seen: mimalloc 2.0.9 (as Debian builds it) and gperftools' tcmalloc 2.10 write
# all of it: 64 MiB resident at once.
# Why: a sparse table (a bitmap of frames, a radix level) got by calloc costs its
# whole size, and a benchmark of calloc compares memset with a system call.
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
#include <stdio.h>
#include <stdlib.h>
static long rss(void)
{
	char b[200];
	long v = 0;
	FILE *f = fopen("/proc/self/status", "r");
	while (f && fgets(b, 200, f))
		if (sscanf(b, "VmRSS: %ld", &v) == 1)
			break;
	if (f)
		fclose(f);
	return v;
}
int main(void)
{
	long before = rss();
	if (!calloc(1, 64 << 20))
		return 1;
	long mib = (rss() - before + 512) / 1024;
	printf("%s\n", mib < 4 ? "untouched" : mib >= 63 && mib < 68 ? "all" : "some");
	return 0;
}
C
gcc -O0 -fno-builtin -w t.c -o t || skip "no compiler"
L=$T/r/usr/lib/x86_64-linux-gnu
gl=$(./t)
je=$(LD_PRELOAD=$L/libjemalloc.so.2 ./t)
mi=$(LD_PRELOAD=$L/libmimalloc.so.2 ./t)
tc=$(LD_PRELOAD=$L/libtcmalloc_minimal.so.4 ./t)
echo "version: jemalloc 5.3.0-1, mimalloc 2.0.9+ds-2, tcmalloc 2.10-1"
echo "expected: untouched by all four"
echo "seen: glibc $gl, jemalloc $je, mimalloc $mi, tcmalloc $tc"
[ "$gl $je $mi $tc" = "untouched untouched all all" ]
