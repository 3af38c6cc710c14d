/* Frames, on all of the machine's memory. */
#include "kernel/selftest/selftest.h"
#include "lib/bits.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/platform.h"

static const char *size_name(enum frame_size size)
{
    static const char *const names[] = {"4K", "2M", "1G"};
    return names[size];
}

SELFTEST(frame, one_of_each_size)
{
    for (enum frame_size size = FRAME_4K; size <= FRAME_1G; size++) {
        struct frame_stats stats;
        frame_stats(&stats);
        paddr_t frame = frame_alloc(size);
        if (frame == PADDR_NONE) {
            uint64_t larger = 0;
            for (enum frame_size s = size; s <= FRAME_1G; s++)
                larger += stats.free[s];
            EXPECT(larger == 0, "no %s although %lu are free", size_name(size),
                   larger);
            continue;
        }
        EXPECT(is_aligned(frame, frame_bytes(size)), "%s at 0x%lx",
               size_name(size), frame);
        enum mm_error error = frame_free(frame);
        EXPECT(error == MM_OK, "0x%lx: %s", frame, mm_error_name(error));
        error = frame_free(frame);
        EXPECT(error == MM_NOT_HELD, "0x%lx, twice: %s", frame,
               mm_error_name(error));
    }
}

SELFTEST(frame, mistakes_have_names)
{
    paddr_t frame = frame_alloc(FRAME_2M);
    if (frame == PADDR_NONE) /* a machine of a few megabytes */
        return;
    enum mm_error inside = frame_free(frame + PAGE_SIZE);
    enum mm_error misaligned = frame_free(frame + 1);
    enum mm_error beyond = frame_free(UINT64_MAX - PAGE_SIZE + 1);
    enum mm_error held = frame_free(frame);
    enum mm_error twice = frame_free(frame);
    EXPECT(inside == MM_INSIDE_LARGER, "%s", mm_error_name(inside));
    EXPECT(misaligned == MM_MISALIGNED, "%s", mm_error_name(misaligned));
    EXPECT(beyond == MM_OUT_OF_RANGE, "%s", mm_error_name(beyond));
    EXPECT(held == MM_OK, "%s", mm_error_name(held));
    EXPECT(twice == MM_NOT_HELD, "%s", mm_error_name(twice));
}

/* What was handed out of each 2M between first and last. */
enum slot { SLOT_NOTHING, SLOT_4K, SLOT_2M, SLOT_1G, SLOT_IN_1G };

struct seen {
    paddr_t first, last; /* multiples of 1G */
    uint8_t *slot;       /* enum slot, one a 2M */
    uint64_t *bits;      /* one a 4K, for SLOT_4K */
};

/* Whether the whole block lies in ranges that may be given out. */
static bool check_map(paddr_t frame, enum frame_size size)
{
    const struct memory_map *map = &selftest_boot_info->map;
    paddr_t end = frame + frame_bytes(size);
    for (paddr_t p = frame; p < end;) {
        const struct memory_range *range = memory_map_find(map, p);
        if (range == NULL || !memory_type_is_free(range->type)) {
            selftest_fail(
                __FILE__, __LINE__, "is free in the map",
                "0x%lx of the %s at 0x%lx is %s", p, size_name(size), frame,
                range == NULL ? "no memory" : memory_type_name(range->type));
            return false;
        }
        p = range->end;
    }
    return true;
}

/* Notes a block; false if part of it had been handed out before. */
static bool mark(struct seen *seen, paddr_t frame, enum frame_size size)
{
    uint8_t *slot = &seen->slot[(frame - seen->first) / SIZE_2M];
    uint64_t i = (frame - seen->first) / SIZE_4K;
    uint64_t bit = UINT64_C(1) << i % 64;
    bool fresh = true;
    switch (size) {
    case FRAME_4K:
        fresh = *slot == SLOT_NOTHING ||
                (*slot == SLOT_4K && !(seen->bits[i / 64] & bit));
        *slot = SLOT_4K;
        seen->bits[i / 64] |= bit;
        break;
    case FRAME_2M:
        fresh = *slot == SLOT_NOTHING;
        *slot = SLOT_2M;
        break;
    case FRAME_1G:
        for (unsigned j = 0; j < SIZE_1G / SIZE_2M; j++) {
            fresh = fresh && slot[j] == SLOT_NOTHING;
            slot[j] = j == 0 ? SLOT_1G : SLOT_IN_1G;
        }
        break;
    }
    if (!fresh)
        selftest_fail(__FILE__, __LINE__, "handed out once", "%s at 0x%lx",
                      size_name(size), frame);
    return fresh;
}

static bool seen_new(struct seen *seen)
{
    const struct memory_map *map = &selftest_boot_info->map;
    *seen = (struct seen){.first = PADDR_NONE};
    for (unsigned i = 0; i < map->count; i++) {
        if (!memory_type_is_free(map->range[i].type))
            continue;
        if (seen->first == PADDR_NONE)
            seen->first = align_down(map->range[i].start, SIZE_1G);
        seen->last = align_up(map->range[i].end, SIZE_1G);
    }
    seen->slot = kzalloc((seen->last - seen->first) / SIZE_2M);
    seen->bits = kzalloc((seen->last - seen->first) / SIZE_4K / 8);
    return seen->slot != NULL && seen->bits != NULL;
}

static void seen_delete(struct seen *seen)
{
    kfree(seen->slot);
    kfree(seen->bits);
}

/* Frees the 4Ks of one 2M; how many were refused. */
static uint64_t free_small(const struct seen *seen, paddr_t block)
{
    uint64_t refused = 0;
    for (paddr_t p = block; p < block + SIZE_2M; p += SIZE_4K) {
        uint64_t i = (p - seen->first) / SIZE_4K;
        if (seen->bits[i / 64] >> i % 64 & 1)
            refused += frame_free(p) != MM_OK;
    }
    return refused;
}

static uint64_t free_marked(const struct seen *seen)
{
    uint64_t refused = 0;
    for (paddr_t p = seen->first; p < seen->last; p += SIZE_2M) {
        enum slot slot = seen->slot[(p - seen->first) / SIZE_2M];
        if (slot == SLOT_4K)
            refused += free_small(seen, p);
        else if (slot == SLOT_2M || slot == SLOT_1G)
            refused += frame_free(p) != MM_OK;
    }
    return refused;
}

/* Allocates until nothing is left, from this size down. */
static void take_everything(enum frame_size largest)
{
    struct seen seen;
    if (!seen_new(&seen)) {
        seen_delete(&seen);
        selftest_fail(__FILE__, __LINE__, "memory for the marks",
                      "%lu MiB to mark", (seen.last - seen.first) / MIB);
        return;
    }
    struct frame_stats before, empty, after;
    bool sound = true;
    uint64_t bytes = 0;
    frame_stats(&before);
    for (unsigned i = 0; sound && i <= largest; i++) {
        enum frame_size size = largest - i;
        for (paddr_t frame; sound && (frame = frame_alloc(size)) != PADDR_NONE;
             bytes += frame_bytes(size))
            sound = check_map(frame, size) && mark(&seen, frame, size);
    }
    frame_stats(&empty);
    uint64_t refused = free_marked(&seen);
    frame_stats(&after);
    seen_delete(&seen);
    EXPECT(sound, "stopped after %lu bytes", bytes);
    EXPECT(empty.free_bytes == 0, "%lu bytes were left", empty.free_bytes);
    EXPECT(bytes == before.free_bytes, "%lu bytes came, %lu were free", bytes,
           before.free_bytes);
    EXPECT(refused == 0, "%lu frames were refused back", refused);
    for (enum frame_size size = FRAME_4K; size <= FRAME_1G; size++)
        EXPECT(after.free[size] == before.free[size],
               "%s frames: %lu before, %lu after", size_name(size),
               before.free[size], after.free[size]);
}

SELFTEST(frame, every_frame_largest_first)
{
    take_everything(FRAME_1G);
}

/* The same as 4K frames only.  On larger machines it would outlast all other
 * tests together: there 2M frames come first. */
#define ALL_4K_UP_TO (UINT64_C(16) * GIB)

SELFTEST(frame, every_frame_small)
{
    struct frame_stats stats;
    frame_stats(&stats);
    take_everything(stats.managed_bytes <= ALL_4K_UP_TO ? FRAME_4K : FRAME_2M);
}

SELFTEST(frame, memory_is_there)
{
    /* Each frame keeps what only it was told. */
    enum { COUNT = 200 };
    paddr_t frame[COUNT];
    unsigned got = 0;
    while (got < COUNT && (frame[got] = frame_alloc(FRAME_4K)) != PADDR_NONE) {
        *(volatile uint64_t *)phys_to_virt(frame[got]) = frame[got];
        got++;
    }
    unsigned wrong = 0, refused = 0;
    for (unsigned i = 0; i < got; i++) {
        wrong += *(volatile uint64_t *)phys_to_virt(frame[i]) != frame[i];
        refused += frame_free(frame[i]) != MM_OK;
    }
    EXPECT(got == COUNT, "only %u frames", got);
    EXPECT(wrong == 0, "%u frames share memory", wrong);
    EXPECT(refused == 0, "%u frames were refused back", refused);
}
