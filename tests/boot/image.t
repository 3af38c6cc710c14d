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

# A field of a section header (ELF64: their offset in the file at 40, 64 bytes
# each); .boot is the first after the empty one.
sub section_field {
    my ($image, $field) = @_;
    return unpack('Q<', substr $image, 40, 8) + 64 + $field;
}

# Each damage must be found, and named.
my $registers = qr/registers of MMX, SSE or x87/;
my %damage = (
    'no header' => [qr/no multiboot2 header/, sub {
        substr $_[0], index($_[0], pack 'L<', 0xe85250d6), 4, "\0" x 4;
    }],
    'header too late' => [qr/past the first 32 KiB/, sub {
        # sh_offset, at 24; the header itself is still where GRUB finds it
        substr $_[0], section_field($_[0], 24), 8, pack 'Q<', 32768;
    }],
    'no PVH note' => [qr/no note that leads to start_pvh/, sub {
        substr $_[0], index($_[0], "Xen\0") - 4, 4, pack 'L<', 17;
    }],
    'PVH note of another entry' => [qr/no note that leads to start_pvh/, sub {
        substr $_[0], index($_[0], "Xen\0") + 4, 1, "\1";
    }],
    'writable and executable' => [qr/writable and executable/, sub {
        # p_flags of the second program header (ELF64: headers at 64, 56 bytes
        # each, flags at 4)
        substr $_[0], 64 + 56 + 4, 4, pack 'L<', 7;
    }],
    'xorps %xmm0,%xmm0' => [$registers, "\x0f\x57\xc0"],
    'ldmxcsr (%rax)' => [$registers, "\x0f\xae\x10"],
    'emms' => [$registers, "\x0f\x77"],
    'fxsave64 (%rax)' => [$registers, "\x48\x0f\xae\x00"],
    'fld1' => [$registers, "\xd9\xe8"],
    'fchs' => [$registers, "\xd9\xe0"],
);
for my $name (sort keys %damage) {
    my ($message, $change) = @{ $damage{$name} };
    my $image = CopseBoot::slurp($elf);
    if (ref $change) { $change->($image) }
    else             { CopseBoot::patch($image, 'kernel_main', $change) }
    CopseBoot::spew("$dir/damaged.elf", $image);
    ($good, $output) = check("$dir/damaged.elf");
    ok(!$good && $output =~ $message, "$name: is found") or diag($output);
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
}

# Two builds from nothing, in different places: what is handed on is the same
# bytes, under a name that tells what it is.
{
    delete local @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL BUILD)};
    my %sums;
    for my $i (1, 2) {
        system("make -s -j2 BUILD=$dir/build$i dist >/dev/null") == 0
            or die 'make dist';
        is(system("cd $dir/build$i/dist && sha256sum -c --quiet SHA256SUMS"), 0,
            "build $i: the checksum is right");
        $sums{$i} = CopseBoot::slurp("$dir/build$i/dist/SHA256SUMS");
    }
    is($sums{1}, $sums{2}, 'two builds from nothing are the same bytes');
    my ($name, $commit) = $sums{1} =~ /  (copse-[\d.]+-([\w-]+)\.iso)\n\z/;
    ok($name, 'version and commit are in the name of the file') or die;
    cmp_ok(-s "$dir/build1/dist/$name", '<', 2 * 1024 * 1024,
        'which is under 2 MiB');
    my $run = CopseBoot->start(iso => "$dir/build1/dist/$name");
    $run->expect(qr/copse> \z/);
    like($run->text, qr/^Copse [\d.]+ \(\Q$commit\E\)$/m,
        'and both are in the banner');
    $run->type("poweroff\r");
    $run->finish;
}

# A build that goes on from an older commit's date gives the same bytes as one
# from nothing.
{
    delete local @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL)};
    my %iso;
    for (['old', 1e9], ['old', 1.5e9], ['new', 1.5e9]) {
        my ($name, $epoch) = @$_;
        local $ENV{SOURCE_DATE_EPOCH} = $epoch;
        my $grub = "$dir/$name/grub";
        system("make -s BUILD=$dir/$name $grub/efi.img >/dev/null") == 0
            or die 'make';
        system('tools/make-iso', "$dir/$name.iso", $elf, 'iso/grub.cfg',
            $grub) == 0 or die 'make-iso';
        $iso{"$name $epoch"} = CopseBoot::slurp("$dir/$name.iso");
    }
    ok($iso{'old 1500000000'} eq $iso{'new 1500000000'},
        'a build that goes on is the same bytes as a clean one');
    ok($iso{'old 1500000000'} ne $iso{'old 1000000000'},
        'another date, other bytes');
}

# As a hard disk, not as a CD, under both firmwares.
for my $firmware (qw(bios uefi)) {
    my $iso = CopseBoot::iso($dir, 'selftest=boot');
    my $run = CopseBoot->start(iso => $iso, firmware => $firmware, disk => 1);
    is($run->finish, CopseBoot::SUCCESS, "$firmware: boots as a hard disk")
        or diag($run->text);
}

done_testing();
