#!/usr/bin/perl
# The frame layer under every schedule of few preemptions, and faults of its
# locks and fences that this would find.
use strict;
use warnings;
use Test::More;

my $explore = ($ENV{BUILD} // 'build') . '/explore/explore';

sub run {
    my @said = qx($explore @_ 2>&1);
    return ($?, @said);
}

my ($status, @said) = run('-p 1');
is($status, 0, 'no run with one preemption is wrong') or diag(@said);
is(scalar(grep {/^right /} @said), scalar(@said), 'in each scenario');

($status, @said) = run('-p 2 pairs large others full-ring handler handler-full',
    'handler-few');
is($status, 0, 'nor with two, in the small ones') or diag(@said);

for my $plant ('no-fence retire', 'no-lock large', 'lost pairs') {
    ($status, @said) = run("-p 2 -P $plant");
    isnt($status, 0, "found: $plant") or diag(@said);
}

done_testing();
