#!/bin/sh
# A data file with sizes as people write them: 4k, 16k, 1M, and 1,5 for one and a half.
# Expected: not numbers, so the rows are left out, as for a word, or an error.
# Seen: gnuplot 5.4.4 plots 4, 16, 1 and 1, silently: it reads the digits at the
# front. A leading 0x is taken as hexadecimal, a leading 0 as decimal, though in an
# expression of the script 010 is 8.
# Why: an axis of block sizes is wrong by a thousand and still looks like a curve.
set -u
skip() { echo "skipped: $*"; exit 77; }
T=$(mktemp -d) || exit 77
trap 'rm -rf "$T"' EXIT
trap 'exit 77' HUP INT TERM
cd "$T" || exit 77
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || skip "not Debian amd64"
apt-get -qq download gnuplot-nox=5.4.4+dfsg1-2+b2 >/dev/null 2>&1 ||
	skip "the packages cannot be had"
for d in ./*.deb; do dpkg -x "$d" r || skip "$d cannot be unpacked"; done
G=$T/r/usr/bin/gnuplot-nox
[ -x "$G" ] || G=$T/r/usr/bin/gnuplot
export GNUTERM=dumb HOME="$T"
"$G" -e 'print 1' >/dev/null 2>&1 || skip "gnuplot's libraries are missing"
printf '%s 7\n' 4k 16k 1M 1,5 word 0x10 010 >d
"$G" -e 'set table "o"; set yrange [0:9]; plot "d" using 1:2' >err 2>&1
seen="$(awk '$2 == 7 {printf "%s ", $1}' o)script:$("$G" -e 'print 010' 2>&1) messages:$(grep -ci "warn\|error\|bad\|skip" err)"
echo "version: gnuplot-nox 5.4.4+dfsg1-2+b2"
echo "expected: 16 8 script:8 messages:0, or an error for the first five"
echo "seen: $seen"
[ "$seen" = "4 16 1 1 16 10 script:8 messages:0" ]
