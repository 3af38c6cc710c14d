#!/bin/sh
# Expected: a FAT32 file system that mkfs.fat makes, that fsck.fat passes and that GRUB
# reads can be read by mtools.
#
# Seen: mkfs.fat 4.2 -F 32 makes an EFI system partition of 8 MiB and exits with 0; mtools
# 4.0.32 cannot even list it (it goes by the number of clusters, not by the fields of the
# boot sector). GRUB 2.06 lists it. With as many clusters as FAT32 must have, from about 33
# MiB on, mtools works.
#
# Why it matters: an image builder that makes the FAT by one tool and fills it by the other
# breaks as soon as the partition is made small, with a message about reading the FAT; who
# insists on FAT32 for UEFI needs 33 MiB.
set -u
pins='
grub-common=2.06-13+deb12u2
libdevmapper1.02.1=2:1.02.185-2
dosfstools=4.2-1
mtools=4.0.33-1+really4.0.32-1
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
if ! { mcopy --version && grub-fstest --version; } >/dev/null 2>&1; then
    echo "skip: the program does not run here"
    exit 77
fi

unset MTOOLS_SKIP_CHECK MTOOLSRC
echo hello >hello.txt

try() {
    rm -f esp.img
    mkfs.fat -C -F 32 -i 12345678 esp.img "$1" >out 2>&1
    made=$?
    fsck.fat -n esp.img >/dev/null 2>&1
    checked=$?
    mdir -i esp.img :: >/dev/null 2>&1
    listed=$?
    mcopy -i esp.img hello.txt ::HELLO.TXT >/dev/null 2>&1
    copied=$?
    grub-fstest esp.img ls '(loop0)/' >/dev/null 2>&1
    echo "mkfs $made, fsck $checked, GRUB $?, mdir $listed, mcopy $copied"
}

seen="8 MiB: $(try 8192) | 40 MiB: $(try 40960)"
recorded='8 MiB: mkfs 0, fsck 0, GRUB 0, mdir 1, mcopy 1 | 40 MiB: mkfs 0, fsck 0, GRUB 0, mdir 0, mcopy 0'

echo "version: $(grep ^mkfs.fat out); $(mcopy --version | head -n 1); $(grub-fstest --version)"
echo "expected: 8 MiB: all 0, or mkfs fails"
echo "seen: $seen"
[ "$seen" = "$recorded" ]
