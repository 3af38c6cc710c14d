/* See boot/map_entries.h. */
#include "boot/map_entries.h"

#include <stddef.h>

#include "lib/bits.h"
#include "mm/platform.h"

/* Looking for the neighbours of an entry takes a walk through the list. */
#define JOINED_MAX 4096

/* Ranges of our own that are laid later: the image in two parts, the boot
 * information, the screen, low memory, metadata; each splits one in three. */
#define ROOM 32

static uint64_t end_of(const struct map_entry *entry)
{
    uint64_t end = entry->base + entry->length;
    return end < entry->base ? UINT64_MAX : end;
}

/* ---- Bytes that meet inside a page ---- */

/* Entry i, if it is usable. */
static bool usable(const struct map_entries *entries, uint32_t i,
                   struct map_entry *entry)
{
    return entries->entry(entries->context, i, entry) && entry->length > 0 &&
           entry->type == MEMORY_USABLE;
}

/* How far usable bytes go on behind `end`, to the end of its page or more. */
static uint64_t joined_end(const struct map_entries *entries, uint64_t end)
{
    uint64_t page_end = end | (PAGE_SIZE - 1); /* its last byte */
    bool grows = end % PAGE_SIZE != 0 && entries->count <= JOINED_MAX;

    while (grows && end <= page_end) {
        struct map_entry other;
        grows = false;
        for (uint32_t i = 0; i < entries->count; i++)
            if (usable(entries, i, &other) && other.base <= end &&
                end_of(&other) > end) {
                end = end_of(&other);
                grows = true;
            }
    }
    return end;
}

/* The same before `start`. */
static uint64_t joined_start(const struct map_entries *entries, uint64_t start)
{
    uint64_t page = align_down(start, PAGE_SIZE);
    bool grows = start != page && entries->count <= JOINED_MAX;

    while (grows && start > page) {
        struct map_entry other;
        grows = false;
        for (uint32_t i = 0; i < entries->count; i++)
            if (usable(entries, i, &other) && other.base < start &&
                end_of(&other) >= start) {
                start = other.base;
                grows = true;
            }
    }
    return start;
}

/* ---- A map that is full ---- */

static bool is_advice(enum memory_type type)
{
    return type == MEMORY_RESERVED || type == MEMORY_ACPI_NVS ||
           type == MEMORY_BAD;
}

static void remove_range(struct memory_map *map,
                         const struct memory_range *range)
{
    unsigned next = (unsigned)(range - map->range) + 1;
    for (; next < map->count; next++) {
        struct memory_range moved = map->range[next];
        map->range[next - 1] = moved;
    }
    map->count = next - 1; /* as many as there were, less this one */
}

static uint64_t bytes_of(const struct memory_range *range)
{
    return range->end - range->start;
}

/* The smallest range of advice, or of free memory; NULL if there is none. */
static const struct memory_range *smallest(const struct memory_map *map,
                                           bool advice)
{
    const struct memory_range *found = NULL;
    for (unsigned i = 0; i < map->count; i++) {
        const struct memory_range *range = &map->range[i];
        if (advice ? !is_advice(range->type)
                   : !memory_type_is_free(range->type))
            continue;
        if (found == NULL || bytes_of(range) < bytes_of(found))
            found = range;
    }
    return found;
}

/* What is dropped becomes a hole, which nobody is given either.  Only once the
 * map has all usable memory: what restricts it must not be forgotten before. */
static bool drop_one(struct memory_map *map, struct map_losses *losses)
{
    const struct memory_range *range = smallest(map, true);

    if (range != NULL) {
        losses->advice++;
    } else {
        range = smallest(map, false);
        if (range == NULL)
            return false;
        losses->bytes += bytes_of(range);
    }
    remove_range(map, range);
    return true;
}

static bool restricts(const struct memory_map *map, uint64_t start,
                      uint64_t end)
{
    for (unsigned i = 0; i < map->count; i++)
        if (memory_type_is_free(map->range[i].type) &&
            map->range[i].start < end && map->range[i].end > start)
            return true;
    return false;
}

enum mm_error map_restrict(struct memory_map *map,
                           const struct map_entry *entry,
                           struct map_losses *losses)
{
    /* to whole pages, but not past 2^64 */
    uint64_t start = align_down(entry->base, PAGE_SIZE), end = end_of(entry);
    if (end <= UINT64_MAX - PAGE_SIZE)
        end = align_up(end, PAGE_SIZE);

    enum mm_error error = memory_map_add(map, start, end - start, entry->type);
    if (error == MM_TABLE_FULL && is_advice(entry->type) &&
        !restricts(map, start, end)) {
        losses->advice++;
        return MM_OK;
    }
    while (error == MM_TABLE_FULL && drop_one(map, losses))
        error = memory_map_add(map, start, end - start, entry->type);
    return error;
}

void map_make_room(struct memory_map *map, struct map_losses *losses)
{
    while (map->count > MEMORY_MAP_MAX - ROOM && drop_one(map, losses))
        continue;
    if (losses->advice > 0)
        platform_log("the memory map has more ranges than the %u there is room "
                     "for: %u that nobody is given are left out",
                     MEMORY_MAP_MAX, losses->advice);
    if (losses->bytes > 0)
        platform_log("the memory map has more ranges than the %u there is room "
                     "for: %lu KiB of usable memory, the smallest ranges, are "
                     "not used",
                     MEMORY_MAP_MAX, losses->bytes / KIB);
}

/* ---- The whole list ---- */

static enum mm_error add_usable(struct memory_map *map,
                                const struct map_entries *entries,
                                const struct map_entry *entry,
                                struct map_losses *losses)
{
    uint64_t start = joined_start(entries, entry->base);
    uint64_t end = joined_end(entries, end_of(entry));
    enum mm_error error =
        memory_map_add(map, start, end - start, MEMORY_USABLE);

    while (error == MM_TABLE_FULL) {
        const struct memory_range *range = smallest(map, false);
        if (range == NULL || end - start <= bytes_of(range)) {
            losses->bytes += end - start;
            return MM_OK;
        }
        losses->bytes += bytes_of(range);
        remove_range(map, range);
        error = memory_map_add(map, start, end - start, MEMORY_USABLE);
    }
    return error;
}

/* The usable entries, or all others. */
static bool lay_some(struct memory_map *map, const struct map_entries *entries,
                     bool are_usable, struct map_losses *losses)
{
    for (uint32_t i = 0; i < entries->count; i++) {
        struct map_entry entry;
        if (!entries->entry(entries->context, i, &entry))
            break;
        if (entry.length == 0 || (entry.type == MEMORY_USABLE) != are_usable)
            continue;
        enum mm_error error = are_usable
                                  ? add_usable(map, entries, &entry, losses)
                                  : map_restrict(map, &entry, losses);
        if (error == MM_TABLE_FULL)
            return false;
        if (error != MM_OK)
            entries->flaw(entries->context, i,
                          error == MM_EMPTY_RANGE ? MAP_ENTRY_SMALL
                                                  : MAP_ENTRY_OUT_OF_RANGE);
    }
    return true;
}

bool map_entries_lay(struct memory_map *map, const struct map_entries *entries,
                     struct map_losses *losses)
{
    return lay_some(map, entries, true, losses) &&
           lay_some(map, entries, false, losses);
}
