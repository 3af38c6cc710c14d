/* The heap: blocks of any size, for the whole kernel.
 *
 * Two families of functions use the same back-ends:
 *
 *   heap_alloc, heap_dealloc, ...   the contract of Rust's GlobalAlloc in C:
 *                                   the caller knows size and alignment of its
 *                                   block, and passes them when it frees it
 *   kmalloc, kfree, ...             the heap remembers the size
 *
 * Both use the kernel-wide heap, the one given to heap_set_kernel.  Functions
 * whose names end in _in take the heap as their first argument: any number of
 * heaps may exist at once, each with its own back-end and its own region of
 * memory.
 *
 * A request that cannot be served returns NULL and leaves a named error
 * (heap_last_error); the heap goes on working.  A misuse is a bug of the
 * caller: a block freed twice, a pointer that is not the start of a block or
 * not of this heap, a size or alignment that is not the block's.  A misuse that
 * the back-end notices ends in assert_failed with block, size and caller.
 *
 * All functions may be called on any CPU and in any handler, also that of an
 * NMI (mm/platform.h lists the contexts).  Where a handler's call must not wait
 * for a lock, an allocation may be refused with MM_BUSY, and a free is put off
 * and done by the next call that has the lock.  heap_init and heap_fini are for
 * threads alone.  A region's grow is called with a lock held and must not use
 * any heap.
 */
#ifndef MM_HEAP_H
#define MM_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mm/address.h"
#include "mm/cpu/cpu_order.h"
#include "mm/error.h"

/* Regions, and the blocks in them, start and end on multiples of this. */
#define HEAP_GRANULE 16

/* The largest alignment of a block, and so the largest that kmalloc gives. */
#define HEAP_ALIGN_MAX SIZE_1G

/* The size of a block in bytes, and its alignment, a power of two. */
struct layout {
    size_t size, align;
};

/* Why no heap would serve this layout, or MM_OK:
 *   MM_EMPTY_RANGE   its size is 0
 *   MM_BAD_ALIGNMENT its alignment is no power of two, or above HEAP_ALIGN_MAX
 *   MM_RANGE_WRAPS   its size, rounded up to its alignment, is over
 *                    PTRDIFF_MAX (the limit of Rust's Layout) */
enum mm_error layout_error(struct layout layout);

/* The memory of one heap: an array that the caller owns, or a range of virtual
 * addresses that grows. */
struct heap_region {
    void *start;  /* a multiple of HEAP_GRANULE, as are size and limit */
    size_t size;  /* usable bytes now; may be 0 if it grows */
    size_t limit; /* bytes it may grow to; without grow, size */

    /* Makes at least `bytes` more bytes usable, directly behind the usable ones
     * and never beyond limit.  Returns how many: a multiple of HEAP_GRANULE,
     * whole pages if it maps pages, 0 if it cannot.  NULL: the region never
     * grows. */
    size_t (*grow)(void *context, size_t bytes);

    /* All three or none.  back gives memory to whole pages below limit that
     * have none (false: there is no memory); unback takes it away again, and
     * returns from how many bytes: fewer than asked only if part of a larger
     * page cannot be taken; has_memory says whether a page has any.  The
     * back-end slab first grows the region to region_min; from then on `size`
     * counts the bytes that have memory.  The others grow it as far as they
     * need, and only heap_trim takes memory away below size. */
    bool (*back)(void *context, void *start, size_t bytes);
    size_t (*unback)(void *context, void *start, size_t bytes);
    bool (*has_memory)(void *context, const void *page);

    /* Both or neither.  large_alloc finds memory outside the region for one
     * large block of `bytes` (whole pages), aligned to align; NULL if there is
     * none.  *zeroed says whether it is all 0. large_free gives it back; false
     * if a handler interrupted a call that is in the way. */
    void *(*large_alloc)(void *context, size_t bytes, size_t align,
                         bool *zeroed);
    bool (*large_free)(void *context, void *start);

    void *context;

    /* All bytes are 0 when the heap gets them, also those from grow.  Then
     * heap_alloc_zeroed need not clear bytes that were never written. */
    bool zeroed;
};

/* A region that is this array and never grows. */
static inline struct heap_region heap_region_array(void *start, size_t size)
{
    return (struct heap_region){.start = start, .size = size, .limit = size};
}

struct heap_stats {
    size_t blocks;         /* live now */
    size_t requested;      /* bytes that the owners of live blocks asked for */
    size_t held;           /* bytes that live blocks take, headers included */
    size_t peak_blocks;    /* the largest value there was of each */
    size_t peak_requested; /* (not necessarily all at once) */
    size_t peak_held;
    uint64_t allocations; /* since heap_init; a realloc that moves is one too */
    uint64_t failures;    /* calls that returned NULL, for any reason */
    size_t region;        /* bytes of the region that have memory now */
};

/* The same for one class of blocks: blocks of similar size, as asked for. */
struct heap_class {
    size_t most; /* largest size in bytes of the class */
    size_t blocks, requested, held;
    size_t peak_blocks;
    uint64_t failures; /* calls for a block of the class that returned NULL */
};

/* Most back-ends have a class for each doubling of the size: class k has sizes
 * over 8 << k, up to 16 << k bytes; class 0 also all smaller ones.  The last
 * class has all larger sizes. */
#define HEAP_CLASSES 32

struct heap;
struct heap_backend;  /* mm/heap/backend.h */
struct heap_deferred; /* mm/heap/deferred.h */
struct heap_guard;    /* mm/heap/guard.c */

/* How closely a heap looks for mistakes of its callers.  docs/heap/checks.md
 * says what each level finds. */
enum heap_checks {
    HEAP_CHECKS_OFF,   /* trusts the caller of a free; the back-end slab counts
                        * the slot's size as the size asked for */
    HEAP_CHECKS_BASIC, /* a freed block is live and its layout right */
    HEAP_CHECKS_FULL,  /* also: no byte around a block, or in a freed block, was
                        * changed */
};

/* A pointer that was passed back to the heap, and the layout that its owner
 * claims. */
struct heap_claim {
    const void *pointer;
    const struct layout *layout; /* NULL: the owner does not say */
    const void *caller;
};

/* The functions that the public ones call, for one kind of heap.  They never
 * get NULL as the block to free.  All but the last two may be called in any
 * context.  caller is the return address of the public function. */
struct heap_calls {
    void *(*alloc)(struct heap *heap, struct layout layout, const void *caller);
    void *(*alloc_zeroed)(struct heap *heap, struct layout layout,
                          const void *caller);
    void *(*alloc_back)(struct heap *heap, struct layout layout,
                        const void *caller);
    void (*dealloc)(struct heap *heap, void *pointer, struct layout layout,
                    const void *caller);
    void (*free)(struct heap *heap, void *pointer, const void *caller);
    /* to a new size with the same alignment; layout is the block's old one */
    void *(*realloc)(struct heap *heap, void *pointer, struct layout layout,
                     size_t new_size, const void *caller);
    /* to any layout; the owner need not know the old one */
    void *(*resize)(struct heap *heap, const struct heap_claim *claim,
                    struct layout layout);
    size_t (*usable_size)(struct heap *heap, const struct heap_claim *claim);
    struct heap_stats (*stats)(struct heap *heap);
    /* NULL: the heap has no classes */
    bool (*class)(struct heap *heap, unsigned number, struct heap_class *class);
    struct heap_flaw (*check)(struct heap *heap);
};

/* One heap.  Its fields are for mm/heap/ only. */
struct heap {
    void *state; /* for a back-end with its own calls; in the region */
    struct heap_calls calls; /* a copy of *table: saves a load in each call */
    const struct heap_calls *table;
    const struct heap_backend *backend;
    enum heap_checks checks;
    struct heap_guard *guard;           /* with HEAP_CHECKS_FULL */
    const struct heap_calls *unfailing; /* see heap_fail_allocation */
    uint64_t fail_in;
    struct heap_region region;
    size_t
        without; /* bytes below region.size that heap_trim took memory from */
    struct heap_stats stats;
    struct heap_class classes[HEAP_CLASSES]; /* only some back-ends */
    enum mm_error error; /* of the last call that returned NULL */
    struct cpu_lock lock;
    struct heap *next; /* in the list of all heaps */
    struct heap_deferred *deferred; /* mm/heap/deferred.h; not of slab */
};

/* All back-ends; ends with NULL. */
extern const struct heap_backend *const heap_backends[];

/* The name of a back-end, and a sentence about it; both live for ever. */
const char *heap_backend_name(const struct heap_backend *backend);
const char *heap_backend_help(const struct heap_backend *backend);

/* The back-end of this name ("list"), or NULL. */
const struct heap_backend *heap_backend_find(const char *name);

/* "off", "basic", "full"; NULL for any other number.  heap_checks_find is the
 * reverse: false for any other name. */
const char *heap_checks_name(enum heap_checks checks);
bool heap_checks_find(const char *name, enum heap_checks *checks);

/* Sets the checks of heaps that are made from now on.  Before it is called they
 * are HEAP_CHECKS_BASIC. */
void heap_set_checks(enum heap_checks checks);

/* Makes a heap that has no block yet.  Until heap_fini, *heap must stay where
 * it is, and the region up to its limit belongs to the heap alone.  After an
 * error there is no heap, and the log has a line about it:
 *   MM_MISALIGNED     start, size or limit is no multiple of HEAP_GRANULE
 *   MM_RANGE_WRAPS    the region runs past the last address
 *   MM_BAD_ARGUMENT   start is NULL; or size, limit and grow contradict each
 *                     other
 *   MM_OVERLAP        the region overlaps that of another heap, or heap is in
 *                     use already
 *   MM_TOO_SMALL      the region is too small for an empty heap of this
 *                     back-end, or for the data of HEAP_CHECKS_FULL
 *   MM_OUT_OF_MEMORY  the first grow failed */
__attribute__((warn_unused_result)) enum mm_error
heap_init(struct heap *heap, const struct heap_backend *backend,
          struct heap_region region);

/* Ends a heap.  Its region belongs to the caller again, and blocks that are
 * still live in it cease to exist.  heap->region.size still says how far the
 * region has grown. */
void heap_fini(struct heap *heap);

/* A block of this layout, or NULL. */
void *heap_alloc_in(struct heap *heap, struct layout layout);

/* The same, filled with zeros. */
void *heap_alloc_zeroed_in(struct heap *heap, struct layout layout);

/* The same as heap_alloc_in, for a block that will live long.  Some back-ends
 * keep such blocks in a place of their own. */
void *heap_alloc_back_in(struct heap *heap, struct layout layout);

/* Frees a block.  layout is that of its allocation or of its last realloc. */
void heap_dealloc_in(struct heap *heap, void *pointer, struct layout layout);

/* Makes a block new_size bytes long, in place if possible, and returns where it
 * is now.  Its alignment and its first min(old, new) bytes are kept.  NULL: it
 * failed; the old block is unchanged and still belongs to the caller. */
void *heap_realloc_in(struct heap *heap, void *pointer, struct layout layout,
                      size_t new_size);

/* Frees a block without its layout.  Does nothing for NULL. */
void heap_free_in(struct heap *heap, void *pointer);

/* How many bytes the owner of a block may use: at least as many as it asked
 * for.  heap_realloc keeps only the bytes asked for, krealloc keeps all of
 * these. */
size_t heap_usable_size_in(struct heap *heap, const void *pointer);

/* Why the last call that returned NULL did so: the error of layout_error,
 * MM_OUT_OF_MEMORY, or MM_BUSY in a handler that interrupted another call.
 * Failing calls on other CPUs overwrite it. */
enum mm_error heap_error_in(struct heap *heap);

struct heap_stats heap_stats(struct heap *heap);

/* Gives back the memory that the heap can spare: whole pages that no live block
 * is in, and what it keeps with each CPU.  The region must be able to take it
 * (unback). */
void heap_trim(struct heap *heap);

/* Fills *class for the class with this number.  Classes are numbered from 0 in
 * the order of their sizes.  False: there is no such class. */
bool heap_class(struct heap *heap, unsigned number, struct heap_class *class);

/* What is wrong with a heap, and where. */
struct heap_flaw {
    const void *place; /* NULL: nothing is known to be wrong */
    const char *what;  /* a sentence that lives for ever; NULL: all is right */
};

/* Walks the whole heap, verifies every invariant of its back-end and compares
 * what it finds with the statistics.  Returns the first flaw.
 *
 * If no other call is at work in the heap, the answer is exact.  Beside other
 * CPUs' calls it is right as well, or says that the heap could not be looked
 * at now: no place, but a sentence. */
struct heap_flaw heap_check(struct heap *heap);

/* For each call site that allocated blocks which are live now, prints a line
 * with their number and bytes; print is as printf.  Returns how many live
 * blocks there are.  Only a heap with HEAP_CHECKS_FULL knows: any other heap,
 * or a call in the middle of another one, returns 0. */
size_t heap_report_leaks(struct heap *heap,
                         int (*print)(const char *format, ...)
                             __attribute__((format(printf, 1, 2))));

/* Makes one allocation fail with MM_OUT_OF_MEMORY, to test its caller.  number
 * counts the allocations from now on: 1 is the next one, 0 none.  Every call
 * that may need memory counts, also one that changes a block's size. */
void heap_fail_allocation(struct heap *heap, uint64_t number);

/* Makes this the kernel-wide heap.  Until then the functions below return NULL
 * with MM_NOT_READY.  To be called once, before a second CPU runs. */
void heap_set_kernel(struct heap *heap);

/* The kernel-wide heap, or NULL. */
struct heap *heap_kernel(void);

/* The same as the functions named ..._in above, in the kernel-wide heap. */
void *heap_alloc(struct layout layout);
void *heap_alloc_zeroed(struct layout layout);
void heap_dealloc(void *pointer, struct layout layout);
void *heap_realloc(void *pointer, struct layout layout, size_t new_size);
enum mm_error heap_last_error(void);

/* A block of size bytes, or NULL.  It is aligned to 16, or to size if size is a
 * larger power of two (up to HEAP_ALIGN_MAX). */
void *kmalloc(size_t size);

/* The same, filled with zeros. */
void *kzalloc(size_t size);

/* A block for count objects of size bytes each; NULL with MM_RANGE_WRAPS if the
 * product overflows. */
void *kmalloc_array(size_t count, size_t size);

/* Makes a block of the kernel-wide heap size bytes long, aligned as by kmalloc,
 * and returns where it is now.  With NULL for pointer it is kmalloc.  Returns
 * NULL if it failed, also for size 0: then the old block is unchanged and not
 * freed. */
void *krealloc(void *pointer, size_t size);

/* Both do nothing for NULL. kfree_sized checks that size is the one that was
 * given to kmalloc or krealloc. */
void kfree(void *pointer);
void kfree_sized(void *pointer, size_t size);

/* See heap_usable_size_in; 0 for NULL. */
size_t kmalloc_usable_size(const void *pointer);

#endif
