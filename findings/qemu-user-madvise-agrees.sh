#!/bin/sh
# madvise with an advice that does not exist, on memory that is not mapped, and
# MADV_WIPEONFORK before a fork, under qemu-user.
# Expected: EINVAL, ENOMEM, and a child that reads zeros, as without it.
# Seen: qemu-x86_64 7.2 returns 0 each time and the child reads the parent's
# bytes: advice it does not know is taken as a hint and dropped. MADV_DONTNEED is
# carried out.
# Why: an allocator that probes for an advice by asking believes it has it, and
# one that keeps per-process state behind WIPEONFORK shares it with its children.
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
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
static int ask(void *p, int advice)
{
	return madvise(p, 4096, advice) ? errno : 0;
}
int main(void)
{
	char *p = mmap(NULL, 16384, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(p, 7, 16384);
	munmap(p + 8192, 4096);
	int dontneed = ask(p + 4096, MADV_DONTNEED);
	int gone = p[4096];
	int none = ask(p, 12345), hole = ask(p + 8192, MADV_DONTNEED);
	int wipe = ask(p, MADV_WIPEONFORK), st;
	if (fork() == 0)
		_exit(p[0]);
	wait(&st);
	printf("dontneed=%d,%d none=%d hole=%d wipe=%d child=%d\n", dontneed, gone,
	       none, hole, wipe, WEXITSTATUS(st));
	return 0;
}
C
gcc -O0 -static t.c -o t || skip "no compiler"
n=$(./t) q=$("$Q" ./t)
echo "version: qemu-user 1:7.2+dfsg-7+deb12u18+b3"
echo "expected: $n"
echo "seen: $q"
[ "$n" = "dontneed=0,0 none=22 hole=12 wipe=0 child=0" ] &&
	[ "$q" = "dontneed=0,0 none=0 hole=0 wipe=0 child=7" ]
