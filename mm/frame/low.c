#include "mm/frame/low.h"

#include <stddef.h>

#include "lib/bits.h"

#define WORDS (FRAME_LOW_END / SIZE_4K / 64)

static uint64_t managed[WORDS], free_bits[WORDS];

void frame_low_init(const struct memory_map *map)
{
    for (unsigned w = 0; w < WORDS; w++)
        managed[w] = free_bits[w] = 0;
    for (uint64_t n = 1; n < FRAME_LOW_END / SIZE_4K; n++) {
        const struct memory_range *range = memory_map_find(map, n * SIZE_4K);
        if (range != NULL && range->type == MEMORY_LOW)
            managed[n / 64] |= UINT64_C(1) << n % 64;
    }
    for (unsigned w = 0; w < WORDS; w++)
        free_bits[w] = managed[w];
}

paddr_t frame_low_alloc(paddr_t limit)
{
    uint64_t end = limit / SIZE_4K;
    for (uint64_t n = 0; n < FRAME_LOW_END / SIZE_4K && n < end; n++) {
        uint64_t bit = UINT64_C(1) << n % 64;
        /* acquire, with the release below: what its last owner wrote */
        if (__atomic_load_n(&free_bits[n / 64], __ATOMIC_RELAXED) & bit &&
            __atomic_fetch_and(&free_bits[n / 64], ~bit, __ATOMIC_ACQUIRE) &
                bit)
            return n * SIZE_4K;
    }
    return PADDR_NONE;
}

enum mm_error frame_low_free(paddr_t frame)
{
    uint64_t n = frame / SIZE_4K, bit = UINT64_C(1) << n % 64;
    if (frame >= FRAME_LOW_END || !(managed[n / 64] & bit))
        return MM_RESERVED;
    uint64_t before =
        __atomic_fetch_or(&free_bits[n / 64], bit, __ATOMIC_RELEASE);
    return before & bit ? MM_NOT_HELD : MM_OK;
}
