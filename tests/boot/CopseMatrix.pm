package CopseMatrix;
# The machines that all self-tests are booted on: a cell is one machine.
#
#     for my $cell (CopseMatrix::cells()) {
#         my $result = CopseMatrix::run($cell);
#     }
#
# A cell is CopseBoot's options to start, and besides
#     core    it is part of `make test`
#     also    what there is to say of the machine in words
#     with    what has to be there: 'clang' (for a build by it) or 'bochs'
#     cannot  why this machine cannot be had at all

use strict;
use warnings;
use CopseBoot;
use CopseBochs;

# What a cell does not say.
my %default =
    (firmware => 'pvh', machine => 'pc', cpu => 'max', mem => '256M', cpus => 1);

my @numa = map {
    ('-object', "memory-backend-ram,id=n$_,size=1G",
        '-numa', "node,memdev=n$_,cpus=" . 2 * $_ . '-' . (2 * $_ + 1))
} 0, 1;

# What `make test` boots: each kind once, in as few machines as hold them all.
sub core {
    my @heap = map { (args => "selftest heap=$_", also => "heap=$_") } heaps();
    my $next_heap = sub { splice @heap, 0, 4 };
    my @core = (
        { $next_heap->() },
        { machine => 'q35', cpu => 'qemu64', mem => '64M', $next_heap->() },
        { machine => 'microvm', cpu => 'Haswell', mem => '4G',
            $next_heap->() },
        { machine => 'isapc', cpu => 'EPYC', $next_heap->() },
        { cpus => 2, mem => '64G', $next_heap->() },
        { mem => '1T' },
        { cpus => 8, mem => '64M' },
        numa('pvh'),
        { modules => 1, also => 'with modules' },
        { firmware => 'bios', mem => '6M' },
        { firmware => 'bios', machine => 'q35', cpu => 'Haswell', cpus => 2,
            mem => '4G' },
        { firmware => 'bios', machine => 'isapc', mem => '32M' },
        without_or_other('bios'),
        { firmware => 'bios', modules => 1, also => 'with modules' },
        { firmware => 'uefi', mem => '64M' },
        { firmware => 'uefi', machine => 'q35', cpu => 'qemu64', mem => '64G',
            cpus => 2 },
        { firmware => 'uefi', cpu => 'EPYC', modules => 1,
            also => 'with modules' },
    );
    die "heaps without a machine in the core: @heap" if @heap;
    return map { { %$_, core => 1 } } @core;
}

# Machines on which something is missing, or other than usual.
sub without_or_other {
    my ($firmware) = @_;
    return map { { firmware => $firmware, %$_ } }
        { serial => 'none', also => 'no serial port' },
        { qemu => ['-vga', 'none'], also => 'no framebuffer' },
        map { { qemu => ['-vga', $_], also => "$_ graphics" } } qw(cirrus std);
}

sub numa {
    my ($firmware) = @_;
    return { firmware => $firmware, cpus => 4, mem => '2G', qemu => \@numa,
        also => 'two NUMA nodes' };
}

sub cells {
    my @cells = core();

    # firmware and chipset
    push @cells, map { { firmware => $_ } } qw(pvh bios uefi);
    push @cells, map { { firmware => $_, machine => 'q35' } }
        qw(pvh bios uefi);
    push @cells, { machine => 'microvm' };
    push @cells, map { { firmware => $_, machine => 'isapc' } } qw(pvh bios);

    # CPUs
    for my $cpu (qw(qemu64 Haswell EPYC)) {
        push @cells, map { { firmware => $_, cpu => $cpu } }
            qw(pvh bios uefi);
    }

    # memory
    push @cells, { mem => '6M' };
    for my $mem (qw(32M 64M 4G 64G 1T)) {
        push @cells, map { { firmware => $_, mem => $mem } } qw(pvh bios uefi);
        $cells[-1]{cannot} = 'OVMF needs 48 MiB to start' if $mem eq '32M';
    }
    push @cells, { cpu => 'qemu64', mem => $_ } for qw(64M 64G);
    push @cells, { firmware => 'bios', cpu => 'qemu64', mem => '64G' };
    push @cells, { cpu => 'Haswell', mem => '4G' };

    # processors
    push @cells, { cpus => $_ } for 2, 4, 8;
    push @cells, { firmware => $_, cpus => 4 } for qw(bios uefi);
    push @cells, { machine => 'microvm', cpus => 4 };
    push @cells, { cpus => $_, mem => '1G', seconds => 600 } for 64, 255;
    push @cells, { firmware => 'bios', machine => 'q35', cpus => 255,
        mem => '1G', seconds => 600 };

    push @cells, without_or_other('uefi');
    push @cells, numa($_) for qw(bios uefi);

    # other builds, and the kernel's own options
    push @cells, map { { %$_, with => 'clang', also => 'built by clang' } }
        {}, { cpus => 4 }, { firmware => 'bios' }, { firmware => 'uefi' };
    push @cells, map { { args => "selftest heap=$_", also => "heap=$_" } }
        heaps();

    # the other emulator
    push @cells, { firmware => 'bios', machine => 'bochs', cpus => $_,
        cpu => 'i7-4770', with => 'bochs', seconds => 300 } for 1, 2;

    # a machine of the core is no second one
    my %seen;
    return grep { !$seen{name($_)}++ } map { { %default, %$_ } } @cells;
}

# The back-ends of the heap, as their sources say.
sub heaps {
    my %heap;
    for my $file (glob 'mm/heap/{,slab/}*.c') {
        $heap{$1} = 1 if CopseBoot::slurp($file) =~
            /struct heap_backend \w+ = \{\s*\.name = "(\w+)"/;
    }
    return sort keys %heap;
}

# "bios q35 max 4G 1, two NUMA nodes"
sub name {
    my ($cell) = @_;
    return join(' ', @$cell{qw(firmware machine cpu mem cpus)})
        . ($cell->{also} ? ", $cell->{also}" : '');
}

# Why the cell cannot be run here, or ''; makes what it needs.
sub skip_reason {
    my ($cell) = @_;
    return $cell->{cannot} if $cell->{cannot};
    my $with = $cell->{with} // return '';
    my @tools = $with eq 'bochs' ? qw(bochs bochsbios) : ($with);
    my $output = `tools/need @tools 2>&1`;
    return "$with is not installed, and cannot be" if $?;
    if ($with eq 'clang') {
        delete local @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL BUILD)};
        my $build = "$CopseBoot::build/clang";
        $output = `make -s -j2 CC=clang BUILD=$build iso 2>&1`;
        die "clang does not build it:\n$output" if $?;
        $cell->{kernel} = "$build/copse.elf";
    }
    return '';
}

# What is wrong with what was printed: '' if the TAP is complete, and each test
# of it passed.
sub fault_of {
    my ($text) = @_;
    return 'a panic' if $text =~ /^Bail out!/m;
    my ($plan) = $text =~ /^1\.\.(\d+)$/m or return 'no plan of the tests';
    my $seen = 0;
    while ($text =~ /^(not )?ok (\d+) - (.*)$/mg) {
        $seen++;
        return "failed: $3" if defined $1;
        return "test $2 at place $seen" if $2 != $seen;
    }
    return "only $seen of $plan tests" if $seen != $plan;
    return $seen < 20 ? "only $seen tests at all" : '';
}

# Boots the cell: {skipped => why}, or {seconds, text, tests (how many passed),
# fault (what is wrong, or '')}.
sub run {
    my ($cell) = @_;
    my $reason = skip_reason($cell);
    return { skipped => $reason } if $reason;
    my %option = (args => 'selftest', seconds => 300, %$cell);
    my ($run, $status);
    if ($cell->{machine} eq 'bochs') {
        $option{mem} =~ s/M$//;
        $run = CopseBochs->start(%option);
        $run->expect(qr/self-tests passed(?s:.*)copse> \z/);
        $run->stop;
        $status = CopseBoot::SUCCESS; # it has none: the text tells
    } else {
        $run = CopseBoot->start(%option);
        $status = $run->finish;
    }
    my $text = $run->text;
    my $silent = ($cell->{serial} // '') eq 'none';
    my $fault = $silent ? '' : fault_of($text);
    $fault ||= "status $status" if $status != CopseBoot::SUCCESS;
    my $tests = () = $text =~ /^ok \d+ - /mg;
    return { seconds => $run->elapsed, text => $text, fault => $fault,
        tests => $silent ? 'by status' : $tests };
}

1;
