/* 4-level page tables.
 *
 * A range is processed in runs: the neighbouring entries of one table that the
 * range covers.  Each run costs one walk from the root, and each of its pages a
 * few instructions.  Steps that can fail come before any change.  Only page_map
 * changes entries first; after an error it removes its own leaves again.
 */
#include "mm/page_table.h"

#include <stdatomic.h>

#include "lib/assert.h"
#include "lib/string.h"
#include "mm/page/slot.h"
#include "mm/platform.h"

/* ---- Runs ---- */

/* Neighbouring leaves of one table.  path[level] is the slot of the first one.
 */
struct run {
    page_path path;
    unsigned level, count;
};

/* Returns `slots`, but no more than there are from vaddr's slot to the end of
 * the table. */
static inline unsigned slots_within(vaddr_t vaddr, unsigned level,
                                    uint64_t slots)
{
    unsigned to_end = PAGE_TABLE_ENTRIES - page_index(vaddr, level);
    return slots < to_end ? (unsigned)slots : to_end;
}

/* Finds the leaves that the bytes from vaddr on touch, up to the end of the
 * table or the first slot that is no leaf.  count is 0 if vaddr is not mapped.
 */
static void find_run(const struct page_table *table, vaddr_t vaddr,
                     uint64_t bytes, struct run *run)
{
    unsigned level = page_descend(table, vaddr, LEVEL_PT, run->path);
    uint64_t reach = (vaddr & (page_level_size(level) - 1)) + bytes;
    uint64_t touched =
        (reach + page_level_size(level) - 1) >> page_level_shift(level);
    unsigned most = slots_within(vaddr, level, touched);
    const page_slot *slot = run->path[level];
    uint64_t leaf = page_leaf_bits(level);
    unsigned count = 0;

    while (count < most && (slot_load(&slot[count]) & leaf) == leaf)
        count++;
    run->level = level;
    run->count = count;
}

/* ---- Ranges and flags ---- */

static enum mm_error check_range(const struct page_table *table, vaddr_t vaddr,
                                 uint64_t bytes)
{
    vaddr_t last = vaddr + (bytes - 1);

    if (table->alloc == NULL)
        return MM_NOT_READY;
    if (bytes == 0)
        return MM_EMPTY_RANGE;
    if (!is_aligned(vaddr | bytes, PAGE_SIZE))
        return MM_MISALIGNED;
    if (last < vaddr)
        return MM_RANGE_WRAPS;
    if (!page_range_is_canonical(vaddr, last))
        return MM_NON_CANONICAL;
    return MM_OK;
}

static enum mm_error check_flags(unsigned flags, unsigned allowed)
{
    const unsigned caching = PAGE_UNCACHED | PAGE_WRITE_COMBINING;

    if ((flags & ~allowed) != 0 || (flags & caching) == caching)
        return MM_BAD_ARGUMENT;
    return MM_OK;
}

/* ---- Single pages ----
 *
 * The most frequent request is one 4K page whose table exists: it takes one
 * walk and two stores.  In any other case these functions do nothing and return
 * false.  Then the general functions do the work, and find which error it is.
 */

struct single {
    page_slot *leaf, *parent; /* parent points at the leaf's table */
};

static inline bool find_single(const struct page_table *table, vaddr_t vaddr,
                               struct single *single)
{
    paddr_t frame = table->root;

    if (table->alloc == NULL || !is_aligned(vaddr, PAGE_SIZE) ||
        !page_is_canonical(vaddr))
        return false;
#pragma GCC unroll 4 /* so that every shift is by a constant */
    for (unsigned level = LEVEL_PML4; level > LEVEL_PT; level--) {
        single->parent = slot_of(frame, vaddr, level);
        uint64_t entry = slot_load(single->parent);
        if (!page_entry_is_table(entry, level))
            return false;
        frame = page_entry_table(entry);
    }
    single->leaf = slot_of(frame, vaddr, LEVEL_PT);
    return true;
}

static inline bool map_single(struct page_table *table, vaddr_t vaddr,
                              paddr_t paddr, unsigned flags)
{
    struct single single;

    if (check_flags(flags, PAGE_FLAGS_MAP) != MM_OK ||
        !is_aligned(paddr, PAGE_SIZE) || paddr >> table->paddr_bits != 0 ||
        !find_single(table, vaddr, &single) || slot_load(single.leaf) != 0)
        return false;
    slot_store(single.leaf, page_leaf(paddr, LEVEL_PT, flags));
    slot_store(single.parent, slot_load(single.parent) + ENTRY_COUNT_ONE);
    return true;
}

/* Not for the last page of a table: its removal frees the table too. */
static inline bool unmap_single(struct page_table *table, vaddr_t vaddr)
{
    struct single single;

    if (!find_single(table, vaddr, &single) ||
        !page_entry_is_leaf(slot_load(single.leaf), LEVEL_PT))
        return false;
    uint64_t parent = slot_load(single.parent);
    if (page_entry_count(parent) <= 1)
        return false;
    slot_store(single.leaf, 0);
    slot_store(single.parent, parent - ENTRY_COUNT_ONE);
    if (table->live)
        platform_tlb_invalidate(&vaddr, 1, PLATFORM_TLB_LEAVES);
    return true;
}

/* ---- What must follow a change ---- */

/* For more pages than this, one flush and the TLB misses after it cost less
 * than invalidating page after page. */
#define INVALIDATIONS_MAX 32

/* What an operation has to do after it has written its entries: invalidate
 * pages in the TLB, and free the tables that have become empty.
 *
 * The dead tables are a list that is linked through their first entries.  A CPU
 * may still walk such a table.  The link is a frame's address, and so an entry
 * with P = 0: not present, which is right. */
struct aftermath {
    uint64_t changed;
    vaddr_t pages[INVALIDATIONS_MAX];
    paddr_t dead;
    uint64_t dead_count;
};

static inline void aftermath_begin(struct aftermath *after)
{
    after->changed = 0;
    after->dead = 0;
    after->dead_count = 0;
}

/* Notes that `count` neighbouring leaves of this level have changed. */
static inline void note_changed(struct aftermath *after, vaddr_t vaddr,
                                unsigned level, unsigned count)
{
    uint64_t first = after->changed;

    after->changed += count;
    if (after->changed > INVALIDATIONS_MAX)
        return;
    for (uint64_t i = first; i < after->changed; i++) {
        after->pages[i] = vaddr;
        vaddr += page_level_size(level);
    }
}

static void note_dead(struct aftermath *after, paddr_t frame)
{
    slot_store(slot_of(frame, 0, LEVEL_PT), after->dead);
    after->dead = frame;
    after->dead_count++;
}

/* To invalidate one address in a leaf is enough, whatever page sizes the TLB
 * holds the leaf in.  The CPU then also drops the tables above it from its
 * page-walk caches (AMD64 volume 2, section 5.5; Intel SDM volume 3, section
 * 4.10.4.1).  A TLB never holds entries that were not present. */
static void aftermath_end(struct page_table *table, struct aftermath *after)
{
    enum platform_tlb what =
        after->dead_count > 0 ? PLATFORM_TLB_TABLES : PLATFORM_TLB_LEAVES;

    if (table->live && after->changed > INVALIDATIONS_MAX)
        platform_tlb_flush(what);
    else if (table->live && after->changed > 0)
        platform_tlb_invalidate(after->pages, (unsigned)after->changed, what);

    for (; after->dead_count > 0; after->dead_count--) {
        paddr_t frame = after->dead;
        after->dead = slot_load(slot_of(frame, 0, LEVEL_PT));
        table->free(table->context, frame);
    }
}

/* ---- Tables ---- */

/* A frame for a table, not cleared. */
static paddr_t take_frame(struct page_table *table)
{
    paddr_t frame = table->alloc(table->context);
    ASSERT(frame == PADDR_NONE || is_aligned(frame, PAGE_SIZE),
           "frame for a table at %#llx", (unsigned long long)frame);
    return frame;
}

static paddr_t take_empty_table(struct page_table *table)
{
    paddr_t frame = take_frame(table);
    if (frame != PADDR_NONE)
        memset(phys_to_virt(frame), 0, PAGE_SIZE);
    return frame;
}

/* Counts this many more entries in use in the table that holds path[level].
 * The root has no count: no entry points at it. */
static inline void count_more(page_path path, unsigned level, unsigned count)
{
    if (level < LEVEL_PML4)
        slot_store(path[level + 1],
                   slot_load(path[level + 1]) + count * ENTRY_COUNT_ONE);
}

/* Counts this many entries less.  Unlinks the table if it has none left, and
 * counts one entry less in the table above. */
static void count_less(page_path path, unsigned level, unsigned count,
                       struct aftermath *after)
{
    for (; level < LEVEL_PML4; level++) {
        page_slot *parent = path[level + 1];
        uint64_t entry = slot_load(parent);
        unsigned used = page_entry_count(entry);

        ASSERT(used >= count, "%u entries in use, %u leave", used, count);
        if (used > count) {
            slot_store(parent, entry - count * ENTRY_COUNT_ONE);
            return;
        }
        slot_store(parent, 0);
        note_dead(after, page_entry_table(entry));
        count = 1;
    }
}

static void clear_run(struct run *run, struct aftermath *after)
{
    page_slot *slot = run->path[run->level];
    unsigned count = run->count; /* a copy: with stores in the loop, the
                                  * compiler would read run->count again */

#pragma GCC unroll 8
    for (unsigned i = 0; i < count; i++)
        slot_store(&slot[i], 0);
    count_less(run->path, run->level, count, after);
}

/* Removes every leaf in the range; none of them may reach out of it.  *run is
 * the first run of the range. */
static void clear_range(struct page_table *table, vaddr_t vaddr, uint64_t bytes,
                        struct run *run)
{
    struct aftermath after;
    uint64_t done = 0;

    aftermath_begin(&after);
    for (;;) {
        vaddr_t at = vaddr + done;
        uint64_t size = page_level_size(run->level);

        clear_run(run, &after);
        note_changed(&after, at, run->level, run->count);
        if (run->count > 0)
            done += run->count * size;
        else
            done += size - (at & (size - 1)); /* no leaf here: go to the next
                                               * slot */
        if (done >= bytes)
            break;
        find_run(table, vaddr + done, bytes - done, run);
    }
    aftermath_end(table, &after);
}

enum mm_error page_table_init(struct page_table *table,
                              paddr_t (*alloc)(void *context),
                              void (*free)(void *context, paddr_t frame),
                              void *context)
{
    *table = (struct page_table){
        .alloc = alloc,
        .free = free,
        .context = context,
        .largest_level = platform_has_1g_pages() ? LEVEL_PDPT : LEVEL_PD,
        .paddr_bits = platform_paddr_bits(),
    };
    ASSERT(table->paddr_bits <= PADDR_BITS_MAX, "%u physical address bits",
           table->paddr_bits);

    table->root = take_empty_table(table);
    if (table->root == PADDR_NONE) {
        table->alloc = NULL;
        return MM_OUT_OF_MEMORY;
    }
    return MM_OK;
}

void page_table_load(struct page_table *table)
{
    ASSERT(table->alloc != NULL, "root %#llx", (unsigned long long)table->root);
    table->live = true;
    platform_load_page_table(table->root);
}

void page_table_destroy(struct page_table *table)
{
    const uint64_t half = UINT64_C(1) << (VADDR_BITS - 1);
    struct run run;

    ASSERT(table->alloc != NULL && !table->live, "live %d", table->live);
    find_run(table, 0, half, &run);
    clear_range(table, 0, half, &run);
    find_run(table, page_canonical(half), half, &run);
    clear_range(table, page_canonical(half), half, &run);
    table->free(table->context, table->root);
    table->alloc = NULL;
}

/* ---- Map ---- */

/* Frees the tables of a branch that was never linked. */
static void drop_branch(struct page_table *table, vaddr_t vaddr, unsigned level,
                        uint64_t entry)
{
    while (entry != 0) {
        paddr_t frame = page_entry_table(entry);
        entry = slot_load(slot_of(frame, vaddr, --level));
        table->free(table->context, frame);
    }
}

/* Makes new tables below an empty slot of level `from`, down to a table of
 * level `to`.  Sets *branch to the entry for the slot, and counts `count`
 * entries from vaddr on as in use, which the caller must write.  Returns the
 * first of them, or NULL. */
static page_slot *grow_branch(struct page_table *table, vaddr_t vaddr,
                              unsigned from, unsigned to, unsigned count,
                              uint64_t *branch)
{
    page_slot root = 0;
    page_slot *link = &root;

    for (unsigned level = from; level > to; level--) {
        unsigned used = level - 1 == to ? count : 1;
        paddr_t frame = used == PAGE_TABLE_ENTRIES ? take_frame(table)
                                                   : take_empty_table(table);
        if (frame == PADDR_NONE) {
            drop_branch(table, vaddr, from, slot_load(&root));
            return NULL;
        }
        slot_store(link, page_table_entry(frame, used));
        link = slot_of(frame, vaddr, level - 1);
    }
    *branch = slot_load(&root);
    return link;
}

/* Writes entries up to the first one that is in use; returns how many. */
static inline unsigned fill(page_slot *slot, unsigned count, uint64_t entry,
                            uint64_t step)
{
    unsigned done = 0;

    while (done < count && slot_load(slot) == 0) {
        slot_store(slot++, entry);
        entry += step;
        done++;
    }
    return done;
}

/* Maps `count` leaves, all in one table.  Sets *mapped to how many it mapped.
 */
static enum mm_error map_run(struct page_table *table, vaddr_t vaddr,
                             uint64_t entry, unsigned level, unsigned count,
                             unsigned *mapped)
{
    page_path path;
    uint64_t branch = 0;
    uint64_t step = page_level_size(level);
    unsigned end = page_descend(table, vaddr, level, path);

    *mapped = 0;
    if (end == level) {
        *mapped = fill(path[level], count, entry, step);
        count_more(path, level, *mapped);
        return *mapped == count ? MM_OK : MM_ALREADY_MAPPED;
    }
    if (slot_load(path[end]) != 0)
        return MM_ALREADY_MAPPED;

    page_slot *slot = grow_branch(table, vaddr, end, level, count, &branch);
    if (slot == NULL)
        return MM_OUT_OF_MEMORY;
    for (unsigned i = 0; i < count; i++)
        slot_store(&slot[i], entry + i * step);
    *mapped = count;
    slot_store(path[end], branch);
    count_more(path, end, 1);
    return MM_OK;
}

/* Not inlined into page_map, so that page_map need not save registers when it
 * maps a single page. */
static __attribute__((noinline)) enum mm_error
map_range(struct page_table *table, vaddr_t vaddr, paddr_t paddr,
          uint64_t bytes, unsigned flags)
{
    enum mm_error error = check_range(table, vaddr, bytes);

    if (error == MM_OK)
        error = check_flags(flags, PAGE_FLAGS_MAP);
    if (error != MM_OK)
        return error;
    if (!is_aligned(paddr, PAGE_SIZE))
        return MM_MISALIGNED;
    if (!page_is_physical(paddr, bytes, table->paddr_bits))
        return MM_OUT_OF_RANGE;

    unsigned top = flags & PAGE_SMALL ? LEVEL_PT : table->largest_level;
    for (uint64_t done = 0; done < bytes && error == MM_OK;) {
        vaddr_t at = vaddr + done;
        unsigned level =
            page_largest_level(at, paddr + done, bytes - done, top);
        unsigned count =
            slots_within(at, level, (bytes - done) >> page_level_shift(level));
        unsigned mapped;

        error = map_run(table, at, page_leaf(paddr + done, level, flags), level,
                        count, &mapped);
        done += mapped * page_level_size(level);
        if (error != MM_OK && done > 0) {
            struct run run;
            find_run(table, vaddr, done, &run);
            clear_range(table, vaddr, done, &run);
        }
    }
    return error;
}

enum mm_error page_map(struct page_table *table, vaddr_t vaddr, paddr_t paddr,
                       uint64_t bytes, unsigned flags)
{
    if (bytes == PAGE_SIZE && map_single(table, vaddr, paddr, flags))
        return MM_OK;
    return map_range(table, vaddr, paddr, bytes, flags);
}

/* ---- Unmap and protect ---- */

/* The levels of the large leaves that the two ends of a range cut in two.
 * LEVEL_PT means that this end cuts none. */
struct cuts {
    unsigned first, last;
};

/* Checks that all of the range is mapped, and finds the leaves that its ends
 * cut.  Sets *run to the first run of the range. */
static enum mm_error check_mapped(struct page_table *table, vaddr_t vaddr,
                                  uint64_t bytes, struct run *run,
                                  struct cuts *cuts)
{
    struct run next;
    struct run *found = run;

    *cuts = (struct cuts){LEVEL_PT, LEVEL_PT};
    for (uint64_t done = 0; done < bytes; found = &next) {
        find_run(table, vaddr + done, bytes - done, found);
        if (found->count == 0)
            return MM_NOT_MAPPED;
        uint64_t size = page_level_size(found->level);
        uint64_t offset = (vaddr + done) & (size - 1);
        if (offset != 0)
            cuts->first = found->level;
        done += found->count * size - offset;
        if (done > bytes)
            cuts->last = found->level;
    }
    return MM_OK;
}

/* Replaces a large leaf by a table of 512 leaves with the same meaning. */
static void split(page_slot *slot, unsigned level, paddr_t frame)
{
    page_slot *children = slot_of(frame, 0, level - 1);
    uint64_t entry = slot_load(slot);

    /* The CPU may set A or D in the large leaf meanwhile.  Then the exchange
     * fails, and the children are written again with the new flags.  acq_rel:
     * the children are written before the CPU can find them. */
    do {
        unsigned flags = page_leaf_flags(entry, level);
        uint64_t child =
            page_leaf(page_leaf_address(entry, level), level - 1, flags);
        for (unsigned i = 0; i < PAGE_TABLE_ENTRIES; i++) {
            slot_store(&children[i], child);
            child += page_level_size(level - 1);
        }
    } while (!atomic_compare_exchange_strong_explicit(
        slot, &entry, page_table_entry(frame, PAGE_TABLE_ENTRIES),
        memory_order_acq_rel, memory_order_relaxed));
}

/* Frames for splits, taken before the first split.  There may be two splits, of
 * two levels, at each end of a range. */
struct spares {
    unsigned count;
    paddr_t frames[4];
};

static bool take_spares(struct page_table *table, struct spares *spares,
                        unsigned count)
{
    for (spares->count = 0; spares->count < count; spares->count++) {
        paddr_t frame = take_frame(table);
        if (frame == PADDR_NONE) {
            while (spares->count > 0)
                table->free(table->context, spares->frames[--spares->count]);
            return false;
        }
        spares->frames[spares->count] = frame;
    }
    return true;
}

/* How many splits are needed so that no leaf reaches over an end of the range.
 * A leaf with both ends in it is split once. */
static unsigned splits_needed(vaddr_t first, vaddr_t last, struct cuts cuts)
{
    unsigned splits = 0;

    for (unsigned level = LEVEL_PD; level <= LEVEL_PDPT; level++) {
        uint64_t size = page_level_size(level);
        bool at_first = level <= cuts.first && !is_aligned(first, size);
        bool at_last = level <= cuts.last && !is_aligned(last, size);
        bool one_leaf = align_down(first, size) == align_down(last, size);
        if (at_first || at_last)
            splits += at_first && at_last && !one_leaf ? 2 : 1;
    }
    return splits;
}

/* Splits leaves until this address is the start of a leaf. */
static void split_at(struct page_table *table, vaddr_t vaddr,
                     struct spares *spares)
{
    for (;;) {
        page_path path;
        unsigned level = page_descend(table, vaddr, LEVEL_PT, path);
        if (is_aligned(vaddr, page_level_size(level)))
            return;
        ASSERT(spares->count > 0, "splits of a leaf at %#llx, level %u",
               (unsigned long long)vaddr, level);
        split(path[level], level, spares->frames[--spares->count]);
    }
}

static bool is_executable(const struct page_table *table, vaddr_t vaddr)
{
    page_path path;
    unsigned level = page_descend(table, vaddr, LEVEL_PT, path);
    return page_leaf_flags(slot_load(path[level]), level) & PAGE_EXECUTE;
}

static bool cuts_live_code(const struct page_table *table, vaddr_t vaddr,
                           uint64_t bytes, struct cuts cuts)
{
    return table->live &&
           ((cuts.first != LEVEL_PT && is_executable(table, vaddr)) ||
            (cuts.last != LEVEL_PT && is_executable(table, vaddr + bytes - 1)));
}

/* Splits leaves so that none reaches out of the range, and sets *run to the
 * first run of it.  Nothing has to be invalidated yet: what the TLB holds of a
 * split leaf stays true until a part of the leaf changes, and the invalidation
 * of that part drops all of it. */
static enum mm_error isolate(struct page_table *table, vaddr_t vaddr,
                             uint64_t bytes, struct run *run)
{
    struct cuts cuts;
    struct spares spares;
    enum mm_error error = check_mapped(table, vaddr, bytes, run, &cuts);

    if (error != MM_OK || (cuts.first == LEVEL_PT && cuts.last == LEVEL_PT))
        return error;
    if (cuts_live_code(table, vaddr, bytes, cuts))
        return MM_BAD_ARGUMENT;
    if (!take_spares(table, &spares, splits_needed(vaddr, vaddr + bytes, cuts)))
        return MM_OUT_OF_MEMORY;
    if (cuts.first != LEVEL_PT)
        split_at(table, vaddr, &spares);
    if (cuts.last != LEVEL_PT)
        split_at(table, vaddr + bytes, &spares);
    ASSERT(spares.count == 0, "%u spare frames are left", spares.count);
    find_run(table, vaddr, bytes, run);
    return MM_OK;
}

/* Not inlined into page_unmap for the same reason as map_range. */
static __attribute__((noinline)) enum mm_error
unmap_range(struct page_table *table, vaddr_t vaddr, uint64_t bytes)
{
    struct run run;
    enum mm_error error = check_range(table, vaddr, bytes);

    if (error == MM_OK)
        error = isolate(table, vaddr, bytes, &run);
    if (error == MM_OK)
        clear_range(table, vaddr, bytes, &run);
    return error;
}

enum mm_error page_unmap(struct page_table *table, vaddr_t vaddr,
                         uint64_t bytes)
{
    if (bytes == PAGE_SIZE && unmap_single(table, vaddr))
        return MM_OK;
    return unmap_range(table, vaddr, bytes);
}

/* Replaces those bits of a leaf where `kept` has 0. */
static void replace_bits(page_slot *slot, uint64_t kept, uint64_t bits)
{
    uint64_t entry = slot_load(slot);

    /* One atomic operation, so that no A or D that the CPU sets is lost.
     * relaxed: it does not order accesses to the mapped memory; the
     * invalidation does. */
    while (!atomic_compare_exchange_weak_explicit(
        slot, &entry, (entry & kept) | bits, memory_order_relaxed,
        memory_order_relaxed))
        ;
}

static void protect_run(const struct run *run, unsigned flags)
{
    uint64_t kept = page_leaf_address_bits(run->level) | ENTRY_A | ENTRY_D;
    uint64_t bits = page_leaf(0, run->level, flags);
    page_slot *slot = run->path[run->level];

    for (unsigned i = 0; i < run->count; i++)
        replace_bits(&slot[i], kept, bits);
}

enum mm_error page_protect(struct page_table *table, vaddr_t vaddr,
                           uint64_t bytes, unsigned flags)
{
    struct aftermath after;
    struct run run;
    enum mm_error error = check_range(table, vaddr, bytes);

    if (error == MM_OK)
        error = check_flags(flags, PAGE_FLAGS_PROTECT);
    if (error == MM_OK)
        error = isolate(table, vaddr, bytes, &run);
    if (error != MM_OK)
        return error;

    aftermath_begin(&after);
    for (uint64_t done = 0;;) {
        protect_run(&run, flags);
        note_changed(&after, vaddr + done, run.level, run.count);
        done += run.count * page_level_size(run.level);
        if (done >= bytes)
            break;
        find_run(table, vaddr + done, bytes - done, &run);
    }
    aftermath_end(table, &after);
    return MM_OK;
}

/* ---- Join ---- */

/* Joins that the TLB was not told of yet.  The CPU may still translate with the
 * replaced tables, and set A and D in them. */
#define JOINS_MAX 32

struct joins {
    unsigned count;
    struct {
        page_slot *leaf;
        paddr_t table;
    } join[JOINS_MAX];
};

/* A and D, each if some entry of the table has it. */
static uint64_t noted_in(paddr_t frame)
{
    const page_slot *slots = slot_of(frame, 0, LEVEL_PT);
    uint64_t noted = 0;

    for (unsigned i = 0; i < PAGE_TABLE_ENTRIES; i++)
        noted |= slot_load(&slots[i]);
    return noted & (ENTRY_A | ENTRY_D);
}

/* In the order in which the joins were made: a leaf may have been joined and
 * then have become part of a larger one.  Flushes the whole TLB, because it may
 * hold any of the small pages. */
static void joins_end(struct page_table *table, struct joins *joins)
{
    if (table->live && joins->count > 0)
        platform_tlb_flush(PLATFORM_TLB_TABLES);
    for (unsigned i = 0; i < joins->count; i++) {
        paddr_t frame = joins->join[i].table;
        /* relaxed: no other access is ordered by A and D */
        atomic_fetch_or_explicit(joins->join[i].leaf, noted_in(frame),
                                 memory_order_relaxed);
        table->free(table->context, frame);
    }
    joins->count = 0;
}

/* The leaf of this level that maps the same as the table, or 0.  There is none
 * for code: until the flush a CPU may have found both sizes. */
static uint64_t joined_leaf(paddr_t frame, unsigned level)
{
    const page_slot *slots = slot_of(frame, 0, LEVEL_PT);
    const uint64_t noted = ENTRY_A | ENTRY_D;
    uint64_t first = slot_load(&slots[0]) & ~noted;
    paddr_t paddr = page_leaf_address(first, level - 1);

    if (!page_entry_is_leaf(first, level - 1) ||
        page_leaf_flags(first, level - 1) & PAGE_EXECUTE ||
        !is_aligned(paddr, page_level_size(level)))
        return 0;
    for (unsigned i = 1; i < PAGE_TABLE_ENTRIES; i++)
        if ((slot_load(&slots[i]) & ~noted) !=
            first + i * page_level_size(level - 1))
            return 0;
    return page_leaf(paddr, level, page_leaf_flags(first, level - 1));
}

/* Replaces the table that a slot of this level points at by a leaf, if
 * possible. */
static void try_join(struct page_table *table, page_slot *slot, unsigned level,
                     struct joins *joins)
{
    uint64_t entry = slot_load(slot);

    if (!page_entry_is_table(entry, level) ||
        page_entry_count(entry) != PAGE_TABLE_ENTRIES)
        return;
    uint64_t leaf = joined_leaf(page_entry_table(entry), level);
    if (leaf == 0)
        return;
    slot_store(slot, leaf);
    joins->join[joins->count].leaf = slot;
    joins->join[joins->count].table = page_entry_table(entry);
    if (++joins->count == JOINS_MAX)
        joins_end(table, joins);
}

enum mm_error page_join(struct page_table *table, vaddr_t vaddr, uint64_t bytes)
{
    struct joins joins = {.count = 0};
    enum mm_error error = check_range(table, vaddr, bytes);

    if (error != MM_OK)
        return error;
    for (unsigned level = LEVEL_PD; level <= table->largest_level; level++) {
        uint64_t size = page_level_size(level);
        uint64_t done = -vaddr & (size - 1);

        while (done + size <= bytes) {
            page_path path;
            vaddr_t at = vaddr + done;
            unsigned end = page_descend(table, at, level, path);
            if (end == level)
                try_join(table, path[level], level, &joins);
            done += page_level_size(end) - (at & (page_level_size(end) - 1));
        }
    }
    joins_end(table, &joins);
    return MM_OK;
}

/* ---- Accessed and dirty ---- */

enum mm_error page_test_and_clear(struct page_table *table, vaddr_t vaddr,
                                  unsigned flags, unsigned *was)
{
    page_path path;

    *was = 0;
    if (table->alloc == NULL)
        return MM_NOT_READY;
    if ((flags & ~(unsigned)(PAGE_ACCESSED | PAGE_DIRTY)) != 0)
        return MM_BAD_ARGUMENT;
    if (!page_is_canonical(vaddr))
        return MM_NON_CANONICAL;
    unsigned level = page_descend(table, vaddr, LEVEL_PT, path);
    if (!page_entry_is_leaf(slot_load(path[level]), level))
        return MM_NOT_MAPPED;

    uint64_t cleared = (flags & PAGE_ACCESSED ? ENTRY_A : 0) |
                       (flags & PAGE_DIRTY ? ENTRY_D : 0);
    /* relaxed: no other access is ordered by A and D */
    uint64_t entry =
        atomic_fetch_and_explicit(path[level], ~cleared, memory_order_relaxed);
    *was = page_leaf_flags(entry, level) & flags;
    /* Without the invalidation the CPU would not set the bit again: its TLB
     * holds the entry with the bit set (Intel SDM volume 3, section 4.8). */
    vaddr_t page = vaddr & ~(PAGE_SIZE - 1);
    if (*was != 0 && table->live)
        platform_tlb_invalidate(&page, 1, PLATFORM_TLB_LEAVES);
    return MM_OK;
}
