/* boot/pvh.c on start infos of every shape, and damaged at every byte: it names
 * an error or survives, and never reads outside of what it may. */
/* sources: boot/map_entries.c */
/* sources: boot/pvh.c boot/boot_info.c mm/map/memory_map.c */
#include "tests/host/platform_host.h"

#include <stdlib.h>
#include <string.h>

#include "boot/pvh.h"
#include "lib/bits.h"

#define P          PAGE_SIZE
#define PADDR_BITS 40

/* Physical memory from 0 on, with everything in it that a loader leaves.  The
 * memory map comes last: it may grow to the end. */
static struct {
    uint8_t nothing[64];
    struct pvh_start_info start;
    char command_line[2000];
    char arguments[2][200];
    struct pvh_module module[BOOT_MODULES_MAX + 2];
    uint8_t rsdp[36];
    uint8_t aligned[4];
    struct pvh_memory map[2 * MEMORY_MAP_MAX + 8];
} m;

#define AT(member) ((uint64_t)((uint8_t *)&(member) - (uint8_t *)&m))

static struct boot_info info;
static struct pvh_problems problems;

/* Parses a copy that ends with an allocation of exactly what may be read, so
 * that AddressSanitizer sees a read past it. */
static enum pvh_error parse_first(uint64_t readable)
{
    uint8_t *exact = malloc(readable > 0 ? readable : 1);

    assert_non_null(exact);
    memcpy(exact, &m, readable);
    enum pvh_error error = pvh_parse((struct pvh_view){exact, readable},
                                     AT(m.start), PADDR_BITS, &info, &problems);
    free(exact);
    if (error != PVH_OK)
        assert_int_equal(problems.last.error, error);
    assert_true(memory_map_check(&info.map));
    return error;
}

static enum pvh_error parse(void)
{
    return parse_first(sizeof m);
}

/* What QEMU's pc leaves, with one module. */
static int begin(void **state)
{
    static const struct pvh_memory map[] = {
        {0, 0x9fc00, PVH_MEMORY_RAM, 0},
        {0x9fc00, 0x400, PVH_MEMORY_RESERVED, 0},
        {0xf0000, 0x10000, PVH_MEMORY_RESERVED, 0},
        {MIB, 63 * MIB - 2 * P, PVH_MEMORY_RAM, 0},
        {64 * MIB - 2 * P, P, PVH_MEMORY_ACPI, 0},
        {64 * MIB - P, P, PVH_MEMORY_NVS, 0},
    };

    (void)state;
    memset(&m, 0, sizeof m);
    memcpy(m.map, map, sizeof map);
    m.start = (struct pvh_start_info){
        .magic = PVH_MAGIC,
        .version = 1,
        .nr_modules = 1,
        .modlist_paddr = AT(m.module),
        .cmdline_paddr = AT(m.command_line),
        .rsdp_paddr = AT(m.rsdp),
        .memmap_paddr = AT(m.map),
        .memmap_entries = sizeof map / sizeof map[0],
    };
    strcpy(m.command_line, "selftest loglevel=debug");
    strcpy(m.arguments[0], "first module");
    m.module[0] = (struct pvh_module){
        .paddr = 4 * MIB,
        .size = 9,
        .cmdline_paddr = AT(m.arguments[0]),
    };
    memcpy(m.rsdp, "RSD PTR ", 8);
    return 0;
}

static void expect_problem(enum pvh_error error, uint64_t address)
{
    assert_int_equal(parse(), PVH_OK);
    assert_int_equal(problems.count, 1);
    assert_int_equal(problems.last.error, error);
    assert_int_equal(problems.last.address, address);
}

static void expect_failure(enum pvh_error error, uint64_t address)
{
    assert_int_equal(parse(), error);
    assert_int_equal(problems.last.address, address);
    assert_non_null(strstr(host_log_last, pvh_error_name(error)));
}

static void whole_start_info(void **state)
{
    static const struct memory_range expect[] = {
        {0, 0x9f000, MEMORY_LOW},
        {0x9f000, 0xa0000, MEMORY_RESERVED},
        {0xf0000, 0x100000, MEMORY_RESERVED},
        {MIB, 2 * MIB, MEMORY_USABLE},
        {2 * MIB, 3 * MIB, MEMORY_KERNEL},
        {3 * MIB, 4 * MIB, MEMORY_USABLE},
        {4 * MIB, 4 * MIB + P, MEMORY_MODULE},
        {4 * MIB + P, 64 * MIB - 2 * P, MEMORY_USABLE},
        {64 * MIB - 2 * P, 64 * MIB - P, MEMORY_ACPI_RECLAIMABLE},
        {64 * MIB - P, 64 * MIB, MEMORY_ACPI_NVS},
    };

    (void)state;
    assert_int_equal(parse(), PVH_OK);
    assert_int_equal(problems.count, 0);
    assert_string_equal(info.command_line, "selftest loglevel=debug");
    assert_false(info.command_line_cut);
    assert_string_equal(info.loader_name, "PVH");
    assert_int_equal(info.module_count, 1);
    assert_int_equal(info.module[0].start, 4 * MIB);
    assert_int_equal(info.module[0].end, 4 * MIB + 9);
    assert_string_equal(info.module[0].string, "first module");
    assert_int_equal(info.rsdp.version, 1);
    assert_int_equal(info.rsdp.length, 20);
    assert_memory_equal(info.rsdp.bytes, "RSD PTR ", 8);
    assert_int_equal(info.framebuffer.kind, BOOT_FRAMEBUFFER_NONE);
    assert_int_equal(info.block_size, 0);

    assert_int_equal(boot_info_reserve(&info, 2 * MIB, 3 * MIB), MM_OK);
    assert_int_equal(info.map.count, sizeof expect / sizeof expect[0]);
    for (unsigned i = 0; i < info.map.count; i++) {
        assert_int_equal(info.map.range[i].start, expect[i].start);
        assert_int_equal(info.map.range[i].end, expect[i].end);
        assert_int_equal(info.map.range[i].type, expect[i].type);
    }
}

static void as_little_as_possible(void **state)
{
    (void)state;
    m.start.nr_modules = 0;
    m.start.cmdline_paddr = 0;
    m.start.rsdp_paddr = 0;
    m.start.modlist_paddr = UINT64_MAX;
    assert_int_equal(parse(), PVH_OK);
    assert_int_equal(problems.count, 0);
    assert_string_equal(info.command_line, "");
    assert_int_equal(info.module_count, 0);
    assert_int_equal(info.rsdp.version, 0);
}

static void second_root_pointer(void **state)
{
    (void)state;
    m.rsdp[15] = 2;
    m.rsdp[35] = 77;
    assert_int_equal(parse(), PVH_OK);
    assert_int_equal(info.rsdp.version, 2);
    assert_int_equal(info.rsdp.length, 36);
    assert_int_equal(info.rsdp.bytes[35], 77);

    /* the first 20 bytes can be read, all 36 cannot */
    m.start.rsdp_paddr = sizeof m - 20;
    memset((uint8_t *)&m + sizeof m - 20, 2, 20);
    expect_problem(PVH_BAD_RSDP, sizeof m - 20);
    assert_int_equal(info.rsdp.version, 0);
    memset((uint8_t *)&m + sizeof m - 20, 1, 20);
    assert_int_equal(parse(), PVH_OK);
    assert_int_equal(info.rsdp.version, 1);
    m.start.rsdp_paddr = UINT64_MAX - 4;
    expect_problem(PVH_BAD_RSDP, UINT64_MAX - 4);
}

static void unusable(void **state)
{
    (void)state;
    assert_int_equal(parse_first(AT(m.start) + 39), PVH_UNREADABLE);
    assert_int_equal(parse_first(AT(m.start) + 40), PVH_UNREADABLE);
    assert_int_equal(parse_first(0), PVH_UNREADABLE);

    m.start.magic = 0x1badb002;
    expect_failure(PVH_BAD_MAGIC, AT(m.start));
    begin(NULL);
    m.start.version = 0;
    expect_failure(PVH_NO_MEMORY_MAP, AT(m.start));
    /* a version 0 that ends with memory has no map either */
    assert_int_equal(parse_first(AT(m.start) + 40), PVH_NO_MEMORY_MAP);
    begin(NULL);
    m.start.memmap_entries = 0;
    expect_failure(PVH_NO_MEMORY_MAP, AT(m.start));
    begin(NULL);
    m.start.memmap_paddr = sizeof m - 24;
    expect_failure(PVH_BAD_MEMORY_MAP, sizeof m);
    m.start.memmap_paddr = UINT64_MAX - 23; /* the second wraps */
    expect_failure(PVH_BAD_MEMORY_MAP, UINT64_MAX - 23);
    begin(NULL);
    for (unsigned i = 0; i < 6; i++)
        m.map[i].type = 99;
    expect_failure(PVH_NO_USABLE_MEMORY, AT(m.map));
}

static void map_is_full(void **state)
{
    (void)state;
    m.start.memmap_entries = sizeof m.map / sizeof m.map[0];
    for (unsigned i = 0; i < m.start.memmap_entries; i++)
        m.map[i] = (struct pvh_memory){2 * i * P, P, PVH_MEMORY_RAM, 0};
    m.start.nr_modules = 0;
    assert_int_equal(parse(), PVH_OK);
    assert_in_range(info.map.count, 400, MEMORY_MAP_MAX - 20);

    /* a module still finds room: it splits a range */
    begin(NULL);
    m.start.memmap_entries = MEMORY_MAP_MAX;
    for (unsigned i = 0; i < MEMORY_MAP_MAX; i++)
        m.map[i] = (struct pvh_memory){8 * i * P, 7 * P, PVH_MEMORY_RAM, 0};
    m.module[0].paddr = 2 * P;
    assert_int_equal(parse(), PVH_OK);
    assert_int_equal(memory_map_find(&info.map, 2 * P)->type, MEMORY_MODULE);
}

static void odd_entries(void **state)
{
    (void)state;
    m.map[2].size = 0; /* qboot counts one */
    assert_int_equal(parse(), PVH_OK);
    assert_int_equal(problems.count, 0);
    m.map[2] = (struct pvh_memory){GIB + 1, P, PVH_MEMORY_RAM, 0};
    expect_problem(PVH_SMALL_ENTRY, AT(m.map[2]));
    m.map[2] = (struct pvh_memory){UINT64_MAX - P, 2 * P, PVH_MEMORY_RAM, 0};
    expect_problem(PVH_BAD_ENTRY, AT(m.map[2]));
    m.map[2] = (struct pvh_memory){63 * MIB, UINT64_MAX, 77, 0};
    assert_int_equal(parse(), PVH_OK);
    assert_int_equal(memory_map_find(&info.map, 63 * MIB)->type,
                     MEMORY_RESERVED);
    m.map[2] = (struct pvh_memory){8 * MIB, P, PVH_MEMORY_UNUSABLE, 0};
    assert_int_equal(parse(), PVH_OK);
    assert_int_equal(memory_map_find(&info.map, 8 * MIB)->type, MEMORY_BAD);

    /* a count that is garbage, where memory would have them all */
    uint64_t size = AT(m.map) + 5000 * sizeof(struct pvh_memory);
    uint8_t *large = calloc(1, size);
    m.start.memmap_entries = UINT32_MAX;
    memcpy(large, &m, AT(m.map[6]));
    assert_int_equal(pvh_parse((struct pvh_view){large, size}, AT(m.start),
                               PADDR_BITS, &info, &problems),
                     PVH_OK);
    assert_int_equal(problems.count, 1); /* those of zeros say nothing */
    free(large);
}

static void strings(void **state)
{
    (void)state;
    memset(m.command_line, 'x', BOOT_COMMAND_LINE_MAX - 1);
    m.command_line[BOOT_COMMAND_LINE_MAX - 1] = '\0';
    assert_int_equal(parse(), PVH_OK);
    assert_int_equal(strlen(info.command_line), BOOT_COMMAND_LINE_MAX - 1);
    assert_false(info.command_line_cut);

    memset(m.command_line, 'x', sizeof m.command_line - 1);
    expect_problem(PVH_STRING_CUT, AT(m.command_line));
    assert_int_equal(strlen(info.command_line), BOOT_COMMAND_LINE_MAX - 1);
    assert_true(info.command_line_cut);

    m.start.cmdline_paddr = sizeof m;
    expect_problem(PVH_BAD_STRING, sizeof m);
    m.start.cmdline_paddr = UINT64_MAX;
    expect_problem(PVH_BAD_STRING, UINT64_MAX);
    assert_string_equal(info.command_line, "");

    /* one that memory ends in */
    memset((uint8_t *)&m + sizeof m - 4, 'y', 4);
    m.start.cmdline_paddr = sizeof m - 4;
    expect_problem(PVH_BAD_STRING, sizeof m - 4);
    assert_string_equal(info.command_line, "yyyy");

    begin(NULL);
    memset(m.arguments[0], 'z', sizeof m.arguments[0] - 1);
    expect_problem(PVH_STRING_CUT, AT(m.arguments[0]));
    assert_int_equal(strlen(info.module[0].string), BOOT_MODULE_STRING_MAX - 1);
}

static void modules(void **state)
{
    (void)state;
    m.start.modlist_paddr = sizeof m - 31;
    expect_problem(PVH_BAD_MODULE_LIST, sizeof m - 31);
    m.start.modlist_paddr = UINT64_MAX;
    expect_problem(PVH_BAD_MODULE_LIST, UINT64_MAX);

    begin(NULL);
    m.module[0].size = UINT64_MAX;
    expect_problem(PVH_BAD_MODULE, AT(m.module[0]));
    m.module[0].paddr = UINT64_MAX;
    m.module[0].size = 1;
    expect_problem(PVH_BAD_MODULE, AT(m.module[0]));
    assert_int_equal(info.module_count, 0);

    m.module[0].paddr = 4 * MIB;
    m.module[0].size = 0;
    assert_int_equal(parse(), PVH_OK);
    assert_int_equal(info.module_count, 1);
    assert_int_equal(info.module[0].start, info.module[0].end);
    assert_int_equal(memory_map_bytes(&info.map, MEMORY_MODULE), 0);

    m.start.nr_modules = BOOT_MODULES_MAX + 2;
    for (unsigned i = 0; i < m.start.nr_modules; i++)
        m.module[i] = (struct pvh_module){4 * MIB + 2 * i * P, P, 0, 0};
    assert_int_equal(parse(), PVH_OK);
    assert_int_equal(problems.count, 2);
    assert_int_equal(problems.last.error, PVH_MODULE_UNLISTED);
    assert_int_equal(info.module_count, BOOT_MODULES_MAX);
    assert_int_equal(memory_map_bytes(&info.map, MEMORY_MODULE),
                     (BOOT_MODULES_MAX + 2) * P); /* kept all the same */

    m.start.nr_modules = UINT32_MAX;
    assert_int_equal(parse(), PVH_OK);
}

static void log_is_not_flooded(void **state)
{
    (void)state;
    m.start.memmap_entries = sizeof m.map / sizeof m.map[0];
    for (unsigned i = 6; i < m.start.memmap_entries; i++)
        m.map[i] = (struct pvh_memory){UINT64_MAX - P, P, 2, 0};
    unsigned lines = host_log_lines;
    assert_int_equal(parse(), PVH_OK);
    assert_int_equal(problems.count, m.start.memmap_entries - 6);
    assert_int_equal(host_log_lines, lines + 16 + 1);
}

static void every_error_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(pvh_error_name(PVH_BAD_MAGIC), "PVH_BAD_MAGIC");
    for (unsigned i = 0; i <= PVH_MODULE_UNLISTED; i++)
        assert_true(strlen(pvh_error_text(i)) > 5);
    assert_string_equal(pvh_error_name(1000), "PVH_UNKNOWN");
    assert_string_equal(pvh_error_text(1000), "an error without a name");
}

/* Memory that ends at every byte: what is found never depends on more. */
static void cut_short(void **state)
{
    (void)state;
    for (uint64_t size = 0; size <= AT(m.map[7]); size++) {
        enum pvh_error error = parse_first(size);
        if (size < AT(m.start) + sizeof m.start)
            assert_int_equal(error, PVH_UNREADABLE);
        else if (size < AT(m.map[6]))
            assert_int_equal(error, PVH_BAD_MEMORY_MAP);
        else
            assert_int_equal(error, PVH_OK);
    }
}

static void corrupt(uint64_t from, uint64_t to)
{
    for (uint64_t at = from; at < to; at++)
        for (unsigned flip = 1; flip < 256; flip++) {
            ((uint8_t *)&m)[at] ^= (uint8_t)flip;
            if (parse_first(AT(m.map[8])) == PVH_OK) {
                boot_info_reserve(&info, 2 * MIB, 3 * MIB);
                assert_true(memory_map_check(&info.map));
            }
            ((uint8_t *)&m)[at] ^= (uint8_t)flip;
        }
}

static void corrupted(void **state)
{
    (void)state;
    corrupt(AT(m.start), AT(m.start) + sizeof m.start);
    corrupt(AT(m.module[0]), AT(m.module[1]));
    corrupt(AT(m.map[0]), AT(m.map[6]));
    corrupt(AT(m.rsdp), AT(m.rsdp) + sizeof m.rsdp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(whole_start_info, begin),
        cmocka_unit_test_setup(as_little_as_possible, begin),
        cmocka_unit_test_setup(second_root_pointer, begin),
        cmocka_unit_test_setup(unusable, begin),
        cmocka_unit_test_setup(map_is_full, begin),
        cmocka_unit_test_setup(odd_entries, begin),
        cmocka_unit_test_setup(strings, begin),
        cmocka_unit_test_setup(modules, begin),
        cmocka_unit_test_setup(log_is_not_flooded, begin),
        cmocka_unit_test_setup(every_error_has_a_name, begin),
        cmocka_unit_test_setup(cut_short, begin),
        cmocka_unit_test_setup(corrupted, begin),
    };
    return cmocka_run_group_tests_name("pvh", tests, NULL, NULL);
}
