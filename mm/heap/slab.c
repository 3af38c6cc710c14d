/* The back-end slab, the default: size classes, and magazines for each CPU.
 *
 *   CPU 0            CPU 1           each with two magazines a class
 *   [loaded  ]       [loaded  ]
 *   [previous]       [previous]      no lock: mm/cpu_section.h
 *        \              /
 *     depot: full magazines          one a class, under its lock
 *              |
 *     slabs: a set512 of free slots  the same
 *              |
 *     pages: runs of them            mm/heap/pages.h, under heap->lock
 *
 * A call that finds what it needs in its CPU's magazines takes no lock and has
 * no locked instruction.  All others go the slow way: to the previous magazine,
 * to the depot, to the slabs, a bounded number of blocks at a time.  A handler
 * that hit a call on the same CPU goes straight to the slabs; if it hit even
 * the holder of the lock that it needs there, its allocation is refused, and
 * what it frees waits in a list of the class for the next that gets the lock.
 *
 * Where a block is free is known from its note (mm/heap/slab.h), the only thing
 * that the fast path touches but for the magazine: neither it nor its slab's
 * set is.
 *
 * Locks: a class's before heap->lock; stop_lock before all, and not in a
 * section.  Large blocks, over SIZE_CLASS_BYTES_MAX or aligned to more than a
 * page, are runs of pages.
 */
#include "mm/heap/slab.h"

#include "lib/assert.h"
#include "lib/string.h"
#include "mm/heap/large.h"
#include "mm/platform.h"

/* Blocks that one call moves between a magazine and slabs, so that no call
 * takes long. */
#define BATCH 16

/* Bytes in the blocks of one magazine, and of the full ones in a depot; and how
 * many there are, at least and at most. */
#define MAGAZINE_BYTES (64 * KIB)
#define ROUNDS_MIN     2
#define ROUNDS_MAX     126
#define DEPOT_BYTES    (256 * KIB)
#define DEPOT_MIN      4
#define DEPOT_MAX      32

/* In a smaller region magazines would hold too much of it. */
#define REGION_FOR_MAGAZINES (128 * KIB)

/* By 1 to 4 bytes a multiple of 16 up to 256 bytes, 2 to 4 of 64 up to 512, and
 * of 128 or more above. */
const uint8_t slab_note_shifts[SIZE_CLASSES] = {
    [1 ... 12] = 4,
    [13 ... 16] = 5,
    [17 ... SIZE_CLASSES - 1] = 6,
};

/* ---- Pages ---- */

/* The pages of a run are of this kind from now on. */
static void set_pages(struct slab_heap *slabs, size_t first, size_t count,
                      unsigned kind)
{
    for (size_t page = first; page < first + count; page++)
        __atomic_store_n(&slabs->classes[page], (uint8_t)kind,
                         __ATOMIC_RELAXED);
}

/* A page has notes from the moment that it is first taken. */
static void publish_notes(struct slab_heap *slabs)
{
    /* relaxed: who asks about a page has a block in it, from whoever took it;
     * and not stored unless it is news, for it lies beside what all CPUs read
     */
    if (__atomic_load_n(&slabs->pages_known, __ATOMIC_RELAXED) !=
        slabs->pages.ready)
        __atomic_store_n(&slabs->pages_known, slabs->pages.ready,
                         __ATOMIC_RELAXED);
}

size_t slab_take_pages(struct heap *heap, size_t count, size_t align,
                       bool *zeroed)
{
    struct slab_heap *slabs = slab_heap(heap);
    size_t first = pages_take(&slabs->pages, count, align, zeroed);

    publish_notes(slabs);
    return first;
}

bool slab_resize_pages(struct heap *heap, size_t first, size_t from, size_t to)
{
    struct slab_heap *slabs = slab_heap(heap);
    bool done = pages_resize(&slabs->pages, first, from, to);

    publish_notes(slabs);
    return done;
}

/* ---- Slabs: with the class's lock held ---- */

/* Puts a slab into the list that its free slots say, or into none. */
static void slab_link(struct slab_class *class, struct slab *slab)
{
    if (slab->free_count == 0)
        return;
    unsigned list = slab->free_count * SLAB_LISTS / (class->slots + 1u);
    struct slab **head = &class->partial[list];

    slab->list = (uint8_t)list;
    slab->next = *head;
    slab->link = head;
    if (slab->next)
        slab->next->link = &slab->next;
    *head = slab;
}

static void slab_unlink(struct slab *slab)
{
    if (!slab->link)
        return;
    *slab->link = slab->next;
    if (slab->next)
        slab->next->link = slab->link;
    slab->link = NULL;
}

/* After a change of free_count. */
static void slab_relink(struct slab_class *class, struct slab *slab)
{
    unsigned list = slab->free_count * SLAB_LISTS / (class->slots + 1u);

    if (slab->link && slab->free_count > 0 && slab->list == list)
        return;
    slab_unlink(slab);
    slab_link(class, slab);
}

static struct slab *slab_make(struct heap *heap, unsigned number,
                              enum mm_error *error)
{
    struct slab_heap *slabs = slab_heap(heap);
    struct slab_class *class = &slabs->class[number];
    bool zeroed;

    if (!cpu_lock_acquire(&heap->lock)) {
        *error = MM_BUSY;
        return NULL;
    }
    size_t first = slab_take_pages(heap, class->pages, PAGE_SIZE, &zeroed);
    if (first == PAGES_NONE) {
        cpu_lock_release(&heap->lock);
        *error = MM_OUT_OF_MEMORY;
        return NULL;
    }
    struct slab *slab = &slabs->slabs[first];
    for (size_t i = 0; i < class->pages; i++) {
        slab[i].first = (uint32_t)first;
        slab[i].known = true;
    }
    memset(slabs->notes + first * PAGE_NOTES, zeroed ? NOTE_FRESH : NOTE_FREE,
           class->pages * PAGE_NOTES);
    set512_clear(&slab->free);
    set512_add_range(&slab->free, 0, class->slots);
    slab->free_count = class->slots;
    set_pages(slabs, first, class->pages, number);
    cpu_lock_release(&heap->lock);
    slab->link = NULL;
    slab_link(class, slab);
    return slab;
}

/* Gives the pages of a slab without a block back.  False: a call on this CPU
 * that has heap->lock was hit; the slab stays, to be used or given back later.
 */
static bool slab_end(struct heap *heap, struct slab_class *class,
                     struct slab *slab)
{
    struct slab_heap *slabs = slab_heap(heap);

    if (!cpu_lock_acquire(&heap->lock))
        return false;
    slab_unlink(slab);
    set_pages(slabs, slab->first, class->pages, PAGE_OF_NONE);
    pages_give(&slabs->pages, slab->first, class->pages);
    cpu_lock_release(&heap->lock);
    return true;
}

/* Takes up to `wanted` slots out of slabs, the fullest first, and puts them in
 * rounds so that the lowest of a slab is last.  Returns how many; fewer only if
 * a slab could not be made, or one is used up. */
static unsigned slab_take(struct heap *heap, unsigned number, void **rounds,
                          unsigned wanted, enum mm_error *error)
{
    struct slab_heap *slabs = slab_heap(heap);
    struct slab_class *class = &slabs->class[number];
    struct slab *slab = NULL;

    for (unsigned i = 0; !slab && i < SLAB_LISTS; i++)
        slab = class->partial[i];
    if (!slab)
        slab = slab_make(heap, number, error);
    if (!slab)
        return 0;
    if (wanted > slab->free_count)
        wanted = slab->free_count;

    vaddr_t start = slab_start(slabs, slab);
    unsigned left = wanted;
    for (unsigned w = 0; left > 0; w++) {
        uint64_t word = slab->free.words[w];

        for (; word != 0 && left > 0; word &= word - 1) {
            size_t slot = w * SET512_WORD_BITS + word_lowest(word);
            rounds[--left] = (void *)(start + slot * class->bytes);
        }
        slab->free.words[w] = word;
    }
    slab->free_count = (uint16_t)(slab->free_count - wanted);
    slab_relink(class, slab);
    return wanted;
}

/* Puts a block, whose note says that it is free, back into its slab. */
static void slab_put(struct heap *heap, unsigned number, void *block)
{
    struct slab_heap *slabs = slab_heap(heap);
    struct slab_class *class = &slabs->class[number];
    size_t page = ((vaddr_t)block - slabs->start) / PAGE_SIZE;
    struct slab *slab = slab_of_page(slabs, page);

    (void)set512_add(
        &slab->free,
        slab_slot(class, (vaddr_t)block - slab_start(slabs, slab)));
    slab->free_count++;
    if (slab->free_count < class->slots || !slab_end(heap, class, slab))
        slab_relink(class, slab);
}

/* ---- The locks of classes ---- */

static bool lock_class(struct slab_heap *slabs, unsigned number)
{
    return cpu_lock_acquire(&slabs->class[number].lock);
}

/* Frees what handlers freed while this CPU had the lock, and gives it up. */
static void unlock_class(struct heap *heap, unsigned number)
{
    struct slab_class *class = &slab_heap(heap)->class[number];

    for (void **block; (block = slab_deferred(&class->deferred)) != NULL;)
        while (block) {
            void **next = *block;
            slab_put(heap, number, block);
            block = next;
        }
    cpu_lock_release(&class->lock);
}

void *slab_own(struct heap *heap, size_t bytes)
{
    unsigned number = size_class(bytes);
    void *block = NULL;
    enum mm_error error;

    if (!lock_class(slab_heap(heap), number))
        return NULL;
    (void)slab_take(heap, number, &block, 1, &error);
    unlock_class(heap, number);
    if (block) /* it will be written to */
        *slab_note(slab_heap(heap), number, (vaddr_t)block) = NOTE_FREE;
    return block;
}

void slab_disown(struct heap *heap, void *block, size_t bytes)
{
    struct slab_class *class = &slab_heap(heap)->class[size_class(bytes)];

    if (!lock_class(slab_heap(heap), size_class(bytes))) {
        slab_defer(&class->deferred, block);
        return;
    }
    slab_put(heap, size_class(bytes), block);
    unlock_class(heap, size_class(bytes));
}

/* ---- Magazines ---- */

/* An empty one for this class; NULL if there is no memory for it.  With no
 * class's lock held. */
static struct magazine *make_magazine(struct heap *heap, unsigned number)
{
    unsigned rounds = slab_heap(heap)->class[number].rounds;
    struct magazine *made = slab_own(heap, magazine_bytes(rounds));

    if (made)
        *made = (struct magazine){.limit = rounds};
    return made;
}

static void end_magazine(struct heap *heap, struct magazine *magazine)
{
    slab_disown(heap, magazine, magazine_bytes(magazine->limit));
}

/* Puts up to `most` rounds of a magazine back into their slabs; with the
 * class's lock held. */
static void flush(struct heap *heap, unsigned number, struct magazine *magazine,
                  unsigned most)
{
    while (most-- > 0 && magazine->count > 0)
        slab_put(heap, number, magazine_pop(magazine));
}

/* ---- The slow way ---- */

static struct slab_cpu *this_cpu(const struct slab_heap *slabs)
{
    return &slabs->cpu[platform_cpu() & slabs->cpu_mask];
}

/* Makes the loaded magazine one with a round, in the CPU's section; false, with
 * the reason, if there is none to be had. */
static bool load_full(struct heap *heap, struct slab_cpu *cpu, unsigned number,
                      enum mm_error *error)
{
    struct slab_heap *slabs = slab_heap(heap);
    struct magazine **loaded = &cpu->loaded[number];
    struct magazine **previous = &cpu->previous[number], *full, *old = *loaded;

    if (old->count > 0)
        return true;
    if ((*previous)->count > 0) {
        *loaded = *previous;
        *previous = old;
        return true;
    }
    if (old == &slabs->none && (full = make_magazine(heap, number)))
        *loaded = old = full;
    if (!lock_class(slabs, number)) {
        *error = MM_BUSY;
        return false;
    }
    full = magazine_list_take(&slabs->class[number].full);
    if (full) {
        *loaded = full;
        if (old != &slabs->none)
            magazine_list_add(&slabs->class[number].empty, old);
    } else if (old != &slabs->none) {
        unsigned wanted = old->limit < BATCH ? old->limit : BATCH;
        old->count = slab_take(heap, number, old->rounds, wanted, error);
    }
    unlock_class(heap, number);
    return (*loaded)->count > 0;
}

/* Whether the depot takes one more full magazine; so it does with what is none.
 */
static bool depot_takes(const struct slab_heap *slabs, unsigned number,
                        const struct magazine *full)
{
    const struct slab_class *class = &slabs->class[number];

    return full == &slabs->none || class->full.count < class->full_max;
}

/* Makes the loaded magazine one with room, in the CPU's section. */
static bool load_empty(struct heap *heap, struct slab_cpu *cpu, unsigned number)
{
    struct slab_heap *slabs = slab_heap(heap);
    struct slab_class *class = &slabs->class[number];
    struct magazine **loaded = &cpu->loaded[number];
    struct magazine **previous = &cpu->previous[number], *empty;

    if (!magazine_is_full(*loaded))
        return true;
    if (!magazine_is_full(*previous)) {
        empty = *previous;
        *previous = *loaded;
        *loaded = empty;
        return true;
    }
    if (!lock_class(slabs, number))
        return false;
    empty = depot_takes(slabs, number, *previous)
                ? magazine_list_take(&class->empty)
                : NULL;
    if (!empty && depot_takes(slabs, number, *previous)) {
        unlock_class(heap, number);
        empty = make_magazine(heap, number);
        if (!lock_class(slabs, number))
            ASSERT(false, "class %u locked by this CPU", number);
    }
    if (empty) {
        if (*previous != &slabs->none)
            magazine_list_add(&class->full, *previous);
        *previous = *loaded;
        *loaded = empty;
    } else {
        flush(heap, number, *loaded, BATCH);
    }
    unlock_class(heap, number);
    return !magazine_is_full(*loaded);
}

/* A block of this class straight from a slab. */
static void *take_direct(struct heap *heap, unsigned number,
                         enum mm_error *error)
{
    void *block = NULL;

    if (!lock_class(slab_heap(heap), number)) {
        *error = MM_BUSY;
        return NULL;
    }
    (void)slab_take(heap, number, &block, 1, error);
    unlock_class(heap, number);
    return block;
}

/* The same by way of the magazines, where that can be. */
static void *take_slowly(struct heap *heap, unsigned number,
                         enum mm_error *error)
{
    struct slab_cpu *cpu = this_cpu(slab_heap(heap));
    void *block = NULL;

    if (cpu_section_enter(&cpu->section)) {
        if (load_full(heap, cpu, number, error))
            block = magazine_pop(cpu->loaded[number]);
        cpu_section_leave(&cpu->section);
    }
    return block ? block : take_direct(heap, number, error);
}

static void put_slowly(struct heap *heap, unsigned number, void *block)
{
    struct slab_heap *slabs = slab_heap(heap);
    struct slab_cpu *cpu = this_cpu(slabs);

    if (cpu_section_enter(&cpu->section)) {
        bool room = load_empty(heap, cpu, number);
        if (room)
            magazine_push(cpu->loaded[number], block);
        cpu_section_leave(&cpu->section);
        if (room)
            return;
    }
    if (!lock_class(slabs, number)) {
        slab_defer(&slabs->class[number].deferred, block);
        return;
    }
    slab_put(heap, number, block);
    unlock_class(heap, number);
}

/* ---- When memory is short ---- */

/* Ends a magazine of a stopped CPU; there is none then. */
static void take_magazine(struct heap *heap, unsigned number,
                          struct magazine **magazine)
{
    struct slab_heap *slabs = slab_heap(heap);
    struct magazine *taken = *magazine;

    if (taken == &slabs->none || !lock_class(slabs, number))
        return;
    *magazine = &slabs->none;
    flush(heap, number, taken, taken->count);
    unlock_class(heap, number);
    end_magazine(heap, taken);
}

static void empty_depot(struct heap *heap, unsigned number)
{
    struct slab_heap *slabs = slab_heap(heap);
    struct slab_class *class = &slabs->class[number];
    struct magazine *magazine;

    do {
        if (!lock_class(slabs, number))
            return;
        magazine = magazine_list_take(&class->full);
        if (!magazine)
            magazine = magazine_list_take(&class->empty);
        if (magazine)
            flush(heap, number, magazine, magazine->count);
        unlock_class(heap, number);
        if (magazine)
            end_magazine(heap, magazine);
    } while (magazine);
}

/* Stops all CPUs: those that answer are stopped until go_on.  False: this CPU
 * is doing so already, further down its stack. */
static bool stop_cpus(struct slab_heap *slabs)
{
    if (!cpu_lock_acquire(&slabs->stop_lock))
        return false;
    for (unsigned i = 0; i < slabs->cpu_count; i++)
        cpu_section_ask(&slabs->cpu[i].section);
    platform_fence_cpus();
    return true;
}

static bool is_stopped(const struct slab_heap *slabs, unsigned number)
{
    const struct slab_cpu *cpu = &slabs->cpu[number];

    /* its own section, if it is busy, waits for this call */
    if (number == platform_cpu())
        return !__atomic_load_n(&cpu->section.busy, __ATOMIC_RELAXED);
    return cpu_section_wait(&cpu->section);
}

static void go_on(struct slab_heap *slabs)
{
    for (unsigned i = 0; i < slabs->cpu_count; i++)
        cpu_section_release(&slabs->cpu[i].section);
    cpu_lock_release(&slabs->stop_lock);
}

/* Takes back what CPUs and depots keep, and gives back what is empty then. */
static bool reclaim(struct heap *heap)
{
    struct slab_heap *slabs = slab_heap(heap);

    if (!stop_cpus(slabs))
        return false;
    for (unsigned i = 0; i < slabs->cpu_count; i++)
        if (is_stopped(slabs, i))
            for (unsigned number = 1; number < SIZE_CLASSES; number++) {
                take_magazine(heap, number, &slabs->cpu[i].loaded[number]);
                take_magazine(heap, number, &slabs->cpu[i].previous[number]);
            }
    for (unsigned number = 1; number < SIZE_CLASSES; number++)
        empty_depot(heap, number);
    go_on(slabs);
    if (cpu_lock_acquire(&heap->lock)) {
        pages_trim(&slabs->pages);
        cpu_lock_release(&heap->lock);
    }
    return true;
}

static void slab_trim(struct heap *heap)
{
    (void)reclaim(heap);
}

/* A block of a larger class that has one left, for there is no page for a new
 * slab; *number becomes that class. */
static void *take_larger(struct heap *heap, unsigned *number, size_t align)
{
    struct slab_heap *slabs = slab_heap(heap);
    void *block = NULL;

    for (unsigned i = *number + 1; !block && i < SIZE_CLASSES; i++) {
        struct slab_class *class = &slabs->class[i];
        if (!is_aligned(class->bytes, align) || !lock_class(slabs, i))
            continue;
        for (unsigned j = 0; !block && j < SLAB_LISTS; j++)
            if (class->partial[j])
                (void)slab_take(heap, i, &block, 1, &(enum mm_error){0});
        unlock_class(heap, i);
        *number = i;
    }
    return block;
}

/* ---- The calls ---- */

/* Counts a block that is live now, and whether it has to be cleared. */
static void *hand_out(struct slab_heap *slabs, unsigned number, void *block,
                      struct layout layout, bool clear)
{
    enum note_kind kind = note_kind(number);
    uint8_t *note = slab_note(slabs, number, (vaddr_t)block);
    bool fresh = *note == NOTE_FRESH;

    note_set(kind, note, note_make(kind, layout));
    /* relaxed: a count; another CPU's, if this one has none of its own */
    __atomic_fetch_add(&this_cpu(slabs)->allocations, 1, __ATOMIC_RELAXED);
    if (clear && !fresh)
        memset(block, 0, layout.size);
    return block;
}

static void *allocate_slowly(struct heap *heap, struct layout layout,
                             bool clear)
{
    struct slab_heap *slabs = slab_heap(heap);
    enum mm_error error = layout_error(layout);
    void *block = NULL;

    if (!error && layout.size > heap->region.limit)
        error = MM_OUT_OF_MEMORY;
    if (error) {
        heap_refuse(heap, error);
        return NULL;
    }
    size_t need = size_class_need(layout);
    bool large =
        need > SIZE_CLASS_BYTES_MAX || layout.align > SIZE_CLASS_ALIGN_MAX;
    unsigned number = large ? 0 : size_class(need);

    block = large ? large_alloc(heap, layout, clear, &error)
                  : take_slowly(heap, number, &error);
    if (!block && error == MM_OUT_OF_MEMORY && reclaim(heap))
        block = large ? large_alloc(heap, layout, clear, &error)
                      : take_direct(heap, number, &error);
    if (!block && !large)
        block = take_larger(heap, &number, layout.align);
    if (!block) {
        heap_refuse(heap, error);
        __atomic_fetch_add(&slabs->class[number].failures, 1, __ATOMIC_RELAXED);
    } else if (!large)
        hand_out(slabs, number, block, layout, clear);
    return block;
}

__attribute__((noinline)) static void *
alloc_slow(struct heap *heap, struct layout layout, const void *caller)
{
    (void)caller;
    return allocate_slowly(heap, layout, false);
}

__attribute__((noinline)) static void *
alloc_zeroed_slow(struct heap *heap, struct layout layout, const void *caller)
{
    (void)caller;
    return allocate_slowly(heap, layout, true);
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

/* Frees a block that the fast path did not; makes sure first that it is one. */
__attribute__((noinline)) static void free_slow(struct heap *heap,
                                                const void *pointer,
                                                const struct layout *layout,
                                                const void *caller)
{
    struct slab_heap *slabs = slab_heap(heap);
    struct heap_claim claim = {pointer, layout, caller};
    struct heap_block block = slab_claimed(heap, &claim);

    size_t page = ((vaddr_t)pointer - slabs->start) / PAGE_SIZE;
    unsigned number = large_is_outside(heap, pointer)
                          ? PAGE_OF_LARGE
                          : slab_class_of_page(slabs, page);
    if (number == PAGE_OF_LARGE) {
        large_free(heap, block.start);
        return;
    }
    note_set(note_kind(number), slab_note(slabs, number, (vaddr_t)pointer),
             NOTE_FREE);
    put_slowly(heap, number, block.start);
}

__attribute__((noinline)) static void
free_unsized_slow(struct heap *heap, void *pointer, const void *caller)
{
    free_slow(heap, pointer, NULL, caller);
}

__attribute__((noinline)) static void free_sized_slow(struct heap *heap,
                                                      void *pointer,
                                                      struct layout layout,
                                                      const void *caller)
{
    free_slow(heap, pointer, &layout, caller);
}

/* The fast path, once for each kind of note. */

typedef void *alloc_call(struct heap *heap, struct layout layout,
                         const void *caller);

__attribute__((always_inline)) static inline void *
take_fast(struct heap *heap, struct layout layout, const void *caller,
          enum note_kind kind, unsigned number, bool clear, alloc_call *slow)
{
    struct slab_heap *slabs = slab_heap(heap);
    struct slab_cpu *cpu = this_cpu(slabs);

    if (unlikely(!cpu_section_enter(&cpu->section)))
        return slow(heap, layout, caller);
    struct magazine *loaded = cpu->loaded[number];
    if (unlikely(loaded->count == 0)) {
        cpu_section_leave(&cpu->section);
        return slow(heap, layout, caller);
    }
    void *block = magazine_pop(loaded);
    uint8_t *note = slab_note(slabs, number, (vaddr_t)block);
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
    return take_fast(heap, layout, caller, NOTE_SMALL, size_class_small(need),
                     clear, slow);
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

/* The note of what may be a block, and its class; NULL if it is none. */
__attribute__((always_inline)) static inline uint8_t *
note_of(const struct slab_heap *slabs, const void *pointer, unsigned *number)
{
    size_t offset = (vaddr_t)pointer - slabs->start;
    size_t page = offset / PAGE_SIZE;

    if (unlikely(page >=
                 __atomic_load_n(&slabs->pages_known, __ATOMIC_RELAXED)))
        return NULL;
    *number = slab_class_of_page(slabs, page);
    return slabs->notes + page * PAGE_NOTES;
}

/* Puts a block away, if its note is as it must be: the one expected, or that of
 * any live block.  False: the slow way. */
__attribute__((always_inline)) static inline bool
put_fast(struct slab_heap *slabs, void *block, enum note_kind kind,
         unsigned number, uint8_t *notes, const uint32_t *expected)
{
    size_t offset = ((vaddr_t)block - slabs->start) % PAGE_SIZE;
    unsigned shift = slab_note_shift(number);
    uint8_t *note = notes + (offset >> shift);
    uint32_t found = note_get(kind, note);

    if (unlikely(expected ? found != *expected : !(found & NOTE_LIVE)) ||
        unlikely(offset >> shift << shift != offset))
        return false;
    struct slab_cpu *cpu = this_cpu(slabs);
    if (unlikely(!cpu_section_enter(&cpu->section)))
        return false;
    struct magazine *loaded = cpu->loaded[number];
    if (unlikely(magazine_is_full(loaded))) {
        cpu_section_leave(&cpu->section);
        return false;
    }
    note_set(kind, note, NOTE_FREE);
    magazine_push(loaded, block);
    cpu_section_leave(&cpu->section);
    return true;
}

__attribute__((noinline)) static void
free_other(struct heap *heap, void *pointer, const void *caller)
{
    struct slab_heap *slabs = slab_heap(heap);
    unsigned number;
    uint8_t *notes = note_of(slabs, pointer, &number);

    if (notes && number == 1 &&
        put_fast(slabs, pointer, NOTE_TINY, 1, notes, NULL))
        return;
    if (notes && number > SIZE_CLASS_SMALL && number < SIZE_CLASSES &&
        put_fast(slabs, pointer, NOTE_MEDIUM, number, notes, NULL))
        return;
    free_unsized_slow(heap, pointer, caller);
}

static void slab_free(struct heap *heap, void *pointer, const void *caller)
{
    struct slab_heap *slabs = slab_heap(heap);
    unsigned number;
    uint8_t *notes = note_of(slabs, pointer, &number);

    if (unlikely(!notes || number - 2 > SIZE_CLASS_SMALL - 2)) {
        free_other(heap, pointer, caller);
        return;
    }
    if (unlikely(!put_fast(slabs, pointer, NOTE_SMALL, number, notes, NULL)))
        free_unsized_slow(heap, pointer, caller);
}

__attribute__((noinline)) static void dealloc_other(struct heap *heap,
                                                    void *pointer,
                                                    struct layout layout,
                                                    const void *caller)
{
    struct slab_heap *slabs = slab_heap(heap);
    unsigned number;
    uint8_t *notes = note_of(slabs, pointer, &number);
    uint32_t expected = note_make(NOTE_TINY, layout);

    if (notes && number == 1 && layout.size - 1 < HEAP_GRANULE &&
        layout.align <= HEAP_GRANULE &&
        put_fast(slabs, pointer, NOTE_TINY, 1, notes, &expected))
        return;
    expected = note_make(NOTE_MEDIUM, layout);
    if (notes && number > SIZE_CLASS_SMALL && number < SIZE_CLASSES &&
        layout.size - 1 < SIZE_CLASS_BYTES_MAX &&
        put_fast(slabs, pointer, NOTE_MEDIUM, number, notes, &expected))
        return;
    free_sized_slow(heap, pointer, layout, caller);
}

static void slab_dealloc(struct heap *heap, void *pointer, struct layout layout,
                         const void *caller)
{
    struct slab_heap *slabs = slab_heap(heap);
    uint32_t expected = note_make(NOTE_SMALL, layout);
    unsigned number;
    uint8_t *notes = note_of(slabs, pointer, &number);

    if (unlikely(!notes || number - 2 > SIZE_CLASS_SMALL - 2 ||
                 layout.size - 1 >= SIZE_CLASS_SMALL_BYTES)) {
        dealloc_other(heap, pointer, layout, caller);
        return;
    }
    if (unlikely(
            !put_fast(slabs, pointer, NOTE_SMALL, number, notes, &expected)))
        free_sized_slow(heap, pointer, layout, caller);
}

/* A layout that is trusted tells nothing new. */
static void slab_dealloc_trusting(struct heap *heap, void *pointer,
                                  struct layout layout, const void *caller)
{
    (void)layout;
    slab_free(heap, pointer, caller);
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
    if (!suits(slabs, number, at, layout))
        return false;
    note_set(note_kind(number), slab_note(slabs, number, at),
             note_make(note_kind(number), layout));
    return true;
}

/* The same, for a block with a note that is as it must be; false: maybe. */
static bool resize_fast(struct heap *heap, const struct heap_claim *claim,
                        struct layout layout)
{
    struct slab_heap *slabs = slab_heap(heap);
    vaddr_t at = (vaddr_t)claim->pointer;
    unsigned number;

    if (!claim->layout || layout_error(layout) ||
        !note_of(slabs, claim->pointer, &number) || number <= 1 ||
        number >= SIZE_CLASSES || !suits(slabs, number, at, layout))
        return false;
    enum note_kind kind = note_kind(number);
    uint8_t *note = slab_note(slabs, number, at);
    if (note_get(kind, note) != note_make(kind, *claim->layout) ||
        claim->layout->size > slabs->class[number].bytes ||
        !is_aligned(at, (size_t)1 << slab_note_shift(number)))
        return false;
    note_set(kind, note, note_make(kind, layout));
    return true;
}

static void *slab_realloc(struct heap *heap, const struct heap_claim *claim,
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

    void *moved = slab_alloc(heap, layout, claim->caller);
    if (moved) {
        size_t kept = claim->layout ? block.layout.size : block.usable;

        memcpy(moved, block.start, kept < layout.size ? kept : layout.size);
        slab_free(heap, block.start, claim->caller);
    }
    return moved;
}

static size_t slab_usable_size(struct heap *heap,
                               const struct heap_claim *claim)
{
    return slab_claimed(heap, claim).usable;
}

static void raise_peak(size_t *peak, size_t value)
{
    if (*peak < value)
        *peak = value;
}

/* In a handler that hit heap->lock: as they were when last asked for. */
static struct heap_stats slab_stats(struct heap *heap)
{
    struct slab_heap *slabs = slab_heap(heap);
    struct heap_stats *last = &slabs->last;
    uint64_t allocations =
        __atomic_load_n(&slabs->closed.allocations, __ATOMIC_RELAXED);

    if (!cpu_lock_acquire(&heap->lock))
        return *last;
    struct heap_totals totals = slab_totals(heap);
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
    cpu_lock_release(&heap->lock);
    return stats;
}

/* Counted by walking, as all is; the last class has the large blocks. */
static bool slab_tell_class(struct heap *heap, unsigned number,
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
    if (!cpu_lock_acquire(&heap->lock))
        return true;
    struct heap_totals totals = slab_class_totals(heap, own);
    cpu_lock_release(&heap->lock);
    class->blocks = totals.blocks;
    class->requested = totals.requested;
    class->held = totals.held;
    raise_peak(&slabs->class[own].peak_blocks, totals.blocks);
    class->peak_blocks = slabs->class[own].peak_blocks;
    return true;
}

static struct heap_flaw busy(struct heap *heap)
{
    return (struct heap_flaw){heap, "it is in the middle of a call"};
}

/* With no other call in the way but those that are between two locks. */
static struct heap_flaw check_alone(struct heap *heap)
{
    struct slab_heap *slabs = slab_heap(heap);
    struct heap_flaw flaw = {0};
    unsigned locked = 1;

    while (locked < SIZE_CLASSES && lock_class(slabs, locked))
        locked++;
    if (locked < SIZE_CLASSES || !cpu_lock_acquire(&heap->lock)) {
        flaw = busy(heap);
    } else {
        flaw = slab_verify(heap);
        cpu_lock_release(&heap->lock);
    }
    while (--locked > 0)
        unlock_class(heap, locked);
    return flaw;
}

/* How often a flaw has to be there: what another CPU's call has in its hands
 * between two locks looks like one. */
#define CHECKS 3

static struct heap_flaw slab_check(struct heap *heap)
{
    struct slab_heap *slabs = slab_heap(heap);
    struct heap_flaw flaw = {.place = heap};

    for (unsigned i = 0; flaw.place && i < CHECKS; i++) {
        if (!stop_cpus(slabs))
            return busy(heap);
        for (unsigned j = 0; j < slabs->cpu_count; j++)
            if (!is_stopped(slabs, j)) {
                go_on(slabs);
                return busy(heap);
            }
        flaw = check_alone(heap);
        go_on(slabs);
    }
    return flaw;
}

#define SLAB_CALLS                                                             \
    .alloc = slab_alloc, .alloc_zeroed = slab_alloc_zeroed,                    \
    .alloc_back = slab_alloc, .free = slab_free, .realloc = slab_realloc,      \
    .usable_size = slab_usable_size, .stats = slab_stats,                      \
    .class = slab_tell_class, .check = slab_check

static const struct heap_calls slab_calls = {
    SLAB_CALLS,
    .dealloc = slab_dealloc,
};

/* With HEAP_CHECKS_OFF. */
static const struct heap_calls slab_trusting_calls = {
    SLAB_CALLS,
    .dealloc = slab_dealloc_trusting,
};

/* ---- Making a heap ---- */

static unsigned clamp(size_t value, unsigned least, unsigned most)
{
    if (value < least)
        return least;
    return value > most ? most : (unsigned)value;
}

static void make_class(struct slab_class *class, unsigned number)
{
    size_t bytes = size_class_bytes(number);
    struct size_class_shape shape = size_class_shape(number);

    class->bytes = (uint32_t)bytes;
    class->reciprocal = (uint32_t)((((uint64_t)1 << 32) + bytes - 1) / bytes);
    class->pages = (uint16_t)shape.pages;
    class->slots = (uint16_t)shape.slots;
    class->rounds =
        (uint16_t)clamp(MAGAZINE_BYTES / bytes, ROUNDS_MIN, ROUNDS_MAX);
    class->full_max = (uint16_t)clamp(DEPOT_BYTES / (bytes * class->rounds),
                                      DEPOT_MIN, DEPOT_MAX);
}

static void make_cpu(struct slab_heap *slabs, struct slab_cpu *cpu)
{
    *cpu = (struct slab_cpu){0};
    for (unsigned number = 0; number < SIZE_CLASSES; number++)
        cpu->loaded[number] = cpu->previous[number] = &slabs->none;
}

/* Makes the region's first bytes usable, of which some are. */
static bool own(struct heap *heap, size_t bytes)
{
    return bytes <= heap->region.size ||
           heap_grow(heap, align_up(bytes, HEAP_GRANULE) - heap->region.size);
}

static void slab_init(struct heap *heap)
{
    static const size_t entries[] = {PAGE_NOTES, sizeof(struct slab), 1, 0};
    vaddr_t region = (vaddr_t)heap->region.start;
    vaddr_t at = align_up(region, _Alignof(struct slab_heap));
    struct slab_heap *slabs = heap->state = (struct slab_heap *)at;
    size_t owned = at + sizeof(*slabs) - region;
    unsigned cpus = platform_cpu_count();
    size_t for_cpus = cpus * sizeof(struct slab_cpu);

    *slabs = (struct slab_heap){0};
    for (unsigned number = 1; number < SIZE_CLASSES; number++)
        make_class(&slabs->class[number], number);
    make_cpu(slabs, &slabs->closed);
    slabs->closed.section.stopped = 1;
    slabs->cpu = &slabs->closed;
    if (heap->checks == HEAP_CHECKS_OFF)
        heap->calls = &slab_trusting_calls;
    if (heap->region.limit >= REGION_FOR_MAGAZINES + for_cpus &&
        own(heap, owned + for_cpus)) {
        slabs->cpu = (struct slab_cpu *)(slabs + 1);
        slabs->cpu_count = cpus;
        slabs->cpu_mask = SIZE_MAX;
        owned += for_cpus;
        for (unsigned i = 0; i < cpus; i++)
            make_cpu(slabs, &slabs->cpu[i]);
    }
    /* what has grown beyond stays unused where memory comes in pieces */
    if (heap->region.back && owned < heap->region.size)
        owned = heap->region.size;
    bool fits = pages_init(&slabs->pages, heap, owned, entries);
    ASSERT(fits, "no page in %zu bytes", heap->region.limit);

    slabs->start = slabs->pages.start;
    slabs->pages_known = slabs->pages.ready;
    slabs->notes = (uint8_t *)slabs->pages.row[0].start;
    slabs->slabs = (struct slab *)slabs->pages.row[1].start;
    slabs->classes = (uint8_t *)slabs->pages.row[2].start;
}

static void slab_fini(struct heap *heap)
{
    large_free_all(heap);
    pages_fini(&slab_heap(heap)->pages);
}

const struct heap_backend heap_slab = {
    .name = "slab",
    .help =
        "size classes; two magazines a class and CPU, no lock (the default)",
    .region_min = sizeof(struct slab_heap) + _Alignof(struct slab_heap) +
                  2 * PAGE_SIZE + PAGE_SIZE / 8,
    .init = slab_init,
    .fini = slab_fini,
    .trim = slab_trim,
    .calls = &slab_calls,
};
