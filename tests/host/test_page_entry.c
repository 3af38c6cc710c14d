/* sources: */
/* The arithmetic of page-table entries, against numbers from the manual. */
#include "tests/host/platform_host.h"

#include "mm/page/entry.h"

static void test_an_address_splits_into_indices(void **state)
{
    (void)state;
    static const struct {
        vaddr_t vaddr;
        unsigned index[PAGE_LEVELS];
    } rows[] = {
        {0, {0, 0, 0, 0}},
        {0x1000, {1, 0, 0, 0}},
        {0x200000, {0, 1, 0, 0}},
        {0x40000000, {0, 0, 1, 0}},
        {0x8000000000, {0, 0, 0, 1}},
        {0x7fffffffffff, {511, 511, 511, 255}},
        {0xffff800000000000, {0, 0, 0, 256}},
        {0xffffffff80000000, {0, 0, 510, 511}},
        {0xffffffffffffffff, {511, 511, 511, 511}},
    };

    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++)
        for (unsigned level = 0; level < PAGE_LEVELS; level++)
            assert_int_equal(page_index(rows[row].vaddr, level),
                             rows[row].index[level]);
}

static void test_the_levels_have_the_sizes_of_leaves(void **state)
{
    (void)state;
    assert_int_equal(page_level_size(LEVEL_PT), SIZE_4K);
    assert_int_equal(page_level_size(LEVEL_PD), SIZE_2M);
    assert_int_equal(page_level_size(LEVEL_PDPT), SIZE_1G);
    assert_int_equal(page_level_size(LEVEL_PML4), SIZE_1G * 512);
}

static void test_canonical_addresses(void **state)
{
    (void)state;
    static const struct {
        vaddr_t vaddr;
        bool canonical;
        vaddr_t made;
    } rows[] = {
        {0, true, 0},
        {0x00007fffffffffff, true, 0x00007fffffffffff},
        {0x0000800000000000, false, 0xffff800000000000},
        {0x0001000000000000, false, 0},
        {0x7fffffffffffffff, false, 0xffffffffffffffff},
        {0x8000000000000000, false, 0},
        {0xffff7fffffffffff, false, 0x00007fffffffffff},
        {0xffff800000000000, true, 0xffff800000000000},
        {0xffffffffffffffff, true, 0xffffffffffffffff},
    };

    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        assert_int_equal(page_is_canonical(rows[row].vaddr),
                         rows[row].canonical);
        assert_int_equal(page_canonical(rows[row].vaddr), rows[row].made);
    }
}

static void test_a_canonical_range_lies_in_one_half(void **state)
{
    (void)state;
    static const struct {
        vaddr_t first, last;
        bool canonical;
    } rows[] = {
        {0, 0x00007fffffffffff, true},
        {0, 0x0000800000000000, false},
        {0x00007fffffffffff, 0xffff800000000000, false},
        {0, 0xffffffffffffffff, false},
        {0x0000800000000000, 0xffff7fffffffffff, false},
        {0xffff7fffffffffff, 0xffff800000000000, false},
        {0xffff800000000000, 0xffffffffffffffff, true},
    };

    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++)
        assert_int_equal(
            page_range_is_canonical(rows[row].first, rows[row].last),
            rows[row].canonical);
}

static void test_the_largest_leaf_fits_addresses_bytes_and_cpu(void **state)
{
    (void)state;
    static const struct {
        vaddr_t vaddr;
        paddr_t paddr;
        uint64_t bytes;
        unsigned top, level;
    } rows[] = {
        {0, 0, SIZE_1G, LEVEL_PDPT, LEVEL_PDPT},
        {0, 0, SIZE_1G, LEVEL_PD, LEVEL_PD},
        {0, 0, SIZE_1G, LEVEL_PT, LEVEL_PT},
        {0, 0, SIZE_1G - SIZE_4K, LEVEL_PDPT, LEVEL_PD},
        {0, 0, SIZE_2M - SIZE_4K, LEVEL_PDPT, LEVEL_PT},
        {SIZE_2M, 0, SIZE_1G, LEVEL_PDPT, LEVEL_PD},
        {0, SIZE_2M, SIZE_1G, LEVEL_PDPT, LEVEL_PD},
        {SIZE_4K, 0, SIZE_1G, LEVEL_PDPT, LEVEL_PT},
        {0, SIZE_4K, SIZE_1G, LEVEL_PDPT, LEVEL_PT},
        {SIZE_1G, 5 * SIZE_1G, UINT64_MAX, LEVEL_PDPT, LEVEL_PDPT},
    };

    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++)
        assert_int_equal(page_largest_level(rows[row].vaddr, rows[row].paddr,
                                            rows[row].bytes, rows[row].top),
                         rows[row].level);
}

static void test_leaves_have_the_bits_of_the_manual(void **state)
{
    (void)state;
    static const struct {
        paddr_t paddr;
        unsigned level, flags;
        uint64_t entry;
    } rows[] = {
        {0x1000, LEVEL_PT, PAGE_READ, 0x8000000000001001},
        {0x1000, LEVEL_PT, PAGE_EXECUTE, 0x0000000000001001},
        {0x1000, LEVEL_PT, PAGE_WRITE, 0x8000000000001003},
        {0x1000, LEVEL_PT, PAGE_USER, 0x8000000000001005},
        {0x1000, LEVEL_PT, PAGE_GLOBAL, 0x8000000000001101},
        {0x1000, LEVEL_PT, PAGE_UNCACHED, 0x8000000000001019},
        {0x1000, LEVEL_PT, PAGE_WRITE_COMBINING, 0x8000000000001091},
        {0x1000, LEVEL_PT, PAGE_ACCESSED, 0x8000000000001021},
        {0x1000, LEVEL_PT, PAGE_DIRTY, 0x8000000000001041},
        {0x200000, LEVEL_PD, PAGE_READ, 0x8000000000200081},
        {0x200000, LEVEL_PD, PAGE_UNCACHED, 0x8000000000200099},
        {0x200000, LEVEL_PD, PAGE_WRITE_COMBINING, 0x8000000000201091},
        {0x40000000, LEVEL_PDPT, PAGE_WRITE | PAGE_EXECUTE, 0x40000083},
        {0x40000000, LEVEL_PDPT, PAGE_WRITE_COMBINING, 0x8000000040001091},
        {0x000ffffffffff000, LEVEL_PT, PAGE_READ, 0x800ffffffffff001},
        {0x000fffffc0000000, LEVEL_PDPT, PAGE_READ, 0x800fffffc0000081},
    };

    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        uint64_t entry =
            page_leaf(rows[row].paddr, rows[row].level, rows[row].flags);
        assert_int_equal(entry, rows[row].entry);
        assert_int_equal(page_leaf_address(entry, rows[row].level),
                         rows[row].paddr);
    }
}

static void test_flags_come_back_from_every_leaf(void **state)
{
    (void)state;
    const unsigned both = PAGE_UNCACHED | PAGE_WRITE_COMBINING;
    const unsigned all = PAGE_FLAGS_PROTECT | PAGE_ACCESSED | PAGE_DIRTY;

    for (unsigned level = LEVEL_PT; level <= LEVEL_PDPT; level++)
        for (unsigned flags = 0; flags <= all; flags++) {
            if ((flags & ~all) != 0 || (flags & both) == both)
                continue;
            uint64_t entry = page_leaf(7 * SIZE_1G, level, flags);
            assert_int_equal(page_leaf_flags(entry, level), flags);
            assert_int_equal(page_leaf_address(entry, level), 7 * SIZE_1G);
            assert_true(page_entry_is_leaf(entry, level));
            assert_false(page_entry_is_table(entry, level));
        }
}

static void test_write_combining_has_its_byte_in_the_pat(void **state)
{
    (void)state;
    /* PAT 1, PCD 1, PWT 0 is entry 6; type 1 is WC.  PCD 1, PWT 1 is entry 3;
     * type 0 is UC.  Entry 0 stays 6, WB. */
    assert_int_equal((PAGE_PAT_LAYOUT >> (6 * 8)) & 0xff, 1);
    assert_int_equal((PAGE_PAT_LAYOUT >> (3 * 8)) & 0xff, 0);
    assert_int_equal((PAGE_PAT_LAYOUT >> (0 * 8)) & 0xff, 6);
}

static void test_table_entries_count(void **state)
{
    (void)state;
    const paddr_t table = 0x000ffffffffff000;

    for (unsigned count = 1; count <= PAGE_TABLE_ENTRIES; count++) {
        uint64_t entry = page_table_entry(table, count);
        assert_int_equal(page_entry_count(entry), count);
        assert_int_equal(page_entry_table(entry), table);
        /* P, R/W, U/S, A; no bit that the CPU would take for NX or reserved */
        assert_int_equal(entry & 0xc000000000000fff, 0x27);
        for (unsigned level = LEVEL_PD; level <= LEVEL_PML4; level++) {
            assert_true(page_entry_is_table(entry, level));
            assert_false(page_entry_is_leaf(entry, level));
        }
        assert_int_equal(entry + ENTRY_COUNT_ONE,
                         page_table_entry(table, count + 1));
    }
}

static void test_an_entry_of_zero_is_nothing(void **state)
{
    (void)state;
    for (unsigned level = LEVEL_PT; level <= LEVEL_PML4; level++) {
        assert_false(page_entry_is_leaf(0, level));
        assert_false(page_entry_is_table(0, level));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_address_splits_into_indices),
        cmocka_unit_test(test_the_levels_have_the_sizes_of_leaves),
        cmocka_unit_test(test_canonical_addresses),
        cmocka_unit_test(test_a_canonical_range_lies_in_one_half),
        cmocka_unit_test(test_the_largest_leaf_fits_addresses_bytes_and_cpu),
        cmocka_unit_test(test_leaves_have_the_bits_of_the_manual),
        cmocka_unit_test(test_flags_come_back_from_every_leaf),
        cmocka_unit_test(test_write_combining_has_its_byte_in_the_pat),
        cmocka_unit_test(test_table_entries_count),
        cmocka_unit_test(test_an_entry_of_zero_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
