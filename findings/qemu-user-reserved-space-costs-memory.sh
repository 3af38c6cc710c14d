#!/bin/sh
# A program reserves 2 GiB of addresses, PROT_NONE and MAP_NORESERVE, and touches
# nothing.
# Expected: no memory is used, under qemu-user as without it.
# Seen: under qemu-x86_64 7.2 about 6 MiB become resident for each GiB: 24 bytes
# for each page, also of what can never be touched.
# Why: allocators and sanitizers that reserve a large window (a sparse frame
# table, a shadow) pay for its size in the emulated test run, and for a window of
# terabytes a small machine has not the memory.
set -u
skip() { echo "skipped: $*"; exit 77; }
T=$(mktemp -d) || exit 77
trap 'rm -rf "$T"' EXIT
trap 'exit 77' HUP INT TERM
cd "$T" || exit 77
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || skip "not Debian amd64"
[ "$(gcc -dumpversion 2>/dev/null)" = 12 ] || skip "gcc is not 12"
apt-get -qq download qemu-user=1:7.2+dfsg-7+deb12u18+b3 \
	libcapstone4=4.0.2-5 liburing2=2.3-3 libnuma1=2.0.16-1 \
	>/dev/null 2>&1 ||
	skip "the packages cannot be had"
for d in ./*.deb; do dpkg -x "$d" r || skip "$d cannot be unpacked"; done
export LD_LIBRARY_PATH="$T/r/usr/lib/x86_64-linux-gnu:$T/r/lib/x86_64-linux-gnu"
Q=$T/r/usr/bin/qemu-x86_64
"$Q" -version >/dev/null 2>&1 || skip "qemu-user does not run"
cat >t.c <<'C'
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
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
	void *p = mmap(NULL, 2UL << 30, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	printf("%s %ld\n", p == MAP_FAILED ? "failed" : "reserved", (rss() - before) / 1024);
	return 0;
}
C
gcc -O0 -static t.c -o t || skip "no compiler"
n=$(./t) q=$("$Q" ./t)
mib=${q#reserved }
echo "version: qemu-user 1:7.2+dfsg-7+deb12u18+b3"
echo "expected: $n (MiB)"
echo "seen: $q (MiB)"
[ "$n" = "reserved 0" ] && [ "$q" != "$mib" ] && [ "$mib" -ge 10 ] && [ "$mib" -le 20 ]
