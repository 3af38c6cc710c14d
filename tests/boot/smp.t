#!/usr/bin/perl
# All processors: started, put to work, told of each other's changes; and what
# is said of those that are left, go wrong or do not answer.
use strict;
use warnings;
use Test::More;
use File::Temp qw(tempdir tempfile);
use CopseBoot;

sub passes {
    my ($name, %option) = @_;
    my $run = CopseBoot->start(args => 'selftest', seconds => 120, %option);
    is($run->finish, CopseBoot::SUCCESS, "$name: all self-tests pass")
        or diag($run->text);
    return $run->text;
}

# As many as there are.
for my $machine (
    { cpus => 2, args => 'selftest=smp' }, { cpus => 8, args => 'selftest=smp' },
    { cpus => 4, args => 'selftest=tlb', cpu => 'qemu64' },
    { cpus => 4, args => 'selftest=smp', cpu => 'Haswell' },
    { cpus => 4, args => 'selftest=smp', machine => 'q35' },
    { cpus => 4, args => 'selftest=smp', firmware => 'bios' },
    { cpus => 4, args => 'selftest=smp', firmware => 'uefi' },
    )
{
    my $name = join ' ', map { "$_=$machine->{$_}" } sort keys %$machine;
    my $text = passes($name, %$machine);
    my ($up, $of) = $text =~ /^# smp +(\d+) of (\d+) CPUs are up after \d+ us/m;
    is("$up of $of", "$machine->{cpus} of $machine->{cpus}", "$name: all are up");
}

# In less than half a second by the kernel's own clock, which tells how long the
# kernel waits only where an instruction takes a nanosecond: elsewhere the host
# may be busy.
{
    my $run = CopseBoot->start(args => '', cpus => 8,
        qemu => ['-accel', 'tcg,thread=single', '-icount', 'shift=0,sleep=off']);
    ok($run->expect(qr/copse> \z/), '8 CPUs by instructions: a prompt');
    my ($up, $us) = $run->text =~ /^# smp +(\d+) of 8 CPUs are up after (\d+) us/m;
    is($up, 8, 'all are up');
    cmp_ok($us, '<', 500_000, 'soon');
    $run->type("poweroff\r");
    is($run->finish, CopseBoot::SUCCESS, 'and poweroff ends well');
}

# What people see of them.
{
    my $run = CopseBoot->start(args => '', cpus => 3);
    ok($run->expect(qr/copse> \z/), 'a prompt');
    like($run->text, qr/^processors: +3 of 3, the others up in \d+\.\d ms$/m,
        'the report counts them');
    $run->type("cpus\r");
    ok($run->expect(qr/^requests: (?s:.*)copse> \z/m), 'cpus answers');
    like($run->text, qr/^ +0 +0 +0  running$/m, 'the first runs');
    like($run->text, qr/^ +2 +2 +0  idle/m, 'the last waits');
    $run->type("audit\r");
    ok($run->expect(qr/Every mapping is as it should be/),
        'nothing is left mapped where they began');
    $run->type("poweroff\r");
    is($run->finish, CopseBoot::SUCCESS, 'and poweroff ends well');
}

# More than are wanted: named, and left.
{
    # many that come when they like, in the middle of everything
    my $text = passes('cpus=2 of 8', cpus => 8, args => 'selftest=smp cpus=2');
    like($text, qr/^# smp .*APIC ID $_ is not used: 2 are$/m, "$_ is not used")
        for 2 .. 7;
    like($text, qr/^# smp +2 of 2 CPUs are up/m, 'the others are up');
    like(passes('cpus=1 of 4', cpus => 4, args => 'selftest=smp cpus=1'),
        qr/^# smp .*APIC ID 1 is not used: 1 are$/m, 'or none but the first');
    my $nonsense = passes('cpus=many', cpus => 2, args => 'selftest=smp cpus=many');
    like($nonsense, qr/cpus=many is not a number from 1 to 512/, 'is refused');
    like($nonsense, qr/^# smp +2 of 2 CPUs are up/m, 'and all are taken');
    for my $word ('2x', '1,3', '0', '-1', '99999999999999999999', '') {
        my $text = passes("cpus=$word", cpus => 3,
            args => "selftest=smp cpus=$word");
        like($text, qr/cpus=\Q$word\E is not a number from 1 to 512: all/,
            "cpus=$word is refused");
        like($text, qr/^# smp +3 of 3 CPUs are up/m, 'and all are taken');
    }
    # 1023 characters end in the middle of cpus=16
    my $cut = passes('a cut word', cpus => 3,
        args => 'selftest=smp ' . 'x' x 1003 . ' cpus=16');
    like($cut, qr/cut in the word 'cpus=1': the word is ignored/, 'is named');
    like($cut, qr/^# smp +3 of 3 CPUs are up/m, 'and not obeyed');
}

# Disabled ones are none, and identifiers need not follow each other.
{
    my $text = passes('2 of 4 enabled', args => 'selftest=smp',
        qemu => ['-smp', '2,maxcpus=4']);
    like($text, qr/^# acpi .* 2 processors \(2 disabled\)/m, 'two are disabled');
    like($text, qr/^# smp +2 of 2 CPUs are up/m, 'and the two others up');
    my $run = CopseBoot->start(args => '',
        qemu => ['-smp', '6,sockets=2,cores=3,threads=1']);
    $run->expect(qr/copse> \z/) and $run->type("cpus\r");
    ok($run->expect(qr/^requests: /m), 'cpus answers');
    like($run->text, qr/^ +3 +4 +0  idle/m, 'CPU 3 has the APIC ID 4');
    $run->stop;
}

# Those that do not come up are named, and the boot goes on: here each stops at
# its first instruction of C (cli; hlt; jmp).
{
    my $dir = tempdir(TMPDIR => 1, CLEANUP => 1);
    my $elf = CopseBoot::slurp("$CopseBoot::build/copse.elf");
    CopseBoot::patch($elf, 'smp_enter', "\xfa\xf4\xeb\xfd");
    CopseBoot::spew("$dir/copse.elf", $elf);
    my $run = CopseBoot->start(args => '', cpus => 3,
        kernel => "$dir/copse.elf");
    ok($run->expect(qr/copse> \z/), 'a prompt without the others');
    like($run->text, qr/CPU $_, APIC ID $_, does not start; going on/,
        "CPU $_ is named")
        for 1, 2;
    like($run->text, qr/^processors: +1 of 3/m, 'and not counted');
    $run->type("audit\r");
    ok($run->expect(qr/Every mapping is as it should be/), 'all else works');
    $run->type("poweroff\r");
    is($run->finish, CopseBoot::SUCCESS, 'and ends well');
}

# Processors that all read one identifier: one of them takes the place, and the
# others sleep on no stack at all.  Here the code that asks the local APIC is
# replaced by mov edx, 1 and a jump behind it.
{
    my $dir = tempdir(TMPDIR => 1, CLEANUP => 1);
    my $elf = CopseBoot::slurp("$CopseBoot::build/copse.elf");
    my $from = CopseBoot::offset_of('ap_read_id');
    my $to = CopseBoot::offset_of('ap_find');
    CopseBoot::patch($elf, 'ap_read_id',
        "\xba\1\0\0\0\xe9" . pack 'V', $to - $from - 10);
    CopseBoot::spew("$dir/copse.elf", $elf);
    my $run = CopseBoot->start(args => '', cpus => 4,
        kernel => "$dir/copse.elf");
    ok($run->expect(qr/copse> \z/), 'three of one identifier') or diag($run->text);
    like($run->text, qr/^# smp +2 of 4 CPUs are up/m, 'are one CPU');
    like($run->text,
        qr/warning: 2 processors have an APIC ID that another has: they sleep/,
        'and two are counted');
    $run->type("audit\r");
    ok($run->expect(qr/Every mapping is as it should be/), 'all else works');
    $run->type("poweroff\r");
    is($run->finish, CopseBoot::SUCCESS, 'and ends well');
}

# A missing shootdown is noticed: here none are sent.
{
    my $run = CopseBoot->start(args => 'fault=stale-tlb', cpus => 4);
    is($run->finish, CopseBoot::FAILURE, 'stale TLBs fail the tests');
    like($run->text, qr/^not ok \d - tlb: $_\n(?s:.*?)stale translations were/m,
        $_)
        for qw(running_cpus_forget_a_page running_cpus_forget_many_pages
        idle_cpus_forget_before_they_go_on);
}

# One that does not answer is named, and the wait ends.
{
    my $run = CopseBoot->start(args => 'fault=deaf-cpu', cpus => 3);
    is($run->finish, CopseBoot::PANIC, 'a deaf CPU ends as a panic');
    like($run->text, qr/^CPU 1 did not forget its TLB's entries within \d+ ms/m,
        'that names it');
    like($run->text, qr/CPU 1 first, do not stop/, 'it cannot be stopped');
}

# A panic says where, stops the others, and is one report.
{
    my $run = CopseBoot->start(args => 'fault=other-cpu', cpus => 4);
    is($run->finish, CopseBoot::PANIC, 'another CPU may panic');
    like($run->text, qr/^Bail out! Copse panicked on CPU 3\.$/m, 'by number');
    like($run->text, qr/^read of 0x0{16}: no page is mapped/m, 'and why');
    like($run->text, qr/from +\w+ +smp_enter\+/, 'its own stack is shown');

    $run = CopseBoot->start(args => 'fault=all-cpus', cpus => 4);
    is($run->finish, CopseBoot::PANIC, 'all may panic at once');
    is(() = $run->text =~ /Bail out!/g, 1, 'and one reports');
}

# A machine check, or an NMI that nobody sent, reaches all of them.
{
    my $run = CopseBoot->start(args => '', cpus => 4, monitor => 1);
    ok($run->expect(qr/copse> \z/), 'a prompt');
    $run->monitor('nmi');
    is($run->finish, CopseBoot::PANIC, 'an NMI from outside');
    is(() = $run->text =~ /Bail out!/g, 1, 'is reported once');
    like($run->text, qr/non-maskable interrupt \(NMI\)/, 'as what it is');
}

# Two nodes: the tables tell which CPU and which memory are of which.
my @two_nodes = map { ('-object', "memory-backend-ram,id=m$_,size=1G", '-numa',
    "node,memdev=m$_,cpus=" . join '-', 2 * $_, 2 * $_ + 1) } 0, 1;
{
    like(passes('two nodes', cpus => 4, mem => '2G', args => 'selftest=parallel',
            qemu => \@two_nodes),
        qr/^# acpi .* 2 nodes$/m, 'two nodes are found');
    my $run = CopseBoot->start(args => '', cpus => 4, mem => '2G',
        qemu => \@two_nodes);
    $run->expect(qr/copse> \z/) and $run->type("cpus\r");
    ok($run->expect(qr/^requests: /m), 'cpus answers');
    for my $cpu (0 .. 3) {
        my $node = int($cpu / 2);
        like($run->text, qr/^ +$cpu +$cpu +$node  \w/m, "CPU $cpu is of $node");
    }
    $run->stop;
}

# A table that lies is told by name, and the boot goes on: here one entry of SRAT
# says that it has no bytes.
{
    my ($fh, $file) = tempfile('acpi-XXXXXX', TMPDIR => 1, UNLINK => 1);
    binmode $fh;
    print {$fh} "\0" x 12, "\1\0", "\0" x 38;
    close $fh or die $!;
    my $text = passes('a bad SRAT', cpus => 2, args => 'selftest=smp',
        qemu => ['-acpitable', "sig=SRAT,data=$file"]);
    like($text, qr/^# acpi +warning: SRAT: an entry is cut short/m,
        'it is named');
    like($text, qr/^# smp +2 of 2 CPUs are up/m, 'the others count');
}

# Many, on one thread of the host, as they start fastest.
{
    my $text = passes('64 CPUs', cpus => 64, args => 'selftest=smp',
        qemu => ['-accel', 'tcg,thread=single']);
    like($text, qr/^# smp +64 of 64 CPUs are up/m, '64 are up');
}

done_testing();
