#!/usr/bin/perl
# Memory that reports itself broken, through QEMU's monitor: told apart, taken
# out of the allocator where it can be, a panic where it must be.
use strict;
use warnings;
use Test::More;
use CopseBoot;

# MCi_STATUS (AMD64 manual 2, section 9.3.2.1): valid, enabled, with address and
# misc, of the memory controller; uncorrected, deferred, context corrupt.
my $base = '9c0000000000009f';
my %status = (
    corrected   => "0x$base",
    deferred    => '0x9c0010000000009f',
    uncorrected => '0xbc0000000000009f',
    fatal       => '0xbe0000000000009f',
);

# MCG_STATUS: can go on, or not; and a machine check is on.
my ($goes_on, $cannot_go_on) = ('0x5', '0x4');

# How often the kernel has said something of an error.
sub told {
    my ($run) = @_;
    my @lines = $run->text =~ /bank 1: |Bail out/g;
    return scalar @lines;
}

# A busy QEMU may drop a command; it is given again until it is heard.
sub report {
    my ($run, $cpu, $severity, $address, $mcg) = @_;
    my ($before, $deadline) = (told($run), $run->{deadline});
    for (1 .. 5) {
        $run->monitor("mce $cpu 1 $status{$severity} " . ($mcg // $goes_on)
                . " $address 0x8c");
        $run->{deadline} = time + 6;
        1 while told($run) == $before && $run->more;
        $run->{deadline} = $deadline;
        last if told($run) > $before;
    }
    return;
}

# Waits for what the kernel says of it next.
sub hears {
    my ($run, $pattern, $name) = @_;
    ok($run->expect($pattern), $name) or diag($run->text);
    return;
}

# The prompt's word for what is mapped in the range of that name.
sub frame_of_a_stack {
    my ($run) = @_;
    for my $page (1 .. 40) {
        my $address = sprintf 'ffffe000000%02x000', $page;
        my $before = length $run->text;
        $run->type("walk $address\r");
        $run->expect(qr/walk $address\r?\n(?s:.*)copse> \z/) or return;
        my $answer = substr $run->text, $before;
        next if $answer !~ /range 'a CPU's stack' \+/;
        my ($entry) = $answer =~ /^  PT .*: 0x\w{4}(\w{9})\w{3} P/m;
        return '0x' . ($entry =~ s/^0+//r) . '000';
    }
    return;
}

# Some frame of the machine that is free: 160 MiB up, on 256 MiB.
my $free = '0xa000000';

for my $cpu (0, 2) {
    my $run = CopseBoot->start(args => '', cpus => 3, monitor => 1,
        seconds => 90);
    ok($run->expect(qr/copse> \z/), 'a prompt');

    report($run, $cpu, 'uncorrected', $free);
    hears($run, qr/CPU $cpu, bank 1: uncorrected error, memory controller/,
        "CPU $cpu: it is told");
    hears($run, qr/frame $free was free, and is taken out/,
        'a free frame is taken out');
    report($run, $cpu, 'uncorrected', $free);
    hears($run, qr/is taken out(?s:.*)frame $free stays: memory that is reserved/,
        'which is then no frame any more');

    # a page of the kernel's own: its first page of data, behind the text
    my ($symbol) = grep { / data_start$/ } `nm $CopseBoot::build/copse.elf`;
    no warnings 'portable';
    my $data = sprintf '0x%x', hex(substr $symbol, 0, 16) - 0xffffffff80000000;
    report($run, $cpu, 'deferred', $data);
    hears($run, qr/CPU $cpu, bank 1: deferred error/, 'a deferred one is found');
    hears($run, qr/frame $data stays: /, 'the image is no frame');
    hears($run, qr/mapped at 0xffffffff8\w+: kernel data/, 'its holder is told');

    # a frame that is held: of the stack of CPU 1
    my $held = frame_of_a_stack($run);
    report($run, $cpu, 'uncorrected', $held);
    hears($run, qr/frame $held is held, and is taken out when it is freed/,
        'a held frame is marked');
    hears($run, qr/mapped at 0x\w+: range 'a CPU's stack'/,
        'and its holder is told');

    report($run, $cpu, 'corrected', '0xb000000');
    hears($run, qr/corrected error(?s:.*)frame 0xb000000 stays in use/,
        'a corrected one is told');
    for my $time (2, 3) {
        report($run, $cpu, 'corrected', '0xb000000');
        hears($run, qr/(?s:bank 1: corrected.*){$time}/, "$time times");
    }
    hears($run, qr/frame 0xb000000 was free, and is taken out/,
        'the third time is too often');

    $run->type("audit\r");
    hears($run, qr/Every mapping is as it should be/, 'and all goes on');
    report($run, $cpu, 'fatal', $free);
    is($run->finish, CopseBoot::PANIC, 'a fatal one is a panic');
    like($run->text, qr/machine check \(#MC\)/, 'and says so');
    like($run->text, qr/^Bail out! Copse panicked on CPU $cpu\.$/m, 'and where');
    like($run->text, qr/^bank 1: fatal error, memory controller: status 0xbe/m,
        'and shows the bank');
    is(() = $run->text =~ /Bail out!/g, 1, 'once');
}

# What cannot go on ends as a panic, however mild the bank.
{
    my $run = CopseBoot->start(args => '', monitor => 1);
    ok($run->expect(qr/copse> \z/), 'a prompt');
    report($run, 0, 'uncorrected', $free, $cannot_go_on);
    is($run->finish, CopseBoot::PANIC, 'no way back is a panic');
    like($run->text, qr/the interrupted code cannot go on/, 'and says so');
}

done_testing();
