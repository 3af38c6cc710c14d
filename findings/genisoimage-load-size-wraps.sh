#!/bin/sh
# Expected: the sector count of an El Torito entry has 16 bits, so for a larger EFI image a
# tool says so, or writes the largest number, or 0.
#
# Seen: genisoimage 1.1.11 writes the count modulo 65536 and exits with 0: a FAT image of 40
# MiB, 81920 sectors, is entered with 16384, which is 8 MiB. xorriso 1.5.4 writes 0.
#
# Why it matters: firmware that believes the count sees the first 8 MiB of the EFI file
# system; whatever lies further behind cannot be read, and only after the image has grown
# past 32 MiB.
set -u
pins='
genisoimage=9:1.1.11-3.4
libmagic1=1:5.44-3
libmagic-mgc=1:5.44-3
xorriso=1.5.4-4
libisoburn1=1.5.4-4
libisofs6=1.5.4-1
libburn4=1.5.4-1
libjte2=1.22-3
libreadline8=8.2-1.3
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
if ! { genisoimage -version && xorriso -version; } >/dev/null 2>&1; then
    echo "skip: the program does not run here"
    exit 77
fi

mkdir tree
truncate -s 40M tree/efi.img

# The sector count in the default entry of the boot catalog; the boot record in sector 17 says where that is.
count() {
    catalog=$(od -An -t u4 -j $((17 * 2048 + 71)) -N 4 "$1" | tr -d ' ')
    od -An -t u2 -j $((catalog * 2048 + 32 + 6)) -N 2 "$1" | tr -d ' '
}

genisoimage -quiet -o g.iso -e efi.img -no-emul-boot -c boot.cat tree 2>g.err
status=$?
seen="genisoimage: $(count g.iso), exit $status, $(grep -c -i -E 'warn|error|size' g.err) complaints"
xorriso -as mkisofs -quiet -o x.iso -e efi.img -no-emul-boot -c boot.cat tree 2>/dev/null || exit 1
seen="$seen | xorriso: $(count x.iso)"
recorded='genisoimage: 16384, exit 0, 0 complaints | xorriso: 0'

echo "version: $(genisoimage -version 2>&1 | head -n 1); xorriso $(xorriso -version 2>/dev/null | awk '/^xorriso version/ { print $NF }')"
echo "expected: an error, 65535 or 0"
echo "seen: $seen"
[ "$seen" = "$recorded" ]
