#!/bin/sh
# Expected: making an ISO image reads the files that go into it, and -boot-info-table fills
# in the copy inside the image.
#
# Seen, genisoimage 1.1.11: the table is written into the boot image on your disk: 56 bytes
# from offset 8 on. xorriso 1.5.4 in its mkisofs mode, given the same options, leaves the
# file alone.
#
# Why it matters: the build writes to its own input. With a file from a package or a
# repository the tree becomes dirty, a read-only source fails, and a boot image shared by
# two ISO images has the numbers of the last one.
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
fresh() {
    head -c 4096 /dev/zero | tr '\0' '\252' >tree/boot.img
    cp tree/boot.img before
}
changed() {
    cmp -l before tree/boot.img | awk '{ if (!n++) first = $1 - 1; last = $1 - 1 }
        END { if (n) print n " bytes changed, from " first " to " last; else print "unchanged" }'
}

fresh
genisoimage -quiet -o g.iso -b boot.img -no-emul-boot -boot-info-table -c boot.cat tree 2>/dev/null || exit 1
seen="genisoimage: $(changed)"
fresh
xorriso -as mkisofs -quiet -o x.iso -b boot.img -no-emul-boot -boot-info-table -c boot.cat tree 2>/dev/null || exit 1
seen="$seen | xorriso: $(changed)"
recorded='genisoimage: 56 bytes changed, from 8 to 63 | xorriso: unchanged'

echo "version: $(genisoimage -version 2>&1 | head -n 1); xorriso $(xorriso -version 2>/dev/null | awk '/^xorriso version/ { print $NF }')"
echo "expected: unchanged from both"
echo "seen: $seen"
[ "$seen" = "$recorded" ]
