#!/usr/bin/perl
# The debug build: stack canaries, and an audit after each step of the boot.
use strict;
use warnings;
use Test::More;
use CopseBoot;

delete $ENV{MAKEFLAGS};    # of the make that runs the tests
my $build = "$CopseBoot::build/debug";
is(system('make', '-s', 'DEBUG=1', "BUILD=$build", 'iso'), 0, 'it builds');
my $kernel = "$build/copse.elf";

my $run = CopseBoot->start(args => 'selftest', kernel => $kernel);
is($run->finish, CopseBoot::SUCCESS, 'its self-tests pass');
for my $step (qw(build_kernel_space build_frame_trees build_heap)) {
    like($run->text, qr/^# audit +every mapping is as planned after $step$/m,
        "an audit after $step");
}

$run = CopseBoot->start(args => 'fault=smash-stack', kernel => $kernel);
is($run->finish, CopseBoot::PANIC, 'fault=smash-stack ends as a panic');
like($run->text, qr/written past the end of an array on its stack/,
    'the canary tells what happened');
like($run->text, qr/at +\w+ +__stack_chk_fail.*\n.*from +\w+ +smash_stack\+/,
    'and in which function') or diag($run->text);

done_testing();
