/* The back-end bins: free blocks sorted by size.
 *
 * The region is one row of blocks (mm/heap/block.h) from its first byte to its
 * last, and no two free blocks are neighbours.  Each free block is in the bin
 * of its size:
 *
 *     bin    2   3   4  ...  63 | 64         65         ...   71 | 72       ...
 *     bytes  32  48  64     1008| 1024..1136 1152..1264     1920.| 2048..2288
 *            one size a bin     | eight bins each time the size doubles
 *
 * A bitmap has one bit for each bin, which is set if the bin is not empty.  One
 * more word has a bit for each word of the bitmap, which is set if that word is
 * not 0.  So two counts of trailing zeros find the next bin that is not empty,
 * however far away it is.  Every block in a bin above that of the request fits,
 * so allocation takes the first one there.  Only before it grows the region
 * does it search through the blocks of bins.
 *
 * A free block carries boundary tags: its size stands in its header and again
 * in its last bytes, so that the block behind it can find its start.
 *
 *     +--------+------+----------+- - - - - - - - - - -+------+--------+----
 *     | header | next | previous |        free         | size | header | ...
 *     +--------+------+----------+- - - - - - - - - - -+------+--------+----
 *                                                             after_free
 *
 * after_free, in the header behind, says that the block in front is free.  The
 * smallest block has no room for the second tag; then after_free says that it
 * is of that size.  The free block at the end of the region has no block behind
 * it and no second tag, so memory that was never used is not written.  Both
 * neighbours of a block are thus found at once, and freeing takes the same time
 * however many blocks there are.
 *
 * Invariants: the above; and if the region came zeroed, all bytes from fresh on
 * are 0.
 */
#include "mm/heap/block_find.h"

#include "lib/assert.h"

struct hole {
    struct block block;
    struct hole *next, *previous;
};

_Static_assert(sizeof(struct hole) <= BLOCK_MIN, "the links have room");

/* What after_free in a header says of a free block in front of it. */
enum {
    TAGGED = 1, /* its size is in its last bytes */
    SMALL,      /* it has the smallest size */
};

/* Sizes are counted in granules here.  Each size below EXACT granules has a bin
 * of its own.  Above, every doubling of the size has 1 << STEPS_SHIFT bins, up
 * to 64 TiB, half of what can be addressed. */
#define EXACT_SHIFT 6
#define EXACT       (1u << EXACT_SHIFT)
#define STEPS_SHIFT 3
#define DOUBLINGS   36
#define BINS        (EXACT + (DOUBLINGS << STEPS_SHIFT))

#define WORDS ((BINS + 63) / 64)

struct bins {
    struct hole *top; /* the free block at the end of the region, or NULL */
    vaddr_t fresh;    /* BLOCK_NOWHERE if the region did not come zeroed */
    uint64_t words;   /* bit i: map[i] is not 0 */
    uint64_t map[WORDS];
    struct hole *first[BINS];
} __attribute__((aligned(HEAP_GRANULE)));

static struct bins *bins_of(const struct heap *heap)
{
    return heap->region.start;
}

static vaddr_t bins_start(const struct heap *heap)
{
    return (vaddr_t)heap->region.start + sizeof(struct bins);
}

/* ---- Bins ---- */

/* For a size of EXACT granules or more: the shift that leaves the leading one
 * and STEPS_SHIFT bits behind it. */
static unsigned step_shift(uint64_t granules)
{
    return 63u - (unsigned)__builtin_clzll(granules) - STEPS_SHIFT;
}

/* The bin for blocks of this size; BINS or more if they are too large for any.
 */
static unsigned bin_of(size_t size)
{
    uint64_t granules = size / HEAP_GRANULE;

    if (granules < EXACT)
        return (unsigned)granules;

    unsigned shift = step_shift(granules);
    unsigned doubling = shift - (EXACT_SHIFT - STEPS_SHIFT);
    return EXACT + (doubling << STEPS_SHIFT) +
           ((unsigned)(granules >> shift) - (1u << STEPS_SHIFT));
}

/* The lowest bin whose blocks all have at least this size. */
static unsigned bin_above(size_t size)
{
    uint64_t granules = size / HEAP_GRANULE;

    if (granules < EXACT)
        return (unsigned)granules;
    granules += (UINT64_C(1) << step_shift(granules)) - 1;
    return bin_of(granules * HEAP_GRANULE);
}

/* The first bin that is not empty, from this one on; BINS if there is none. */
static unsigned next_bin(const struct bins *bins, unsigned bin)
{
    if (bin >= BINS)
        return BINS;

    unsigned word = bin / 64;
    uint64_t bits = bins->map[word] & ~UINT64_C(0) << bin % 64;
    if (bits == 0) {
        uint64_t words = bins->words & ~UINT64_C(1) << word;

        if (words == 0)
            return BINS;
        word = (unsigned)__builtin_ctzll(words);
        bits = bins->map[word];
    }
    return word * 64 + (unsigned)__builtin_ctzll(bits);
}

/* ---- Free blocks ---- */

/* Notes that bytes below this address may be written from now on. */
static void written_below(struct bins *bins, vaddr_t address)
{
    if (bins->fresh < address)
        bins->fresh = address;
}

/* The copy of a free block's size in its last bytes; end is the block's end. */
static size_t *size_before(vaddr_t end)
{
    return (size_t *)(end - sizeof(size_t));
}

/* Tells the block at this address, if there is one, whether the block in front
 * of it is free (free_size is its size) or live (free_size is 0). */
static void tell_next(const struct heap *heap, vaddr_t end, size_t free_size)
{
    if (end == heap_end(heap))
        return;

    struct block *next = (struct block *)end;
    next->after_free = free_size == 0           ? 0
                       : free_size == BLOCK_MIN ? SMALL
                                                : TAGGED;
    if (next->after_free == TAGGED)
        *size_before(end) = free_size;
}

/* The free block in front of this one, or NULL. */
static struct hole *hole_before(const struct block *block)
{
    if (!block->after_free)
        return NULL;
    return (struct hole *)((vaddr_t)block -
                           (block->after_free == SMALL
                                ? BLOCK_MIN
                                : *size_before((vaddr_t)block)));
}

/* Puts a free block in its bin. */
static void push(struct heap *heap, vaddr_t at, size_t size)
{
    struct bins *bins = bins_of(heap);
    struct hole *hole = (struct hole *)block_write(at, size, BLOCK_FREE);
    unsigned bin = bin_of(size);

    hole->next = bins->first[bin];
    hole->previous = NULL;
    if (hole->next)
        hole->next->previous = hole;
    bins->first[bin] = hole;
    bins->map[bin / 64] |= UINT64_C(1) << bin % 64;
    bins->words |= UINT64_C(1) << bin / 64;

    written_below(bins, at + sizeof(*hole));
    tell_next(heap, at + size, size);
    if (at + size == heap_end(heap))
        bins->top = hole;
}

/* Takes a free block out of its bin. */
static void take(struct bins *bins, struct hole *hole)
{
    unsigned bin = bin_of(hole->block.size);

    if (hole->next)
        hole->next->previous = hole->previous;
    if (hole->previous)
        hole->previous->next = hole->next;
    else
        bins->first[bin] = hole->next;
    if (!bins->first[bin]) {
        bins->map[bin / 64] &= ~(UINT64_C(1) << bin % 64);
        if (bins->map[bin / 64] == 0)
            bins->words &= ~(UINT64_C(1) << bin / 64);
    }
    if (bins->top == hole)
        bins->top = NULL;
}

/* Frees these bytes and merges them with the free blocks on both sides.  before
 * is the free block in front, or NULL. */
static void insert(struct heap *heap, vaddr_t at, size_t size,
                   struct hole *before)
{
    struct bins *bins = bins_of(heap);
    struct hole *next = (struct hole *)(at + size);

    if ((vaddr_t)next < heap_end(heap) && block_is(&next->block, BLOCK_FREE)) {
        size += next->block.size;
        take(bins, next);
    }
    if (before) {
        at = (vaddr_t)before;
        size += before->block.size;
        take(bins, before);
    }
    push(heap, at, size);
}

static void bins_init(struct heap *heap)
{
    struct bins *bins = bins_of(heap);
    vaddr_t start = bins_start(heap);

    *bins = (struct bins){
        .fresh = heap->region.zeroed ? start : BLOCK_NOWHERE,
    };
    push(heap, start, heap_end(heap) - start);
}

/* Grows the region, and with it the free block at its end. */
static bool extend(struct heap *heap, size_t bytes)
{
    struct hole *top = bins_of(heap)->top;
    vaddr_t end = heap_end(heap);

    if (!heap_grow(heap, bytes))
        return false;
    insert(heap, end, heap_end(heap) - end, top);
    return true;
}

/* ---- The back-end ---- */

/* Whether a block fits in this free one, and there is memory for it; sets *at
 * to where it would start. */
static bool fits(struct heap *heap, const struct hole *hole, size_t size,
                 size_t align, vaddr_t *at)
{
    *at = block_place((vaddr_t)hole, align);
    return block_fits(*at, size, block_end(&hole->block)) &&
           block_back(heap, &hole->block, *at, size);
}

/* A free block with room for the request, or NULL. */
static struct hole *search(struct heap *heap, size_t size, size_t align,
                           vaddr_t *at)
{
    const struct bins *bins = bins_of(heap);
    unsigned bin = bin_of(size);

    /* try the bin of exactly this size first: programs often free a size and
     * ask for it again */
    if (bin < BINS && bins->first[bin] &&
        fits(heap, bins->first[bin], size, align, at))
        return bins->first[bin];

    /* a block that has room wherever it lies */
    size_t padding = align > HEAP_GRANULE ? align + BLOCK_MIN : 0;
    unsigned above = next_bin(bins, bin_above(size + padding));
    if (above < BINS && fits(heap, bins->first[above], size, align, at))
        return bins->first[above];

    /* search the other blocks that may have room */
    for (bin = next_bin(bins, bin); bin < BINS; bin = next_bin(bins, bin + 1))
        for (struct hole *hole = bins->first[bin]; hole; hole = hole->next)
            if (fits(heap, hole, size, align, at))
                return hole;
    return NULL;
}

/* Frees what a live block has beyond size bytes.  In any case tells the block
 * behind whether the one in front is free. */
static void trim(struct heap *heap, struct block *block, size_t size)
{
    size_t rest = block->size - size;

    if (rest >= BLOCK_MIN) {
        block->size = size;
        insert(heap, block_end(block), rest, NULL);
    } else {
        tell_next(heap, block_end(block), 0);
    }
    written_below(bins_of(heap), block_end(block));
}

/* Makes a live block of the free one, from `at` on; what lies below `at` stays
 * free. */
static struct block *cut(struct heap *heap, struct hole *hole, vaddr_t at)
{
    vaddr_t end = block_end(&hole->block);

    take(bins_of(heap), hole);
    struct block *block = block_write(at, end - at, BLOCK_LIVE);
    if (at != (vaddr_t)hole)
        push(heap, (vaddr_t)hole, at - (vaddr_t)hole);
    return block;
}

static bool bins_alloc(struct heap *heap, struct layout layout,
                       struct heap_block *description, size_t *dirty)
{
    struct bins *bins = bins_of(heap);
    size_t size = block_size_for(layout.size);
    vaddr_t at;
    struct hole *hole = search(heap, size, layout.align, &at);

    if (!hole) {
        vaddr_t end = heap_end(heap);

        at = block_place(bins->top ? (vaddr_t)bins->top : end, layout.align);
        if (!extend(heap, at - end + size))
            return false;
        hole = search(heap, size, layout.align, &at);
        if (!hole) /* what was free in front of the end has no memory */
            return false;
    }

    struct block *block = cut(heap, hole, at);
    *dirty =
        block_dirty((vaddr_t)block_payload(block), layout.size, bins->fresh);
    trim(heap, block, size);
    block_note_layout(block, layout);
    block_describe(block, description);
    return true;
}

static enum heap_fault bins_find(const struct heap *heap, const void *pointer,
                                 struct heap_block *description)
{
    vaddr_t start = bins_start(heap);

    if ((vaddr_t)pointer < start || (vaddr_t)pointer >= heap_end(heap))
        return HEAP_FOREIGN;
    if ((vaddr_t)pointer - start < sizeof(struct block))
        return HEAP_NOT_A_START;
    return block_find(heap, start, heap_end(heap), pointer, description);
}

static void bins_dealloc(struct heap *heap, const struct heap_block *found)
{
    struct block *block = block_of(found->start);

    block->mark = block_mark(block, BLOCK_FREE);
    insert(heap, (vaddr_t)block, block->size, hole_before(block));
}

/* Appends the free block behind this one if both together have size bytes.
 * Grows the region for it if they are the last in it. */
static bool absorb(struct heap *heap, struct block *block, size_t size)
{
    struct bins *bins = bins_of(heap);
    vaddr_t at = (vaddr_t)block, end = block_end(block), free_end = end;
    struct hole *next = (struct hole *)end;

    if (end < heap_end(heap) && block_is(&next->block, BLOCK_FREE))
        free_end = block_end(&next->block);
    if (free_end - at < size) {
        size_t missing = size - (free_end - at);

        /* a free block that is new must have room for its links */
        if (free_end == end && missing < BLOCK_MIN)
            missing = BLOCK_MIN;
        if (free_end != heap_end(heap) || !extend(heap, missing))
            return false;
    }
    if (!block_back(heap, &next->block, end, size - block->size))
        return false;
    take(bins, next);
    block->size += next->block.size;
    return true;
}

static bool bins_resize(struct heap *heap, struct heap_block *description,
                        struct layout layout)
{
    struct block *block = block_of(description->start);
    size_t size = block_size_for(layout.size);

    if (size > block->size && !absorb(heap, block, size))
        return false;
    trim(heap, block, size);
    block_note_layout(block, layout);
    block_describe(block, description);
    return true;
}

static void bins_trim(struct heap *heap)
{
    const struct bins *bins = bins_of(heap);
    unsigned bin = next_bin(bins, bin_of(PAGE_SIZE));

    for (; bin < BINS; bin = next_bin(bins, bin + 1))
        for (const struct hole *hole = bins->first[bin]; hole;
             hole = hole->next)
            block_unback(heap, &hole->block);
}

/* ---- The check ---- */

/* Whether a free block starts at the target of a link, which may be corrupt. */
static bool is_hole(const struct heap *heap, const struct hole *hole)
{
    vaddr_t at = (vaddr_t)hole;

    return at >= bins_start(heap) && at <= heap_end(heap) - BLOCK_MIN &&
           is_aligned(at, HEAP_GRANULE) && block_is(&hole->block, BLOCK_FREE);
}

/* What is wrong with a free block whose header is right, or NULL. */
static const char *hole_flaw(const struct heap *heap, const struct hole *hole)
{
    const struct bins *bins = bins_of(heap);
    vaddr_t end = block_end(&hole->block);
    unsigned bin = bin_of(hole->block.size);

    if (hole->block.after_free)
        return "two free blocks not merged";
    if (end == heap_end(heap)) {
        if (bins->top != hole)
            return "a free block at the end that the heap does not know of";
    } else {
        const struct block *next = (const struct block *)end;

        if (hole_before(next) != hole)
            return "a free block whose end tells another size";
    }
    if ((hole->next && !is_hole(heap, hole->next)) ||
        (hole->previous && !is_hole(heap, hole->previous)))
        return "a free block whose link leads to no free block";
    if ((hole->next && hole->next->previous != hole) ||
        (hole->previous ? hole->previous->next : bins->first[bin]) != hole)
        return "a free block that its bin does not have in its place";
    return NULL;
}

static struct heap_flaw check_map(const struct bins *bins)
{
    for (unsigned bin = 0; bin < 64 * WORDS; bin++)
        if ((bins->map[bin / 64] >> bin % 64 & 1) !=
            (bin < BINS && bins->first[bin]))
            return (struct heap_flaw){&bins->map[bin / 64],
                                      "a bit that is wrong about its bin"};
    for (unsigned word = 0; word < 64; word++)
        if ((bins->words >> word & 1) != (word < WORDS && bins->map[word]))
            return (struct heap_flaw){&bins->words,
                                      "a bit that is wrong about its word"};
    return (struct heap_flaw){0};
}

/* Compares the bins with the number of free blocks that the walk met.  The walk
 * has checked the links of each. */
static struct heap_flaw check_bins(const struct heap *heap, size_t holes)
{
    const struct bins *bins = bins_of(heap);

    for (unsigned bin = 0; bin < BINS; bin++)
        for (const struct hole *hole = bins->first[bin]; hole;
             hole = hole->next, holes--)
            if (holes == 0 || !is_hole(heap, hole) ||
                bin_of(hole->block.size) != bin)
                return (struct heap_flaw){&bins->first[bin],
                                          "a bin with a block of another size"};
    if (holes > 0)
        return (struct heap_flaw){bins, "a free block that is in no bin"};
    return check_map(bins);
}

static struct heap_flaw bins_check(const struct heap *heap,
                                   struct heap_totals *totals)
{
    const struct bins *bins = bins_of(heap);
    vaddr_t at = bins_start(heap), end = heap_end(heap);
    bool after_free = false;
    size_t holes = 0;

    while (at < end) {
        const struct block *block = (const struct block *)at;
        const char *what = block_flaw(block, end);

        if (!what && (block->after_free != 0) != after_free)
            what = "a block that is wrong about whether the one in front is "
                   "free";
        after_free = block_is(block, BLOCK_FREE);
        if (!what && after_free)
            what = hole_flaw(heap, (const struct hole *)at);
        if (what)
            return (struct heap_flaw){block, what};
        if (after_free)
            holes++;
        else
            block_add_up(block, totals);
        at = block_end(block);
    }
    if (bins->top && !after_free)
        return (struct heap_flaw){
            bins, "no free block at the end, but the heap knows of one"};
    return check_bins(heap, holes);
}

const struct heap_backend heap_bins = {
    .name = "bins",
    .help = "free blocks by size; a bitmap finds the next bin that has one",
    .region_min = sizeof(struct bins) + BLOCK_MIN,
    .init = bins_init,
    .trim = bins_trim,
    .alloc = bins_alloc,
    .find = bins_find,
    .look = block_look,
    .dealloc = bins_dealloc,
    .resize = bins_resize,
    .check = bins_check,
};
