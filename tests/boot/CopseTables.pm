package CopseTables;
# ACPI tables of a test's own, in place of QEMU's.
#
#     my @cpus = map { CopseTables::cpu($_) } 0, 1;
#     CopseBoot->start(machine => 'q35,acpi=off',
#         qemu => [CopseTables::options($dir, APIC => CopseTables::madt(@cpus))]);
#
# With acpi=off QEMU hands SeaBIOS no tables, and these go the way that its own
# would: in files of fw_cfg, with a script that says what to load where and which
# words of it are pointers (qemu, hw/acpi/bios-linker-loader.c).
use strict;
use warnings;
no warnings 'portable'; # addresses have 64 bits

# A table of ACPI: its bytes, with the checksum right.
sub table {
    my ($signature, $body, $revision) = @_;
    my $bytes = pack 'a4 V C C a6 a8 V a4 V', $signature, 36 + length $body,
        $revision // 3, 0, 'COPSE', 'TEST', 1, 'TEST', 1;
    $bytes .= $body;
    substr $bytes, 9, 1, chr(-unpack('%8C*', $bytes) & 255);
    return $bytes;
}

# Entries of the MADT, and the table: section 5.2.12 of ACPI 6.4.
sub cpu { my ($id, $flags) = @_; return pack 'C4 V', 0, 8, $id, $id, $flags // 1 }

sub x2 {
    my ($id, $flags, $uid) = @_;
    return pack 'C C v V3', 9, 16, 0, $id, $flags // 1, $uid // $id & 0xffff;
}

sub madt { return madt_at(0xfee00000, @_) }

sub madt_at {
    my ($lapic, @entries) = @_;
    return table('APIC', pack('V V', $lapic, 1) . join '', @entries);
}

# Entries of SRAT, and the table: section 5.2.16.
sub memory {
    my ($domain, $start, $bytes, $flags) = @_;
    return pack 'C2 V v Q< Q< V V Q<', 1, 40, $domain, 0, $start, $bytes, 0,
        $flags // 1, 0;
}

sub place {
    my ($domain, $id) = @_;
    return pack 'C4 V C4 V', 0, 16, $domain & 255, $id, 1, 0,
        (map { $domain >> $_ & 255 } 8, 16, 24), 0;
}

sub srat { return table('SRAT', pack('V Q<', 1, 0) . join('', @_), 3) }

sub file_of {
    my ($dir, $name, $bytes) = @_;
    open my $out, '>:raw', "$dir/$name" or die "$dir/$name: $!";
    print {$out} $bytes;
    close $out or die "$dir/$name: $!";
    return "$dir/$name";
}

# QEMU's options for these tables; a table whose name is a number lies there,
# where the loader does not put it: name => bytes, ...
sub options {
    my ($dir, @named) = @_;
    my ($tables, $xsdt, @script, @where, @options) = ('', '');
    my $files = 0;
    while (my ($name, $bytes) = splice @named, 0, 2) {
        if ($name =~ /^\d/) {
            my $file = file_of($dir, 'far' . $files++, $bytes);
            push @options, '-device',
                "loader,file=$file,addr=$name,force-raw=on";
            $xsdt .= pack 'Q<', oct $name;
            next;
        }
        push @where, length $xsdt;
        $xsdt .= pack 'Q<', length $tables;
        $tables .= $bytes . "\0" x (-length($bytes) & 15);
    }
    my $root = length $tables;
    $tables .= table('XSDT', $xsdt, 1);
    my $allocate = sub { pack 'V a56 V C x63', 1, @_ };
    my $point = sub { pack 'V a56 a56 V C x7', 2, @_ };
    my $sum = sub { pack 'V a56 V V V x56', 3, @_ };
    my ($rsdp_name, $tables_name) = ('etc/acpi/rsdp', 'etc/acpi/tables');
    push @script, $allocate->($tables_name, 64, 1),
        $allocate->($rsdp_name, 16, 2),
        (map { $point->($tables_name, $tables_name, $root + 36 + $_, 8) }
            @where),
        $sum->($tables_name, $root + 9, $root, 36 + length $xsdt),
        $point->($rsdp_name, $tables_name, 24, 8),
        $sum->($rsdp_name, 8, 0, 20), $sum->($rsdp_name, 32, 0, 36);
    my %file = (
        $tables_name => $tables,
        $rsdp_name => pack('a8 C a6 C V V Q< C x3', 'RSD PTR ', 0, 'COPSE', 2,
            0, 36, $root, 0),
        'etc/table-loader' => join('', @script),
    );
    # the sums are taken with the byte itself in it
    substr $file{$tables_name}, $root + 9, 1, "\0";
    for my $name (sort keys %file) {
        my $path = file_of($dir, $name =~ s{.*/}{}r, $file{$name});
        push @options, '-fw_cfg', "name=$name,file=$path";
    }
    return @options;
}

1;
