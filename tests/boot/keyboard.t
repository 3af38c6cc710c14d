#!/usr/bin/perl
# A person at the keyboard of the machine: nothing comes by the serial port.
use strict;
use warnings;
use Test::More;
use CopseBoot;

# HMP's names of the keys that are not their character.
my %key = ("\n" => 'ret', "\b" => 'backspace', ' ' => 'spc', '-' => 'minus',
    'A' => 'shift-a', '_' => 'shift-minus', '?' => 'shift-slash');

sub press {
    my ($run, $text) = @_;
    # held down for 10 ms each; QEMU lines them up
    $run->monitor(join "\n", map { 'sendkey ' . ($key{$_} // $_) . ' 10' }
            split //, $text);
    return;
}

for my $machine (['pc', 'pvh'], ['q35', 'pvh'], ['pc', 'uefi']) {
    my ($type, $firmware) = @$machine;
    my $name = "$type, $firmware";
    my $run = CopseBoot->start(args => '', machine => $type,
        firmware => $firmware, monitor => 1);
    ok($run->expect(qr/copse> \z/), "$name: boots") or diag($run->text);
    like($run->text, qr/^# console +a PS\/2 keyboard$/m, "$name: finds it");
    press($run, "helx\bp\n");
    ok($run->expect(qr/copse> helx\x08 \x08p\r\nCommands:(?s:.*)copse> \z/),
        "$name: a command is typed, corrected and run") or diag($run->text);
    press($run, 'Ab');
    $run->monitor('sendkey caps_lock');
    press($run, 'cA-_?');
    $run->monitor('sendkey caps_lock');
    $run->monitor('sendkey up');
    press($run, "d\n");
    ok($run->expect(qr/No command 'AbCa-_\?d'/),
        "$name: shift and caps lock; arrows do nothing") or diag($run->text);
    press($run, 'xyz');
    $run->monitor('sendkey ctrl-u');
    press($run, "poweroff\n");
    is($run->finish, CopseBoot::SUCCESS, "$name: control-U; poweroff");
}

# Machines without one.
{
    my $run = CopseBoot->start(args => '', machine => 'microvm');
    ok($run->expect(qr/copse> \z/), 'microvm: boots');
    my @said = $run->text =~ /^(.*keyboard.*)$/mg;
    is(join("\n", @said), '# console    no keyboard controller',
        'a controller that is not there is named once');
    $run->type("poweroff\r");
    is($run->finish, CopseBoot::SUCCESS, 'and the serial port is still heard');
}

done_testing();
