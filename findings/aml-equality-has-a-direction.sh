#!/bin/sh
# Expected: a == b and b == a give the same answer; and "12" + 1 is 13, or an error.
#
# Seen, acpiexec 20200925: the second operand is converted to the type of the first, and the
# two conversions are no inverses. With S = "10" and N = 0x10, N == S is true (the string is
# read as hexadecimal) and S == N is false (the number becomes a string of 16 digits). "12"
# + 1 is 0x13, while ToInteger ("12") is 12.
#
# Why it matters: an AML interpreter or a test of one that compares by value, or reads
# digits as decimal, takes other branches than the reference does.
set -u
pins='
acpica-tools=20200925-8
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
if ! { iasl -v; } >/dev/null 2>&1; then
    echo "skip: the program does not run here"
    exit 77
fi

cat >dsdt.asl <<'EOF'
DefinitionBlock ("", "DSDT", 2, "TESTER", "EQUAL", 1)
{
    Name (SSSS, "10")
    Name (NNNN, 0x10)
    Name (DOZN, "12")
    Method (NEQS) { Return (NNNN == SSSS) }
    Method (SEQN) { Return (SSSS == NNNN) }
    Method (PLUS) { Return (DOZN + 1) }
    Method (TOIN) { Return (ToInteger (DOZN)) }
}
EOF
iasl -p dsdt dsdt.asl >dsdt.log 2>&1 || exit 1

value() {
    acpiexec -b "evaluate \\$1" dsdt.aml 2>&1 | sed -n 's/.*\[Integer\] = //p'
}

seen="N == S $(value NEQS) | S == N $(value SEQN) | \"12\" + 1 $(value PLUS) | ToInteger $(value TOIN)"
recorded='N == S FFFFFFFFFFFFFFFF | S == N 0000000000000000 | "12" + 1 0000000000000013 | ToInteger 000000000000000C'

echo "version: acpica-tools $(iasl -v | sed -n 's/.*version //p' | head -n 1)"
echo "expected: N == S and S == N alike; 12 + 1 is 000000000000000D"
echo "seen: $seen"
[ "$seen" = "$recorded" ]
