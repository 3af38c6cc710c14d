#!/bin/sh
# nm --size-sort over an object with a routine of 300 bytes written in assembly.
# Expected: it heads the list; a size that is not given is the distance to the next
# symbol.
# Seen: for ELF, nm of binutils 2.40 leaves each symbol without a .size out of the
# list, and nm -S prints it without one; status 0, no hint. Only -n still has it.
# Why: entry code, context switches and copy loops are missing from a table of what
# fills a kernel's text, and a limit on its sum misses them.
set -u
skip() { echo "skipped: $*"; exit 77; }
T=$(mktemp -d) || exit 77
trap 'rm -rf "$T"' EXIT
trap 'exit 77' HUP INT TERM
cd "$T" || exit 77
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || skip "not Debian amd64"
[ "$(gcc -dumpversion 2>/dev/null)" = 12 ] || skip "gcc is not 12"
apt-get -qq download binutils-x86-64-linux-gnu=2.40-2 libbinutils=2.40-2 \
	>/dev/null 2>&1 || skip "the packages cannot be had"
for d in ./*.deb; do dpkg -x "$d" r || skip "$d cannot be unpacked"; done
cat >t.S <<'C'
	.text
	.globl context_switch
context_switch:
	.fill 300, 1, 0x90
	.globl small
	.type small, @function
small:	ret
	.size small, . - small
	.section .note.GNU-stack, "", @progbits
C
gcc -c t.S -o t.o || skip "no assembler"
export LD_LIBRARY_PATH="$T/r/usr/lib/x86_64-linux-gnu"
nm=$T/r/usr/bin/x86_64-linux-gnu-nm
"$nm" --version >/dev/null 2>&1 || skip "nm does not run"
list() { "$nm" "$@" t.o | awk '{print $NF}' | tr '\n' ' '; }
seen="size-sort: $(list --size-sort)/ by address: $(list -n)"
echo "version: binutils 2.40-2"
echo "expected: context_switch in both"
echo "seen: $seen"
[ "$seen" = "size-sort: small / by address: context_switch small " ]
