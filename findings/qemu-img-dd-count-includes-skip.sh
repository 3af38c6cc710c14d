#!/bin/sh
# Expected: qemu-img dd takes skip and count as dd does: count blocks, behind the skipped
# ones.
#
# Seen, qemu-img 7.2: count is counted from the start of the input, so that count less skip
# blocks are copied; with skip=1 count=1 the output is empty. The exit status is 0, though
# it says on the error stream that it cannot skip.
#
# Why it matters: cutting a boot sector or a partition out of an image by a command line
# that dd would understand gives a short file or none.
set -u
pins='
qemu-utils=1:7.2+dfsg-7+deb12u18+b3
libaio1=0.3.113-4
libglib2.0-0=2.74.6-2+deb12u9
libnuma1=2.0.16-1
liburing2=2.3-3
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
if ! { qemu-img --version; } >/dev/null 2>&1; then
    echo "skip: the program does not run here"
    exit 77
fi

seq 1 2000 | head -c 4096 >in.raw

size() {
    rm -f q.raw d.raw
    qemu-img dd -f raw -O raw if=in.raw of=q.raw bs=512 skip=1 "count=$1" >/dev/null 2>&1
    status=$?
    dd if=in.raw of=d.raw bs=512 skip=1 "count=$1" 2>/dev/null
    echo "count=$1 dd $(wc -c <d.raw), qemu-img $(wc -c <q.raw), exit $status"
}

seen="$(size 1) | $(size 2) | $(size 4)"
recorded='count=1 dd 512, qemu-img 0, exit 0 | count=2 dd 1024, qemu-img 512, exit 0'
recorded="$recorded | count=4 dd 2048, qemu-img 1536, exit 0"

echo "version: $(qemu-img --version | head -n 1)"
echo "expected: qemu-img as dd: 512, 1024 and 2048 bytes"
echo "seen: $seen"
[ "$seen" = "$recorded" ]
