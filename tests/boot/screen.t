#!/usr/bin/perl
# What a person sees: the screen's text, read back by the font's glyphs.
use strict;
use warnings;
use Test::More;
use CopseBoot;

# The glyphs of drivers/font_8x16.c: 16 bytes each, to characters.
my %character;
{
    my $c = ord ' ';
    my $source = CopseBoot::slurp('drivers/font_8x16.c');
    while ($source =~ /\{(0x[^}]*)\}/g) {
        my $glyph = join '', map { chr hex } $1 =~ /0x(\w\w)/g;
        $character{$glyph} = chr $c++;
    }
    is(scalar keys %character, 95, 'the font has its 95 glyphs');
}

# The lines of text on a picture of QEMU's screen, a PPM file.
sub read_screen {
    my ($ppm) = @_;
    my ($width, $height, $pixels) =
        $ppm =~ /^P6\s+(\d+)\s+(\d+)\s+255\s(.*)$/s or return ();
    my @lines;
    for my $row (0 .. $height / 16 - 1) {
        my $line = '';
        for my $column (0 .. $width / 8 - 1) {
            my $glyph = '';
            for my $y (0 .. 15) {
                my $at = (($row * 16 + $y) * $width + $column * 8) * 3;
                my $bits = 0;
                $bits = $bits << 1 | (substr($pixels, $at + 3 * $_, 1) ne "\0")
                    for 0 .. 7;
                $glyph .= chr $bits;
            }
            $line .= $character{$glyph} // '?';
        }
        push @lines, $line =~ s/ +$//r;
    }
    pop @lines while @lines && $lines[-1] eq '';
    return @lines;
}

for my $firmware (qw(bios uefi)) {
    my $run = CopseBoot->start(args => '', firmware => $firmware,
        monitor => 1);
    ok($run->expect(qr/copse> \z/), "$firmware: boots") or diag($run->text);
    my @screen = read_screen($run->screendump);
    my ($log) = $run->text =~ /(# space .*copse>) \z/s;
    my @log = split /\n/, $log;
    splice @log, 0, @log - @screen if @log > @screen;
    is(join("\n", @screen), join("\n", @log),
        "$firmware: the screen shows the log");

    # More lines than the screen has: it scrolls.
    $run->type("help\r") for 1 .. 5;
    ok($run->expect(qr/(?:help\r\nCommands:.*?copse> ){5}\z/s), 'five times help');
    @screen = read_screen($run->screendump);
    my @all = split /\n/, $run->text =~ s/ +$//mgr;
    is(join("\n", @screen), join("\n", @all[-@screen .. -1]),
        "$firmware: and goes on showing its end");
    $run->type("poweroff\r");
    $run->finish;
}

# A screen full of lines that all scroll takes less than 50 ms where an
# instruction takes a nanosecond: of log lines, and of the worst there can be.
{
    my $run = CopseBoot->start(args => 'loglevel=error', firmware => 'bios',
        qemu => ['-icount', 'shift=0,sleep=off']);
    ok($run->expect(qr/copse> \z/), 'counting instructions: boots');
    $run->type("screen\r");
    ok($run->expect(qr/every column on the screen: .*copse> \z/s),
        'a screen full of lines') or diag($run->text);
    $run->type("screen\r");    # the first was not full, and so did not scroll
    $run->expect(qr/(?:every column on the screen: .*){2}copse> \z/s);
    for my $lines ('log lines', 'lines that differ in every column') {
        my @ticks = $run->text =~ /^48 $lines on the screen: (\d+) ticks/mg;
        is(scalar @ticks, 2, "$lines, and another screen of them");
        cmp_ok($_, '<', 50_000_000, "instructions for $lines") for @ticks;
        note("$lines: @ticks");
    }
    $run->type("poweroff\r");
    $run->finish;
}

# A machine without a serial port: screen and keyboard are all that there is.
for my $firmware (qw(bios uefi)) {
    my $run = CopseBoot->start(args => '', firmware => $firmware,
        serial => 'none', monitor => 1);
    my $shows = sub {
        my ($pattern) = @_;
        my $screen = '';
        for (1 .. 40) {
            $screen = join "\n", read_screen($run->screendump);
            return 1 if $screen =~ $pattern;
        }
        diag($screen);
        return 0;
    };
    ok($shows->(qr/^Copse \d(?s:.*)^copse>\z/m), "$firmware: no serial port");
    $run->monitor(join "\n", map { "sendkey $_ 10" } qw(h e l p ret));
    ok($shows->(qr/copse> help\nCommands:(?s:.*)^copse>\z/m),
        "$firmware: commands are typed and answered all the same");
    $run->monitor(join "\n", map { "sendkey $_ 10" } qw(p o w e r o f f ret));
    is($run->finish, CopseBoot::SUCCESS, "$firmware: and it switches off");
}

# A panic is on the screen too.
{
    my $run = CopseBoot->start(args => 'fault=read-null', monitor => 1,
        stay => 1, firmware => 'bios');
    ok($run->expect(qr/The machine is halted/), 'a machine that panics halts');
    my $screen = join "\n", read_screen($run->screendump);
    like($screen, qr/page fault \(#PF\)/, 'the report is on the screen');
    like($screen, qr/kernel_main\+/, 'to its end');
    $run->stop;
}

# So is the word of a machine that cannot run it.
{
    my $run = CopseBoot->start(args => '', cpu => 'qemu64,-nx', monitor => 1,
        stay => 1, firmware => 'bios');
    ok($run->expect(qr/execute disable/), 'a CPU without NX');
    sleep 1;    # the message's last bytes
    my $screen = join '', read_screen($run->screendump);
    like($screen, qr/^Copse cannot start: this CPU has no NX bit/,
        'the message is on the screen');
    $run->stop;
}

done_testing();
