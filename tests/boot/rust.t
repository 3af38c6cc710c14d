#!/usr/bin/perl
# Rust is optional: a kernel with its library, and one without.  What the
# library does on the heap is told by the self-tests of the suite "rust".
use strict;
use warnings;
use Test::More;
use File::Temp qw(tempdir);
use Cwd qw(getcwd);
use CopseBoot;

my $dir = tempdir(CLEANUP => 1);
my $rustc = $ENV{RUSTC} // 'rustc';
my $missing = `tools/rust-library --check $rustc`;

SKIP: {
    skip $missing =~ s/\n.*//sr, 7 if $missing;

    my $run = CopseBoot->start(args => 'fault=rust-panic');
    is($run->finish, CopseBoot::PANIC, 'a panic in Rust is one of the kernel');
    like($run->text, qr{^Rust panicked at rust/checks\.rs:\d+}m, 'with place');
    like($run->text, qr/index out of bounds: the len is 3 but the index is 5/,
        'and message');
    like($run->text, qr/from +\w+ +rust_panic_on_purpose\+/,
        'and a backtrace through it');

    # One source gives the same bytes wherever it lies.
    my $here = getcwd;
    system("mkdir $dir/other && cp -r rust tools $dir/other") == 0 or die 'cp';
    for my $place ($here, "$dir/other") {
        my $name = $place eq $here ? 'here' : 'there';
        is(system("cd $place && tools/rust-library $rustc $dir/$name.a"), 0,
            "$name: the library builds");
    }
    ok(CopseBoot::slurp("$dir/here.a") eq CopseBoot::slurp("$dir/there.a"),
        'and is the same bytes');
}

# The same objects linked where there is no rustc.
{
    delete local @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL)};
    my $build = "$dir/build";
    my $parts = join ' ', map { "$CopseBoot::build/$_" }
        qw(.copse epoch grub include kernel);
    system("mkdir $build && cp -a $parts $build") == 0 or die 'cp';
    my $output = `make BUILD=$build RUSTC=no-rustc iso 2>&1`;
    is($?, 0, 'a kernel without Rust is linked') or diag($output);
    like($output, qr/no Rust in it: there is no no-rustc/, 'with a note');
    local $CopseBoot::build = $build;
    my $run = CopseBoot->start(args => 'selftest=rust');
    is($run->finish, CopseBoot::SUCCESS, 'its self-tests end well');
    my @skipped = $run->text =~ /^ok \d+ - rust: \w+ # SKIP .*without rustc$/mg;
    cmp_ok(scalar @skipped, '>=', 8, 'and say that they were skipped');
    unlike($run->text, qr/^ok \d+ - rust: \w+$/m, 'all of them');
}

# What is no rustc that can build the library, and what is told of it.
my %fake = (
    'rustc 1.63 is older than 1.68' => 'echo "rustc 1.63.0"',
    "rustc has no library 'core' for x86_64-unknown-linux-gnu" =>
        'case $1 in --print) echo /nowhere ;; *) echo "rustc 1.99.0" ;; esac',
);
for my $message (sort keys %fake) {
    CopseBoot::spew("$dir/fake", "#!/bin/sh\n$fake{$message}\n");
    chmod 0755, "$dir/fake";
    like(`tools/rust-library --check $dir/fake`, qr/^\Q$message\E$/m, $message);
}

done_testing();
