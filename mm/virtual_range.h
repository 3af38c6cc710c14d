/* Ranges of virtual addresses: whole pages, at any alignment up to 1 GiB, with
 * unmapped guard pages at their ends if asked for.
 *
 *   start           limit of one struct virtual_space
 *   |--+--+=======+--+---+~~~~~~~+------+=====+-----------------|
 *      |g | live  |g |gap| freed |  gap | live|      gap
 *
 * Only addresses are handed out here.  A caller that maps something in a range
 * must unmap it before it frees the range.
 *
 * A freed range is not handed out again soon, so that a stale pointer faults
 * and the report of the fault can name the range.  Allocation goes through the
 * whole space before it comes back to its start.  And the last
 * VIRTUAL_FREED_MAX ranges that were freed stay taken until there is no other
 * room.
 *
 * The ranges are a balanced tree (AVL) in order of address.  Each tree node
 * knows the gap before it and the largest gap of its subtree.  So one descent
 * finds a gap, a range, or room to merge: O(log n) for every call, 24 tree
 * nodes at most for 100,000 ranges.  Tree nodes lie in frames of their own, 63
 * to a frame; a frame without live ranges is freed.  The memory for freed
 * ranges is part of struct virtual_space, so freeing never needs any.
 *
 * Each space has a lock, so every call may come from any CPU and from any
 * handler.  A handler that must not wait for the lock (mm/cpu/cpu_order.h) is
 * answered MM_BUSY.  virtual_range_find never waits, and is for the report of a
 * fault anywhere.  From frame_init on; the heap is not needed.
 */
#ifndef MM_VIRTUAL_RANGE_H
#define MM_VIRTUAL_RANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "mm/address.h"
#include "mm/cpu/cpu_lock.h"
#include "mm/error.h"

/* How many freed ranges are remembered, and can be named in a report. */
#define VIRTUAL_FREED_MAX 256

#define VIRTUAL_ALIGNMENT_MAX SIZE_1G

enum virtual_guards {
    VIRTUAL_NO_GUARD = 0,
    VIRTUAL_GUARD_BEFORE = 1 << 0,
    VIRTUAL_GUARD_BEHIND = 1 << 1,
};

/* A range that is live, or freed and still remembered: one cache line. */
struct virtual_node {
    struct virtual_node *parent, *child[2];
    vaddr_t start;    /* with its guard pages */
    uint64_t gap;     /* bytes before start that belong to no range */
    uint64_t max_gap; /* the largest gap in this subtree */
    const char *name;
    uint32_t pages; /* with its guard pages */
    uint8_t height, guards;
    bool freed;
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct virtual_node) == 64, "a node is one cache line");

/* The largest space: 16 TiB less one page, so that 32 bits count its pages. */
#define VIRTUAL_SPACE_MAX ((uint64_t)UINT32_MAX * PAGE_SIZE)

/* For mm/space/virtual_range.c alone. */
struct virtual_space {
    struct cpu_lock lock;
    vaddr_t start, limit;
    vaddr_t cursor; /* end of the range handed out last */
    vaddr_t fresh;  /* from here on no address was ever used */

    struct virtual_node *root;
    struct virtual_node end; /* empty, at the limit: so every gap has a node
                              * behind it */

    struct virtual_node_page *with_room; /* pages with an unused node */
    uint64_t node_pages;

    /* A ring of `freed_count` entries from [freed_first] on, the oldest first.
     */
    struct virtual_node freed[VIRTUAL_FREED_MAX];
    unsigned freed_first, freed_count;

    uint64_t live_ranges, live_bytes;
};

/* A range without its guard pages. */
struct virtual_range {
    vaddr_t start;
    uint64_t bytes;
    const char *name;
};

/* Makes an empty space.  If the struct was in use before, no range of it may be
 * live.  start and bytes are multiples of 4 KiB.
 * MM_EMPTY_RANGE, MM_MISALIGNED, MM_RANGE_WRAPS
 * MM_BAD_ARGUMENT  more than VIRTUAL_SPACE_MAX bytes */
enum mm_error virtual_space_init(struct virtual_space *space, vaddr_t start,
                                 uint64_t bytes)
    __attribute__((warn_unused_result));

/* Sets *start to the first of `bytes` addresses that the caller may use, at a
 * multiple of alignment.  Guard pages come in addition.  The name is for
 * reports and must live for ever, such as a literal.
 *
 * bytes: a multiple of 4 KiB; alignment: a power of two, 4 KiB to 1 GiB.
 * MM_NOT_READY      the space was not set up
 * MM_EMPTY_RANGE    bytes is 0
 * MM_MISALIGNED     bytes is no multiple of 4 KiB
 * MM_BAD_ARGUMENT   another alignment, other guards, or no name
 * MM_OUT_OF_MEMORY  no gap is left, or no frame for the tree node
 * MM_BUSY           in a handler that must not wait, or as for frame_try_alloc
 * A gap of bytes + guard pages + alignment - 4 KiB is always found; a smaller
 * one may be.  If there is no gap, freed ranges are forgotten, the oldest
 * first, until there is one.  After MM_OUT_OF_MEMORY freed ranges may have been
 * forgotten too; nothing else has changed. */
enum mm_error virtual_range_alloc(struct virtual_space *space, uint64_t bytes,
                                  uint64_t alignment, unsigned guards,
                                  const char *name, vaddr_t *start)
    __attribute__((warn_unused_result));

/* Frees a range by the start that virtual_range_alloc returned.
 * MM_NOT_READY
 * MM_MISALIGNED     no multiple of 4 KiB
 * MM_OUT_OF_RANGE   not in this space
 * MM_INSIDE_LARGER  in a live range or its guard pages, but not its start
 * MM_NOT_HELD       in no live range: freed twice, or never allocated
 * MM_BUSY           in a handler that must not wait */
enum mm_error virtual_range_free(struct virtual_space *space, vaddr_t start)
    __attribute__((warn_unused_result));

/* Fills *range for a start that virtual_range_free would take.  Else returns
 * the error of virtual_range_free and leaves *range alone. */
enum mm_error virtual_range_look(struct virtual_space *space, vaddr_t start,
                                 struct virtual_range *range)
    __attribute__((warn_unused_result));

/* Where an address lies. */
enum virtual_place {
    VIRTUAL_LIVE,
    VIRTUAL_BEFORE,    /* in the guard page before a live range */
    VIRTUAL_BEHIND,    /* in the guard page behind a live range */
    VIRTUAL_FREED,     /* in a freed range or its guard pages */
    VIRTUAL_FORGOTTEN, /* in a gap that may have been in use */
    VIRTUAL_UNUSED,    /* never handed out */
    VIRTUAL_OUTSIDE,   /* not in this space, or the space is not set up */
    VIRTUAL_BUSY,      /* not known: the lock is taken */
};

/* Says where an address lies, to the byte; fills *range for the first four
 * places.  Never waits: any context, even in the middle of a call on this
 * space. */
enum virtual_place virtual_range_find(struct virtual_space *space,
                                      vaddr_t address,
                                      struct virtual_range *range);

struct virtual_stats {
    uint64_t live_ranges, live_bytes;   /* guard pages included */
    uint64_t freed_ranges, freed_bytes; /* not handed out again yet */
    uint64_t largest_gap;               /* bytes */
    uint64_t metadata_bytes;            /* frames of tree nodes, and the struct
                                         */
};

/* MM_BUSY, and *stats is not touched, in a handler that must not wait. */
enum mm_error virtual_space_stats(struct virtual_space *space,
                                  struct virtual_stats *stats)
    __attribute__((warn_unused_result));

/* Checks every invariant: returns NULL, or the first rule that is broken.
 * Reads all tree nodes. */
const char *virtual_space_check(struct virtual_space *space);

#endif
