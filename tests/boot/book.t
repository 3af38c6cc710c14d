#!/usr/bin/perl
# What the documents show is what is printed now, and their paths and links
# lead somewhere; and the check that says so can fail.
use strict;
use warnings;
use Test::More;
use File::Temp qw(tempdir);
use CopseBoot;

sub check {
    my $output = `tools/book --check @_ 2>&1`;
    return ($?, $output);
}

my @documents = ('README.md', glob 'mm/*.md docs/*.md docs/*/*.md');
my ($status, $output) = check(@documents);
is($status, 0, 'no document is stale') or diag($output);

my $lines = 0;
for my $document (@documents) {
    my $text = CopseBoot::slurp($document);
    $lines = $1 if $document eq 'docs/README.md'
        && $text =~ /^\| together \| (\d+) \|/m;
}
cmp_ok($lines, '>', 0, 'the reading path is counted');
cmp_ok($lines, '<', 3000, 'and short enough for an evening');

# Each is a whole document, of which something is wrong.
my %wrong = (
    'a broken link' => ["See [there](nowhere.md).\n", qr/link to nowhere\.md/],
    'a path that is gone' => ["Read `mm/frame.c`.\n", qr{no mm/frame\.c}],
    'a name of no file' => ["Read `gone_for_good.c`.\n",
        qr/no file gone_for_good\.c/],
    'another number of regions' => [
        "<!-- output: command space -->\n```\nstart size\n```\n"
            . "<!-- /output -->\n", qr/`command space` is stale/],
    'a count that is far off' => [
        "<!-- output: lines mm/frame.h -->\n| file | lines |\n| --- | ---: |\n"
            . "| `mm/frame.h` | 9 |\n| together | 9 |\n<!-- /output -->\n",
        qr/`lines mm\/frame\.h` is stale/],
    'an output that there is none of' => [
        "<!-- output: weather -->\n<!-- /output -->\n", qr/what is `weather`/],
);
my $dir = tempdir(CLEANUP => 1);
for my $name (sort keys %wrong) {
    my ($text, $message) = @{ $wrong{$name} };
    CopseBoot::spew("$dir/chapter.md", $text);
    ($status, $output) = check("$dir/chapter.md");
    ok($status != 0 && $output =~ $message, "$name is found")
        or diag($output);
}

# What is stale is renewed, and then it is not.
CopseBoot::spew("$dir/chapter.md", "<!-- output: command space -->\n"
        . "<!-- /output -->\n");
is(system('tools/book', "$dir/chapter.md"), 0, 'a document is renewed');
like(CopseBoot::slurp("$dir/chapter.md"),
    qr/-->\n```\nstart +size.*direct map.*^```\n<!-- \/output -->\n\z/ms,
    'with what the prompt prints');
($status, $output) = check("$dir/chapter.md");
is($status, 0, 'and passes') or diag($output);

done_testing();
