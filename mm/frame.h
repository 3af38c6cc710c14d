/* Physical frames for everyone: 4 KiB, 2 MiB and 1 GiB, by address.
 *
 * Stands on mm/frame_tree.h.  Only GiBs that hold RAM are counted, one after
 * the other in order of address, and each 512 of them are one tree:
 *
 *   physical GiB   0   1   2   3   4   5  ...        a hole costs nothing
 *                RAM RAM  -   -  RAM RAM
 *   node           0   1           2   3             tree 0 has nodes 0..511
 *
 * A frame that is given out is wholly RAM of a type that is free; frames of
 * the image, of modules or of the metadata are never given out, and freeing
 * one is refused.
 *
 * After frame_init every call may come from any CPU; none may come from an
 * interrupt handler.
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
 *
 * MM_OUT_OF_MEMORY if the metadata does not fit or nothing is usable;
 * MM_TABLE_FULL for more than 65,535 GiB of RAM. */
enum mm_error frame_init(struct memory_map *map, paddr_t limit);

/* The physical address of a frame of that size, aligned to it; its contents
 * are arbitrary.  PADDR_NONE if none is free, or before frame_init. */
paddr_t frame_alloc(enum frame_size size) __attribute__((warn_unused_result));

/* Gives a frame of any size back by its address: the size is found out.
 * Nothing changes unless the answer is MM_OK:
 *   MM_MISALIGNED     not the address of a 4 KiB frame
 *   MM_OUT_OF_RANGE   no RAM in all that GiB
 *   MM_RESERVED       not memory that the allocator manages
 *   MM_NOT_HELD       the frame is free
 *   MM_INSIDE_LARGER  in a 2 MiB or 1 GiB frame, but not its start
 *   MM_NOT_READY      before frame_init */
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

/* Counted at the call; walks the bits of every split 2M. */
void frame_stats(struct frame_stats *stats);

/* Whether every invariant of every tree holds; names the first that does not
 * in the log.  Walks all metadata. */
bool frame_check(void);

#endif
