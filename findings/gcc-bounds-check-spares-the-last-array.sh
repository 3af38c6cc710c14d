#!/bin/sh
# struct { int n; int slot[4]; }: slot[4] is read under -fsanitize=undefined.
# Expected: "index 4 out of bounds", as for an array that is not the last member.
# Seen: gcc 12 is silent: any last array of a struct, of whatever length, counts as
# one that may be longer. clang 14 reports it. gcc's -fsanitize=bounds-strict does
# too, and is not part of "undefined".
# Why: free lists, magazines and table nodes put their array last; their overruns pass
# a run with every sanitizer gcc has under that name.
set -u
skip() { echo "skipped: $*"; exit 77; }
T=$(mktemp -d) || exit 77
trap 'rm -rf "$T"' EXIT
trap 'exit 77' HUP INT TERM
cd "$T" || exit 77
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || skip "not Debian amd64"
[ "$(gcc -dumpversion 2>/dev/null)" = 12 ] || skip "gcc is not 12"
cat >t.c <<'C'
#include <stdlib.h>
struct last { int n; int slot[4]; };
struct first { int slot[4]; int n; };
__attribute__((noinline)) static int a(struct last *p, int i) { return p->slot[i]; }
__attribute__((noinline)) static int b(struct first *p, int i) { return p->slot[i]; }
int main(void)
{
	struct last *p = calloc(1, 64);
	struct first *q = calloc(1, 64);
	return p && q ? a(p, 4) + b(q, 4) : 0;
}
C
seen=
for how in undefined undefined,bounds-strict; do
	gcc -O0 -fsanitize=$how t.c -o t 2>/dev/null || skip "no sanitizer"
	./t 2>err
	seen="$seen $how:$(sed -n 's/^t\.c:\([0-9]*\):.*index 4 out of bounds.*/\1/p' err | tr '\n' ',')"
done
echo "version: gcc $(gcc -dumpfullversion)"
echo "expected: undefined:4,5, undefined,bounds-strict:4,5,"
echo "seen:$seen"
[ "$seen" = " undefined:5, undefined,bounds-strict:4,5," ]
