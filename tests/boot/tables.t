#!/usr/bin/perl
# ACPI tables that lie or are odd, in place of the machine's own: what is said of
# them, and what the machine makes of it.
use strict;
use warnings;
no warnings 'portable'; # addresses have 64 bits
use Test::More;
use File::Temp qw(tempdir);
use CopseBoot;
use CopseTables;

my $dir = tempdir(TMPDIR => 1, CLEANUP => 1);

# Boots to a prompt with these tables; what was printed, up to the end of
# `command`.
sub boot {
    my ($name, $tables, %option) = @_;
    my $command = delete $option{command} // '';
    my $run = CopseBoot->start(cpus => 2, args => '', machine => 'q35,acpi=off',
        %option,
        qemu => [@{ $option{qemu} // [] }, CopseTables::options($dir, @$tables)]);
    ok($run->expect(qr/copse> \z/), "$name: boots") or diag($run->text);
    if ($command) {
        $run->type("$command\r");
        ok($run->expect(qr/copse> \Q$command\E(?s:.*)copse> \z/),
            "$name: $command answers");
    }
    $run->type("poweroff\r");
    is($run->finish, CopseBoot::SUCCESS, "$name: ends well");
    return $run->text;
}

sub cpus_up {
    my ($text, $up, $of, $name) = @_;
    like($text, qr/^# smp +$up of $of CPUs are up/m, "$name: $up of $of are up")
        or diag($text);
    return;
}

sub warnings_of {
    my ($room, $text) = @_;
    return my @lines = $text =~ /^# $room +(?:warning|error): (.*)$/mg;
}

my @two = map { CopseTables::cpu($_) } 0, 1;

# APIC IDs.
{
    my $text = boot('as it should be', [APIC => CopseTables::madt(@two)]);
    cpus_up($text, 2, 2, 'as it should be');
    is_deeply([warnings_of('smp', $text)], [], 'and nothing to say');

    my @ids = (0x100, 0x101, 0x200, 0xff, 0x17161514);
    $text = boot('IDs of more than 8 bits', [APIC => CopseTables::madt(@two,
        (map { CopseTables::x2($_) } @ids, 0xffffffff),
        CopseTables::cpu(0xff))]);
    cpus_up($text, 2, 2, 'IDs of more than 8 bits');
    is_deeply([warnings_of('smp', $text)], [map {
        sprintf "the MADT has a processor with APIC ID 0x%x, which this"
            . " machine's 8-bit APICs cannot address: it is left out", $_
    } @ids], 'each is refused by name');
    is_deeply([warnings_of('acpi', $text)], [map {
        "APIC: a processor's APIC ID addresses all of them; it is left out ($_)"
    } '0xffffffff', '0xff'], 'and the ID of all');
    $text = boot('eight of one', [APIC => CopseTables::madt(@two,
        map { CopseTables::x2(0x17161514, 1, 16 + $_) } 0 .. 7)]);
    cpus_up($text, 2, 2, 'eight of one');
    is_deeply([warnings_of('\w+', $text)], [
        "8 entries of the MADT have APIC ID 0x17161514, which this machine's"
            . ' 8-bit APICs cannot address: they are left out'
    ], 'are one line');
    $text = boot('twice', [APIC => CopseTables::madt(@two,
        map { CopseTables::x2($_) } 0, 1)]);
    cpus_up($text, 2, 2, 'twice');
    is(scalar(grep { /^2 entries .* APIC ID [01]: they count as one/ }
            warnings_of('smp', $text)), 2, 'each is named');
    $text = boot('not the boot CPU',
        [APIC => CopseTables::madt(map { CopseTables::cpu($_) } 0x10, 0x18)]);
    like($text, qr/warning: the MADT does not name the boot CPU, whose APIC ID is 0; it is CPU 0 all the same$/m,
        'the boot CPU that is absent is named');
    like($text, qr/CPU 1, APIC ID 16, does not start/, 'and who does not start');
}

# The address of the local APIC: MSR 0x1b counts.
for my $address (0, 0xfec00000, 0xfee01000) {
    my $shown = sprintf '0x%x', $address;
    my $text = boot("local APIC at $shown",
        [APIC => CopseTables::madt_at($address, @two)]);
    cpus_up($text, 2, 2, "local APIC at $shown");
    like($text, qr/warning: the MADT says that the local APIC is at $shown, MSR 0x1b says 0xfee00000: the MSR counts$/m,
        'which is told');
}

# A list of memory as qboot makes it has an entry of no bytes: that is no mistake.
{
    my $run = CopseBoot->start(args => '', machine => 'microvm');
    ok($run->expect(qr/copse> \z/), 'microvm boots');
    unlike($run->text, qr/^# memory .*warning/m, 'without a warning of its map')
        or diag($run->text);
    $run->stop;
}

# Two nodes whose entries overlap by a page: the first has it, and all else is
# as the table says.
{
    my $text = boot('an overlap', [APIC => CopseTables::madt(@two),
        SRAT => CopseTables::srat(CopseTables::place(0, 0),
            CopseTables::place(1, 1), CopseTables::memory(0, 0, 0xa0000),
            CopseTables::memory(0, 0x100000, 0x40000000),
            CopseTables::memory(1, 0x400ff000, 0x80000000))],
        mem => '2G', command => 'cpus');
    my @warnings = warnings_of('acpi', $text);
    is(shift @warnings,
        'SRAT: 0x400ff000-0xc00fefff of domain 1 overlaps 0x100000-0x400fffff'
            . ' of domain 0, which came first and has what both claim',
        'is named') or diag($text);
    is(@warnings, 1, 'beside it one warning');
    like($warnings[0] // '', qr/border of nodes inside a GiB: 0x40100000-/,
        'of the border that is left');
}

# Tables above 4 GiB, one across a border of 2 MiB, two close to each other.
{
    my $srat = CopseTables::srat(CopseTables::place(7, 0),
        CopseTables::place(9, 1), CopseTables::memory(7, 0, 0x100000000),
        CopseTables::memory(9, 0x100000000, 0x100000000));
    for my $places (['0x13fe00000', '0x13fe01000'],
        ['0x13fdfffe0', '0x13fc00000'], ['0x11fffffe0', '0x11fffff00'])
    {
        my $text = boot("tables at @$places",
            [$places->[0] => CopseTables::madt(@two), $places->[1] => $srat],
            mem => '5G', args => 'loglevel=debug', command => 'cpus');
        like($text, qr/^# acpi +APIC at $places->[0], /m, 'the MADT is read');
        like($text, qr/^# acpi +SRAT at $places->[1], /m, 'and SRAT');
        cpus_up($text, 2, 2, 'tables above 4 GiB');
        like($text, qr/^# acpi .* 2 processors \(0 disabled\), 2 nodes$/m,
            'two nodes');
        is_deeply([warnings_of('acpi', $text)], [], 'and nothing to say');
    }
}

# A border of two nodes inside a GiB: the size of what is counted wrong is told.
{
    my $run = CopseBoot->start(args => '', cpus => 2, mem => '3G', qemu => [map {
        ('-object', "memory-backend-ram,id=m$_,size=1536M", '-numa',
            "node,memdev=m$_,cpus=$_") } 0, 1]);
    ok($run->expect(qr/copse> \z/), 'two nodes of 1536 MiB');
    is_deeply([warnings_of('acpi', $run->text)], [
        'SRAT: a border of nodes inside a GiB: 0x60000000-0x7fffffff,'
            . ' 524288 KiB, of domain 1 are taken as domain 0\'s'
    ], 'the border is told') or diag($run->text);
    $run->stop;
}

# A dozen borders are not a dozen lines.
{
    my $text = boot('16 MiB a node, in turn', [APIC => CopseTables::madt(@two),
        SRAT => CopseTables::srat(map { CopseTables::memory($_ & 1,
            $_ << 24, 1 << 24) } 0 .. 23)], mem => '400M');
    my @warnings = warnings_of('acpi', $text);
    is(scalar(grep { /border of nodes inside a GiB/ } @warnings), 8,
        'eight borders are named');
    like($warnings[8], qr/^SRAT: and 4 such ranges more, 6\d{4} KiB$/,
        'and the others counted');
}

# Those that are absent are waited for together.
{
    my $text = boot('38 absent', [APIC => CopseTables::madt(@two,
        map { CopseTables::cpu($_ + 8) } 2 .. 39)],
        qemu => ['-icount', 'shift=0,sleep=off'], machine => 'q35,acpi=off');
    cpus_up($text, 2, 40, '38 absent');
    is(() = $text =~ /APIC ID \d+, does not start; going on without it/g, 38,
        'each is named');
    my ($us) = $text =~ /CPUs are up after (\d+) us/;
    cmp_ok($us, '<', 1_000_000, "and cost less than a second: $us us");
}

done_testing();
