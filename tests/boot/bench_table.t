#!/usr/bin/perl
# The tables of the documents are made from results.
use strict;
use warnings;
use Test::More;
use File::Temp qw(tempdir);
use CopseBoot;

my $dir = tempdir(CLEANUP => 1);
my $common = '"threads": 1, "bytes": 4096';
CopseBoot::spew("$dir/results", <<"EOF_RESULTS");
{"suite": "heap", "workload": "pair", "subject": "slab", $common, "ns": 1.50, "best_reference": 2.00, "ratio": 0.75, "goal": null, "best_known": 1.90}
{"suite": "heap", "workload": "pair", "subject": "glibc", $common, "ns": 2.00, "best_reference": 2.00, "ratio": 1.00, "goal": null, "best_known": null}
{"suite": "heap", "workload": "rand", "subject": "slab", $common, "ns": 123.45, "best_reference": null, "ratio": null}
{"suite": "heap", "workload": "pair", "subject": "slab", $common, "instructions": 77.03, "best_reference": null, "ratio": null}
{"suite": "page", "workload": "pair", "subject": "slab", $common, "ns": 9.00, "best_reference": null, "ratio": null}
EOF_RESULTS

# What comes of a document with this table in it.
sub filled {
    my ($begin, $old) = @_;
    CopseBoot::spew("$dir/doc.md", "before\n$begin\n$old<!-- /bench -->\nafter\n");
    system("bench/table $dir/results $dir/doc.md") == 0 or die 'bench/table';
    return CopseBoot::slurp("$dir/doc.md");
}

my $heap = '<!-- bench: heap subjects=slab,glibc with=best_known,goal -->';
my $text = filled($heap, "old\n");
like($text, qr/^before\n\Q$heap\E\n\n\| workload/, 'the comments stay');
like($text, qr/<!-- \/bench -->\nafter\n\z/, 'and what is around them');
unlike($text, qr/old/, 'the old table goes');
like($text, qr/slab \| glibc \| ratio \| best known \|$/m,
    'columns without a figure are left out');
like($text, qr/^\| pair \| 4K \| 1 \| ns \| \*\*1\.50\*\* \| 2\.00 \| 0\.75 \| 1\.90 \|$/m,
    'a row of figures');
like($text, qr/^\| rand \| 4K \| 1 \| ns \| \*\*123\*\* \|  \|/m,
    'what was not measured is empty');
unlike($text, qr/77|9\.00/, 'no other suite, nor the kernel');
is(filled($heap, substr $text, index($text, "\n\n|") + 1,
        index($text, '<!-- /bench') - index($text, "\n\n|") - 1), $text,
    'a second time nothing changes');

like(filled('<!-- bench: heap in=kernel subjects=slab -->', ''),
    qr/^\| pair \| 4K \| 1 \| instructions \| \*\*77\.0\*\* \|$/m, 'the kernel');
like(filled('<!-- bench: heap subjects=slab workloads=rand,pair -->', ''),
    qr/\| rand .*\| pair /s, 'rows in the order asked for');
like(filled('<!-- bench: frame subjects=frame -->', "kept\n"), qr/^kept$/m,
    'without results a table stays');

done_testing();
