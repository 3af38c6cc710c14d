/* The heap: blocks of any size, for everyone in the kernel.
 *
 * Two families of functions stand on one set of back-ends:
 *
 *   heap_alloc, heap_dealloc, ...   the contract of Rust's GlobalAlloc in C:
 *                                   the caller knows size and alignment of its
 *                                   block and gives them back with it
 *   kmalloc, kfree, ...             the heap remembers the size
 *
 * Both use the kernel-wide heap, the one given to heap_set_kernel.  The
 * functions whose names end in _in take the heap as their first argument: any
 * number of heaps may exist at once, each with its own back-end and its own
 * region of memory.
 *
 * A request that cannot be served returns NULL and leaves a named error
 * (heap_last_error); the heap goes on working.  A misuse that the back-end can
 * tell - a block freed twice, a pointer that is not the start of a block or not
 * of this heap, a size or alignment that is not the block's - is a bug of the
 * caller and ends in assert_failed with block, size and caller.
 *
 * All functions may be called on any CPU and in any handler, that of an NMI
 * too.  One that hit another call on the same CPU at a bad moment never waits
 * for it: an allocation may then be refused with MM_BUSY, a free is put off to
 * the end of that call.  grow is called with a lock held and must not use the
 * heap it serves.
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

/* What a block must be: size in bytes, alignment a power of two. */
struct layout {
    size_t size, align;
};

/* Why no heap would serve this layout, or MM_OK:
 *   MM_EMPTY_RANGE   its size is 0
 *   MM_BAD_ALIGNMENT its alignment is no power of two, or above HEAP_ALIGN_MAX
 *   MM_RANGE_WRAPS   its size, rounded up to its alignment, is over
 *                    PTRDIFF_MAX (the limit of Rust's Layout) */
enum mm_error layout_error(struct layout layout);

/* The memory of one heap: an array of the caller's, or a range of virtual
 * addresses that grows. */
struct heap_region {
    void *start;  /* a multiple of HEAP_GRANULE, as are size and limit */
    size_t size;  /* bytes usable now; may be 0 if it grows */
    size_t limit; /* bytes it may grow to; without grow the same as size */

    /* Makes at least bytes more usable, directly behind the ones usable so far
     * and never beyond limit, and returns how many (a multiple of HEAP_GRANULE;
     * whole pages where it maps pages), or 0 if it cannot.  NULL: the region
     * stays as it is. */
    size_t (*grow)(void *context, size_t bytes);

    /* Both or neither: gives any whole pages below limit that have no memory
     * some (false: there is none), and takes it away again.  A back-end that
     * uses them grows the region first as far as region_min, and counts in size
     * what has memory. */
    bool (*back)(void *context, void *start, size_t bytes);
    void (*unback)(void *context, void *start, size_t bytes);

    /* Both or neither: memory outside of the region for one large block, bytes
     * (whole pages) aligned to align, NULL if there is none; and back, false if
     * a handler hit a call that is in the way.  *zeroed: it is all 0. */
    void *(*large_alloc)(void *context, size_t bytes, size_t align,
                         bool *zeroed);
    bool (*large_free)(void *context, void *start);

    void *context;

    /* The bytes are all 0 when the heap gets them, those of grow too.  Then
     * heap_alloc_zeroed need not touch what nobody has written. */
    bool zeroed;
};

/* The region that is this array and nothing more. */
static inline struct heap_region heap_region_array(void *start, size_t size)
{
    return (struct heap_region){.start = start, .size = size, .limit = size};
}

struct heap_stats {
    size_t blocks;         /* live now */
    size_t requested;      /* bytes that the owners of live blocks asked for */
    size_t held;           /* bytes that live blocks take, headers included */
    size_t peak_blocks;    /* the most there ever were of each */
    size_t peak_requested; /* (not necessarily all at once) */
    size_t peak_held;
    uint64_t allocations; /* since heap_init; a realloc that moves is one too */
    uint64_t failures;    /* calls that returned NULL, for whatever reason */
    size_t region;        /* bytes of the region usable now */
};

/* The same of one class of blocks: those whose owners asked for so many bytes
 * and no fewer than another class has. */
struct heap_class {
    size_t most; /* bytes asked for, of the largest block of the class */
    size_t blocks, requested, held;
    size_t peak_blocks;
    uint64_t failures; /* calls for a block of the class that returned NULL */
};

/* Most back-ends have a class for each doubling of the size: number k is for
 * sizes over 8 << k, up to 16 << k bytes.  The last one has all larger ones. */
#define HEAP_CLASSES 32

struct heap;
struct heap_backend; /* mm/heap/backend.h */
struct heap_guard;   /* mm/heap/guard.c */

/* How much a heap looks for mistakes of its callers; what each finds is in
 * docs/heap/checks.md. */
enum heap_checks {
    HEAP_CHECKS_OFF,   /* what is freed is trusted; the back-end slab counts a
                        * block as large as its slot, also as requested */
    HEAP_CHECKS_BASIC, /* what is freed is a live block of the right layout */
    HEAP_CHECKS_FULL,  /* and no byte around it, nor of a freed one, changed */
};

/* A pointer that came back to the heap, with what its owner says of it. */
struct heap_claim {
    const void *pointer;
    const struct layout *layout; /* NULL: the owner does not say */
    const void *caller;
};

/* What the functions below come down to, for one kind of heap.  None is
 * given a NULL to free, and all but the last two are called in any context.
 * caller is the return address of the public function. */
struct heap_calls {
    void *(*alloc)(struct heap *heap, struct layout layout, const void *caller);
    void *(*alloc_zeroed)(struct heap *heap, struct layout layout,
                          const void *caller);
    void *(*alloc_back)(struct heap *heap, struct layout layout,
                        const void *caller);
    void (*dealloc)(struct heap *heap, void *pointer, struct layout layout,
                    const void *caller);
    void (*free)(struct heap *heap, void *pointer, const void *caller);
    /* to a new size with the same alignment; the layout is the block's */
    void *(*realloc)(struct heap *heap, void *pointer, struct layout layout,
                     size_t new_size, const void *caller);
    /* to any layout; the owner need not say the block's */
    void *(*resize)(struct heap *heap, const struct heap_claim *claim,
                    struct layout layout);
    size_t (*usable_size)(struct heap *heap, const struct heap_claim *claim);
    struct heap_stats (*stats)(struct heap *heap);
    /* NULL: it has no classes */
    bool (*class)(struct heap *heap, unsigned number, struct heap_class *class);
    struct heap_flaw (*check)(struct heap *heap);
};

/* How many frees can wait for the end of one call. */
#define HEAP_DEFERRED_MAX 16

/* What handlers freed that must not wait for a lock: see mm/heap/deferred.h. */
struct heap_deferrals {
    uint32_t count; /* of entries that are full */
    struct heap_deferred {
        uint32_t state;
        const void *pointer, *caller;
        struct layout layout;
        bool sized; /* the layout was told */
    } entry[HEAP_DEFERRED_MAX];
};

/* One heap.  Its fields are for mm/heap/ only. */
struct heap {
    void *state; /* of a back-end with calls of its own, in the region */
    struct heap_calls calls; /* a copy of *table: one load less for each call */
    const struct heap_calls *table;
    const struct heap_backend *backend;
    enum heap_checks checks;
    struct heap_guard *guard;           /* with HEAP_CHECKS_FULL */
    const struct heap_calls *unfailing; /* see heap_fail_allocation */
    uint64_t fail_in;
    struct heap_region region;
    struct heap_stats stats;
    struct heap_class classes[HEAP_CLASSES]; /* not of every back-end */
    enum mm_error error; /* of the last call that returned NULL */
    struct cpu_lock lock;
    struct heap *next; /* in the list of all heaps */
    struct heap_deferrals deferrals;
};

/* All back-ends; ends with NULL. */
extern const struct heap_backend *const heap_backends[];

/* The name of a back-end, and one sentence about it; both live for ever. */
const char *heap_backend_name(const struct heap_backend *backend);
const char *heap_backend_help(const struct heap_backend *backend);

/* The back-end of this name ("list"), or NULL. */
const struct heap_backend *heap_backend_find(const char *name);

/* "off", "basic", "full"; NULL for a number that is none.  And back: false for
 * a name that is none. */
const char *heap_checks_name(enum heap_checks checks);
bool heap_checks_find(const char *name, enum heap_checks *checks);

/* What the heaps that are made from now on check; HEAP_CHECKS_BASIC until it is
 * called. */
void heap_set_checks(enum heap_checks checks);

/* Makes a heap with no block in it.  Until heap_fini, heap stays where it is
 * and the region up to its limit is the heap's alone.  Refuses, changing
 * nothing, with
 *   MM_MISALIGNED     start, size or limit is no multiple of HEAP_GRANULE
 *   MM_RANGE_WRAPS    the region runs past the last address
 *   MM_BAD_ARGUMENT   size and limit do not fit each other and grow
 *   MM_OVERLAP        the region overlaps that of another heap, or heap is in
 *                     use already
 *   MM_TOO_SMALL      the region is too small for the back-end, even empty, or
 *                     for what HEAP_CHECKS_FULL keeps besides
 *   MM_OUT_OF_MEMORY  the first grow failed
 * and a line in the log. */
__attribute__((warn_unused_result)) enum mm_error
heap_init(struct heap *heap, const struct heap_backend *backend,
          struct heap_region region);

/* Ends a heap: its region is the caller's again, and blocks still live in it
 * are no more.  heap->region.size still tells how far the region has grown. */
void heap_fini(struct heap *heap);

/* A block of this layout, or NULL. */
void *heap_alloc_in(struct heap *heap, struct layout layout);

/* The same, filled with 0. */
void *heap_alloc_zeroed_in(struct heap *heap, struct layout layout);

/* The same as heap_alloc_in, for a block that is to live long: a back-end that
 * has a place apart for such blocks takes it from there. */
void *heap_alloc_back_in(struct heap *heap, struct layout layout);

/* Frees a block.  layout is that of its allocation or last realloc. */
void heap_dealloc_in(struct heap *heap, void *pointer, struct layout layout);

/* Makes a block new_size bytes long, in place where it can, and returns where
 * it is now: its alignment and its first min(old, new) bytes are kept.  NULL:
 * it could not, and the old block is untouched and still the caller's. */
void *heap_realloc_in(struct heap *heap, void *pointer, struct layout layout,
                      size_t new_size);

/* Frees a block without being told its layout.  NULL: nothing to do. */
void heap_free_in(struct heap *heap, void *pointer);

/* Bytes that the owner of a block may use: at least those asked for.
 * heap_realloc keeps those asked for only, krealloc keeps all of them. */
size_t heap_usable_size_in(struct heap *heap, const void *pointer);

/* Why the last call that returned NULL did so: the error of layout_error,
 * MM_OUT_OF_MEMORY, or MM_BUSY in a handler that hit another call.  Other CPUs
 * overwrite it. */
enum mm_error heap_error_in(struct heap *heap);

struct heap_stats heap_stats(struct heap *heap);

/* Gives back what memory the heap can spare, also what CPUs keep to be fast. */
void heap_trim(struct heap *heap);

/* Tells of the class with this number; they are numbered from 0, in the order
 * of their sizes.  False: there are no more. */
bool heap_class(struct heap *heap, unsigned number, struct heap_class *class);

/* What is wrong with a heap, and where. */
struct heap_flaw {
    const void *place; /* NULL: nothing is wrong */
    const char *what;  /* a sentence that lives for ever */
};

/* Walks the whole heap, verifies every invariant of its back-end and compares
 * what it finds with the statistics.  Returns the first flaw. */
struct heap_flaw heap_check(struct heap *heap);

/* Prints, as printf does, a line for each call site of which blocks are live,
 * with their number and bytes; returns how many blocks.  Only a heap with
 * HEAP_CHECKS_FULL knows: of another, and in the middle of a call, 0. */
size_t heap_report_leaks(struct heap *heap,
                         int (*print)(const char *format, ...)
                             __attribute__((format(printf, 1, 2))));

/* Makes the allocation with this number, counted from now on, fail with
 * MM_OUT_OF_MEMORY, to see what becomes of whoever asked: 1 is the next one, 0
 * none.  A call that may need memory counts, be it for a new size. */
void heap_fail_allocation(struct heap *heap, uint64_t number);

/* Makes this the kernel-wide heap; before that, the functions below return NULL
 * with MM_NOT_READY.  Once, before a second CPU runs. */
void heap_set_kernel(struct heap *heap);

/* The kernel-wide heap, or NULL. */
struct heap *heap_kernel(void);

/* The same as their namesakes above, in the kernel-wide heap. */
void *heap_alloc(struct layout layout);
void *heap_alloc_zeroed(struct layout layout);
void heap_dealloc(void *pointer, struct layout layout);
void *heap_realloc(void *pointer, struct layout layout, size_t new_size);
enum mm_error heap_last_error(void);

/* A block of size bytes, aligned to 16, and if size is a power of two to size
 * itself (up to HEAP_ALIGN_MAX); or NULL. */
void *kmalloc(size_t size);

/* The same, filled with 0. */
void *kzalloc(size_t size);

/* A block for count objects of size bytes each; NULL with MM_RANGE_WRAPS if the
 * product overflows. */
void *kmalloc_array(size_t count, size_t size);

/* Makes a block of the kernel-wide heap size bytes long, aligned as by kmalloc,
 * and returns where it is now.  NULL for pointer: kmalloc.  Returns NULL if it
 * could not, for size 0 too: the old block is untouched and not freed. */
void *krealloc(void *pointer, size_t size);

/* Both take NULL and do nothing.  kfree_sized checks that size is the one given
 * to kmalloc or krealloc. */
void kfree(void *pointer);
void kfree_sized(void *pointer, size_t size);

/* See heap_usable_size_in; 0 for NULL. */
size_t kmalloc_usable_size(const void *pointer);

#endif
