#!/bin/sh
# Expected: a 64-bit constant such as 0xffffffff80000000 has one sign in the whole of an
# assembler's arithmetic: above 1 MiB in %if where it divides as an unsigned number.
#
# Seen, nasm 2.16.01: the operators > and < take it as negative, / and >> take it as
# unsigned. So "%if BASE > 0x100000" is false, while BASE / 0x40000000 is 0x3fffffffe, and
# -8 / 2 is 0x7ffffffffffffffc. yasm 1.3.0, given the same source, says that BASE is above,
# and that -8 / 2 is -4.
#
# Why it matters: guards over the addresses of a higher-half kernel choose the wrong branch
# without a word, and a source that both assemblers take builds two different images. In
# nasm // is the signed division.
set -u
pins='
nasm=2.16.01-1
yasm=1.3.0-4
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
if ! { nasm -v && yasm --version; } >/dev/null 2>&1; then
    echo "skip: the program does not run here"
    exit 77
fi

cat >sign.asm <<'EOF'
%define BASE 0xffffffff80000000
%if BASE > 0x100000
db 'above'
%else
db 'below'
%endif
EOF
cat >divide.asm <<'EOF'
dq 0xffffffff80000000 / 0x40000000
dq -8 / 2
EOF

quads() {
    od -An -v -t x8 "$1" | tr -s ' \n' ' ' | sed 's/^ //; s/ $//'
}

for as in nasm yasm; do
    "$as" -f bin -o "$as.sign" sign.asm && "$as" -f bin -o "$as.divide" divide.asm || exit 1
done
seen="nasm $(cat nasm.sign) $(quads nasm.divide) | yasm $(cat yasm.sign) $(quads yasm.divide)"
recorded="nasm below 00000003fffffffe 7ffffffffffffffc | yasm above 00000003fffffffe fffffffffffffffc"

echo "version: $(nasm -v); $(yasm --version | head -n 1)"
echo "expected: above, 00000003fffffffe and fffffffffffffffc from both"
echo "seen: $seen"
[ "$seen" = "$recorded" ]
