/* sources: mm/cpu/ */
/* sources: mm/page/audit.c mm/space/ */
/* sources: mm/page/table.c mm/page/walk.c mm/frame/ mm/tree/ */
/* sources: mm/map/memory_map.c mm/map/boot_frames.c mm/error.c lib/format.c */
/* The auditor, on a space that is sound and on one with an offence planted. */
#include "tests/host/platform_host.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/bits.h"
#include "mm/frame.h"
#include "mm/kernel_space.h"

#define IMAGE  (KERNEL_BASE + MIB)
#define TEXT   (MIB + 0x1000) /* where these parts of the image lie */
#define RODATA (MIB + 0x5000)
#define DEVICE UINT64_C(0xfee00000)
#define W      PAGE_WRITE
#define X      PAGE_EXECUTE
#define UC     PAGE_UNCACHED
#define WC     PAGE_WRITE_COMBINING

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct kernel_image image = {
    .text = IMAGE + 0x1000,
    .text_end = IMAGE + 0x5000,
    .rodata = IMAGE + 0x5000,
    .rodata_end = IMAGE + 0x7000,
    .data = IMAGE + 0x7000,
    .data_end = IMAGE + 0x9000,
    .stack = {{IMAGE + 0xa000, IMAGE + 0xc000},
              {IMAGE + 0xd000, IMAGE + 0xe000},
              {IMAGE + 0xf000, IMAGE + 0x10000},
              {IMAGE + 0x11000, IMAGE + 0x12000}},
};

static struct memory_map map;
static paddr_t held, held_2m; /* frames that are */

static void add(uint64_t start, uint64_t end, enum memory_type type)
{
    assert_int_equal(memory_map_add(&map, start, end - start, type), MM_OK);
}

static int start(void **state)
{
    (void)state;
    host_paddr_bits = 48;
    memory_map_init(&map, 46);
    add(0, 64 * MIB, MEMORY_USABLE);
    add(0, MIB, MEMORY_RESERVED);
    add(MIB, MIB + 0x12000, MEMORY_KERNEL);
    assert_int_equal(kernel_space_init(&map, &image), MM_OK);
    assert_int_equal(frame_init(&map, HOST_MEMORY_BYTES), MM_OK);
    kernel_space_use_frames();
    held = frame_alloc(FRAME_4K);
    held_2m = frame_alloc(FRAME_2M);
    return held == PADDR_NONE || held_2m == PADDR_NONE;
}

static void must_map(vaddr_t vaddr, paddr_t paddr, uint64_t bytes,
                     unsigned flags)
{
    assert_int_equal(page_map(kernel_space_table(), vaddr, paddr, bytes, flags),
                     MM_OK);
}

static void must_unmap(vaddr_t vaddr, uint64_t bytes)
{
    assert_int_equal(page_unmap(kernel_space_table(), vaddr, bytes), MM_OK);
}

static void sound(void)
{
    struct page_offence offence;
    if (!kernel_space_audit(&offence))
        fail_msg("%s", offence.sentence);
}

static void offends(vaddr_t vaddr, const char *wrong)
{
    struct page_offence offence = {.sentence = "none"};
    if (kernel_space_audit(&offence) || offence.leaf.vaddr != vaddr ||
        strstr(offence.sentence, wrong) == NULL)
        fail_msg("not '%s', but: %s", wrong, offence.sentence);
    print_message("# %s\n", offence.sentence);
}

static void the_space_is_sound(void **state)
{
    (void)state;
    void *pages[4], *device[2];
    sound();
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(kernel_space_alloc_pages(SIZE_2M + SIZE_4K, SIZE_4K, 3,
                                                  "pages", &pages[i]),
                         MM_OK);
    assert_int_equal(
        kernel_space_map_device(DEVICE, SIZE_4K, UC, "a", &device[0]), MM_OK);
    assert_int_equal(
        kernel_space_map_device(0xb8000, SIZE_4K, UC, "b", &device[1]), MM_OK);
    must_map(HEAP_BASE, held, SIZE_4K, W);
    must_map(SCRATCH_BASE, held, SIZE_4K, W); /* the same frame, as cached */
    sound();
    must_unmap(HEAP_BASE, SIZE_4K);
    must_unmap(SCRATCH_BASE, SIZE_4K);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(kernel_space_free_pages(pages[i]), MM_OK);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(kernel_space_unmap_device(device[i]), MM_OK);
    sound();
}

static void every_planted_leaf_is_found(void **state)
{
    (void)state;
    const struct {
        vaddr_t vaddr;
        paddr_t paddr;
        uint64_t bytes;
        unsigned flags;
        const char *wrong;
    } rows[] = {
        {SCRATCH_BASE, held, SIZE_4K, W | PAGE_EXECUTE, "executable"},
        {RANGES_BASE, held_2m, SIZE_2M, W | PAGE_EXECUTE, "executable"},
        {0, held, SIZE_4K, W, "nothing may be mapped"},
        {0x400000, held, SIZE_4K, 0, "nothing may be mapped"},
        {IMAGE + 0x9000, MIB + 0x9000, SIZE_4K, W, "nothing may be mapped"},
        {IMAGE, MIB, SIZE_4K, W, "no region"},
        {IMAGE + 0x12000, held, SIZE_4K, 0, "no region"},
        {HEAP_BASE + HEAP_BYTES, held, SIZE_4K, W, "no region"},
        {HEAP_BASE, held, SIZE_4K, 0, "other rights"},
        {HEAP_BASE, held, SIZE_4K, PAGE_EXECUTE, "other rights"},
        {HEAP_BASE, held, SIZE_4K, W | PAGE_USER, "other rights"},
        {HEAP_BASE, held, SIZE_4K, W | UC, "other caching"},
        {HEAP_BASE, DEVICE, SIZE_4K, W | WC, "other caching"},
        {DIRECT_MAP_BASE + GIB, held, SIZE_4K, W, "its place in the direct"},
        {DIRECT_MAP_BASE + GIB, GIB, SIZE_4K, W | UC, "other caching"},
        {RANGES_BASE + GIB, held, SIZE_4K, W, "no live range"},
        {SCRATCH_BASE, 32 * MIB, SIZE_4K, W, "is free"},
        {SCRATCH_BASE, 32 * MIB, SIZE_2M, W, "is free"},
        {SCRATCH_BASE, 0, SIZE_1G, W, "is free"},
        {SCRATCH_BASE, held, SIZE_4K, W | UC, "in the direct map"},
        {SCRATCH_BASE, held, SIZE_4K, W | WC, "in the direct map"},
        {SCRATCH_BASE, held_2m, SIZE_2M, W | UC, "in the direct map"},
        {SCRATCH_BASE, 0xb8000, SIZE_4K, W | UC, "in the direct map"},
        {SCRATCH_BASE, TEXT, SIZE_4K, W, "executable at 0xffffffff80101000"},
        {HEAP_BASE, TEXT + 0x3000, SIZE_4K, W, "at 0xffffffff80104000"},
        {SCRATCH_BASE, RODATA, SIZE_4K, W, "constant at 0xffffffff80105000"},
        {HEAP_BASE, RODATA + 0x1000, SIZE_4K, W, "at 0xffffffff80106000"},
    };
    for (unsigned i = 0; i < COUNT(rows); i++) {
        must_map(rows[i].vaddr, rows[i].paddr, rows[i].bytes, rows[i].flags);
        offends(rows[i].vaddr, rows[i].wrong);
        must_unmap(rows[i].vaddr, rows[i].bytes);
        sound();
    }
}

static void every_changed_leaf_is_found(void **state)
{
    (void)state;
    static const struct {
        vaddr_t vaddr;
        unsigned flags, was;
        const char *wrong;
    } rows[] = {
        {IMAGE + 0x1000, PAGE_EXECUTE | W, PAGE_EXECUTE, "executable"},
        {IMAGE + 0x1000, 0, PAGE_EXECUTE, "other rights"},
        {IMAGE + 0x5000, W, 0, "other rights"},
        {IMAGE + 0x7000, 0, W, "other rights"},
        {IMAGE + 0x7000, W | UC, W, "other caching"},
        {DIRECT_MAP_BASE + 32 * MIB, W | PAGE_EXECUTE, W, "executable"},
        {DIRECT_MAP_BASE + 32 * MIB, 0, W, "other rights"},
        {DIRECT_MAP_BASE + 32 * MIB, W | UC, W, "other caching"},
        {DIRECT_MAP_BASE + TEXT, W, 0, "other rights"},
        {DIRECT_MAP_BASE + TEXT + 0x3000, W, 0, "other rights"},
        {DIRECT_MAP_BASE + RODATA, W, 0, "other rights"},
        {DIRECT_MAP_BASE + RODATA + 0x1000, W, 0, "other rights"},
        {DIRECT_MAP_BASE + RODATA + 0x1000, PAGE_EXECUTE, 0, "other rights"},
        {DIRECT_MAP_BASE + RODATA + 0x2000, 0, W, "other rights"},
        {DIRECT_MAP_BASE + TEXT - 0x1000, 0, W, "other rights"},
    };
    for (unsigned i = 0; i < COUNT(rows); i++) {
        struct page_table *table = kernel_space_table();
        vaddr_t at = rows[i].vaddr;
        assert_int_equal(
            page_protect(table, at, SIZE_4K, rows[i].flags | PAGE_GLOBAL),
            MM_OK);
        offends(at, rows[i].wrong);
        assert_int_equal(
            page_protect(table, at, SIZE_4K, rows[i].was | PAGE_GLOBAL), MM_OK);
        sound();
    }
}

static void a_frame_that_is_freed_while_mapped(void **state)
{
    (void)state;
    paddr_t frame = frame_alloc(FRAME_4K);
    must_map(SCRATCH_BASE, frame, SIZE_4K, W);
    sound();
    assert_int_equal(frame_free(frame), MM_OK);
    offends(SCRATCH_BASE, "is free");
    must_unmap(SCRATCH_BASE, SIZE_4K);

    frame = frame_alloc(FRAME_2M);
    must_map(SCRATCH_BASE + SIZE_4K, frame + 5 * SIZE_4K, SIZE_4K, W);
    sound();
    assert_int_equal(frame_free(frame), MM_OK);
    offends(SCRATCH_BASE + SIZE_4K, "is free");
    must_unmap(SCRATCH_BASE + SIZE_4K, SIZE_4K);
    sound();
}

/* The free frame is found behind blocks that are held, of all sizes.  A leaf
 * without one has only this against it, that it shows the image as well. */
static void a_free_frame_behind_others(void **state)
{
    (void)state;
    static paddr_t large[64];
    unsigned count = 0;
    must_map(SCRATCH_BASE, 0, SIZE_1G, W);
    while ((large[count] = frame_alloc(FRAME_2M)) != PADDR_NONE)
        count++;
    paddr_t small = PADDR_NONE, last;
    while ((last = frame_alloc(FRAME_4K)) != PADDR_NONE)
        small = last;
    offends(SCRATCH_BASE, "executable at");
    assert_int_equal(frame_free(small), MM_OK);
    offends(SCRATCH_BASE, "is free");
    assert_int_equal(frame_alloc(FRAME_4K), small);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(frame_free(large[i]), MM_OK);
        offends(SCRATCH_BASE, "is free");
        assert_int_equal(frame_alloc(FRAME_2M), large[i]);
    }
    offends(SCRATCH_BASE, "executable at");
}

static void the_image_is_where_it_is(void **state)
{
    (void)state;
    must_unmap(IMAGE + 0x1000, SIZE_4K);
    must_map(IMAGE + 0x1000, held, SIZE_4K, PAGE_EXECUTE);
    offends(IMAGE + 0x1000, "than the image");

    /* all of it in one leaf, which is larger than the first part */
    const struct kernel_image other = {
        .text = KERNEL_BASE + SIZE_2M,
        .text_end = KERNEL_BASE + SIZE_2M + 0x1000,
        .rodata = KERNEL_BASE + SIZE_2M + 0x1000,
        .rodata_end = KERNEL_BASE + SIZE_2M + 0x2000,
        .data = KERNEL_BASE + SIZE_2M + 0x2000,
        .data_end = KERNEL_BASE + SIZE_2M + 0x3000,
        .stack = {{KERNEL_BASE + SIZE_2M + 0x4000,
                   KERNEL_BASE + SIZE_2M + 0x5000},
                  {KERNEL_BASE + SIZE_2M + 0x6000,
                   KERNEL_BASE + SIZE_2M + 0x7000},
                  {KERNEL_BASE + SIZE_2M + 0x8000,
                   KERNEL_BASE + SIZE_2M + 0x9000},
                  {KERNEL_BASE + SIZE_2M + 0xa000,
                   KERNEL_BASE + SIZE_2M + 0xb000}},
    };
    memory_map_init(&map, 46);
    add(0, 64 * MIB, MEMORY_USABLE);
    assert_int_equal(kernel_space_init(&map, &other), MM_OK);
    must_unmap(other.text, 0x3000);
    for (unsigned i = 0; i < KERNEL_STACKS; i++)
        must_unmap(other.stack[i].bottom, SIZE_4K);
    must_map(other.text, SIZE_2M, SIZE_2M, PAGE_EXECUTE);
    offends(other.text, "runs out");
}

static void ranges_are_mapped_inside_and_while_live(void **state)
{
    (void)state;
    void *pages;
    assert_int_equal(
        kernel_space_alloc_pages(2 * SIZE_4K, SIZE_4K, 3, "pages", &pages),
        MM_OK);
    vaddr_t at = (vaddr_t)pages;
    must_map(at + 2 * SIZE_4K, held, SIZE_4K, W);
    offends(at + 2 * SIZE_4K, "no live range");
    must_unmap(at + 2 * SIZE_4K, SIZE_4K);
    must_map(at - SIZE_4K, held, SIZE_4K, W);
    offends(at - SIZE_4K, "no live range");
    must_unmap(at - SIZE_4K, SIZE_4K);
    sound();
    assert_int_equal(kernel_space_free_pages(pages), MM_OK);
    must_map(at, held, SIZE_4K, W);
    offends(at, "no live range");
    must_unmap(at, SIZE_4K);
    /* a leaf that starts in a range and runs out of it */
    assert_int_equal(
        kernel_space_alloc_pages(SIZE_4K, SIZE_2M, 0, "pages", &pages), MM_OK);
    at = (vaddr_t)pages;
    struct page_walk walk;
    assert_int_equal(page_walk(kernel_space_table(), at, &walk), MM_OK);
    must_unmap(at, SIZE_4K);
    must_map(at, held_2m, SIZE_2M, W);
    offends(at, "no live range");
    must_unmap(at, SIZE_2M);
    must_map(at, walk.paddr, SIZE_4K, W);
    assert_int_equal(kernel_space_free_pages(pages), MM_OK);
    sound();
}

static void devices_are_compared_with_each_other(void **state)
{
    (void)state;
    vaddr_t second = SCRATCH_BASE + SIZE_1G;
    /* many leaves in a row are one stretch */
    must_map(SCRATCH_BASE, 8 * GIB, 8 * MIB, W | WC | PAGE_SMALL);
    must_map(second, 8 * GIB + 4 * MIB, SIZE_4K, W | WC);
    sound();
    must_unmap(second, SIZE_4K);
    must_map(second, 8 * GIB + 4 * MIB, SIZE_4K, W | UC);
    offends(second, "in another place");
    must_unmap(second, SIZE_4K);
    must_map(second, 8 * GIB + 8 * MIB - SIZE_4K, SIZE_4K, W | UC);
    offends(second, "in another place");
    must_unmap(second, SIZE_4K);
    must_map(second, 8 * GIB + 8 * MIB, SIZE_4K, W | UC);
    must_map(second + SIZE_2M, 8 * GIB - SIZE_4K, SIZE_4K, W | UC);
    sound(); /* beside it */
    must_unmap(second, SIZE_4K);
    must_unmap(second + SIZE_2M, SIZE_4K);
    must_map(second, 8 * GIB, SIZE_1G, W);
    offends(second, "in another place");
    must_unmap(second, SIZE_1G);
    must_unmap(SCRATCH_BASE, 8 * MIB);
    /* in a row, but not of one kind */
    must_map(SCRATCH_BASE, 8 * GIB, SIZE_4K, W | WC);
    must_map(SCRATCH_BASE + SIZE_4K, 8 * GIB + SIZE_4K, SIZE_4K, W | UC);
    must_map(second, 8 * GIB + SIZE_4K, SIZE_4K, W | WC);
    offends(second, "in another place");
    must_unmap(second, SIZE_4K);
    must_unmap(SCRATCH_BASE, 2 * SIZE_4K);
    /* past the end of the direct map, where the heap begins */
    must_map(HEAP_BASE, held, SIZE_4K, W);
    must_map(second, DIRECT_MAP_BYTES - SIZE_4K, 2 * SIZE_4K, W | UC);
    sound();
    must_unmap(second, 2 * SIZE_4K);
    must_unmap(HEAP_BASE, SIZE_4K);
    /* more of them than it can hold */
    for (unsigned i = 0; i < 129; i++)
        must_map(SCRATCH_BASE + i * SIZE_4K, 8 * GIB + 2 * i * SIZE_4K, SIZE_4K,
                 W | UC);
    offends(SCRATCH_BASE + 128 * SIZE_4K, "more devices are mapped");
    must_unmap(SCRATCH_BASE, 129 * SIZE_4K);
    sound();
}

/* ---- Aliases, with a plan that lets every leaf be where it is ---- */

static const char *anything(const struct page_leaf *leaf)
{
    (void)leaf;
    return NULL;
}

static bool no_constants(const struct page_leaf *leaf)
{
    (void)leaf;
    return false;
}

static bool audit_aliases(struct page_offence *offence)
{
    const struct page_plan plan = {
        .table = kernel_space_table(),
        .direct_map = DIRECT_MAP_BASE,
        .direct_map_bytes = DIRECT_MAP_BYTES,
        .wrong = anything,
        .is_constant = no_constants,
        .explain = kernel_space_explain,
    };
    return page_audit(&plan, offence);
}

static void no_alias_offends(void)
{
    struct page_offence offence;
    if (!audit_aliases(&offence))
        fail_msg("%s", offence.sentence);
}

static void alias_offends(vaddr_t vaddr, vaddr_t executable)
{
    struct page_offence offence = {.sentence = "none"};
    char words[64];
    snprintf(words, sizeof(words), "is writable, and executable at 0x%lx",
             (unsigned long)executable);
    if (audit_aliases(&offence) || offence.leaf.vaddr != vaddr ||
        strstr(offence.sentence, words) == NULL)
        fail_msg("not 0x%lx %s, but: %s", (unsigned long)vaddr, words,
                 offence.sentence);
    print_message("# %s\n", offence.sentence);
}

static void must_protect(vaddr_t vaddr, uint64_t bytes, unsigned flags)
{
    assert_int_equal(page_protect(kernel_space_table(), vaddr, bytes, flags),
                     MM_OK);
}

/* Its leaf is larger than what is executable, as large, and smaller. */
static void the_direct_map_is_an_alias(void **state)
{
    (void)state;
    const paddr_t inside = held_2m + 3 * SIZE_4K;
    const vaddr_t shown = DIRECT_MAP_BASE + held_2m;
    no_alias_offends();
    must_map(SCRATCH_BASE, inside, SIZE_4K, X);
    alias_offends(shown, SCRATCH_BASE);
    must_protect(shown + 3 * SIZE_4K, SIZE_4K, 0);
    no_alias_offends();
    must_unmap(SCRATCH_BASE, SIZE_4K);
    must_protect(shown, SIZE_2M, W);
    assert_int_equal(page_join(kernel_space_table(), shown, SIZE_2M), MM_OK);
    must_map(0, held_2m, SIZE_2M, X); /* below it, as the trampoline is */
    alias_offends(shown, 0);
    must_protect(shown, SIZE_2M, 0);
    no_alias_offends();
    must_protect(shown + 7 * SIZE_4K, SIZE_4K, W);
    alias_offends(shown + 7 * SIZE_4K, 7 * SIZE_4K);
    must_protect(shown + 7 * SIZE_4K, SIZE_4K, 0);
    no_alias_offends();
    must_unmap(0, SIZE_2M);
    must_protect(shown, SIZE_2M, W);
    no_alias_offends();
}

/* Before and behind what is executable, in one leaf with more, and beside it;
 * in memory that the direct map does not show, too. */
static void every_other_leaf_is_an_alias(void **state)
{
    (void)state;
    const vaddr_t code = SCRATCH_BASE + SIZE_1G, behind = code + SIZE_1G;
    const paddr_t far = 8 * GIB; /* no RAM */
    must_map(code, far + 6 * SIZE_2M, SIZE_2M, X | PAGE_SMALL);
    no_alias_offends();
    must_map(SCRATCH_BASE, far + 6 * SIZE_2M, SIZE_4K, W);
    alias_offends(SCRATCH_BASE, code);
    must_unmap(SCRATCH_BASE, SIZE_4K);
    must_map(behind, far + 7 * SIZE_2M - SIZE_4K, SIZE_4K, W);
    alias_offends(behind, code + SIZE_2M - SIZE_4K);
    must_unmap(behind, SIZE_4K);
    must_map(SCRATCH_BASE, far, SIZE_1G, W);
    alias_offends(SCRATCH_BASE, code);
    must_protect(SCRATCH_BASE, SIZE_1G, 0); /* to read is no offence */
    no_alias_offends();
    must_protect(SCRATCH_BASE, SIZE_1G, X);
    no_alias_offends();
    must_unmap(SCRATCH_BASE, SIZE_1G);
    must_map(SCRATCH_BASE, far + 5 * SIZE_2M, SIZE_2M, W);
    must_map(behind, far + 7 * SIZE_2M, SIZE_2M, W);
    no_alias_offends();
    /* as large as the code itself, and after a second piece of code */
    must_map(behind + SIZE_2M, far + 20 * SIZE_2M, SIZE_2M, X);
    must_map(behind + 2 * SIZE_2M, far + 20 * SIZE_2M, SIZE_2M, W);
    alias_offends(behind + 2 * SIZE_2M, behind + SIZE_2M);
}

/* More pieces of code than can be compared are an offence, never overlooked. */
static void too_many_pieces_of_code(void **state)
{
    (void)state;
    struct page_offence offence;
    unsigned count = 0;
    no_alias_offends(); /* text is one piece, constants are not asked for */
    for (; count < 127; count++)
        must_map(SCRATCH_BASE + 2 * count * SIZE_4K,
                 8 * GIB + 2 * count * SIZE_4K, SIZE_4K, X);
    no_alias_offends();
    must_map(SCRATCH_BASE + 2 * count * SIZE_4K, 8 * GIB + 2 * count * SIZE_4K,
             SIZE_4K, X);
    assert_false(audit_aliases(&offence));
    assert_non_null(strstr(offence.sentence, "more pieces"));
}

/* RAM of 1 TiB in leaves of 2M, and of 16 TiB, is no loop over its frames. */
static void leaves_of_2m_are_quick(void **state)
{
    (void)state;
    host_has_1g_pages = 0;
    memory_map_init(&map, 46);
    assert_int_equal(frame_init(&map, HOST_MEMORY_BYTES), MM_OUT_OF_MEMORY);
    add(0, 64 * MIB, MEMORY_USABLE);
    add(0, MIB, MEMORY_RESERVED);
    add(MIB, MIB + 0x12000, MEMORY_KERNEL);
    add(4 * GIB, TIB, MEMORY_USABLE);
    assert_int_equal(kernel_space_init(&map, &image), MM_OK);
    host_has_1g_pages = 1;
    clock_t begun = clock();
    sound();
    clock_t took = clock() - begun;
    print_message("# 1 TiB in leaves of 2M: %ld ms\n",
                  (long)(took * 1000 / CLOCKS_PER_SEC));
    assert_true(took < CLOCKS_PER_SEC / 2);
}

static void leaves_of_1g_are_quick(void **state)
{
    (void)state;
    /* no frame trees: those of 16 TiB would not fit here */
    memory_map_init(&map, 46);
    assert_int_equal(frame_init(&map, HOST_MEMORY_BYTES), MM_OUT_OF_MEMORY);
    add(0, 64 * MIB, MEMORY_USABLE);
    add(0, MIB, MEMORY_RESERVED);
    add(MIB, MIB + 0x12000, MEMORY_KERNEL);
    add(4 * GIB, 16 * TIB, MEMORY_USABLE);
    assert_int_equal(kernel_space_init(&map, &image), MM_OK);
    clock_t begun = clock();
    sound();
    assert_true(clock() - begun < CLOCKS_PER_SEC / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_space_is_sound, start),
        cmocka_unit_test_setup(every_planted_leaf_is_found, start),
        cmocka_unit_test_setup(every_changed_leaf_is_found, start),
        cmocka_unit_test_setup(a_frame_that_is_freed_while_mapped, start),
        cmocka_unit_test_setup(a_free_frame_behind_others, start),
        cmocka_unit_test_setup(the_image_is_where_it_is, start),
        cmocka_unit_test_setup(ranges_are_mapped_inside_and_while_live, start),
        cmocka_unit_test_setup(devices_are_compared_with_each_other, start),
        cmocka_unit_test_setup(the_direct_map_is_an_alias, start),
        cmocka_unit_test_setup(every_other_leaf_is_an_alias, start),
        cmocka_unit_test_setup(too_many_pieces_of_code, start),
        cmocka_unit_test_setup(leaves_of_2m_are_quick, start),
        cmocka_unit_test_setup(leaves_of_1g_are_quick, start),
    };
    return cmocka_run_group_tests_name("page_audit", tests, NULL, NULL);
}
