#!/usr/bin/perl
# Each mistake has its report, and ends the run as a panic at once.
use strict;
use warnings;
use Test::More;
use File::Temp qw(tempdir);
use CopseBoot;

my %report = (
    'read-null' => [
        qr/page fault \(#PF\)/, qr/^read of 0x0{16}: no page is mapped/m,
        qr/^0x0{16} is low half: NULL \+ 0x0$/m, qr/PML4\[  0\].*not present/,
        qr/at +\w+ +read_null\+/, qr/from +\w+ +kernel_main\+/,
    ],
    'write-text' => [
        qr/page fault/, qr/^write to .*: the page does not allow it/m,
        qr/^0x\w+ is kernel text/m, qr/^  PT  \[/m, qr/write_text\+/,
    ],
    'write-constant' => [
        qr/page fault/, qr/^write to .*: the page does not allow it/m,
        qr/^0x\w+ is kernel constants/m, qr/write_constant\+/,
    ],
    'write-text-alias' => [
        qr/^write to .*: the page does not allow it/m,
        qr/^0x\w+ is direct map: physical 0x\w+, kernel$/m,
        qr/write_text_alias\+/,
    ],
    'write-constant-alias' => [
        qr/^write to .*: the page does not allow it/m,
        qr/^0x\w+ is direct map: physical 0x\w+, kernel$/m,
        qr/write_constant_alias\+/,
    ],
    'execute-data' => [
        qr/page fault/, qr/^instruction fetch from .*does not allow it/m,
        qr/^0x\w+ is kernel data/m, qr/from +\w+ +kernel_main\+/,
    ],
    'execute-heap' => [
        qr/^instruction fetch from .*does not allow it/m, qr/^0x\w+ is heap/m,
    ],
    'guard' => [
        qr/^write to .*: no page is mapped/m,
        qr/^0x\w+ is boot stack's guard page/m, qr/touch_guard\+/,
    ],
    'jump-wild' => [
        qr/general protection \(#GP\)/,
        qr/holds 0x0dead00000000000, which is not a canonical address/,
    ],
    'use-unmapped' => [
        qr/^write to .*: no page is mapped/m, qr/^0x\w+ is self-test scratch/m,
        qr/use_unmapped\+/,
    ],
    'write-protected' => [
        qr/^write to .*: the page does not allow it/m,
        qr/^0x\w+ is self-test scratch/m, qr/write_protected\+/,
    ],
    'use-freed' => [
        qr/^write to .*: no page is mapped/m,
        qr/^0x\w+ is freed range 'a large block'/m, qr/use_freed\+/,
    ],
    'stack' => [
        qr/double fault \(#DF\)/, qr/boot stack's guard page/,
        qr/overrun\+/, qr/and \d{3,} times more/, qr/kernel_main\+/,
    ],
    'divide' => [qr/divide error \(#DE\)/, qr/at +\w+ +divide\+/],
    'assert' => [
        qr{kernel/selftest/fault\.c:\d+: assertion failed: trees == 3},
        qr/a copse of 2 trees/, qr/at +\w+ +assertion\+/,
    ],
);

for my $cpu (qw(max Haswell qemu64)) {
    for my $name (sort keys %report) {
        my $run = CopseBoot->start(args => "fault=$name", cpu => $cpu);
        my $status = $run->finish;
        is($status, CopseBoot::PANIC, "$cpu: fault=$name ends as a panic");
        for my $pattern (qr/^Bail out! Copse panicked\.$/m, @{ $report{$name} })
        {
            like($run->text, $pattern, "$name: $pattern");
        }
        unlike($run->text, qr/again|unnoticed/, "$name: one report only");
        like($run->text, qr/^registers:$/m, "$name: registers")
            unless $name eq 'assert';
    }

    my $run = CopseBoot->start(args => 'fault=nested', cpu => $cpu);
    is($run->finish, CopseBoot::PANIC, "$cpu: fault=nested ends as a panic");
    like($run->text, qr/breakpoint \(#BP\)/, 'nested: the first report begins');
    like($run->text, qr/panicked again, while it reported the first/,
        'nested: and tells that it went wrong itself');
    like($run->text, qr/page fault \(#PF\), .* at 0x/, 'nested: and how');
}

# What comes from outside: an NMI, and a memory that reports itself broken.
my %event = (
    'nmi' => qr/non-maskable interrupt \(NMI\)/,
    'mce 0 1 0xb200000000000000 0x4 0x1000 0x0' => qr/machine check \(#MC\)/,
);
for my $command (sort keys %event) {
    my $run = CopseBoot->start(args => '', monitor => 1);
    ok($run->expect(qr/copse> \z/), 'a prompt');
    $run->monitor($command);
    is($run->finish, CopseBoot::PANIC, "$command: ends as a panic");
    like($run->text, $event{$command}, "$command: and says so");
    like($run->text, qr/from +\w+ +monitor_run\+/, "$command: and where");
}

# The page where other CPUs begin stays executable as long as one is on its way:
# here it never arrives (cli; hlt; jmp).  Nowhere can the page be written then.
{
    my $dir = tempdir(TMPDIR => 1, CLEANUP => 1);
    my $elf = CopseBoot::slurp("$CopseBoot::build/copse.elf");
    CopseBoot::patch($elf, 'ap_start', "\xfa\xf4\xeb\xfd");
    CopseBoot::spew("$dir/copse.elf", $elf);
    my $run = CopseBoot->start(args => '', cpus => 2,
        kernel => "$dir/copse.elf");
    ok($run->expect(qr/copse> \z/), 'a prompt without the other CPU');
    my ($page) = $run->text =~ /page 0x(\w+) stays mapped: a CPU is on its way/;
    ok($page, 'a page that stays mapped is named') or $page = '';
    my $shown = sprintf 'ffff8%011x', hex $page;
    for my $address ($page, $shown) {
        $run->type("walk $address\r");
        ok($run->expect(qr/walk $address\r\n(?s:.*)copse> \z/), 'walk answers');
        my ($leaf) = $run->text =~ /.*^  (PT .*?)\r?$/ms;
        like($leaf, qr/ P /, "0x$address is mapped");
        unlike($leaf, qr{R/W}, "0x$address is not writable");
        is($leaf =~ / NX/ ? 'data' : 'code', $address eq $page ? 'code' : 'data',
            "0x$address is executable only where CPUs begin");
    }
    $run->type("audit\r");
    ok($run->expect(qr/where nothing may be mapped/), 'and audit tells of it');
    $run->stop;
}

# A panic in the middle of the self-tests ends them as a failure.
{
    my $run = CopseBoot->start(args => 'selftest fault=divide');
    is($run->finish, CopseBoot::PANIC, 'a panic beats the self-tests');
}

done_testing();
