# Makes the kernel's table of function names from `nm -n copse.elf`.
# Kept: the functions of the higher half, not the marks of linker.ld; a part
# that the compiler cut off, or a local label, goes by its function's name.
BEGIN {
    print "#include \"kernel/trap/symbols.h\""
    print "#define SYMBOLS __attribute__((section(\".symbols\")))"
    print "const struct symbol symbol_table[] SYMBOLS = {"
}
$2 ~ /^[tT]$/ && $1 ~ /^ffffffff8/ && $3 !~ /^text_(start|end)$/ {
    sub(/\..*/, "", $3)
    print "    {0x" $1 ", \"" $3 "\"},"
    count++
}
END {
    if (!count)
        print "    {0, \"\"},"
    print "};"
    print "const unsigned symbol_count SYMBOLS = " count + 0 ";"
}
