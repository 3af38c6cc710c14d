/* Filling and emptying what a CPU keeps. */
#include "lib/bits.h"
#include "mm/frame/owned.h"
#include "mm/frame/percpu.h"
#include "mm/tree/blocks.h"

/* ---- 4Ks to have ---- */

/* With the zone's lock: what is available in 2M number i, which is split, is
 * the block from now on, and frame number `also`, unless that is FRAME_NONE.
 * The block is empty. */
static void fill_block(struct frame_cpu *cpu, struct frame_zone *zone,
                       uint32_t i, uint32_t also)
{
    struct frame_block *block = &cpu->block;
    frame_tree_take_rest(&zone->tree, i, &block->free);
    frame_zone_count_taken(zone, set512_count(&block->free));
    if (also != FRAME_NONE)
        set512_add(&block->free, also % FRAMES_PER_2M);
    block->base = frame_address(zone, i * FRAMES_PER_2M);
    block->mark = frame_place_of(block->base).mark;
    block->word = set512_lowest(&block->free) / SET512_WORD_BITS;
}

/* The one that was freed last. */
static paddr_t pop_ring(struct frame_cpu *cpu)
{
    uint32_t last = cpu->ring_begin + --cpu->ring_count;
    return cpu->ring[last % FRAME_RING];
}

/* With the zone's lock: what is split comes first, then what this CPU freed
 * elsewhere, and only then a 2M is split. */
static paddr_t refill_from(struct frame_cpu *cpu, struct frame_zone *zone)
{
    if (!set512_is_empty(&zone->tree.some_4k_in_1g)) {
        fill_block(cpu, zone, frame_tree_lowest_split(&zone->tree), FRAME_NONE);
        return PADDR_NONE;
    }
    if (cpu->ring_count != 0)
        return pop_ring(cpu);
    uint32_t n = frame_zone_take(zone, FRAME_4K);
    if (n != FRAME_NONE)
        fill_block(cpu, zone, n / FRAMES_PER_2M, n);
    return PADDR_NONE;
}

/* The k-th of the CPU's own zones. */
static struct frame_zone *own_zone(const struct frame_turn *turn, unsigned k,
                                   unsigned home)
{
    return &frame_zones.zone[turn->first +
                             (home - turn->first + k) % turn->count];
}

paddr_t frame_refill(const struct frame_turn *turn)
{
    struct frame_cpu *cpu = turn->cpu;
    for (unsigned k = 0; k < turn->count; k++) {
        struct frame_zone *zone = own_zone(turn, k, turn->small);
        if (frame_zone_free(zone) == 0 || !frame_turn_lock(turn, zone))
            continue;
        paddr_t frame = refill_from(cpu, zone);
        frame_turn_unlock(turn, zone);
        if (frame != PADDR_NONE || !set512_is_empty(&cpu->block.free))
            return frame;
    }
    return cpu->ring_count != 0 ? pop_ring(cpu) : PADDR_NONE;
}

/* So many 2Ms are taken at once, where there is room. */
#define LARGE_AT_ONCE 4

void frame_refill_large(const struct frame_turn *turn)
{
    struct frame_cpu *cpu = turn->cpu;
    for (unsigned k = 0; k < turn->count && cpu->large_count == 0; k++) {
        struct frame_zone *zone =
            own_zone(turn, turn->count - k, turn->large);
        if (frame_zone_free(zone) < FRAMES_PER_2M ||
            !frame_turn_lock(turn, zone))
            continue;
        while (cpu->large_count < LARGE_AT_ONCE &&
               cpu->large_count < cpu->large_room) {
            uint32_t n = frame_zone_take(zone, FRAME_2M);
            if (n == FRAME_NONE)
                break;
            cpu->large[cpu->large_count++] = frame_address(zone, n);
        }
        frame_turn_unlock(turn, zone);
    }
    for (unsigned i = 0; i < cpu->large_count / 2; i++) {
        paddr_t other = cpu->large[cpu->large_count - 1 - i];
        cpu->large[cpu->large_count - 1 - i] = cpu->large[i];
        cpu->large[i] = other;
    }
}

/* ---- Frames on their way to their trees ---- */

/* The next of the ring that go together: in one 2M.  Returns how many. */
static unsigned next_of_one_2m(const struct frame_cpu *cpu, unsigned most,
                               paddr_t *base, struct set512 *set)
{
    unsigned count = 0;
    *base = align_down(cpu->ring[cpu->ring_begin % FRAME_RING], SIZE_2M);
    set512_clear(set);
    for (; count < most; count++) {
        paddr_t frame = cpu->ring[(cpu->ring_begin + count) % FRAME_RING];
        if (frame - *base >= SIZE_2M)
            break;
        set512_add(set, (unsigned)(frame % SIZE_2M / SIZE_4K));
    }
    return count;
}

/* The oldest `most` of the ring, or those before a zone that cannot be
 * locked. */
static bool flush(const struct frame_turn *turn, struct frame_cpu *cpu,
                  unsigned most)
{
    struct frame_zone *locked = NULL;
    while (most != 0) {
        paddr_t base;
        struct set512 set;
        unsigned count = next_of_one_2m(cpu, most, &base, &set);
        struct frame_place place = frame_place_of(base);
        if (locked != place.zone) {
            if (locked != NULL)
                frame_turn_unlock(turn, locked);
            locked = frame_turn_lock(turn, place.zone) ? place.zone : NULL;
            if (locked == NULL)
                return false;
        }
        frame_zone_return_many(locked, place.number / FRAMES_PER_2M, &set);
        cpu->ring_begin += count;
        cpu->ring_count -= count;
        most -= count;
    }
    if (locked != NULL)
        frame_turn_unlock(turn, locked);
    return true;
}

/* The lines of those that go next are fetched meanwhile. */
static void fetch_next(const struct frame_cpu *cpu)
{
    for (unsigned k = 0; k < FRAME_FLUSH && k < cpu->ring_count; k++) {
        struct frame_place place =
            frame_place_of(cpu->ring[(cpu->ring_begin + k) % FRAME_RING]);
        __builtin_prefetch(
            &place.zone->tree.free_4k[place.number / FRAMES_PER_2M], 1);
    }
}

void frame_flush(const struct frame_turn *turn)
{
    struct frame_cpu *cpu = turn->cpu;
    if (cpu->ring_count < cpu->ring_room || cpu->ring_count < FRAME_FLUSH)
        return;
    if (!flush(turn, cpu, FRAME_FLUSH)) {
        /* what has to wait for that zone comes after the others */
        paddr_t first = cpu->ring[cpu->ring_begin % FRAME_RING];
        cpu->ring[(cpu->ring_begin + cpu->ring_count) % FRAME_RING] = first;
        cpu->ring_begin++;
        return;
    }
    fetch_next(cpu);
}

/* The oldest `most`. */
static bool flush_large(const struct frame_turn *turn, struct frame_cpu *cpu,
                        unsigned most)
{
    unsigned left = 0, kept = cpu->large_count;
    for (unsigned k = 0; k < kept; k++) {
        paddr_t frame = cpu->large[k];
        struct frame_place place = frame_place_of(frame);
        if (k < most && frame_turn_lock(turn, place.zone)) {
            frame_zone_return(place.zone, place.number, FRAME_2M);
            frame_turn_unlock(turn, place.zone);
        } else {
            cpu->large[left++] = frame;
        }
    }
    cpu->large_count = left;
    return left + most <= kept;
}

void frame_flush_large(const struct frame_turn *turn)
{
    if (turn->cpu->large_count >= turn->cpu->large_room)
        flush_large(turn, turn->cpu, (turn->cpu->large_count + 1) / 2);
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
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            return entry - size;
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

void frame_slots_level(const struct frame_turn *turn)
{
    struct frame_cpu *cpu = turn->cpu;
    unsigned ready = 0, empty = 0;
    for (unsigned s = 0; s < FRAME_SLOTS; s++) {
        paddr_t entry = slot_get(&cpu->slot[s]);
        empty += entry == 0;
        ready += entry != 0 && size_of(entry) == FRAME_4K;
    }
    for (; ready < FRAME_READY && !set512_is_empty(&cpu->block.free); ready++) {
        unsigned last = set512_highest(&cpu->block.free);
        set512_remove(&cpu->block.free, last);
        if (!frame_slot_put(cpu, cpu->block.base + last * SIZE_4K, FRAME_4K)) {
            set512_add(&cpu->block.free, last);
            break;
        }
    }
    for (unsigned s = 0; s < FRAME_SLOTS && empty < FRAME_ROOM; s++, empty++)
        drain(turn, &cpu->slot[s]);
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
    cpu->ring_room = cpu->large_room = 0;
    cpu->scarce = FRAME_SCARCE;
    return all;
}
