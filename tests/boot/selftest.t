#!/usr/bin/perl
# The self-tests on every kind of machine: the core of the matrix.  Each test of
# the kernel is one here.
use strict;
use warnings;
use Test::More;
use File::Temp qw(tempdir);
use CopseBoot;
use CopseMatrix;

# Shows a TAP stream's tests as tests of this file.
sub repeat_results {
    my ($name, $text) = @_;
    my ($plan) = $text =~ /^1\.\.(\d+)$/m;
    my $seen = 0;
    while ($text =~ /^(not )?ok (\d+) - (.*)\n(  ---\n(?:  .*\n)*?  \.\.\.\n)?/mg)
    {
        $seen++;
        ok(!defined $1 && $2 == $seen, "$name: $3") or diag($4 // '');
    }
    is($seen, $plan // 'missing', "$name: as many results as planned");
    cmp_ok($seen, '>=', 20, "$name: the suites were there");
    return;
}

for my $cell (grep { $_->{core} } CopseMatrix::cells()) {
    my $name = CopseMatrix::name($cell);
    my $result = CopseMatrix::run($cell);
    is($result->{skipped}, undef, "$name: can be run here");
    repeat_results($name, $result->{text}) if $result->{tests} ne 'by status';
    is($result->{fault}, '', "$name: ends well") or diag($result->{text});
}

# What a failure looks like, and that it does not pass.
{
    my $run = CopseBoot->start(args => 'selftest=broken');
    is($run->finish, CopseBoot::FAILURE, 'failed self-tests fail the run');
    like($run->text, qr/^ok \d - broken: passes_between/m, 'one passes');
    like($run->text, qr{^not\ ok\ \d\ -\ broken:\ expects_too_much\n
            \ \ ---\n
            \ \ file:\ kernel/selftest/test_broken\.c\n
            \ \ line:\ \d+\n
            \ \ expected:\ 'tree\ ==\ [^\n]*'\n
            \ \ values:\ 'it''s\ an\ oak,\ not\ "nothing"'\n
            \ \ \.\.\.\n}mx,
        'one tells file, line and values');
    like($run->text, qr/^not ok \d - broken: leaks_a_frame\n/m,
        'a lost frame is a failure');
    like($run->text, qr/^ok 4 - all: leave_as_many_frames_free$/m,
        'the others leave as many frames free');
    like($run->text, qr/^# 2 of 4 self-tests passed/m, 'and they are counted');
}

# One suite alone; one that is not there must not pass.
{
    my $run = CopseBoot->start(args => 'selftest=map');
    is($run->finish, CopseBoot::SUCCESS, 'selftest=map ends well');
    unlike($run->text, qr/^ok \d+ - (?!map:)/m, 'and runs no other suite');

    $run = CopseBoot->start(args => 'selftest=nonsense');
    is($run->finish, CopseBoot::FAILURE, 'selftest=nonsense fails');
    like($run->text, qr/there is no suite 'nonsense'/, 'and says why');
    like($run->text, qr/suites:.* frame/, 'and names those there are');
}

# One test that fails is one failure: the frames are judged all the same.  Here
# it is one that goes on as a test that fails on purpose does (jmp).
{
    my $dir = tempdir(TMPDIR => 1, CLEANUP => 1);
    my $elf = CopseBoot::slurp("$CopseBoot::build/copse.elf");
    my $from = CopseBoot::offset_of('map_holds_its_invariant');
    my $to = CopseBoot::offset_of('broken_expects_too_much');
    CopseBoot::patch($elf, 'map_holds_its_invariant',
        "\xe9" . pack 'V', ($to - $from - 5) & 0xffffffff);
    CopseBoot::spew("$dir/copse.elf", $elf);
    my $run = CopseBoot->start(args => 'selftest', seconds => 120,
        kernel => "$dir/copse.elf");
    is($run->finish, CopseBoot::FAILURE, 'one test fails') or diag($run->text);
    is_deeply([$run->text =~ /^not ok \d+ - (.*)$/mg],
        ['map: holds_its_invariant'], 'and is the only failure');
    like($run->text, qr/^ok \d+ - all: leave_as_many_frames_free$/m,
        'the frames are judged');
}

done_testing();
