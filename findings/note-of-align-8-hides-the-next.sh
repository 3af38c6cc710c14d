#!/bin/sh
# Expected: notes gathered into one segment of type PT_NOTE are all found by who walks it,
# each being padded as it was by the assembler.
#
# Seen, binutils 2.40: .note.gnu.property is aligned to 8 and .note.Xen to 4. Put into one
# output section they give one PT_NOTE with p_align 8, and a reader pads names and
# descriptions to p_align: the 4-byte description of the Xen note then runs past the end,
# and readelf reports a corrupt note in place of it. In output sections of their own both
# are found.
#
# Why it matters: the usual ".note : { *(.note*) }" loses the PVH entry as soon as some
# object brings a property note; loaders that pad in this way (QEMU 7.2's -kernel) then
# refuse the kernel as having no note.
set -u
pins='
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
if ! { x86_64-linux-gnu-as --version && x86_64-linux-gnu-ld --version; } >/dev/null 2>&1; then
    echo "skip: the program does not run here"
    exit 77
fi

cat >notes.s <<'EOF'
.section .note.gnu.property, "a", @note
.p2align 3
.long 4, 16, 5
.asciz "GNU"
.long 0xc0000002, 4, 3, 0
.section .note.Xen, "a", @note
.p2align 2
.long 4, 4, 18
.asciz "Xen"
.long start
.text
.globl start
start: hlt
EOF
cat >one.ld <<'EOF'
PHDRS { load PT_LOAD; note PT_NOTE; }
SECTIONS {
    . = 1M;
    .text : { *(.text) } :load
    .note : { *(.note.gnu.property) *(.note.Xen) } :load :note
}
EOF
cat >two.ld <<'EOF'
PHDRS { load PT_LOAD; gnu PT_NOTE; xen PT_NOTE; }
SECTIONS {
    . = 1M;
    .text : { *(.text) } :load
    .note.gnu.property : { *(.note.gnu.property) } :load :gnu
    .note.Xen : { *(.note.Xen) } :load :xen
}
EOF
x86_64-linux-gnu-as -mx86-used-note=no -o notes.o notes.s || exit 1

# The alignments of the PT_NOTE headers, and the owners that readelf finds.
owners() {
    x86_64-linux-gnu-ld -static -e start -T "$1.ld" -o "$1.elf" notes.o || exit 1
    aligns=$(x86_64-linux-gnu-readelf -lW "$1.elf" | sed -n 's/^  NOTE .* //p' | tr '\n' ' ')
    x86_64-linux-gnu-readelf -nW "$1.elf" >notes.out 2>&1
    names=$(sed -n 's/^  \(GNU\|Xen\) .*/\1/p' notes.out | tr '\n' ' ')
    echo "align ${aligns}owners ${names}invalid $(grep -c 'invalid namesz' notes.out)"
}

seen="one section: $(owners one) | two sections: $(owners two)"
recorded='one section: align 0x8 owners GNU invalid 1 | two sections: align 0x8 0x4 owners GNU Xen invalid 0'

echo "version: $(x86_64-linux-gnu-ld --version | head -n 1)"
echo "expected: owners GNU Xen, invalid 0, both times"
echo "seen: $seen"
[ "$seen" = "$recorded" ]
