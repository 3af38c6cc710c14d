#!/usr/bin/perl
# The heap's back-ends and checks on the command line and at the prompt: each
# mistake with a block is found at its tier, on every back-end.
use strict;
use warnings;
use Test::More;
use CopseBoot;

# What this kernel has: it tells when it is asked for one that it has not.
my @backends;
{
    my $run = CopseBoot->start(args => 'heap=nonsense', firmware => 'pvh');
    ok($run->expect(qr/copse> \z/), 'an unknown back-end: boots');
    @backends = $run->text =~ /^# heap +warning:   (\w+) +\w/mg;
    cmp_ok(scalar @backends, '>=', 4, "the known ones are told: @backends");
    $run->type("poweroff\r");
    $run->finish;
}

my $block = qr/block 0x\w+ of 100 bytes aligned to 16/;
my $who = qr/allocated by 0x\w+ heap_block\+0x\w+/;

# Found by all back-ends at both tiers; full knows more of the block.
my %basic = (
    'double-free' => [qr/HEAP_DOUBLE_FREE/, qr/freed by 0x\w+ heap_double_free/],
    'inside' => [qr/HEAP_NOT_A_START/, $block],
    'foreign' => [qr/HEAP_FOREIGN/],
    'wrong-size' => [qr/HEAP_WRONG_LAYOUT/, $block,
        qr/pointer 0x\w+ of 99 bytes/],
    'wrong-alignment' => [qr/HEAP_WRONG_LAYOUT/, $block,
        qr/of 100 bytes aligned to 32,/],
);
# Found by full alone, to the byte.
my %full = (
    'overrun' => [qr/HEAP_OVERRUN/, $block, qr/byte 100 of it is 0x01/],
    'underrun' => [qr/HEAP_UNDERRUN/, $block, qr/byte -1 of it is 0x01/],
    'use-freed' => [qr/HEAP_USE_AFTER_FREE/, $block, qr/byte 50 of it is 0x01/,
        qr/freed by 0x\w+ heap_use_freed/],
);

sub make_mistake {
    my ($args, $mistake, @patterns) = @_;
    (my $function = "heap_$mistake") =~ tr/-/_/;
    my $run = CopseBoot->start(args => "$args fault=heap-$mistake",
        firmware => 'pvh');
    is($run->finish, CopseBoot::PANIC, "$args: $mistake ends as a panic");
    for my $pattern (@patterns, qr/called from 0x\w+ $function\+/,
        qr/from +\w+ +$function\+/)
    {
        like($run->text, $pattern, "$args: $mistake: $pattern");
    }
    unlike($run->text, qr/again|unnoticed/, "$args: $mistake: one report only");
    return;
}

for my $backend (@backends) {
    for my $mistake (sort keys %basic) {
        my ($fault, @more) = @{ $basic{$mistake} };
        # of a block that was freed and merged, its size is gone
        my @known = $mistake eq 'double-free' ? () : @more;
        make_mistake("heap=$backend", $mistake, $fault, @known);
        make_mistake("heap=$backend heapcheck=full", $mistake, $fault, @more,
            $mistake eq 'foreign' ? () : $who);
    }
    make_mistake("heap=$backend heapcheck=full", $_, @{ $full{$_} }, $who)
        for sort keys %full;

    # no test of the others trips over the zones
    my $run = CopseBoot->start(firmware => 'pvh', seconds => 120,
        args => "selftest heap=$backend heapcheck=full");
    is($run->finish, CopseBoot::SUCCESS,
        "heap=$backend heapcheck=full: the self-tests pass")
        or diag($run->text);

    # what off looks for is nothing
    $run = CopseBoot->start(firmware => 'pvh',
        args => "heap=$backend heapcheck=off fault=heap-wrong-size");
    is($run->finish, CopseBoot::PANIC, 'heapcheck=off: goes on');
    like($run->text, qr/fault=heap-wrong-size went unnoticed/, 'and says so');
}

# What the commands say, with a block that somebody left behind.
{
    my $run = CopseBoot->start(firmware => 'pvh',
        args => 'heap=bins heapcheck=full');
    ok($run->expect(qr/copse> \z/), 'full checks: boots');
    $run->type("heap\r");
    ok($run->expect(qr/Every invariant holds\.\r?\ncopse> \z/),
        'heap walks the heap');
    like($run->text, qr/^back-end bins: /m, 'it names the back-end');
    like($run->text, qr/^checks full; \d+ allocations, 0 failures/m, 'and tier');
    like($run->text, qr/^blocks +\d+ +\d+$/m, 'blocks now and at most');
    like($run->text, qr/^memory +\d+ bytes, \d+ frames of 4 KiB$/m, 'frames');
    $run->type("leaks\r");
    ok($run->expect(qr/^\d+ blocks are live\.\r?\ncopse> \z/m), 'leaks answers');
    $run->type("poweroff\r");
    is($run->finish, CopseBoot::SUCCESS, 'and all ends well');

    $run = CopseBoot->start(firmware => 'pvh', args => '');
    ok($run->expect(qr/copse> \z/), 'basic checks: boots');
    $run->type("leaks\r");
    ok($run->expect(qr/boot with heapcheck=full/), 'leaks tells what it wants');
    $run->type("poweroff\r");
    $run->finish;
}

# An allocation that fails where it is told to: who asks copes, or says so.
{
    my $run = CopseBoot->start(firmware => 'pvh',
        args => 'failalloc=1 selftest=heap');
    is($run->finish, CopseBoot::FAILURE, 'failalloc=1: a self-test fails');
    like($run->text, qr/allocation number 1 will fail/, 'as was said before');
    like($run->text, qr/^not ok \d+ - heap: gives_back_what_is_free/m,
        'the first to ask');

    $run = CopseBoot->start(firmware => 'pvh',
        args => 'failalloc=1000000 selftest=heap');
    is($run->finish, CopseBoot::SUCCESS, 'failalloc=1000000: none gets so far');
}

# Nonsense is told, and the default is taken.
my @lines = (
    ['heapcheck=fall', qr/heapcheck=fall is none of off, basic, full; taking basic/],
    ['failalloc=0', qr/failalloc=0 is not a number from 1 on/],
    ['failalloc=3x', qr/failalloc=3x is not a number from 1 on/],
    ['failalloc', qr/failalloc= is not a number from 1 on/],
);
for (@lines) {
    my ($args, $message) = @$_;
    my $run = CopseBoot->start(args => $args, firmware => 'pvh');
    ok($run->expect(qr/copse> \z/), "'$args': boots to the prompt");
    like($run->text, $message, "'$args': $message");
    $run->type("heap\r");
    ok($run->expect(qr/^checks basic; /m), "'$args': basic checks");
    $run->type("poweroff\r");
    $run->finish;
}

done_testing();
