/* Counting and auditing. */
#include "mm/frame.h"

#include <stddef.h>

#include "lib/string.h"
#include "mm/frame/change.h"
#include "mm/frame/cpu.h"
#include "mm/frame/zone.h"
#include "mm/platform.h"

/* ---- Counting ---- */

static bool is_in(const struct frame_zone *zone, paddr_t address)
{
    return address != PADDR_NONE && frame_place_of(address).zone == zone;
}

/* The next three: what of a zone is with a CPU, which may be at work meanwhile:
 * so words are read as in cpu.h, relaxed. */

static void add_block(struct frame_stats *stats, const struct frame_zone *zone,
                      const struct frame_block *block)
{
    if (!is_in(zone, __atomic_load_n(&block->base, __ATOMIC_RELAXED)))
        return;
    for (unsigned w = 0; w < SET512_WORDS; w++)
        stats->free[FRAME_4K] +=
            word_count(frame_word_get(&block->free.words[w]));
}

static void add_large(struct frame_stats *stats, const struct frame_zone *zone,
                      const struct frame_large *large, enum frame_size size)
{
    if (__atomic_load_n(&large->kept, __ATOMIC_RELAXED) &&
        is_in(zone, __atomic_load_n(&large->frame, __ATOMIC_RELAXED)))
        stats->free[size]++;
}

static void add_kept(struct frame_stats *stats, const struct frame_zone *zone,
                     const struct frame_cpu *cpu)
{
    add_block(stats, zone, &cpu->alloc);
    add_block(stats, zone, &cpu->free);
    add_large(stats, zone, &cpu->large[0], FRAME_2M);
    add_large(stats, zone, &cpu->large[1], FRAME_1G);
    for (unsigned r = 0; r < FRAME_RESERVE; r++)
        stats->free[FRAME_4K] +=
            is_in(zone, __atomic_load_n(&cpu->reserve[r], __ATOMIC_RELAXED));
}

/* Without the lock the zone may be open, or change meanwhile, and its count and
 * its tree do not fit: then the tree alone tells. */
static void add_zone(struct frame_stats *stats, const struct frame_zone *zone,
                     bool locked)
{
    struct frame_tree_count count = frame_tree_count(&zone->tree);
    stats->free[FRAME_1G] += count.whole_1g;
    stats->free[FRAME_2M] += count.whole_2m;
    stats->free[FRAME_4K] +=
        !locked ? frame_tree_count_4k(&zone->tree)
                : zone->free_frames - (uint64_t)count.whole_1g * FRAMES_PER_1G -
                      (uint64_t)count.whole_2m * FRAMES_PER_2M;
    for (unsigned i = 0; i < frame_cpus.count; i++)
        add_kept(stats, zone, &frame_cpus.cpu[i]);
    stats->managed_bytes += zone->managed_frames * SIZE_4K;
    stats->gibs += zone->tree.gib_count;
    stats->trees += zone->tree.gib_count != 0;
}

static void sum_up(struct frame_stats *stats)
{
    for (unsigned size = FRAME_4K; size <= FRAME_1G; size++)
        stats->free_bytes += stats->free[size] * frame_bytes(size);
    uint64_t in_1g = stats->free[FRAME_1G] * SIZE_1G;
    uint64_t in_2m = stats->free[FRAME_2M] * SIZE_2M;
    stats->unusable_bytes[FRAME_2M] = stats->free_bytes - in_1g - in_2m;
    stats->unusable_bytes[FRAME_1G] = stats->free_bytes - in_1g;
}

#define ALL_NODES UINT32_MAX

static bool count(unsigned node, struct frame_stats *stats)
{
    memset(stats, 0, sizeof(*stats));
    struct frame_cpu *cpu = frame_this_cpu();
    if (cpu == NULL)
        return false;
    struct frame_call call = frame_call_begin(cpu);
    if (frame_stop_cpus(call)) {
        frame_give_all_back(call);
        frame_start_cpus(call);
    }
    for (unsigned i = 0; i < frame_zone_count(); i++) {
        struct frame_zone *zone = &frame_zones.zone[i];
        if (node != ALL_NODES && node != zone->node)
            continue;
        bool locked = frame_lock(call, zone);
        add_zone(stats, zone, locked);
        if (locked)
            frame_unlock(call, zone);
    }
    sum_up(stats);
    frame_call_end(call);
    return true;
}

void frame_stats(struct frame_stats *stats)
{
    if (!count(ALL_NODES, stats))
        return;
    stats->gibs -= frame_zones.twice;
    stats->metadata_bytes = frame_zones.metadata_bytes;
    stats->retired = frame_change_count(CHANGE_RETIRED);
    stats->to_retire = frame_change_count(CHANGE_TO_RETIRE);
}

void frame_node_stats(unsigned node, struct frame_stats *stats)
{
    count(node, stats);
}

static void add_2m(struct frame_gib_stats *stats, const struct frame_zone *zone,
                   uint32_t i)
{
    const struct frame_tree *tree = &zone->tree;
    if (set512_has(&tree->free_2m[i / BLOCKS_PER_GIB], i % BLOCKS_PER_GIB)) {
        stats->free_2m++;
        return;
    }
    unsigned free = set512_count(&tree->free_4k[i]);
    if (free == FRAMES_PER_2M) {
        stats->held_2m++;
        return;
    }
    stats->split_2m++;
    stats->by_fill[(FRAMES_PER_2M - free) * 8 / (FRAMES_PER_2M + 1)]++;
    stats->free_4k += free;
}

/* A GiB that is held as a whole looks free from below. */
static void add_gib(struct frame_gib_stats *stats,
                    const struct frame_zone *zone, uint32_t g)
{
    if (frame_tree_state(&zone->tree, g * FRAMES_PER_1G) == FRAME_HELD_1G) {
        stats->held_2m = BLOCKS_PER_GIB;
        return;
    }
    stats->whole = set512_has(&zone->tree.free_1g, g);
    for (uint32_t i = 0; i < SET512_MEMBERS; i++)
        add_2m(stats, zone, g * SET512_MEMBERS + i);
}

bool frame_gib_stats(unsigned index, struct frame_gib_stats *stats)
{
    memset(stats, 0, sizeof(*stats));
    struct frame_cpu *cpu = frame_this_cpu();
    if (cpu == NULL)
        return false;
    unsigned i = 0;
    while (i < frame_zone_count() &&
           index >= frame_zones.zone[i].tree.gib_count)
        index -= frame_zones.zone[i++].tree.gib_count;
    if (i == frame_zone_count())
        return false;
    struct frame_zone *zone = &frame_zones.zone[i];
    struct frame_call call = frame_call_begin(cpu);
    bool locked = frame_lock(call, zone);
    stats->start = (paddr_t)zone->gibs[index] << SHIFT_1G;
    stats->node = zone->node;
    add_gib(stats, zone, index);
    if (locked)
        frame_unlock(call, zone);
    frame_call_end(call);
    return true;
}

/* ---- Auditing ---- */

static bool complain(const struct frame_zone *zone, paddr_t place,
                     const char *rule)
{
    platform_log("frame tree %u is broken at 0x%lx: %s",
                 (unsigned)(zone - frame_zones.zone), place, rule);
    return false;
}

static bool check_tree(const struct frame_zone *zone)
{
    struct frame_tree_fault fault;
    if (!frame_tree_check(&zone->tree, &fault))
        return complain(zone, frame_address(zone, fault.frame), fault.rule);
    struct frame_tree_count count = frame_tree_count(&zone->tree);
    if (zone->free_frames != (uint64_t)count.whole_1g * FRAMES_PER_1G +
                                 (uint64_t)count.whole_2m * FRAMES_PER_2M +
                                 frame_tree_count_4k(&zone->tree))
        return complain(zone, frame_address(zone, 0),
                        "its count of free frames is wrong");
    return true;
}

/* How much of `kept` of a zone was not found with any CPU so far. */
struct kept_audit {
    const struct frame_zone *zone;
    uint16_t left[FRAME_ZONE_KEPT];
};

static uint32_t count_kept(struct kept_audit *audit, paddr_t address)
{
    uint32_t number = frame_place_of(address).number;
    audit->left[number / FRAMES_PER_2M % FRAME_ZONE_KEPT]--;
    return number;
}

static bool check_block(struct kept_audit *audit,
                        const struct frame_block *block)
{
    if (!is_in(audit->zone, block->base))
        return true;
    uint32_t i = count_kept(audit, block->base) / FRAMES_PER_2M;
    const struct set512 *leaf = &audit->zone->tree.free_4k[i];
    for (unsigned w = 0; w < SET512_WORDS; w++)
        if (block->free.words[w] & leaf->words[w])
            return complain(audit->zone, block->base,
                            "a frame is free in the tree and with a CPU");
    for (unsigned c = 0; c < frame_cpus.count; c++) {
        const struct frame_cpu *cpu = &frame_cpus.cpu[c];
        if ((&cpu->alloc != block && cpu->alloc.base == block->base) ||
            (&cpu->free != block && cpu->free.base == block->base))
            return complain(audit->zone, block->base, "a 2M has two owners");
    }
    return true;
}

static bool check_large(struct kept_audit *audit,
                        const struct frame_large *large,
                        enum frame_state wanted)
{
    if (!is_in(audit->zone, large->frame))
        return true;
    uint32_t number = count_kept(audit, large->frame);
    struct frame_large right = *large;
    frame_large_point(&right, frame_place_of(large->frame),
                      wanted == FRAME_HELD_2M ? FRAME_2M : FRAME_1G);
    if (large->zone != right.zone || large->count != right.count ||
        large->word != right.word || large->bit != right.bit ||
        large->below != right.below)
        return complain(audit->zone, large->frame,
                        "a CPU looks for its large frame elsewhere");
    if (large->kept && frame_tree_state(&audit->zone->tree, number) != wanted)
        return complain(audit->zone, large->frame,
                        "a frame that a CPU keeps is not held in the tree");
    return true;
}

static bool check_reserve(struct kept_audit *audit, const struct frame_cpu *cpu)
{
    for (unsigned r = 0; r < FRAME_RESERVE; r++) {
        if (!is_in(audit->zone, cpu->reserve_counted[r]))
            continue;
        uint32_t number = count_kept(audit, cpu->reserve_counted[r]);
        if (cpu->reserve[r] != PADDR_NONE &&
            frame_tree_state(&audit->zone->tree, number) != FRAME_HELD_4K)
            return complain(audit->zone, cpu->reserve[r],
                            "a frame of a reserve is not held in the tree");
    }
    return true;
}

/* While all CPUs are stopped and the zone is locked. */
static bool check_kept(const struct frame_zone *zone)
{
    struct kept_audit audit = {.zone = zone};
    memcpy(audit.left, zone->kept, sizeof(audit.left));
    for (unsigned c = 0; c < frame_cpus.count; c++) {
        const struct frame_cpu *cpu = &frame_cpus.cpu[c];
        if (!check_block(&audit, &cpu->alloc) ||
            !check_block(&audit, &cpu->free) ||
            !check_large(&audit, &cpu->large[0], FRAME_HELD_2M) ||
            !check_large(&audit, &cpu->large[1], FRAME_HELD_1G) ||
            !check_reserve(&audit, cpu))
            return false;
    }
    for (unsigned i = 0; i < FRAME_ZONE_KEPT; i++)
        if (audit.left[i] != 0)
            return complain(zone, frame_address(zone, i * FRAMES_PER_2M),
                            "the count of what CPUs keep is wrong");
    return true;
}

bool frame_check(void)
{
    struct frame_cpu *cpu = frame_this_cpu();
    if (cpu == NULL)
        return true;
    struct frame_call call = frame_call_begin(cpu);
    if (!frame_stop_cpus(call)) {
        platform_log("frames cannot be audited in the middle of a call");
        return false;
    }
    bool sound = true, all_stopped = true;
    for (unsigned c = 0; c < frame_cpus.count; c++) {
        bool stopped = frame_has_stopped(call, &frame_cpus.cpu[c]);
        if (stopped)
            frame_let_go(&frame_cpus.cpu[c]);
        all_stopped &= stopped;
    }
    if (all_stopped)
        frame_close_all();
    for (unsigned i = 0; sound && i < frame_zone_count(); i++) {
        struct frame_zone *zone = &frame_zones.zone[i];
        if (!frame_lock(call, zone)) {
            platform_log("frame tree %u cannot be audited: a CPU has it", i);
            sound = false;
            break;
        }
        sound = check_tree(zone) && (!all_stopped || check_kept(zone));
        frame_unlock(call, zone);
    }
    frame_start_cpus(call);
    frame_call_end(call);
    return sound;
}
