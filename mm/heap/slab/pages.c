/* Runs of pages: see mm/heap/slab/pages.h. */
#include "mm/heap/slab/pages.h"

#include "lib/assert.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "mm/heap/backend.h"

/* Idle pages that are kept: these, and as many as are taken.  Where runs of
 * many lengths come and go, the holes between them are not much smaller. */
#define IDLE_KEPT 256

/* Entries get memory for so many pages at a time. */
#define READY_STEP 32

/* Where a row takes whole pages, its first entry lies this far off the start of
 * one: for the same reason as struct slab_heap does. */
#define ROW_OFFSET 832

static bool has(const struct set512 *sets, size_t page)
{
    return set512_has(&sets[page / SET512_MEMBERS], page % SET512_MEMBERS);
}

/* The word of 64 pages that this one is in. */
static uint64_t word(const struct set512 *sets, size_t page)
{
    return sets[page / SET512_MEMBERS]
        .words[page % SET512_MEMBERS / SET512_WORD_BITS];
}

/* The first page from this one on, and below end, that is in the sets or, if
 * not `in`, is not; or end. */
static size_t next(const struct set512 *sets, size_t page, size_t end, bool in)
{
    while (page < end) {
        uint64_t flip = in ? 0 : UINT64_MAX;
        uint64_t rest = (word(sets, page) ^ flip) >> (page % SET512_WORD_BITS);

        if (rest != 0) {
            page += word_lowest(rest);
            return page < end ? page : end;
        }
        page = (page | (SET512_WORD_BITS - 1)) + 1;
    }
    return end;
}

/* Puts the pages first to end - 1 in, or takes them out. */
static void mark(struct set512 *sets, size_t first, size_t end, bool in)
{
    for (size_t page = first; page < end; page++) {
        struct set512 *set = &sets[page / SET512_MEMBERS];

        if (in)
            (void)set512_add(set, page % SET512_MEMBERS);
        else
            (void)set512_remove(set, page % SET512_MEMBERS);
    }
}

/* Memory of the region. */

static bool region_backs(const struct pages *pages)
{
    return pages->heap->region.back != NULL;
}

/* Gives these bytes, which had none, memory; whole pages. */
static bool back(struct pages *pages, vaddr_t start, size_t bytes)
{
    struct heap_region *region = &pages->heap->region;

    if (bytes == 0)
        return true;
    if (!region->back(region->context, (void *)start, bytes))
        return false;
    region->size += bytes;
    return true;
}

static void unback(struct pages *pages, vaddr_t start, size_t bytes)
{
    struct heap_region *region = &pages->heap->region;

    region->size -= region->unback(region->context, (void *)start, bytes);
}

/* Bytes of the entries of so many pages. */
static size_t row_bytes(const struct page_row *row, size_t pages)
{
    return row->bytes ? pages * row->bytes
                      : align_up(pages, SET512_MEMBERS) / 8;
}

/* Where the entries of the pages below this one end, in whole pages. */
static vaddr_t row_end(const struct page_row *row, size_t page)
{
    if (page == 0)
        return align_down(row->start, PAGE_SIZE);
    return align_up(row->start + row_bytes(row, page), PAGE_SIZE);
}

/* Gives the entries of the pages below this one memory. */
static bool make_ready(struct pages *pages, size_t page)
{
    size_t wanted = align_up(page, READY_STEP);

    if (wanted > pages->count)
        wanted = pages->count;
    if (wanted <= pages->ready)
        return true;
    for (unsigned i = 0; i < pages->rows; i++) {
        const struct page_row *row = &pages->row[i];
        vaddr_t from = row_end(row, pages->ready), to = row_end(row, wanted);

        if (!back(pages, from, to - from)) {
            while (i-- > 0) {
                row = &pages->row[i];
                from = row_end(row, pages->ready);
                to = row_end(row, wanted);
                if (to > from)
                    unback(pages, from, to - from);
            }
            return false;
        }
        if (!pages->heap->region.zeroed)
            memset((void *)from, 0, to - from);
    }
    /* relaxed: who reads an entry got there by a block of such a page */
    __atomic_store_n(&pages->ready, wanted, __ATOMIC_RELAXED);
    return true;
}

/* Gives the run's pages memory; *zeroed as in pages_take. */
static bool back_run(struct pages *pages, size_t first, size_t end,
                     bool *zeroed)
{
    size_t old = next(pages->backed, first, end, true);
    size_t done = first;

    *zeroed = old == end && pages->heap->region.zeroed;
    while (done < end) {
        size_t from = next(pages->backed, done, end, false);
        size_t to = next(pages->backed, from, end, true);

        if (!back(pages, pages_address(pages, from), (to - from) * PAGE_SIZE))
            break;
        mark(pages->backed, from, to, true);
        pages->idle += to - from;
        done = to;
    }
    /* what it got before it failed stays, idle */
    return done == end;
}

/* The run's pages are usable: the region has grown as far. */
static bool grow_run(struct pages *pages, size_t first, size_t end,
                     bool *zeroed)
{
    struct heap_region *region = &pages->heap->region;
    vaddr_t usable = heap_end(pages->heap), need = pages_address(pages, end);

    *zeroed = region->zeroed && first >= pages->fresh;
    return need <= usable || heap_grow(pages->heap, need - usable);
}

static bool fill_run(struct pages *pages, size_t first, size_t end,
                     bool *zeroed)
{
    if (!region_backs(pages))
        return grow_run(pages, first, end, zeroed);
    return back_run(pages, first, end, zeroed);
}

/* Takes the pages, which have memory. */
static void take(struct pages *pages, size_t first, size_t end)
{
    mark(pages->taken, first, end, true);
    pages->taken_count += end - first;
    if (region_backs(pages))
        pages->idle -= end - first;
    if (pages->fresh < end)
        pages->fresh = end;
}

/* The public functions. */

/* Bytes that the entries of so many pages take, in rows that start and end at
 * multiples of step. */
static size_t layout_rows(struct pages *pages, vaddr_t start, size_t step)
{
    vaddr_t at = align_up(start, step);

    for (unsigned i = 0; i < pages->rows; i++) {
        struct page_row *row = &pages->row[i];

        row->start = at + (row->bytes && step == PAGE_SIZE ? ROW_OFFSET : 0);
        at = align_up(row->start + row_bytes(row, pages->count), step);
    }
    pages->start = align_up(at, PAGE_SIZE);
    return pages->start - start;
}

/* As many pages as fit with their entries. */
static bool layout(struct pages *pages, vaddr_t start, size_t limit,
                   size_t step)
{
    size_t each = PAGE_SIZE;

    for (unsigned i = 0; i < pages->rows; i++)
        each += pages->row[i].bytes;
    pages->count = limit / each;
    while (pages->count > 0 &&
           layout_rows(pages, start, step) + pages->count * PAGE_SIZE > limit)
        pages->count -= 1 + pages->count / 1024;
    return pages->count > 0;
}

bool pages_init(struct pages *pages, struct heap *heap, size_t owner,
                const size_t *entries)
{
    struct heap_region *region = &heap->region;
    bool backs = region->back != NULL;
    vaddr_t start = (vaddr_t)region->start + owner;
    size_t limit = region->limit - owner;

    *pages = (struct pages){.heap = heap};
    while (entries[pages->rows] != 0) {
        pages->row[pages->rows].bytes = entries[pages->rows];
        pages->rows++;
    }
    unsigned taken = pages->rows++, backed = pages->rows;
    pages->rows += backs;
    ASSERT(pages->rows <= PAGE_ROWS_MAX, "%u rows", pages->rows);

    for (;; limit /= 2) {
        if (!layout(pages, start, limit, backs ? PAGE_SIZE : 64))
            return false;
        if (backs)
            break;
        /* a region that cannot grow as far has room for fewer entries */
        vaddr_t usable = heap_end(heap);
        if (pages->start <= usable || heap_grow(heap, pages->start - usable))
            break;
    }
    if (!backs && !region->zeroed)
        memset((void *)start, 0, pages->start - start);
    pages->taken = (struct set512 *)pages->row[taken].start;
    if (backs)
        pages->backed = (struct set512 *)pages->row[backed].start;
    else
        pages->ready = pages->count;
    return true;
}

/* The lowest run of count free pages from `from` on, or PAGES_NONE. */
static size_t search(const struct pages *pages, size_t from, size_t count,
                     size_t align)
{
    size_t end = pages->count;

    while (from < end) {
        /* what is not ready was never taken */
        size_t known = from < pages->ready ? pages->ready : from;
        size_t first = next(pages->taken, from, known, false);

        if (align > PAGE_SIZE)
            first =
                (align_up(pages_address(pages, first), align) - pages->start) /
                PAGE_SIZE;
        if (first > end || end - first < count)
            break;
        size_t stop = first + count < known ? first + count : known;
        size_t hit =
            first < stop ? next(pages->taken, first, stop, true) : stop;
        if (hit == stop)
            return first;
        from = hit + 1;
    }
    return PAGES_NONE;
}

size_t pages_take(struct pages *pages, size_t count, size_t align, bool *zeroed)
{
    bool hinted = count < PAGES_HINTS && align <= PAGE_SIZE;
    size_t from = hinted ? pages->hint[count] : 0;
    size_t first = search(pages, from, count, align);

    if (first == PAGES_NONE)
        return PAGES_NONE;
    if (hinted)
        pages->hint[count] = first;
    if (region_backs(pages) && !make_ready(pages, first + count))
        return PAGES_NONE;
    if (!fill_run(pages, first, first + count, zeroed))
        return PAGES_NONE;
    take(pages, first, first + count);
    return first;
}

bool pages_resize(struct pages *pages, size_t first, size_t from, size_t to)
{
    size_t end = first + from, wanted = first + to;
    bool zeroed;

    if (to <= from) {
        pages_give(pages, wanted, from - to);
        return true;
    }
    size_t known = wanted < pages->ready ? wanted : pages->ready;
    if (wanted > pages->count || next(pages->taken, end, known, true) != known)
        return false;
    if (region_backs(pages) && !make_ready(pages, wanted))
        return false;
    if (!fill_run(pages, end, wanted, &zeroed))
        return false;
    take(pages, end, wanted);
    return true;
}

/* The free run about this page is one now: searches for runs of its length
 * begin here again. */
static void lower_hints(struct pages *pages, size_t first, size_t count)
{
    size_t start = first, length = count;

    while (start > 0 && !has(pages->taken, start - 1) && length < PAGES_HINTS) {
        start--;
        length++;
    }
    for (size_t page = first + count;
         length < PAGES_HINTS && page < pages->ready &&
         !has(pages->taken, page);
         page++)
        length++;
    if (first + count >= pages->ready)
        length = PAGES_HINTS;
    for (size_t i = 1; i < PAGES_HINTS && i <= length; i++)
        if (pages->hint[i] > start)
            pages->hint[i] = start;
}

void pages_give(struct pages *pages, size_t first, size_t count)
{
    mark(pages->taken, first, first + count, false);
    pages->taken_count -= count;
    lower_hints(pages, first, count);
    if (!region_backs(pages) || count == 0)
        return;
    pages->idle += count;
    if (pages->idle <= IDLE_KEPT + pages->taken_count)
        return;
    unback(pages, pages_address(pages, first), count * PAGE_SIZE);
    mark(pages->backed, first, first + count, false);
    pages->idle -= count;
}

void pages_trim(struct pages *pages)
{
    size_t page = 0, end;

    if (!region_backs(pages))
        return;
    for (; pages->idle > 0; page = end) {
        page = next(pages->backed, page, pages->ready, true);
        ASSERT(page < pages->ready, "%zu idle pages are not there",
               pages->idle);
        end = next(pages->backed, page, pages->ready, false);
        size_t taken = next(pages->taken, page, end, true);
        if (taken == page) {
            end = next(pages->taken, page, end, false);
            continue;
        }
        end = taken;
        unback(pages, pages_address(pages, page), (end - page) * PAGE_SIZE);
        mark(pages->backed, page, end, false);
        pages->idle -= end - page;
    }
}

void pages_fini(struct pages *pages)
{
    if (!region_backs(pages))
        return;
    mark(pages->taken, 0, pages->ready, false);
    pages->idle += pages->taken_count;
    pages_trim(pages);
    for (unsigned i = 0; i < pages->rows; i++) {
        const struct page_row *row = &pages->row[i];
        vaddr_t start = row_end(row, 0), end = row_end(row, pages->ready);
        if (end > start)
            unback(pages, start, end - start);
    }
}

struct heap_flaw pages_verify(const struct pages *pages)
{
    size_t taken = 0, idle = 0;

    for (size_t page = 0; page < pages->ready; page++) {
        bool used = has(pages->taken, page);
        taken += used;
        if (used && page >= pages->fresh)
            return (struct heap_flaw){&pages->taken[page / SET512_MEMBERS],
                                      "a page taken that never was"};
        if (!region_backs(pages))
            continue;
        bool backed = has(pages->backed, page);
        if (used && !backed)
            return (struct heap_flaw){&pages->backed[page / SET512_MEMBERS],
                                      "a page taken that has no memory"};
        idle += backed && !used;
    }
    if (taken != pages->taken_count || idle != pages->idle)
        return (struct heap_flaw){pages, "pages counted wrongly"};
    return (struct heap_flaw){0};
}
