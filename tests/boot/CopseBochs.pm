package CopseBochs;
# Boots Copse in Bochs, the other PC: start, and then as CopseBoot.
#
# Bochs has no debug exit, so what is printed tells how it went.  Its serial
# port is a connection to us: unlike QEMU it waits for a reader that is late.

use strict;
use warnings;
use parent -norequire, 'CopseBoot';
use CopseBoot;
use File::Temp qw(tempdir);
use IO::Socket::INET;
use Time::HiRes qw(sleep time);

# Options: args or iso, cpus, mem (megabytes), seconds.
sub start {
    my ($class, %option) = @_;
    my $dir = tempdir('copse-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    my $iso = $option{iso} // CopseBoot::iso($dir, $option{args} // '');
    my $listener = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1',
        Timeout => 30) or die "no socket to listen on: $!";
    my $seconds = $option{seconds} // 60;
    my $self = bless {
        text => '', dir => $dir, begun => time, deadline => time + $seconds,
    }, $class;

    CopseBoot::spew("$dir/bochsrc", join "\n",
        'display_library: rfb, options="timeout=0"',
        'romimage: file=/usr/share/bochs/BIOS-bochs-latest',
        'vgaromimage: file=/usr/share/seabios/vgabios-stdvga.bin',
        'megs: ' . ($option{mem} // 256),
        'cpu: model=corei7_haswell_4770, reset_on_triple_fault=0, count='
            . ($option{cpus} // 1) . ', ips=50000000',
        'clock: sync=none',
        "ata0-master: type=cdrom, path=$iso, status=inserted",
        'boot: cdrom',
        'com1: enabled=1, mode=socket-client, dev=localhost:'
            . $listener->sockport,
        'sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy',
        'speaker: enabled=0',
        "log: $dir/qemu.log", 'panic: action=fatal', '');
    CopseBoot::spew("$dir/start", "c\nquit\n");

    $self->{pid} = fork // die "fork: $!";
    if (!$self->{pid}) {
        close $listener;
        open STDIN, '<', '/dev/null' or die $!;
        open STDOUT, '>', "$dir/output" or die $!;
        open STDERR, '>&', \*STDOUT or die $!;
        exec 'timeout', $seconds + 5, 'bochs', '-q', '-f', "$dir/bochsrc",
            '-rc', "$dir/start" or die $!;
    }
    my $port = $listener->accept
        or die 'Bochs does not start: ', CopseBoot::slurp("$dir/output");
    $port->blocking(0);
    $port->autoflush;
    $self->{port} = $self->{keys} = $port;
    return $self;
}

1;
