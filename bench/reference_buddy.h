/* The binary buddy as Linux has it, in its simplest form: what the frame
 * allocator is measured against, and nothing else.
 *
 * Every frame has a descriptor of 64 bytes.  Free blocks of 2^0 to 2^10 frames,
 * naturally aligned, hang in a list an order by the descriptor of their first
 * frame.  One lock is around all of that.  Single frames and 2M blocks go
 * through stacks of each CPU without the lock: what was freed last is handed
 * out first, an empty stack is filled with a batch, and one that is too high
 * gives back a batch from its bottom.  (mm/page_alloc.c of Linux:
 * __rmqueue_smallest, expand,
 * __free_one_page, rmqueue_bulk, free_pcppages_bulk.)
 *
 * Mistakes of the caller are not found.  Each CPU below BUDDY_CPUS may call.
 */
#ifndef BENCH_REFERENCE_BUDDY_H
#define BENCH_REFERENCE_BUDDY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/spinlock.h"

#define BUDDY_ORDERS 11
#define BUDDY_CPUS   2

/* No frame has this number. */
#define BUDDY_NONE UINT32_MAX

struct buddy_link {
    struct buddy_link *next, *previous;
};

struct buddy_page {
    struct buddy_link link;
    uint32_t order; /* of the free block that begins here, if is_free */
    bool is_free;
} __attribute__((aligned(64)));

/* Of blocks of one order. */
struct buddy_stack {
    struct buddy_link blocks; /* the last one freed is first */
    unsigned count;
} __attribute__((aligned(64)));

enum buddy_stacks { BUDDY_STACK_4K, BUDDY_STACK_2M, BUDDY_STACKS };

struct reference_buddy {
    struct spinlock lock;
    struct buddy_link free[BUDDY_ORDERS];
    uint32_t free_blocks[BUDDY_ORDERS];
    struct buddy_page *pages;
    uint32_t frame_count;
    bool with_stacks;
    struct buddy_stack stack[BUDDY_CPUS][BUDDY_STACKS];
};

/* A buddy of so many frames, all free.  `pages` is a descriptor for each, the
 * buddy's from now on; what they contain does not matter.  Without stacks every
 * block comes from the lists and goes back to them at once. */
void reference_buddy_init(struct reference_buddy *buddy,
                          struct buddy_page *pages, uint32_t frame_count,
                          bool with_stacks);

/* The first frame of a free block of that order (0 to 10), or BUDDY_NONE. */
uint32_t reference_buddy_alloc(struct reference_buddy *buddy, unsigned order);

/* Gives back what was allocated with this order. */
void reference_buddy_free(struct reference_buddy *buddy, uint32_t frame,
                          unsigned order);

/* Free blocks of 512 frames, parts of larger ones included.  What lies in
 * stacks is not free here, as in Linux. */
uint32_t reference_buddy_count_2m(const struct reference_buddy *buddy);

#endif
