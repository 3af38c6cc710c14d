#!/bin/sh
# TAP whose failing test has "#todo" glued into its description:
# "not ok 1 - drains frame#todo list"
# Expected: a failed test; a directive starts with a # of its own, after a blank.
# Seen: TAP::Harness 3.44 wants no blank and no end to the description: the test
# counts as TODO and the run passes. "frame#todos" fails as it should, and so does
# "frame\#todo".
# Why: a reporter that prints names of queues, lists or files as they come (this
# kind of list is often called todo) can turn a failure into a pass.
set -u
skip() { echo "skipped: $*"; exit 77; }
T=$(mktemp -d) || exit 77
trap 'rm -rf "$T"' EXIT
trap 'exit 77' HUP INT TERM
cd "$T" || exit 77
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || skip "not Debian amd64"
apt-get -qq download perl=5.36.0-7+deb12u4 \
	perl-modules-5.36=5.36.0-7+deb12u4 >/dev/null 2>&1 ||
	skip "the packages cannot be had"
for d in ./*.deb; do dpkg -x "$d" r || skip "$d cannot be unpacked"; done
export PERL5LIB="$T/r/usr/share/perl/5.36.0"
prove() { perl "$T/r/usr/bin/prove" "$@"; }
prove --version >/dev/null 2>&1 || skip "prove does not run"
seen=
for word in 'frame#todo' 'frame#todos' 'frame\#todo' 'todo'; do
	printf '1..1\nnot ok 1 - drains %s list\n' "$word" >t.tap
	prove -e cat t.tap >/dev/null 2>&1
	seen="$seen $word=$?"
done
echo "version: perl-modules-5.36 5.36.0-7+deb12u4"
echo "expected: 1 (failed) for each"
echo "seen:$seen"
[ "$seen" = ' frame#todo=0 frame#todos=1 frame\#todo=1 todo=1' ]
