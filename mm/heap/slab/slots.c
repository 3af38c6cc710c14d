/* Slabs: runs of pages, cut into slots of one class: see mm/heap/slab/slab.c.
 */
#include "mm/heap/slab/slab.h"

#include "lib/string.h"

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
    unsigned list = slab->free_count * class->list_step >> 16;
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
    unsigned list = slab->free_count * class->list_step >> 16;

    if (slab->link && slab->free_count > 0 && slab->list == list)
        return;
    slab_unlink(slab);
    slab_link(class, slab);
}

/* Notes that all slots of a slab are free; no other byte of its notes says that
 * a block lives there. */
static void note_all_free(struct slab_heap *slabs, unsigned number,
                          size_t first, unsigned note)
{
    const struct slab_class *class = &slabs->class[number];
    uint8_t *notes = slabs->notes + first * PAGE_NOTES;
    size_t bytes = class->pages * (size_t)PAGE_NOTES;

    if (class->slots * 8u >= bytes) {
        memset(notes, (int)note, bytes);
        return;
    }
    vaddr_t at = pages_address(&slabs->pages, first);
    for (unsigned slot = 0; slot < class->slots; slot++, at += class->bytes)
        note_set(note_kind(number), slab_note(slabs, at), note);
}

static struct slab *slab_make(struct heap *heap, unsigned number,
                              enum mm_error *error)
{
    struct slab_heap *slabs = slab_heap(heap);
    struct slab_class *class = &slabs->class[number];
    bool zeroed;

    if (!cpu_order_acquire(&heap->lock, CPU_RANK_HEAP)) {
        *error = MM_BUSY;
        return NULL;
    }
    size_t first = slab_take_pages(heap, class->pages, PAGE_SIZE, &zeroed);
    if (first == PAGES_NONE) {
        cpu_order_release(&heap->lock, CPU_RANK_HEAP);
        *error = MM_OUT_OF_MEMORY;
        return NULL;
    }
    struct slab *slab = &slabs->slabs[first];
    slab->first = (uint32_t)first;
    for (size_t i = 0; i < class->pages; i++)
        slabs->runs[first + i] = (uint32_t)first;
    if (slab_has_notes(slabs, number))
        note_all_free(slabs, number, first, zeroed ? NOTE_FRESH : NOTE_FREE);
    set512_clear(&slab->free);
    set512_add_range(&slab->free, 0, class->slots);
    slab->free_count = class->slots;
    set_pages(slabs, first, class->pages, number);
    cpu_order_release(&heap->lock, CPU_RANK_HEAP);
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

    if (!cpu_order_acquire(&heap->lock, CPU_RANK_HEAP))
        return false;
    slab_unlink(slab);
    set_pages(slabs, slab->first, class->pages, PAGE_OF_FREED);
    pages_give(&slabs->pages, slab->first, class->pages);
    cpu_order_release(&heap->lock, CPU_RANK_HEAP);
    return true;
}

/* Only heap->lock is needed: a slab whose only block is live is in no list. */
unsigned slab_change_class(struct heap *heap, const void *block,
                           unsigned number, struct layout layout)
{
    struct slab_heap *slabs = slab_heap(heap);
    size_t need = size_class_need(layout);
    size_t first = ((vaddr_t)block - slabs->start) / PAGE_SIZE;
    bool done = true;

    if (slabs->class[number].slots != 1 || need > SIZE_CLASS_BYTES_MAX ||
        !is_aligned((vaddr_t)block, layout.align))
        return 0;
    unsigned to = size_class(need);
    const struct slab_class *old = &slabs->class[number];
    const struct slab_class *new = &slabs->class[to];
    if (new->slots != 1 || !cpu_order_acquire(&heap->lock, CPU_RANK_HEAP))
        return 0;
    if (new->pages < old->pages)
        set_pages(slabs, first + new->pages, old->pages - new->pages,
                  PAGE_OF_FREED);
    if (new->pages != old->pages)
        done = slab_resize_pages(heap, first, old->pages, new->pages);
    if (done) {
        for (size_t page = old->pages; page < new->pages; page++)
            slabs->runs[first + page] = (uint32_t)first;
        set_pages(slabs, first, new->pages, to);
    }
    cpu_order_release(&heap->lock, CPU_RANK_HEAP);
    return done ? to : 0;
}

/* Takes up to `wanted` slots out of one slab that has some, and puts them in
 * rounds so that the lowest is last.  Returns how many. */
static unsigned take_from(struct slab_heap *slabs, struct slab_class *class,
                          struct slab *slab, void **rounds, unsigned wanted)
{
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

/* The fullest of those that have a free slot, or NULL. */
static struct slab *fullest(const struct slab_class *class)
{
    struct slab *slab = NULL;

    for (unsigned i = 0; !slab && i < SLAB_LISTS; i++)
        slab = class->partial[i];
    return slab;
}

/* A slab in a worn heap may have one free slot: so it goes on from slab to
 * slab, but makes a new one only for the first slot. */
unsigned slab_take(struct heap *heap, unsigned number, void **rounds,
                   unsigned wanted, enum mm_error *error)
{
    struct slab_heap *slabs = slab_heap(heap);
    struct slab_class *class = &slabs->class[number];
    struct slab *slab = fullest(class);
    unsigned taken = 0;

    if (!slab)
        slab = slab_make(heap, number, error);
    for (; slab && taken < wanted; slab = fullest(class))
        taken += take_from(slabs, class, slab, rounds + taken, wanted - taken);
    return taken;
}

/* Puts a block, whose note says that it is free, back into its slab. */
void slab_put(struct heap *heap, unsigned number, void *block)
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

void slab_write_note(const struct slab_heap *slabs, unsigned number,
                     const void *block, struct slab_order *order)
{
    enum note_kind kind = note_kind(number);
    uint8_t *note = slab_note(slabs, (vaddr_t)block);

    order->zeroed = *note == NOTE_FRESH;
    note_set(kind, note, note_make(kind, order->layout));
}

/* ---- The locks of classes ---- */

bool slab_lock(struct slab_heap *slabs, unsigned number)
{
    return cpu_order_acquire(&slabs->class[number].lock, CPU_RANK_CLASS);
}

bool slab_lock_next(struct slab_heap *slabs, unsigned number)
{
    return cpu_order_acquire_next(&slabs->class[number].lock, CPU_RANK_CLASS);
}

void slab_put_deferred(struct heap *heap, unsigned number)
{
    struct slab_class *class = &slab_heap(heap)->class[number];

    for (struct heap_deferred *block;
         (block = heap_deferred(&class->deferred)) != NULL;)
        while (block) {
            struct heap_deferred *next = block->next;
            slab_put(heap, number, block);
            block = next;
        }
}

/* Frees what handlers freed while this CPU had the lock, and gives it up. */
void slab_unlock(struct heap *heap, unsigned number)
{
    slab_put_deferred(heap, number);
    cpu_order_release(&slab_heap(heap)->class[number].lock, CPU_RANK_CLASS);
}

void *slab_own(struct heap *heap, size_t bytes)
{
    unsigned number = size_class(bytes);
    void *block = NULL;
    enum mm_error error;

    if (!slab_lock(slab_heap(heap), number))
        return NULL;
    (void)slab_take(heap, number, &block, 1, &error);
    slab_unlock(heap, number);
    if (block) /* it will be written to */
        *slab_note(slab_heap(heap), (vaddr_t)block) = NOTE_FREE;
    return block;
}

void slab_disown(struct heap *heap, void *block, size_t bytes)
{
    struct slab_class *class = &slab_heap(heap)->class[size_class(bytes)];

    if (!slab_lock(slab_heap(heap), size_class(bytes))) {
        heap_defer(&class->deferred, block, NULL);
        return;
    }
    slab_put(heap, size_class(bytes), block);
    slab_unlock(heap, size_class(bytes));
}
