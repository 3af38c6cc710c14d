/* The pages of a region, given out in runs: what slabs are made of.
 *
 *   region.start                                                limit
 *   +-------+---------+---------+----------+----+----+----+ - - - -+
 *   | the   | a row of entries  | bits:    |page|page|page|        |
 *   | owner | for each page     | taken,   | 0  | 1  | 2  |        |
 *   |       | (page_row) ...    | backed   |    |    |    |        |
 *   +-------+---------+---------+----------+----+----+----+ - - - -+
 *
 * A run is the lowest one that is large enough.  Where the region can back
 * memory piece by piece, a page has memory as long as it is in a run, and so
 * have the entries of the pages up to the highest that ever was; some pages
 * keep theirs when they are given back, so that the next run costs nothing.
 * Elsewhere the region grows from its start as it is needed, and keeps all.
 *
 * Callers hold the owner's lock.
 */
#ifndef MM_HEAP_SLAB_PAGES_H
#define MM_HEAP_SLAB_PAGES_H

#include "mm/heap.h"
#include "mm/tree/set512.h"

#define PAGES_NONE SIZE_MAX

/* Entries for pages: so many bytes a page, one page after the other.  All 0
 * when the page is first given out. */
struct page_row {
    vaddr_t start;
    size_t bytes; /* a page; 0: the row is one of bits */
};

#define PAGE_ROWS_MAX 6

/* Runs shorter than this are looked for where the last search has ended. */
#define PAGES_HINTS 17

struct pages {
    struct heap *heap;
    vaddr_t start; /* of page 0: a multiple of PAGE_SIZE */
    size_t count;  /* pages there may be */
    size_t ready;  /* pages whose entries have memory, from 0 on */
    size_t fresh;  /* from this page on none was ever given out */

    struct set512 *taken;
    struct set512 *backed; /* NULL where the region just grows */
    size_t taken_count;
    size_t idle; /* backed and not taken */

    /* No run of so many pages begins below. */
    size_t hint[PAGES_HINTS];

    struct page_row row[PAGE_ROWS_MAX];
    unsigned rows;
};

/* Lays out the region behind its first `owner` bytes, which are usable, with
 * entries of these many bytes a page (0 ends the list), and makes row[i].start
 * known.  False: there is no memory for a single page. */
bool pages_init(struct pages *pages, struct heap *heap, size_t owner,
                const size_t *entries);

/* A run of count pages that starts at a multiple of align (a power of two, at
 * least PAGE_SIZE), or PAGES_NONE.  *zeroed: all its bytes are 0. */
size_t pages_take(struct pages *pages, size_t count, size_t align,
                  bool *zeroed);

/* Makes the run of `from` pages that starts at first `to` pages long, where it
 * is.  False if it cannot, and then nothing has changed. */
bool pages_resize(struct pages *pages, size_t first, size_t from, size_t to);

void pages_give(struct pages *pages, size_t first, size_t count);

/* Gives back all memory of pages that are in no run. */
void pages_trim(struct pages *pages);

/* Gives back all memory that came in pieces: of the region what it had grown to
 * at first is left. */
void pages_fini(struct pages *pages);

/* Verifies what is counted, with the owner's lock held. */
struct heap_flaw pages_verify(const struct pages *pages);

static inline vaddr_t pages_address(const struct pages *pages, size_t page)
{
    return pages->start + page * PAGE_SIZE;
}

#endif
