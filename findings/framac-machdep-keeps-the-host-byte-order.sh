#!/bin/sh
# frama-c -machdep ppc_32 (big endian) on code that asks __BYTE_ORDER__.
# Expected: the macro and the analysed machine agree.
# Seen: Frama-C 25 (Manganese) preprocesses with the host's compiler: __BYTE_ORDER__
# says little, so the little-endian branch is analysed, while Eva stores words with
# the high byte first. -m32 is passed on, so word sizes do agree.
# Why: a proof of a byte-swapping or on-disk layout "for the big-endian machine" is
# one of code that no such machine would run; nothing is printed.
set -u
skip() { echo "skipped: $*"; exit 77; }
T=$(mktemp -d) || exit 77
trap 'rm -rf "$T"' EXIT
trap 'exit 77' HUP INT TERM
cd "$T" || exit 77
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || skip "not Debian amd64"
[ "$(gcc -dumpversion 2>/dev/null)" = 12 ] || skip "gcc is not 12"
apt-get -qq download frama-c-base=20220511-manganese-3+b4 \
	libgmp10=2:6.2.1+dfsg1-1.1 >/dev/null 2>&1 ||
	skip "the packages cannot be had"
for d in ./*.deb; do dpkg -x "$d" r || skip "$d cannot be unpacked"; done
F=$T/r/usr
export FRAMAC_SHARE="$F/share/frama-c" FRAMAC_LIB="$F/lib/frama-c" FRAMAC_PLUGIN="$F/lib/frama-c/plugins"
export HOME="$T" LD_LIBRARY_PATH="$F/lib/x86_64-linux-gnu"
cat >t.c <<'C'
int macro_little =
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	1;
#else
	0;
#endif
int main(void)
{
	unsigned word = 0x01020304;
	int first = *(unsigned char *)&word, macro = macro_little;
	int word_size = sizeof(long);
	return 0;
}
C
gcc --version >/dev/null || skip "no compiler"
value() {
	"$F/bin/frama-c" -machdep "$1" -eva t.c >out 2>&1 ||
		skip "frama-c's OCaml libraries are missing"
	for v in first macro word_size; do
		sed -n "s/^ *$v ∈ {\\([0-9]*\\)}.*/$v=\\1/p" out | tail -1
	done | tr '\n' ' '
}
host=$(value x86_64) || skip "frama-c does not run"
other=$(value ppc_32) || skip "frama-c does not run"
echo "version: frama-c-base 20220511-manganese-3+b4"
echo "expected: x86_64 first=4 macro=1 word_size=8; ppc_32 first=1 macro=0 word_size=4"
echo "seen: x86_64 $host; ppc_32 $other"
[ "$host" = "first=4 macro=1 word_size=8 " ] && [ "$other" = "first=1 macro=1 word_size=4 " ]
