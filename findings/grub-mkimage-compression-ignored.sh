#!/bin/sh
# Expected: grub-mkimage -C none, xz and auto make images of different sizes, or an error
# where a platform has no such choice.
#
# Seen, GRUB 2.06: for i386-pc and for x86_64-efi the three give the same bytes. The one for
# PCs is always compressed (with its own LZMA), the one for EFI never, though it shrinks to
# less than half; no word is said of it.
#
# Why it matters: somebody who makes small boot media gains nothing by -C xz and sees no
# hint of it, and somebody who wants an image without compression, to look into it or to
# find a fault, does not get one.
set -u
pins='
grub-common=2.06-13+deb12u2
libdevmapper1.02.1=2:1.02.185-2
grub-pc-bin=2.06-13+deb12u2
grub-efi-amd64-bin=2.06-13+deb12u2
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
if ! { grub-mkimage --version; } >/dev/null 2>&1; then
    echo "skip: the program does not run here"
    exit 77
fi

build() {
    for c in none xz auto; do
        grub-mkimage -d "$root/usr/lib/grub/$1" -O "$1" -C $c -p /boot/grub -o "$1.$c" normal || exit 1
    done
    if cmp -s "$1.none" "$1.xz" && cmp -s "$1.none" "$1.auto"; then
        same=same
    else
        same=different
    fi
    if [ $(($(gzip -9 -n -c "$1.none" | wc -c) * 2)) -lt "$(wc -c <"$1.none")" ]; then
        echo "$same, gzip halves it"
    else
        echo "$same, gzip does not halve it"
    fi
}

seen="i386-pc: $(build i386-pc) | x86_64-efi: $(build x86_64-efi)"
recorded='i386-pc: same, gzip does not halve it | x86_64-efi: same, gzip halves it'

echo "version: $(grub-mkimage --version)"
echo "expected: different, with none large and xz small, or an error"
echo "seen: $seen"
[ "$seen" = "$recorded" ]
