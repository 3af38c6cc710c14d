#!/bin/sh
# Expected: sgdisk -v exits with an error where it found damage, and does not say that there
# are no problems.
#
# Seen, sgdisk 1.0.9: with the backup header destroyed it reports the wrong checksum on the
# error stream, repairs it in memory, checks the repaired copy, says that no problems were
# found, and exits with 0. With a disk that grew behind its table it identifies a problem,
# and exits with 0 too.
#
# Why it matters: as a step of a build that checks boot media, it passes everything.
set -u
pins='
gdisk=1.0.9-2.1
libpopt0=1.19+dfsg-1
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
if ! { sgdisk --version; } >/dev/null 2>&1; then
    echo "skip: the program does not run here"
    exit 77
fi

truncate -s 8M disk.img
sgdisk -n 1:2048:4095 disk.img >/dev/null 2>&1 || exit 1
cp disk.img grown.img
truncate -s 10M grown.img
head -c 512 /dev/zero | tr '\0' 'x' | dd of=disk.img bs=512 seek=16383 conv=notrunc 2>/dev/null

verify() {
    sgdisk -v "$1" >out 2>err
    echo "exit $?, $(grep -c 'No problems found' out) times no problems," \
        "$(grep -c -E 'Identified [1-9]' out) times problems, $(grep -c 'Backup header: ERROR' err) header errors"
}

seen="backup destroyed: $(verify disk.img) | grown: $(verify grown.img)"
recorded='backup destroyed: exit 0, 1 times no problems, 0 times problems, 1 header errors'
recorded="$recorded | grown: exit 0, 0 times no problems, 1 times problems, 0 header errors"

echo "version: $(sgdisk --version)"
echo "expected: an exit status other than 0 for both"
echo "seen: $seen"
[ "$seen" = "$recorded" ]
