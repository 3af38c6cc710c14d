/* sources: mm/page/table.c mm/page/walk.c mm/error.c lib/format.c */
/* sources: tests/host/page_machine.c */
/* mm/page_table by tables of cases: what is mapped, split, joined, freed and
 * invalidated, and what each error leaves as it was. */
#include "tests/host/page_machine.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "lib/bits.h"

/* All leaves, as one number and a list of what it was made of. */
struct picture {
    uint64_t hash;
    unsigned leaves, of_level[3];
    unsigned frames;
};

static bool into_picture(void *context, const struct page_leaf *leaf)
{
    struct picture *picture = context;
    const uint64_t words[] = {leaf->vaddr, leaf->paddr, leaf->bytes,
                              leaf->flags};

    for (size_t i = 0; i < COUNT(words); i++)
        picture->hash =
            (picture->hash ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15) +
            (picture->hash >> 29);
    picture->leaves++;
    picture->of_level[leaf->bytes == SIZE_4K   ? 0
                      : leaf->bytes == SIZE_2M ? 1
                                               : 2]++;
    return true;
}

static struct picture take_picture(void)
{
    struct picture picture = {.hash = 1, .frames = frames_held};
    assert_true(page_table_visit(&pt, into_picture, &picture));
    return picture;
}

static void assert_unchanged(const struct picture *before)
{
    struct picture now = take_picture();
    assert_int_equal(now.hash, before->hash);
    assert_int_equal(now.leaves, before->leaves);
    assert_int_equal(now.frames, before->frames);
    check_invariants();
}

static void assert_leaves(unsigned of_4k, unsigned of_2m, unsigned of_1g)
{
    struct picture now = take_picture();
    assert_int_equal(now.of_level[0], of_4k);
    assert_int_equal(now.of_level[1], of_2m);
    assert_int_equal(now.of_level[2], of_1g);
    check_invariants();
}

/* ---- Init ---- */

static void test_init_without_a_frame_fails(void **state)
{
    (void)state;
    struct page_table table;
    frames_left = 0;
    assert_int_equal(page_table_init(&table, take_frame, give_frame, frames),
                     MM_OUT_OF_MEMORY);
    assert_int_equal(page_map(&table, K4, K4, K4, RW), MM_NOT_READY);
}

static void test_before_init_nothing_works(void **state)
{
    (void)state;
    struct page_table none = {0};
    struct page_walk walk;
    unsigned was;

    assert_int_equal(page_map(&none, K4, K4, K4, RW), MM_NOT_READY);
    assert_int_equal(page_unmap(&none, K4, K4), MM_NOT_READY);
    assert_int_equal(page_protect(&none, K4, K4, RW), MM_NOT_READY);
    assert_int_equal(page_join(&none, K4, K4), MM_NOT_READY);
    assert_int_equal(page_walk(&none, K4, &walk), MM_NOT_READY);
    assert_int_equal(page_test_and_clear(&none, K4, 0, &was), MM_NOT_READY);
    assert_int_equal(page_translate(&none, K4), PADDR_NONE);
    assert_true(page_table_visit(&none, into_picture, NULL));
}

static void test_load_makes_it_live(void **state)
{
    (void)state;
    assert_false(pt.live);
    page_table_load(&pt);
    assert_true(pt.live);
    assert_int_equal(host_page_table, pt.root);
    expect_assert_failure(page_table_destroy(&pt));
}

static paddr_t take_odd_frame(void *context)
{
    (void)context;
    return PAGE_SIZE + 8;
}

static void test_a_frame_off_its_alignment_is_refused(void **state)
{
    (void)state;
    struct page_table table;
    expect_assert_failure(
        page_table_init(&table, take_odd_frame, give_frame, frames));
}

/* ---- Map ---- */

static void test_map_takes_the_largest_leaves(void **state)
{
    (void)state;
    static const struct {
        vaddr_t vaddr;
        paddr_t paddr;
        uint64_t bytes;
        unsigned flags;
        int with_1g_pages;
        unsigned of_4k, of_2m, of_1g, tables;
    } rows[] = {
        {K4, 7 * K4, K4, RW, 1, 1, 0, 0, 3},
        {0, 0, M2, RW, 1, 0, 1, 0, 2},
        {0, 0, G1, RW, 1, 0, 0, 1, 1},
        {0, 0, G1, RW, 0, 0, 512, 0, 2},
        {0, 0, 512 * G1, RW, 1, 0, 0, 512, 1},
        {HIGH, 0, 512 * G1, RW, 1, 0, 0, 512, 1},
        {0, 0, 512 * G1, RW, 0, 0, 512 * 512, 0, 1 + 512},
        /* across the end of one PDPT */
        {511 * G1, 3 * G1, 2 * G1, RW, 1, 0, 0, 2, 2},
        {512 * G1 - K4, 3 * K4, 2 * K4, RW, 1, 2, 0, 0, 6},
        /* small, large and small again */
        {M2 - K4, G1 - K4, M2 + 2 * K4, RW, 1, 2, 1, 0, 4},
        {G1 - K4, G1 - K4, G1 + 2 * K4, RW, 1, 2, 0, 1, 5},
        {G1 - M2 - K4, G1 - M2 - K4, G1 + M2 + 2 * K4, RW, 1, 2, 1, 1, 5},
        {G1 - M2 - K4, G1 - M2 - K4, G1 + M2 + 2 * K4, RW, 0, 2, 513, 0, 6},
        /* the physical address decides too */
        {0, K4, M2, RW, 1, 512, 0, 0, 3},
        {0, M2, G1, RW, 1, 0, 512, 0, 2},
        {M2, 0, M2, RW, 1, 0, 1, 0, 2},
        /* never more than 4K */
        {0, 0, 2 * M2, RW | PAGE_SMALL, 1, 1024, 0, 0, 4},
        /* the ends of both halves, and the last physical page */
        {0x00007ffffffff000, K4, K4, RW, 1, 1, 0, 0, 3},
        {0x00007fffc0000000, 0, G1, RW, 1, 0, 0, 1, 1},
        {0xfffffffffffff000, K4, K4, RW, 1, 1, 0, 0, 3},
        {0xffffffffc0000000, 0, G1, RW, 1, 0, 0, 1, 1},
        {HIGH, (UINT64_C(1) << 40) - K4, K4, RW, 1, 1, 0, 0, 3},
    };

    machine_stop();
    for (size_t i = 0; i < COUNT(rows); i++) {
        machine_start(rows[i].with_1g_pages);
        must_map(rows[i].vaddr, rows[i].paddr, rows[i].bytes, rows[i].flags);
        assert_leaves(rows[i].of_4k, rows[i].of_2m, rows[i].of_1g);
        assert_int_equal(frames_held, 1 + rows[i].tables);
        for (uint64_t at = 0; at < rows[i].bytes; at += rows[i].bytes / 2 + 5)
            assert_int_equal(page_translate(&pt, rows[i].vaddr + at),
                             rows[i].paddr + at);
        assert_int_equal(page_translate(&pt, rows[i].vaddr + rows[i].bytes - 1),
                         rows[i].paddr + rows[i].bytes - 1);
        assert_int_equal(page_unmap(&pt, rows[i].vaddr, rows[i].bytes), MM_OK);
        assert_int_equal(frames_held, 1);
        machine_stop();
    }
    machine_start(1);
}

static void test_the_direct_map_of_512_gib_takes_2_tables(void **state)
{
    (void)state;
    must_map(HIGH, 0, 512 * G1, RW | PAGE_GLOBAL);
    assert_int_equal(frames_held, 2);
}

static void test_every_argument_is_checked(void **state)
{
    (void)state;
    const uint64_t paddr_end = UINT64_C(1) << 40;
    const vaddr_t low_end = UINT64_C(1) << 47;
    const struct {
        vaddr_t vaddr;
        paddr_t paddr;
        uint64_t bytes;
        unsigned flags;
        enum mm_error error;
    } rows[] = {
        {K4, K4, 0, RW, MM_EMPTY_RANGE},
        {K4 + 1, K4, K4, RW, MM_MISALIGNED},
        {K4, K4 + 8, K4, RW, MM_MISALIGNED},
        {K4, K4, K4 + 2048, RW, MM_MISALIGNED},
        {-K4, K4, 2 * K4, RW, MM_RANGE_WRAPS},
        {-K4, 0, -K4, RW, MM_RANGE_WRAPS},
        {K4, K4, -K4, RW, MM_NON_CANONICAL},
        {low_end, K4, K4, RW, MM_NON_CANONICAL},
        {low_end - K4, K4, 2 * K4, RW, MM_NON_CANONICAL},
        {HIGH - K4, K4, 2 * K4, RW, MM_NON_CANONICAL},
        {low_end - K4, 0, HIGH - low_end + 2 * K4, RW, MM_NON_CANONICAL},
        {K4, paddr_end, K4, RW, MM_OUT_OF_RANGE},
        {K4, paddr_end - K4, 2 * K4, RW, MM_OUT_OF_RANGE},
        {0, 0, paddr_end + K4, RW, MM_OUT_OF_RANGE},
        {K4, -K4, 2 * K4, RW, MM_OUT_OF_RANGE},
        {K4, PADDR_NONE - 4095, K4, RW, MM_OUT_OF_RANGE},
        {K4, K4, K4, PAGE_ACCESSED, MM_BAD_ARGUMENT},
        {K4, K4, K4, PAGE_DIRTY, MM_BAD_ARGUMENT},
        {K4, K4, K4, 1u << 31, MM_BAD_ARGUMENT},
        {K4, K4, K4, PAGE_UNCACHED | PAGE_WRITE_COMBINING, MM_BAD_ARGUMENT},
    };

    must_map(G1, G1, M2, RW);
    struct picture before = take_picture();
    frames_left = 0; /* nothing gets as far as asking for a frame */
    for (size_t i = 0; i < COUNT(rows); i++) {
        enum mm_error error = rows[i].error;
        assert_string_equal(
            mm_error_name(page_map(&pt, rows[i].vaddr, rows[i].paddr,
                                   rows[i].bytes, rows[i].flags)),
            mm_error_name(error));
        if (rows[i].paddr == K4 && error != MM_BAD_ARGUMENT) {
            assert_int_equal(page_unmap(&pt, rows[i].vaddr, rows[i].bytes),
                             error);
            assert_int_equal(page_join(&pt, rows[i].vaddr, rows[i].bytes),
                             error);
        }
        if (rows[i].paddr == K4)
            assert_int_equal(
                page_protect(&pt, rows[i].vaddr, rows[i].bytes, rows[i].flags),
                error);
    }
    assert_int_equal(page_protect(&pt, G1, M2, RW | PAGE_SMALL),
                     MM_BAD_ARGUMENT);
    assert_unchanged(&before);
}

/* Where the tables exist one page takes a way of its own: with the same checks.
 */
static void test_a_single_page_is_checked_as_many(void **state)
{
    (void)state;
    const paddr_t end = UINT64_C(1) << host_paddr_bits;
    const vaddr_t alias = HIGH & ((UINT64_C(1) << 48) - 1);

    must_map(HIGH, 0, 3 * K4, RW);
    must_map(K4, 0, 3 * K4, RW);
    struct picture before = take_picture();
    assert_int_equal(page_map(&pt, HIGH + 4 * K4, end, K4, RW),
                     MM_OUT_OF_RANGE);
    assert_int_equal(page_map(&pt, HIGH + 4 * K4, UINT64_C(1) << 60, K4, RW),
                     MM_OUT_OF_RANGE);
    assert_int_equal(page_map(&pt, alias + 4 * K4, 0, K4, RW),
                     MM_NON_CANONICAL);
    assert_int_equal(page_map(&pt, (UINT64_C(1) << 60) + 4 * K4, 0, K4, RW),
                     MM_NON_CANONICAL);
    assert_int_equal(page_unmap(&pt, alias, K4), MM_NON_CANONICAL);
    assert_int_equal(page_unmap(&pt, (UINT64_C(1) << 60) + K4, K4),
                     MM_NON_CANONICAL);
    assert_unchanged(&before);
    must_map(HIGH + 4 * K4, end - K4, K4, RW);
}

static void test_a_mapped_page_is_not_mapped_again(void **state)
{
    (void)state;
    static const struct {
        vaddr_t there, vaddr;
        uint64_t there_bytes, bytes;
    } rows[] = {
        {K4, K4, K4, K4},
        {0, 5 * K4, M2, K4},
        {0, 5 * M2, G1, M2},
        {0, 7 * M2 + K4, G1, K4},
        {M2 + K4, M2, K4, M2},              /* a table is in the way */
        {G1 + 5 * K4, 0, K4, 3 * G1},       /* after a leaf and more */
        {16 * K4, 0, K4, 17 * K4},          /* at the end of a run */
        {5 * M2 + K4, M2 - K4, K4, 5 * M2}, /* after small and large */
        {511 * G1, 510 * G1, G1, 2 * G1 + K4},
    };

    machine_stop();
    for (int with_1g_pages = 0; with_1g_pages < 2; with_1g_pages++)
        for (size_t i = 0; i < COUNT(rows); i++) {
            machine_start(with_1g_pages);
            must_map(rows[i].there, rows[i].there, rows[i].there_bytes, RW);
            struct picture before = take_picture();
            assert_int_equal(
                page_map(&pt, rows[i].vaddr, 0, rows[i].bytes, PAGE_READ),
                MM_ALREADY_MAPPED);
            assert_unchanged(&before);
            machine_stop();
        }
    machine_start(1);
}

static void test_flags_reach_the_walk(void **state)
{
    (void)state;
    static const unsigned flags[] = {
        PAGE_READ,
        PAGE_WRITE,
        PAGE_EXECUTE,
        PAGE_USER | PAGE_WRITE,
        PAGE_GLOBAL | PAGE_WRITE,
        PAGE_UNCACHED | PAGE_WRITE,
        PAGE_WRITE_COMBINING | PAGE_WRITE,
    };
    static const uint64_t sizes[] = {SIZE_4K, SIZE_2M, SIZE_1G};
    struct page_walk walk;

    for (size_t s = 0; s < COUNT(sizes); s++)
        for (size_t i = 0; i < COUNT(flags); i++) {
            vaddr_t vaddr = HIGH + (s * COUNT(flags) + i) * G1;
            must_map(vaddr, 3 * G1, sizes[s], flags[i]);
            assert_int_equal(page_walk(&pt, vaddr + 77, &walk), MM_OK);
            assert_int_equal(walk.leaf.flags, flags[i]);
            assert_int_equal(walk.leaf.bytes, sizes[s]);
            assert_int_equal(walk.leaf.vaddr, vaddr);
            assert_int_equal(walk.leaf.paddr, 3 * G1);
            assert_int_equal(walk.paddr, 3 * G1 + 77);
        }
}

/* ---- Unmap and protect ---- */

static void test_a_hole_stops_unmap_and_protect(void **state)
{
    (void)state;
    static const struct {
        vaddr_t vaddr;
        uint64_t bytes;
    } rows[] = {
        {0, K4},
        {K4, 2 * K4},        /* ends past the only page */
        {M2, 3 * M2},        /* a hole of 2M behind two leaves */
        {M2 + K4, 2 * M2},   /* a cut leaf first, a hole at the end */
        {4 * G1, 2 * G1},    /* a hole of 1G */
        {4 * G1 + K4, G1},   /* a cut 1G leaf, then a hole */
        {512 * G1 - K4, K4}, /* no table at all */
        {HIGH, 512 * G1},
    };

    must_map(K4, K4, K4, RW);
    must_map(M2, M2, 2 * M2, RW);
    must_map(4 * G1, 4 * G1, G1, RW);
    struct picture before = take_picture();
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(page_unmap(&pt, rows[i].vaddr, rows[i].bytes),
                         MM_NOT_MAPPED);
        assert_int_equal(
            page_protect(&pt, rows[i].vaddr, rows[i].bytes, PAGE_READ),
            MM_NOT_MAPPED);
        assert_unchanged(&before);
    }
}

static void test_what_is_cut_is_split(void **state)
{
    (void)state;
    static const struct {
        vaddr_t vaddr;
        uint64_t bytes;
        unsigned of_4k, of_2m, of_1g, tables;
    } rows[] = {
        /* of two 1G leaves; tables are the PDPT and what splits add */
        {0, G1, 0, 0, 1, 1},
        {0, M2, 0, 511, 1, 2},
        {0, K4, 511, 511, 1, 3},
        {K4, K4, 511, 511, 1, 3},
        {M2, M2, 0, 511, 1, 2},
        {M2 - K4, 2 * K4, 511 + 511, 510, 1, 4},
        {K4, G1 - 2 * K4, 2, 0, 1, 4},
        {K4, G1 - K4, 1, 0, 1, 3},
        {G1 - K4, 2 * K4, 511 + 511, 511 + 511, 0, 5},
        {K4, 2 * G1 - 2 * K4, 2, 0, 0, 5},
        {M2, 2 * G1 - 2 * M2, 0, 2, 0, 3},
        {M2 - K4, G1, 511 + 1, 511, 0, 5},
        {0, 2 * G1, 0, 0, 0, 0},
    };

    machine_stop();
    for (size_t i = 0; i < COUNT(rows); i++) {
        machine_start(1);
        must_map(0, 8 * G1, 2 * G1, RW);
        assert_int_equal(page_unmap(&pt, rows[i].vaddr, rows[i].bytes), MM_OK);
        assert_leaves(rows[i].of_4k, rows[i].of_2m, rows[i].of_1g);
        assert_int_equal(frames_held, 1 + rows[i].tables);
        assert_int_equal(page_translate(&pt, rows[i].vaddr), PADDR_NONE);
        vaddr_t end = rows[i].vaddr + rows[i].bytes;
        assert_int_equal(page_translate(&pt, end - 1), PADDR_NONE);
        if (end < 2 * G1)
            assert_int_equal(page_translate(&pt, end), 8 * G1 + end);
        if (rows[i].vaddr > 0)
            assert_int_equal(page_translate(&pt, rows[i].vaddr - 1),
                             8 * G1 + rows[i].vaddr - 1);
        machine_stop();
    }
    machine_start(1);
}

static void test_a_split_keeps_every_bit(void **state)
{
    (void)state;
    const unsigned flags = PAGE_WRITE | PAGE_GLOBAL | PAGE_WRITE_COMBINING;
    struct page_walk walk;

    must_map(HIGH, 4 * G1, G1, flags);
    page_table_load(&pt);
    assert_true(cpu_access(HIGH, true));
    assert_int_equal(page_protect(&pt, HIGH + K4, K4, PAGE_EXECUTE), MM_OK);

    static const struct {
        uint64_t at, bytes;
        unsigned flags;
    } rows[] = {
        {0, SIZE_4K, flags | PAGE_ACCESSED | PAGE_DIRTY},
        {SIZE_4K, SIZE_4K, PAGE_EXECUTE | PAGE_ACCESSED | PAGE_DIRTY},
        {2 * SIZE_4K, SIZE_4K, flags | PAGE_ACCESSED | PAGE_DIRTY},
        {SIZE_2M, SIZE_2M, flags | PAGE_ACCESSED | PAGE_DIRTY},
        {SIZE_1G - 1, SIZE_2M, flags | PAGE_ACCESSED | PAGE_DIRTY},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(page_walk(&pt, HIGH + rows[i].at, &walk), MM_OK);
        assert_int_equal(walk.leaf.flags, rows[i].flags);
        assert_int_equal(walk.leaf.bytes, rows[i].bytes);
        assert_int_equal(walk.paddr, 4 * G1 + rows[i].at);
    }
    check_invariants();
}

/* What a CPU may be executing never has two sizes, not for a moment. */
static void test_live_code_is_neither_split_nor_joined(void **state)
{
    (void)state;
    const unsigned code = PAGE_EXECUTE | PAGE_GLOBAL;

    must_map(HIGH, 4 * G1, M2, code);
    must_map(HIGH + G1, 5 * G1, M2, code | PAGE_SMALL);
    assert_int_equal(page_protect(&pt, HIGH, M2, code | PAGE_WRITE), MM_OK);
    page_table_load(&pt);
    struct picture before = take_picture();
    assert_int_equal(page_protect(&pt, HIGH + K4, K4, code), MM_BAD_ARGUMENT);
    assert_int_equal(page_protect(&pt, HIGH, K4, 0), MM_BAD_ARGUMENT);
    assert_int_equal(page_unmap(&pt, HIGH + K4, M2 - K4), MM_BAD_ARGUMENT);
    assert_int_equal(page_unmap(&pt, HIGH, M2 + K4), MM_NOT_MAPPED);
    assert_int_equal(page_join(&pt, HIGH + G1, M2), MM_OK);
    assert_unchanged(&before);
    assert_int_equal(page_unmap(&pt, HIGH, M2), MM_OK);
    assert_int_equal(page_protect(&pt, HIGH + G1 + K4, K4, 0), MM_OK);
}

/* ---- Join ---- */

static void test_join_undoes_splits(void **state)
{
    (void)state;
    const unsigned flags = PAGE_WRITE | PAGE_WRITE_COMBINING;

    must_map(HIGH, 4 * G1, 2 * G1, flags);
    struct picture whole = take_picture();
    assert_int_equal(page_protect(&pt, HIGH + G1 - K4, 2 * K4, PAGE_READ),
                     MM_OK);
    assert_int_equal(page_join(&pt, HIGH, 2 * G1), MM_OK);
    assert_leaves(1024, 1022, 0); /* they differ, and stay */
    assert_int_equal(page_protect(&pt, HIGH + G1 - K4, 2 * K4, flags), MM_OK);
    assert_leaves(1024, 1022, 0); /* nobody asked */

    /* only what lies in the range whole */
    assert_int_equal(page_join(&pt, HIGH + G1 - M2 + K4, 2 * M2 - K4), MM_OK);
    assert_leaves(512, 1023, 0);
    assert_int_equal(page_join(&pt, HIGH + K4, 2 * G1 - K4), MM_OK);
    assert_leaves(0, 512, 1);
    assert_int_equal(page_join(&pt, HIGH, 2 * G1), MM_OK);
    assert_unchanged(&whole);
}

static void test_join_leaves_alone_what_differs(void **state)
{
    (void)state;
    must_map(0, 8 * G1, M2 - K4, RW | PAGE_SMALL); /* a hole at the end */
    must_map(M2, 8 * G1 + K4, M2, RW);             /* off the alignment */
    must_map(2 * M2, 9 * G1, M2 - K4, RW | PAGE_SMALL);
    must_map(3 * M2 - K4, G1, K4, RW); /* another address at the end */
    struct picture before = take_picture();
    assert_int_equal(page_join(&pt, 0, G1), MM_OK);
    assert_int_equal(page_join(&pt, HIGH, UINT64_C(1) << 47), MM_OK);
    assert_unchanged(&before);
}

static void test_join_makes_no_1g_leaf_on_a_cpu_without(void **state)
{
    (void)state;
    machine_stop();
    machine_start(0);
    must_map(0, 0, G1, RW | PAGE_SMALL);
    assert_int_equal(page_join(&pt, 0, G1), MM_OK);
    assert_leaves(0, 512, 0);
}

static void test_join_keeps_accessed_and_dirty(void **state)
{
    (void)state;
    struct page_walk walk;

    must_map(0, 0, G1, RW | PAGE_SMALL);
    page_table_load(&pt);
    assert_true(cpu_access(5 * M2, false));
    assert_true(cpu_access(6 * M2 + 9 * K4, true));
    assert_int_equal(page_join(&pt, 0, G1 - M2), MM_OK);
    page_walk(&pt, 5 * M2, &walk);
    assert_int_equal(walk.leaf.flags, RW | PAGE_ACCESSED);
    page_walk(&pt, 6 * M2, &walk);
    assert_int_equal(walk.leaf.flags, RW | PAGE_ACCESSED | PAGE_DIRTY);
    page_walk(&pt, 7 * M2, &walk);
    assert_int_equal(walk.leaf.flags, RW);
    assert_int_equal(page_join(&pt, 0, G1), MM_OK);
    page_walk(&pt, 7 * M2, &walk);
    assert_int_equal(walk.leaf.flags, RW | PAGE_ACCESSED | PAGE_DIRTY);
    assert_int_equal(walk.leaf.bytes, G1);
    assert_int_equal(frames_held, 2);
}

/* The CPU sets D in a small page until the moment it is told to forget it. */
static void dirty_before_flush(void)
{
    for (unsigned i = 0; i < tables_cached_count; i++) {
        uint64_t *entries = phys_to_virt(tables_cached[i]);
        if ((entries[3] & 0x81) == 1)
            entries[3] |= 0x40;
    }
    cpu_flush();
}

static void test_join_loses_no_late_dirty_bit(void **state)
{
    (void)state;
    struct page_walk walk;

    must_map(0, 0, M2, RW | PAGE_SMALL);
    page_table_load(&pt);
    assert_true(cpu_access(0, false));
    host_on_flush = dirty_before_flush;
    assert_int_equal(page_join(&pt, 0, M2), MM_OK);
    page_walk(&pt, 0, &walk);
    assert_int_equal(walk.leaf.bytes, M2);
    assert_int_equal(walk.leaf.flags, RW | PAGE_ACCESSED | PAGE_DIRTY);
}

/* ---- Invalidation ---- */

static void assert_invalidations(unsigned pages, unsigned flushes)
{
    assert_int_equal(host_tlb_invalidations, pages);
    assert_int_equal(host_tlb_flushes, flushes);
    host_tlb_invalidations = host_tlb_flushes = 0;
}

static void test_invalidations_are_issued_once(void **state)
{
    (void)state;
    page_table_load(&pt);
    must_map(HIGH, 0, 2 * G1, RW);
    must_map(0, K4, M2, RW);
    assert_invalidations(0, 0); /* nothing was there to forget */

    page_protect(&pt, 0, K4, PAGE_READ);
    assert_invalidations(1, 0);
    page_protect(&pt, 0, 32 * K4, PAGE_READ);
    assert_invalidations(32, 0);
    page_protect(&pt, 0, 33 * K4, PAGE_READ);
    assert_invalidations(0, 1);
    page_protect(&pt, 0, M2, PAGE_READ);
    assert_invalidations(0, 1);

    page_unmap(&pt, 0, K4);
    assert_invalidations(1, 0);
    page_unmap(&pt, K4, 32 * K4);
    assert_invalidations(32, 0);
    page_unmap(&pt, 33 * K4, 33 * K4);
    assert_invalidations(0, 1);

    page_protect(&pt, HIGH, 2 * G1, PAGE_READ);
    assert_invalidations(2, 0);
    page_unmap(&pt, HIGH + G1 - K4, 2 * K4);
    assert_invalidations(2, 0);
    page_unmap(&pt, HIGH + G1 + K4, K4);
    assert_invalidations(1, 0);
    page_join(&pt, HIGH, 2 * G1);
    assert_invalidations(0, 0);
}

static void test_a_table_not_live_needs_none(void **state)
{
    (void)state;
    must_map(HIGH, 0, 2 * G1, RW);
    page_protect(&pt, HIGH + K4, K4, PAGE_READ);
    page_protect(&pt, HIGH + K4, K4, RW);
    page_join(&pt, HIGH, 2 * G1);
    page_unmap(&pt, HIGH, 2 * G1);
    assert_invalidations(0, 0);
}

static void peek(void)
{
    cpu_peek(M2 - K4);
    cpu_peek(2 * M2);
}

/* What a map takes back was visible for a moment. */
static void test_a_map_undone_is_forgotten(void **state)
{
    (void)state;
    page_table_load(&pt);
    must_map(3 * M2, G1, K4, RW);
    struct picture before = take_picture();
    on_take_frame = peek;
    assert_int_equal(page_map(&pt, M2 - K4, M2 - K4, 4 * M2, RW),
                     MM_ALREADY_MAPPED);
    assert_unchanged(&before);
    for (unsigned i = 0; i < TLB_SIZE; i++)
        assert_false(tlb[i].valid && tlb[i].vaddr < 3 * M2);
}

/* ---- Out of frames ---- */

static enum mm_error map_one(void)
{
    return page_map(&pt, HIGH + 5 * G1, G1, K4, RW);
}

static enum mm_error map_many(void)
{
    return page_map(&pt, 1023 * G1 - M2 - K4, G1 - M2 - K4,
                    2 * G1 + 2 * M2 + 2 * K4, RW);
}

static enum mm_error map_small(void)
{
    return page_map(&pt, 3 * G1 - 4 * M2, 0, 8 * M2, RW | PAGE_SMALL);
}

static enum mm_error unmap_middle(void)
{
    return page_unmap(&pt, HIGH + K4, 2 * G1 - 2 * K4);
}

static enum mm_error unmap_inside(void)
{
    return page_unmap(&pt, HIGH + 3 * K4, K4);
}

static enum mm_error unmap_two(void)
{
    return page_unmap(&pt, HIGH + M2 + K4, M2);
}

static enum mm_error protect_middle(void)
{
    return page_protect(&pt, HIGH + K4, G1 - 2 * K4, PAGE_READ);
}

static enum mm_error protect_ends(void)
{
    return page_protect(&pt, HIGH + G1 - M2, 2 * M2, PAGE_READ);
}

static void test_every_allocation_in_turn_fails(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum mm_error (*run)(void);
        int frames;
    } rows[] = {
        {"map_one", map_one, 2},
        {"map_many", map_many, 6},
        {"map_small", map_small, 11},
        {"unmap_middle", unmap_middle, 4},
        {"unmap_inside", unmap_inside, 2},
        {"unmap_two", unmap_two, 3},
        {"protect_middle", protect_middle, 3},
        {"protect_ends", protect_ends, 2},
    };

    machine_stop();
    for (int live = 0; live < 2; live++)
        for (size_t i = 0; i < COUNT(rows); i++) {
            machine_start(1);
            must_map(HIGH, 8 * G1, 2 * G1, RW);
            if (live)
                page_table_load(&pt);
            struct picture before = take_picture();
            for (int n = 0; n < rows[i].frames; n++) {
                frames_left = n;
                CHECK(rows[i].run() == MM_OUT_OF_MEMORY, "%s with %d frames",
                      rows[i].name, n);
                assert_unchanged(&before);
            }
            frames_left = rows[i].frames;
            CHECK(rows[i].run() == MM_OK, "%s", rows[i].name);
            assert_int_equal(frames_left, 0);
            check_invariants();
            machine_stop();
        }
    machine_start(1);
}

/* ---- Accessed and dirty ---- */

static void test_accessed_and_dirty_are_read_and_cleared(void **state)
{
    (void)state;
    const unsigned both = PAGE_ACCESSED | PAGE_DIRTY;
    static const uint64_t sizes[] = {SIZE_4K, SIZE_2M, SIZE_1G};
    unsigned was;

    page_table_load(&pt);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        vaddr_t vaddr = HIGH + i * G1;
        vaddr_t inside = vaddr + sizes[i] - 7;
        must_map(vaddr, G1, sizes[i], RW);
        assert_int_equal(page_test_and_clear(&pt, inside, both, &was), MM_OK);
        assert_int_equal(was, 0);
        for (int round = 0; round < 2; round++) {
            assert_true(cpu_access(vaddr, false));
            page_test_and_clear(&pt, inside, PAGE_DIRTY, &was);
            assert_int_equal(was, 0);
            page_test_and_clear(&pt, inside, both, &was);
            assert_int_equal(was, PAGE_ACCESSED);
            assert_true(cpu_access(vaddr, true));
            page_test_and_clear(&pt, inside, PAGE_DIRTY, &was);
            assert_int_equal(was, PAGE_DIRTY);
            page_test_and_clear(&pt, inside, both, &was);
            assert_int_equal(was, PAGE_ACCESSED);
            page_test_and_clear(&pt, inside, both, &was);
            assert_int_equal(was, 0);
        }
        page_test_and_clear(&pt, inside, 0, &was);
        assert_int_equal(was, 0);
    }
    was = 5;
    assert_int_equal(page_test_and_clear(&pt, K4, both, &was), MM_NOT_MAPPED);
    assert_int_equal(was, 0);
    assert_int_equal(page_test_and_clear(&pt, HIGH ^ (1ull << 63), both, &was),
                     MM_NON_CANONICAL);
    assert_int_equal(page_test_and_clear(&pt, HIGH, both | RW, &was),
                     MM_BAD_ARGUMENT);
}

/* ---- A CPU at the same time ---- */

#define RACE_OVER UINT32_MAX

struct race {
    pthread_t thread;
    _Atomic uint64_t *slots;
    uint64_t leaf;         /* the bits of an entry that is still a leaf */
    _Atomic uint32_t at;   /* the slot to set D in, some time soon */
    _Atomic uint32_t done; /* the last one in which it was set */
    bool set;              /* there was a leaf to set it in */
};

/* Sets A and D as a CPU does: in one step, and only in a leaf. */
static bool set_dirty(_Atomic uint64_t *slot, uint64_t leaf)
{
    uint64_t entry = *slot;

    while ((entry & leaf) == leaf)
        if (atomic_compare_exchange_weak(slot, &entry, entry | 0x60))
            return true;
    return false;
}

static void *race_thread(void *context)
{
    struct race *race = context;
    unsigned delay = 0;

    for (uint32_t last = RACE_OVER - 1;;) {
        uint32_t at = race->at;
        if (at == RACE_OVER)
            return NULL;
        if (at == last) {
            sched_yield();
            continue;
        }
        delay = (delay + 389) % 4001;
        for (volatile unsigned i = 0; i < delay; i++)
            ;
        race->set = set_dirty(&race->slots[at], race->leaf);
        race->done = last = at;
    }
}

static void race_begin(struct race *race, uint64_t leaf)
{
    race->slots = (_Atomic uint64_t *)raw_leaf(0);
    race->leaf = leaf;
    race->at = race->done = RACE_OVER - 1;
    assert_int_equal(pthread_create(&race->thread, NULL, race_thread, race), 0);
}

static void race_end(struct race *race)
{
    race->at = RACE_OVER;
    pthread_join(race->thread, NULL);
}

static void test_protect_loses_no_bit_that_is_set_meanwhile(void **state)
{
    (void)state;
    struct race race;
    unsigned lost = 0;

    must_map(0, 0, M2, RW | PAGE_SMALL);
    race_begin(&race, 0x01);
    for (unsigned round = 0; round < 4 * 512; round++) {
        unsigned flags = RW, was;
        race.at = round % 512;
        do {
            flags ^= PAGE_USER;
            page_protect(&pt, round % 512 * K4, K4, flags);
        } while (race.done != round % 512);
        page_test_and_clear(&pt, round % 512 * K4, PAGE_DIRTY, &was);
        lost += was == 0;
    }
    race_end(&race);
    assert_int_equal(lost, 0);
}

static void test_a_split_loses_no_bit_that_is_set_meanwhile(void **state)
{
    (void)state;
    struct race race;
    unsigned wrong = 0;

    must_map(0, 0, G1 - K4, RW);
    race_begin(&race, 0x81);
    for (unsigned round = 0; round < 12; round++) {
        for (unsigned i = 0; i < 511; i++) {
            race.at = i;
            page_protect(&pt, i * M2, K4, RW);
            while (race.done != i)
                sched_yield();
            /* what was set before the split is in all of them */
            const uint64_t *children = raw_leaf(i * M2);
            for (unsigned child = 1; child < 512; child++)
                wrong += (children[child] & 0x60) != (race.set ? 0x60 : 0);
        }
        /* the last table stays, and with it the one that is raced for */
        page_unmap(&pt, 0, 511 * M2);
        must_map(0, 0, 511 * M2, RW);
    }
    race_end(&race);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TABLE(test_init_without_a_frame_fails),
        WITH_TABLE(test_before_init_nothing_works),
        WITH_TABLE(test_load_makes_it_live),
        WITH_TABLE(test_a_frame_off_its_alignment_is_refused),
        WITH_TABLE(test_map_takes_the_largest_leaves),
        WITH_TABLE(test_the_direct_map_of_512_gib_takes_2_tables),
        WITH_TABLE(test_every_argument_is_checked),
        WITH_TABLE(test_a_single_page_is_checked_as_many),
        WITH_TABLE(test_a_mapped_page_is_not_mapped_again),
        WITH_TABLE(test_flags_reach_the_walk),
        WITH_TABLE(test_a_hole_stops_unmap_and_protect),
        WITH_TABLE(test_what_is_cut_is_split),
        WITH_TABLE(test_a_split_keeps_every_bit),
        WITH_TABLE(test_live_code_is_neither_split_nor_joined),
        WITH_TABLE(test_join_undoes_splits),
        WITH_TABLE(test_join_leaves_alone_what_differs),
        WITH_TABLE(test_join_makes_no_1g_leaf_on_a_cpu_without),
        WITH_TABLE(test_join_keeps_accessed_and_dirty),
        WITH_TABLE(test_join_loses_no_late_dirty_bit),
        WITH_TABLE(test_invalidations_are_issued_once),
        WITH_TABLE(test_a_table_not_live_needs_none),
        WITH_TABLE(test_a_map_undone_is_forgotten),
        WITH_TABLE(test_every_allocation_in_turn_fails),
        WITH_TABLE(test_accessed_and_dirty_are_read_and_cleared),
        WITH_TABLE(test_protect_loses_no_bit_that_is_set_meanwhile),
        WITH_TABLE(test_a_split_loses_no_bit_that_is_set_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
