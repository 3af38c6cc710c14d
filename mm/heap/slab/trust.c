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
#include "mm/heap/slab/slab.h"

#include "lib/string.h"

/* There are CPUs with magazines, and where is known: see slab_init. */
static inline struct slab_cpu *this_cpu(struct slab_heap *slabs)
{
    return (struct slab_cpu *)(slabs + 1) + platform_cpu();
}

/* ---- The order of loads and stores ----
 *
 * An allocation knows its class at once, from its size; a free before it may
 * still wait for what tells its own.  A processor does not: it loads the top of
 * the allocation's magazine, and when the two are of one class it has to take
 * back all that it did since.  It remembers by few bits of a load's address
 * which ones to be careful with, so it also holds up other loads that share
 * them, those of the caller among them.  A replacement at random took 10.6 or
 * 18 ns by where the caller's loop lay.
 *
 * So the mark that a free leaves, which is 0, is computed from the address of
 * its magazine, and an allocation adds it to the address of its own.
 */

/* Enters the section of a CPU that can be closed.  *after becomes 0, and that
 * not before the last free knows its class. */
__attribute__((always_inline)) static inline bool
enter_after_free(struct cpu_section *section, size_t *after)
{
    /* relaxed: as in cpu_section_enter_closable */
    size_t busy = __atomic_load_n(&section->busy, __ATOMIC_RELAXED);
    bool taken;

    /* the compiler must not know what it is */
    __asm__("test %[busy], %[busy]" : [busy] "+r"(busy), "=@ccnz"(taken));
    if (unlikely(taken))
        return false;
    __atomic_store_n(&section->busy, 1, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    *after = busy;
    return true;
}

/* Leaves it after a free into this magazine. */
__attribute__((always_inline)) static inline void
leave_after_free(struct cpu_section *section, const struct slab_loaded *loaded)
{
    uint32_t mark = (uint32_t)(vaddr_t)loaded;

    __asm__("and $0, %[mark]" : [mark] "+r"(mark) : : "cc");
    /* release: as in cpu_section_leave */
    __atomic_store_n(&section->busy, mark, __ATOMIC_RELEASE);
}

/* ---- Allocating ---- */

__attribute__((always_inline)) static inline void *
take_fast(struct heap *heap, struct layout layout, const void *caller,
          size_t number, bool clear)
{
    struct slab_heap *slabs = slab_heap(heap);
    struct slab_cpu *cpu = this_cpu(slabs);
    void *block;
    size_t after;

    if (unlikely(!enter_after_free(&cpu->section, &after)))
        return slab_alloc_slow(heap, layout, caller, clear);
    vaddr_t loaded = (vaddr_t)&cpu->loaded[number] + after;
    if (unlikely(!slab_pop((struct slab_loaded *)loaded, &block))) {
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

/* Whether the table of classes tells all, for a block whose alignment is the
 * usual one.  It also does for a size that is 0 or wraps: such a block is of
 * class 0, of which no CPU has any, and so the slow way refuses it. */
__attribute__((always_inline)) static inline bool is_usual(struct layout layout)
{
    return likely((layout.size + HEAP_GRANULE - 1) / HEAP_GRANULE <=
                      SIZE_CLASS_TABLE_BYTES / HEAP_GRANULE &&
                  layout.align == HEAP_GRANULE);
}

/* Any layout. */
__attribute__((always_inline)) static inline void *
allocate_other(struct heap *heap, struct layout layout, const void *caller,
               bool clear)
{
    size_t need = size_class_need(layout);

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

ALIGNED_TO_LINE static void *
trust_alloc(struct heap *heap, struct layout layout, const void *caller)
{
    if (!is_usual(layout))
        return alloc_other(heap, layout, caller);
    return take_fast(heap, layout, caller, size_class_in_table(layout.size),
                     false);
}

static void *trust_alloc_zeroed(struct heap *heap, struct layout layout,
                                const void *caller)
{
    if (!is_usual(layout))
        return alloc_zeroed_other(heap, layout, caller);
    return take_fast(heap, layout, caller, size_class_in_table(layout.size),
                     true);
}

/* ---- Freeing ---- */

/* Puts a block of this class away. */
__attribute__((always_inline)) static inline void
put_fast(struct heap *heap, void *pointer, size_t number, bool small,
         const void *caller)
{
    struct slab_heap *slabs = slab_heap(heap);
    struct slab_cpu *cpu = this_cpu(slabs);
    struct slab_loaded *loaded = &cpu->loaded[number];

    if (unlikely(!cpu_section_enter_closable(&cpu->section))) {
        slab_free_slow(heap, pointer, NULL, caller);
        return;
    }
    if (unlikely(!slab_push(cpu, loaded, pointer))) {
        cpu_section_leave(&cpu->section);
        slab_free_slow(heap, pointer, NULL, caller);
        return;
    }
    if (!small)
        *slab_note(slabs, (vaddr_t)pointer) = NOTE_FREE;
    leave_after_free(&cpu->section, loaded);
}

__attribute__((noinline)) static void
free_other(struct heap *heap, void *pointer, size_t number, const void *caller)
{
    if (unlikely(!slab_is_class((unsigned)number)))
        slab_free_slow(heap, pointer, NULL, caller);
    else
        put_fast(heap, pointer, number, false, caller);
}

/* A block of the class that its page is said to be of: of class 0 there are
 * none, and no CPU has room for one. */
__attribute__((always_inline)) static inline void
free_of(struct heap *heap, void *pointer, size_t number, const void *caller)
{
    if (unlikely(number > SIZE_CLASS_SMALL))
        free_other(heap, pointer, number, caller);
    else
        put_fast(heap, pointer, number, true, caller);
}

__attribute__((noinline)) static void
trust_free(struct heap *heap, void *pointer, const void *caller)
{
    free_of(heap, pointer, slab_class_of(slab_heap(heap), pointer), caller);
}

/* The class is that of the page, for a block may lie in a larger slot than its
 * size asks for: it became smaller, or memory was short. */
ALIGNED_TO_LINE static void trust_dealloc(struct heap *heap, void *pointer,
                                          struct layout layout,
                                          const void *caller)
{
    if (is_usual(layout) && likely(layout.size <= SIZE_CLASS_SMALL_BYTES))
        free_of(heap, pointer, slab_class_of_block(slab_heap(heap), pointer),
                caller);
    else
        trust_free(heap, pointer, caller);
}

/* ---- Another size ---- */

/* A slot of up to so many classes more is as good as a new one: with four
 * classes a doubling it is less than twice as large, or 48 bytes larger. */
#define CLASSES_AS_GOOD 3

static size_t lesser(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void *trust_resize(struct heap *heap, const struct heap_claim *claim,
                          struct layout layout)
{
    struct slab_heap *slabs = slab_heap(heap);
    unsigned number = slab_class_of(slabs, claim->pointer);
    void *block = (void *)(vaddr_t)claim->pointer;

    if (unlikely(!slab_is_class(number) || layout_error(layout)))
        return slab_resize(heap, claim, layout);
    size_t bytes = slabs->class[number].bytes;
    if (layout.size <= bytes && layout.size > bytes / 2 &&
        is_aligned((vaddr_t)block, layout.align))
        return block;
    if (bytes >= PAGE_SIZE && slab_change_class(heap, block, number, layout))
        return block;

    void *moved = trust_alloc(heap, layout, claim->caller);
    if (moved) {
        size_t kept =
            claim->layout ? lesser(claim->layout->size, bytes) : bytes;

        memcpy(moved, block, lesser(kept, layout.size));
        trust_free(heap, block, claim->caller);
    }
    return moved;
}

__attribute__((noinline)) static void *
realloc_other(struct heap *heap, void *pointer, struct layout layout,
              size_t new_size, const void *caller)
{
    return trust_resize(heap, &(struct heap_claim){pointer, &layout, caller},
                        (struct layout){new_size, layout.align});
}

/* From one of the usual layouts to another, for a block in a small slot. */
static void *trust_realloc(struct heap *heap, void *pointer,
                           struct layout layout, size_t new_size,
                           const void *caller)
{
    const struct layout wanted = {new_size, layout.align};

    if (!is_usual(layout) || !is_usual(wanted))
        return realloc_other(heap, pointer, layout, new_size, caller);
    const struct slab_heap *slabs = slab_heap(heap);
    size_t number = slab_class_of(slabs, pointer);
    size_t new_number = size_class_in_table(new_size);
    if (unlikely(new_number == 0 || number - 1 >= SIZE_CLASS_SMALL))
        return realloc_other(heap, pointer, layout, new_size, caller);
    if (number - new_number <= CLASSES_AS_GOOD)
        return pointer;

    void *moved = take_fast(heap, wanted, caller, new_number, false);
    if (likely(moved)) {
        size_t kept = lesser(layout.size, slabs->class[number].bytes);

        memcpy(moved, pointer, lesser(kept, new_size));
        put_fast(heap, pointer, number, true, caller);
    }
    return moved;
}

const struct heap_calls slab_trusting_calls = {
    SLAB_CALLS,
    .realloc = trust_realloc,
    .resize = trust_resize,
    .alloc = trust_alloc,
    .alloc_zeroed = trust_alloc_zeroed,
    .alloc_back = trust_alloc,
    .free = trust_free,
    .dealloc = trust_dealloc,
};
