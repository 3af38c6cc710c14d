#!/bin/sh
# A semantic patch for "if (p == NULL)", p any expression.
# Expected: it finds p == NULL, perhaps p == 0 and !p, for pointers.
# Seen: through its built-in equivalences Coccinelle 1.1.1 also rewrites
# "if (!n)" where n is an int, but neither "n == 0" nor "p == 0".
# Why: a rule that makes null tests explicit changes counts and flags into
# pointer tests, and misses the other spelling of the real ones. Declaring the
# metavariable "expression *p" keeps integers out.
set -u
skip() { echo "skipped: $*"; exit 77; }
T=$(mktemp -d) || exit 77
trap 'rm -rf "$T"' EXIT
trap 'exit 77' HUP INT TERM
cd "$T" || exit 77
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || skip "not Debian amd64"
apt-get -qq download coccinelle=1.1.1.deb-2+b1 libpcre3=2:8.39-15 \
	>/dev/null 2>&1 ||
	skip "the packages cannot be had"
for d in ./*.deb; do dpkg -x "$d" r || skip "$d cannot be unpacked"; done
export COCCINELLE_HOME="$T/r/usr/lib/coccinelle" LD_LIBRARY_PATH="$T/r/usr/lib/x86_64-linux-gnu:$T/r/lib/x86_64-linux-gnu"
for kind in '' '*'; do
	cat >r.cocci <<C
@@ expression ${kind}p; statement S; @@
- if (p == NULL) S
+ if (isnull(p)) S
C
	cat >a.c <<'C'
void f(char *p, int n)
{
	if (p == NULL) g1();
	if (!p) g2();
	if (p == 0) g3();
	if (!n) g4();
	if (n == 0) g5();
}
C
	"$T/r/usr/bin/spatch" --very-quiet --sp-file r.cocci a.c -o b.c >out 2>&1 ||
		skip "spatch does not run"
	seen="${seen:-}[$(tr -d '\n\t ' <b.c | grep -o 'isnull([pn]))g[0-9]' | grep -o '[0-9]' | tr -d '\n')]"
done
echo "version: coccinelle 1.1.1.deb-2+b1"
echo "expected: [123][123], or [12][12]"
echo "seen: $seen"
[ "$seen" = "[124][12]" ]
