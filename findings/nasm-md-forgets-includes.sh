#!/bin/sh
# Expected: nasm -MD, which assembles and writes the list of dependencies at one go, lists
# the same files as nasm -M.
#
# Seen, nasm 2.16.01: -M lists included files and incbin files; -MD lists the incbin files
# only, although the included file was read and assembled.
#
# Why it matters: with "-include *.d" in a makefile, a changed header (page-table constants,
# the layout of a structure) does not rebuild the object, and a kernel is linked from old
# and new halves. A second run with -M gives the true list.
set -u
pins='
nasm=2.16.01-1
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
if ! { nasm -v; } >/dev/null 2>&1; then
    echo "skip: the program does not run here"
    exit 77
fi

echo 'db 0x41' >inner.inc
printf 'xyz' >blob
cat >top.asm <<'EOF'
%include "inner.inc"
incbin "blob"
EOF

# The files that a makefile rule names behind its colon.
files() {
    sed 's/^[^:]*: *//' "$1" | tr -s ' \\\n' ' ' | sed 's/ *$//'
}

nasm -f bin -M top.asm >m.d
nasm -f bin -MD md.d -o top.bin top.asm
seen="-M: $(files m.d) | -MD: $(files md.d) | assembled: $(cat top.bin)"
recorded='-M: top.asm inner.inc blob | -MD: top.asm blob | assembled: Axyz'

echo "version: $(nasm -v)"
echo "expected: -M and -MD both list top.asm inner.inc blob"
echo "seen: $seen"
[ "$seen" = "$recorded" ]
