/* A byte for each 4K: what a free may do with it.  For the files of mm/frame/
 * only.
 *
 * A tree knows what is available; what is not may be with a caller, with a CPU
 * that keeps it for the next call, or not the allocator's at all.  The mark
 * tells: a frame is a caller's if, and only if, it has the mark of its size. So
 * one look at one byte finds each frame that is freed twice, or never was a
 * frame, whichever CPU keeps what.
 *
 *   from            to              who, and under what
 *   NONE            4K, 2M, 1G      who takes the frame: under its zone's lock,
 *                                   or in the section of the CPU that keeps it
 *   4K, 2M, 1G      NONE            who frees it: under the lock, in a section,
 *                                   or by compare-and-swap
 *   any             and BROKEN,     frame_retire: by compare-and-swap, with the
 *   2M, 1G          and PART        lock, while no CPU is in its section
 *   NONE            RETIRED, ALIEN  with the lock: an available frame is taken
 *                                   from the tree
 *   ALIEN           NONE            with the lock: it is given to the tree
 */
#ifndef MM_FRAME_MARK_H
#define MM_FRAME_MARK_H

#include <stdbool.h>
#include <stdint.h>

#include "mm/tree/tree.h"

enum frame_mark {
    MARK_ALIEN, /* not memory that the allocator may give */
    MARK_NONE,  /* it is, but no frame of a caller begins here */
    MARK_4K,    /* a caller holds the frame of that size that begins here */
    MARK_2M,
    MARK_1G,
    MARK_RETIRED, /* out of use for good */
};

/* Beside any of them: the fast paths, which compare the whole byte, leave such
 * frames alone. */
#define MARK_UNCACHED 0x80 /* memory that is not cached */
#define MARK_BROKEN   0x40 /* a 4K to be retired as soon as it is free */
#define MARK_PART     0x20 /* of a 2M or 1G: a 4K in it may be broken */
#define MARK_FLAGS    (MARK_UNCACHED | MARK_BROKEN | MARK_PART)

static inline enum frame_mark frame_mark_of(enum frame_size size)
{
    return (enum frame_mark)(MARK_4K + size);
}

/* The whole byte. */
static inline uint8_t frame_mark_byte(const uint8_t *mark)
{
    /* relaxed: who frees a frame has it from who took it, which orders them */
    return __atomic_load_n(mark, __ATOMIC_RELAXED);
}

static inline enum frame_mark frame_mark_get(const uint8_t *mark)
{
    return (enum frame_mark)(frame_mark_byte(mark) & ~MARK_FLAGS);
}

/* The flags stay as they are. */
static inline void frame_mark_set(uint8_t *mark, enum frame_mark value)
{
    /* relaxed: as above; a zone's lock orders the rest */
    __atomic_store_n(mark,
                     (uint8_t)((frame_mark_byte(mark) & MARK_FLAGS) | value),
                     __ATOMIC_RELAXED);
}

/* Under the lock. */
static inline void frame_mark_set_part(uint8_t *mark, bool part)
{
    uint8_t others = frame_mark_byte(mark) & (uint8_t)~MARK_PART;

    __atomic_store_n(mark, (uint8_t)(others | (part ? MARK_PART : 0)),
                     __ATOMIC_RELAXED);
}

/* False, and nothing changed: the whole byte is not `from`. */
static inline bool frame_mark_swap(uint8_t *mark, uint8_t from, uint8_t to)
{
    return __atomic_compare_exchange_n(mark, &from, to, false, __ATOMIC_RELAXED,
                                       __ATOMIC_RELAXED);
}

#endif
