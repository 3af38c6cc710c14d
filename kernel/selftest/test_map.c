/* The machine's real memory map. */
#include "kernel/image.h"
#include "kernel/selftest.h"
#include "kernel/x86.h"
#include "lib/bits.h"
#include "mm/frame.h"
#include "mm/kernel_space.h"

SELFTEST(map, holds_its_invariant)
{
    const struct memory_map *map = &selftest_boot_info->map;
    EXPECT(memory_map_check(map), "%u ranges", map->count);
    EXPECT(map->count > 0, "no range at all");
}

static bool is_free_type(paddr_t page)
{
    const struct memory_range *range =
        memory_map_find(&selftest_boot_info->map, page);
    return range != NULL && memory_type_is_free(range->type);
}

SELFTEST(map, reserves_what_is_in_use)
{
    const struct boot_info *info = selftest_boot_info;
    for (paddr_t p = 0; p < MIB; p += PAGE_SIZE)
        EXPECT(!is_free_type(p), "low page 0x%lx", p);
    for (paddr_t p = (uintptr_t)text_start - KERNEL_BASE;
         p < (uintptr_t)image_end - KERNEL_BASE; p += PAGE_SIZE)
        EXPECT(!is_free_type(p), "page 0x%lx of the image", p);
    for (paddr_t p = info->block_start; p < info->block_start + info->block_size;
         p++)
        EXPECT(!is_free_type(p), "byte 0x%lx of the boot information", p);
    for (unsigned i = 0; i < info->module_count; i++)
        for (paddr_t p = info->module[i].start; p < info->module[i].end;
             p += PAGE_SIZE)
            EXPECT(!is_free_type(p), "page 0x%lx of module %u", p, i);
}

SELFTEST(map, frames_refuse_what_is_reserved)
{
    const struct memory_map *map = &selftest_boot_info->map;
    for (unsigned i = 0; i < map->count; i++) {
        const struct memory_range *range = &map->range[i];
        if (is_free_type(range->start))
            continue;
        paddr_t ends[] = {range->start, range->end - PAGE_SIZE};
        for (unsigned j = 0; j < 2; j++) {
            enum mm_error error = frame_free(ends[j]);
            EXPECT(error == MM_RESERVED || error == MM_OUT_OF_RANGE,
                   "0x%lx (%s): %s", ends[j], memory_type_name(range->type),
                   mm_error_name(error));
        }
    }
}
