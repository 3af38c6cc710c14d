#!/usr/bin/perl
# The kernel's benchmarks by instructions: under QEMU's -icount they are the
# same in every run, so what they were is kept in bench/instructions.txt and
# none may grow unnoticed.  The counts are one compiler's: under another one
# there is nothing to compare them with.
use strict;
use warnings;
use Test::More;
use File::Temp qw(tempdir);
use POSIX qw(WNOHANG);
use CopseBoot;

use constant TOLERANCE => 0.02;
my $file = $ENV{INSTRUCTIONS} // 'bench/instructions.txt';
my $renew = "if that is meant, renew $file with: make bench-accept";

sub counts {
    my ($text) = @_;
    my ($compiler) = $text =~ /^# compiler: (.*)$/m;
    my %count = map { /^(.*) ([\d.]+)$/ ? ($1 => $2) : () }
        grep { !/^#/ } split /\n/, $text;
    return ($compiler, %count);
}

# One run, in the form of the file.
my $dir = tempdir(CLEANUP => 1);
my $log = "$dir/log";
my $status = system "bench/run-kernel $CopseBoot::build >$log";
is($status, 0, 'the kernel runs its benchmarks and ends well')
    or diag(CopseBoot::slurp($log));
unlike(CopseBoot::slurp($log), qr/could not run here|  failed$/m,
    'every one of them');
my $text = `bench/counts $log`;
is($?, 0, 'and counts instructions');

my ($compiler, %now) = counts($text);
my ($compiler_then, %then) = counts(CopseBoot::slurp($file));

SKIP: {
    skip "$file is of $compiler_then, this kernel of $compiler",
        keys(%then) + 2
        if $compiler ne $compiler_then;
    for my $name (sort keys %then) {
        next if !exists $now{$name};
        my $change = $now{$name} / $then{$name} - 1;
        ok(abs $change <= TOLERANCE, $name)
            or diag(sprintf "%s: %s, was %s (%+.1f %%); %s", $name,
            $now{$name}, $then{$name}, 100 * $change, $renew);
    }
    my @missing = grep { !exists $now{$_} } sort keys %then;
    is("@missing", '', 'none has gone') or diag($renew);
    my @new = grep { !exists $then{$_} } sort keys %now;
    is("@new", '', 'none has come') or diag($renew);
}

# One suite alone; one that is not there must not pass.
is(system("bench/run-kernel $CopseBoot::build translate >$log"), 0,
    'bench=translate ends well');
my %workload = map { $_ => 1 } CopseBoot::slurp($log) =~ /"workload": "(.*?)"/g;
is(join(' ', keys %workload), 'translate', 'and runs nothing else');
isnt(system("bench/run-kernel $CopseBoot::build nonsense >$log 2>$dir/error"),
    0, 'bench=nonsense fails');
like(CopseBoot::slurp($log), qr/there is no .*'nonsense'/, 'and says why');

# Ended early, it takes its QEMU with it.
{
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        open STDOUT, '>', $log or die $!;
        open STDERR, '>&', \*STDOUT or die $!;
        exec 'bench/run-kernel', $CopseBoot::build or die $!;
    }
    my $child = sub { (`pgrep -P $_[0]` =~ /(\d+)/)[0] };
    my ($timeout, $qemu);
    for (1 .. 500) {
        select undef, undef, undef, 0.01;
        $timeout = $child->($pid) or next;
        $qemu = $child->($timeout) and last;
    }
    ok($qemu, 'it runs');
    kill 'STOP', $qemu;    # so that it does not end by itself
    kill 'TERM', $pid;
    for (1 .. 1000) {
        last if waitpid($pid, WNOHANG) == $pid;
        select undef, undef, undef, 0.01;
    }
    isnt($?, -1, 'killed, it ends');
    isnt($?, 0, 'but not well');
    ok(!kill(0, $qemu), 'and its QEMU has ended') or kill 'KILL', $qemu;
}

done_testing();
