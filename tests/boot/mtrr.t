#!/usr/bin/perl
# MTRRs that leave RAM uncached: it is named, range by range, and given out
# last, if other RAM is cached.
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

sub start_after {
    my ($words, @commands) = @_;
    CopseBoot::spew("$dir/grub.cfg", join "\n", 'set timeout=0',
        'menuentry "Copse" {', @commands, "multiboot2 /boot/copse.elf $words",
        "}\n");
    system('tools/make-iso', "$dir/boot.iso", "$CopseBoot::build/copse.elf",
        "$dir/grub.cfg", "$dir/grub") == 0 or die "make-iso failed\n";
    return CopseBoot->start(iso => "$dir/boot.iso", mem => '1G', cpus => 2);
}

# At the prompt: what is named, and what `frames` tells.
sub warnings_after {
    my (@commands) = @_;
    my $run = start_after('', @commands);
    ok($run->expect(qr/copse> \z/), "@commands: boots") or diag($run->text);
    my $named = [$run->text =~ /^# mtrr +warning: (\w+-\w+), \d+ KiB of RAM, is not/mg];
    $run->type("frames\r");
    ok($run->expect(qr/wholly free\s+copse> \z/), 'frames') or diag($run->text);
    my ($figures) = $run->text =~ /^uncached, given out last: .*free +(.*?)\s*$/m;
    $run->stop;
    return ($named, $figures);
}

my ($named, $figures) = warnings_after();
is_deeply([$named, $figures], [[], undef], 'as SeaBIOS has them, all is cached');
($named, $figures) = warnings_after('wrmsr 0x2ff 0xc00');
like(join(' ', @$named), qr/0x[0-9a-f]+-0x3ff[0-9a-f]+$/,
    'a default of uncached: all RAM is named');
is($figures, undef, 'and used, as there is no other');
my @middle = ('wrmsr 0x202 0x8000000', 'wrmsr 0x203 0xffff000800');
($named, $figures) = warnings_after(@middle);
is_deeply($named, ['0x8000000-0x8ffffff'], 'one range in the middle');
like($figures, qr/^16 MiB of +16 MiB$/, 'none of it is used for the boot');

# Every other 2M: more ranges than the memory map holds.
my $run = start_after('', 'wrmsr 0x202 0x200000', 'wrmsr 0x203 0xff00200800');
ok($run->expect(qr/copse> \z/), 'every other 2M: boots') or diag($run->text);
my @lines = $run->text =~ /^# mtrr +warning: (.*)/mg;
is(scalar(grep { /is not cached/ } @lines), 8, 'eight of them are named');
like($lines[8], qr/^and 2\d\d such ranges more, \d+ KiB$/, 'the others counted');
like($lines[9], qr/^the memory map has no room for \d+ KiB of it, which are used like other RAM$/,
    'what cannot be given out last is told');
$run->stop;

for my $suite (qw(frame parallel)) {
    $run = start_after("selftest=$suite", @middle);
    is($run->finish, CopseBoot::SUCCESS, "selftest=$suite ends well")
        or diag($run->text);
}

done_testing();
