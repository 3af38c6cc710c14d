#!/bin/sh
# A semantic patch that renames one call, over functions in ordinary GNU C11.
# Expected: every call is renamed, or spatch says which function it cannot read.
# Seen: Coccinelle 1.1.1 renames in plain functions and leaves untouched, with
# status 0 and no message, each function that has __attribute__ before its type,
# asm goto, _Generic, _Alignas, _Atomic or unsigned __int128 in it. Each stands in
# a file of its own here, so none suffers from its neighbour.
# Why: those are the functions a kernel or an allocator is made of; a refactoring
# looks complete and the old call lives on where it matters.
set -u
skip() { echo "skipped: $*"; exit 77; }
T=$(mktemp -d) || exit 77
trap 'rm -rf "$T"' EXIT
trap 'exit 77' HUP INT TERM
cd "$T" || exit 77
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || skip "not Debian amd64"
apt-get -qq download coccinelle=1.1.1.deb-2+b1 libpcre3=2:8.39-15 \
	>/dev/null 2>&1 ||
	skip "the packages cannot be had"
for d in ./*.deb; do dpkg -x "$d" r || skip "$d cannot be unpacked"; done
export COCCINELLE_HOME="$T/r/usr/lib/coccinelle" LD_LIBRARY_PATH="$T/r/usr/lib/x86_64-linux-gnu:$T/r/lib/x86_64-linux-gnu"
cat >r.cocci <<'C'
@@ expression e; @@
- old(e)
+ new(e)
C
n=0 left='' status=''
while read -r line; do
	n=$((n + 1))
	echo "$line" >a.c
	rm -f b.c
	"$T/r/usr/bin/spatch" --very-quiet --sp-file r.cocci a.c -o b.c >out 2>&1
	status=$status$?
	[ -e b.c ] || cp a.c b.c
	grep -q 'new(' b.c || left="$left $n"
	grep -qi 'error\|warn\|skip\|parse\|BAD' out && left="$left(told)"
done <<'C'
void f1(void) { old(1); }
static __attribute__((noinline)) void f2(void) { old(2); }
__attribute__((noinline)) static void f3(void) { old(3); }
void f4(void) { asm goto("jmp %l0" : : : : out); out: old(4); }
void f5(void) { _Generic(1, int: old(5), default: old(5)); }
void f6(void) { _Alignas(64) int y = old(6); }
void f7(void) { _Atomic(int) r; old(7); }
void f8(void) { unsigned __int128 z = old(8); }
C
echo "version: coccinelle 1.1.1.deb-2+b1"
echo "expected: none left, or each told"
echo "seen: status $status, left$left"
[ "$status" = 00000000 ] && [ "$left" = " 2 3 4 5 6 7 8" ]
