#!/usr/bin/perl
# MTRRs that leave RAM uncached: it is named, range by range.
use strict;
use warnings;
use Test::More;
use File::Temp qw(tempdir);
use CopseBoot;

my $dir = tempdir(TMPDIR => 1, CLEANUP => 1);

# GRUB with a command more, which sets a register of the CPU.
my $make_grub = CopseBoot::slurp('tools/make-grub');
$make_grub =~ s/multiboot multiboot2/multiboot multiboot2 wrmsr/ or die;
CopseBoot::spew("$dir/make-grub", $make_grub);
system('sh', "$dir/make-grub", "$dir/grub") == 0 or die "make-grub failed\n";

sub warnings_after {
    my (@commands) = @_;
    CopseBoot::spew("$dir/grub.cfg", join "\n", 'set timeout=0',
        'menuentry "Copse" {', @commands, 'multiboot2 /boot/copse.elf', "}\n");
    system('tools/make-iso', "$dir/boot.iso", "$CopseBoot::build/copse.elf",
        "$dir/grub.cfg", "$dir/grub") == 0 or die "make-iso failed\n";
    my $run = CopseBoot->start(iso => "$dir/boot.iso");
    ok($run->expect(qr/copse> \z/), "@commands: boots") or diag($run->text);
    $run->stop;
    return [$run->text =~ /^# mtrr +warning: (\w+-\w+), \d+ KiB of RAM, is not/mg];
}

is_deeply(warnings_after(), [], 'as SeaBIOS has them, all is cached');
like(join(' ', @{ warnings_after('wrmsr 0x2ff 0xc00') }),
    qr/0x[0-9a-f]+-0xff[0-9a-f]+$/, 'a default of uncached: all RAM is named');
is_deeply(warnings_after('wrmsr 0x202 0x8000000', 'wrmsr 0x203 0xffff000800'),
    ['0x8000000-0x8ffffff'], 'one range in the middle');

done_testing();
