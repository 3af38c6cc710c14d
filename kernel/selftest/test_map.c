/* The machine's real memory map. */
#include "kernel/cpu/x86.h"
#include "kernel/image.h"
#include "kernel/selftest/selftest.h"
#include "lib/bits.h"
#include "mm/boot_frames.h"
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
    for (paddr_t p = info->block_start;
         p < info->block_start + info->block_size; p++)
        EXPECT(!is_free_type(p), "byte 0x%lx of the boot information", p);
    for (unsigned i = 0; i < info->module_count; i++)
        for (paddr_t p = info->module[i].start; p < info->module[i].end;
             p += PAGE_SIZE)
            EXPECT(!is_free_type(p), "page 0x%lx of module %u", p, i);
}

/* What the loader put beside the image: symbols and strings.  Sections of the
 * image itself are linked high, or at its start. */
SELFTEST(map, reserves_screen_sections_and_page_tables)
{
    const struct boot_info *info = selftest_boot_info;
    const struct boot_framebuffer *fb = &info->framebuffer;
    uint64_t bytes = (uint64_t)fb->pitch * fb->height;
    for (uint64_t i = 0; i < bytes; i += PAGE_SIZE)
        EXPECT(!is_free_type(fb->address + i), "0x%lx of the screen", i);

    const uint64_t shf_alloc = 2; /* System V ABI, section header flags */
    for (unsigned i = 0; i < info->sections.count; i++) {
        const struct boot_section *s = &info->sections.section[i];
        if (s->flags & shf_alloc || s->address == 0)
            continue;
        for (paddr_t p = s->address; p < s->address + s->size; p++)
            EXPECT(!is_free_type(p), "0x%lx of section %u", p, i);
    }

    struct page_walk walk;
    enum mm_error error =
        page_walk(kernel_space_table(), (vaddr_t)text_start, &walk);
    EXPECT(error == MM_OK, "%s", mm_error_name(error));
    for (unsigned level = walk.last; level < PAGE_LEVELS; level++)
        EXPECT(!is_free_type(walk.step[level].table), "the table of level %u",
               level);
}

/* On a copy of the real map, before and after which it is sound: blocks are
 * usable memory, apart, and recorded. */
SELFTEST(map, boot_frames_cuts_blocks_off)
{
    static struct memory_map copy;
    copy = selftest_boot_info->map;
    uint64_t usable = memory_map_bytes(&copy, MEMORY_USABLE);
    uint64_t taken = 0;
    for (uint64_t bytes = PAGE_SIZE; bytes <= 64 * KIB; bytes *= 2) {
        paddr_t block = boot_frames_alloc(&copy, bytes, bytes, PADDR_NONE);
        EXPECT(block != PADDR_NONE, "no block of %lu bytes", bytes);
        EXPECT(is_aligned(block, bytes) && is_free_type(block) &&
                   is_free_type(block + bytes - 1),
               "the block of %lu bytes at 0x%lx", bytes, block);
        taken += bytes;
        EXPECT(memory_map_check(&copy), "after %lu bytes", bytes);
    }
    EXPECT(memory_map_bytes(&copy, MEMORY_USABLE) == usable - taken,
           "%lu bytes of %lu are left after %lu",
           memory_map_bytes(&copy, MEMORY_USABLE), usable, taken);
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
            bool low = range->type == MEMORY_LOW && error == MM_NOT_HELD;
            EXPECT(low || error == MM_RESERVED || error == MM_OUT_OF_RANGE,
                   "0x%lx (%s): %s", ends[j], memory_type_name(range->type),
                   mm_error_name(error));
        }
    }
}

/* What can be handed out, the boot code among it, is data like any other; so is
 * the page where other processors began, the kernel's below 1 MiB. */
SELFTEST(map, free_memory_is_writable_and_not_executable)
{
    const struct memory_map *map = &selftest_boot_info->map;
    for (unsigned i = 0; i < map->count; i++) {
        const struct memory_range *range = &map->range[i];
        bool began = range->type == MEMORY_KERNEL && range->end < MIB;
        if (!memory_type_is_free(range->type) && range->type != MEMORY_LOW &&
            !began)
            continue;
        for (paddr_t p = range->start; p < range->end;) {
            struct page_walk walk;
            enum mm_error error =
                page_walk(kernel_space_table(), DIRECT_MAP_BASE + p, &walk);
            EXPECT(error == MM_OK, "0x%lx: %s", p, mm_error_name(error));
            unsigned rights = walk.leaf.flags & (PAGE_WRITE | PAGE_EXECUTE);
            EXPECT(rights == PAGE_WRITE, "0x%lx: flags 0x%x", p,
                   walk.leaf.flags);
            p = walk.leaf.paddr + walk.leaf.bytes;
        }
    }
}
