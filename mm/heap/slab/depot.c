/* Where magazines come from and go to, and what is done without them: the slow
 * way of the back-end slab, see mm/heap/slab/slab.c. */
#include "mm/heap/slab/slab.h"

#include "lib/assert.h"
#include "lib/bits.h"
#include "mm/platform.h"

/* Blocks that one call moves out of slabs into a magazine, and back: so that no
 * call takes long.  Those that go back are each of another slab as a rule,
 * which is in no cache. */
#define REFILL 16
#define FLUSH  4

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

/* Makes the loaded magazine one with a round, in the CPU's section; false, with
 * the reason, if there is none to be had. */
static bool load_full(struct heap *heap, struct slab_cpu *cpu, unsigned number,
                      enum mm_error *error)
{
    struct slab_heap *slabs = slab_heap(heap);
    struct magazine **previous = &cpu->previous[number], *full;
    struct magazine *old = slab_unload(cpu, number);

    if (old->count > 0)
        return true;
    cpu->recycles = true;
    if ((*previous)->count > 0) {
        slab_load(cpu, number, *previous);
        *previous = old;
        return true;
    }
    if (old == &slabs->none && (full = make_magazine(heap, number)))
        slab_load(cpu, number, old = full);
    if (!slab_lock(slabs, number)) {
        *error = MM_BUSY;
        return false;
    }
    full = magazine_list_take(&slabs->class[number].full);
    if (full) {
        slab_load(cpu, number, full);
        if (old != &slabs->none)
            magazine_list_add(&slabs->class[number].empty, old);
    } else if (old != &slabs->none) {
        unsigned wanted = old->limit < REFILL ? old->limit : REFILL;
        old->count = slab_take(heap, number, old->rounds, wanted, error);
        slab_load(cpu, number, old);
    }
    slab_unlock(heap, number);
    return slab_rounds(cpu, number) > 0;
}

/* Whether the depot takes one more full magazine; so it does with what is none.
 */
static bool depot_takes(const struct slab_heap *slabs, unsigned number,
                        const struct magazine *full)
{
    const struct slab_class *class = &slabs->class[number];

    return full == &slabs->none || class->full.count < class->full_max;
}

/* A CPU that fills so many magazines, and allocates nothing meanwhile, frees
 * what others allocate: it does not recycle. */
#define ONLY_FILLS 16

static void count_filled(struct slab_cpu *cpu)
{
    bool allocated = cpu->allocations != cpu->allocations_before;

    cpu->allocations_before = cpu->allocations;
    cpu->only_filled = allocated ? 0 : cpu->only_filled + 1;
    cpu->recycles = cpu->only_filled < ONLY_FILLS;
}

/* Makes the loaded magazine one with room, in the CPU's section. */
static bool load_empty(struct heap *heap, struct slab_cpu *cpu, unsigned number)
{
    struct slab_heap *slabs = slab_heap(heap);
    struct slab_class *class = &slabs->class[number];
    struct magazine **previous = &cpu->previous[number], *empty;
    struct magazine *old = slab_unload(cpu, number);

    if (!magazine_is_full(old))
        return true;
    if (!magazine_is_full(*previous)) {
        count_filled(cpu);
        slab_load(cpu, number, *previous);
        *previous = old;
        return true;
    }
    if (!slab_lock(slabs, number))
        return false;
    empty = depot_takes(slabs, number, *previous)
                ? magazine_list_take(&class->empty)
                : NULL;
    if (!empty && depot_takes(slabs, number, *previous)) {
        slab_unlock(heap, number);
        empty = make_magazine(heap, number);
        if (!slab_lock(slabs, number))
            ASSERT(false, "class %u locked by this CPU", number);
    }
    if (empty) {
        count_filled(cpu);
        if (*previous != &slabs->none)
            magazine_list_add(&class->full, *previous);
        *previous = old;
        slab_load(cpu, number, empty);
    } else {
        flush(heap, number, old, FLUSH);
        slab_load(cpu, number, old);
    }
    slab_unlock(heap, number);
    return slab_has_room(cpu, number);
}

/* Takes a block out of a slab, with the class's lock held, and counts it.  The
 * CPU may be in the middle of its section, or be another one's if this has
 * none. */
static void *take_live(struct heap *heap, unsigned number,
                       struct slab_order *order)
{
    struct slab_heap *slabs = slab_heap(heap);
    void *block;

    if (slab_take(heap, number, &block, 1, &order->error) == 0)
        return NULL;
    slab_note_live(slabs, number, block, order);
    /* relaxed: a count */
    __atomic_fetch_add(&slab_this_cpu(slabs)->allocations, 1, __ATOMIC_RELAXED);
    return block;
}

/* A block of this class straight from a slab. */
void *slab_supply_direct(struct heap *heap, unsigned number,
                         struct slab_order *order)
{
    if (!slab_lock(slab_heap(heap), number)) {
        order->error = MM_BUSY;
        return NULL;
    }
    void *block = take_live(heap, number, order);
    slab_unlock(heap, number);
    return block;
}

/* The same by way of the magazines, where that can be. */
void *slab_supply(struct heap *heap, unsigned number, struct slab_order *order)
{
    struct slab_cpu *cpu = slab_this_cpu(slab_heap(heap));
    void *block = NULL;

    if (cpu_section_enter(&cpu->section)) {
        if (load_full(heap, cpu, number, &order->error) &&
            slab_pop(&cpu->loaded[number], &block)) {
            slab_note_live(slab_heap(heap), number, block, order);
            cpu->allocations++;
        }
        cpu_section_leave(&cpu->section);
    }
    return block ? block : slab_supply_direct(heap, number, order);
}

bool slab_return(struct heap *heap, unsigned number, void *block)
{
    struct slab_heap *slabs = slab_heap(heap);
    struct slab_cpu *cpu = slab_this_cpu(slabs);
    bool live = true;

    if (cpu_section_enter(&cpu->section)) {
        bool room = load_empty(heap, cpu, number);
        if (room && (live = slab_note_free(slabs, number, block)))
            (void)slab_push(cpu, &cpu->loaded[number], block);
        cpu_section_leave(&cpu->section);
        if (room)
            return live;
    }
    bool locked = slab_lock(slabs, number);
    live = slab_note_free(slabs, number, block);
    if (live && locked)
        slab_put(heap, number, block);
    else if (live)
        heap_defer(&slabs->class[number].deferred, block, NULL);
    if (locked)
        slab_unlock(heap, number);
    return live;
}

/* ---- When memory is short ---- */

/* Ends a magazine that a stopped CPU had. */
static void take_magazine(struct heap *heap, unsigned number,
                          struct magazine *taken)
{
    flush(heap, number, taken, taken->count);
    slab_unlock(heap, number);
    end_magazine(heap, taken);
}

/* Takes both magazines of a class from a stopped CPU. */
static void take_magazines(struct heap *heap, unsigned number,
                           struct slab_cpu *cpu)
{
    struct slab_heap *slabs = slab_heap(heap);
    struct magazine *taken = slab_unload(cpu, number);

    if (taken != &slabs->none && slab_lock(slabs, number)) {
        slab_load(cpu, number, &slabs->none);
        take_magazine(heap, number, taken);
    }
    taken = cpu->previous[number];
    if (taken != &slabs->none && slab_lock(slabs, number)) {
        cpu->previous[number] = &slabs->none;
        take_magazine(heap, number, taken);
    }
}

static void empty_depot(struct heap *heap, unsigned number)
{
    struct slab_heap *slabs = slab_heap(heap);
    struct slab_class *class = &slabs->class[number];
    struct magazine *magazine;

    do {
        if (!slab_lock(slabs, number))
            return;
        magazine = magazine_list_take(&class->full);
        if (!magazine)
            magazine = magazine_list_take(&class->empty);
        if (magazine)
            flush(heap, number, magazine, magazine->count);
        slab_unlock(heap, number);
        if (magazine)
            end_magazine(heap, magazine);
    } while (magazine);
}

/* Takes back what CPUs and depots keep, and gives back what is empty then. */
bool slab_reclaim(struct heap *heap)
{
    struct slab_heap *slabs = slab_heap(heap);

    large_free_deferred(heap);
    if (!slab_stop_cpus(slabs))
        return false;
    for (unsigned i = 0; i < slabs->cpu_count; i++)
        if (slab_cpu_is_stopped(slabs, i))
            for (unsigned number = 1; number < SIZE_CLASSES; number++)
                take_magazines(heap, number, &slabs->cpu[i]);
    for (unsigned number = 1; number < SIZE_CLASSES; number++)
        empty_depot(heap, number);
    slab_go_on(slabs);
    if (cpu_order_acquire(&heap->lock, CPU_RANK_HEAP)) {
        pages_trim(&slabs->pages);
        cpu_order_release(&heap->lock, CPU_RANK_HEAP);
    }
    return true;
}

/* A block of a larger class that has one left, for there is no page for a new
 * slab. */
void *slab_supply_larger(struct heap *heap, unsigned number,
                         struct slab_order *order)
{
    struct slab_heap *slabs = slab_heap(heap);
    void *block = NULL;

    for (unsigned i = number + 1; !block && i < SIZE_CLASSES; i++) {
        struct slab_class *class = &slabs->class[i];
        if (!is_aligned(class->bytes, order->layout.align) ||
            !slab_lock(slabs, i))
            continue;
        for (unsigned j = 0; !block && j < SLAB_LISTS; j++)
            if (class->partial[j])
                block = take_live(heap, i, order);
        slab_unlock(heap, i);
    }
    return block;
}
