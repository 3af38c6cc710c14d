#!/bin/sh
# Expected: "ld -Ttext=0x100000" makes a file that loads from 1 MiB up.
#
# Seen, GNU ld 2.40 with its own linker script: a first PT_LOAD that holds no section, only
# the ELF header and the program headers, goes to the page in front: 0xff000. With -n there
# is none.
#
# Why it matters: a loader that follows the program headers writes into 0xff000, which on a
# PC is the ROM of the firmware just below 1 MiB; and code that takes the lowest p_paddr for
# the start of the kernel is off by a page.
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

echo '.globl _start; _start: hlt' | x86_64-linux-gnu-as -o start.o -

# The addresses of the PT_LOAD headers, and how many sections the first of them has.
loads() {
    x86_64-linux-gnu-ld -static "$@" -Ttext=0x100000 -o start.elf start.o || exit 1
    x86_64-linux-gnu-readelf -lW start.elf >headers
    addresses=$(sed -n 's/^  LOAD *[^ ]* *[^ ]* *0x0*\([^ ]*\) .*/\1/p' headers | tr '\n' ' ')
    echo "$addresses(the first has $(sed -n 's/^ *00 *//p' headers | wc -w) sections)"
}

seen="plain: $(loads) | -n: $(loads -n)"
recorded='plain: ff000 100000 (the first has 0 sections) | -n: 100000 (the first has 1 sections)'

echo "version: $(x86_64-linux-gnu-ld --version | head -n 1)"
echo "expected: plain: 100000"
echo "seen: $seen"
[ "$seen" = "$recorded" ]
