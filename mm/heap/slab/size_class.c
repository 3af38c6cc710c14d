/* The table of size classes, and the shape of slabs. */
#include "mm/heap/slab/size_class.h"

#include "mm/tree/set512.h"

/* clang-format off */
const uint8_t size_class_table[SIZE_CLASS_TABLE_BYTES / HEAP_GRANULE + 1] = {
    0, 1, 2, 3, 4,
    5, 6, 7, 8,                                 /* to 128: by 16 */
    9, 9, 10, 10, 11, 11, 12, 12,               /* to 256: by 32 */
    13, 13, 13, 13, 14, 14, 14, 14,             /* to 512: by 64 */
    15, 15, 15, 15, 16, 16, 16, 16,
    17, 17, 17, 17, 17, 17, 17, 17,             /* to 1024: by 128 */
    18, 18, 18, 18, 18, 18, 18, 18,
    19, 19, 19, 19, 19, 19, 19, 19,
    20, 20, 20, 20, 20, 20, 20, 20,
    /* to 2048: by 256 */
    21, 21, 21, 21, 21, 21, 21, 21, 21, 21, 21, 21, 21, 21, 21, 21,
    22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22,
    23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23,
    24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24,
    /* to 4096: by 512 */
    25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25,
    25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25,
    26, 26, 26, 26, 26, 26, 26, 26, 26, 26, 26, 26, 26, 26, 26, 26,
    26, 26, 26, 26, 26, 26, 26, 26, 26, 26, 26, 26, 26, 26, 26, 26,
    27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27,
    27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27,
    28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28,
};
/* clang-format on */

struct size_class_shape size_class_shape(unsigned class)
{
    size_t bytes = size_class_bytes(class), total;
    unsigned pages = 0;

    do
        total = ++pages * PAGE_SIZE;
    while (total < bytes || total % bytes > total / 16);
    return (struct size_class_shape){pages, (unsigned)(total / bytes)};
}

_Static_assert(PAGE_SIZE / HEAP_GRANULE <= SET512_MEMBERS,
               "a set holds the slots of a slab");
