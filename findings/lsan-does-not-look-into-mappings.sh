#!/bin/sh
# A block whose only pointer lies in an arena got from mmap, alive to the end.
# Expected: reachable: the arena's address is in a global, and Valgrind agrees.
# Seen: LeakSanitizer of gcc 12 reports it as leaked. It searches globals, stacks
# and its own malloc's blocks, not other mappings; kept in a malloc'd arena the same
# block is fine. __lsan_register_root_region on the arena ends it.
# Why: an allocator or page table under test takes its memory by mmap; whatever it
# alone points to looks lost, so people switch leak detection off.
set -u
skip() { echo "skipped: $*"; exit 77; }
T=$(mktemp -d) || exit 77
trap 'rm -rf "$T"' EXIT
trap 'exit 77' HUP INT TERM
cd "$T" || exit 77
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || skip "not Debian amd64"
[ "$(gcc -dumpversion 2>/dev/null)" = 12 ] || skip "gcc is not 12"
cat >t.c <<'C'
#include <sanitizer/lsan_interface.h>
#include <stdlib.h>
#include <sys/mman.h>
static char **arena;
int main(int argc, char **argv)
{
	(void)argv;
	arena = argc == 1 ? malloc(4096) :
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (argc == 3)
		__lsan_register_root_region(arena, 4096);
	arena[0] = malloc(123);
	return 0;
}
C
gcc -O0 -fsanitize=leak t.c -o t 2>/dev/null || skip "no leak sanitizer"
seen=
for words in '' 'mapped' 'mapped registered'; do
	# shellcheck disable=SC2086 # a list of words
	LSAN_OPTIONS=exitcode=23 ./t $words >out 2>&1
	status=$?
	grep -q 'encountered a fatal error' out && skip "tracing is not allowed here"
	seen="$seen $status:$(grep -o '[0-9]* byte(s) leaked' out)"
done
echo "version: gcc $(gcc -dumpfullversion)"
echo "expected: no leak from malloc'd, mapped, registered"
echo "seen:$seen"
[ "$seen" = " 0: 23:123 byte(s) leaked 0:" ]
