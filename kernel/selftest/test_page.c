/* Page tables, as the CPU sees them. */
#include "kernel/image.h"
#include "kernel/selftest/selftest.h"
#include "lib/bits.h"
#include "mm/frame.h"
#include "mm/kernel_space.h"
#include "mm/platform.h"

static volatile uint64_t *word_at(vaddr_t address)
{
    return (volatile uint64_t *)address;
}

static void map_and_look(enum frame_size size)
{
    struct page_table *table = kernel_space_table();
    uint64_t bytes = frame_bytes(size);
    paddr_t frame = frame_alloc(size);
    if (frame == PADDR_NONE)
        return;
    enum mm_error mapped =
        page_map(table, SCRATCH_BASE, frame, bytes, PAGE_WRITE);
    enum mm_error again =
        page_map(table, SCRATCH_BASE, frame, bytes, PAGE_WRITE);
    uint64_t seen = 0;
    paddr_t found = PADDR_NONE;
    if (mapped == MM_OK) {
        *(volatile uint64_t *)phys_to_virt(frame + bytes - 8) = 0x1e5c0955;
        seen = *word_at(SCRATCH_BASE + bytes - 8);
        found = page_translate(table, SCRATCH_BASE + bytes - 8);
    }
    enum mm_error unmapped = page_unmap(table, SCRATCH_BASE, bytes);
    enum mm_error absent = page_unmap(table, SCRATCH_BASE, bytes);
    enum mm_error freed = frame_free(frame);
    EXPECT(mapped == MM_OK, "map: %s", mm_error_name(mapped));
    EXPECT(again == MM_ALREADY_MAPPED, "again: %s", mm_error_name(again));
    EXPECT(seen == 0x1e5c0955, "read 0x%lx", seen);
    EXPECT(found == frame + bytes - 8, "0x%lx, frame 0x%lx", found, frame);
    EXPECT(unmapped == MM_OK, "unmap: %s", mm_error_name(unmapped));
    EXPECT(absent == MM_NOT_MAPPED, "twice: %s", mm_error_name(absent));
    EXPECT(freed == MM_OK, "free: %s", mm_error_name(freed));
}

SELFTEST(page, maps_4k)
{
    map_and_look(FRAME_4K);
}

SELFTEST(page, maps_2m)
{
    map_and_look(FRAME_2M);
}

SELFTEST(page, maps_1g)
{
    map_and_look(FRAME_1G);
}

/* An address that was unmapped and mapped to another frame must show the other
 * frame: a TLB entry that was left behind would show the first. */
SELFTEST(page, forgets_stale_translations)
{
    struct page_table *table = kernel_space_table();
    paddr_t frame[2] = {frame_alloc(FRAME_4K), frame_alloc(FRAME_4K)};
    EXPECT(frame[0] != PADDR_NONE && frame[1] != PADDR_NONE, "no frames");
    uint64_t seen[2] = {0, 0};
    for (unsigned i = 0; i < 2; i++) {
        *(volatile uint64_t *)phys_to_virt(frame[i]) = 100 + i;
        if (page_map(table, SCRATCH_BASE, frame[i], PAGE_SIZE, PAGE_WRITE) !=
            MM_OK)
            break;
        seen[i] = *word_at(SCRATCH_BASE);
        if (page_unmap(table, SCRATCH_BASE, PAGE_SIZE) != MM_OK)
            break;
    }
    enum mm_error freed[2] = {frame_free(frame[0]), frame_free(frame[1])};
    EXPECT(seen[0] == 100 && seen[1] == 101, "saw %lu and %lu", seen[0],
           seen[1]);
    EXPECT(freed[0] == MM_OK && freed[1] == MM_OK, "%s, %s",
           mm_error_name(freed[0]), mm_error_name(freed[1]));
}

/* The page at SCRATCH_BASE is mapped: beside it one page takes a shorter way.
 */
static void refuse_nonsense(void)
{
    struct page_table *table = kernel_space_table();
    const vaddr_t beside = SCRATCH_BASE + PAGE_SIZE;
    const uint64_t without_sign = (UINT64_C(1) << 48) - 1;
    const struct {
        vaddr_t vaddr;
        paddr_t paddr;
        uint64_t bytes;
        enum mm_error error;
    } rows[] = {
        {SCRATCH_BASE + 1, 0, PAGE_SIZE, MM_MISALIGNED},
        {SCRATCH_BASE, 1, PAGE_SIZE, MM_MISALIGNED},
        {SCRATCH_BASE, 0, 0, MM_EMPTY_RANGE},
        {UINT64_C(1) << 47, 0, PAGE_SIZE, MM_NON_CANONICAL},
        {beside, UINT64_C(1) << 60, PAGE_SIZE, MM_OUT_OF_RANGE},
        {beside, UINT64_C(1) << platform_paddr_bits(), PAGE_SIZE,
         MM_OUT_OF_RANGE},
        {beside & without_sign, 0, PAGE_SIZE, MM_NON_CANONICAL},
        {SCRATCH_BASE, 0, PAGE_SIZE, MM_ALREADY_MAPPED},
        {(vaddr_t)text_start, 0, PAGE_SIZE, MM_ALREADY_MAPPED},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum mm_error error = page_map(table, rows[i].vaddr, rows[i].paddr,
                                       rows[i].bytes, PAGE_WRITE);
        EXPECT(error == rows[i].error, "row %u: %s", i, mm_error_name(error));
    }
    enum mm_error error =
        page_unmap(table, SCRATCH_BASE & without_sign, PAGE_SIZE);
    EXPECT(error == MM_NON_CANONICAL, "%s", mm_error_name(error));
}

SELFTEST(page, refuses_nonsense)
{
    struct page_table *table = kernel_space_table();
    paddr_t frame = frame_alloc(FRAME_4K);
    EXPECT(frame != PADDR_NONE, "no frame");
    enum mm_error error[3];
    error[0] = page_map(table, SCRATCH_BASE, frame, PAGE_SIZE, PAGE_WRITE);
    refuse_nonsense();
    error[1] = page_unmap(table, SCRATCH_BASE, PAGE_SIZE);
    error[2] = frame_free(frame);
    for (unsigned i = 0; i < 3; i++)
        EXPECT(error[i] == MM_OK, "step %u: %s", i, mm_error_name(error[i]));
}

/* More pages than are invalidated one by one: the whole TLB is flushed. */
SELFTEST(page, forgets_many_stale_translations)
{
    enum { PAGES = 100 };
    struct page_table *table = kernel_space_table();
    static paddr_t frame[2 * PAGES];
    for (unsigned i = 0; i < 2 * PAGES; i++) {
        frame[i] = frame_alloc(FRAME_4K);
        EXPECT(frame[i] != PADDR_NONE, "frame %u", i);
        *(volatile uint64_t *)phys_to_virt(frame[i]) = i;
    }
    unsigned wrong = 0, errors = 0;
    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < PAGES; i++)
            errors += page_map(table, SCRATCH_BASE + i * PAGE_SIZE,
                               frame[pass * PAGES + i], PAGE_SIZE,
                               PAGE_WRITE | PAGE_GLOBAL) != MM_OK;
        for (unsigned i = 0; i < PAGES && errors == 0; i++)
            wrong += *word_at(SCRATCH_BASE + i * PAGE_SIZE) != pass * PAGES + i;
        errors += page_unmap(table, SCRATCH_BASE, PAGES * PAGE_SIZE) != MM_OK;
    }
    for (unsigned i = 0; i < 2 * PAGES; i++)
        errors += frame_free(frame[i]) != MM_OK;
    EXPECT(errors == 0 && wrong == 0, "%u errors, %u stale pages", errors,
           wrong);
}

/* The CPU sets the dirty bit when it writes, unless its TLB says that it has
 * already: so the bit comes back only if clearing it was made known. */
SELFTEST(page, dirty_bit_comes_back)
{
    struct page_table *table = kernel_space_table();
    paddr_t frame = frame_alloc(FRAME_4K);
    EXPECT(frame != PADDR_NONE, "no frame");
    enum mm_error mapped =
        page_map(table, SCRATCH_BASE, frame, PAGE_SIZE, PAGE_WRITE);
    unsigned was[2] = {0, 0};
    unsigned errors = mapped != MM_OK;
    for (unsigned i = 0; i < 2 && errors == 0; i++) {
        *word_at(SCRATCH_BASE) = i;
        errors += page_test_and_clear(table, SCRATCH_BASE, PAGE_DIRTY,
                                      &was[i]) != MM_OK;
    }
    errors += page_unmap(table, SCRATCH_BASE, PAGE_SIZE) != MM_OK;
    errors += frame_free(frame) != MM_OK;
    EXPECT(errors == 0, "%u errors", errors);
    EXPECT(was[0] == PAGE_DIRTY && was[1] == PAGE_DIRTY, "0x%x, 0x%x", was[0],
           was[1]);
}

/* A large page in pieces, one of them protected, and joined again. */
SELFTEST(page, splits_and_joins)
{
    struct page_table *table = kernel_space_table();
    paddr_t frame = frame_alloc(FRAME_2M);
    if (frame == PADDR_NONE) /* a machine of a few megabytes */
        return;
    const vaddr_t inside = SCRATCH_BASE + 5 * PAGE_SIZE;
    struct page_walk whole, piece, joined;
    enum mm_error error[6];
    error[0] = page_map(table, SCRATCH_BASE, frame, SIZE_2M, PAGE_WRITE);
    *word_at(inside) = 1;
    page_walk(table, inside, &whole);
    error[1] = page_protect(table, inside, PAGE_SIZE, 0);
    page_walk(table, inside, &piece);
    uint64_t read = *word_at(inside);
    *word_at(inside + PAGE_SIZE) = 2;
    error[2] = page_protect(table, inside, PAGE_SIZE, PAGE_WRITE);
    *word_at(inside) = 3;
    error[3] = page_join(table, SCRATCH_BASE, SIZE_2M);
    page_walk(table, inside, &joined);
    uint64_t sum = *word_at(inside) + *word_at(inside + PAGE_SIZE);
    error[4] = page_unmap(table, SCRATCH_BASE, SIZE_2M);
    error[5] = frame_free(frame);
    for (unsigned i = 0; i < 6; i++)
        EXPECT(error[i] == MM_OK, "step %u: %s", i, mm_error_name(error[i]));
    EXPECT(whole.leaf.bytes == SIZE_2M && piece.leaf.bytes == SIZE_4K &&
               joined.leaf.bytes == SIZE_2M,
           "leaves of 0x%lx, 0x%lx, 0x%lx", whole.leaf.bytes, piece.leaf.bytes,
           joined.leaf.bytes);
    EXPECT(!(piece.leaf.flags & PAGE_WRITE), "flags 0x%x", piece.leaf.flags);
    EXPECT(read == 1 && sum == 5, "read %lu, then %lu", read, sum);
}

SELFTEST(page, all_ram_is_in_the_direct_map)
{
    const struct memory_map *map = &selftest_boot_info->map;
    for (unsigned i = 0; i < map->count; i++) {
        const struct memory_range *range = &map->range[i];
        if (!memory_type_is_free(range->type))
            continue;
        /* 2M steps: no leaf of the direct map is smaller */
        for (paddr_t p = range->start; p < range->end; p += SIZE_2M) {
            paddr_t found =
                page_translate(kernel_space_table(), DIRECT_MAP_BASE + p);
            EXPECT(found == p, "0x%lx shows 0x%lx", p, found);
        }
    }
}

SELFTEST(page, large_leaves_are_used)
{
    const struct memory_map *map = &selftest_boot_info->map;
    for (unsigned i = 0; i < map->count; i++) {
        const struct memory_range *range = &map->range[i];
        paddr_t gib = (range->start + SIZE_1G - 1) & ~(SIZE_1G - 1);
        if (range->type != MEMORY_USABLE || gib + SIZE_1G > range->end)
            continue;
        struct page_walk walk;
        enum mm_error error =
            page_walk(kernel_space_table(), DIRECT_MAP_BASE + gib, &walk);
        uint64_t want = platform_has_1g_pages() ? SIZE_1G : SIZE_2M;
        EXPECT(error == MM_OK && walk.leaf.bytes == want,
               "0x%lx: %s, a leaf of 0x%lx", gib, mm_error_name(error),
               walk.leaf.bytes);
    }
}

/* And nothing but RAM: what is no memory in any 2M around is not there. */
SELFTEST(page, the_direct_map_has_the_holes_of_the_map)
{
    const struct memory_map *map = &selftest_boot_info->map;
    for (unsigned i = 1; i < map->count; i++) {
        paddr_t hole = align_up(map->range[i - 1].end, SIZE_2M);
        if (hole + SIZE_2M > map->range[i].start || hole >= DIRECT_MAP_BYTES)
            continue;
        paddr_t found =
            page_translate(kernel_space_table(), DIRECT_MAP_BASE + hole);
        EXPECT(found == PADDR_NONE, "the hole at 0x%lx is mapped", hole);
    }
}
