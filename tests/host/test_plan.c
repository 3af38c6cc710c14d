/* sources: kernel/cpu/plan.c */
/* Which processors are to be started, and what is said of the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/console/log.h"
#include "kernel/cpu/plan.h"

static unsigned lines;
static char line[16][256];

void log_line(enum log_level level, const char *room, const char *format, ...)
{
    (void)room;
    assert_int_equal(level, LOG_WARNING);
    va_list arguments;
    va_start(arguments, format);
    if (lines < 16)
        vsnprintf(line[lines], sizeof(line[0]), format, arguments);
    va_end(arguments);
    lines++;
}

static struct acpi acpi;
static struct plan plan;
static struct plan_self self;

static int fresh(void **state)
{
    (void)state;
    memset(&acpi, 0, sizeof(acpi));
    memset(&plan, 0xee, sizeof(plan));
    memset(line, 0, sizeof(line));
    lines = 0;
    acpi.has_madt = true;
    acpi.lapic = 0xfee00000;
    self = (struct plan_self){.apic_id = 2, .lapic = 0xfee00000};
    return 0;
}

static void add(uint32_t apic_id, unsigned entries)
{
    acpi.cpu[acpi.cpu_count] = (struct acpi_cpu){
        .apic_id = apic_id, .node = acpi.cpu_count, .entries = entries};
    acpi.cpu_count++;
}

static void all_of_them(void **state)
{
    (void)state;
    add(0, 1), add(2, 1), add(4, 1), add(0xfe, 1);
    plan_make(&plan, &acpi, &self, 512);
    assert_int_equal(plan.count, 4);
    assert_int_equal(plan.node_of_first, 1);
    assert_int_equal(plan.index[1], 0);
    assert_int_equal(plan.index[2], 2);
    assert_int_equal(plan.index[3], 3);
    assert_int_equal(lines, 0);
}

static void no_tables(void **state)
{
    (void)state;
    acpi.has_madt = false;
    acpi.lapic = 0;
    plan_make(&plan, &acpi, &self, 512);
    assert_int_equal(plan.count, 1);
    assert_int_equal(plan.node_of_first, 0);
    assert_int_equal(lines, 0);

    acpi.found = true; /* but not the one that counts */
    plan_make(&plan, &acpi, &self, 512);
    assert_int_equal(plan.count, 1);
    assert_int_equal(lines, 1);
    assert_string_equal(
        line[0], "no MADT tells of processors: only the boot CPU is used");
}

/* One that cannot be addressed takes no place, and none of those wanted. */
static void identifiers_that_do_not_fit(void **state)
{
    static const uint32_t ids[] = {0xff,  0x100,      0x102,
                                   0x1fe, 0x17161514, 0xfffffffe};
    (void)state;
    for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        fresh(NULL);
        add(ids[i], 1), add(2, 1), add(4, 1);
        plan_make(&plan, &acpi, &self, 2);
        assert_int_equal(plan.count, 2);
        assert_int_equal(plan.index[1], 2);
        assert_int_equal(lines, 1);
        assert_non_null(strstr(line[0], "8-bit APICs cannot address: it is"));

        fresh(NULL);
        self.wide = true;
        add(ids[i], 1), add(2, 1), add(4, 1);
        plan_make(&plan, &acpi, &self, 512);
        assert_int_equal(plan.count, 3);
        assert_int_equal(lines, 0);
    }
    fresh(NULL);
    add(2, 1), add(0x17161514, 8);
    plan_make(&plan, &acpi, &self, 512);
    assert_int_equal(plan.count, 1);
    assert_int_equal(lines, 1);
    assert_string_equal(line[0],
                        "8 entries of the MADT have APIC ID 0x17161514, which "
                        "this machine's 8-bit APICs cannot address: they are "
                        "left out");
}

static void several_entries_of_one(void **state)
{
    (void)state;
    add(2, 3), add(4, 2), add(5, 1);
    plan_make(&plan, &acpi, &self, 512);
    assert_int_equal(plan.count, 3);
    assert_int_equal(lines, 2);
    assert_non_null(strstr(line[0], "3 entries of the MADT have APIC ID 2:"));
    assert_non_null(strstr(line[1], "2 entries of the MADT have APIC ID 4:"));
}

static void the_boot_cpu_is_absent(void **state)
{
    (void)state;
    add(16, 1), add(24, 1);
    plan_make(&plan, &acpi, &self, 512);
    assert_int_equal(plan.count, 3);
    assert_int_equal(lines, 1);
    assert_non_null(strstr(line[0], "boot CPU, whose APIC ID is 2;"));
}

static void the_registers_are_elsewhere(void **state)
{
    (void)state;
    add(2, 1);
    acpi.lapic = 0;
    plan_make(&plan, &acpi, &self, 512);
    assert_int_equal(lines, 1);
    assert_non_null(
        strstr(line[0], "MSR 0x1b says 0xfee00000: the MSR counts"));
    fresh(NULL);
    add(2, 1);
    acpi.lapic = 0;
    self.wide = true; /* no registers in memory are used */
    plan_make(&plan, &acpi, &self, 512);
    assert_int_equal(lines, 0);
}

static void no_more_than_are_wanted(void **state)
{
    (void)state;
    add(0, 1), add(2, 1), add(4, 1);
    acpi.cpus_left = 7;
    plan_make(&plan, &acpi, &self, 1);
    assert_int_equal(plan.count, 1);
    assert_int_equal(plan.node_of_first, 1);
    assert_int_equal(lines, 3);
    assert_string_equal(line[2], "9 processors are not used");

    fresh(NULL);
    for (unsigned i = 0; i < PLATFORM_CPUS_MAX + 4; i++)
        add(1000 + i, 1);
    self.wide = true;
    plan_make(&plan, &acpi, &self, UINT32_MAX);
    assert_int_equal(plan.count, PLATFORM_CPUS_MAX);
}

/* A few of each kind are named, and the others counted. */
static void a_table_of_hundreds(void **state)
{
    (void)state;
    add(2, 1);
    for (unsigned i = 0; i < 100; i++)
        add(0x1000 + i, 2);
    plan_make(&plan, &acpi, &self, 512);
    assert_int_equal(plan.count, 1);
    assert_int_equal(lines, 9);
    assert_string_equal(
        line[8],
        "and 92 APIC IDs more cannot be addressed: they are left out");

    fresh(NULL);
    add(2, 1);
    for (unsigned i = 0; i < 100; i++)
        add(10 + i, 2);
    plan_make(&plan, &acpi, &self, 512);
    assert_int_equal(plan.count, 101);
    assert_int_equal(lines, 9);
    assert_string_equal(
        line[8],
        "and 92 APIC IDs more have several entries: each is one processor");

    fresh(NULL);
    add(2, 1);
    for (unsigned i = 0; i < 100; i++)
        add(10 + i, 1);
    plan_make(&plan, &acpi, &self, 2);
    assert_int_equal(lines, 9);
    assert_string_equal(line[8], "99 processors are not used");

    fresh(NULL);
    add(2, 1), add(3, 1);
    plan_make(&plan, &acpi, &self, 1);
    assert_int_equal(lines, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(all_of_them, fresh),
        cmocka_unit_test_setup(no_tables, fresh),
        cmocka_unit_test_setup(identifiers_that_do_not_fit, fresh),
        cmocka_unit_test_setup(several_entries_of_one, fresh),
        cmocka_unit_test_setup(the_boot_cpu_is_absent, fresh),
        cmocka_unit_test_setup(the_registers_are_elsewhere, fresh),
        cmocka_unit_test_setup(no_more_than_are_wanted, fresh),
        cmocka_unit_test_setup(a_table_of_hundreds, fresh),
    };
    return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
