#!/bin/sh
# Expected: 0xFFFFFFFF in ASL is the number 0xFFFFFFFF, whatever table it stands in, on an
# interpreter of 64-bit integers.
#
# Seen, iasl and acpiexec 20200925: in a table of revision 1 iasl writes 0xFFFFFFFF as the
# opcode Ones. But the width of integers is that of the DSDT's revision, not of the table's
# own: an SSDT of revision 1 beside a DSDT of revision 2 returns 0xFFFFFFFFFFFFFFFF. No
# warning is given; 0xFFFFFFFE stays what it is, and so does the constant in an SSDT of
# revision 2.
#
# Why it matters: a 32-bit mask or an all-ones "not there" value in an extra table (qemu's
# -acpitable, an overlay for a kernel's test) becomes 64 bits wide, so that masks stop
# masking and comparisons stop matching.
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
DefinitionBlock ("", "DSDT", 2, "TESTER", "MAIN", 1) { Name (ABCD, 1) }
EOF
for revision in 1 2; do
    cat >ssdt$revision.asl <<EOF
DefinitionBlock ("", "SSDT", $revision, "TESTER", "MORE", 1)
{
    Method (MASK) { Return (0xFFFFFFFF) }
    Method (NEAR) { Return (0xFFFFFFFE) }
}
EOF
done
for table in dsdt ssdt1 ssdt2; do
    iasl -p $table $table.asl >$table.log 2>&1 || exit 1
    grep -q '0 Errors, 0 Warnings' $table.log || exit 1
done

value() {
    acpiexec -b "evaluate \\$2" dsdt.aml "$1.aml" 2>&1 | sed -n 's/.*\[Integer\] = //p'
}

seen="revision 1: $(value ssdt1 MASK) $(value ssdt1 NEAR) | revision 2: $(value ssdt2 MASK) $(value ssdt2 NEAR)"
recorded='revision 1: FFFFFFFFFFFFFFFF 00000000FFFFFFFE | revision 2: 00000000FFFFFFFF 00000000FFFFFFFE'

echo "version: acpica-tools $(iasl -v | sed -n 's/.*version //p' | head -n 1)"
echo "expected: 00000000FFFFFFFF 00000000FFFFFFFE for both revisions"
echo "seen: $seen"
[ "$seen" = "$recorded" ]
