#!/bin/sh
# setrlimit(RLIMIT_AS, 64 MiB), then mmap of 256 MiB, in a program under qemu-user.
# Expected: ENOMEM, as without the emulator; or setrlimit fails.
# Seen: qemu-x86_64 7.2 returns 0, does nothing (the limit would hit the emulator
# too), and the mapping succeeds. getrlimit still tells the old limit.
# Why: tests of the out-of-memory path pass natively and are no test at all in the
# run for another architecture: malloc never fails there.
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
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
int main(void)
{
	struct rlimit r = { 64 << 20, 64 << 20 }, now;
	int set = setrlimit(RLIMIT_AS, &r);
	getrlimit(RLIMIT_AS, &now);
	void *p = mmap(NULL, 256 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	printf("set=%d kept=%d mapped=%d\n", set, now.rlim_cur == r.rlim_cur,
	       p != MAP_FAILED);
	return 0;
}
C
gcc -O0 -static t.c -o t || skip "no compiler"
n=$(./t) q=$("$Q" ./t)
echo "version: qemu-user 1:7.2+dfsg-7+deb12u18+b3"
echo "expected: $n"
echo "seen: $q"
[ "$n" = "set=0 kept=1 mapped=0" ] && [ "$q" = "set=0 kept=0 mapped=1" ]
