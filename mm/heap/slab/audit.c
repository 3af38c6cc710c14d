/* What the back-end slab knows of its blocks: one of them, all of them, and
 * whether it is true. */
#include "mm/heap/slab/slab.h"

#include "lib/bits.h"

/* ---- One block ---- */

static enum heap_fault find_in_slab(const struct slab_heap *slabs,
                                    unsigned number, vaddr_t at,
                                    struct heap_block *block)
{
    const struct slab_class *class = &slabs->class[number];
    const struct slab *slab =
        slab_of_page(slabs, (at - slabs->start) / PAGE_SIZE);
    unsigned slot = slab_slot(class, at - slab_start(slabs, slab));
    vaddr_t start = slab_start(slabs, slab) + slot * (vaddr_t) class->bytes;

    if (slot >= class->slots)
        return HEAP_NOT_A_START;
    enum note_kind kind = note_kind(number);
    uint32_t note = note_get(kind, slab_note(slabs, start));
    bool noted = note & NOTE_LIVE, live = noted || slabs->trusting;
    *block = (struct heap_block){
        .start = (void *)start,
        .layout = noted ? note_layout(kind, note)
                        : (struct layout){class->bytes, HEAP_GRANULE},
        .usable = class->bytes,
        .held = class->bytes,
    };
    if (at != start)
        return HEAP_NOT_A_START;
    return live ? HEAP_NO_FAULT : HEAP_DOUBLE_FREE;
}

static void describe_large(const struct slab_heap *slabs, size_t page,
                           struct heap_block *block)
{
    const struct slab *slab = &slabs->slabs[page];

    *block = (struct heap_block){
        .start = (void *)pages_address(&slabs->pages, page),
        .layout = slab->layout,
        .usable = slab->pages * PAGE_SIZE,
        .held = slab->pages * PAGE_SIZE,
    };
}

enum heap_fault slab_find(const struct heap *heap, const void *pointer,
                          struct heap_block *block)
{
    const struct slab_heap *slabs = slab_heap(heap);
    vaddr_t at = (vaddr_t)pointer, offset = at - slabs->start;
    size_t page = offset / PAGE_SIZE;

    if (large_is_outside(heap, pointer))
        return large_find(heap, pointer, block);
    if (at < slabs->start ||
        page >= __atomic_load_n(&slabs->pages_known, __ATOMIC_RELAXED))
        return HEAP_FOREIGN;
    unsigned number = slab_class_of_page(slabs, page);
    if (slab_is_class(number))
        return find_in_slab(slabs, number, at, block);
    switch (number) {
    case PAGE_OF_NONE:
        return HEAP_FOREIGN;
    case PAGE_OF_FREED:
        return HEAP_DOUBLE_FREE;
    default:
        while (slab_class_of_page(slabs, page) == PAGE_OF_REST)
            page--;
        describe_large(slabs, page, block);
        return block->start == pointer ? HEAP_NO_FAULT : HEAP_NOT_A_START;
    }
}

/* ---- All blocks ---- */

/* Pages in the run that begins with this one, or 1 if none does. */
static size_t run_length(const struct slab_heap *slabs, size_t page)
{
    unsigned number = slab_class_of_page(slabs, page);

    if (slab_is_class(number))
        return slabs->class[number].pages;
    return number == PAGE_OF_LARGE ? slabs->slabs[page].pages : 1;
}

static bool slot_is_live(const struct slab_heap *slabs, unsigned number,
                         const struct slab *slab, unsigned slot)
{
    const struct slab_class *class = &slabs->class[number];
    vaddr_t at = slab_start(slabs, slab) + slot * (size_t) class->bytes;

    return *slab_note(slabs, at) & NOTE_LIVE;
}

/* Blocks whose owners asked for a size of one class, or for a large one if that
 * is 0, or for any. */
#define ANY_CLASS SIZE_CLASSES

static void add_up_block(const struct heap_block *block, unsigned wanted,
                         struct heap_totals *totals)
{
    size_t size = block->layout.size;
    unsigned number = size > SIZE_CLASS_BYTES_MAX ? 0 : size_class(size);

    if (wanted != ANY_CLASS && wanted != number)
        return;
    totals->blocks++;
    totals->requested += size;
    totals->held += block->held;
}

static void add_up_slab(const struct slab_heap *slabs, unsigned number,
                        const struct slab *slab, unsigned wanted,
                        struct heap_totals *totals)
{
    const struct slab_class *class = &slabs->class[number];
    vaddr_t at = slab_start(slabs, slab);
    struct heap_block block;

    for (unsigned slot = 0; slot < class->slots; slot++, at += class->bytes)
        if (!find_in_slab(slabs, number, at, &block))
            add_up_block(&block, wanted, totals);
}

/* Where blocks are trusted. */
static void add_up_trusted(const struct slab_heap *slabs, unsigned wanted,
                           const size_t *live, struct heap_totals *totals)
{
    for (unsigned number = 1; number < SIZE_CLASSES; number++) {
        size_t bytes = live[number] * slabs->class[number].bytes;

        if (wanted != ANY_CLASS && wanted != number)
            continue;
        totals->blocks += live[number];
        totals->requested += bytes;
        totals->held += bytes;
    }
}

static struct heap_totals add_up(const struct heap *heap, unsigned wanted,
                                 const size_t *live)
{
    const struct slab_heap *slabs = slab_heap(heap);
    struct heap_totals totals = {0};
    struct heap_block block;

    if (slabs->trusting)
        add_up_trusted(slabs, wanted, live, &totals);
    for (size_t page = 0; page < slabs->pages.fresh;
         page += run_length(slabs, page)) {
        unsigned number = slab_class_of_page(slabs, page);

        if (slab_is_class(number)) {
            if (!slabs->trusting)
                add_up_slab(slabs, number, &slabs->slabs[page], wanted,
                            &totals);
        } else if (number == PAGE_OF_LARGE) {
            describe_large(slabs, page, &block);
            add_up_block(&block, wanted, &totals);
        }
    }
    for (size_t i = 0; large_next(heap, &i, &block);)
        add_up_block(&block, wanted, &totals);
    return totals;
}

struct heap_totals slab_totals(const struct heap *heap, const size_t *live)
{
    return add_up(heap, ANY_CLASS, live);
}

struct heap_totals slab_class_totals(const struct heap *heap, unsigned number,
                                     const size_t *live)
{
    return add_up(heap, number, live);
}

/* ---- Blocks that are trusted ---- */

/* Takes off what is in a magazine, and the magazine, which is a block, too. */
static void take_off(const struct slab_heap *slabs, unsigned number,
                     const struct magazine *magazine, size_t *live)
{
    if (magazine == &slabs->none)
        return;
    live[number] -= magazine->count;
    live[size_class(magazine_bytes(magazine->limit))]--;
}

/* With the class's lock. */
static void take_off_depot(const struct slab_heap *slabs, unsigned number,
                           size_t *live)
{
    const struct slab_class *class = &slabs->class[number];

    for (const struct magazine *m = class->full.first; m; m = m->next)
        take_off(slabs, number, m, live);
    for (const struct magazine *m = class->empty.first; m; m = m->next)
        take_off(slabs, number, m, live);
}

/* Slots that are not free; with heap->lock. */
static void add_used(const struct slab_heap *slabs, size_t *live)
{
    for (size_t page = 0; page < slabs->pages.fresh;
         page += run_length(slabs, page)) {
        unsigned number = slab_class_of_page(slabs, page);

        if (slab_is_class(number))
            live[number] +=
                slabs->class[number].slots - slabs->slabs[page].free_count;
    }
    live[size_class(sizeof(struct large_block))] -= slabs->large.count;
}

bool slab_count_trusted(struct heap *heap, size_t live[SIZE_CLASSES])
{
    struct slab_heap *slabs = slab_heap(heap);
    bool all = true;

    if (!slab_stop_cpus(slabs))
        return false;
    for (unsigned i = 0; i < slabs->cpu_count; i++)
        if (slab_cpu_is_stopped(slabs, i))
            for (unsigned number = 1; number < SIZE_CLASSES; number++) {
                take_off(slabs, number, slab_unload(&slabs->cpu[i], number),
                         live);
                take_off(slabs, number, slabs->cpu[i].previous[number], live);
            }
    for (unsigned number = 1; all && number < SIZE_CLASSES; number++) {
        all = slab_lock(slabs, number);
        if (!all)
            break;
        take_off_depot(slabs, number, live);
        slab_unlock(heap, number); /* puts back what handlers freed */
    }
    if (all)
        all = cpu_order_acquire(&heap->lock, CPU_RANK_HEAP);
    if (all) {
        add_used(slabs, live);
        cpu_order_release(&heap->lock, CPU_RANK_HEAP);
    }
    slab_go_on(slabs);
    return all;
}

/* ---- Whether it is true ---- */

#define FLAW(place, what)                                                      \
    (struct heap_flaw)                                                         \
    {                                                                          \
        (place), (what)                                                        \
    }

/* One slab by itself; adds the slots that are neither free in it nor live, and
 * so have to be in magazines. */
static struct heap_flaw verify_slab(const struct slab_heap *slabs,
                                    unsigned number, const struct slab *slab,
                                    size_t *away)
{
    const struct slab_class *class = &slabs->class[number];
    unsigned live = 0, free = set512_count(&slab->free);

    for (size_t i = 1; i < class->pages; i++)
        if (slabs->runs[slab->first + i] != slab->first ||
            slab_class_of_page(slabs, slab->first + i) != number)
            return FLAW(&slab[i], "a page that its slab does not know");
    if (free != slab->free_count)
        return FLAW(slab, "a slab with another number of free slots");
    if ((free > 0) != (slab->link != NULL))
        return FLAW(slab, "a slab in no list, or full and in one");
    for (unsigned slot = 0; slot < SET512_MEMBERS; slot++) {
        bool is_free = set512_has(&slab->free, slot);
        if (slot >= class->slots) {
            if (is_free)
                return FLAW(slab, "a free slot behind the last one");
        } else if (!slabs->trusting &&
                   slot_is_live(slabs, number, slab, slot)) {
            if (is_free)
                return FLAW(slab, "a slot both free and live");
            live++;
        }
    }
    *away += class->slots - free - live;
    return FLAW(NULL, NULL);
}

static struct heap_flaw verify_lists(const struct slab_heap *slabs,
                                     unsigned number)
{
    const struct slab_class *class = &slabs->class[number];

    for (unsigned i = 0; i < SLAB_LISTS; i++) {
        struct slab *const *link = &class->partial[i];

        for (; *link; link = &(*link)->next)
            if ((*link)->link != link || (*link)->list != i ||
                slab_class_of_page(slabs, (*link)->first) != number)
                return FLAW(*link, "a slab in a list that is not its own");
    }
    return FLAW(NULL, NULL);
}

static struct heap_flaw verify_round(const struct slab_heap *slabs,
                                     unsigned number, const void *round)
{
    const struct slab_class *class = &slabs->class[number];
    struct heap_block block;
    vaddr_t at = (vaddr_t)round;
    size_t page = (at - slabs->start) / PAGE_SIZE;

    if (at < slabs->start || page >= slabs->pages.fresh ||
        slab_class_of_page(slabs, page) != number ||
        find_in_slab(slabs, number, at, &block) !=
            (slabs->trusting ? HEAP_NO_FAULT : HEAP_DOUBLE_FREE))
        return FLAW(round, "a round that is no free block of its class");
    const struct slab *slab = slab_of_page(slabs, page);
    if (set512_has(&slab->free, slab_slot(class, at - slab_start(slabs, slab))))
        return FLAW(round, "a block both in a slab and in a magazine");
    return FLAW(NULL, NULL);
}

/* Takes the rounds off those that are away, and the magazine, too. */
static struct heap_flaw verify_magazine(const struct slab_heap *slabs,
                                        unsigned number,
                                        const struct magazine *magazine,
                                        size_t *away)
{
    struct heap_flaw flaw = {0};

    if (magazine == &slabs->none)
        return flaw;
    away[size_class(magazine_bytes(magazine->limit))]--;
    if (magazine->count > magazine->limit)
        return FLAW(magazine, "a magazine with more rounds than it has room");
    for (unsigned i = 0; !flaw.place && i < magazine->count; i++)
        flaw = verify_round(slabs, number, magazine->rounds[i]);
    away[number] -= magazine->count;
    return flaw;
}

static struct heap_flaw verify_magazines(const struct slab_heap *slabs,
                                         unsigned number, size_t *away)
{
    const struct magazine *magazine = slabs->class[number].full.first;
    struct heap_flaw flaw = {0};

    for (; !flaw.place && magazine; magazine = magazine->next)
        flaw = verify_magazine(slabs, number, magazine, away);
    magazine = slabs->class[number].empty.first;
    for (; !flaw.place && magazine; magazine = magazine->next)
        flaw = verify_magazine(slabs, number, magazine, away);
    for (unsigned i = 0; !flaw.place && i < slabs->cpu_count; i++) {
        const struct slab_cpu *cpu = &slabs->cpu[i];

        flaw = verify_magazine(slabs, number, slab_unload(cpu, number), away);
        if (!flaw.place)
            flaw = verify_magazine(slabs, number, cpu->previous[number], away);
    }
    return flaw;
}

struct heap_flaw slab_verify(const struct heap *heap)
{
    const struct slab_heap *slabs = slab_heap(heap);
    size_t away[SIZE_CLASSES] = {0}, taken = 0;
    struct heap_flaw flaw = {0};

    for (size_t page = 0; page < slabs->pages.fresh;
         page += run_length(slabs, page)) {
        unsigned number = slab_class_of_page(slabs, page);

        if (slab_is_taken(number))
            taken += run_length(slabs, page);
        if (number == PAGE_OF_REST)
            return FLAW((void *)pages_address(&slabs->pages, page),
                        "a page that is part of no block");
        if (slab_is_taken(number) && slabs->slabs[page].first != page)
            return FLAW(&slabs->slabs[page], "a run that begins elsewhere");
        if (slab_is_class(number))
            flaw =
                verify_slab(slabs, number, &slabs->slabs[page], &away[number]);
        if (flaw.place)
            return flaw;
    }
    if (taken != slabs->pages.taken_count)
        return FLAW(&slabs->pages, "another number of pages is taken");
    for (unsigned number = 1; !flaw.place && number < SIZE_CLASSES; number++) {
        flaw = verify_lists(slabs, number);
        if (!flaw.place)
            flaw = verify_magazines(slabs, number, away);
    }
    away[size_class(sizeof(struct large_block))] -= slabs->large.count;
    for (unsigned number = 1; !flaw.place && number < SIZE_CLASSES; number++)
        /* where blocks are trusted, what is left over is live */
        if (slabs->trusting ? away[number] > SIZE_MAX / 2 : away[number] != 0)
            flaw = FLAW(&slabs->class[number],
                        "slots neither free nor live, nor in a magazine");
    if (flaw.place)
        return flaw;
    return pages_verify(&slabs->pages);
}
