#!/usr/bin/perl
# The built files: what the build's own checks catch, and that two builds agree.
use strict;
use warnings;
use Test::More;
use File::Temp qw(tempdir);
use CopseBoot;

my $dir = tempdir(CLEANUP => 1);
my $elf = "$CopseBoot::build/copse.elf";

sub check {
    my ($file) = @_;
    my $output = `tools/check-image $file 2>&1`;
    return ($? == 0, $output);
}

my ($good, $output) = check($elf);
ok($good, 'the image passes its checks') or diag($output);

# Each damage must be found.
my %damage = (
    'no header' => sub {
        substr $_[0], index($_[0], pack 'L<', 0xe85250d6), 4, "\0" x 4;
    },
    'writable and executable' => sub {
        # p_flags of the second program header (ELF64: headers at 64, 56 bytes
        # each, flags at 4)
        substr $_[0], 64 + 56 + 4, 4, pack 'L<', 7;
    },
    'SSE' => sub { CopseBoot::patch($_[0], 'kernel_main', "\x0f\x57\xc0") },
    'x87' => sub { CopseBoot::patch($_[0], 'kernel_main', "\xd9\xe8") },
);
for my $name (sort keys %damage) {
    my $image = CopseBoot::slurp($elf);
    $damage{$name}->($image);
    CopseBoot::spew("$dir/damaged.elf", $image);
    ($good, $output) = check("$dir/damaged.elf");
    ok(!$good, "$name: is found") or diag($output);
}

# The same kernel gives the same ISO, byte for byte, whenever it is packed.
{
    system('tools/make-grub', "$dir/grub") == 0 or die 'make-grub';
    for my $i (1, 2) {
        system('tools/make-iso', "$dir/$i.iso", $elf, 'iso/grub.cfg',
            "$dir/grub") == 0 or die 'make-iso';
        sleep 2 if $i == 1;    # FAT keeps time in steps of 2 s
        system('tools/make-grub', "$dir/grub") == 0 or die 'make-grub';
    }
    ok(CopseBoot::slurp("$dir/1.iso") eq CopseBoot::slurp("$dir/2.iso"),
        'two ISOs are the same bytes');
    cmp_ok(-s "$dir/1.iso", '<', 5 * 1024 * 1024, 'and under 5 MiB');
}

# As a hard disk, not as a CD, under both firmwares.
for my $firmware (qw(bios uefi)) {
    my $iso = CopseBoot::iso($dir, 'selftest=boot');
    my $run = CopseBoot->start(iso => $iso, firmware => $firmware, disk => 1);
    is($run->finish, CopseBoot::SUCCESS, "$firmware: boots as a hard disk")
        or diag($run->text);
}

done_testing();
