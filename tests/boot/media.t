#!/usr/bin/perl
# Two media with a Copse in one machine: the menu and the kernel are those of the
# medium that was booted, whichever it is and whatever it is called.
use strict;
use warnings;
use Test::More;
use File::Temp qw(tempdir);
use CopseBoot;

my %iso;
for my $name (qw(one two)) {
    my $dir = tempdir(TMPDIR => 1, CLEANUP => 1);
    $iso{$name} = CopseBoot::iso($dir, "medium-$name");
}

# Boots the first of two media: each is a CD or a disk.  Of two different kinds
# UEFI, which is slow, sees the other one first only: that is the harder case.
sub boots {
    my ($firmware, $booted, $other, $name) = @_;
    my $drive = sub {
        my ($number, $medium, $kind) = @_;
        return ('-drive', "if=none,id=m$number,format=raw,file=$medium,"
            . ($kind eq 'cd' ? 'readonly=on' : 'snapshot=on'),
            '-device', ($kind eq 'cd' ? 'ide-cd' : 'ide-hd')
                . ",drive=m$number,bus=ide.$number,bootindex="
                . ($medium eq $iso{$booted->[0]} ? 1 : 2));
    };
    my @both = ($booted, $other);
    for my $order ('as they are', 'the other way round') {
        if ($firmware eq 'uefi' && $booted->[1] ne $other->[1] && $order =~ /^as/) {
            @both = reverse @both;
            next;
        }
        # the run's own drive is a third, with nothing in it
        my $run = CopseBoot->start(iso => '/dev/null', firmware => $firmware,
            machine => 'q35', seconds => 90,
            qemu => [
                map { $drive->($_, $iso{$both[$_][0]}, $both[$_][1]) } 0, 1]);
        ok($run->expect(qr/unknown option 'medium-\w+'/), "$name: boots")
            or diag($run->text, $run->log);
        my ($found) = $run->text =~ /unknown option 'medium-(\w+)'/;
        is($found, $booted->[0], "$name: the booted one, $order");
        $run->stop;
        @both = reverse @both;
    }
    return;
}

for my $firmware (qw(bios uefi)) {
    for my $kinds (['cd', 'disk'], ['disk', 'cd'], ['disk', 'disk'], ['cd', 'cd']) {
        boots($firmware, ['two', $kinds->[0]], ['one', $kinds->[1]],
            "$firmware, $kinds->[0] beside a $kinds->[1]");
    }
}

done_testing();
