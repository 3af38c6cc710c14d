#!/usr/bin/perl
# What the time-stamp counter is measured against: each source by itself, and
# the next one where the first is missing.
use strict;
use warnings;
use Test::More;
use CopseBoot;

# Boots where an instruction takes a nanosecond of the machine's time, so that
# 1,000,000 ticks are a millisecond; what the log says of the clock.
sub clock_of {
    my ($name, %option) = @_;
    my $run = CopseBoot->start(%option,
        qemu => ['-icount', 'shift=0,sleep=off']);
    ok($run->expect(qr/copse> \z/), "$name: boots") or diag($run->text);
    $run->type("poweroff\r");
    is($run->finish, CopseBoot::SUCCESS, "$name: and ends well");
    return $run->text;
}

sub measured_by {
    my ($source, $name, %option) = @_;
    my $text = clock_of($name, %option);
    my ($ticks, $by) =
        $text =~ /^# clock +(\d+) ticks in a millisecond, by the (\w+)$/m;
    is($by, $source, "$name: measured by the $source") or diag($text);
    cmp_ok(abs(($ticks // 0) - 1_000_000), '<', 20_000,
        "$name: " . ($ticks // 'no') . ' ticks, within 2 %');
    return;
}

for my $machine (qw(pc q35)) {
    measured_by('pit', $machine, machine => $machine, args => '');
    measured_by($_, "$machine, clock=$_", machine => $machine,
        args => "clock=$_") for qw(pit pm hpet);
    measured_by('pm', "$machine without a PIT", machine => "$machine,pit=off",
        args => '');
}

# Without port 0x61, by another of the PIT's channels.
measured_by('pit', "microvm $_", machine => 'microvm', args => $_)
    for '', 'clock=pit';

# None at all: waits count port reads, and the boot goes on.
for my $machine ('microvm,pit=off', 'pc,hpet=off') {
    my $args = $machine =~ /^pc/ ? 'clock=hpet' : '';
    my $text = clock_of("$machine $args", machine => $machine, args => $args);
    like($text, qr/^# clock +warning: no clock runs: times are not known$/m,
        "$machine: without a clock");
}

like(clock_of('clock=sun', args => 'clock=sun'),
    qr/clock=sun is none of pit, pm, hpet/, 'another clock is told, and which');

done_testing();
