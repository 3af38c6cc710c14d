/* Filling and emptying what a CPU keeps. */
#include "mm/frame/owned.h"
#include "mm/frame/percpu.h"
#include "mm/tree/blocks.h"

/* A turn that began with cpu_section_enter. */
static struct frame_turn turn_of(struct frame_cpu *cpu)
{
    return (struct frame_turn){.cpu = cpu,
                               .own = true,
                               .may_wait = cpu_order_allows_frames(),
                               .home = &cpu->home};
}

static void slots_have_changed(struct frame_cpu *cpu, bool changed)
{
    /* relaxed: for calls of this CPU */
    __atomic_store_n(&cpu->slots_changed, changed, __ATOMIC_RELAXED);
}

/* ---- 4Ks to have ---- */

/* With the zone's lock: what is available in 2M number i, which is split, is
 * the block from now on, and frame number `also`, unless that is FRAME_NONE.
 * The block is empty. */
static void fill_block(struct frame_cpu *cpu, struct frame_zone *zone,
                       uint32_t i, uint32_t also)
{
    struct frame_block *block = &cpu->block;
    frame_tree_take_rest(&zone->tree, i, &block->free);
    unsigned count = set512_count(&block->free);
    frame_zone_count_taken(zone, count);
    if (also != FRAME_NONE)
        set512_add(&block->free, also % FRAMES_PER_2M);
    block->base = frame_address(zone, i * FRAMES_PER_2M);
    block->mark = frame_zones.gib[block->base >> SHIFT_1G].marks +
                  block->base % SIZE_1G / SIZE_4K;
    frame_block_use(block, set512_lowest(&block->free) / SET512_WORD_BITS);
    cpu->near_left -= count < cpu->near_left ? count : cpu->near_left;
    cpu->near_next = frame_tree_next_split(&zone->tree, i + 1);
    if (cpu->near_next != BLOCK_NONE)
        __builtin_prefetch(&zone->tree.free_4k[cpu->near_next], 1);
    slots_have_changed(cpu, true); /* some may lack a frame */
}

/* With the zone's lock: the 2M that is split and comes next, or BLOCK_NONE. */
static uint32_t next_split(struct frame_cpu *cpu, struct frame_zone *zone)
{
    uint32_t i = BLOCK_NONE;
    if (cpu->near == zone && cpu->near_left != 0 &&
        cpu->near_next != BLOCK_NONE)
        i = frame_tree_next_split(&zone->tree, cpu->near_next);
    if (i != BLOCK_NONE)
        return i;
    cpu->near = zone;
    cpu->near_left = FRAME_NEAR;
    return frame_tree_next_split(&zone->tree, 0);
}

/* With the zone's lock: what is split comes first, then what this CPU freed
 * elsewhere, and only then a 2M is split.  False: there is nothing. */
static bool refill_from(struct frame_cpu *cpu, struct frame_zone *zone)
{
    uint32_t i = next_split(cpu, zone);
    if (i != BLOCK_NONE) {
        fill_block(cpu, zone, i, FRAME_NONE);
        return true;
    }
    if (cpu->ring_count != 0)
        return true;
    uint32_t n = frame_zone_take(zone, FRAME_4K);
    if (n == FRAME_NONE)
        return false;
    fill_block(cpu, zone, n / FRAMES_PER_2M, n);
    return true;
}

void frame_refill(struct frame_cpu *cpu)
{
    struct frame_turn turn = turn_of(cpu);
    for (unsigned k = 0; k < cpu->home.count; k++) {
        struct frame_zone *zone = frame_home_zone(&cpu->home, FRAME_4K, k);
        if (frame_zone_free(zone) == 0 || !frame_turn_lock(&turn, zone))
            continue;
        bool filled = refill_from(cpu, zone);
        frame_turn_unlock(&turn, zone);
        if (filled)
            break;
    }
    frame_slots_level(&turn);
    if (set512_is_empty(&cpu->block.free))
        cpu->from_ring = FRAME_FROM_RING;
}

/* So many 2Ms are taken at once, where there is room. */
#define LARGE_AT_ONCE 4

/* The first that was taken goes out first. */
static void turn_around(paddr_t *frames, unsigned count)
{
    for (unsigned i = 0; i < count / 2; i++) {
        paddr_t other = frames[count - 1 - i];
        frames[count - 1 - i] = frames[i];
        frames[i] = other;
    }
}

void frame_refill_large(struct frame_cpu *cpu)
{
    struct frame_turn turn = turn_of(cpu);
    unsigned count = 0;
    for (unsigned k = 0; k < cpu->home.count && count == 0; k++) {
        struct frame_zone *zone = frame_home_zone(&cpu->home, FRAME_2M, k);
        if (frame_zone_free(zone) < FRAMES_PER_2M ||
            !frame_turn_lock(&turn, zone))
            continue;
        while (count < LARGE_AT_ONCE && count < cpu->large_room) {
            uint32_t n = frame_zone_take(zone, FRAME_2M);
            if (n == FRAME_NONE)
                break;
            cpu->large[count++] = frame_address(zone, n);
        }
        frame_turn_unlock(&turn, zone);
    }
    turn_around(cpu->large, count);
    cpu->large_count = count;
}

/* ---- Frames on their way to their trees ---- */

static paddr_t ring_frame(const struct frame_cpu *cpu, unsigned k)
{
    return cpu->ring[(cpu->ring_begin + k) % FRAME_RING];
}

/* With the zone's lock. */
static void put_4k(struct frame_zone *zone, uint32_t n)
{
    if (!frame_tree_put_among_others(&zone->tree, n))
        (void)frame_tree_free(&zone->tree, n);
}

/* With the zone's lock: those of the oldest `most` of the ring up to the first
 * that lies in another zone.  Returns how many. */
static unsigned return_next(struct frame_cpu *cpu, struct frame_zone *zone,
                            unsigned most)
{
    unsigned count = 0, number = (unsigned)(zone - frame_zones.zone);
    for (; count < most; count++) {
        paddr_t frame = ring_frame(cpu, count);
        const struct frame_gib *gib = &frame_zones.gib[frame >> SHIFT_1G];
        if (gib->zone != number)
            break;
        put_4k(zone, (uint32_t)(gib->number * FRAMES_PER_1G +
                                frame % SIZE_1G / SIZE_4K));
    }
    frame_zone_count_put(zone, count);
    cpu->ring_begin += count;
    cpu->ring_count -= count;
    return count;
}

/* The oldest `most` of the ring, or those before a zone that cannot be
 * locked. */
static bool flush(const struct frame_turn *turn, struct frame_cpu *cpu,
                  unsigned most)
{
    while (most != 0) {
        paddr_t first = ring_frame(cpu, 0);
        struct frame_zone *zone =
            &frame_zones.zone[frame_zones.gib[first >> SHIFT_1G].zone];
        if (!frame_turn_lock(turn, zone))
            return false;
        most -= return_next(cpu, zone, most);
        frame_turn_unlock(turn, zone);
    }
    return true;
}

bool frame_flush(struct frame_cpu *cpu)
{
    struct frame_turn turn = turn_of(cpu);
    if (frame_is_scarce(cpu))
        return false;
    if (!flush(&turn, cpu, FRAME_FLUSH)) {
        /* what has to wait for that zone comes after the others */
        paddr_t first = ring_frame(cpu, 0);
        cpu->ring[(cpu->ring_begin + cpu->ring_count) % FRAME_RING] = first;
        cpu->ring_begin++;
    }
    return cpu->ring_count < cpu->ring_room;
}

/* The oldest `most`, or those before a zone that cannot be locked. */
static bool flush_large(const struct frame_turn *turn, struct frame_cpu *cpu,
                        unsigned most)
{
    unsigned gone = 0;
    while (gone < most) {
        struct frame_zone *zone = frame_place_of(cpu->large[gone]).zone;
        if (!frame_turn_lock(turn, zone))
            break;
        for (; gone < most; gone++) {
            struct frame_place place = frame_place_of(cpu->large[gone]);
            if (place.zone != zone)
                break;
            frame_tree_put_2m(&zone->tree, place.number / FRAMES_PER_2M);
            frame_zone_count_put(zone, FRAMES_PER_2M);
        }
        frame_turn_unlock(turn, zone);
    }
    cpu->large_count -= gone;
    for (unsigned k = 0; k < cpu->large_count; k++)
        cpu->large[k] = cpu->large[k + gone];
    return gone == most;
}

bool frame_flush_large(struct frame_cpu *cpu)
{
    struct frame_turn turn = turn_of(cpu);
    if (frame_is_scarce(cpu) || cpu->large_count == 0)
        return false;
    flush_large(&turn, cpu, (cpu->large_count + 1) / 2);
    return cpu->large_count < cpu->large_room;
}

/* ---- Scarcity ---- */

bool frame_is_scarce(struct frame_cpu *cpu)
{
    if (cpu->scarce == 0)
        return false;
    if (--cpu->scarce == 0) {
        cpu->ring_room = FRAME_RING;
        cpu->large_room = frame_cpus.large_room;
    }
    return true;
}

/* ---- Slots ---- */

static paddr_t slot_get(paddr_t *slot)
{
    /* relaxed: taken by an exchange */
    return __atomic_load_n(slot, __ATOMIC_RELAXED);
}

static enum frame_size size_of(paddr_t entry)
{
    return (enum frame_size)(entry % SIZE_4K);
}

paddr_t frame_slot_take(struct frame_cpu *cpu, enum frame_size size)
{
    for (unsigned s = 0; s < FRAME_SLOTS; s++) {
        paddr_t entry = slot_get(&cpu->slot[s]);
        /* acquire, and release below: what was done with it before */
        if (entry != 0 && size_of(entry) == size &&
            __atomic_compare_exchange_n(&cpu->slot[s], &entry, 0, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
            slots_have_changed(cpu, true);
            return entry - size;
        }
    }
    return PADDR_NONE;
}

bool frame_slot_put(struct frame_cpu *cpu, paddr_t frame, enum frame_size size)
{
    for (unsigned s = 0; s < FRAME_SLOTS; s++) {
        paddr_t empty = 0;
        if (slot_get(&cpu->slot[s]) == 0 &&
            __atomic_compare_exchange_n(&cpu->slot[s], &empty, frame + size,
                                        false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED))
            return true;
    }
    return false;
}

/* False: its zone cannot be locked, and it stays. */
static bool drain(const struct frame_turn *turn, paddr_t *slot)
{
    paddr_t entry = slot_get(slot);
    if (entry == 0)
        return true;
    struct frame_place place = frame_place_of(entry);
    if (!frame_turn_lock(turn, place.zone))
        return false;
    if (__atomic_compare_exchange_n(slot, &entry, 0, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_RELAXED))
        frame_zone_return(place.zone, place.number, size_of(entry));
    frame_turn_unlock(turn, place.zone);
    return true;
}

/* A frame out of the block, into a slot. */
static bool make_ready(struct frame_cpu *cpu)
{
    struct frame_block *block = &cpu->block;
    if (set512_is_empty(&block->free))
        return false;
    unsigned n = set512_highest(&block->free);
    set512_remove(&block->free, n);
    if (frame_slot_put(cpu, block->base + n * SIZE_4K, FRAME_4K))
        return true;
    set512_add(&block->free, n);
    return false;
}

void frame_slots_level(const struct frame_turn *turn)
{
    struct frame_cpu *cpu = turn->cpu;
    /* relaxed: as above */
    if (!__atomic_load_n(&cpu->slots_changed, __ATOMIC_RELAXED))
        return;
    slots_have_changed(cpu, false);
    unsigned ready = 0, empty = 0;
    for (unsigned s = 0; s < FRAME_SLOTS; s++) {
        paddr_t entry = slot_get(&cpu->slot[s]);
        empty += entry == 0;
        ready += entry != 0 && size_of(entry) == FRAME_4K;
    }
    while (ready < FRAME_READY && make_ready(cpu))
        ready++;
    for (unsigned s = 0; s < FRAME_SLOTS && empty < FRAME_ROOM; s++)
        empty += drain(turn, &cpu->slot[s]);
    if (empty < FRAME_ROOM)
        slots_have_changed(cpu, true);
}

/* ---- Giving back ---- */

static bool drop_block(const struct frame_turn *turn, struct frame_block *block)
{
    if (set512_is_empty(&block->free)) {
        block->base = FRAME_NO_BLOCK;
        return true;
    }
    struct frame_place place = frame_place_of(block->base);
    if (!frame_turn_lock(turn, place.zone))
        return false;
    frame_zone_return_many(place.zone, place.number / FRAMES_PER_2M,
                           &block->free);
    frame_turn_unlock(turn, place.zone);
    set512_clear(&block->free);
    block->base = FRAME_NO_BLOCK;
    return true;
}

bool frame_give_back(const struct frame_turn *turn, struct frame_cpu *cpu)
{
    bool all = drop_block(turn, &cpu->block);
    all &= flush(turn, cpu, cpu->ring_count);
    all &= flush_large(turn, cpu, cpu->large_count);
    for (unsigned s = 0; s < FRAME_SLOTS; s++)
        all &= drain(turn, &cpu->slot[s]);
    cpu->from_ring = 0;
    slots_have_changed(cpu, true);
    return all;
}
