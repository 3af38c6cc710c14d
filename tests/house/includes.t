#!/usr/bin/perl
# Includes go down the floors and rooms only, and the check that says so can
# fail: it finds each of the wrong ones that are planted into a copy.
use strict;
use warnings;
use Test::More;
use File::Basename qw(dirname);
use File::Path qw(make_path);
use File::Temp qw(tempdir);

sub check {
    my ($tree) = @_;
    my $output = `tools/check-includes $tree 2>&1`;
    return ($?, $output);
}

my ($status, $output) = check('.');
is($status, 0, 'the tree keeps the order of floors and rooms')
    or diag($output);

# What is planted: the file, what it includes, and what must be said of it.
my @wrong = (
    ['lib/format.c', 'mm/error.h', qr{lib/ must not include mm/}],
    ['mm/tree/tree.c', 'kernel/main.h', qr{mm/ must not include kernel/}],
    ['mm/heap/bins.c', 'drivers/clock.h', qr{mm/ must not include drivers/}],
    ['drivers/lapic.c', 'kernel/cpu/cpu.h', qr{drivers/ must not include}],
    ['mm/tree/tree.c', 'mm/frame.h', qr{the room tree is below frame}],
    ['mm/page/table.c', 'mm/kernel_space.h', qr{the room page is below space}],
    ['mm/cpu/cpu_lock.h', 'mm/heap/backend.h', qr{the room cpu is below heap}],
    ['mm/frame.h', 'mm/page/entry.h', qr{the room frame is below page}],
    ['mm/heap/list.c', 'mm/heap/slab/slab.h', qr{the room heap is below}],
    ['mm/address.h', 'mm/tree/tree.h', qr{this header of none}],
    ['kernel/main.c', 'mm/frame/zone.h', qr{mm/frame/zone\.h is for mm/ alone}],
    ['mm/map/memory_map.c', 'mm/map/no_such.h', qr{there is no mm/map}],
    ['mm/frame_more.h', 'mm/error.h', qr{belongs in a room}],
    ['mm/attic/old.c', 'mm/error.h', qr{a room that this script does not}],
);
for my $case (@wrong) {
    my ($file, $include, $message) = @$case;
    my $copy = tempdir(CLEANUP => 1);
    system('cp', '-r', qw(lib mm drivers boot bench kernel proof tests), $copy);
    make_path(dirname("$copy/$file"));
    open my $out, '>>', "$copy/$file" or die "$file: $!\n";
    print $out "#include \"$include\"\n";
    close $out;
    my ($failed, $said) = check($copy);
    ok($failed && $said =~ /^\Q$file\E.*$message/m,
        "$file may not include $include") or diag($said);
}

# The same in other words, of which the last two only the compilers understand.
my @words = (
    ['mm/tree/tree.c', '#include <kernel/cpu/cpu.h>', qr{:\d+: mm/ must not}],
    ['mm/tree/tree.c', "#define CPU \"kernel/cpu/cpu.h\"\n#include CPU",
        qr{:\d+: what it includes has no name here: CPU}],
    ['mm/tree/tree.c', '#include "mm/tree/../../kernel/cpu/cpu.h"',
        qr{:\d+: .* takes a detour}],
    ['boot/start64.asm', '%include "kernel/cpu/cpu.inc"',
        qr{:\d+: boot/ must not include kernel/}],
    ['boot/layout.inc', "%include 'kernel/cpu/cpu.inc'",
        qr{:\d+: boot/ must not include kernel/}],
    ['mm/tree/tree.c', "%:include \"mm/../kernel/cpu/cpu.h\"",
        qr{: mm/ must not include kernel/ .*kernel/cpu/cpu\.h}],
    ['boot/start64.asm', "%inc\\\nlude \"kernel/cpu/cpu.inc\"",
        qr{: boot/ must not include kernel/ .*kernel/cpu/cpu\.inc}],
);
for my $case (@words) {
    my ($file, $directive, $message) = @$case;
    my $copy = tempdir(CLEANUP => 1);
    system('cp', '-r', qw(lib mm drivers boot bench kernel proof tests), $copy);
    for my $end (['kernel/cpu/cpu.inc', ''], [$file, "\n$directive\n"]) {
        open my $out, '>>', "$copy/$end->[0]" or die "$end->[0]: $!\n";
        print $out $end->[1];
        close $out;
    }
    my $list = "build/kernel/$file.d";
    make_path(dirname("$copy/$list"));
    system("cd $copy && " . ($file =~ /c$/ ? 'cc -MM' : 'nasm -M -I.')
            . " -I. -MT x.o -MF $list $file 2>&1") if $file !~ /inc$/;
    local $ENV{BUILD} = 'build';
    my ($failed, $said) = check($copy);
    ok($failed && $said =~ /^\Q$file\E$message/m,
        "$file: " . $directive =~ s/\n/, /r) or diag($said);
}

my $empty = tempdir(CLEANUP => 1);
isnt((check($empty))[0], 0, 'a folder without sources does not pass');

# A change of what assembler files include has them assembled again.
my $build = $ENV{BUILD} // 'build';
for my $pair (['boot/start32', 'boot/layout.inc'],
    ['kernel/trap/trap_entry', 'boot/layout.inc'])
{
    my ($file, $included) = @$pair;
    open my $list, '<', "$build/kernel/$file.asm.d" or die "$file: $!\n";
    my $text = do { local $/; <$list> };
    like($text, qr/^\Q$build\E\S*\.o\s*:.*\Q$included\E/ms,
        "$file.asm is built again with $included");
}

done_testing();
