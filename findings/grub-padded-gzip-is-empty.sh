#!/bin/sh
# Expected: GRUB's decompression of a file that gzip -t passes gives what gunzip gives.
#
# Seen, GRUB 2.06 (grub-fstest -u runs GRUB's own file code): GRUB takes the length of the
# contents from the last four bytes of the file. Padded with zeros to whole sectors, as gzip
# allows, the file is empty to GRUB, with no error and exit status 0; of two gzip files
# joined, which gunzip reads as one, GRUB gives the first only, where both are as long.
#
# Why it matters: a compressed kernel or module that went through dd conv=sync, a tape or a
# flash image, or that was put together by cat, loads as nothing or as its first part, while
# every other tool reads the whole.
set -u
pins='
grub-common=2.06-13+deb12u2
libdevmapper1.02.1=2:1.02.185-2
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
if ! { grub-fstest --version; } >/dev/null 2>&1; then
    echo "skip: the program does not run here"
    exit 77
fi

seq 1 2000 >plain
gzip -n -c plain >alone.gz
cp alone.gz padded.gz
head -c 512 /dev/zero >>padded.gz
cat alone.gz alone.gz >joined.gz
gzip -t alone.gz padded.gz joined.gz 2>/dev/null || exit 1
tar -c -f disk.tar alone.gz padded.gz joined.gz

# How many bytes gunzip and GRUB make of it, and GRUB's exit status.
sizes() {
    grub-fstest -u disk.tar cat "/$1.gz" >out 2>err
    status=$?
    gunzip=$(gzip -d -c "$1.gz" 2>/dev/null | wc -c)
    echo "gunzip $gunzip, GRUB $(wc -c <out), exit $status, $(wc -l <err) lines of errors"
}

seen="alone: $(sizes alone) | padded: $(sizes padded) | joined: $(sizes joined)"
recorded='alone: gunzip 8893, GRUB 8893, exit 0, 0 lines of errors'
recorded="$recorded | padded: gunzip 8893, GRUB 0, exit 0, 0 lines of errors"
recorded="$recorded | joined: gunzip 17786, GRUB 8893, exit 0, 0 lines of errors"

echo "version: $(grub-fstest --version)"
echo "expected: GRUB gives 8893, 8893 and 17786 bytes"
echo "seen: $seen"
[ "$seen" = "$recorded" ]
