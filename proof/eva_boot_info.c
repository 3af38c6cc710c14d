/* sources: boot/multiboot2.c boot/boot_info.c mm/map/memory_map.c */
/* sources: mm/map/boot_frames.c */
/* Every boot there can be, from a block of arbitrary bytes to the first frames.
 * For static analysis only; see proof/eva. */
#include "boot/boot_info.h"
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
