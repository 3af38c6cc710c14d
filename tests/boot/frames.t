#!/usr/bin/perl
# The kernel with the frame layer that is not the default: all of its self-tests,
# on one CPU and on several.
use strict;
use warnings;
use Test::More;
use CopseBoot;

delete $ENV{MAKEFLAGS};    # of the make that runs the tests
my $build = "$CopseBoot::build/plain";
is(system('make', '-s', 'FRAMES=plain', "BUILD=$build", 'iso'), 0, 'it builds');

for my $cpus (1, 2) {
    my $run = CopseBoot->start(args => 'selftest', cpus => $cpus,
        kernel => "$build/copse.elf");
    is($run->finish, CopseBoot::SUCCESS, "its self-tests pass, cpus $cpus")
        or diag($run->text);
}

is(system("make -s FRAMES=none iso >$build/refused 2>&1") >> 8, 2,
    'a layer that is none is refused');
like(do { local (@ARGV, $/) = "$build/refused"; <> },
    qr/there are percpu and plain/, 'by name');

done_testing();
