#!/usr/bin/perl
# Machines, loaders and command lines that are not what the kernel wants.
use strict;
use warnings;
use Test::More;
use File::Temp qw(tempdir);
use CopseBoot;

# CPUs that cannot run it.
my @cpus = (
    ['qemu32', qr/this CPU has no long mode/],
    ['pentium3', qr/this CPU has no long mode/],
    ['qemu64,-lm', qr/this CPU has no long mode/],
    ['qemu64,-nx', qr/this CPU has no NX bit/],
);
for (@cpus) {
    my ($cpu, $message) = @$_;
    for my $firmware (qw(bios pvh)) {
        my $run = CopseBoot->start(args => '', cpu => $cpu,
            firmware => $firmware);
        is($run->finish, CopseBoot::PANIC, "$firmware, $cpu: stops");
        like($run->text, qr/^Copse cannot start: /m, "$cpu: says so");
        like($run->text, $message, "$cpu: and why");
    }
}

# A multiboot 1 loader: the same kernel with that header in place of ours.
{
    my $dir = tempdir(CLEANUP => 1);
    my $image = CopseBoot::slurp("$CopseBoot::build/copse.elf");
    my $magic = 0x1badb002;
    my $header = pack 'L<3', $magic, 0, (0 - $magic) & 0xffffffff;
    my $at = index $image, pack('L<', 0xe85250d6);
    cmp_ok($at, '>=', 0, 'the multiboot2 header is there');
    substr $image, $at, length($header), $header;
    CopseBoot::spew("$dir/copse.elf", $image);

    CopseBoot::spew("$dir/grub.cfg",
        "set timeout=0\nmenuentry x {\nmultiboot /boot/copse.elf\n}\n");
    system('tools/make-iso', "$dir/boot.iso", "$dir/copse.elf",
        "$dir/grub.cfg", "$CopseBoot::build/grub") == 0 or die 'make-iso';
    my $run = CopseBoot->start(iso => "$dir/boot.iso");
    is($run->finish, CopseBoot::PANIC, 'multiboot 1: stops');
    like($run->text, qr/it was not loaded by multiboot2/, 'and says why');
}

# Kernels with instructions overwritten.
my $image = CopseBoot::slurp("$CopseBoot::build/copse.elf");

sub boot_patched {
    my ($name, $patched, $firmware, @messages) = @_;
    my $dir = tempdir(CLEANUP => 1);
    CopseBoot::spew("$dir/copse.elf", $patched);
    my $run = CopseBoot->start(args => '', kernel => "$dir/copse.elf",
        firmware => $firmware);
    is($run->finish, CopseBoot::PANIC, "$name: ends as a panic")
        or diag($run->text);
    like($run->text, $_, "$name: says $_") for @messages;
    return;
}

{
    my $patched = $image; # no CPU of QEMU's is without CPUID: xor eax, eax; ret
    CopseBoot::patch($patched, 'has_cpuid', "\x31\xc0\xc3");
    boot_patched('no CPUID', $patched, 'bios',
        qr/^Copse cannot start: this CPU has no CPUID instruction/m);

    # the first tag's size as 0xffffffff, mov dword [ebp + 12], -1, before the
    # same: who looks for a screen among such tags must come to an end
    $patched = $image;
    CopseBoot::patch($patched, 'has_cpuid',
        "\xc7\x45\x0c\xff\xff\xff\xff\x31\xc0\xc3");
    boot_patched('a tag that wraps', $patched, 'bios',
        qr/^Copse cannot start: this CPU has no CPUID instruction/m);

    $patched = $image;
    CopseBoot::patch($patched, 'kernel_main', "\x0f\x0b"); # ud2
    boot_patched('a fault in the first C instruction', $patched, 'bios',
        qr/invalid opcode \(#UD\)/, qr/at +\w+ +kernel_main\+0x0/);

    $patched = $image; # mov [0x7f0000000000], al: there are no regions yet
    CopseBoot::patch($patched, 'kernel_main',
        "\xa2" . pack('L<2', 0, 0x7f00));
    boot_patched('a page fault there', $patched, 'pvh', qr/page fault \(#PF\)/,
        qr/write to 0x00007f0000000000: no page is mapped/);

    # start64's last word before the call of kernel_main, mov edi, edi, as
    # xor edi, edi: boot information at 0, where the BIOS keeps its vectors
    $patched = $image;
    my $at = index $patched, "\x89\xff\xe8", CopseBoot::offset_of('start64');
    substr $patched, $at, 2, "\x31\xff";
    boot_patched('boot information that is none', $patched, 'bios',
        qr/the boot information at 0x0 is unusable: tag \d+ at offset 0x\w+: /,
        qr/^\(MULTIBOOT2_\w+\)$/m);
    boot_patched('start info that is none', $patched, 'pvh',
        qr/the start info at 0x0 is unusable: at 0x0: it does not begin with/,
        qr/^\(PVH_BAD_MAGIC\)$/m);
}

# Command lines: a sane default, and a word about what was wrong.
my @lines = (
    ['bananas', qr/unknown option 'bananas' is ignored/],
    ['bananas', qr/known: selftest/],
    ['heap=nonsense', qr/there is no back-end 'nonsense'; taking 'slab'/],
    ['heap=nonsense', qr/ bump /],
    ['heap=' . 'x' x 200, qr/the value of 'heap' has 200 characters/],
    ['loglevel=loud', qr/loglevel=loud is none of error/],
    ['fault=nonsense', qr/there is no mistake 'nonsense'/],
    ['=', qr/unknown option '='/],
    ['x' x 4000, qr/the command line was cut after 1023 characters/],
    [join(' ', ('loglevel=info') x 290), qr/the command line was cut/],
);
for (@lines) {
    my ($args, $message) = @$_;
    my $name = length $args > 30 ? substr($args, 0, 30) . '...' : $args;
    my $run = CopseBoot->start(args => $args);
    ok($run->expect(qr/copse> \z/), "'$name': boots to the prompt")
        or diag($run->text);
    like($run->text, $message, "'$name': $message");
    $run->type("poweroff\r");
    is($run->finish, CopseBoot::SUCCESS, "'$name': and goes on working");
}

# The last of two counts, and silence can be asked for.
{
    my $run = CopseBoot->start(args => 'heap=bump heap=list loglevel=error');
    ok($run->expect(qr/copse> \z/), 'two heaps: boots');
    like($run->text, qr/^heap: +list/m, 'the last one is taken');
    unlike($run->text, qr/^# /m, 'loglevel=error logs no facts');
    $run->type("poweroff\r");
    $run->finish;
}

# As little memory as GRUB can live in.
for my $mem (qw(4M 5M 8M)) {
    for my $firmware (qw(bios pvh)) {
        my $run = CopseBoot->start(args => '', mem => $mem,
            firmware => $firmware);
        ok($run->expect(qr/copse> \z/), "$firmware, $mem: boots to the prompt")
            or diag($run->text);
        $run->type("poweroff\r");
        is($run->finish, CopseBoot::SUCCESS, "$firmware, $mem: and ends well");
    }
}

# No serial port: nothing to see, but the kernel must not wait for it.
{
    my $dir = tempdir(CLEANUP => 1);
    local $ENV{SERIAL} = 'none';
    my $iso = CopseBoot::iso($dir, 'selftest');
    local $ENV{TIMEOUT} = 60;
    is(system('tools/run-qemu', $iso), 0, 'no UART: the self-tests pass');
}

done_testing();
