#!/bin/sh
# A table is gathered in a section "tests" and walked from __start_tests to
# __stop_tests (declared weak, for a build with none); linked with --gc-sections.
# Expected: the references to the two symbols keep the section.
# Seen: GNU ld 2.40 keeps it, one entry; LLD 14 discards it, the weak symbols become
# 0, and the loop runs over nothing. -z nostart-stop-gc brings it back. With strong
# references it is an error instead.
# Why: init calls, test lists and tracepoints disappear when the linker is changed,
# and the program reports success over an empty list.
set -u
skip() { echo "skipped: $*"; exit 77; }
T=$(mktemp -d) || exit 77
trap 'rm -rf "$T"' EXIT
trap 'exit 77' HUP INT TERM
cd "$T" || exit 77
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || skip "not Debian amd64"
[ "$(gcc -dumpversion 2>/dev/null)" = 12 ] || skip "gcc is not 12"
apt-get -qq download lld-14=1:14.0.6-12 libllvm14=1:14.0.6-12 \
	>/dev/null 2>&1 ||
	skip "the packages cannot be had"
for d in ./*.deb; do dpkg -x "$d" r || skip "$d cannot be unpacked"; done
export LD_LIBRARY_PATH="$T/r/usr/lib/x86_64-linux-gnu:$T/r/usr/lib/llvm-14/lib"
mkdir bin
ln -s "$T/r/usr/lib/llvm-14/bin/lld" bin/ld.lld
bin/ld.lld --version >/dev/null 2>&1 || skip "lld's libraries are missing"
case $(ld --version 2>/dev/null | head -1) in
*' 2.40') ;;
*) skip "ld is not 2.40" ;;
esac
cat >entry.c <<'C'
static int test(void) { return 0; }
static int (*entry)(void) __attribute__((used, section("tests"))) = test;
C
cat >main.c <<'C'
typedef int (*test_fn)(void);
extern test_fn __start_tests[] __attribute__((weak));
extern test_fn __stop_tests[] __attribute__((weak));
int main(void) { return (int)(__stop_tests - __start_tests); }
C
seen=
for how in '' '-Bbin -fuse-ld=lld' '-Bbin -fuse-ld=lld -Wl,-z,nostart-stop-gc'; do
	# shellcheck disable=SC2086 # a list of words
	gcc -w -O1 -Wl,--gc-sections $how main.c entry.c -o t 2>err || skip "no linker: $how"
	./t
	seen="$seen $?"
done
echo "version: lld-14 1:14.0.6-12, ld 2.40"
echo "expected: entries 1 1 1 (ld, lld, lld without start-stop-gc)"
echo "seen:$seen"
[ "$seen" = " 1 0 1" ]
