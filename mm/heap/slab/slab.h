/* What the files of the back-end slab share: see mm/heap/slab/slab.c. */
#ifndef MM_HEAP_SLAB_SLAB_H
#define MM_HEAP_SLAB_SLAB_H

#include "mm/cpu/cpu_section.h"
#include "mm/heap.h"
#include "mm/heap/backend.h"
#include "mm/heap/deferred.h"
#include "mm/heap/slab/large.h"
#include "mm/heap/slab/magazine.h"
#include "mm/heap/slab/pages.h"
#include "mm/heap/slab/size_class.h"
#include "mm/platform.h"

#define likely(condition)   __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

/* In the table of classes, beside those of blocks. */
#define PAGE_OF_NONE  0   /* in no run ever */
#define PAGE_OF_FREED 253 /* in no run any more */
#define PAGE_OF_LARGE 254 /* a large block's first */
#define PAGE_OF_REST  255 /* and its others */

/* Bytes of the notes of a page's blocks. */
#define PAGE_NOTES (PAGE_SIZE / HEAP_GRANULE)

/* Partial slabs are in lists by how full they are, the fullest first. */
#define SLAB_LISTS 4

/* What is known of one run of pages: by its first page, which slabs->runs tells
 * of each page of a slab. */
struct slab {
    struct set512 free; /* slots that are neither live nor in magazines */
    struct slab *next, **link; /* in a list of partial slabs; link: not full */
    uint32_t first;            /* number of the first page of the run */
    uint16_t free_count;
    uint8_t list;
    struct layout layout; /* of a large block */
    uint32_t pages;       /* of a large block */
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct slab) == 128, "two cache lines");

/* What all CPUs share of one class; the lock covers it and all its slabs. */
struct slab_class {
    struct cpu_lock lock;
    uint32_t bytes, reciprocal; /* of a slot; 2^32 / bytes, rounded up */
    uint16_t slots, pages;      /* of a slab */
    uint32_t list_step;         /* lists by 2^16 a free slot, rounded down */
    uint16_t rounds, full_max;  /* of a magazine; magazines in `full` */
    struct magazine_list full, empty; /* the depot */
    struct slab *partial[SLAB_LISTS];
    struct heap_deferred
        *deferred; /* freed by who must not wait for the lock */
    uint64_t failures;
    size_t peak_blocks; /* when last asked for; heap->lock covers it */
} __attribute__((aligned(64)));

/* The magazine of a class that a CPU has loaded.  Its rounds are those from
 * bottom to top, and its room ends at end: there a call pops and pushes, and
 * the magazine's own count is out of date until it is unloaded.
 *
 * Who stops the CPU closes it: with bottom and end so that there is nothing to
 * pop, and no room.  So a call that pops or pushes and does nothing else need
 * not ask whether it is stopped, if it loads bottom or end before top. */
struct slab_loaded {
    void **top, **bottom, **end;
    struct magazine *magazine;
};

/* What each CPU has of its own. */
struct slab_cpu {
    struct cpu_section section;
    bool recycles; /* what it frees it hands out again itself */
    uint64_t allocations;
    struct slab_loaded loaded[SIZE_CLASSES];
    struct magazine *previous[SIZE_CLASSES];
    uint64_t allocations_before; /* when it last filled a magazine */
    uint32_t only_filled;        /* in a row, with no allocation between */
    bool closed, obeyed;         /* for who has stop_lock: see slab_stop_cpus */
    uint8_t unused[50];
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct slab_cpu) == 2048, "a power of two, for speed");

/* At the start of the region.
 *
 * What each call reads lies off the start of its page, where blocks lie that
 * their owners have just written to: a load has to wait for a store before it
 * whose address has the same last twelve bits (4 KiB aliasing).  With all of it
 * at starts of pages, a pair of calls took three times as long on some pages.
 */
struct slab_heap {
    struct slab_class class[SIZE_CLASSES];

    /* For the fast path. */
    vaddr_t start;      /* of page 0 */
    size_t pages_known; /* that have notes, from there on */
    uint8_t *notes;     /* PAGE_NOTES a page */
    uint8_t *classes;   /* by pages */
    vaddr_t
        classes_from_0;   /* where the byte of the page at address 0 would be */
    struct slab_cpu *cpu; /* an array, right behind this struct, or &closed */
    size_t cpu_mask;      /* of CPU numbers; 0 for closed */

    const struct heap_calls *calls; /* whatever stands before them */
    bool trusting;                  /* see mm/heap/slab/trust.c */
    struct slab *slabs;             /* by pages */
    uint32_t *runs;                 /* by pages: the first of the run */
    unsigned cpu_count;             /* 0: all calls go the slow way */
    struct cpu_lock stop_lock;      /* who has it may stop CPUs */
    struct pages pages;             /* heap->lock covers it */
    struct heap_stats last;         /* asked for; so does it these */
    struct large large;
    struct magazine none;   /* in place of all that are not there yet */
    struct slab_cpu closed; /* where there are none: always stopped */
};

static inline struct slab_heap *slab_heap(const struct heap *heap)
{
    return heap->state;
}

/* Whether a page of this kind is part of anything. */
static inline bool slab_is_taken(unsigned kind)
{
    return kind != PAGE_OF_NONE && kind != PAGE_OF_FREED;
}

/* Whether the pages of a run of this kind are a slab. */
static inline bool slab_is_class(unsigned class)
{
    return class > PAGE_OF_NONE && class < SIZE_CLASSES;
}

/* Notes: what is known of each block.
 *
 *   bytes       15      14  11 10    8      7      6     0
 *   to 16                                 | live | size - 1, alignment |
 *   to 1024     | 0 | alignment | size - 1 | live | size - 1 |
 *   above       four bytes: live, alignment, and three times 7 bits of size - 1
 *
 * Alignments are by their logarithms.  Bit 7 says that a live block starts
 * here: it is 0 in all other bytes of a note, so that no pointer into a block
 * passes for its start.  The notes of a free slot are NOTE_FREE, or NOTE_FRESH
 * if nobody has written to its memory since it was zeroed.
 */
#define NOTE_LIVE  0x80u
#define NOTE_FREE  0
#define NOTE_FRESH 1

enum note_kind { NOTE_TINY, NOTE_SMALL, NOTE_MEDIUM };

static inline enum note_kind note_kind(unsigned class)
{
    if (class == 1)
        return NOTE_TINY;
    return class <= SIZE_CLASS_SMALL ? NOTE_SMALL : NOTE_MEDIUM;
}

/* At any address. */
struct note_small {
    uint16_t value;
} __attribute__((packed, may_alias));
struct note_medium {
    uint32_t value;
} __attribute__((packed, may_alias));

static inline uint32_t note_get(enum note_kind kind, const uint8_t *at)
{
    if (kind == NOTE_TINY)
        return *at;
    if (kind == NOTE_SMALL)
        return ((const struct note_small *)(const void *)at)->value;
    return ((const struct note_medium *)(const void *)at)->value;
}

static inline void note_set(enum note_kind kind, uint8_t *at, uint32_t note)
{
    if (kind == NOTE_TINY)
        *at = (uint8_t)note;
    else if (kind == NOTE_SMALL)
        ((struct note_small *)(void *)at)->value = (uint16_t)note;
    else
        ((struct note_medium *)(void *)at)->value = note;
}

/* The note of a live block.  The layout is one of its kind. */
static inline uint32_t note_make(enum note_kind kind, struct layout layout)
{
    uint32_t size = (uint32_t)layout.size - 1;
    uint32_t shift = (uint32_t)__builtin_ctzll(layout.align);

    if (kind == NOTE_TINY)
        return NOTE_LIVE | size << 3 | shift;
    if (kind == NOTE_SMALL) /* adding bits 7 to 9 moves them up by one */
        return (size + (size & 0x380)) | shift << 11 | NOTE_LIVE;
    return NOTE_LIVE | shift | (size & 0x7f) << 8 | (size & 0x3f80) << 9 |
           (size & 0x1fc000) << 10;
}

static inline struct layout note_layout(enum note_kind kind, uint32_t note)
{
    if (kind == NOTE_TINY)
        return (struct layout){(note >> 3 & 0xf) + 1, (size_t)1 << (note & 7)};
    if (kind == NOTE_SMALL)
        return (struct layout){((note & 0x7f) | (note >> 1 & 0x380)) + 1,
                               (size_t)1 << (note >> 11 & 0xf)};
    return (struct layout){
        ((note >> 8 & 0x7f) | (note >> 9 & 0x3f80) | (note >> 10 & 0x1fc000)) +
            1,
        (size_t)1 << (note & 0x7f)};
}

/* Whether a note is that of a live block of this layout, which may be anything:
 * its alignment none, its size too large for any note. */
static inline bool note_is(enum note_kind kind, uint32_t note,
                           const struct layout *layout)
{
    size_t size = layout->size - 1;
    struct layout known = note_layout(kind, note);

    if (kind == NOTE_SMALL) /* the usual one: as in note_make */
        return size < SIZE_CLASS_SMALL_BYTES &&
               (((size + (size & 0x380) + NOTE_LIVE) ^ note) & 0x7ff) == 0 &&
               layout->align == (size_t)1 << (note >> 11);
    return note & NOTE_LIVE && layout->size == known.size &&
           layout->align == known.align;
}

/* The note of a block is where the first of its granules is counted: so its
 * address follows from the block's by one shift, whatever its class. */
static inline uint8_t *slab_note(const struct slab_heap *slabs, vaddr_t at)
{
    return slabs->notes + (at - slabs->start) / HEAP_GRANULE;
}

/* Whether the notes of this class are kept.  Small blocks that are trusted are
 * cleared sooner than remembered to be clear. */
static inline bool slab_has_notes(const struct slab_heap *slabs,
                                  unsigned number)
{
    return !slabs->trusting || number > SIZE_CLASS_SMALL;
}

/* What a block is taken for, and what became of it. */
struct slab_order {
    struct layout layout;
    enum mm_error error; /* why there is none */
    bool zeroed;         /* it is all 0; told where blocks are not trusted */
};

/* Whether a block is live changes in the section of the CPU that has it in its
 * magazine, or with its class's lock held: so whoever has stopped all CPUs and
 * has all locks finds each block in a slab, in a magazine, or live. */

void slab_write_note(const struct slab_heap *slabs, unsigned number,
                     const void *block, struct slab_order *order);

static inline void slab_note_live(const struct slab_heap *slabs,
                                  unsigned number, const void *block,
                                  struct slab_order *order)
{
    if (!slabs->trusting)
        slab_write_note(slabs, number, block, order);
}

/* False: it is not live any more. */
static inline bool slab_note_free(const struct slab_heap *slabs,
                                  unsigned number, const void *block)
{
    uint8_t *note = slab_note(slabs, (vaddr_t)block);

    if (!slabs->trusting && !(*note & NOTE_LIVE))
        return false;
    if (slab_has_notes(slabs, number))
        note_set(note_kind(number), note, NOTE_FREE);
    return true;
}

/* The slab that a page is part of. */
static inline struct slab *slab_of_page(const struct slab_heap *slabs,
                                        size_t page)
{
    return &slabs->slabs[slabs->runs[page]];
}

static inline vaddr_t slab_start(const struct slab_heap *slabs,
                                 const struct slab *slab)
{
    return pages_address(&slabs->pages, slab->first);
}

static inline unsigned slab_slot(const struct slab_class *class, size_t offset)
{
    return (unsigned)(offset * class->reciprocal >> 32);
}

/* The class of a page, from 0 to slabs->pages.count - 1; by whoever may change
 * it, or by the owner of a block in it. */
static inline unsigned slab_class_of_page(const struct slab_heap *slabs,
                                          size_t page)
{
    return __atomic_load_n(&slabs->classes[page], __ATOMIC_RELAXED);
}

/* The same for a pointer that is trusted to be in one of them. */
static inline unsigned slab_class_of_block(const struct slab_heap *slabs,
                                           const void *block)
{
    vaddr_t class = slabs->classes_from_0 + (vaddr_t)block / PAGE_SIZE;

    return __atomic_load_n((const uint8_t *)class, __ATOMIC_RELAXED);
}

/* What the CPU that runs this has of its own. */
static inline struct slab_cpu *slab_this_cpu(const struct slab_heap *slabs)
{
    return &slabs->cpu[platform_cpu() & slabs->cpu_mask];
}

/* The loaded magazine of a class: in the CPU's section, or while it is stopped.
 */

/* Rounds in it. */
static inline uint32_t slab_rounds(const struct slab_cpu *cpu, unsigned number)
{
    const struct slab_loaded *loaded = &cpu->loaded[number];

    return (uint32_t)(loaded->top - loaded->magazine->rounds);
}

static inline bool slab_has_room(const struct slab_cpu *cpu, unsigned number)
{
    return slab_rounds(cpu, number) < cpu->loaded[number].magazine->limit;
}

/* Makes this magazine the loaded one. */
static inline void slab_load(struct slab_cpu *cpu, unsigned number,
                             struct magazine *magazine)
{
    struct slab_loaded *loaded = &cpu->loaded[number];

    loaded->magazine = magazine;
    /* relaxed: a closed CPU may look, and gives up whatever it sees */
    __atomic_store_n(&loaded->top, magazine->rounds + magazine->count,
                     __ATOMIC_RELAXED);
    if (!cpu->closed) {
        loaded->bottom = magazine->rounds;
        loaded->end = magazine->rounds + magazine->limit;
    }
}

/* The loaded one, of which something else becomes, with its count. */
static inline struct magazine *slab_unload(const struct slab_cpu *cpu,
                                           unsigned number)
{
    struct magazine *magazine = cpu->loaded[number].magazine;

    /* what stands for none is all CPUs' and stays as it is */
    if (magazine->count != slab_rounds(cpu, number))
        magazine->count = slab_rounds(cpu, number);
    return magazine;
}

/* Takes a round out, or puts one in, in the CPU's section; it may be closed.
 * False: there is none, or no room. */

__attribute__((always_inline)) static inline bool
slab_pop(struct slab_loaded *loaded, void **block)
{
    /* acquire: before top, see struct slab_loaded */
    void **bottom = __atomic_load_n(&loaded->bottom, __ATOMIC_ACQUIRE);
    void **top = __atomic_load_n(&loaded->top, __ATOMIC_RELAXED);

    if (unlikely((vaddr_t)top <= (vaddr_t)bottom))
        return false;
    *block = *--top;
    /* the next one, to be written to; or what stands in front of the rounds,
     * which costs nothing */
    __builtin_prefetch(top[-1], 1);
    __atomic_store_n(&loaded->top, top, __ATOMIC_RELAXED);
    return true;
}

__attribute__((always_inline)) static inline bool
slab_push(const struct slab_cpu *cpu, struct slab_loaded *loaded, void *block)
{
    void **end = __atomic_load_n(&loaded->end, __ATOMIC_ACQUIRE);
    void **top = __atomic_load_n(&loaded->top, __ATOMIC_RELAXED);

    /* it is the next of its class that goes out, to be written to; where
     * another CPU will do so, that one has the line as a rule */
    if (likely(cpu->recycles))
        __builtin_prefetch(block, 1);
    if (unlikely((vaddr_t)top >= (vaddr_t)end))
        return false;
    *top = block;
    __atomic_store_n(&loaded->top, top + 1, __ATOMIC_RELAXED);
    return true;
}

/* The class of the page that a pointer is in; 0 also for what is in none. */
__attribute__((always_inline)) static inline unsigned
slab_class_of(const struct slab_heap *slabs, const void *pointer)
{
    size_t page = ((vaddr_t)pointer - slabs->start) / PAGE_SIZE;

    if (unlikely(page >=
                 __atomic_load_n(&slabs->pages_known, __ATOMIC_RELAXED)))
        return PAGE_OF_NONE;
    return slab_class_of_page(slabs, page);
}

/* ---- mm/heap/slab/calls.c ---- */

/* What the fast paths leave: an allocation of any layout, and a free of any
 * pointer, with its layout if the owner says it. */
void *slab_alloc_slow(struct heap *heap, struct layout layout,
                      const void *caller, bool clear);
void slab_free_slow(struct heap *heap, const void *pointer,
                    const struct layout *layout, const void *caller);

void *slab_resize(struct heap *heap, const struct heap_claim *claim,
                  struct layout layout);
size_t slab_usable_size(struct heap *heap, const struct heap_claim *claim);
struct heap_stats slab_stats(struct heap *heap);
bool slab_tell_class(struct heap *heap, unsigned number,
                     struct heap_class *class);
struct heap_flaw slab_check(struct heap *heap);

/* For a heap that checks what comes back, and for one without CPUs of its
 * own. */
extern const struct heap_calls slab_calls;

/* The calls that are the same whatever is checked. */
#define SLAB_CALLS                                                             \
    .usable_size = slab_usable_size, .stats = slab_stats,                      \
    .class = slab_tell_class, .check = slab_check

/* ---- mm/heap/slab/trust.c ---- */

/* For HEAP_CHECKS_OFF. */
extern const struct heap_calls slab_trusting_calls;

/* ---- mm/heap/slab/slots.c ---- */

/* The lock of a class.  False: a handler, which must not wait for it.  Giving it
 * up frees what handlers freed meanwhile. */
bool slab_lock(struct slab_heap *slabs, unsigned number);
/* The same for one that has the locks of all classes before it. */
bool slab_lock_next(struct slab_heap *slabs, unsigned number);
void slab_unlock(struct heap *heap, unsigned number);

/* The same freeing, by who keeps the lock. */
void slab_put_deferred(struct heap *heap, unsigned number);

/* With the class's lock held.  Takes up to `wanted` slots out of slabs, the
 * fullest first, and puts them in rounds so that the lowest of a slab is last.
 * Returns how many, fewer if there are no more; it makes a slab only if there
 * is none to take from, and returns 0, with the reason, if it cannot. */
unsigned slab_take(struct heap *heap, unsigned number, void **rounds,
                   unsigned wanted, enum mm_error *error);

/* With the class's lock held.  Puts a block, whose note says that it is free,
 * back into its slab. */
void slab_put(struct heap *heap, unsigned number, void *block);

/* Makes a live block that is alone in its slab one of the class for this
 * layout, which is valid, where it is: its pages become more or fewer.  Returns
 * the new class, or 0 if it cannot: a slab of one of the classes has more
 * slots, or what is behind is taken, or a handler hit the holder of heap->lock.
 */
unsigned slab_change_class(struct heap *heap, const void *block,
                           unsigned number, struct layout layout);

/* Takes pages, or makes a run of them longer or shorter; with heap->lock held.
 * As their namesakes of mm/heap/slab/pages.h. */
size_t slab_take_pages(struct heap *heap, size_t count, size_t align,
                       bool *zeroed);
bool slab_resize_pages(struct heap *heap, size_t first, size_t from, size_t to);

/* A block for the heap's own use, which no one sees; NULL if there is none, or
 * a handler hit the holder of a lock.  With no class's lock held. */
void *slab_own(struct heap *heap, size_t bytes);
void slab_disown(struct heap *heap, void *block, size_t bytes);

/* ---- mm/heap/slab/depot.c ---- */

/* A block of a class, live from now on, by way of this CPU's magazines where
 * that can be; or straight from a slab; or of a larger class, as there is no
 * page for a new slab.  NULL, with the reason, if there is none. */
void *slab_supply(struct heap *heap, unsigned number, struct slab_order *order);
void *slab_supply_direct(struct heap *heap, unsigned number,
                         struct slab_order *order);
void *slab_supply_larger(struct heap *heap, unsigned number,
                         struct slab_order *order);

/* Takes a live block back, by way of the magazines where that can be.  False:
 * another CPU has freed it meanwhile. */
bool slab_return(struct heap *heap, unsigned number, void *block);

/* Takes back what CPUs and depots keep, and gives back what is empty then.
 * False: this CPU is doing so already, further down its stack. */
bool slab_reclaim(struct heap *heap);

/* ---- mm/heap/slab/stop.c ---- */

/* Stops all CPUs, of which each may or may not have obeyed, until slab_go_on.
 * False: this CPU is doing so already, further down its stack. */
bool slab_stop_cpus(struct slab_heap *slabs);
bool slab_cpu_is_stopped(const struct slab_heap *slabs, unsigned number);
void slab_go_on(struct slab_heap *slabs);

/* ---- mm/heap/slab/audit.c ---- */

/* What is known of a pointer, as struct heap_backend's find tells it. */
enum heap_fault slab_find(const struct heap *heap, const void *pointer,
                          struct heap_block *block);

/* How many blocks of each class are live, where they are trusted; exact if
 * nobody else allocates or frees.  With no lock held.  False: a handler hit who
 * does so already, or has a lock that this needs. */
bool slab_count_trusted(struct heap *heap, size_t live[SIZE_CLASSES]);

/* Counts by walking all slabs; with heap->lock held, and live from the function
 * above where blocks are trusted. */
struct heap_totals slab_totals(const struct heap *heap, const size_t *live);

/* The same of one class, or of large blocks for 0. */
struct heap_totals slab_class_totals(const struct heap *heap, unsigned number,
                                     const size_t *live);

/* Verifies everything; with all CPUs stopped and all locks held. */
struct heap_flaw slab_verify(const struct heap *heap);

#endif
