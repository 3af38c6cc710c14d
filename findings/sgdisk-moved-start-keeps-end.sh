#!/bin/sh
# Expected: "sgdisk -n 1:34:+1M" makes a partition of 1 MiB; if the start is moved to fit
# the alignment, the end moves along.
#
# Seen, sgdisk 1.0.9: the start goes from 34 to 2048, the end stays where it was for the
# start asked for. The partition is 34 sectors long, and the exit status is 0. With -a 1 it
# is 1 MiB.
#
# Why it matters: a script that packs an EFI system partition behind the table gets one of
# 17 KiB, and the file system written there runs over its end.
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

make() {
    rm -f disk.img
    truncate -s 8M disk.img
    sgdisk "$@" disk.img >out 2>&1
    status=$?
    # First and last sector, from the first entry of the table in sector 2.
    first=$(od -An -t u8 -j $((1024 + 32)) -N 8 disk.img | tr -d ' ')
    last=$(od -An -t u8 -j $((1024 + 40)) -N 8 disk.img | tr -d ' ')
    echo "exit $status, from $first to $last, $((last - first + 1)) sectors"
}

seen="-n 1:34:+1M $(make -n 1:34:+1M) | -a 1 $(make -a 1 -n 1:34:+1M)"
recorded='-n 1:34:+1M exit 0, from 2048 to 2081, 34 sectors | -a 1 exit 0, from 34 to 2081, 2048 sectors'

echo "version: $(sgdisk --version)"
echo "expected: 2048 sectors both times"
echo "seen: $seen"
[ "$seen" = "$recorded" ]
