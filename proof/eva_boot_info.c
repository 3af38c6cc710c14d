/* sources: boot/multiboot2.c boot/boot_info.c mm/map/memory_map.c */
/* sources: mm/map/boot_frames.c */
/* Every boot there can be, from a block of arbitrary bytes to the first frames.
 * For static analysis only; see proof/eva. */
#include "boot/boot_info.h"
#include "boot/map_entries.h"
#include "boot/multiboot2.h"
#include "mm/boot_frames.h"
#include "proof/eva.h"

/* Room for every kind of tag, and for memory maps of some ten entries.  What
 * lies in static memory is distinct, so a read past the block is seen. */
#ifndef BLOCK_MAX
#define BLOCK_MAX 512
#endif

static uint8_t block[BLOCK_MAX];
static struct boot_info info;
static struct multiboot2_problems problems;

/* In place of boot/map_entries.c, whose loops over pairs of entries are a driver
 * of their own (proof/eva_map_entries.c): it may ask for any entry, tell of any
 * flaw, and lay any ranges over the map, in any number and order. */

static enum mm_error lay_any(struct memory_map *map, struct map_losses *losses)
{
    losses->advice = Frama_C_unsigned_int_interval(0, UINT32_MAX);
    losses->bytes = any_number();
    return memory_map_add(map, any_number(), any_number(),
                          (enum memory_type)Frama_C_interval(0, MEMORY_BAD));
}

bool map_entries_lay(struct memory_map *map, const struct map_entries *entries,
                     struct map_losses *losses)
{
    while (Frama_C_nondet(0, 1)) {
        struct map_entry entry;
        uint32_t i = Frama_C_unsigned_int_interval(0, UINT32_MAX);
        if (i >= entries->count)
            continue;
        if (entries->entry(entries->context, i, &entry))
            entries->flaw(entries->context, i,
                          Frama_C_nondet(MAP_ENTRY_OUT_OF_RANGE,
                                         MAP_ENTRY_SMALL));
        (void)lay_any(map, losses);
    }
    return Frama_C_nondet(0, 1);
}

enum mm_error map_restrict(struct memory_map *map,
                           const struct map_entry *entry,
                           struct map_losses *losses)
{
    (void)entry;
    return lay_any(map, losses);
}

void map_make_room(struct memory_map *map, struct map_losses *losses)
{
    (void)lay_any(map, losses);
}

int main(void)
{
    /* Where a loop's bounds are widened, this one is kept in sight. */
    //@ widen_hints global:info.map.count, 512;
    Frama_C_make_unknown((char *)block, sizeof block);

    if (multiboot2_parse(
            block, any_number(), Frama_C_size_t_interval(0, sizeof block),
            Frama_C_unsigned_int_interval(PAGE_SHIFT + 1, PADDR_BITS_MAX),
            &info, &problems) != MULTIBOOT2_OK) {
        Frama_C_show_each_end_refused();
        return 1;
    }
    Frama_C_show_each_end_understood();

    if (boot_info_reserve(&info, any_number(), any_number()) != MM_OK) {
        Frama_C_show_each_end_not_reserved();
        return 1;
    }
    if (boot_frames_alloc(&info.map, any_number(), any_number(),
                          any_number()) == PADDR_NONE)
        Frama_C_show_each_end_no_frames();
    else
        Frama_C_show_each_end_frames();
    return 0;
}
