/* heapcheck=full: a layer between the public functions and any back-end.
 *
 * What the back-end sees as one block is this:
 *
 *     +- - - - - +--------+-------+--------------------+------------+
 *     | for its  | struct | red-  |  what the owner    |  redzone   |
 *     | alignment| guarded| zone  |  asked for         |            |
 *     +- - - - - +--------+-------+--------------------+------------+
 *     ^ start of the              ^ pointer            ^ at least 16 bytes
 *       back-end's block
 *
 * All bytes of the redzones have one value, and every check of a block compares
 * them with it.  So a write past either end is found to the byte, at the latest
 * when the block is freed.
 *
 * A freed block is filled with another byte and kept in a quarantine.  When the
 * quarantine is too large, or memory is used up, its oldest block is checked
 * once more and goes back to the back-end.  If the block was written meanwhile,
 * it was used after it was freed.  So every block is checked before its memory
 * can be allocated again.
 *
 * Blocks are found by their pointers in a table, not by the bytes in front of
 * them, so a wrong pointer is never followed.  A seal over each struct guarded
 * is checked before the struct is used: it shows whether the struct was
 * overwritten.
 *
 * The layer's own state is a block of the heap below.  The layer has a lock,
 * which is taken before those of the heap below.
 */
#include "mm/heap/guard.h"

#include "lib/assert.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "mm/heap/backend.h"
#include "mm/heap/deferred.h"
#include "mm/platform.h"

/* No small number, no text, and no part of an address has REDZONE_BYTE. */
#define REDZONE_BYTE 0xa7
#define FREED_BYTE   0x6b

/* Bytes of the redzone in front of a block, and the least behind it. */
#define REDZONE 16

/* Lists of the hash table of blocks. */
#define BUCKETS 256

/* Bytes that the quarantine may hold: the region's limit divided by
 * QUARANTINE_SHARE, and at most QUARANTINE_MOST. */
#define QUARANTINE_SHARE 16
#define QUARANTINE_MOST  (4 * MIB)

struct guarded {
    struct heap_deferred deferred;
    struct guarded *next;       /* in its bucket */
    struct guarded *freed_next; /* in the quarantine: freed after this one */
    struct layout layout;       /* as the owner asked for */
    struct layout below;        /* as the back-end was asked for */
    size_t front;               /* from the back-end's block to the pointer */
    const void *allocated_by;   /* return addresses */
    const void *freed_by;       /* NULL: live */
    uint64_t seal;              /* of all but deferred */
} __attribute__((aligned(HEAP_GRANULE)));

#define FRONT (sizeof(struct guarded) + REDZONE)

struct heap_guard {
    const struct heap_calls *below;
    struct cpu_lock lock;
    struct heap_deferred *deferred;
    struct heap_stats stats;
    struct heap_class classes[HEAP_CLASSES];
    struct guarded *quarantine, *quarantine_last;
    size_t quarantined, quarantined_bytes, quarantine_limit;
    struct guarded *bucket[BUCKETS];
};

/* What a call has found, to be reported when the lock is free. */
struct finding {
    enum heap_fault fault;
    struct heap_claim claim;
    struct heap_block block;
};

/* ---- One block ---- */

static unsigned char *pointer_of(const struct guarded *guarded)
{
    return (unsigned char *)guarded + FRONT;
}

/* Of a pointer that was given out. */
static struct guarded *header_of(const void *pointer)
{
    return (struct guarded *)((vaddr_t)pointer - FRONT);
}

static unsigned char *start_of(const struct guarded *guarded)
{
    return pointer_of(guarded) - guarded->front;
}

/* Fowler, Noll and Vo's hash (FNV-1a), by words. */
static uint64_t seal_for(const struct guarded *guarded)
{
    const uint64_t words[] = {
        (uint64_t)guarded,
        (uint64_t)guarded->next,
        (uint64_t)guarded->freed_next,
        guarded->layout.size,
        guarded->layout.align,
        guarded->below.size,
        guarded->below.align,
        guarded->front,
        (uint64_t)guarded->allocated_by,
        (uint64_t)guarded->freed_by,
    };
    uint64_t hash = 0xcbf29ce484222325;

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        hash = (hash ^ words[i]) * 0x100000001b3;
    return hash;
}

static void seal(struct guarded *guarded)
{
    guarded->seal = seal_for(guarded);
}

static bool is_sealed(const struct guarded *guarded)
{
    return guarded->seal == seal_for(guarded);
}

/* The layout to ask the back-end for. */
static struct layout layout_below(struct layout layout)
{
    struct layout below = {
        FRONT + align_up(layout.size, HEAP_GRANULE) + REDZONE,
        layout.align > HEAP_GRANULE ? layout.align : HEAP_GRANULE,
    };

    below.size += align_up(FRONT, below.align) - FRONT;
    return below;
}

/* Bytes from the pointer to the end of the back-end's block. */
static size_t room_of(const struct guarded *guarded)
{
    return guarded->below.size - guarded->front;
}

static void write_redzones(const struct guarded *guarded)
{
    unsigned char *pointer = pointer_of(guarded);
    size_t size = guarded->layout.size;

    memset(pointer - REDZONE, REDZONE_BYTE, REDZONE);
    memset(pointer + size, REDZONE_BYTE, room_of(guarded) - size);
}

/* The first of these bytes that differs from `byte`, or NULL. */
static const unsigned char *first_other(const unsigned char *bytes, size_t size,
                                        unsigned char byte)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != byte)
            return bytes + i;
    return NULL;
}

/* The last one that differs, for the redzone in front: a write past the start
 * of a block comes from above and reaches down. */
static const unsigned char *last_other(const unsigned char *bytes, size_t size,
                                       unsigned char byte)
{
    while (size-- > 0)
        if (bytes[size] != byte)
            return bytes + size;
    return NULL;
}

/* Gives a block the bytes of one that was freed and not written since. */
static void write_freed(const struct guarded *guarded)
{
    write_redzones(guarded);
    memset(pointer_of(guarded), FREED_BYTE, guarded->layout.size);
}

static struct heap_block describe(const struct guarded *guarded)
{
    return (struct heap_block){
        .start = pointer_of(guarded),
        .layout = guarded->layout,
        .usable = guarded->layout.size,
        .held = guarded->below.size,
        .allocated_by = guarded->allocated_by,
        .freed_by = guarded->freed_by,
    };
}

static void note_damage(struct heap_block *block, const void *where)
{
    block->damage = where;
    block->damage_byte = *(const uint8_t *)where;
}

/* What is wrong with a block whose seal is right.  Sets *block in any case. */
static enum heap_fault damage_of(const struct guarded *guarded,
                                 struct heap_block *block)
{
    const unsigned char *pointer = pointer_of(guarded);
    size_t size = guarded->layout.size;
    enum heap_fault fault = HEAP_OVERRUN;
    const unsigned char *where =
        first_other(pointer + size, room_of(guarded) - size, REDZONE_BYTE);

    if (!where) {
        fault = HEAP_UNDERRUN;
        where = last_other(pointer - REDZONE, REDZONE, REDZONE_BYTE);
    }
    if (!where && guarded->freed_by)
        where = first_other(pointer, size, FREED_BYTE);
    *block = describe(guarded);
    if (!where)
        return HEAP_NO_FAULT;
    note_damage(block, where);
    return guarded->freed_by ? HEAP_USE_AFTER_FREE : fault;
}

/* ---- The table ---- */

/* Knuth's multiplicative hash. */
static struct guarded **bucket_of(struct heap_guard *guard, const void *pointer)
{
    uint32_t hash = (uint32_t)((vaddr_t)pointer / HEAP_GRANULE) * 2654435761u;

    return &guard->bucket[hash / (UINT32_MAX / BUCKETS + 1)];
}

static void enter(struct heap_guard *guard, struct guarded *guarded)
{
    struct guarded **bucket = bucket_of(guard, pointer_of(guarded));

    guarded->next = *bucket;
    seal(guarded);
    *bucket = guarded;
}

/* Whether this entry of a list, if there is one, has a right seal, so that the
 * list can be followed.  If not, *found gets the fault. */
static bool follow(struct guarded *guarded, struct finding *found)
{
    if (!guarded || is_sealed(guarded))
        return true;
    found->fault = HEAP_HEADER;
    found->block = (struct heap_block){.start = pointer_of(guarded)};
    note_damage(&found->block, guarded);
    return false;
}

/* The block with this pointer, live or in quarantine.  NULL if there is none,
 * or if its list is damaged; then *found has a fault. */
static struct guarded *look_up(struct heap_guard *guard, const void *pointer,
                               struct finding *found)
{
    struct guarded *guarded = *bucket_of(guard, pointer);

    while (follow(guarded, found) && guarded) {
        if (pointer_of(guarded) == pointer)
            return guarded;
        guarded = guarded->next;
    }
    return NULL;
}

static void remove(struct heap_guard *guard, struct guarded *guarded)
{
    struct guarded **link = bucket_of(guard, pointer_of(guarded));
    struct guarded *before = NULL;

    while (*link != guarded) {
        before = *link;
        link = &before->next;
    }
    *link = guarded->next;
    if (before)
        seal(before);
}

/* Calls see for every block until it returns false.  A damaged list ends where
 * the damage is. */
static bool each(struct heap_guard *guard, struct finding *found,
                 bool (*see)(const struct guarded *guarded, void *context),
                 void *context)
{
    for (unsigned i = 0; i < BUCKETS; i++)
        for (struct guarded *guarded = guard->bucket[i];
             follow(guarded, found) && guarded; guarded = guarded->next)
            if (!see(guarded, context))
                return false;
    return true;
}

struct inside {
    const unsigned char *address;
    const struct guarded *guarded;
};

static bool is_inside(const struct guarded *guarded, void *context)
{
    struct inside *inside = context;

    if (inside->address < start_of(guarded) ||
        inside->address >= pointer_of(guarded) + room_of(guarded))
        return true;
    inside->guarded = guarded;
    return false;
}

/* The live and undamaged block that a pointer claims to be; else NULL, and
 * *found says why. */
static struct guarded *find(struct heap_guard *guard,
                            const struct heap_claim *claim,
                            struct finding *found)
{
    struct guarded *guarded = look_up(guard, claim->pointer, found);

    found->claim = *claim;
    if (found->fault)
        return NULL;
    if (!guarded) {
        struct inside inside = {.address = claim->pointer};

        each(guard, &(struct finding){0}, is_inside, &inside);
        found->fault = inside.guarded ? HEAP_NOT_A_START : HEAP_FOREIGN;
        if (inside.guarded)
            found->block = describe(inside.guarded);
        return NULL;
    }
    found->block = describe(guarded);
    if (guarded->freed_by)
        found->fault = HEAP_DOUBLE_FREE;
    else if (heap_is_other(claim->layout, guarded->layout))
        found->fault = HEAP_WRONG_LAYOUT;
    else
        found->fault = damage_of(guarded, &found->block);
    return found->fault ? NULL : guarded;
}

/* The same without the lock: for a handler that interrupted a call which may be
 * changing the list that the block is in, and its seal. */
static struct guarded *look(struct heap *heap, const struct heap_claim *claim,
                            struct finding *found)
{
    struct guarded *guarded = header_of(claim->pointer);
    vaddr_t offset = (vaddr_t)guarded - (vaddr_t)heap->region.start;

    found->claim = *claim;
    if (offset >= heap->region.limit && !heap->region.large_alloc)
        found->fault = HEAP_FOREIGN;
    else if (!is_aligned(offset, HEAP_GRANULE) ||
             (offset < heap->region.limit &&
              (!heap_has_memory(heap, (vaddr_t)guarded) ||
               !heap_has_memory(heap, (vaddr_t)claim->pointer - 1))) ||
             last_other((unsigned char *)claim->pointer - REDZONE, REDZONE,
                        REDZONE_BYTE))
        found->fault = HEAP_NOT_A_START;
    if (found->fault)
        return NULL;
    found->block = describe(guarded);
    if (guarded->freed_by)
        found->fault = HEAP_DOUBLE_FREE;
    else if (heap_is_other(claim->layout, guarded->layout))
        found->fault = HEAP_WRONG_LAYOUT;
    return found->fault ? NULL : guarded;
}

/* ---- Counting ---- */

static void count(struct heap_guard *guard, const struct guarded *guarded)
{
    struct heap_block block = describe(guarded);

    heap_count(&guard->stats, guard->classes, &block);
}

static void discount(struct heap_guard *guard, const struct guarded *guarded)
{
    struct heap_block block = describe(guarded);

    heap_discount(&guard->stats, guard->classes, &block);
}

/* ---- The quarantine ---- */

/* Gives the oldest block back to the back-end.  If it was written since it was
 * freed, it stays in quarantine, and this is reported once. */
static bool give_back(struct heap *heap, const struct heap_claim *claim,
                      struct finding *found)
{
    struct heap_guard *guard = heap->guard;
    struct guarded *oldest = guard->quarantine;

    found->claim = (struct heap_claim){.pointer = pointer_of(oldest),
                                       .caller = claim->caller};
    if (!follow(oldest, found))
        return false;
    found->fault = damage_of(oldest, &found->block);
    if (found->fault) {
        write_freed(oldest); /* so that it is reported once */
        return false;
    }
    guard->quarantine = oldest->freed_next;
    if (!guard->quarantine)
        guard->quarantine_last = NULL;
    guard->quarantined--;
    guard->quarantined_bytes -= oldest->below.size;
    remove(guard, oldest);
    guard->below->dealloc(heap, start_of(oldest), oldest->below, claim->caller);
    return true;
}

/* Gives blocks back until at most this many bytes are in quarantine. */
static void drain(struct heap *heap, size_t most,
                  const struct heap_claim *claim, struct finding *found)
{
    struct heap_guard *guard = heap->guard;

    while (guard->quarantined_bytes > most && give_back(heap, claim, found))
        ;
}

static void free_block(struct heap *heap, struct guarded *guarded,
                       const struct heap_claim *claim, struct finding *found)
{
    struct heap_guard *guard = heap->guard;

    discount(guard, guarded);
    write_freed(guarded);
    guarded->freed_by = claim->caller;
    guarded->freed_next = NULL;
    seal(guarded);
    if (guard->quarantine_last) {
        guard->quarantine_last->freed_next = guarded;
        seal(guard->quarantine_last);
    } else {
        guard->quarantine = guarded;
    }
    guard->quarantine_last = guarded;
    guard->quarantined++;
    guard->quarantined_bytes += guarded->below.size;
    drain(heap, guard->quarantine_limit, claim, found);
}

/* ---- The lock ---- */

static bool lock(struct heap *heap)
{
    return cpu_order_acquire(&heap->guard->lock, CPU_RANK_GUARD);
}

static void release(struct heap *heap, const struct heap_claim *claim,
                    struct finding *found)
{
    struct guarded *guarded = find(heap->guard, claim, found);

    if (guarded)
        free_block(heap, guarded, claim, found);
}

static void report(struct heap *heap, const struct finding *found)
{
    if (found->fault)
        heap_report(heap, found->fault, &found->claim, &found->block);
}

/* Frees what waits, up to a mistake. */
static void release_deferred(struct heap *heap, struct finding *found)
{
    struct heap_deferred *waiting = heap_deferred(&heap->guard->deferred);

    while (waiting && !found->fault) {
        const struct guarded *guarded =
            (const struct guarded *)((vaddr_t)waiting -
                                     offsetof(struct guarded, deferred));
        struct heap_claim claim = {pointer_of(guarded), NULL, waiting->caller};

        waiting = waiting->next;
        release(heap, &claim, found);
    }
}

/* Frees what handlers freed meanwhile, releases the lock, and reports what was
 * found. */
static void unlock(struct heap *heap, struct finding *found)
{
    release_deferred(heap, found);
    cpu_order_release(&heap->guard->lock, CPU_RANK_GUARD);
    report(heap, found);
}

/* ---- The calls ---- */

typedef void *allocate_below(struct heap *heap, struct layout layout,
                             const void *caller);

/* For a call that returns NULL.  Called with the lock held, except for MM_BUSY
 * and a bad layout. */
static void *refuse(struct heap *heap, enum mm_error error)
{
    /* relaxed: as in heap_refuse */
    __atomic_fetch_add(&heap->guard->stats.failures, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&heap->error, error, __ATOMIC_RELAXED);
    return NULL;
}

/* A block from the heap below.  If it has no memory, the quarantine is emptied
 * first. */
static void *get_below(struct heap *heap, allocate_below *allocate,
                       struct layout layout, const void *caller,
                       struct finding *found)
{
    void *start = allocate(heap, layout, caller);

    if (!start && heap->guard->quarantined > 0) {
        drain(heap, 0, &(struct heap_claim){.caller = caller}, found);
        start = allocate(heap, layout, caller);
    }
    return start;
}

/* With the lock held. */
static void *allocate_locked(struct heap *heap, allocate_below *allocate,
                             struct layout layout, const void *caller,
                             struct finding *found)
{
    struct heap_guard *guard = heap->guard;
    struct layout below = layout_below(layout);
    unsigned char *start = NULL;

    if (!layout_error(below))
        start = get_below(heap, allocate, below, caller, found);
    if (!start) {
        guard->classes[heap_class_of(layout.size)].failures++;
        return refuse(heap, MM_OUT_OF_MEMORY);
    }

    size_t front = align_up(FRONT, below.align);
    struct guarded *guarded = (struct guarded *)(start + front - FRONT);
    *guarded = (struct guarded){
        .layout = layout,
        .below = below,
        .front = front,
        .allocated_by = caller,
    };
    write_redzones(guarded);
    enter(guard, guarded);
    guard->stats.allocations++;
    count(guard, guarded);
    return pointer_of(guarded);
}

static void *allocate(struct heap *heap, allocate_below *below,
                      struct layout layout, const void *caller)
{
    enum mm_error error = layout_error(layout);
    struct finding found = {0};

    if (!error && !lock(heap))
        error = MM_BUSY;
    if (error)
        return refuse(heap, error);

    void *pointer = allocate_locked(heap, below, layout, caller, &found);
    unlock(heap, &found);
    return pointer;
}

static void *guard_alloc(struct heap *heap, struct layout layout,
                         const void *caller)
{
    return allocate(heap, heap->guard->below->alloc, layout, caller);
}

static void *guard_alloc_zeroed(struct heap *heap, struct layout layout,
                                const void *caller)
{
    return allocate(heap, heap->guard->below->alloc_zeroed, layout, caller);
}

static void *guard_alloc_back(struct heap *heap, struct layout layout,
                              const void *caller)
{
    return allocate(heap, heap->guard->below->alloc_back, layout, caller);
}

static void give(struct heap *heap, const struct heap_claim *claim)
{
    struct finding found = {0};

    if (lock(heap)) {
        release(heap, claim, &found);
        unlock(heap, &found);
        return;
    }
    struct guarded *guarded = look(heap, claim, &found);
    report(heap, &found);
    heap_defer(&heap->guard->deferred, &guarded->deferred, claim->caller);
}

static void guard_dealloc(struct heap *heap, void *pointer,
                          struct layout layout, const void *caller)
{
    give(heap, &(struct heap_claim){pointer, &layout, caller});
}

static void guard_free(struct heap *heap, void *pointer, const void *caller)
{
    give(heap, &(struct heap_claim){pointer, NULL, caller});
}

/* Gives a block another layout in place, if it has room for it. */
static bool resize(struct heap_guard *guard, struct guarded *guarded,
                   struct layout layout)
{
    if (layout.size > room_of(guarded) - REDZONE ||
        !is_aligned((vaddr_t)pointer_of(guarded), layout.align))
        return false;
    discount(guard, guarded);
    guarded->layout = layout;
    write_redzones(guarded);
    seal(guarded);
    count(guard, guarded);
    return true;
}

static void *reallocate_locked(struct heap *heap,
                               const struct heap_claim *claim,
                               struct layout layout, struct finding *found)
{
    struct heap_guard *guard = heap->guard;
    struct guarded *guarded = find(guard, claim, found);

    if (!guarded)
        return NULL;
    if (resize(guard, guarded, layout))
        return pointer_of(guarded);

    void *moved = allocate_locked(heap, guard->below->alloc, layout,
                                  claim->caller, found);
    if (moved) {
        size_t old = guarded->layout.size;

        memcpy(moved, pointer_of(guarded),
               old < layout.size ? old : layout.size);
        free_block(heap, guarded, claim, found);
    }
    return moved;
}

static void *guard_resize(struct heap *heap, const struct heap_claim *claim,
                          struct layout layout)
{
    enum mm_error error = layout_error(layout);
    struct finding found = {0};

    if (!error && !lock(heap))
        error = MM_BUSY;
    if (error)
        return refuse(heap, error);

    void *pointer = reallocate_locked(heap, claim, layout, &found);
    unlock(heap, &found);
    return pointer;
}

/* As in mm/heap/simple.c: where the call must not wait, the block's own header
 * answers. */
static size_t guard_usable_size(struct heap *heap,
                                const struct heap_claim *claim)
{
    struct finding found = {0};
    bool locked = lock(heap);
    const struct guarded *guarded =
        locked ? find(heap->guard, claim, &found) : look(heap, claim, &found);
    size_t size = guarded ? guarded->layout.size : 0;

    if (locked)
        unlock(heap, &found);
    report(heap, &found);
    return size;
}

/* ---- The whole heap ---- */

static struct heap_stats guard_stats(struct heap *heap)
{
    struct heap_guard *guard = heap->guard;
    bool locked = lock(heap);
    struct heap_stats below = guard->below->stats(heap), stats = guard->stats;

    stats.region = below.region;
    if (locked)
        unlock(heap, &(struct finding){0});
    return stats;
}

static bool guard_class(struct heap *heap, unsigned number,
                        struct heap_class *class)
{
    bool locked = lock(heap);
    bool known = heap_copy_class(heap->guard->classes, number, class);

    if (locked)
        unlock(heap, &(struct finding){0});
    return known;
}

/* Sums of a walk over all blocks. */
struct walk {
    struct heap_guard *guard;
    struct heap_totals live, freed;
    struct heap_flaw flaw;
};

static bool add_up(const struct guarded *guarded, void *context)
{
    struct walk *walk = context;
    struct heap_totals *totals = guarded->freed_by ? &walk->freed : &walk->live;
    struct heap_block block;
    enum heap_fault fault = damage_of(guarded, &block);

    if (fault)
        walk->flaw = (struct heap_flaw){block.damage, heap_fault_text(fault)};
    totals->blocks++;
    totals->requested += guarded->layout.size;
    totals->held += guarded->below.size;
    return !walk->flaw.place;
}

static struct heap_flaw check_locked(struct heap *heap)
{
    struct heap_guard *guard = heap->guard;
    struct walk walk = {.guard = guard, .flaw = guard->below->check(heap)};
    struct finding found = {0};

    if (walk.flaw.what || !each(guard, &found, add_up, &walk))
        return walk.flaw;
    if (found.fault)
        return (struct heap_flaw){found.block.damage,
                                  heap_fault_text(found.fault)};
    if (walk.live.blocks != guard->stats.blocks ||
        walk.live.requested != guard->stats.requested ||
        walk.live.held != guard->stats.held)
        return (struct heap_flaw){&guard->stats, "statistics that are not "
                                                 "those of the live blocks"};
    if (walk.freed.blocks != guard->quarantined ||
        walk.freed.held != guard->quarantined_bytes)
        return (struct heap_flaw){&guard->quarantine,
                                  "a quarantine that lost a freed block"};
    /* one more block holds this layer's own state */
    if (walk.live.blocks + walk.freed.blocks + 1 !=
        guard->below->stats(heap).blocks)
        return (struct heap_flaw){guard, "a block of the back-end that is "
                                         "nobody's"};
    return (struct heap_flaw){0};
}

static struct heap_flaw guard_check(struct heap *heap)
{
    if (!lock(heap))
        return HEAP_BUSY;
    struct heap_flaw flaw = check_locked(heap);
    unlock(heap, &(struct finding){0});
    return flaw;
}

void heap_guard_trim(struct heap *heap, const void *caller)
{
    struct finding found = {0};

    if (!lock(heap))
        return;
    release_deferred(heap, &found);
    if (!found.fault)
        drain(heap, 0, &(struct heap_claim){.caller = caller}, &found);
    unlock(heap, &found);
}

/* The live blocks of one call site; and the next site, in order of address. */
struct site {
    const void *caller, *next;
    size_t blocks, bytes;
};

static bool add_to_site(const struct guarded *guarded, void *context)
{
    struct site *site = context;

    if (guarded->freed_by)
        return true;
    if (guarded->allocated_by == site->caller) {
        site->blocks++;
        site->bytes += guarded->layout.size;
    } else if (guarded->allocated_by > site->caller &&
               (!site->next || guarded->allocated_by < site->next)) {
        site->next = guarded->allocated_by;
    }
    return true;
}

size_t heap_guard_leaks(struct heap *heap,
                        int (*print)(const char *format, ...))
{
    struct site site = {0};
    struct finding found = {0};
    size_t blocks = 0;
    char name[HEAP_NAME_MAX];

    if (!lock(heap))
        return 0;
    /* one walk for each call site: there are few, and this needs no memory */
    do {
        site = (struct site){.caller = site.next};
        each(heap->guard, &found, add_to_site, &site);
        if (site.blocks > 0) {
            platform_name_code(site.caller, name, sizeof(name));
            print("%8zu blocks %12zu bytes  %s\n", site.blocks, site.bytes,
                  name);
        }
        blocks += site.blocks;
    } while (site.next);
    unlock(heap, &(struct finding){0});
    return blocks;
}

static const struct heap_calls guard_calls = {
    .alloc = guard_alloc,
    .alloc_zeroed = guard_alloc_zeroed,
    .alloc_back = guard_alloc_back,
    .dealloc = guard_dealloc,
    .free = guard_free,
    .realloc = heap_realloc_by_resize,
    .resize = guard_resize,
    .usable_size = guard_usable_size,
    .stats = guard_stats,
    .class = guard_class,
    .check = guard_check,
};

enum mm_error heap_guard_init(struct heap *heap)
{
    const struct layout layout = {sizeof(struct heap_guard),
                                  _Alignof(struct heap_guard)};
    struct heap_guard *guard =
        heap->calls.alloc_zeroed(heap, layout, __builtin_return_address(0));
    size_t share = heap->region.limit / QUARANTINE_SHARE;

    if (!guard)
        return MM_TOO_SMALL;
    guard->below = heap->table;
    guard->quarantine_limit = share < QUARANTINE_MOST ? share : QUARANTINE_MOST;
    heap->guard = guard;
    heap_use_calls(heap, &guard_calls);
    return MM_OK;
}
