/* What every back-end of the heap must do, in any region. */
#include "tests/shared/heap_conformance.h"

#include "lib/bits.h"
#include "lib/string.h"
#include "mm/heap/backend.h"

/* Both values go to the report. */
#define CHECK(run, condition, first, second)                                   \
    do {                                                                       \
        if (!(condition)) {                                                    \
            (run)->failed((run), &(struct heap_conformance_failure){           \
                                     __FILE__,                                 \
                                     __LINE__,                                 \
                                     #condition,                               \
                                     {(uint64_t)(first), (uint64_t)(second)},  \
                                     (run)->operation,                         \
                                 });                                           \
            return false;                                                      \
        }                                                                      \
    } while (0)

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* splitmix64 (Steele, Lea and Flood, 2014): any seed is a good one. */
static uint64_t random_word(struct heap_conformance *run)
{
    uint64_t z = run->random += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static uint64_t random_below(struct heap_conformance *run, uint64_t limit)
{
    return random_word(run) % limit;
}

/* As many of each power of two, so that small ones are frequent. */
static size_t random_size(struct heap_conformance *run, size_t most)
{
    size_t most_shift = 63 - (size_t)__builtin_clzll(most);
    size_t top = (size_t)1 << random_below(run, most_shift + 1);

    return least(most, top + random_below(run, top));
}

static size_t random_align(struct heap_conformance *run)
{
    return (size_t)1 << random_below(run, random_below(run, 8) ? 7 : 13);
}

/* The reference model. */

/* What fills a block: words, since the kernel's self-tests run this emulated,
 * and of the last one as many bytes as there are. */
typedef uint64_t pattern_word __attribute__((aligned(1), may_alias));

#define WORD sizeof(pattern_word)

static uint64_t pattern(uint64_t key, size_t i)
{
    return (key + i / WORD) * 0x9e3779b97f4a7c15;
}

static unsigned char pattern_byte(uint64_t key, size_t i)
{
    return (unsigned char)(pattern(key, i) >> i % WORD * 8);
}

static void fill(const struct heap_conformance_block *block, size_t from)
{
    size_t i = from, size = block->layout.size;

    for (; i < size && i % WORD != 0; i++)
        block->start[i] = pattern_byte(block->key, i);
    for (; size - i >= WORD; i += WORD)
        *(pattern_word *)(block->start + i) = pattern(block->key, i);
    for (; i < size; i++)
        block->start[i] = pattern_byte(block->key, i);
}

/* The first of size bytes that is not as it was filled, or size. */
static size_t first_changed(const struct heap_conformance_block *block,
                            size_t size)
{
    size_t i = 0;

    while (size - i >= WORD &&
           *(const pattern_word *)(block->start + i) == pattern(block->key, i))
        i += WORD;
    while (i < size && block->start[i] == pattern_byte(block->key, i))
        i++;
    return i;
}

static size_t first_not_zero(const unsigned char *start, size_t size)
{
    size_t i = 0;

    while (size - i >= WORD && *(const pattern_word *)(start + i) == 0)
        i += WORD;
    while (i < size && start[i] == 0)
        i++;
    return i;
}

/* Whether the heap knows no more of a block than its slot: see
 * mm/heap/slab/trust.c. */
static bool knows_slots_only(const struct heap *heap)
{
    return heap->checks == HEAP_CHECKS_OFF && heap->backend == &heap_slab;
}

/* Whether the blocks of the model and the sums of all classes are those that
 * the heap tells of. */
static bool classes_add_up(struct heap_conformance *run,
                           const struct heap_stats *stats)
{
    struct heap_class class, sum = {0};
    size_t below = 0;
    unsigned number = 0;

    for (; heap_class(&run->heap, number, &class); number++) {
        size_t blocks = 0, requested = 0;

        for (size_t i = 0; i < HEAP_CONFORMANCE_BLOCKS; i++) {
            size_t size = run->blocks[i].layout.size;

            if (run->blocks[i].start && size > below && size <= class.most) {
                blocks++;
                requested += size;
            }
        }
        if (!knows_slots_only(&run->heap) &&
            (class.blocks != blocks || class.requested != requested ||
             class.held < requested || class.peak_blocks < blocks))
            return false;
        sum.blocks += class.blocks;
        sum.requested += class.requested;
        sum.held += class.held;
        below = class.most;
    }
    return number == 0 ||
           (sum.blocks == stats->blocks && sum.requested == stats->requested &&
            sum.held == stats->held);
}

static bool sound(struct heap_conformance *run)
{
    struct heap_stats stats = heap_stats(&run->heap);
    struct heap_flaw flaw = heap_check(&run->heap);
    size_t blocks = 0, requested = 0;

    CHECK(run, !flaw.what, flaw.place, flaw.what);
    for (size_t i = 0; i < HEAP_CONFORMANCE_BLOCKS; i++)
        if (run->blocks[i].start) {
            blocks++;
            requested += run->blocks[i].layout.size;
        }
    CHECK(run, stats.blocks == blocks, stats.blocks, blocks);
    if (knows_slots_only(&run->heap))
        CHECK(run,
              stats.requested >= requested && stats.requested <= stats.held,
              stats.requested, requested);
    else
        CHECK(run, stats.requested == requested, stats.requested, requested);
    /* as it takes long, not each time */
    if (run->audits++ % 16 == 0)
        CHECK(run, classes_add_up(run, &stats), stats.blocks, stats.held);
    CHECK(run, stats.held >= requested, stats.held, requested);
    CHECK(run, stats.held <= stats.region, stats.held, stats.region);
    CHECK(run, stats.peak_held >= stats.held, stats.peak_held, stats.held);
    return true;
}

/* Whether a block that the heap gave lies where it may. */
static bool well_placed(struct heap_conformance *run,
                        const struct heap_conformance_block *block)
{
    size_t usable = heap_usable_size_in(&run->heap, block->start);
    vaddr_t start = (vaddr_t)block->start;
    vaddr_t region = (vaddr_t)run->heap.region.start;
    /* where memory comes in pieces, size does not tell where they are */
    size_t extent =
        run->region.back ? run->region.limit : run->heap.region.size;

    CHECK(run, is_aligned(start, block->layout.align), start,
          block->layout.align);
    CHECK(run, usable >= block->layout.size, usable, block->layout.size);
    CHECK(run, start >= region && start + usable <= region + extent, start,
          usable);
    for (size_t i = 0; i < HEAP_CONFORMANCE_BLOCKS; i++) {
        const struct heap_conformance_block *other = &run->blocks[i];
        vaddr_t other_start = (vaddr_t)other->start;

        CHECK(run,
              other == block || !other->start ||
                  start + usable <= other_start ||
                  other_start + other->layout.size <= start,
              start, other_start);
    }
    return true;
}

/* Gives the model's block a new one, and checks it. */
static bool adopt(struct heap_conformance *run,
                  struct heap_conformance_block *block, void *start,
                  struct layout layout)
{
    *block = (struct heap_conformance_block){start, layout, random_word(run)};
    if (!well_placed(run, block))
        return false;
    fill(block, 0);
    return true;
}

static bool drop(struct heap_conformance *run,
                 struct heap_conformance_block *block, bool sized)
{
    size_t i = first_changed(block, block->layout.size);

    CHECK(run, i == block->layout.size, block->start, i);
    if (sized)
        heap_dealloc_in(&run->heap, block->start, block->layout);
    else
        heap_free_in(&run->heap, block->start);
    block->start = NULL;
    return true;
}

static bool drop_all(struct heap_conformance *run)
{
    for (size_t i = 0; i < HEAP_CONFORMANCE_BLOCKS; i++)
        if (run->blocks[i].start && !drop(run, &run->blocks[i], i & 1))
            return false;
    return true;
}

/* NULL came back: for want of memory, and counted. */
static bool refused(struct heap_conformance *run, enum mm_error expected,
                    uint64_t failures_before)
{
    enum mm_error error = heap_error_in(&run->heap);
    uint64_t failures = heap_stats(&run->heap).failures;

    CHECK(run, error == expected, error, expected);
    CHECK(run, failures == failures_before + 1, failures, failures_before);
    return true;
}

/* Has the heap resize a block, and checks what became of it. */
static bool reallocate(struct heap_conformance *run,
                       struct heap_conformance_block *block, size_t new_size)
{
    struct heap_conformance_block before = *block;
    uint64_t failures = heap_stats(&run->heap).failures;
    size_t kept = least(before.layout.size, new_size);
    void *start =
        heap_realloc_in(&run->heap, before.start, before.layout, new_size);

    if (start) {
        block->start = start;
        block->layout.size = new_size;
        if (!well_placed(run, block))
            return false;
        size_t i = first_changed(block, kept);
        CHECK(run, i == kept, i, kept);
        fill(block, kept);
        return true;
    }

    size_t i = first_changed(block, block->layout.size);
    CHECK(run, i == block->layout.size, i, block->layout.size);
    return refused(run, MM_OUT_OF_MEMORY, failures);
}

/* The largest block that the heap gives now. */
static size_t largest(struct heap_conformance *run)
{
    size_t fits = 0, bound = run->heap.region.limit + 1;

    while (fits + 1 < bound) {
        struct layout layout = {fits + (bound - fits) / 2, 1};
        void *start = heap_alloc_in(&run->heap, layout);

        if (start) {
            heap_dealloc_in(&run->heap, start, layout);
            fits = layout.size;
        } else {
            bound = layout.size;
        }
    }
    return fits;
}

/* The checks. */

static bool check_bad_layouts(struct heap_conformance *run)
{
    static const struct {
        struct layout layout;
        enum mm_error error;
    } rows[] = {
        {{0, 1}, MM_EMPTY_RANGE},
        {{0, 3}, MM_EMPTY_RANGE},
        {{8, 0}, MM_BAD_ALIGNMENT},
        {{8, 3}, MM_BAD_ALIGNMENT},
        {{8, 24}, MM_BAD_ALIGNMENT},
        {{8, HEAP_ALIGN_MAX * 2}, MM_BAD_ALIGNMENT},
        {{8, (size_t)1 << 63}, MM_BAD_ALIGNMENT},
        {{SIZE_MAX, 1}, MM_RANGE_WRAPS},
        {{(size_t)PTRDIFF_MAX + 1, 1}, MM_RANGE_WRAPS},
        {{PTRDIFF_MAX, 2}, MM_RANGE_WRAPS},
        {{PTRDIFF_MAX - 4094, 4096}, MM_RANGE_WRAPS},
        {{PTRDIFF_MAX - 4095, 4096}, MM_OUT_OF_MEMORY},
        {{PTRDIFF_MAX, 1}, MM_OUT_OF_MEMORY},
        {{PTRDIFF_MAX - HEAP_ALIGN_MAX + 1, HEAP_ALIGN_MAX}, MM_OUT_OF_MEMORY},
    };
    const struct layout good = {100, 8};
    struct heap_conformance_block *block = &run->blocks[0];
    void *start = heap_alloc_in(&run->heap, good);

    CHECK(run, start, 0, 0);
    if (!adopt(run, block, start, good))
        return false;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct layout bad = rows[i].layout;
        void *(*const functions[])(struct heap *, struct layout) = {
            heap_alloc_in, heap_alloc_zeroed_in, heap_alloc_back_in};

        for (size_t j = 0; j < sizeof(functions) / sizeof(functions[0]); j++) {
            uint64_t failures = heap_stats(&run->heap).failures;

            start = functions[j](&run->heap, bad);
            CHECK(run, !start, start, i);
            if (!refused(run, rows[i].error, failures))
                return false;
        }

        uint64_t failures = heap_stats(&run->heap).failures;
        if (bad.size == 0 || bad.size > PTRDIFF_MAX) {
            start = heap_realloc_in(&run->heap, block->start, good, bad.size);
            CHECK(run, !start, start, i);
            if (!refused(run, rows[i].error, failures))
                return false;
        }
    }
    return sound(run) && drop(run, block, true) && sound(run);
}

static bool check_alignment(struct heap_conformance *run)
{
    static const size_t sizes[] = {1, 15, 16, 17, 4096, 5000};
    struct heap_conformance_block *block = &run->blocks[0];

    for (size_t align = 1; align <= HEAP_ALIGN_MAX; align *= 2)
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            struct layout layout = {sizes[i], align};
            bool back = (i & 1) != 0;
            void *start = back ? heap_alloc_back_in(&run->heap, layout)
                               : heap_alloc_in(&run->heap, layout);

            /* wherever the region starts, so much holds an aligned block; a
             * guarded one has a zone as large as its alignment */
            if (run->region.limit >=
                (run->heap.guard ? 4 : 2) * align + sizes[i] + 4096)
                CHECK(run, start, align, sizes[i]);
            if (!start)
                continue;
            if (!adopt(run, block, start, layout) || !sound(run) ||
                !drop(run, block, i & 2))
                return false;
        }
    return sound(run);
}

static bool check_zeroed_after_realloc(struct heap_conformance *run)
{
    struct heap_conformance_block *block = &run->blocks[0];

    /* grows and shrinks into memory that no block was in before */
    size_t most = run->region.limit / (run->heap.guard ? 16 : 8);
    for (size_t size = 64; size <= most; size *= 2) {
        struct layout layout = {size, 16};
        void *start = heap_alloc_in(&run->heap, layout);

        CHECK(run, start, size, 0);
        if (!adopt(run, block, start, layout) ||
            !reallocate(run, block, size + size / 2) ||
            !reallocate(run, block, size / 2) || !drop(run, block, true))
            return false;

        layout.size = 2 * size;
        start = heap_alloc_zeroed_in(&run->heap, layout);
        CHECK(run, start, size, 0);
        size_t dirty = first_not_zero(start, layout.size);
        CHECK(run, dirty == layout.size, dirty, layout.size);
        heap_free_in(&run->heap, start);
    }
    return sound(run);
}

static bool check_zeroed(struct heap_conformance *run)
{
    for (size_t round = 0; round < 4; round++) {
        for (size_t i = 0; i < 64; i++) {
            struct layout layout = {1 + random_below(run, 500),
                                    (size_t)1 << random_below(run, 8)};
            unsigned char *start = heap_alloc_zeroed_in(&run->heap, layout);
            CHECK(run, start, layout.size, layout.align);
            size_t dirty = first_not_zero(start, layout.size);
            CHECK(run, dirty == layout.size, dirty, layout.size);
            if (!adopt(run, &run->blocks[i], start, layout))
                return false;
            memset(start, 0xff, heap_usable_size_in(&run->heap, start));
            fill(&run->blocks[i], 0);
        }
        if (!sound(run))
            return false;
        /* with holes left, the next round meets old and new memory */
        for (size_t i = 0; i < 64; i++)
            if (((i + round) % 3 || round == 3) &&
                !drop(run, &run->blocks[i], false))
                return false;
        for (size_t i = 0; i < 64; i++)
            if (run->blocks[i].start && !drop(run, &run->blocks[i], true))
                return false;
    }
    return sound(run);
}

static bool check_realloc(struct heap_conformance *run)
{
    static const size_t sizes[] = {
        1, 16, 17, 31, 32, 33, 48, 100, 4000, 4096, 100, 96, 80, 65, 64, 63, 1,
    };
    const struct layout first = {sizes[0], 64};

    /* one with free memory behind it, one with a neighbour */
    for (size_t neighbours = 0; neighbours < 2; neighbours++) {
        struct heap_conformance_block *block = &run->blocks[0];
        void *start = heap_alloc_in(&run->heap, first);

        CHECK(run, start, 0, 0);
        if (!adopt(run, block, start, first))
            return false;
        for (size_t i = 1; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            if (neighbours) {
                start = heap_alloc_in(&run->heap, first);
                CHECK(run, start, 0, 0);
                if (!adopt(run, &run->blocks[i], start, first))
                    return false;
            }
            if (!reallocate(run, block, sizes[i]) || !sound(run))
                return false;
            CHECK(run, block->layout.size == sizes[i], sizes[i], neighbours);
        }
        /* larger than the region: it stays as it is */
        size_t size = block->layout.size;
        if (!reallocate(run, block, run->region.limit))
            return false;
        CHECK(run, block->layout.size == size, block->layout.size, size);
        if (!drop_all(run) || !sound(run))
            return false;
    }
    return true;
}

/* Fills the heap with blocks of the same layout; returns how many. */
static bool exhaust(struct heap_conformance *run, struct layout layout,
                    size_t *count)
{
    for (*count = 0; *count < HEAP_CONFORMANCE_BLOCKS; ++*count) {
        uint64_t failures = heap_stats(&run->heap).failures;
        void *start = heap_alloc_in(&run->heap, layout);

        if (!start)
            return refused(run, MM_OUT_OF_MEMORY, failures);
        if (!adopt(run, &run->blocks[*count], start, layout))
            return false;
    }
    CHECK(run, *count < HEAP_CONFORMANCE_BLOCKS, *count, layout.size);
    return true;
}

static bool check_exhaustion(struct heap_conformance *run)
{
    struct layout layout = {run->region.limit / 64, 32};
    size_t at_first, again;

    if (!exhaust(run, layout, &at_first) || !sound(run))
        return false;
    CHECK(run, at_first > (run->heap.guard ? 16 : 32), at_first, layout.size);

    /* it goes on working: what is freed can be had again */
    for (size_t i = 0; i < 3; i++) {
        struct heap_conformance_block *last = &run->blocks[at_first - 1];

        if (!drop(run, last, false) || !sound(run))
            return false;
        void *start = heap_alloc_in(&run->heap, layout);
        CHECK(run, start, i, at_first);
        if (!adopt(run, last, start, layout))
            return false;
        uint64_t failures = heap_stats(&run->heap).failures;
        start = heap_alloc_in(&run->heap, layout);
        CHECK(run, !start, i, at_first);
        if (!refused(run, MM_OUT_OF_MEMORY, failures))
            return false;
    }

    if (!drop_all(run) || !sound(run))
        return false;
    /* what is too much ends a quarantine, as any want of memory does */
    void *none =
        heap_alloc_in(&run->heap, (struct layout){run->region.limit, 1});
    CHECK(run, !none, none, 0);
    if (!exhaust(run, layout, &again))
        return false;
    CHECK(run, again == at_first, again, at_first);
    return drop_all(run) && sound(run);
}

static size_t guarded_grow(void *context, size_t bytes)
{
    struct heap_conformance *run = context;

    return run->refuse_growth ? 0
                              : run->region.grow(run->region.context, bytes);
}

static bool guarded_back(void *context, void *start, size_t bytes)
{
    struct heap_conformance *run = context;

    return !run->refuse_growth &&
           run->region.back(run->region.context, start, bytes);
}

static size_t passed_unback(void *context, void *start, size_t bytes)
{
    struct heap_conformance *run = context;

    return run->region.unback(run->region.context, start, bytes);
}

static bool passed_has_memory(void *context, const void *page)
{
    struct heap_conformance *run = context;

    return run->region.has_memory(run->region.context, page);
}

static bool check_failing_growth(struct heap_conformance *run)
{
    const struct layout small = {64, 16};
    struct heap_conformance_block *block = &run->blocks[0];
    void *start = heap_alloc_in(&run->heap, small);
    size_t usable_now = run->heap.region.size;
    struct layout large = {usable_now + 1, 16};

    CHECK(run, start, 0, 0);
    if (!adopt(run, block, start, small))
        return false;

    run->refuse_growth = true;
    for (size_t i = 0; i < 3; i++) {
        uint64_t failures = heap_stats(&run->heap).failures;

        start = heap_alloc_in(&run->heap, large);
        CHECK(run, !start, start, i);
        if (!refused(run, MM_OUT_OF_MEMORY, failures) ||
            !reallocate(run, block, large.size))
            return false;
        CHECK(run, block->layout.size == small.size, block->layout.size, i);
        CHECK(run, run->heap.region.size <= usable_now, run->heap.region.size,
              usable_now);
        if (!sound(run))
            return false;
    }

    run->refuse_growth = false;
    start = heap_alloc_in(&run->heap, large);
    CHECK(run, start || !run->region.grow || run->region.limit < 3 * large.size,
          start, large.size);
    if (start && !adopt(run, &run->blocks[1], start, large))
        return false;
    return sound(run) && drop_all(run) && sound(run);
}

/* Bytes of the region that have memory, where that is known. */
static size_t memory(const struct heap_conformance *run)
{
    const struct heap_region *region = &run->region;
    size_t bytes = 0;

    for (size_t at = 0; at < region->limit; at += PAGE_SIZE)
        if (region->has_memory(region->context, (char *)region->start + at))
            bytes += PAGE_SIZE;
    return bytes;
}

/* Pages that a heap may keep of what is free: those with headers and links.  A
 * buddy heap has some free blocks in each segment, however few are live. */
static size_t pages_kept(const struct heap *heap)
{
    return heap->backend == &heap_buddy ? 24 : 8;
}

/* Trims, and compares what has memory then with a bound and with what the heap
 * says.  Some of what was used to keep account of the most there was may stay.
 */
static bool trim_to(struct heap_conformance *run, size_t bound, size_t most)
{
    heap_trim(&run->heap);
    if (!sound(run) || !run->region.has_memory)
        return sound(run);

    size_t left = memory(run), told = heap_stats(&run->heap).region;
    CHECK(run, left == told, left, told);
    CHECK(run, left <= bound + most / 8 + pages_kept(&run->heap) * PAGE_SIZE,
          left, bound);
    return true;
}

/* As many blocks of this layout as can be had, up to `most`; their number. */
static size_t take_blocks(struct heap_conformance *run, struct layout layout,
                          size_t most)
{
    size_t count = 0;

    while (count < most) {
        void *start = heap_alloc_in(&run->heap, layout);

        if (!start || !adopt(run, &run->blocks[count], start, layout))
            break;
        count++;
    }
    return count;
}

/* A block for which there is no memory is refused, and changes nothing. */
static bool refuse_without_memory(struct heap_conformance *run,
                                  struct layout layout)
{
    struct heap_stats before = heap_stats(&run->heap), after;

    run->refuse_growth = true;
    void *start = heap_alloc_in(&run->heap, layout);
    CHECK(run, !start, start, layout.size);
    if (!refused(run, MM_OUT_OF_MEMORY, before.failures))
        return false;
    run->refuse_growth = false;
    after = heap_stats(&run->heap);
    CHECK(run, after.held == before.held, after.held, before.held);
    CHECK(run, after.region <= before.region, after.region, before.region);
    return sound(run);
}

static bool check_trim(struct heap_conformance *run)
{
    const struct layout layout = {run->region.limit / 32, 16};

    heap_trim(&run->heap);
    size_t least = heap_stats(&run->heap).region;
    for (size_t turn = 0; turn < 3; turn++) {
        size_t count = take_blocks(run, layout, 16);
        size_t most = heap_stats(&run->heap).region;

        CHECK(run, count >= 8, count, turn);
        /* all but the last */
        for (size_t i = 0; i + 1 < count; i++)
            if (!drop(run, &run->blocks[i], i & 1))
                return false;
        if (!trim_to(run, least + layout.size, most))
            return false;
        if (run->region.has_memory && !refuse_without_memory(run, layout))
            return false;
        if (!reallocate(run, &run->blocks[count - 1], 2 * layout.size) ||
            !sound(run) || !drop_all(run) || !trim_to(run, least, most))
            return false;
        /* and all of it once more, each second one given back in between */
        count = take_blocks(run, layout, 8);
        for (size_t i = 0; i < count; i += 2)
            if (!drop(run, &run->blocks[i], true))
                return false;
        if (!trim_to(run, most, most) || !drop_all(run) ||
            !trim_to(run, least, most))
            return false;
    }
    return true;
}

static bool has_none(const struct heap_conformance *run)
{
    for (size_t i = 0; i < HEAP_CONFORMANCE_BLOCKS; i++)
        if (run->blocks[i].start)
            return false;
    return true;
}

/* One random operation; *given counts the blocks that the heap gave. */
static bool operate(struct heap_conformance *run, unsigned frees_of_8,
                    uint64_t *given)
{
    struct heap_conformance_block *block =
        &run->blocks[random_below(run, HEAP_CONFORMANCE_BLOCKS)];
    uint64_t kind = random_below(run, 8);
    size_t most = run->region.limit / 32;

    run->refuse_growth = random_below(run, 4) == 0;
    if (random_below(run, 32) == 0)
        heap_trim(&run->heap);
    if (block->start) {
        if (kind < frees_of_8)
            return drop(run, block, kind & 1);
        return reallocate(run, block, random_size(run, most));
    }

    struct layout layout = {random_size(run, most), random_align(run)};
    uint64_t failures = heap_stats(&run->heap).failures;
    unsigned char *start;

    if (kind == 0) {
        start = heap_alloc_back_in(&run->heap, layout);
    } else if (kind < 4) {
        start = heap_alloc_zeroed_in(&run->heap, layout);
        if (start) {
            size_t dirty = first_not_zero(start, layout.size);
            CHECK(run, dirty == layout.size, dirty, layout.size);
        }
    } else {
        start = heap_alloc_in(&run->heap, layout);
    }
    if (start) {
        ++*given;
        return adopt(run, block, start, layout);
    }
    CHECK(run, !has_none(run) || (run->region.grow && run->refuse_growth),
          layout.size, layout.align);
    return refused(run, MM_OUT_OF_MEMORY, failures);
}

/* Gives the pages below region->size memory that heap_trim took. */
static bool fill_holes(struct heap_conformance *run,
                       const struct heap_region *region)
{
    for (size_t at = 0; region->back && at < region->size; at += PAGE_SIZE) {
        void *page = (char *)region->start + at;

        CHECK(run,
              region->has_memory(region->context, page) ||
                  region->back(region->context, page, PAGE_SIZE),
              page, region->size);
    }
    return true;
}

static bool check_random(struct heap_conformance *run)
{
    uint64_t given = 0;
    unsigned frees_of_8 = 0;

    for (run->operation = 0; run->operation < run->operations;
         run->operation++) {
        /* phases in which it fills, stays and drains; some end with nothing */
        if (run->operation % 256 == 0) {
            frees_of_8 = 1 + (unsigned)random_below(run, 7);
            if (random_below(run, 2) && !drop_all(run))
                return false;
        }
        if (!operate(run, frees_of_8, &given))
            return false;
        if (run->operation % run->audit_every == 0 && !sound(run))
            return false;
    }
    run->refuse_growth = false;
    CHECK(run, given >= run->operations / 16, given, run->operations);

    if (!drop_all(run) || !sound(run))
        return false;
    struct heap_stats stats = heap_stats(&run->heap);
    CHECK(run, stats.held == 0 && stats.blocks == 0, stats.held, stats.blocks);

    /* all memory is back: a new heap in its place has no more to give */
    size_t at_last = largest(run);
    heap_fini(&run->heap);
    struct heap_region region = run->heap.region;
    if (!fill_holes(run, &region))
        return false;
    region.zeroed = false; /* not any more */
    enum mm_error error = heap_init(&run->heap, run->backend, region);
    CHECK(run, !error, error, region.size);
    size_t anew = largest(run);
    CHECK(run, at_last == anew, at_last, anew);
    return sound(run);
}

const struct heap_conformance_check heap_conformance_checks[] = {
    {"refuses bad layouts by name", check_bad_layouts},
    {"aligns as asked", check_alignment},
    {"zeroes", check_zeroed},
    {"zeroes where blocks were resized", check_zeroed_after_realloc},
    {"reallocates and keeps the content", check_realloc},
    {"survives exhaustion", check_exhaustion},
    {"survives growth that fails", check_failing_growth},
    {"gives back what is free", check_trim},
    {"agrees with a model in random operations", check_random},
    {NULL, NULL},
};

bool heap_conformance_run(struct heap_conformance *run,
                          const struct heap_conformance_check *check)
{
    struct heap_region region = run->region;

    if (region.grow) {
        region.grow = guarded_grow;
        region.context = run;
        if (region.back) {
            region.back = guarded_back;
            region.unback = passed_unback;
            region.has_memory = passed_has_memory;
        }
    }
    if (run->audit_every == 0)
        run->audit_every = 1;
    run->random = run->seed;
    run->operation = run->audits = 0;
    run->refuse_growth = false;
    for (size_t i = 0; i < HEAP_CONFORMANCE_BLOCKS; i++)
        run->blocks[i].start = NULL;

    enum mm_error error = heap_init(&run->heap, run->backend, region);
    CHECK(run, !error, error, run->region.limit);
    bool passed = check->check(run);
    heap_fini(&run->heap);
    return passed;
}

/* The alignment that kmalloc promises. */
static size_t natural_align(size_t size)
{
    return is_power_of_two(size) && size > 16 ? size : 16;
}

static bool check_kmalloc_sizes(struct heap_conformance *run)
{
    for (size_t size = 1; size <= 8192; size += size < 80 ? 1 : size / 3) {
        size_t align = natural_align(size);
        unsigned char *start = kmalloc(size);

        CHECK(run, start, size, 0);
        CHECK(run, is_aligned((vaddr_t)start, align), start, align);
        size_t usable = kmalloc_usable_size(start);
        CHECK(run, usable >= size, usable, size);
        memset(start, 0xa5, usable);
        kfree_sized(start, size);

        start = kzalloc(size);
        CHECK(run, start, size, 0);
        size_t dirty = first_not_zero(start, size);
        CHECK(run, dirty == size, dirty, size);
        kfree(start);
    }
    return true;
}

static bool kmalloc_resize(struct heap_conformance *run,
                           struct heap_conformance_block *block, size_t size)
{
    size_t kept = least(block->layout.size, size);
    unsigned char *start = krealloc(block->start, size);

    CHECK(run, start, size, 0);
    block->start = start;
    block->layout = (struct layout){size, natural_align(size)};
    CHECK(run, is_aligned((vaddr_t)start, block->layout.align), start, size);
    size_t i = first_changed(block, kept);
    CHECK(run, i == kept, i, kept);
    fill(block, kept);
    return true;
}

static bool check_krealloc(struct heap_conformance *run)
{
    static const size_t sizes[] = {
        24, 25, 32, 40, 128, 120, 4096, 8000, 64, 3, 1000, 512,
    };
    struct heap_conformance_block blocks[4] = {0};
    const size_t count = sizeof(blocks) / sizeof(blocks[0]);

    /* several side by side: each grows and shrinks beside the others, and not
     * all can be where the next power of two has to lie */
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        for (size_t j = 0; j < count; j++) {
            blocks[j].key = j;
            if (!kmalloc_resize(run, &blocks[j], sizes[i]))
                return false;
        }

    struct heap_flaw flaw = heap_check(heap_kernel());
    CHECK(run, !flaw.what, flaw.place, flaw.what);
    void *resized = krealloc(blocks[0].start, 0);
    CHECK(run, !resized && heap_last_error() == MM_EMPTY_RANGE, resized,
          heap_last_error());
    for (size_t j = 0; j < count; j++) {
        size_t size = blocks[j].layout.size;
        size_t i = first_changed(&blocks[j], size);

        CHECK(run, i == size, i, j);
        kfree_sized(blocks[j].start, size);
    }
    return true;
}

static bool check_kmalloc_array(struct heap_conformance *run)
{
    static const size_t products[][2] = {
        {SIZE_MAX / 2 + 1, 2},
        {SIZE_MAX, SIZE_MAX},
        {(size_t)1 << 32, (size_t)1 << 32},
    };
    void *array = kmalloc_array(7, 24);

    CHECK(run, array && kmalloc_usable_size(array) >= 7 * 24, array, 0);
    kfree_sized(array, 7 * 24);
    for (size_t i = 0; i < sizeof(products) / sizeof(products[0]); i++) {
        array = kmalloc_array(products[i][0], products[i][1]);
        CHECK(run, !array, array, i);
        CHECK(run, heap_last_error() == MM_RANGE_WRAPS, heap_last_error(), i);
    }
    array = kmalloc_array(0, 8);
    CHECK(run, !array && heap_last_error() == MM_EMPTY_RANGE, array, 0);
    return true;
}

bool heap_conformance_kmalloc(struct heap_conformance *run)
{
    struct heap *heap = heap_kernel();
    CHECK(run, heap, 0, 0);
    struct heap_stats before = heap_stats(heap);

    if (!check_kmalloc_sizes(run) || !check_krealloc(run) ||
        !check_kmalloc_array(run))
        return false;
    CHECK(run, !kmalloc(0) && heap_last_error() == MM_EMPTY_RANGE,
          heap_last_error(), 0);
    kfree(NULL);
    kfree_sized(NULL, 8);
    CHECK(run, kmalloc_usable_size(NULL) == 0, 0, 0);

    struct heap_stats after = heap_stats(heap);
    struct heap_flaw flaw = heap_check(heap);
    CHECK(run, !flaw.what, flaw.place, flaw.what);
    CHECK(run, after.blocks == before.blocks, after.blocks, before.blocks);
    CHECK(run, after.held == before.held, after.held, before.held);
    return true;
}
