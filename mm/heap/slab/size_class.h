/* The sizes that slabs deal in: every block is of one of these classes.
 *
 *   class   1   2   3   4 |  5   6   7   8 |  9  10 ...  40 | 41 ...  48
 *   bytes  16  32  48  64 | 80  96 112 128 | 160 ...  32 KiB | 36 ... 64 KiB
 *          granules         four a doubling                    pages
 *
 * A block wastes a fifth of itself at most, from 64 bytes on.  In a row of such
 * blocks that starts at a page, a block lies at a multiple of every power of
 * two that divides its size.  A layout goes to the class of its size rounded up
 * to its alignment: as multiples of a power of two are classes themselves, as
 * far as the classes about them are closer together, that class is one of
 * those multiples.
 *
 * size_class is the only place that decides: allocation, reallocation and the
 * checks of a free all ask it.
 */
#ifndef MM_HEAP_SLAB_SIZE_CLASS_H
#define MM_HEAP_SLAB_SIZE_CLASS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/bits.h"
#include "mm/heap.h"

/* Class 0 is none. */
#define SIZE_CLASSES 49

#define SIZE_CLASS_BYTES_MAX (64 * KIB)

/* The largest alignment: a page. */
#define SIZE_CLASS_ALIGN_MAX PAGE_SIZE

/* Up to here a table knows: by granules, rounded up. */
#define SIZE_CLASS_TABLE_BYTES 4096
extern const uint8_t
    size_class_table[SIZE_CLASS_TABLE_BYTES / HEAP_GRANULE + 1];

static inline unsigned size_class_in_table(size_t size)
{
    return size_class_table[(size + HEAP_GRANULE - 1) / HEAP_GRANULE];
}

/* The small ones: a short note tells all of such a block. */
#define SIZE_CLASS_SMALL_BYTES 1024
#define SIZE_CLASS_SMALL       20 /* the class of that */

/* The class for this many bytes, 1 to SIZE_CLASS_BYTES_MAX. */
static inline unsigned size_class(size_t size)
{
    if (size <= SIZE_CLASS_TABLE_BYTES)
        return size_class_in_table(size);
    if (size > 32 * KIB)
        return 40 + (unsigned)((size - 32 * KIB + PAGE_SIZE - 1) >> PAGE_SHIFT);

    /* 4 << (log - 2) < size <= 8 << (log - 2) */
    unsigned log = 63 - (unsigned)__builtin_clzll(size - 1);
    return 4 * (log - 5) - 3 + (unsigned)((size - 1) >> (log - 2));
}

/* Bytes in a block of this class. */
static inline size_t size_class_bytes(unsigned class)
{
    if (class <= 4)
        return class * HEAP_GRANULE;
    if (class > 40)
        return 32 * KIB + (class - 40) * PAGE_SIZE;
    return (size_t)((class - 5) % 4 + 5) << ((class - 5) / 4 + 4);
}

/* The bytes that a class must have for this layout. */
static inline size_t size_class_need(struct layout layout)
{
    return (layout.size + layout.align - 1) & ~(layout.align - 1);
}

/* How the slabs of a class are cut. */
struct size_class_shape {
    unsigned pages, slots;
};

/* As few pages as waste a sixteenth of them at most. */
struct size_class_shape size_class_shape(unsigned class);

#endif
