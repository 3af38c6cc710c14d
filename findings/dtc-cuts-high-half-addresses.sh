#!/bin/sh
# Expected: dtc refuses a number that does not fit a 32-bit cell, or warns.
#
# Seen, dtc 1.6.1: <0x100000000> is refused as out of range, but <0xffffffff80000000> is
# taken without a word, as 0x80000000: whatever would be a negative 32-bit number passes.
#
# Why it matters: the address of a higher-half kernel is just such a number. Written into
# one cell, instead of two or /bits/ 64, it turns into a plausible physical address, where
# any other 64-bit address would have been caught.
set -u
pins='
device-tree-compiler=1.6.1-4+b1
libfdt1=1.6.1-4+b1
libyaml-0-2=0.2.5-1
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
if ! { dtc --version && fdtget --version; } >/dev/null 2>&1; then
    echo "skip: the program does not run here"
    exit 77
fi

try() {
    printf '/dts-v1/;\n/ { entry = <%s>; };\n' "$1" >tree.dts
    rm -f tree.dtb
    dtc -I dts -O dtb -o tree.dtb tree.dts 2>err
    status=$?
    value=none
    [ $status -ne 0 ] || value=$(fdtget -t x tree.dtb / entry)
    echo "$1 exit $status, $value, $(wc -l <err) lines of errors"
}

seen="$(try 0x100000000) | $(try 0xffff800000000000) | $(try 0xffffffff80000000)"
recorded='0x100000000 exit 1, none, 2 lines of errors | 0xffff800000000000 exit 1, none, 2 lines of errors'
recorded="$recorded | 0xffffffff80000000 exit 0, 80000000, 0 lines of errors"

echo "version: $(dtc --version | sed s/Version..//)"
echo "expected: exit 1 for all three"
echo "seen: $seen"
[ "$seen" = "$recorded" ]
