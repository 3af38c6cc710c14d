/* sources: boot/map_entries.c mm/map/memory_map.c */
/* Any list of a few entries, laid over any map.  For static analysis only; see
 * proof/eva. */
#include "boot/map_entries.h"
#include "proof/eva.h"

#define ENTRIES_MAX 2

static struct memory_map map;

static bool any_entry(void *context, uint32_t i, struct map_entry *entry)
{
    (void)context;
    (void)i;
    entry->base = any_number();
    entry->length = any_number();
    entry->type = (enum memory_type)Frama_C_interval(0, MEMORY_BAD);
    return Frama_C_nondet(0, 1);
}

static void any_flaw(void *context, uint32_t i, enum map_entry_flaw flaw)
{
    (void)context;
    (void)i;
    (void)flaw;
}

int main(void)
{
    //@ widen_hints global:map.count, 512;
    struct map_losses losses = {0, 0};
    const struct map_entries entries = {
        .entry = any_entry,
        .flaw = any_flaw,
        .count = Frama_C_unsigned_int_interval(0, ENTRIES_MAX),
    };

    memory_map_init(&map, Frama_C_unsigned_int_interval(PAGE_SHIFT + 1,
                                                        PADDR_BITS_MAX));
    if (!map_entries_lay(&map, &entries, &losses)) {
        Frama_C_show_each_end_full();
        return 1;
    }
    map_make_room(&map, &losses);
    Frama_C_show_each_end_laid();
    return 0;
}
