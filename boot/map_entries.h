/* From a loader's list of memory to a memory map: what both parsers share.
 *
 * memory_map_add takes entries one by one, and makes whole pages of each.  Here
 * stands what needs the whole list: bytes of several usable entries that meet
 * inside a page make that page usable, and a list that is too long for the map
 * loses what is only advice, that is, what nobody would be given anyway.
 */
#ifndef BOOT_MAP_ENTRIES_H
#define BOOT_MAP_ENTRIES_H

#include <stdbool.h>
#include <stdint.h>

#include "mm/memory_map.h"

struct map_entry {
    uint64_t base, length; /* in bytes; any values */
    enum memory_type type;
};

/* What is wrong with an entry that is left out. */
enum map_entry_flaw {
    MAP_ENTRY_OUT_OF_RANGE,
    MAP_ENTRY_SMALL, /* usable, and no whole page in it */
};

/* The list: entry number i, false if it cannot be read; and whom to tell of a
 * flaw. */
struct map_entries {
    bool (*entry)(void *context, uint32_t i, struct map_entry *entry);
    void (*flaw)(void *context, uint32_t i, enum map_entry_flaw flaw);
    void *context;
    uint32_t count;
};

/* What did not fit into the map. */
struct map_losses {
    unsigned advice; /* ranges that nobody would have been given */
    uint64_t bytes;  /* of usable memory */
};

/* Lays the whole list over the map.  Usable entries come first, so that nothing
 * that restricts them is dropped before they are known.  Entries of length 0
 * say nothing, and are passed over.  False if the map is full and there is
 * nothing in it that could be dropped. */
bool map_entries_lay(struct memory_map *map, const struct map_entries *entries,
                     struct map_losses *losses);

/* Lays one range of a type that is not usable over a map that has all usable
 * memory.  If the map is full: it is dropped where it restricts nothing, else
 * something else is.  ACPI tables get whole pages, as all that is kept does. */
enum mm_error map_restrict(struct memory_map *map,
                           const struct map_entry *entry,
                           struct map_losses *losses);

/* Drops ranges until there is room for the reservations that are still to come.
 * Says in the log what was lost. */
void map_make_room(struct memory_map *map, struct map_losses *losses);

#endif
