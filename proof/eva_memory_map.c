/* sources: mm/map/memory_map.c mm/map/boot_frames.c */
/* Any number of calls of the memory map, in any order, with any arguments.
 * For static analysis only; see proof/eva. */
#include "mm/boot_frames.h"
#include "mm/memory_map.h"
#include "proof/eva.h"

static struct memory_map map;

static enum memory_type any_type(void)
{
    return (enum memory_type)Frama_C_unsigned_int_interval(0, UINT32_MAX);
}

int main(void)
{
    //@ widen_hints global:map.count, 512;
    memory_map_init(
        &map, Frama_C_unsigned_int_interval(PAGE_SHIFT + 1, PADDR_BITS_MAX));
    while (Frama_C_nondet(0, 1)) {
        uint64_t a = any_number(), b = any_number(), c = any_number();

        switch (Frama_C_interval(0, 7)) {
        case 0:
            memory_map_add(&map, a, b, any_type());
            Frama_C_show_each_end_add();
            break;
        case 1:
            memory_map_raise(&map, a, b, any_type(), any_type());
            Frama_C_show_each_end_raise();
            break;
        case 2:
            memory_map_find(&map, a);
            Frama_C_show_each_end_find();
            break;
        case 3:
            memory_map_bytes(&map, any_type());
            Frama_C_show_each_end_bytes();
            break;
        case 4:
            memory_map_check(&map);
            Frama_C_show_each_end_check();
            break;
        case 5:
            memory_type_name(any_type());
            Frama_C_show_each_end_name();
            break;
        case 6:
            boot_frames_alloc(&map, a, b, c);
            Frama_C_show_each_end_frames();
            break;
        default:
            break;
        }
    }
    Frama_C_show_each_end_all();
    return 0;
}
