#!/bin/sh
# Expected: a section called .note.Xen is a note, as it is for GNU as, gcc and clang, and
# the linker makes a PT_NOTE of it.
#
# Seen, nasm 2.16.01: only the exact name .note is known to nasm, and that one is not
# allocated; .note.Xen becomes PROGBITS, and ld 2.40 makes no PT_NOTE. "section .note.Xen
# note" does it. Names such as .bss.stack (PROGBITS, zeros in the file) and .text.boot (not
# executable) fare alike, by the same rule.
#
# Why it matters: a loader that looks for the PVH entry, or for any other note, walks the
# program headers and finds nothing, although the bytes are in the file and loaded.
set -u
pins='
nasm=2.16.01-1
binutils-x86-64-linux-gnu=2.40-2
libbinutils=2.40-2
libctf0=2.40-2
libjansson4=2.14-2
'
work=$(mktemp -d) || exit 77
trap 'rm -rf "$work"' EXIT
trap 'exit 77' HUP INT TERM
mkdir "$work/debs" "$work/root" "$work/run"
cd "$work/debs" || exit 77
# shellcheck disable=SC2086 # one word for each package
if ! apt-get download $pins >apt.log 2>&1; then
    echo "skip: the pinned packages cannot be had"
    exit 77
fi
for deb in *.deb; do
    dpkg -x "$deb" "$work/root" || exit 77
done
cd "$work/run" || exit 77
root=$work/root
export PATH="$root/usr/bin:$root/usr/sbin:$root/sbin:$PATH"
export LD_LIBRARY_PATH="$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu"
export LC_ALL=C
if ! { nasm -v && x86_64-linux-gnu-as --version && x86_64-linux-gnu-ld --version; } >/dev/null 2>&1; then
    echo "skip: the program does not run here"
    exit 77
fi

make_source() {
    cat <<EOF
section $1
dd 4, 4, 18
db "Xen", 0
dd start
section .text
global start
start: hlt
EOF
}

# The type of the section, and the number of PT_NOTE headers of the linked file.
look() {
    nasm -f elf64 -o "$1.o" "$1.asm" && x86_64-linux-gnu-ld -static -e start -o "$1.elf" "$1.o" || exit 1
    type=$(x86_64-linux-gnu-readelf -SW "$1.o" | sed -n 's/.*\] \.note\.Xen *\([A-Z]*\).*/\1/p')
    echo "$type, $(x86_64-linux-gnu-readelf -lW "$1.elf" | grep -c '^  NOTE ') PT_NOTE"
}

make_source .note.Xen >plain.asm
make_source '.note.Xen note' >note.asm
cat >gas.s <<'EOF'
.section .note.Xen, "a"
.long 4, 4, 18
.asciz "Xen"
.long start
.text
.globl start
start: hlt
EOF
x86_64-linux-gnu-as -mx86-used-note=no -o gas.o gas.s && x86_64-linux-gnu-ld -static -e start -o gas.elf gas.o || exit 1
gas_type=$(x86_64-linux-gnu-readelf -SW gas.o | sed -n 's/.*\] \.note\.Xen *\([A-Z]*\).*/\1/p')
seen="nasm: $(look plain) | nasm, with the word note: $(look note) | as: $gas_type, $(
    x86_64-linux-gnu-readelf -lW gas.elf | grep -c '^  NOTE ') PT_NOTE"
recorded='nasm: PROGBITS, 0 PT_NOTE | nasm, with the word note: NOTE, 1 PT_NOTE | as: NOTE, 1 PT_NOTE'

echo "version: $(nasm -v); $(x86_64-linux-gnu-ld --version | head -n 1)"
echo "expected: NOTE, 1 PT_NOTE three times"
echo "seen: $seen"
[ "$seen" = "$recorded" ]
