#!/bin/sh
# Expected: with more memory a virtual PC has at least as much RAM below 4 GiB as with less.
#
# Seen, qemu-system-x86_64 7.2: the top of low RAM falls where a limit is passed. Machine
# pc: 3583 MiB are all low, of 3584 MiB only 3072 are. Machine q35: 2815 MiB are all low, of
# 2816 MiB only 2048 are; the rest starts at 4 GiB.
#
# Why it matters: tests with 2 and 4 GiB never see the largest low RAM; a device window or a
# fixed page chosen by "RAM ends at 3 GiB on pc, at 2 GiB on q35" lies within RAM for the
# sizes between.
set -u
pins='
qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3
qemu-system-common=1:7.2+dfsg-7+deb12u18+b3
libaio1=0.3.113-4
libbpf1=1:1.1.2-0+deb12u1
libcapstone4=4.0.2-5
libdaxctl1=76.1-1
libelf1=0.188-2.1
libfdt1=1.6.1-4+b1
libfuse3-3=3.14.0-4
libglib2.0-0=2.74.6-2+deb12u9
libibverbs1=44.0-2
libjpeg62-turbo=1:2.1.5-2
libkmod2=30+20221128-1
libndctl6=76.1-1
libnl-3-200=3.7.0-0.2+b1
libnl-route-3-200=3.7.0-0.2+b1
libnuma1=2.0.16-1
libpixman-1-0=0.42.2-1
libpmem1=1.12.1-2
libpng16-16=1.6.39-2+deb12u6
librdmacm1=44.0-2
libsasl2-2=2.1.28+dfsg-10+deb12u1
libseccomp2=2.5.4-1+deb12u1
libslirp0=4.7.0-1
libssl3=3.0.22-1~deb12u2
libvdeplug2=4.0.1-4
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
if ! { qemu-system-x86_64 --version; } >/dev/null 2>&1; then
    echo "skip: the program does not run here"
    exit 77
fi

export QEMU_MODULE_DIR="$root/usr/lib/x86_64-linux-gnu/qemu"
head -c 65536 /dev/zero >rom.bin
mkdir none

# Where RAM above 1 MiB ends, and where a second piece starts, if any. No instruction is run.
ram() {
    printf 'info mtree -f\nquit\n' | timeout 20 qemu-system-x86_64 -L none -nodefaults -bios rom.bin -display none \
        -accel tcg -S -monitor stdio -machine "$1" -m "$2M" 2>&1 | tr -d '\r' |
        sed -n 's/^ *0*\(100000\|100000000\)-0*\([0-9a-f]*\) .*ram): pc\.ram .*/\1-\2/p' | sort -u | tr '\n' ' '
}

seen="pc 3583 $(ram pc 3583)| pc 3584 $(ram pc 3584)| q35 2815 $(ram q35 2815)| q35 2816 $(ram q35 2816)"
recorded='pc 3583 100000-dfefffff | pc 3584 100000-bfffffff 100000000-11fffffff '
recorded="$recorded| q35 2815 100000-afefffff | q35 2816 100000-7fffffff 100000000-12fffffff "

echo "version: $(qemu-system-x86_64 --version | head -n 1)"
echo "expected: one MiB more never lowers the end of the first piece"
echo "seen: $seen"
[ "$seen" = "$recorded" ]
