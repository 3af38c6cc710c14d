/* The calls of a heap that checks what comes back to it, and the slow half of
 * those that trust it (mm/heap/slab/trust.c). */
#include "mm/heap/slab/slab.h"

#include "lib/string.h"
#include "mm/heap/slab/large.h"

/* Whether a block of a slab is known to be all 0. */
static bool is_zeroed(const struct slab_heap *slabs, const void *block,
                      const struct slab_order *order)
{
    if (!slabs->trusting)
        return order->zeroed;
    return slab_class_of(slabs, block) > SIZE_CLASS_SMALL &&
           *slab_note(slabs, (vaddr_t)block) == NOTE_FRESH;
}

static void *allocate_slowly(struct heap *heap, struct layout layout,
                             bool clear)
{
    struct slab_heap *slabs = slab_heap(heap);
    struct slab_order order;
    void *block = NULL;

    order.layout = layout;
    order.error = layout_error(layout);
    if (!order.error && layout.size > heap->region.limit)
        order.error = MM_OUT_OF_MEMORY;
    if (order.error) {
        heap_refuse(heap, order.error);
        return NULL;
    }
    size_t need = size_class_need(layout);
    bool large =
        need > SIZE_CLASS_BYTES_MAX || layout.align > SIZE_CLASS_ALIGN_MAX;
    unsigned number = large ? 0 : size_class(need);

    block = large ? large_alloc(heap, layout, clear, &order.error)
                  : slab_supply(heap, number, &order);
    /* a handler that must not wait has not seen all memory */
    if (!block && order.error == MM_OUT_OF_MEMORY &&
        !cpu_order_allows(CPU_RANK_STOP))
        order.error = MM_BUSY;
    if (!block && order.error == MM_OUT_OF_MEMORY && slab_reclaim(heap))
        block = large ? large_alloc(heap, layout, clear, &order.error)
                      : slab_supply_direct(heap, number, &order);
    if (!block && !large)
        block = slab_supply_larger(heap, number, &order);
    if (!block) {
        heap_refuse(heap, order.error);
        __atomic_fetch_add(&slabs->class[number].failures, 1, __ATOMIC_RELAXED);
    } else if (!large && clear && !is_zeroed(slabs, block, &order))
        memset(block, 0, layout.size);
    return block;
}

void *slab_alloc_slow(struct heap *heap, struct layout layout,
                      const void *caller, bool clear)
{
    (void)caller;
    return allocate_slowly(heap, layout, clear);
}

__attribute__((noinline)) static void *
alloc_slow(struct heap *heap, struct layout layout, const void *caller)
{
    return slab_alloc_slow(heap, layout, caller, false);
}

__attribute__((noinline)) static void *
alloc_zeroed_slow(struct heap *heap, struct layout layout, const void *caller)
{
    return slab_alloc_slow(heap, layout, caller, true);
}

/* The block that is claimed, which it must be. */
static struct heap_block slab_claimed(const struct heap *heap,
                                      const struct heap_claim *claim)
{
    struct heap_block block = {0};
    enum heap_fault fault = slab_find(heap, claim->pointer, &block);

    if (!fault && claim->layout && heap->checks != HEAP_CHECKS_OFF &&
        (claim->layout->size != block.layout.size ||
         claim->layout->align != block.layout.align))
        fault = HEAP_WRONG_LAYOUT;
    if (fault)
        heap_report(heap, fault, claim, &block);
    return block;
}

/* Makes sure that it is one first. */
__attribute__((noinline)) static void
free_claimed(struct heap *heap, unsigned number, const struct heap_claim *claim)
{
    struct heap_block block = slab_claimed(heap, claim);

    if (!slab_is_class(number))
        large_free(heap, block.start);
    else if (!slab_return(heap, number, block.start))
        heap_report(heap, HEAP_DOUBLE_FREE, claim, &block);
}

/* Frees a block that the fast path did not. */
void slab_free_slow(struct heap *heap, const void *pointer,
                    const struct layout *layout, const void *caller)
{
    struct slab_heap *slabs = slab_heap(heap);
    unsigned number = slab_class_of(slabs, pointer);

    if (slabs->trusting && slab_is_class(number))
        (void)slab_return(heap, number, (void *)(vaddr_t)pointer);
    else
        free_claimed(heap, number,
                     &(struct heap_claim){pointer, layout, caller});
}

__attribute__((noinline)) static void
free_unsized_slow(struct heap *heap, void *pointer, const void *caller)
{
    slab_free_slow(heap, pointer, NULL, caller);
}

__attribute__((noinline)) static void free_sized_slow(struct heap *heap,
                                                      void *pointer,
                                                      struct layout layout,
                                                      const void *caller)
{
    slab_free_slow(heap, pointer, &layout, caller);
}

/* The fast path, once for each kind of note. */

typedef void *alloc_call(struct heap *heap, struct layout layout,
                         const void *caller);

__attribute__((always_inline)) static inline void *
take_fast(struct heap *heap, struct layout layout, const void *caller,
          enum note_kind kind, unsigned number, bool clear, alloc_call *slow)
{
    struct slab_heap *slabs = slab_heap(heap);
    struct slab_cpu *cpu = slab_this_cpu(slabs);

    void *block;

    if (unlikely(!cpu_section_enter_closable(&cpu->section)))
        return slow(heap, layout, caller);
    if (unlikely(!slab_pop(&cpu->loaded[number], &block))) {
        cpu_section_leave(&cpu->section);
        return slow(heap, layout, caller);
    }
    uint8_t *note = slab_note(slabs, (vaddr_t)block);
    bool fresh = clear && *note == NOTE_FRESH;
    note_set(kind, note, note_make(kind, layout));
    cpu->allocations++;
    cpu_section_leave(&cpu->section);
    return clear && !fresh ? memset(block, 0, layout.size) : block;
}

__attribute__((always_inline)) static inline void *
allocate_other(struct heap *heap, struct layout layout, const void *caller,
               bool clear, alloc_call *slow)
{
    size_t need = size_class_need(layout);

    if (unlikely(layout.size == 0 || !is_power_of_two(layout.align) ||
                 layout.align > SIZE_CLASS_ALIGN_MAX ||
                 need - 1 >= SIZE_CLASS_BYTES_MAX))
        return slow(heap, layout, caller);
    if (need <= HEAP_GRANULE)
        return take_fast(heap, layout, caller, NOTE_TINY, 1, clear, slow);
    return take_fast(heap, layout, caller, NOTE_MEDIUM, size_class(need), clear,
                     slow);
}

__attribute__((noinline)) static void *
alloc_other(struct heap *heap, struct layout layout, const void *caller)
{
    return allocate_other(heap, layout, caller, false, alloc_slow);
}

__attribute__((noinline)) static void *
alloc_zeroed_other(struct heap *heap, struct layout layout, const void *caller)
{
    return allocate_other(heap, layout, caller, true, alloc_zeroed_slow);
}

__attribute__((always_inline)) static inline void *
allocate(struct heap *heap, struct layout layout, const void *caller,
         bool clear, alloc_call *slow, alloc_call *other)
{
    size_t mask = layout.align - 1;
    size_t need = (layout.size + mask) & ~mask;

    /* alignment 0 and size 0 make it 0, and what wraps does so too */
    if (unlikely(need - HEAP_GRANULE - 1 >=
                     SIZE_CLASS_SMALL_BYTES - HEAP_GRANULE ||
                 (layout.align & mask) != 0))
        return other(heap, layout, caller);
    return take_fast(heap, layout, caller, NOTE_SMALL,
                     size_class_in_table(need), clear, slow);
}

static void *slab_alloc(struct heap *heap, struct layout layout,
                        const void *caller)
{
    return allocate(heap, layout, caller, false, alloc_slow, alloc_other);
}

static void *slab_alloc_zeroed(struct heap *heap, struct layout layout,
                               const void *caller)
{
    return allocate(heap, layout, caller, true, alloc_zeroed_slow,
                    alloc_zeroed_other);
}

/* The same, and 0 also for what can be no block's start. */
__attribute__((always_inline)) static inline unsigned
class_of(const struct slab_heap *slabs, const void *pointer)
{
    if (unlikely(((vaddr_t)pointer - slabs->start) % HEAP_GRANULE != 0))
        return PAGE_OF_NONE;
    return slab_class_of(slabs, pointer);
}

/* Puts a block away, if its note is as it must be: that of this layout, or that
 * of any live block.  False: the slow way. */
__attribute__((always_inline)) static inline bool
put_fast(struct slab_heap *slabs, void *block, enum note_kind kind,
         unsigned number, const struct layout *layout)
{
    uint8_t *note = slab_note(slabs, (vaddr_t)block);
    uint32_t found = note_get(kind, note);

    if (unlikely(layout ? !note_is(kind, found, layout) : !(found & NOTE_LIVE)))
        return false;
    struct slab_cpu *cpu = slab_this_cpu(slabs);
    if (unlikely(!cpu_section_enter_closable(&cpu->section)))
        return false;
    bool done = slab_push(cpu, &cpu->loaded[number], block);
    if (likely(done))
        note_set(kind, note, NOTE_FREE);
    cpu_section_leave(&cpu->section);
    return done;
}

__attribute__((noinline)) static void
free_other(struct heap *heap, void *pointer, const void *caller)
{
    struct slab_heap *slabs = slab_heap(heap);
    unsigned number = class_of(slabs, pointer);

    if (number == 1 && put_fast(slabs, pointer, NOTE_TINY, 1, NULL))
        return;
    if (number > SIZE_CLASS_SMALL && number < SIZE_CLASSES &&
        put_fast(slabs, pointer, NOTE_MEDIUM, number, NULL))
        return;
    free_unsized_slow(heap, pointer, caller);
}

static void slab_free(struct heap *heap, void *pointer, const void *caller)
{
    struct slab_heap *slabs = slab_heap(heap);
    unsigned number = class_of(slabs, pointer);

    if (unlikely(number - 2 > SIZE_CLASS_SMALL - 2)) {
        free_other(heap, pointer, caller);
        return;
    }
    if (unlikely(!put_fast(slabs, pointer, NOTE_SMALL, number, NULL)))
        free_unsized_slow(heap, pointer, caller);
}

__attribute__((noinline)) static void dealloc_other(struct heap *heap,
                                                    void *pointer,
                                                    struct layout layout,
                                                    const void *caller)
{
    struct slab_heap *slabs = slab_heap(heap);
    unsigned number = class_of(slabs, pointer);

    if (number == 1 && put_fast(slabs, pointer, NOTE_TINY, 1, &layout))
        return;
    if (number > SIZE_CLASS_SMALL && number < SIZE_CLASSES &&
        put_fast(slabs, pointer, NOTE_MEDIUM, number, &layout))
        return;
    free_sized_slow(heap, pointer, layout, caller);
}

static void slab_dealloc(struct heap *heap, void *pointer, struct layout layout,
                         const void *caller)
{
    struct slab_heap *slabs = slab_heap(heap);
    unsigned number = class_of(slabs, pointer);

    if (unlikely(number - 2 > SIZE_CLASS_SMALL - 2)) {
        dealloc_other(heap, pointer, layout, caller);
        return;
    }
    if (unlikely(!put_fast(slabs, pointer, NOTE_SMALL, number, &layout)))
        free_sized_slow(heap, pointer, layout, caller);
}

/* Whether a block of this class is as good for the layout as a new one: it has
 * room, and no more than half of it would be unused. */
static bool suits(const struct slab_heap *slabs, unsigned number, vaddr_t at,
                  struct layout layout)
{
    size_t bytes = slabs->class[number].bytes;

    return layout.size <= bytes && layout.size > bytes / 2 &&
           layout.align <= SIZE_CLASS_ALIGN_MAX && is_aligned(at, layout.align);
}

/* Gives a block another layout where it is; false if it cannot. */
static bool resize(struct heap *heap, const struct heap_block *block,
                   struct layout layout)
{
    struct slab_heap *slabs = slab_heap(heap);
    vaddr_t at = (vaddr_t)block->start;
    unsigned number = PAGE_OF_LARGE;

    if (!large_is_outside(heap, block->start))
        number = slab_class_of_page(slabs, (at - slabs->start) / PAGE_SIZE);
    if (number == PAGE_OF_LARGE)
        return is_aligned(at, layout.align) &&
               large_resize(heap, block, layout);
    if (!suits(slabs, number, at, layout)) {
        number = slab_change_class(heap, block->start, number, layout);
        if (number == 0)
            return false;
    }
    if (!slabs->trusting)
        note_set(note_kind(number), slab_note(slabs, at),
                 note_make(note_kind(number), layout));
    return true;
}

/* The same, for a block with a note that is as it must be; false: maybe. */
static bool resize_fast(struct heap *heap, const struct heap_claim *claim,
                        struct layout layout)
{
    struct slab_heap *slabs = slab_heap(heap);
    vaddr_t at = (vaddr_t)claim->pointer;
    unsigned number = class_of(slabs, claim->pointer);

    if (!claim->layout || layout_error(layout) || number <= 1 ||
        number >= SIZE_CLASSES || !suits(slabs, number, at, layout))
        return false;
    if (slabs->trusting)
        return true;
    enum note_kind kind = note_kind(number);
    uint8_t *note = slab_note(slabs, at);
    if (!note_is(kind, note_get(kind, note), claim->layout))
        return false;
    note_set(kind, note, note_make(kind, layout));
    return true;
}

void *slab_resize(struct heap *heap, const struct heap_claim *claim,
                  struct layout layout)
{
    if (resize_fast(heap, claim, layout))
        return (void *)(vaddr_t)claim->pointer;

    enum mm_error error = layout_error(layout);
    struct heap_block block = slab_claimed(heap, claim);

    if (error) {
        heap_refuse(heap, error);
        return NULL;
    }
    if (resize(heap, &block, layout))
        return block.start;

    const struct heap_calls *calls = slab_heap(heap)->calls;
    void *moved = calls->alloc(heap, layout, claim->caller);
    if (moved) {
        /* they are the same but where the layout is trusted */
        size_t kept = claim->layout && claim->layout->size < block.usable
                          ? claim->layout->size
                          : block.usable;

        memcpy(moved, block.start, kept < layout.size ? kept : layout.size);
        calls->free(heap, block.start, claim->caller);
    }
    return moved;
}

size_t slab_usable_size(struct heap *heap, const struct heap_claim *claim)
{
    return slab_claimed(heap, claim).usable;
}

static void raise_peak(size_t *peak, size_t value)
{
    if (*peak < value)
        *peak = value;
}

/* What totals are counted from: large blocks, and the pages of the heap. */
static bool lock_totals(struct heap *heap)
{
    struct cpu_lock *large = &slab_heap(heap)->large.lock;

    if (!cpu_order_acquire(large, CPU_RANK_LARGE))
        return false;
    if (cpu_order_acquire(&heap->lock, CPU_RANK_HEAP))
        return true;
    cpu_order_release(large, CPU_RANK_LARGE);
    return false;
}

static void unlock_totals(struct heap *heap)
{
    cpu_order_release(&heap->lock, CPU_RANK_HEAP);
    cpu_order_release(&slab_heap(heap)->large.lock, CPU_RANK_LARGE);
}

/* In a handler that hit heap->lock: as they were when last asked for. */
struct heap_stats slab_stats(struct heap *heap)
{
    struct slab_heap *slabs = slab_heap(heap);
    struct heap_stats *last = &slabs->last;
    uint64_t allocations =
        __atomic_load_n(&slabs->closed.allocations, __ATOMIC_RELAXED);
    size_t live[SIZE_CLASSES] = {0};

    if ((slabs->trusting && !slab_count_trusted(heap, live)) ||
        !lock_totals(heap))
        return *last;
    struct heap_totals totals = slab_totals(heap, live);
    for (unsigned i = 0; i < slabs->cpu_count; i++)
        allocations +=
            __atomic_load_n(&slabs->cpu[i].allocations, __ATOMIC_RELAXED);
    last->blocks = totals.blocks;
    last->requested = totals.requested;
    last->held = totals.held;
    raise_peak(&last->peak_blocks, totals.blocks);
    raise_peak(&last->peak_requested, totals.requested);
    raise_peak(&last->peak_held, totals.held);
    last->allocations = allocations;
    last->failures = __atomic_load_n(&heap->stats.failures, __ATOMIC_RELAXED);
    last->region = heap->region.size + large_bytes(heap);
    struct heap_stats stats = *last;
    unlock_totals(heap);
    return stats;
}

/* Counted by walking, as all is; the last class has the large blocks. */
bool slab_tell_class(struct heap *heap, unsigned number,
                     struct heap_class *class)
{
    struct slab_heap *slabs = slab_heap(heap);

    if (number >= SIZE_CLASSES)
        return false;
    unsigned own = number + 1 < SIZE_CLASSES ? number + 1 : 0;
    *class = (struct heap_class){
        .most = own ? slabs->class[own].bytes : SIZE_MAX,
        .failures =
            __atomic_load_n(&slabs->class[own].failures, __ATOMIC_RELAXED),
    };
    size_t live[SIZE_CLASSES] = {0};
    if ((slabs->trusting && !slab_count_trusted(heap, live)) ||
        !lock_totals(heap))
        return true;
    struct heap_totals totals = slab_class_totals(heap, own, live);
    unlock_totals(heap);
    class->blocks = totals.blocks;
    class->requested = totals.requested;
    class->held = totals.held;
    raise_peak(&slabs->class[own].peak_blocks, totals.blocks);
    class->peak_blocks = slabs->class[own].peak_blocks;
    return true;
}

/* Takes all locks.  False: a handler hit the holder of one. */
static bool lock_all(struct heap *heap)
{
    struct slab_heap *slabs = slab_heap(heap);
    unsigned locked = 1;

    if (!cpu_order_acquire(&slabs->large.lock, CPU_RANK_LARGE))
        return false;
    while (locked < SIZE_CLASSES &&
           (locked == 1 ? slab_lock(slabs, locked)
                        : slab_lock_next(slabs, locked)))
        slab_put_deferred(heap, locked++);
    if (locked == SIZE_CLASSES && cpu_order_acquire(&heap->lock, CPU_RANK_HEAP))
        return true;
    while (--locked > 0)
        slab_unlock(heap, locked);
    cpu_order_release(&slabs->large.lock, CPU_RANK_LARGE);
    return false;
}

static void unlock_all(struct heap *heap)
{
    cpu_order_release(&heap->lock, CPU_RANK_HEAP);
    for (unsigned number = SIZE_CLASSES - 1; number > 0; number--)
        slab_unlock(heap, number);
    cpu_order_release(&slab_heap(heap)->large.lock, CPU_RANK_LARGE);
}

/* Whether a handler of this CPU has freed a block that has to wait. */
static bool is_deferred(const struct slab_heap *slabs)
{
    for (unsigned number = 1; number < SIZE_CLASSES; number++)
        if (__atomic_load_n(&slabs->class[number].deferred, __ATOMIC_RELAXED))
            return true;
    return false;
}

/* With CPUs told to stop. */
static struct heap_flaw check_stopped(struct heap *heap)
{
    struct slab_heap *slabs = slab_heap(heap);

    for (unsigned i = 0; i < slabs->cpu_count; i++)
        if (!slab_cpu_is_stopped(slabs, i))
            return HEAP_BUSY;
    if (!lock_all(heap))
        return HEAP_BUSY;
    struct heap_flaw flaw = slab_verify(heap);
    if (flaw.place && is_deferred(slabs))
        flaw = HEAP_BUSY;
    unlock_all(heap);
    return flaw;
}

/* How often it is tried, if a CPU does not stop in time or a handler comes in
 * between. */
#define CHECKS 3

struct heap_flaw slab_check(struct heap *heap)
{
    struct heap_flaw flaw = HEAP_BUSY;

    for (unsigned i = 0; !flaw.place && flaw.what && i < CHECKS; i++) {
        if (!slab_stop_cpus(slab_heap(heap)))
            return HEAP_BUSY;
        flaw = check_stopped(heap);
        slab_go_on(slab_heap(heap));
    }
    return flaw;
}

const struct heap_calls slab_calls = {
    SLAB_CALLS,
    .alloc = slab_alloc,
    .alloc_zeroed = slab_alloc_zeroed,
    .alloc_back = slab_alloc,
    .free = slab_free,
    .dealloc = slab_dealloc,
    .realloc = heap_realloc_by_resize,
    .resize = slab_resize,
};
