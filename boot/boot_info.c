/* See boot/boot_info.h. */
#include "boot/boot_info.h"

#include "lib/bits.h"
#include "mm/platform.h"

#define LOW_END MIB

static enum mm_error reserve_low(struct memory_map *map)
{
    static const struct {
        enum memory_type from, to;
    } kept[] = {
        {MEMORY_USABLE, MEMORY_LOW},
        {MEMORY_BOOT_SERVICES, MEMORY_LOW},
        {MEMORY_ACPI_RECLAIMABLE, MEMORY_ACPI_NVS},
    };

    for (unsigned i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        enum mm_error error =
            memory_map_raise(map, 0, LOW_END, kept[i].from, kept[i].to);
        if (error != MM_OK)
            return error;
    }
    return MM_OK;
}

static enum mm_error reserve_framebuffer(struct memory_map *map,
                                         const struct boot_framebuffer *fb)
{
    if (fb->kind == BOOT_FRAMEBUFFER_NONE)
        return MM_OK;
    return memory_map_add(map, fb->address, (uint64_t)fb->pitch * fb->height,
                          MEMORY_FRAMEBUFFER);
}

/* GRUB loads an image across memory that the firmware keeps without a word
 * (under OVMF there is some at 8 MiB); the firmware may write there. */
static void log_image_conflicts(const struct memory_map *map, paddr_t start,
                                paddr_t end)
{
    for (unsigned i = 0; i < map->count; i++) {
        const struct memory_range *range = &map->range[i];

        if (range->type >= MEMORY_ACPI_NVS && range->start < end &&
            range->end > start)
            platform_log("kernel image 0x%lx-0x%lx lies in %s memory "
                         "0x%lx-0x%lx",
                         start, end, memory_type_name(range->type),
                         range->start, range->end);
    }
}

enum mm_error boot_info_reserve(struct boot_info *info, paddr_t image_start,
                                paddr_t image_end)
{
    struct memory_map *map = &info->map;
    enum mm_error error;

    if (image_start >= image_end)
        return MM_EMPTY_RANGE;
    error = memory_map_add(map, image_start, image_end - image_start,
                           MEMORY_KERNEL);
    if (error == MM_OK && info->block_size > 0)
        error = memory_map_add(map, info->block_start, info->block_size,
                               MEMORY_BOOT_INFO);
    if (error == MM_OK)
        error = reserve_framebuffer(map, &info->framebuffer);
    if (error == MM_OK)
        error = reserve_low(map);
    log_image_conflicts(map, image_start, image_end);
    return error;
}
