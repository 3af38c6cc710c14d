/* drivers/acpi*.c on tables that are right, and on all kinds that are not. */
/* sources: drivers/acpi.c drivers/acpi_table.c drivers/acpi_madt.c */
/* sources: drivers/acpi_srat.c drivers/acpi_fadt.c tests/host/acpi_machine.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/host/acpi_machine.h"

enum {
    RSDP = 0xf0010,
    RSDT = 0x100100,
    XSDT = 0x101000,
    MADT = 0x102000,
    SRAT = 0x108000,
    FADT = 0x10a000,
    DSDT = 0x10b000,
    HPET = 0x10c000,
    SSDT = 0x10d000,
};

static struct acpi acpi;

static bool read_it(void)
{
    bool found = acpi_read(&acpi, &machine_memory, NULL, 0);
    assert_int_equal(found, acpi.found);
    assert_true(acpi.cpu_count <= ACPI_CPUS_MAX);
    assert_true(acpi.node_count >= 1 && acpi.node_count <= ACPI_NODES_MAX);
    machine_forget();
    return found;
}

/* ---- Bodies of tables, byte by byte ---- */

static uint8_t body[65536];
static uint32_t body_bytes;

static void put(uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        body[body_bytes++] = (uint8_t)(value >> 8 * i);
}

static void madt_begin(uint32_t lapic)
{
    body_bytes = 0;
    put(lapic, 4);
    put(1, 4);
}

static void madt_cpu(uint8_t uid, uint8_t id, uint32_t flags)
{
    put(0, 1), put(8, 1), put(uid, 1), put(id, 1), put(flags, 4);
}

static void madt_x2(uint32_t uid, uint32_t id, uint32_t flags)
{
    put(9, 1), put(16, 1), put(0, 2), put(id, 4), put(flags, 4), put(uid, 4);
}

static void madt_end(void)
{
    machine_table(MADT, "APIC", body, body_bytes);
}

static void srat_begin(void)
{
    body_bytes = 0;
    put(1, 4);
    put(0, 8);
}

static void srat_cpu(uint32_t domain, uint8_t id, uint32_t flags)
{
    put(0, 1), put(16, 1), put(domain, 1), put(id, 1), put(flags, 4);
    put(0, 1), put(domain >> 8, 3), put(0, 4);
}

static void srat_x2(uint32_t domain, uint32_t id, uint32_t flags)
{
    put(2, 1), put(24, 1), put(0, 2), put(domain, 4), put(id, 4);
    put(flags, 4), put(0, 8);
}

static void srat_memory(uint32_t domain, uint64_t start, uint64_t bytes,
                        uint32_t flags)
{
    put(1, 1), put(40, 1), put(domain, 4), put(0, 2), put(start, 8);
    put(bytes, 8), put(0, 4), put(flags, 4), put(0, 8);
}

static void srat_end(void)
{
    machine_table(SRAT, "SRAT", body, body_bytes);
}

/* A FADT of the length that revision 6 has, minus the header. */
#define FADT_BODY (276 - 36)

static uint8_t fadt[FADT_BODY];

static void fadt_set(uint32_t offset, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        fadt[offset - 36 + i] = (uint8_t)(value >> 8 * i);
}

static void fadt_end(uint32_t bytes)
{
    machine_table(FADT, "FACP", fadt, bytes);
}

static const uint8_t s5[] = {0x08, '_', 'S', '5', '_', 0x12, 6,
                             4,    10,  5,   10,  3,   0,    0};

/* Everything there is, right. */
static void build(void)
{
    static const uint64_t tables[] = {FADT, MADT, SRAT, HPET};
    static const uint32_t tables_32[] = {FADT, MADT, SRAT, HPET};
    static const uint8_t hpet[20] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xd0, 0xfe};

    machine_clear();
    machine_rsdp(RSDP, RSDT, XSDT);
    machine_xsdt(XSDT, tables, 4);
    machine_rsdt(RSDT, tables_32, 4);

    madt_begin(0xfee00000);
    madt_cpu(0, 0, 1);
    madt_cpu(1, 2, 1);
    madt_cpu(2, 4, 0);
    put(1, 1), put(12, 1), put(0, 1), put(0, 1), put(0xfec00000, 4), put(0, 4);
    put(2, 1), put(10, 1), put(0, 1), put(0, 1), put(2, 4), put(0, 2);
    put(4, 1), put(6, 1), put(0xff, 1), put(5, 2), put(1, 1);
    madt_x2(3, 300, 1);
    madt_end();

    srat_begin();
    srat_cpu(7, 0, 1);
    srat_cpu(7, 2, 1);
    srat_x2(9, 300, 1);
    srat_memory(7, 0, 0x80000000, 1);
    srat_memory(9, 0x100000000, 0x40000000, 1);
    srat_memory(9, 0x900000000, 0x40000000, 0); /* not enabled */
    srat_end();

    memset(fadt, 0, sizeof fadt);
    fadt_set(40, DSDT, 4);
    fadt_set(48, 0xb2, 4);
    fadt_set(52, 0xf1, 1);
    fadt_set(64, 0x604, 4);
    fadt_set(68, 0x704, 4);
    fadt_set(76, 0x608, 4);
    fadt_set(91, 4, 1);
    fadt_set(112, 1 << 10 | 1 << 8, 4);
    fadt_set(116, 1, 1); /* port */
    fadt_set(120, 0xcf9, 8);
    fadt_set(128, 0x0f, 1);
    fadt_end(FADT_BODY);
    machine_table(DSDT, "DSDT", s5, sizeof s5);
    machine_table(HPET, "HPET", hpet, sizeof hpet);
}

/* ---- What is right ---- */

static void check_everything(void)
{
    assert_int_equal(acpi.problem_count, 0);
    assert_int_equal(acpi.table_count, 4);
    assert_string_equal(acpi.table[1].name, "APIC");
    assert_int_equal(acpi.table[1].address, MADT);

    assert_int_equal(acpi.lapic, 0xfee00000);
    assert_int_equal(acpi.cpu_count, 3);
    assert_int_equal(acpi.cpus_disabled, 1);
    assert_int_equal(acpi.cpu[0].apic_id, 0);
    assert_int_equal(acpi.cpu[1].apic_id, 2);
    assert_int_equal(acpi.cpu[1].uid, 1);
    assert_int_equal(acpi.cpu[2].apic_id, 300);
    assert_int_equal(acpi.cpu[2].uid, 3);
    assert_int_equal(acpi.override_count, 1);
    assert_int_equal(acpi.override[0].input, 2);
    assert_int_equal(acpi.nmi_count, 1);
    assert_true(acpi.nmi[0].uid == ACPI_ALL_CPUS && acpi.nmi[0].pin == 1);
    assert_int_equal(acpi.nmi[0].flags, 5);

    assert_int_equal(acpi.node_count, 2);
    assert_true(acpi.domain[0] == 7 && acpi.domain[1] == 9);
    assert_true(acpi.cpu[1].node == 0 && acpi.cpu[2].node == 1);
    assert_int_equal(acpi.node_memory_count, 2);
    assert_int_equal(acpi.node_memory[1].start, 0x100000000);
    assert_int_equal(acpi.node_memory[1].end, 0x140000000);
    assert_int_equal(acpi.node_memory[1].node, 1);

    const struct acpi_power *power = &acpi.power;
    assert_true(power->has_s5 && power->s5_a == 5 && power->s5_b == 3);
    assert_int_equal(power->pm1a_control, 0x604);
    assert_int_equal(power->pm1b_control, 0x704);
    assert_int_equal(power->smi_command, 0xb2);
    assert_int_equal(power->acpi_enable, 0xf1);
    assert_int_equal(power->reset.port, 0xcf9);
    assert_int_equal(power->reset_value, 0x0f);
    assert_true(acpi.pm_timer == 0x608 && acpi.pm_timer_32_bits);
    assert_int_equal(acpi.hpet, 0xfed00000);
}

static void everything_by_xsdt(void **state)
{
    (void)state;
    build();
    assert_true(read_it());
    assert_int_equal(acpi.root, XSDT);
    assert_int_equal(acpi.revision, 2);
    check_everything();
}

static void everything_by_rsdt(void **state)
{
    (void)state;
    build();
    machine_rsdp(RSDP, RSDT, 0);
    assert_true(read_it());
    assert_int_equal(acpi.root, RSDT);
    assert_int_equal(acpi.revision, 0);
    check_everything();
}

/* ---- The root pointer ---- */

static void rsdp_of_the_loader(void **state)
{
    uint8_t copy[36];
    (void)state;
    build();
    memcpy(copy, machine + RSDP, sizeof copy);
    memset(machine + RSDP, 0, sizeof copy);
    assert_false(read_it());
    assert_true(acpi_read(&acpi, &machine_memory, copy, sizeof copy));
    machine_forget();
    check_everything();
    /* the first 20 bytes are enough for revision 0 only */
    assert_false(acpi_read(&acpi, &machine_memory, copy, 20));
    assert_int_equal(acpi.problem[0].error, ACPI_BAD_CHECKSUM);
    machine_forget();
}

static void rsdp_is_searched(void **state)
{
    static const uint32_t places[] = {0xe0000, 0xe0010, 0xf1230, 0xfffd0};
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        build();
        memset(machine + RSDP, 0, 36);
        machine_rsdp(places[i], RSDT, XSDT);
        assert_true(read_it());
        check_everything();
    }
    build(); /* at the very end only the short one fits */
    memset(machine + RSDP, 0, 36);
    machine_rsdp(0xfffe0, RSDT, 0);
    assert_true(read_it());

    build(); /* in the extended BIOS data area */
    memset(machine + RSDP, 0, 36);
    machine[0x40e] = 0xc0, machine[0x40f] = 0x9f;
    machine_rsdp(0x9fc20, RSDT, XSDT);
    assert_true(read_it());
    check_everything();

    build(); /* off its alignment: none */
    memset(machine + RSDP, 0, 36);
    machine_rsdp(0xe0008, RSDT, XSDT);
    assert_false(read_it());
}

static void rsdp_is_bad(void **state)
{
    (void)state;
    build();
    machine[RSDP + 9]++; /* the first checksum */
    assert_false(read_it());

    build();
    machine[RSDP + 25]++; /* the second: what is left is revision 0 */
    assert_true(read_it());
    assert_int_equal(acpi.root, RSDT);
    assert_int_equal(acpi.cpu_count, 3);

    machine_clear();
    assert_false(read_it());
    assert_int_equal(acpi.node_count, 1);
}

/* A good one is found behind a bad one. */
static void rsdp_behind_a_bad_one(void **state)
{
    (void)state;
    build();
    machine_rsdp(0xe0000, RSDT, XSDT);
    machine[0xe0000 + 16]++;
    assert_true(read_it());
    check_everything();
}

/* ---- Tables ---- */

static void expect_problem(const char *name, enum acpi_error error)
{
    for (unsigned i = 0; i < acpi.problem_count && i < ACPI_PROBLEMS_MAX; i++)
        if (strcmp(acpi.problem[i].name, name) == 0 &&
            acpi.problem[i].error == error)
            return;
    fail_msg("%s: not '%s', but %u problems, the first %s: %s", name,
             acpi_error_text(error), acpi.problem_count, acpi.problem[0].name,
             acpi_error_text(acpi.problem[0].error));
}

static void set_length(uint32_t address, uint32_t length)
{
    memcpy(machine + address + 4, &length, 4);
}

static void bad_tables_are_left_by_name(void **state)
{
    (void)state;
    build();
    machine[MADT + 50]++;
    assert_true(read_it());
    expect_problem("APIC", ACPI_BAD_CHECKSUM);
    assert_int_equal(acpi.cpu_count, 0);
    assert_true(acpi.power.has_s5); /* the others are as they were */

    build();
    set_length(SRAT, 35);
    assert_true(read_it());
    expect_problem("SRAT", ACPI_BAD_LENGTH);
    assert_int_equal(acpi.node_count, 1);

    build();
    set_length(SRAT, UINT32_MAX);
    assert_true(read_it());
    expect_problem("SRAT", ACPI_BAD_LENGTH);

    build();
    set_length(SRAT, MACHINE_BYTES); /* past the end of memory */
    assert_true(read_it());
    expect_problem("SRAT", ACPI_BAD_LENGTH);

    build();
    memcpy(machine + DSDT, "GARB", 4);
    assert_true(read_it());
    expect_problem("DSDT", ACPI_BAD_SIGNATURE);
    assert_false(acpi.power.has_s5);
    assert_int_equal(acpi.power.pm1a_control, 0x604);
}

static void bad_roots(void **state)
{
    static const uint64_t tables[] = {MADT, UINT64_MAX - 10, 0, MACHINE_BYTES,
                                      MADT};
    (void)state;
    build();
    machine[XSDT + 40]++;
    assert_true(read_it());
    expect_problem("XSDT", ACPI_BAD_CHECKSUM);
    assert_int_equal(acpi.root, RSDT);
    assert_int_equal(acpi.cpu_count, 3);

    machine[RSDT + 40]++;
    assert_false(read_it());
    expect_problem("RSDT", ACPI_BAD_CHECKSUM);

    build();
    machine_xsdt(XSDT, tables, 5);
    assert_true(read_it());
    expect_problem("????", ACPI_UNREACHABLE);
    expect_problem("APIC", ACPI_DUPLICATE);
    assert_int_equal(acpi.cpu_count, 3);

    build();
    machine_rsdp(RSDP, 0, UINT64_MAX);
    assert_false(read_it());

    build(); /* a part of an address at the end */
    machine_table(XSDT, "XSDT", tables, 8 + 7);
    assert_true(read_it());
    assert_int_equal(acpi.table_count, 1);
}

static void a_root_of_many_tables(void **state)
{
    uint64_t tables[ACPI_TABLES_MAX + 5];
    (void)state;
    build();
    for (unsigned i = 0; i < ACPI_TABLES_MAX + 5; i++)
        tables[i] = SSDT;
    tables[0] = MADT;
    machine_table(SSDT, "SSDT", NULL, 0);
    machine_xsdt(XSDT, tables, ACPI_TABLES_MAX + 5);
    assert_true(read_it());
    expect_problem("SSDT", ACPI_TABLE_FULL);
    assert_int_equal(acpi.table_count, ACPI_TABLES_MAX);
    assert_int_equal(acpi.cpu_count, 3);
}

/* ---- MADT ---- */

static void madt_processors_twice_or_disabled(void **state)
{
    (void)state;
    build();
    madt_begin(0xfee00000);
    madt_cpu(0, 1, 1);
    madt_cpu(1, 1, 1);    /* again */
    madt_x2(5, 1, 1);     /* and again */
    madt_cpu(2, 3, 0);    /* disabled */
    madt_cpu(3, 3, 2);    /* may come later, is not there now */
    madt_cpu(4, 0xff, 0); /* nobody */
    madt_x2(6, 0x10000, 1);
    madt_end();
    assert_true(read_it());
    assert_int_equal(acpi.problem_count, 0);
    assert_int_equal(acpi.cpu_count, 2);
    assert_int_equal(acpi.cpus_disabled, 3);
    assert_int_equal(acpi.cpu[0].entries, 3);
    assert_int_equal(acpi.cpu[1].entries, 1);
    assert_int_equal(acpi.cpu[0].uid, 0);
    assert_int_equal(acpi.cpu[1].apic_id, 0x10000);
}

/* Nobody has it; enabled entries with it are told, equal ones once. */
static void madt_identifier_of_all(void **state)
{
    (void)state;
    build();
    madt_begin(0xfee00000);
    madt_cpu(0, 0, 1);
    madt_cpu(1, 0xff, 1);
    for (unsigned i = 0; i < 8; i++)
        madt_x2(2 + i, UINT32_MAX, 1);
    madt_x2(20, UINT32_MAX, 0);
    madt_x2(21, 0xff, 1); /* of 32 bits it is one like any other */
    madt_end();
    assert_true(read_it());
    assert_int_equal(acpi.cpu_count, 2);
    assert_int_equal(acpi.cpu[1].apic_id, 0xff);
    assert_int_equal(acpi.cpus_disabled, 1);
    assert_int_equal(acpi.problem_count, 2);
    expect_problem("APIC", ACPI_BAD_ID);
    assert_int_equal(acpi.problem[0].value, 0xff);
    assert_int_equal(acpi.problem[0].times, 1);
    assert_int_equal(acpi.problem[1].value, UINT32_MAX);
    assert_int_equal(acpi.problem[1].times, 8);
}

static void madt_of_too_many(void **state)
{
    (void)state;
    build();
    madt_begin(0xfee00000);
    for (unsigned i = 0; i < ACPI_CPUS_MAX + 20; i++)
        madt_x2(i, i, 1);
    madt_end();
    assert_true(read_it());
    expect_problem("APIC", ACPI_TABLE_FULL);
    assert_int_equal(acpi.cpu_count, ACPI_CPUS_MAX);
    assert_int_equal(acpi.cpus_left, 20);
}

static void madt_other_entries(void **state)
{
    (void)state;
    build();
    madt_begin(0xfee00000);
    put(5, 1), put(12, 1), put(0, 2), put(0x1fee00000, 8); /* address */
    put(0x0a, 1), put(12, 1), put(3, 2), put(77, 4), put(1, 1), put(0, 3);
    put(4, 1), put(6, 1), put(0, 1), put(0, 2), put(2, 1); /* no such pin */
    for (unsigned i = 0; i < 2; i++)
        put(2, 1), put(10, 1), put(0, 1), put(9, 1), put(20 + i, 4), put(0, 2);
    put(0x55, 1), put(5, 1), put(0, 3); /* from the future */
    madt_cpu(0, 0, 1);
    madt_end();
    assert_true(read_it());
    assert_int_equal(acpi.lapic, 0x1fee00000);
    assert_int_equal(acpi.nmi_count, 1);
    assert_true(acpi.nmi[0].uid == 77 && acpi.nmi[0].flags == 3);
    expect_problem("APIC", ACPI_BAD_ENTRY);
    assert_int_equal(acpi.override_count, 1);
    assert_int_equal(acpi.override[0].input, 20);
    expect_problem("APIC", ACPI_DUPLICATE);
    assert_int_equal(acpi.cpu_count, 1);
}

static void madt_entries_cut_short(void **state)
{
    static const uint8_t lengths[] = {0, 1, 7, 9, 255};
    (void)state;
    for (unsigned i = 0; i < sizeof lengths; i++) {
        build();
        madt_begin(0xfee00000);
        madt_cpu(0, 0, 1);
        uint32_t second = body_bytes;
        madt_cpu(1, 1, 1);
        body[second + 1] = lengths[i];
        madt_end();
        assert_true(read_it());
        expect_problem("APIC", ACPI_BAD_ENTRY);
        assert_int_equal(acpi.cpu_count, 1);
    }
    build(); /* no room even for the fixed part */
    machine_table(MADT, "APIC", NULL, 0);
    assert_true(read_it());
    expect_problem("APIC", ACPI_BAD_LENGTH);
}

/* ---- SRAT ---- */

static void srat_that_contradicts_itself(void **state)
{
    (void)state;
    build();
    srat_begin();
    srat_memory(0, 0x1000, 0x2000, 1);
    srat_memory(1, 0x2000, 0x2000, 1);             /* overlaps */
    srat_memory(1, UINT64_MAX - 0xfff, 0x2000, 1); /* wraps */
    srat_memory(1, 0x8000, 0, 1);                  /* empty */
    srat_cpu(0x123456, 2, 1);
    srat_cpu(3, 99, 1); /* no such processor */
    srat_end();
    assert_true(read_it());
    assert_int_equal(acpi.overlap_count, 1);
    assert_int_equal(acpi.overlap[0].first.end, 0x3000);
    assert_int_equal(acpi.overlap[0].second.start, 0x2000);
    assert_int_equal(acpi.overlap[0].second.end, 0x4000);
    expect_problem("SRAT", ACPI_BAD_ENTRY);
    assert_int_equal(acpi.node_memory_count, 2);
    assert_int_equal(acpi.node_memory[1].start, 0x3000);
    assert_int_equal(acpi.node_memory[1].end, 0x4000);
    assert_int_equal(acpi.domain[acpi.cpu[1].node], 0x123456);
}

static uint32_t domain_at(paddr_t address)
{
    uint32_t found = UINT32_MAX;
    for (unsigned i = 0; i < acpi.node_memory_count; i++)
        if (address >= acpi.node_memory[i].start &&
            address < acpi.node_memory[i].end) {
            assert_int_equal(found, UINT32_MAX); /* they are disjoint */
            found = acpi.domain[acpi.node_memory[i].node];
        }
    return found;
}

static void srat_overlaps_leave_the_rest(void **state)
{
    (void)state;
    build();
    srat_begin();
    srat_memory(5, 0x4000, 0x1000, 1);
    srat_memory(6, 0x8000, 0x1000, 1);
    srat_memory(7, 0x2000, 0x10000, 1); /* around both */
    srat_memory(8, 0x4800, 0x100, 1);   /* inside the first */
    srat_memory(7, 0x11000, 0x2000, 1); /* the same domain: no mistake */
    srat_end();
    assert_true(read_it());
    assert_int_equal(acpi.overlap_count, 3);
    assert_int_equal(domain_at(0x1fff), UINT32_MAX);
    assert_int_equal(domain_at(0x2000), 7);
    assert_int_equal(domain_at(0x4000), 5);
    assert_int_equal(domain_at(0x4800), 5);
    assert_int_equal(domain_at(0x5000), 7);
    assert_int_equal(domain_at(0x8fff), 6);
    assert_int_equal(domain_at(0x9000), 7);
    assert_int_equal(domain_at(0x12fff), 7);
    assert_int_equal(domain_at(0x13000), UINT32_MAX);
}

/* An NVDIMM lies in the window for what is plugged in later. */
static void srat_of_an_nvdimm(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 2; first++) {
        build();
        srat_begin();
        srat_memory(0, 0, 0x1000000, 1);
        if (first)
            srat_memory(1, 0x2000000, 0x100000, 5);
        srat_memory(0, 0x1000000, 0x8000000, 3);
        if (!first)
            srat_memory(1, 0x2000000, 0x100000, 5);
        srat_end();
        assert_true(read_it());
        assert_int_equal(acpi.overlap_count + acpi.problem_count, 0);
        assert_int_equal(acpi.node_count, 2);
        assert_int_equal(domain_at(0x2000000), 0);
    }
}

/* Those that adjoin are one, in any order: a table of many still fits. */
static void srat_ranges_that_adjoin(void **state)
{
    const unsigned count = 180;
    (void)state;
    build();
    srat_begin();
    for (unsigned i = 0; i < count; i += 2) { /* upwards, and downwards */
        srat_memory(0, i * UINT64_C(0x1000), 0x2000, 1);
        srat_memory(1, (2 * count - i) * UINT64_C(0x1000), 0x2000, 1);
    }
    srat_memory(0, count * UINT64_C(0x1000), 0x1000, 1);
    srat_end();
    assert_true(read_it());
    assert_int_equal(acpi.problem_count, 0);
    assert_int_equal(acpi.node_memory_count, 2);
    assert_int_equal(domain_at(0), 0);
    assert_int_equal(domain_at(count * 0x1000 + 0xfff), 0);
    assert_int_equal(domain_at((count + 2) * 0x1000), 1);
    assert_int_equal(domain_at((2 * count + 2) * 0x1000 - 1), 1);
}

/* Revision 1 has 8 bits of domain; what is behind them may be anything. */
static void srat_of_revision_1(void **state)
{
    (void)state;
    for (uint8_t revision = 1; revision <= 3; revision++) {
        build();
        srat_begin();
        srat_memory(0xabcd01, 0x1000, 0x1000, 1);
        srat_cpu(0xffee01, 2, 1);
        srat_end();
        machine[SRAT + 8] = revision;
        machine_sum(SRAT, 36 + body_bytes, 9);
        assert_true(read_it());
        bool is_long = revision >= 2;
        assert_int_equal(domain_at(0x1000), is_long ? 0xabcd01 : 1);
        assert_int_equal(acpi.domain[acpi.cpu[1].node], is_long ? 0xffee01 : 1);
        assert_int_equal(acpi.node_count, is_long ? 2 : 1);
    }
}

static void srat_of_too_many_domains(void **state)
{
    (void)state;
    build();
    srat_begin();
    for (unsigned i = 0; i < ACPI_NODES_MAX + 10; i++)
        srat_memory(1000 + i, i * UINT64_C(0x100000), 0x100000, 1);
    srat_end();
    assert_true(read_it());
    expect_problem("SRAT", ACPI_TABLE_FULL);
    assert_int_equal(acpi.problem_count, 1); /* for all of them */
    assert_int_equal(acpi.problem[0].times, 10);
    assert_int_equal(acpi.node_count, ACPI_NODES_MAX);
    for (unsigned i = 0; i < acpi.node_memory_count; i++)
        assert_true(acpi.node_memory[i].node < ACPI_NODES_MAX);
}

static void srat_of_too_many_memories(void **state)
{
    (void)state;
    build();
    srat_begin();
    for (unsigned i = 0; i < ACPI_NODE_MEMORIES_MAX + 10; i++)
        srat_memory(0, i * UINT64_C(0x100000), 0x1000, 1);
    srat_end();
    assert_true(read_it());
    expect_problem("SRAT", ACPI_TABLE_FULL);
    assert_int_equal(acpi.node_memory_count, ACPI_NODE_MEMORIES_MAX);
}

/* ---- FADT and \_S5_ ---- */

static void fadt_of_acpi_1(void **state)
{
    (void)state;
    build();
    fadt_end(116 - 36); /* as long as it was then: no reset register */
    assert_true(read_it());
    assert_int_equal(acpi.power.reset.port, 0);
    assert_int_equal(acpi.power.pm1a_control, 0x604);
    assert_true(acpi.power.has_s5);
}

static void fadt_extended_fields_win(void **state)
{
    (void)state;
    build();
    fadt_set(172, 1, 1), fadt_set(176, 0x404, 8);
    fadt_set(184, 0, 1), fadt_set(188, 0xfed40000, 8); /* no port: the old */
    fadt_set(208, 1, 1), fadt_set(212, 0x408, 8);
    fadt_set(140, DSDT, 8), fadt_set(40, 0x50, 4);
    fadt_end(FADT_BODY);
    assert_true(read_it());
    assert_int_equal(acpi.power.pm1a_control, 0x404);
    assert_int_equal(acpi.power.pm1b_control, 0x704);
    assert_int_equal(acpi.pm_timer, 0x408);
    assert_true(acpi.power.has_s5);
}

static void fadt_that_is_strange(void **state)
{
    (void)state;
    build();
    fadt_set(64, 0x10604, 4); /* past the last port */
    fadt_set(116, 0, 1), fadt_set(120, 0xfe000000, 8);
    fadt_set(91, 3, 1); /* no PM timer */
    fadt_end(FADT_BODY);
    assert_true(read_it());
    assert_int_equal(acpi.power.pm1a_control, 0);
    assert_int_equal(acpi.power.reset.memory, 0xfe000000);
    assert_int_equal(acpi.pm_timer, 0);

    fadt_set(116, 3, 1); /* a space that is neither */
    fadt_set(112, 1 << 10 | 1 << 20, 4);
    fadt_set(244, 1, 1), fadt_set(248, 0x1b0, 8);
    fadt_end(FADT_BODY);
    assert_true(read_it());
    assert_true(acpi.power.reset.port == 0 && acpi.power.reset.memory == 0);
    assert_int_equal(acpi.power.sleep_control.port, 0x1b0);
    assert_int_equal(acpi.power.pm1b_control, 0); /* hardware-reduced */
}

static void s5_in_all_its_forms(void **state)
{
    static const struct {
        const char *aml;
        unsigned bytes;
        bool found;
        uint8_t a, b;
    } rows[] = {
        {"\x08_S5_\x12\x06\x04\x0a\x05\x0a\x03\x00\x00", 14, true, 5, 3},
        {"\x08\\_S5_\x12\x06\x04\x01\x00\x00\x00", 13, true, 1, 0},
        {"\x08_S5_\x12\x46\x00\x04\x0b\x07\x00\x0a\x07\x00", 15, true, 7, 7},
        {"\x08_S5_\x12\x04\x01\x0a\x05", 10, true, 5, 0},
        {"zz_S5_\x12\x06\x04\x0a\x05\x0a\x03\x00\x00", 15, false, 0, 0},
        {"\x08_S5_\x13\x06\x04\x0a\x05\x0a\x03\x00\x00", 14, false, 0, 0},
        {"\x08_S5_\x12\x06\x00\x0a\x05\x0a\x03\x00\x00", 14, false, 0, 0},
        {"\x08_S5_\x12\x06\x04\x0a\x08\x0a\x03\x00\x00", 14, false, 0, 0},
        {"\x08_S5_\x12\x0c\x04\x0c\x05\0\0\0\x0c\x05\0\0\0\0\0", 20, true, 5,
         5},
        {"\x08_S5_\x12\x14\x04\x0e\x05\0\0\0\0\0\0\0\x0e\x05\0\0\0\0\0\0\0\0\0",
         28, true, 5, 5},
        {"\x08_S5_\x12\x06\x02\xff\xff", 10, true, 7, 7},
        {"\x08_S5_\x12\x06\x02\xff\x01", 10, true, 7, 1},
        {"\x08_S5_\x12\x06\x02\x0b\x05\x00\x0e\x03\0\0\0\0\0\0\0", 20, true, 5,
         3},
        {"\x08_S5_\x12\x05\x01\x0b\x05\x03", 11, true, 5, 3}, /* in one */
        {"\x08_S5_\x12\x07\x01\x0c\x05\x03\0\0", 13, true, 5, 3},
        {"\x08_S5_\x12\x07\x01\x0c\x05\x03\x01\0", 13, false, 0, 0},
        {"\x08_S5_\x12\x0c\x02\x0c\x05\0\0\1\x0a\x05", 15, false, 0, 0},
        {"\x08_S5_\x12\x0c\x02\x0e\x05\0\0\0\0\0\0", 15, false, 0, 0},
        {"\x08_S5_\x12\x06\x04\x0d\x35\0\0\0\0", 12, false, 0, 0}, /* text */
        {"\x08_S5_\x12\xc6", 7, false, 0, 0},
        {"\x08_S5_\x12\x06\x04\x0b\x05", 10, false, 0, 0},
        {"\x08_S5_\x12\x06\x04\x0a", 9, false, 0, 0},
        {"_S5_", 4, false, 0, 0},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        build();
        machine_table(DSDT, "DSDT", rows[i].aml, rows[i].bytes);
        assert_true(read_it());
        if (acpi.power.has_s5 != rows[i].found ||
            acpi.power.s5_a != rows[i].a || acpi.power.s5_b != rows[i].b)
            fail_msg("row %u: %d, %u, %u", i, acpi.power.has_s5,
                     acpi.power.s5_a, acpi.power.s5_b);
        /* what is there and not understood is named */
        if (!rows[i].found && memcmp(rows[i].aml, "\x08_S5_", 5) == 0)
            expect_problem("DSDT", ACPI_BAD_S5);
        else
            assert_int_equal(acpi.problem_count, 0);
    }
}

static void s5_in_an_ssdt(void **state)
{
    static const uint64_t tables[] = {FADT, SSDT};
    (void)state;
    build();
    machine_table(DSDT, "DSDT", "nothing", 7);
    machine_table(SSDT, "SSDT", s5, sizeof s5);
    machine_xsdt(XSDT, tables, 2);
    assert_true(read_it());
    assert_true(acpi.power.has_s5 && acpi.power.s5_a == 5);
}

/* ---- Damage everywhere ---- */

struct area {
    uint32_t address, length, checksum;
};

static void areas(struct area *area)
{
    static const uint32_t tables[] = {RSDT, XSDT, MADT, SRAT, FADT, DSDT, HPET};
    area[0] = (struct area){RSDP, 36, 32};
    for (unsigned i = 0; i < 7; i++) {
        area[i + 1].address = tables[i];
        memcpy(&area[i + 1].length, machine + tables[i] + 4, 4);
        area[i + 1].checksum = 9;
    }
}

/* Every byte of every table with other values, the checksum made right again:
 * whatever comes of it, nothing is read outside. */
static void damaged_everywhere(void **state)
{
    static const uint8_t flips[] = {1, 2, 4, 8, 16, 32, 64, 128, 255};
    struct area area[8];
    (void)state;
    build();
    areas(area);
    for (unsigned i = 0; i < 8; i++)
        for (uint32_t at = 0; at < area[i].length; at++)
            for (unsigned j = 0; j < sizeof flips; j++) {
                uint8_t *byte = machine + area[i].address + at;
                uint8_t *sum = machine + area[i].address + area[i].checksum;
                uint8_t old_sum = *sum;
                *byte ^= flips[j];
                machine_sum(area[i].address, area[i].length, area[i].checksum);
                read_it();
                *sum = old_sum;
                *byte ^= byte == sum ? 0 : flips[j];
            }
    read_it();
    check_everything();
}

/* Every table cut at every length, with its checksum right. */
static void cut_everywhere(void **state)
{
    struct area area[8];
    (void)state;
    build();
    areas(area);
    for (unsigned i = 1; i < 8; i++)
        for (uint32_t length = 0; length < area[i].length; length++) {
            build();
            set_length(area[i].address, length);
            if (length > area[i].checksum)
                machine_sum(area[i].address, length, area[i].checksum);
            read_it();
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_by_xsdt),
        cmocka_unit_test(everything_by_rsdt),
        cmocka_unit_test(rsdp_of_the_loader),
        cmocka_unit_test(rsdp_is_searched),
        cmocka_unit_test(rsdp_is_bad),
        cmocka_unit_test(rsdp_behind_a_bad_one),
        cmocka_unit_test(bad_tables_are_left_by_name),
        cmocka_unit_test(bad_roots),
        cmocka_unit_test(a_root_of_many_tables),
        cmocka_unit_test(madt_processors_twice_or_disabled),
        cmocka_unit_test(madt_identifier_of_all),
        cmocka_unit_test(madt_of_too_many),
        cmocka_unit_test(madt_other_entries),
        cmocka_unit_test(madt_entries_cut_short),
        cmocka_unit_test(srat_that_contradicts_itself),
        cmocka_unit_test(srat_overlaps_leave_the_rest),
        cmocka_unit_test(srat_of_an_nvdimm),
        cmocka_unit_test(srat_ranges_that_adjoin),
        cmocka_unit_test(srat_of_revision_1),
        cmocka_unit_test(srat_of_too_many_domains),
        cmocka_unit_test(srat_of_too_many_memories),
        cmocka_unit_test(fadt_of_acpi_1),
        cmocka_unit_test(fadt_extended_fields_win),
        cmocka_unit_test(fadt_that_is_strange),
        cmocka_unit_test(s5_in_all_its_forms),
        cmocka_unit_test(s5_in_an_ssdt),
        cmocka_unit_test(damaged_everywhere),
        cmocka_unit_test(cut_everywhere),
    };
    return cmocka_run_group_tests_name("acpi", tests, NULL, NULL);
}
