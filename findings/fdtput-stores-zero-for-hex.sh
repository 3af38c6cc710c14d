#!/bin/sh
# fdtput board.dtb / reg 0x10
# Expected: the value 16 (fdtget prints it so, the source language writes it so),
# or a complaint.
# Seen: the default type is decimal and reading stops at the x: 0 is stored, exit
# status 0. "4k" stores 4, a word stores 0, 2^32 stores 0. "-t x" is needed, and
# with it 10 is 16 as well.
# Why: a script that patches an address or a size into the tree handed to a
# kernel silently places it at 0.
set -u
skip() { echo "skipped: $*"; exit 77; }
T=$(mktemp -d) || exit 77
trap 'rm -rf "$T"' EXIT
trap 'exit 77' HUP INT TERM
cd "$T" || exit 77
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || skip "not Debian amd64"
apt-get -qq download device-tree-compiler=1.6.1-4+b1 libfdt1=1.6.1-4+b1 \
	>/dev/null 2>&1 ||
	skip "the packages cannot be had"
for d in ./*.deb; do dpkg -x "$d" r || skip "$d cannot be unpacked"; done
export LD_LIBRARY_PATH="$T/r/usr/lib/x86_64-linux-gnu"
B=$T/r/usr/bin
echo '/dts-v1/; / { z = <7>; };' | "$B/dtc" -q -O dtb -o a.dtb - || skip "dtc does not run"
seen=
for v in 0x10 16 4k word 4294967296; do
	"$B/fdtput" a.dtb / z $v || seen="$seen error"
	seen="$seen $v=$("$B/fdtget" -t u a.dtb / z)"
done
"$B/fdtput" -t x a.dtb / z 0x10 || seen="$seen error"
seen="$seen x:0x10=$("$B/fdtget" -t u a.dtb / z)"
echo "version: device-tree-compiler 1.6.1-4+b1"
echo "expected: 0x10=16 16=16, an error for the others, x:0x10=16"
echo "seen:$seen"
[ "$seen" = " 0x10=0 16=16 4k=4 word=0 4294967296=0 x:0x10=16" ]
