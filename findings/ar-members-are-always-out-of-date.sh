#!/bin/sh
# A makefile keeps an archive by its members, lib.a(x.o): x.o, and ar r.
# Expected: the second make has nothing to do.
# Seen: Debian's ar (binutils 2.40) writes members with the date 0 unless told "U",
# and make 4.3 takes a member's age from there: x.o is put in again at every make,
# and whatever needs lib.a is linked again. With "ar rU" the second run is quiet.
# Why: archives named member by member (make's built-in rules use that form) rebuild
# a kernel each time, and the cause is neither in the makefile nor in a file's date.
set -u
skip() { echo "skipped: $*"; exit 77; }
T=$(mktemp -d) || exit 77
trap 'rm -rf "$T"' EXIT
trap 'exit 77' HUP INT TERM
cd "$T" || exit 77
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || skip "not Debian amd64"
apt-get -qq download binutils-x86-64-linux-gnu=2.40-2 libbinutils=2.40-2 \
	>/dev/null 2>&1 || skip "the packages cannot be had"
for d in ./*.deb; do dpkg -x "$d" r || skip "$d cannot be unpacked"; done
case $(make --version 2>/dev/null | head -1) in
'GNU Make 4.3') ;;
*) skip "make is not 4.3" ;;
esac
export LD_LIBRARY_PATH="$T/r/usr/lib/x86_64-linux-gnu"
ar=$T/r/usr/bin/x86_64-linux-gnu-ar
"$ar" --version >/dev/null 2>&1 || skip "ar does not run"
cat >Makefile <<'C'
all: lib.a(x.o)
lib.a(x.o): x.o
	$(AR) $(F) lib.a x.o
C
seen=
for flags in rc rcU; do
	rm -f lib.a
	echo data >x.o
	touch -d '1 hour ago' x.o
	make -s AR="$ar" F=$flags >/dev/null 2>&1
	make -q AR="$ar" F=$flags >/dev/null 2>&1
	seen="$seen $flags=$?"
done
echo "version: binutils 2.40-2, make 4.3"
echo "expected: up to date (0) after rc and rcU"
echo "seen:$seen"
[ "$seen" = " rc=1 rcU=0" ]
