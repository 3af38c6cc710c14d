/* sources: mm/page/table.c mm/page/walk.c mm/error.c lib/format.c */
/* sources: tests/host/page_machine.c */
/* mm/page_walk: what a walk shows and prints, and what a visit sees. */
#include "tests/host/page_machine.h"

#include <string.h>

static void test_a_walk_shows_every_level(void **state)
{
    (void)state;
    static const struct {
        vaddr_t vaddr;
        enum mm_error error;
        unsigned last;
        uint64_t bytes;
        paddr_t paddr;
    } rows[] = {
        {0x3000 + 5, MM_OK, LEVEL_PT, SIZE_4K, 0x7005},
        {0x4000, MM_NOT_MAPPED, LEVEL_PT, 0, PADDR_NONE},
        {SIZE_2M, MM_NOT_MAPPED, LEVEL_PD, 0, PADDR_NONE},
        {4 * SIZE_2M + 9, MM_OK, LEVEL_PD, SIZE_2M, SIZE_2M + 9},
        {SIZE_1G, MM_NOT_MAPPED, LEVEL_PDPT, 0, PADDR_NONE},
        {2 * SIZE_1G + 3, MM_OK, LEVEL_PDPT, SIZE_1G, 5 * SIZE_1G + 3},
        {512 * SIZE_1G, MM_NOT_MAPPED, LEVEL_PML4, 0, PADDR_NONE},
        {-SIZE_1G, MM_NOT_MAPPED, LEVEL_PML4, 0, PADDR_NONE},
        {HIGH, MM_NOT_MAPPED, LEVEL_PDPT, 0, PADDR_NONE},
        /* its low 48 bits are those of a page that is mapped */
        {0x0000800200000000, MM_NON_CANONICAL, LEVEL_PML4, 0, PADDR_NONE},
    };
    struct page_walk walk;

    must_map(0x3000, 0x7000, K4, RW);
    must_map(4 * M2, M2, M2, RW);
    must_map(2 * G1, 5 * G1, G1, RW);
    must_map(HIGH + 8 * G1, 5 * G1, G1, RW);
    for (size_t i = 0; i < COUNT(rows); i++) {
        memset(&walk, 0xee, sizeof(walk));
        assert_int_equal(page_walk(&pt, rows[i].vaddr, &walk), rows[i].error);
        assert_int_equal(walk.last, rows[i].last);
        assert_int_equal(walk.leaf.bytes, rows[i].bytes);
        assert_int_equal(walk.paddr, rows[i].paddr);
        assert_int_equal(page_translate(&pt, rows[i].vaddr), rows[i].paddr);
        if (rows[i].error == MM_NON_CANONICAL)
            continue;
        paddr_t frame = pt.root;
        for (unsigned level = LEVEL_PML4;; level--) {
            unsigned index = (rows[i].vaddr >> (12 + 9 * level)) % 512;
            assert_int_equal(walk.step[level].table, frame);
            assert_int_equal(walk.step[level].entry, raw_table(frame)[index]);
            if (level == walk.last)
                break;
            frame = walk.step[level].entry & 0x000ffffffffff000;
        }
        for (unsigned level = 0; level < walk.last; level++)
            assert_int_equal(walk.step[level].entry, 0);
    }
}

static void test_a_walk_stops_at_an_impossible_table(void **state)
{
    (void)state;
    struct page_walk walk;
    uint64_t *slot = raw_table(pt.root);

    *slot = (UINT64_C(1) << 40) | 1;
    assert_int_equal(page_walk(&pt, 0, &walk), MM_OUT_OF_RANGE);
    assert_int_equal(walk.last, LEVEL_PML4);
    assert_int_equal(walk.step[LEVEL_PML4].entry, (UINT64_C(1) << 40) | 1);
    assert_int_equal(walk.paddr, PADDR_NONE);
    *slot = 0;
}

static void test_a_walk_prints(void **state)
{
    (void)state;
    static const struct {
        unsigned level;
        vaddr_t vaddr;
        paddr_t table;
        uint64_t entry;
        const char *text;
    } rows[] = {
        {LEVEL_PML4, HIGH, 0x5000, 0x0010000000006027,
         "PML4[256] 0x0000000000005800: 0x0010000000006027 P R/W U/S A"},
        {LEVEL_PDPT, 2 * SIZE_1G, 0x6000, 0,
         "PDPT[  2] 0x0000000000006010: 0x0000000000000000 not present"},
        {LEVEL_PD, 0, 0x1000, 0x80000000002011fb,
         "PD  [  0] 0x0000000000001000: 0x80000000002011fb"
         " P R/W PWT PCD A D PS PAT G NX"},
        {LEVEL_PT, 0x1ff000, 0x1000, 0x00000000000070e1,
         "PT  [511] 0x0000000000001ff8: 0x00000000000070e1 P A D PAT"},
        /* as long as it gets */
        {LEVEL_PDPT, 511 * SIZE_1G, 0x000ffffffffff000, UINT64_MAX,
         "PDPT[511] 0x000ffffffffffff8: 0xffffffffffffffff"
         " P R/W U/S PWT PCD A D PS PAT G NX"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char line[PAGE_WALK_LINE];
        struct page_walk walk = {0};
        walk.step[rows[i].level].table = rows[i].table;
        walk.step[rows[i].level].entry = rows[i].entry;
        assert_int_equal(page_walk_line(&walk, rows[i].vaddr, rows[i].level,
                                        line, sizeof(line)),
                         strlen(rows[i].text));
        assert_string_equal(line, rows[i].text);
    }
}

struct sightings {
    unsigned count, stop_after;
    vaddr_t vaddr[8];
};

static bool see(void *context, const struct page_leaf *leaf)
{
    struct sightings *seen = context;
    seen->vaddr[seen->count++] = leaf->vaddr;
    return seen->count != seen->stop_after;
}

static void test_a_visit_goes_in_order_of_addresses(void **state)
{
    (void)state;
    static const struct {
        vaddr_t vaddr;
        uint64_t bytes;
    } rows[] = {
        {SIZE_4K, SIZE_4K},
        {SIZE_2M * 3, SIZE_2M},
        {SIZE_1G * 7, SIZE_1G},
        {0x00007ffffffff000, SIZE_4K},
        {0xffff800000000000, SIZE_1G},
        {0xfffffffffffff000, SIZE_4K},
    };
    struct sightings seen = {0};

    assert_true(page_table_visit(&pt, see, &seen));
    assert_int_equal(seen.count, 0);
    for (size_t i = COUNT(rows); i-- > 0;)
        must_map(rows[i].vaddr, 0, rows[i].bytes, RW);
    assert_true(page_table_visit(&pt, see, &seen));
    assert_int_equal(seen.count, COUNT(rows));
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(seen.vaddr[i], rows[i].vaddr);

    seen = (struct sightings){.stop_after = 3};
    assert_false(page_table_visit(&pt, see, &seen));
    assert_int_equal(seen.count, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TABLE(test_a_walk_shows_every_level),
        WITH_TABLE(test_a_walk_stops_at_an_impossible_table),
        WITH_TABLE(test_a_walk_prints),
        WITH_TABLE(test_a_visit_goes_in_order_of_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
