/* Physical frames for everyone: 4 KiB, 2 MiB and 1 GiB, by address.
 *
 * The machine's GiBs are divided among frame trees (mm/frame_tree.h), one for
 * each CPU as a rule, each under a lock of its own: see mm/frame_zone.h.  A CPU
 * owns the 2M that it allocates 4K frames from, and the one that it frees them
 * into: see mm/frame_cpu.h.  So the usual call takes no lock.
 *
 * A frame that is given out is wholly RAM of a type that is free; frames of
 * the image, of modules or of the metadata are never given out, and freeing
 * one is refused.  A frame that is free is refused too, whichever CPU keeps it
 * meanwhile.  What can escape is only two frees of one frame at the same
 * instant, by two CPUs.
 *
 * After frame_init every call may come from any CPU, and from handlers of
 * interrupts, exceptions and NMIs, also if they interrupt a call of this file.
 * A call that found itself in the middle of another on the same CPU does not
 * wait; if it cannot be served then, it answers MM_BUSY.
 */
#ifndef MM_FRAME_H
#define MM_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "mm/address.h"
#include "mm/error.h"
#include "mm/frame_tree.h"
#include "mm/memory_map.h"

/* Builds the trees from the map and makes all memory of its free types
 * available (memory_type_is_free): so after kernel_space_init, which is done
 * with the boot code.  Takes the metadata from the map, below
 * limit (what is mapped).  The map must stay, and must not change any more.
 * platform_cpu_count says how many CPUs will come.
 *
 * MM_OUT_OF_MEMORY if the metadata does not fit or nothing is usable. */
enum mm_error frame_init(struct memory_map *map, paddr_t limit);

/* The physical address of a frame of that size, aligned to it; its contents
 * are arbitrary.  PADDR_NONE for each error of frame_try_alloc. */
paddr_t frame_alloc(enum frame_size size) __attribute__((warn_unused_result));

/* The same, with the reason; *frame is PADDR_NONE unless the answer is MM_OK:
 *   MM_OUT_OF_MEMORY  no frame of that size is free, with any CPU
 *   MM_BUSY           a handler's call came in the middle of another, or a CPU
 *                     did not give up what it keeps: maybe one is free
 *   MM_BAD_ARGUMENT   no such size, or this CPU's number is none of those that
 *                     frame_init was told of
 *   MM_NOT_READY      before frame_init */
enum mm_error frame_try_alloc(enum frame_size size, paddr_t *frame)
    __attribute__((warn_unused_result));

/* Gives a frame of any size back by its address: the size is found out.
 * Nothing changes unless the answer is MM_OK:
 *   MM_MISALIGNED     not the address of a 4 KiB frame
 *   MM_OUT_OF_RANGE   no RAM in all that GiB
 *   MM_RESERVED       not memory that the allocator manages
 *   MM_NOT_HELD       the frame is free
 *   MM_INSIDE_LARGER  in a 2 MiB or 1 GiB frame, but not its start
 *   MM_BUSY           a handler's call came in the middle of others, which have
 *                     put as many frees aside as they can
 *   MM_BAD_ARGUMENT   as for frame_try_alloc
 *   MM_NOT_READY      before frame_init
 * A handler that interrupted a call which has the lock hears MM_OK; its frame
 * is freed at the end of that call, and a mistake is named in the log. */
enum mm_error frame_free(paddr_t frame) __attribute__((warn_unused_result));

/* Bytes in one frame of that size. */
uint64_t frame_bytes(enum frame_size size);

/* What the 4 KiB at an address are, for audits; any address.  Memory that is
 * not the allocator's counts as FRAME_HELD_4K, or as FRAME_OUTSIDE if there is
 * no RAM in all that GiB or frame_init was not called. */
enum frame_state frame_state(paddr_t address);

struct frame_stats {
    uint64_t managed_bytes; /* all that is held or free */
    uint64_t free_bytes;
    uint64_t free[3];        /* blocks: 4K in split 2Ms, 2M in split GiBs, 1G */
    uint64_t gibs, trees;    /* GiBs that hold RAM */
    uint64_t metadata_bytes; /* of the trees and of the tables beside them */
};

/* Counted at the call.  What CPUs keep is given back first, so the figures are
 * exact if nobody else allocates or frees meanwhile; this stops the other CPUs
 * for a moment. */
void frame_stats(struct frame_stats *stats);

/* Whether every invariant of every tree holds, and of what CPUs keep; names the
 * first that does not in the log.  Walks all metadata, with all CPUs stopped;
 * not from a handler in the middle of a call. */
bool frame_check(void);

#endif
