package CopseBoot;
# Boots Copse in QEMU and talks to it over the serial port.
#
#     my $run = CopseBoot->start(args => 'selftest', mem => '4G');
#     $run->expect(qr/copse> $/) and $run->type("help\r");
#     my $status = $run->finish;     # 33, 35, 37: see drivers/debug_exit.h
#     my $text = $run->text;
#
# Every wait is bounded: by `seconds` for the whole run (default 60), of a host
# that has nothing else to do.  Who waits in vain waits PATIENCE times as long,
# for a host may be slow or busy; a run that ends by itself does not wait.
#
# What is not about firmware, GRUB or the screen boots by PVH (tools/run-qemu),
# in a tenth of the time: that is the default where no `firmware` is said, and
# no ISO.
#
# The port's output goes through a file: a pipe or socket whose reader is late
# on a busy host makes QEMU drop bytes.

use strict;
use warnings;
use File::Temp qw(tempdir);
use IO::Handle;
use IO::Socket::UNIX;
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);

our $build = $ENV{BUILD} // 'build';
$ENV{SOURCE_DATE_EPOCH} //= 315532800; # 1980, the first year of FAT
delete $ENV{ARGS}; # the tests say themselves what is booted

use constant PATIENCE => 10;
use constant { SUCCESS => 33, PANIC => 35, FAILURE => 37 };

# An ISO that boots at once with this command line.
sub iso {
    my ($dir, $args, $kernel, $modules) = @_;
    $kernel //= "$build/copse.elf";
    open my $config, '>', "$dir/grub.cfg" or die "$dir/grub.cfg: $!";
    open my $pipe, '-|', 'tools/grub-config', $args or die "grub-config: $!";
    while (<$pipe>) {
        print {$config} $_;
        # two files of the ISO, in place of real modules
        print {$config} "module2 /boot/grub/grub.cfg a module\n",
            "module2 /boot/copse.elf\n" if $modules && /multiboot2/;
    }
    close $pipe or die "grub-config failed\n";
    close $config or die "$dir/grub.cfg: $!";
    system('tools/make-iso', "$dir/boot.iso", $kernel, "$dir/grub.cfg",
        "$build/grub") == 0 or die "make-iso failed\n";
    return "$dir/boot.iso";
}

sub slurp {
    my ($file) = @_;
    open my $in, '<:raw', $file or die "$file: $!";
    local $/;
    return scalar <$in>;
}

sub spew {
    my ($file, $bytes) = @_;
    open my $out, '>:raw', $file or die "$file: $!";
    print {$out} $bytes;
    close $out or die "$file: $!";
    return;
}

# Where a function's code is in the bytes of copse.elf.
sub offset_of {
    my ($function) = @_;
    no warnings 'portable';
    my ($symbol) = grep { /\b\Q$function\E$/ } `nm $build/copse.elf`;
    my ($address) = map { hex } $symbol =~ /^([0-9a-f]+)/
        or die "no $function";
    for (`readelf -SW $build/copse.elf`) {
        my ($start, $offset, $size) =
            map { hex } / PROGBITS +(\w+) +(\w+) +(\w+)/ or next;
        return $address - $start + $offset
            if $start && $address >= $start && $address < $start + $size;
    }
    die "no section holds $function";
}

# Overwrites the beginning of a function in the bytes of copse.elf, $_[0].
sub patch {
    my (undef, $function, $code) = @_;
    substr $_[0], offset_of($function), length $code, $code;
    return;
}

# Options: args or iso, kernel (a file in place of copse.elf), and mem, cpu,
# cpus, machine, firmware (pvh, bios, uefi), modules (let GRUB load two, or PVH
# one), disk (the ISO as a hard disk), seconds, monitor (allow screendump), stay
# (no debug-exit device: the machine halts in the end), serial ('none': no port),
# qemu (a list of further options of QEMU's).
sub start {
    my ($class, %option) = @_;
    my $dir = tempdir('copse-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    my $firmware = $option{firmware} // ($option{iso} ? 'bios' : 'pvh');
    my $kernel = $option{kernel} // "$build/copse.elf";
    my $iso = $option{iso};
    $iso //= iso($dir, $option{args} // '', $kernel, $option{modules})
        if $firmware ne 'pvh';
    my $seconds = PATIENCE * ($option{seconds} // 60);
    my $self = bless {
        text => '', begun => time, deadline => time + $seconds,
    }, $class;

    pipe my $keys, $self->{keys} or die "pipe: $!";
    $self->{keys}->autoflush;
    $self->{pid} = fork // die "fork: $!";
    if (!$self->{pid}) {
        close $self->{keys};
        $ENV{MEM} = $option{mem} // '256M';
        $ENV{CPU} = $option{cpu} // 'max';
        $ENV{CPUS} = $option{cpus} // 1;
        $ENV{MACHINE} = $option{machine} // 'pc';
        $ENV{FIRMWARE} = $firmware;
        if ($firmware eq 'pvh') {
            $ENV{ARGS} = $option{args} // '';
            $ENV{KERNEL} = $kernel;
            $ENV{MODULE} = 'LICENSE' if $option{modules};
        }
        $ENV{SERIAL} = $option{serial} // 'stdio';
        $ENV{QEMU_STATUS} = 1;
        $ENV{TIMEOUT} = $seconds + 5;
        open STDIN, '<&', $keys or die $!;
        open STDOUT, '>', "$dir/serial" or die $!;
        open STDERR, '>', "$dir/qemu.log" or die $!;
        $ENV{MEDIUM} = 'disk' if $option{disk};
        $ENV{DEBUG_EXIT} = 'no' if $option{stay};
        my @monitor = ('-monitor', "unix:$dir/monitor,server=on,wait=off");
        exec 'tools/run-qemu', $iso // "$build/copse.iso",
            $option{monitor} ? @monitor : (), @{ $option{qemu} // [] }
            or die $!;
    }
    close $keys;
    $self->{dir} = $dir;
    sleep 0.01 until open $self->{port}, '<:raw', "$dir/serial";
    return $self;
}

# Takes in what has been printed since; false at QEMU's end or that of the time.
sub more {
    my ($self) = @_;
    my $before = length $self->{text};
    while (time < $self->{deadline}) {
        my $ended = defined $self->{status}
            || waitpid($self->{pid}, WNOHANG) == $self->{pid};
        $self->{status} //= $? >> 8 if $ended;
        seek $self->{port}, 0, 1;    # forget the end of file
        sysread $self->{port}, $self->{text}, 65536, length $self->{text};
        return 1 if length $self->{text} > $before;
        return 0 if $ended;
        sleep 0.01;
    }
    return 0;
}

# Waits for text that matches; false if the run ends before.
sub expect {
    my ($self, $pattern) = @_;
    until ($self->{text} =~ $pattern) { $self->more or return 0 }
    return 1;
}

sub type {
    my ($self, $keys) = @_;
    print { $self->{keys} } $keys;
    return;
}

# Seconds since QEMU was started.
sub elapsed { return time - $_[0]{begun} }

# Waits for QEMU's end and returns its status; 124 if it had to be stopped.
sub finish {
    my ($self) = @_;
    1 while $self->more;
    return $self->{status} if defined $self->{status};
    kill 'TERM', $self->{pid};
    waitpid $self->{pid}, 0;
    return 124;
}

# Says a command, or several lines of them, to QEMU's monitor.
sub monitor {
    my ($self, $command) = @_;
    my $monitor;
    until ($monitor = IO::Socket::UNIX->new("$self->{dir}/monitor")) {
        die "QEMU's monitor does not answer\n" if time > $self->{deadline};
        sleep 0.05;
    }
    $monitor->autoflush;
    print {$monitor} "$command\n";
    sleep 0.3;    # it is carried out before the connection's end is seen
    return;
}

# A picture of the screen, as PPM.
sub screendump {
    my ($self) = @_;
    my $file = "$self->{dir}/screen.ppm";
    unlink $file;
    $self->monitor("screendump $file");
    my ($size, $last) = (0, -1);
    while (time < $self->{deadline} && ($size == 0 || $size != $last)) {
        sleep 0.3;
        ($size, $last) = (-s $file // 0, $size);
    }
    return slurp($file);
}

# Ends a machine that stays.
sub stop {
    my ($self) = @_;
    kill 'TERM', $self->{pid};
    waitpid $self->{pid}, 0;
    return;
}

# What QEMU itself had to say.
sub log {
    my ($self) = @_;
    return slurp("$self->{dir}/qemu.log");
}

sub text {
    my ($self) = @_;
    return $self->{text} =~ s/\r//gr;
}

1;
