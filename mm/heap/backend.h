/* What a back-end of the heap is: one file in mm/heap/, one struct
 * heap_backend.
 *
 * There are two kinds.  Most back-ends only decide where blocks lie.  For them
 * mm/heap/simple.c checks layouts, takes the heap's lock, counts, and reports
 * misuse.  It calls their functions with that lock held.  These functions must
 * not panic because of a caller's mistake: they return a fault, and simple.c
 * reports it when the lock is free and the heap is consistent.
 *
 * A back-end of the other kind does all of this itself: it has `calls`, and
 * none of the functions from alloc on.  Back-ends of both kinds keep all their
 * state in their heap's region.
 */
#ifndef MM_HEAP_BACKEND_H
#define MM_HEAP_BACKEND_H

#include "lib/bits.h"
#include "mm/heap.h"

/* What can be wrong with a pointer that a caller passes back to the heap. */
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

/* What a back-end knows of one block.  With a fault it is the block that the
 * fault is about; start is NULL if that is not known. */
struct heap_block {
    void *start;
    struct layout layout; /* as asked for */
    size_t usable;        /* bytes from start on that the owner may use */
    size_t held;          /* bytes of the region that the block takes */

    /* Known with HEAP_CHECKS_FULL, else NULL: the return addresses of the calls
     * that allocated and freed the block; and the byte that was overwritten,
     * with the value that was found there. */
    const void *allocated_by, *freed_by, *damage;
    uint8_t damage_byte;
};

struct heap_totals {
    size_t blocks, requested, held;
};

/* What a check answers that could not look. */
#define HEAP_BUSY ((struct heap_flaw){NULL, "it is in the middle of a call"})

/* The calls of every heap whose back-end has none of its own. */
extern const struct heap_calls heap_simple_calls;
void heap_simple_trim(struct heap *heap);

/* Makes the heap use the calls of this table, which must live for ever. */
void heap_use_calls(struct heap *heap, const struct heap_calls *table);

struct heap_backend {
    const char *name;
    const char *help; /* one sentence */

    /* init needs at least this many bytes of region. */
    size_t region_min;

    /* Makes an empty heap of the region, of which at least region_min bytes are
     * usable. */
    void (*init)(struct heap *heap);

    /* Called by heap_fini; NULL: there is nothing to do. */
    void (*fini)(struct heap *heap);

    /* Gives back the memory that can be spared (heap_unback). */
    void (*trim)(struct heap *heap);

    /* NULL for a back-end that has the functions below. */
    const struct heap_calls *calls;

    /* Finds room for a layout that layout_error accepts and that is no larger
     * than the region's limit; grows the region if necessary.  Sets *dirty to
     * how many bytes at the start of the block may not be 0: all of them if
     * nothing is known.  False if there is no room. */
    bool (*alloc)(struct heap *heap, struct layout layout,
                  struct heap_block *block, size_t *dirty);

    /* The same for a long-lived block, from the other end of the region; NULL
     * for a back-end that keeps no such place. */
    bool (*alloc_back)(struct heap *heap, struct layout layout,
                       struct heap_block *block, size_t *dirty);

    /* Finds the live block that starts at pointer, or says what is wrong with
     * the pointer. */
    enum heap_fault (*find)(const struct heap *heap, const void *pointer,
                            struct heap_block *block);

    /* The same, but reads nothing except what is noted of the block itself,
     * which no call changes but its owner's: for a handler that interrupted
     * another call.  It misses some mistakes. */
    enum heap_fault (*look)(const struct heap *heap, const void *pointer,
                            struct heap_block *block);

    /* Frees a block that find has just found. */
    void (*dealloc)(struct heap *heap, const struct heap_block *block);

    /* Gives a block that find has just found another layout, without moving it.
     * The layout is one that alloc would get, and the block's start is aligned
     * for it.  Updates *block.  False if this is not possible; then nothing has
     * changed. */
    bool (*resize)(struct heap *heap, struct heap_block *block,
                   struct layout layout);

    /* Checks every invariant, and adds up the live blocks. */
    struct heap_flaw (*check)(const struct heap *heap,
                              struct heap_totals *totals);
};

/* For back-ends: makes at least `bytes` (a multiple of HEAP_GRANULE) more bytes
 * of the region usable.  False if it cannot; then nothing has changed. */
bool heap_grow(struct heap *heap, size_t bytes);

/* For back-ends that do not lock: what heap_trim took and must be there again.
 * heap_unback takes the memory from the whole pages between two addresses in a
 * free block.  heap_back gives memory to all pages between two addresses in it
 * that have none, and so comes before each write to a free block, except to its
 * header and its end, which the back-end leaves out of heap_unback.  False:
 * there is no memory; then nothing has changed.  heap_has_memory: whether the
 * page around an address below region.size may be read. */
void heap_unback(struct heap *heap, vaddr_t from, vaddr_t to);
bool heap_back_pages(struct heap *heap, vaddr_t from, vaddr_t to);

static inline bool heap_back(struct heap *heap, vaddr_t from, vaddr_t to)
{
    return heap->without == 0 || heap_back_pages(heap, from, to);
}

static inline bool heap_has_memory(const struct heap *heap, vaddr_t address)
{
    const struct heap_region *region = &heap->region;

    return heap->without == 0 ||
           region->has_memory(region->context,
                              (void *)align_down(address, PAGE_SIZE));
}

/* Counts a call that returns NULL, and records the error: any context. */
void heap_refuse(struct heap *heap, enum mm_error error);

/* For the functions that are called most.  The address of their code decides
 * which of their loads and jumps the processor's predictors confuse.  A
 * replacement at random took 10 to 12 ns depending on it; with each function at
 * the start of a cache line it took 10 ns at all addresses tried. */
#define ALIGNED_TO_LINE __attribute__((aligned(64)))

/* realloc for back-ends that treat it as a resize like any other. */
void *heap_realloc_by_resize(struct heap *heap, void *pointer,
                             struct layout layout, size_t new_size,
                             const void *caller);

/* The class of this size, in classes by doublings. */
static inline unsigned heap_class_of(size_t size)
{
    unsigned bits = size <= 16 ? 0 : 60 - (unsigned)__builtin_clzll(size - 1);

    return bits < HEAP_CLASSES ? bits : HEAP_CLASSES - 1;
}

/* Whether an owner's layout is another than the block's. */
static inline bool heap_is_other(const struct layout *claimed,
                                 struct layout layout)
{
    return claimed &&
           (claimed->size != layout.size || claimed->align != layout.align);
}

/* Count a block that has become live, and one that is no longer live: in the
 * totals, and in its class by doublings. */
void heap_count(struct heap_stats *stats, struct heap_class *classes,
                const struct heap_block *block);
void heap_discount(struct heap_stats *stats, struct heap_class *classes,
                   const struct heap_block *block);

/* Copies the figures of one class by doublings; false if there is no such
 * class. */
bool heap_copy_class(const struct heap_class *classes, unsigned number,
                     struct heap_class *class);

/* The sentence of a fault. */
const char *heap_fault_text(enum heap_fault fault);

/* Room for platform_name_code in reports; a longer name is cut. */
#define HEAP_NAME_MAX 64

/* Reports the fault, the block and the caller with assert_failed, and does not
 * return.  To be called with no lock held. */
_Noreturn void heap_report(const struct heap *heap, enum heap_fault fault,
                           const struct heap_claim *claim,
                           const struct heap_block *block);

/* The first address behind the usable part of the region. */
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
