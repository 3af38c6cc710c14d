/* Reading, comparing and setting the MTRRs: see kernel/cpu/mtrr.h. */
#include "kernel/cpu/mtrr.h"

#include <stdint.h>

#include "kernel/console/log.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/x86.h"
#include "lib/bits.h"
#include "lib/string.h"

#define CPUID_MTRR (1u << 12) /* of leaf 1, edx */

/* SDM, sections 11.11.1 and 11.11.2. */
#define MSR_MTRR_CAP      0xfeu
#define MSR_MTRR_DEF_TYPE 0x2ffu
#define MSR_MTRR_VARIABLE 0x200u /* base and mask of each, in turn */
#define CAP_COUNT(cap)    ((unsigned)((cap)&0xff))
#define CAP_FIXED         (UINT64_C(1) << 8)
#define DEF_TYPE_ENABLE   (UINT64_C(1) << 11)

static const uint32_t fixed_msr[] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a,
                                     0x26b, 0x26c, 0x26d, 0x26e, 0x26f};

#define FIXED_COUNT  (sizeof(fixed_msr) / sizeof(fixed_msr[0]))
#define VARIABLE_MAX 32

struct mtrrs {
    bool present;
    uint64_t cap, def_type;
    uint64_t fixed[FIXED_COUNT];
    uint64_t variable[2 * VARIABLE_MAX];
};

static struct mtrrs wanted;

static unsigned variable_count(uint64_t cap)
{
    return CAP_COUNT(cap) < VARIABLE_MAX ? CAP_COUNT(cap) : VARIABLE_MAX;
}

static void read_all(struct mtrrs *mtrrs)
{
    memset(mtrrs, 0, sizeof(*mtrrs));
    mtrrs->present = cpuid(1, 0).edx & CPUID_MTRR;
    if (!mtrrs->present)
        return;
    mtrrs->cap = read_msr(MSR_MTRR_CAP);
    mtrrs->def_type = read_msr(MSR_MTRR_DEF_TYPE);
    for (unsigned i = 0; mtrrs->cap & CAP_FIXED && i < FIXED_COUNT; i++)
        mtrrs->fixed[i] = read_msr(fixed_msr[i]);
    for (unsigned i = 0; i < 2 * variable_count(mtrrs->cap); i++)
        mtrrs->variable[i] = read_msr(MSR_MTRR_VARIABLE + i);
}

static void write_all(const struct mtrrs *mtrrs)
{
    for (unsigned i = 0; mtrrs->cap & CAP_FIXED && i < FIXED_COUNT; i++)
        write_msr(fixed_msr[i], mtrrs->fixed[i]);
    for (unsigned i = 0; i < 2 * variable_count(mtrrs->cap); i++)
        write_msr(MSR_MTRR_VARIABLE + i, mtrrs->variable[i]);
}

void mtrr_take(void)
{
    read_all(&wanted);
}

bool mtrr_is_same(void)
{
    struct mtrrs own;
    read_all(&own);
    return memcmp(&own, &wanted, sizeof(own)) == 0;
}

/* Section 11.11.7.2: caches off and empty, and the TLB too, while it is done.
 */
bool mtrr_adopt(void)
{
    if (!wanted.present || mtrr_is_same())
        return false;
    uint64_t cr0 = read_cr0();
    write_cr0((cr0 | CR0_CD) & ~CR0_NW);
    write_back_and_invalidate();
    tlb_flush_local();
    write_msr(MSR_MTRR_DEF_TYPE, wanted.def_type & ~DEF_TYPE_ENABLE);
    write_all(&wanted);
    write_msr(MSR_MTRR_DEF_TYPE, wanted.def_type);
    write_back_and_invalidate();
    tlb_flush_local();
    write_cr0(cr0);
    return true;
}

/* ---- Memory that is not cached ---- */

/* Section 11.11.2: types, and the fields of a variable register. */
enum { TYPE_UNCACHED = 0, TYPE_WRITE_THROUGH = 4, TYPE_WRITE_BACK = 6 };
#define TYPE_MASK  0xffu
#define MASK_VALID (UINT64_C(1) << 11)
#define ADDRESS(r) ((r) & ~(uint64_t)(PAGE_SIZE - 1))

/* Of `address`, above the first MiB, by the variable registers and the default;
 * *end becomes the next address where that may change.  Section 11.11.4.1:
 * where several overlap, uncached wins, then write-through. */
static unsigned type_at(const struct mtrrs *m, paddr_t address, paddr_t *end)
{
    uint64_t all = (UINT64_C(1) << cpu_get()->paddr_bits) - 1;
    bool found = false;
    unsigned type = TYPE_WRITE_BACK;
    for (unsigned i = 0; i < variable_count(m->cap); i++) {
        uint64_t base = m->variable[2 * i], mask = m->variable[2 * i + 1];
        uint64_t bits = ADDRESS(mask) & all;
        if (!(mask & MASK_VALID) || bits == 0)
            continue;
        /* the lowest bit of the mask is the size of a range */
        uint64_t size = bits & -bits;
        paddr_t border = (address / size + 1) * size;
        if (border < *end)
            *end = border;
        if ((address & bits) != (ADDRESS(base) & bits))
            continue;
        unsigned its = base & TYPE_MASK;
        if (!found || its == TYPE_UNCACHED ||
            (its == TYPE_WRITE_THROUGH && type != TYPE_UNCACHED))
            type = its;
        found = true;
    }
    return found ? type : (unsigned)(m->def_type & TYPE_MASK);
}

/* The boot code is free too, but the kernel still uses it, and it is small. */
static bool is_judged(const struct memory_range *range)
{
    return memory_type_is_free(range->type) &&
           range->type != MEMORY_BOOT_ONLY && range->start >= MIB;
}

/* Where free memory from `at` on is not write-back, above the first MiB. False:
 * there is no more. */
static bool find_slow(const struct mtrrs *m, const struct memory_map *map,
                      paddr_t at, paddr_t *start, paddr_t *end)
{
    for (unsigned i = 0; i < map->count; i++) {
        const struct memory_range *range = &map->range[i];
        if (!is_judged(range))
            continue;
        if (at < range->start)
            at = range->start;
        *start = PADDR_NONE;
        while (at < range->end) {
            paddr_t border = range->end;
            bool is_slow = type_at(m, at, &border) != TYPE_WRITE_BACK;
            if (is_slow && *start == PADDR_NONE)
                *start = at;
            if (!is_slow && *start != PADDR_NONE)
                break;
            *end = at = border;
        }
        if (*start != PADDR_NONE)
            return true;
    }
    return false;
}

#define RANGES_NAMED 8

static void name_slow(paddr_t start, paddr_t end, bool all_is)
{
    log_line(LOG_WARNING, "mtrr",
             "0x%lx-0x%lx, %lu KiB of RAM, is not cached, as the firmware set "
             "the MTRRs: %s",
             start, end - 1, (end - start) / KIB,
             all_is ? "no other RAM is, so it is used all the same"
                    : "it is slow, and given out last");
}

/* Entries of the map that are left for those who have yet to reserve memory,
 * and what marking one range takes at most. */
#define ROOM     60
#define PER_MARK 4

/* In whole 2Ms, so that a 2M frame is of one kind.  False: there is no room. */
static bool mark_uncached(struct memory_map *map, paddr_t start, paddr_t end)
{
    uint64_t base = align_down(start, SIZE_2M);
    uint64_t bytes = align_up(end, SIZE_2M) - base;
    return map->count <= MEMORY_MAP_MAX - ROOM - PER_MARK &&
           memory_map_raise(map, base, bytes, MEMORY_USABLE, MEMORY_UNCACHED) ==
               MM_OK &&
           memory_map_raise(map, base, bytes, MEMORY_BOOT_SERVICES,
                            MEMORY_UNCACHED) == MM_OK;
}

static uint64_t judged_bytes(const struct memory_map *map)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < map->count; i++)
        if (is_judged(&map->range[i]))
            bytes += map->range[i].end - map->range[i].start;
    return bytes;
}

void mtrr_mark_slow_memory(struct memory_map *map)
{
    static struct mtrrs own;
    read_all(&own);
    if (own.present && !(own.def_type & DEF_TYPE_ENABLE))
        /* qboot does so; an emulator does not mind */
        log_line(LOG_INFO, "mtrr",
                 "the firmware left the MTRRs off: by the CPU's manual, no "
                 "memory is cached");
    if (!own.present || !(own.def_type & DEF_TYPE_ENABLE))
        return;
    paddr_t start, end;
    unsigned count = 0;
    uint64_t cached = judged_bytes(map), bytes_more = 0, not_marked = 0;
    for (paddr_t at = 0; find_slow(&own, map, at, &start, &end); at = end)
        cached -= end - start;
    for (paddr_t at = 0; find_slow(&own, map, at, &start, &end); at = end) {
        if (++count <= RANGES_NAMED)
            name_slow(start, end, cached == 0);
        else
            bytes_more += end - start;
        if (cached != 0 && !mark_uncached(map, start, end))
            not_marked += end - start;
    }
    if (count > RANGES_NAMED)
        log_line(LOG_WARNING, "mtrr", "and %u such ranges more, %lu KiB",
                 count - RANGES_NAMED, bytes_more / KIB);
    if (not_marked > 0)
        log_line(LOG_WARNING, "mtrr",
                 "the memory map has no room for %lu KiB of it, which are used "
                 "like other RAM",
                 not_marked / KIB);
}
