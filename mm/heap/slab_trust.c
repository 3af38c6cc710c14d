/* The back-end slab with heapcheck=off: what comes back is trusted.
 *
 * A block's note is not written when it is handed out, and not read when it
 * comes back: so nothing is known of a block but the class of its page.  Where
 * the rest of the slab asks whether a block is live it takes it to be so, and
 * of its layout it knows the size of the slot.  How many blocks are live
 * follows from how many slots are neither free nor in a magazine: who asks has
 * the CPUs stopped for it (slab_count_trusted).  A count at each call would
 * cost a fifth of it.
 *
 * What stays of a note, and only above SIZE_CLASS_SMALL_BYTES, is whether the
 * slot's memory was written to since it was zeroed: a free says so, as no block
 * that was handed out is known to be clean.  Smaller ones are cleared sooner
 * than remembered.
 */
#include "mm/heap/slab.h"

#include "lib/string.h"

/* There are CPUs with magazines: see slab_init. */
static inline struct slab_cpu *this_cpu(const struct slab_heap *slabs)
{
    return &slabs->cpu[platform_cpu()];
}

__attribute__((always_inline)) static inline void *
take_fast(struct heap *heap, struct layout layout, const void *caller,
          unsigned number, bool clear)
{
    struct slab_heap *slabs = slab_heap(heap);
    struct slab_cpu *cpu = this_cpu(slabs);

    void *block;

    if (unlikely(!cpu_section_enter_closable(&cpu->section)))
        return slab_alloc_slow(heap, layout, caller, clear);
    if (unlikely(!slab_pop(&cpu->loaded[number], &block))) {
        cpu_section_leave(&cpu->section);
        return slab_alloc_slow(heap, layout, caller, clear);
    }
    cpu->allocations++;
    cpu_section_leave(&cpu->section);
    if (clear && (number <= SIZE_CLASS_SMALL ||
                  *slab_note(slabs, (vaddr_t)block) != NOTE_FRESH))
        memset(block, 0, layout.size);
    return block;
}

__attribute__((always_inline)) static inline void *
allocate_other(struct heap *heap, struct layout layout, const void *caller,
               bool clear)
{
    size_t need = size_class_need(layout);

    if (likely(layout.align == HEAP_GRANULE &&
               layout.size - 1 < SIZE_CLASS_BYTES_MAX))
        return take_fast(heap, layout, caller, size_class(layout.size), clear);
    if (unlikely(layout.size == 0 || !is_power_of_two(layout.align) ||
                 layout.align > SIZE_CLASS_ALIGN_MAX ||
                 need - 1 >= SIZE_CLASS_BYTES_MAX))
        return slab_alloc_slow(heap, layout, caller, clear);
    return take_fast(heap, layout, caller, size_class(need), clear);
}

__attribute__((noinline)) static void *
alloc_other(struct heap *heap, struct layout layout, const void *caller)
{
    return allocate_other(heap, layout, caller, false);
}

__attribute__((noinline)) static void *
alloc_zeroed_other(struct heap *heap, struct layout layout, const void *caller)
{
    return allocate_other(heap, layout, caller, true);
}

/* Whether the table of small classes tells all, for a block whose alignment is
 * the usual one. */
__attribute__((always_inline)) static inline bool is_usual(struct layout layout)
{
    return likely(layout.size - 1 < SIZE_CLASS_SMALL_BYTES &&
                  layout.align == HEAP_GRANULE);
}

static void *trust_alloc(struct heap *heap, struct layout layout,
                         const void *caller)
{
    if (!is_usual(layout))
        return alloc_other(heap, layout, caller);
    return take_fast(heap, layout, caller, size_class_small(layout.size),
                     false);
}

static void *trust_alloc_zeroed(struct heap *heap, struct layout layout,
                                const void *caller)
{
    if (!is_usual(layout))
        return alloc_zeroed_other(heap, layout, caller);
    return take_fast(heap, layout, caller, size_class_small(layout.size), true);
}

/* Puts a block of this class away. */
__attribute__((always_inline)) static inline void
put_fast(struct heap *heap, void *pointer, unsigned number, bool small,
         const void *caller)
{
    struct slab_heap *slabs = slab_heap(heap);
    struct slab_cpu *cpu = this_cpu(slabs);

    if (unlikely(!cpu_section_enter_closable(&cpu->section))) {
        slab_free_slow(heap, pointer, NULL, caller);
        return;
    }
    if (unlikely(!slab_push(&cpu->loaded[number], pointer))) {
        cpu_section_leave(&cpu->section);
        slab_free_slow(heap, pointer, NULL, caller);
        return;
    }
    if (!small)
        *slab_note(slabs, (vaddr_t)pointer) = NOTE_FREE;
    cpu_section_leave(&cpu->section);
}

static void trust_free(struct heap *heap, void *pointer, const void *caller)
{
    unsigned number = slab_class_of(slab_heap(heap), pointer);

    if (unlikely(!slab_is_class(number)))
        slab_free_slow(heap, pointer, NULL, caller);
    else
        put_fast(heap, pointer, number, number <= SIZE_CLASS_SMALL, caller);
}

/* A small block lies in a slab.  As a rule that is one of its size's class: the
 * fast path needs it constant. */
static void trust_dealloc(struct heap *heap, void *pointer,
                          struct layout layout, const void *caller)
{
    struct slab_heap *slabs = slab_heap(heap);

    if (is_usual(layout)) {
        unsigned expected = size_class_small(layout.size);
        unsigned same = slab_expect(expected);
        size_t page = ((vaddr_t)pointer - slabs->start) / PAGE_SIZE;

        if (likely(slab_class_of_page(slabs, page) == expected)) {
            put_fast(heap, pointer, same, true, caller);
            return;
        }
    }
    trust_free(heap, pointer, caller);
}

/* Stays where it is if the slot is as good as a new one would be. */
static void *trust_realloc(struct heap *heap, const struct heap_claim *claim,
                           struct layout layout)
{
    struct slab_heap *slabs = slab_heap(heap);
    unsigned number = slab_class_of(slabs, claim->pointer);
    void *block = (void *)(vaddr_t)claim->pointer;

    if (unlikely(!slab_is_class(number) || layout_error(layout)))
        return slab_realloc(heap, claim, layout);
    size_t bytes = slabs->class[number].bytes;
    if (layout.size <= bytes && layout.size > bytes / 2 &&
        is_aligned((vaddr_t)block, layout.align))
        return block;
    if (bytes >= PAGE_SIZE && slab_change_class(heap, block, number, layout))
        return block;

    void *moved = trust_alloc(heap, layout, claim->caller);
    if (moved) {
        size_t kept = claim->layout && claim->layout->size < bytes
                          ? claim->layout->size
                          : bytes;

        memcpy(moved, block, kept < layout.size ? kept : layout.size);
        trust_free(heap, block, claim->caller);
    }
    return moved;
}

const struct heap_calls slab_trusting_calls = {
    SLAB_CALLS,
    .realloc = trust_realloc,
    .alloc = trust_alloc,
    .alloc_zeroed = trust_alloc_zeroed,
    .alloc_back = trust_alloc,
    .free = trust_free,
    .dealloc = trust_dealloc,
};
