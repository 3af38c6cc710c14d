#!/usr/bin/perl
# poweroff and reboot: each way by itself, and that the first that works is
# taken.
use strict;
use warnings;
use Test::More;
use CopseBoot;
use CopseBochs;

# Says a command to a machine without a debug-exit device; what came of it:
# "off", "boots again" or "boots again after a triple fault"; and the machine's
# own words.
sub machine_after {
    my ($command, %machine) = @_;
    my $run = CopseBoot->start(args => '', stay => 1, seconds => 20, %machine,
        qemu => [
            '-action', 'reboot=reset', '-d', 'cpu_reset',
            '-trace', 'qemu_system_shutdown_request',
        ]);
    $run->expect(qr/copse> \z/) or return ('no prompt', $run->text);
    my $before = length $run->text;
    $run->type("$command\r");
    my $again = $run->expect(qr/copse> (?s:.*)^Copse \d(?s:.*)copse> \z/m);
    my $words = substr $run->text, $before;
    if ($again) {
        $run->stop;
        # with registers of 64 bits: SeaBIOS resets by a triple fault of its own
        return ('boots again'
                . ($run->log =~ /^Triple fault\nCPU Reset.*\nRAX=/m
                ? ' after a triple fault' : ''), $words);
    }
    my $status = $run->finish;
    return ("status $status", $words) if $status != 0;
    # qapi/run-state.json, ShutdownCause: guest-shutdown
    return ($run->log =~ /qemu_system_shutdown_request reason=6$/m
        ? 'off' : 'stopped', $words);
}

my %expected = (
    pc => {
        'poweroff acpi' => 'off',
        'poweroff qemu' => 'off',
        'reboot keyboard' => 'boots again',
        'reboot chipset' => 'boots again',
        'reboot triple-fault' => 'boots again after a triple fault',
        'poweroff' => 'off',
        'reboot' => 'boots again',
    },
    microvm => {
        'poweroff' => 'off',
        'reboot' => 'boots again',
        'reboot triple-fault' => 'boots again after a triple fault',
    },
);
# The tables of pc are of ACPI 1.0, which has no reset register.
$expected{q35} = { %{ $expected{pc} }, 'reboot acpi' => 'boots again' };

for my $machine (sort keys %expected) {
    for my $command (sort keys %{ $expected{$machine} }) {
        my ($end, $words) = machine_after($command, machine => $machine);
        is($end, $expected{$machine}{$command}, "$machine: $command")
            or diag($words);
    }
}

# OVMF puts the power registers of pc elsewhere than SeaBIOS does.
for my $machine (qw(pc q35)) {
    for my $command ('poweroff qemu', 'poweroff acpi') {
        my ($end, $words) = machine_after($command, machine => $machine,
            firmware => 'uefi', seconds => 90);
        is($end, 'off', "uefi, $machine: $command") or diag($words);
    }
}

# Bochs, which has none of QEMU's ports.
SKIP: {
    system('tools/need bochs bochsbios 2>/dev/null') == 0
        or skip 'Bochs is not installed, and cannot be', 7;
    for my $way ('', ' bochs') {
        my $run = CopseBochs->start(args => '', seconds => 120);
        ok($run->expect(qr/copse> \z/), 'bochs: boots') or diag($run->text);
        if ($way eq '') {
            $run->type("reboot\r");
            ok($run->expect(qr/> reboot(?s:.*)^Copse \d(?s:.*)copse> \z/m),
                'bochs: reboot, boots again') or diag($run->text);
        }
        $run->type("poweroff$way\r");
        isnt($run->finish, 124, "bochs: poweroff$way ends it")
            or diag($run->text);
        like($run->log, qr/PANIC.*ACPI control: soft power off/,
            'bochs: because it was told to');
    }
}

# A way that is not there, and one that there is none of, leave the machine on.
{
    my $run = CopseBoot->start(args => '', machine => 'microvm');
    ok($run->expect(qr/copse> \z/), 'a machine without a keyboard controller');
    $run->type("reboot keyboard\r");
    ok($run->expect(qr/reset line\s+This machine does not have it(?s:.*)copse> \z/),
        'has no reset by it') or diag($run->text);
    $run->type("poweroff qemu\r");
    ok($run->expect(qr/QEMU's pc and q35\s+This machine does not have it(?s:.*)copse> \z/),
        'nor QEMU\'s power port') or diag($run->text);
    $run->type("reboot now\r");
    ok($run->expect(qr/There is no way 'now'; there are:(?s:.*)triple-fault(?s:.*)copse> \z/),
        'a way that there is none of is told, with those there are');
    $run->type("poweroff debug-exit\r");
    is($run->finish, CopseBoot::SUCCESS, 'poweroff debug-exit ends well');
}

done_testing();
