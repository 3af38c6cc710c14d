#!/bin/sh
# Expected: grub-script-check refuses "f() { ... }" if GRUB's language has no such form, or
# takes it as a function if it has.
#
# Seen, grub-script-check 2.06: it passes, but as a command called "f()" with a block for
# its argument. The proof: a file with nothing but "function f { ... }" is refused as having
# no commands, one with "f() { ... }" is not, nor one with "f)(x { ... }". The form of bash,
# "function f() { ... }", is a syntax error.
#
# Why it matters: a boot menu written with the habits of sh passes the check at build time,
# and at boot f is an unknown command; and a file that only defines functions, to be sourced
# by others, cannot be checked by itself.
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
if ! { grub-script-check --version; } >/dev/null 2>&1; then
    echo "skip: the program does not run here"
    exit 77
fi

try() {
    printf '%s\n' "$1" >menu.cfg
    grub-script-check menu.cfg >out 2>&1
    status=$?
    if grep -q 'no commands' out; then
        echo "$status, no commands"
    elif grep -q 'syntax error' out; then
        echo "$status, syntax error"
    else
        echo "$status"
    fi
}

seen="function f: $(try 'function f { echo hi; }') | f(): $(try 'f() { echo hi; }') | f)(x: $(
    try 'f)(x { echo hi; }') | function f(): $(try 'function f() { echo hi; }')"
recorded='function f: 1, no commands | f(): 0 | f)(x: 0 | function f(): 1, syntax error'

echo "version: $(grub-script-check --version)"
echo "expected: f() is refused, or is a definition as function f is"
echo "seen: $seen"
[ "$seen" = "$recorded" ]
