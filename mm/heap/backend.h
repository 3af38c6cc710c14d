/* What a back-end of the heap is: one file in mm/heap/, one struct
 * heap_backend.
 *
 * There are two kinds.  Most only decide where blocks lie: mm/heap/simple.c
 * checks layouts, takes the heap's lock, counts, and reports misuse for them.
 * Their functions are called with that lock held, and none may panic because of
 * what a caller of the heap did: it returns a fault, so that the report is made
 * with the lock free and the heap sound.
 *
 * The other kind does all of it by itself: it has calls, and none of the
 * functions from alloc on.  No kind has state outside its region.
 */
#ifndef MM_HEAP_BACKEND_H
#define MM_HEAP_BACKEND_H

#include "mm/heap.h"

/* What a pointer that came back to the heap may have wrong with it. */
#define HEAP_FAULTS(X)                                                         \
    X(HEAP_NO_FAULT, "no fault")                                               \
    X(HEAP_DOUBLE_FREE, "a block that is free already")                        \
    X(HEAP_NOT_A_START, "a pointer that is not the start of a block")          \
    X(HEAP_FOREIGN, "a pointer that is not of this heap")                      \
    X(HEAP_WRONG_LAYOUT, "a size or alignment that is not the block's")        \
    X(HEAP_OVERRUN, "a block that was written past its end")                   \
    X(HEAP_UNDERRUN, "a block that was written in front of its start")         \
    X(HEAP_USE_AFTER_FREE, "a block that was written after it was freed")      \
    X(HEAP_HEADER, "the header of a block, in which the heap keeps its "       \
                   "notes, was overwritten")

enum heap_fault {
#define HEAP_FAULT_ENUM(name, sentence) name,
    HEAP_FAULTS(HEAP_FAULT_ENUM)
#undef HEAP_FAULT_ENUM
};

/* What a back-end knows of one block.  With a fault it is the block concerned,
 * as far as it can be told: start is NULL if it cannot. */
struct heap_block {
    void *start;
    struct layout layout; /* as asked for */
    size_t usable;        /* bytes from start on that are the owner's */
    size_t held;          /* bytes of the region that it takes */

    /* Known with HEAP_CHECKS_FULL, else NULL: who allocated and freed it, and
     * which byte gave a fault away, with its value then. */
    const void *allocated_by, *freed_by, *damage;
    uint8_t damage_byte;
};

struct heap_totals {
    size_t blocks, requested, held;
};

/* The calls of every heap whose back-end has none of its own. */
extern const struct heap_calls heap_simple_calls;

/* The heap's calls are those of this table, which lives for ever. */
void heap_use_calls(struct heap *heap, const struct heap_calls *table);

struct heap_backend {
    const char *name;
    const char *help; /* one sentence */

    /* Bytes of region without which init cannot work. */
    size_t region_min;

    /* Makes the region, of which at least region_min bytes are usable, an empty
     * heap. */
    void (*init)(struct heap *heap);

    /* What heap_fini and heap_trim have to do; NULL: nothing. */
    void (*fini)(struct heap *heap);
    void (*trim)(struct heap *heap);

    /* NULL for those that have the functions below. */
    const struct heap_calls *calls;

    /* Finds room for a layout that layout_error passes and that is no larger
     * than the region's limit, growing the region if it must.  *dirty becomes
     * the number of the block's first bytes that may be other than 0: the size
     * where nothing is known.  False if there is no room. */
    bool (*alloc)(struct heap *heap, struct layout layout,
                  struct heap_block *block, size_t *dirty);

    /* The same for a long-lived block, from another end of the region; NULL for
     * a back-end that has no such place. */
    bool (*alloc_back)(struct heap *heap, struct layout layout,
                       struct heap_block *block, size_t *dirty);

    /* The live block that starts at pointer. */
    enum heap_fault (*find)(const struct heap *heap, const void *pointer,
                            struct heap_block *block);

    /* The same for a pointer that is trusted: without a look at whether there
     * is such a block. */
    void (*look)(const struct heap *heap, const void *pointer,
                 struct heap_block *block);

    /* Frees a block that find has found just now. */
    void (*dealloc)(struct heap *heap, const struct heap_block *block);

    /* Gives a block that find has found just now another layout, of the kind
     * that alloc is given, without moving it; its start is aligned for it.
     * Updates *block.  False if it cannot, and then nothing has changed. */
    bool (*resize)(struct heap *heap, struct heap_block *block,
                   struct layout layout);

    /* Verifies every invariant, and adds up the live blocks. */
    struct heap_flaw (*check)(const struct heap *heap,
                              struct heap_totals *totals);
};

/* Makes at least bytes (a multiple of HEAP_GRANULE) more of the region usable:
 * for back-ends.  False, with nothing changed, if it cannot. */
bool heap_grow(struct heap *heap, size_t bytes);

/* Counts a call that returns NULL, and notes why: any context. */
void heap_refuse(struct heap *heap, enum mm_error error);

/* For the usual calls.  Where their code lies tells which of their loads and
 * jumps look alike to the processor: a replacement at random took 10 to 12 ns
 * by it, and 10 at all places tried since each begins at a line. */
#define ALIGNED_TO_LINE __attribute__((aligned(64)))

/* Realloc for those to whom it is a resize like any other. */
void *heap_realloc_by_resize(struct heap *heap, void *pointer,
                             struct layout layout, size_t new_size,
                             const void *caller);

/* The class by doublings of this size. */
static inline unsigned heap_class_of(size_t size)
{
    unsigned bits = size <= 16 ? 0 : 60 - (unsigned)__builtin_clzll(size - 1);

    return bits < HEAP_CLASSES ? bits : HEAP_CLASSES - 1;
}

/* Counts a block that is live from now on, or no more: in all, and in the class
 * by doublings. */
void heap_count(struct heap_stats *stats, struct heap_class *classes,
                const struct heap_block *block);
void heap_discount(struct heap_stats *stats, struct heap_class *classes,
                   const struct heap_block *block);

/* Copies what is known of a class by doublings. */
bool heap_copy_class(const struct heap_class *classes, unsigned number,
                     struct heap_class *class);

/* The sentence of a fault. */
const char *heap_fault_text(enum heap_fault fault);

/* Room for platform_name_code in reports; a longer name is cut. */
#define HEAP_NAME_MAX 64

/* Ends in assert_failed with the fault, the block and who called; with no lock
 * held. */
_Noreturn void heap_report(const struct heap *heap, enum heap_fault fault,
                           const struct heap_claim *claim,
                           const struct heap_block *block);

/* The first address behind what is usable of the region now. */
static inline vaddr_t heap_end(const struct heap *heap)
{
    return (vaddr_t)heap->region.start + heap->region.size;
}

extern const struct heap_backend heap_bins;
extern const struct heap_backend heap_buddy;
extern const struct heap_backend heap_bump;
extern const struct heap_backend heap_list;
extern const struct heap_backend heap_slab;

#endif
