#!/usr/bin/perl
# The ISO as a person boots it: menu, report, prompt.
use strict;
use warnings;
use Test::More;
use CopseBoot;

for my $firmware (qw(bios uefi)) {
    my $run = CopseBoot->start(iso => "$CopseBoot::build/copse.iso",
        firmware => $firmware);
    ok($run->expect(qr/copse> \z/), "$firmware: the default entry ends at the "
            . 'prompt') or diag($run->text);
    my $report = $run->text;
    like($report, qr/^Copse \d+\.\d+ \([\w-]+\)$/m, 'with version and commit');
    like($report, qr/^cpu: +\S.*, \d+ physical bits, 1G pages: yes$/m, 'CPU');
    like($report, qr/^loader: +GRUB/m, 'loader');
    like($report, qr/^  0{12}-\w{12} .* low memory$/m, 'memory map');
    like($report, qr/^  \w{12}-\w{12} .* usable$/m, 'usable memory in it');
    like($report, qr/^frames, free: +\d+ x 1G +\d+ x 2M +\d+ x 4K/m, 'frames');
    like($report, qr/^metadata: +\d+ bytes.* \d\.\d{4} %/m, 'metadata');
    like($report, qr/^heap: +slab: \d+ blocks/m, 'heap');
    my ($screen) = $report =~ /^(Copse .*)copse> \z/ms;
    cmp_ok(($screen =~ tr/\n//), '<=', 32, 'on about one screen');

    $run->type("help\r");
    ok($run->expect(qr/poweroff .*\n(?s:.*)copse> \z/), 'help lists commands');
    $run->type("  mem \r");
    ok($run->expect(qr/mem \r\n(?s:.*)heap: (?s:.*)copse> \z/), 'mem answers');
    $run->type("space\r");
    ok($run->expect(qr/^start +size .*copse> \z/ms), 'space answers');
    $run->type("audit\r");
    ok($run->expect(qr/Every mapping is as it should be/), 'audit answers');
    $run->type("walk ffff800000100000\r");
    ok($run->expect(qr/is direct map: physical 0x100000.*PML4\[256\]/s),
        'walk answers');
    $run->type("walk nowhere\r");
    ok($run->expect(qr/wants an address in hexadecimal/), 'walk wants a number');
    $run->type("nonsense\r");
    ok($run->expect(qr/No command 'nonsense'/), 'a mistake is told');
    $run->type("helx\bp" . "\r");
    ok($run->expect(qr/Commands:(?s:.*)Commands:(?s:.*)copse> \z/),
        'backspace works');
    $run->type('y' x 500 . "\r");
    ok($run->expect(qr/No command 'y{127}'\./), 'a long line is cut');
    $run->type("garbage\x15poweroff\r");
    is($run->finish, CopseBoot::SUCCESS,
        'control-U clears a line; poweroff ends well');
}

# Keys that were typed before the kernel ran are there for the prompt.  (One may
# be overwritten by the port's own loop-back test, so the first are empty lines.)
{
    my $run = CopseBoot->start(args => '');
    $run->type("\r\r\rpoweroff\r");
    is($run->finish, CopseBoot::SUCCESS, 'typing ahead works');
}

done_testing();
