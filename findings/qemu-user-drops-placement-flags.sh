#!/bin/sh
# mmap with MAP_FIXED_NOREPLACE over a mapping, and with MAP_32BIT, under
# qemu-user for the same architecture.
# Expected: EEXIST, and an address below 4 GiB, as without it; a flag that is not
# supported should fail.
# Seen: qemu-x86_64 7.2 drops both flags: the first call succeeds at another
# address, the second returns one far above 4 GiB.
# Why: an allocator that claims a fixed window and checks only for MAP_FAILED, or
# keeps 32-bit pointers, goes on with memory that is not where it thinks.
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
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
int main(void)
{
	int f = MAP_PRIVATE | MAP_ANONYMOUS;
	char *p = mmap(NULL, 4096, PROT_READ, f, -1, 0);
	char *q = mmap(p, 4096, PROT_READ, f | MAP_FIXED_NOREPLACE, -1, 0);
	const char *what = q == p ? "replaced" : "elsewhere";
	if (q == MAP_FAILED)
		what = errno == EEXIST ? "EEXIST" : "error";
	char *r = mmap(NULL, 4096, PROT_READ, f | MAP_32BIT, -1, 0);
	printf("noreplace=%s low=%d\n", what,
	       r != MAP_FAILED && (uintptr_t)r < (uintptr_t)1 << 32);
	return 0;
}
C
gcc -O0 -static t.c -o t || skip "no compiler"
n=$(./t) q=$("$Q" ./t)
echo "version: qemu-user 1:7.2+dfsg-7+deb12u18+b3"
echo "expected: $n"
echo "seen: $q"
[ "$n" = "noreplace=EEXIST low=1" ] && [ "$q" = "noreplace=elsewhere low=0" ]
