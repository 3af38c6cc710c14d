/* Physical frames for the whole kernel: 4 KiB, 2 MiB and 1 GiB, by address.
 *
 * The machine's GiBs are divided among frame trees (mm/tree/tree.h), one for each
 * CPU, each under a lock of its own: see mm/frame/zone.h.  What happens on the
 * way to the trees is the frame layer's, of which there are two (make FRAMES=):
 *
 *   percpu  each CPU keeps some frames, so that the usual call takes no lock:
 *           mm/frame/percpu.h
 *   plain   one lock for everything: mm/frame/plain.c
 *
 * A frame that is handed out consists of RAM whose type is free.  Frames of the
 * image, of modules and of the metadata are never handed out, and frame_free
 * refuses them.  Memory that is not cached (MEMORY_UNCACHED) is handed out only
 * where no other frame serves.  frame_free also refuses a frame that is free,
 * whichever CPU keeps it: a byte a frame tells (mm/frame/mark.h).  It can miss
 * one mistake only: two CPUs that free one frame at the same instant.
 *
 * After frame_init every call may come from any CPU, and from handlers of
 * interrupts, exceptions and NMIs, also from one that interrupted a call of
 * this file.  A call that interrupted another one on the same CPU does not
 * wait.  If it cannot be served then, it returns MM_BUSY.
 */
#ifndef MM_FRAME_H
#define MM_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mm/address.h"
#include "mm/error.h"
#include "mm/memory_map.h"
#include "mm/platform.h"
#include "mm/tree/tree.h"

/* Builds the trees from the map and makes all memory of the map's free types
 * available (memory_type_is_free).  Must come after kernel_space_init, which is
 * the last to need the boot code.  Takes the metadata from the map, below limit
 * (where memory is mapped).  The map must stay, and must not change any more.
 * platform_cpu_count says how many CPUs there will be.
 *
 * MM_OUT_OF_MEMORY if the metadata does not fit or nothing is usable. */
enum mm_error frame_init(struct memory_map *map, paddr_t limit);

/* The physical address of a frame of that size, aligned to it; its contents
 * are arbitrary.  PADDR_NONE for each error of frame_try_alloc. */
paddr_t frame_alloc(enum frame_size size) __attribute__((warn_unused_result));

/* The same, with the reason; *frame is PADDR_NONE unless the answer is MM_OK:
 *   MM_OUT_OF_MEMORY  no frame of that size is free, not even with another CPU
 *   MM_BUSY           the call came from a handler in the middle of another
 *                     call, or a CPU did not give back the frames that it
 *                     keeps: a frame of that size may be free
 *   MM_BAD_ARGUMENT   there is no such size, or this CPU's number is not below
 *                     the count that frame_init was told
 *   MM_NOT_READY      before frame_init */
enum mm_error frame_try_alloc(enum frame_size size, paddr_t *frame)
    __attribute__((warn_unused_result));

/* Frees a frame of any size by its address; the allocator knows the size.
 * Nothing changes unless the answer is MM_OK:
 *   MM_MISALIGNED     not the address of a 4 KiB frame
 *   MM_OUT_OF_RANGE   the whole GiB around the address has no RAM
 *   MM_RESERVED       not memory that the allocator manages
 *   MM_NOT_HELD       the frame is free
 *   MM_INSIDE_LARGER  in a 2 MiB or 1 GiB frame, but not its start
 *   MM_BUSY           the call came from a handler in the middle of other
 *                     calls, and the list of frees that wait for the end of
 *                     those calls is full; or a CPU did not give back the
 *                     frames that it keeps
 *   MM_BAD_ARGUMENT   as for frame_try_alloc
 *   MM_NOT_READY      before frame_init
 * In a handler that interrupted a call of this file, MM_OK may also mean that
 * the free waits: the frame is freed at the end of that call, or of the next
 * one.  If such a free turns out to be a mistake, the log names it. */
enum mm_error frame_free(paddr_t frame) __attribute__((warn_unused_result));

/* Bytes in one frame of that size. */
uint64_t frame_bytes(enum frame_size size);

/* What the 4 KiB at an address are, for audits; any address.  Memory that does
 * not belong to the allocator counts as FRAME_HELD_4K.  The answer is
 * FRAME_OUTSIDE if the whole GiB has no RAM, or before frame_init. */
enum frame_state frame_state(paddr_t address);

/* ---- Several frames, zeroed ones, and frames with a limit ---- */

/* As frame_alloc, but filled with zeros; so memory must be mapped
 * (phys_to_virt). */
paddr_t frame_alloc_zeroed(enum frame_size size)
    __attribute__((warn_unused_result));

/* Puts up to count frames into `frames` and returns how many.  They are fewer
 * than count only because of an error of frame_try_alloc. */
size_t frame_alloc_many(enum frame_size size, size_t count, paddr_t *frames)
    __attribute__((warn_unused_result));

/* Frees frames of any sizes, in that order, until one is refused.  *freed is
 * how many were freed, and the error is that of frame_free for the next one. */
enum mm_error frame_free_many(size_t count, const paddr_t *frames,
                              size_t *freed)
    __attribute__((warn_unused_result));

/* A frame of that size that lies wholly below limit.  Only this call hands out
 * 4Ks of the first MiB: if no other frame serves, or if limit is at most
 * 1 MiB.  Errors of frame_try_alloc. */
enum mm_error frame_alloc_below(enum frame_size size, paddr_t limit,
                                paddr_t *frame)
    __attribute__((warn_unused_result));

/* 2^order 4Ks in a row, order 0 to FRAME_RUN_ORDER, the first one at a multiple
 * of the run's length: for devices that need contiguous memory.  Errors of
 * frame_try_alloc.  Also MM_BAD_ARGUMENT for a larger order, and
 * MM_OUT_OF_MEMORY if frames are free but no such run is.  The frames are freed
 * together with frame_free_run, or one by one with frame_free. */
#define FRAME_RUN_ORDER 8
enum mm_error frame_alloc_run(unsigned order, paddr_t *first)
    __attribute__((warn_unused_result));

/* Frees a whole run.  Unless the answer is MM_OK nothing was freed, and the
 * error is that of frame_free for the first frame that cannot be freed.
 * MM_MISALIGNED also if `first` is no multiple of the length. */
enum mm_error frame_free_run(paddr_t first, unsigned order)
    __attribute__((warn_unused_result));

/* ---- Frames that the caller names ---- */

/* Allocates the frame of that size at that address, a multiple of the size.
 *   MM_NOT_FREE      a part of it is held
 *   MM_MISALIGNED, MM_OUT_OF_RANGE, MM_RESERVED   as for frame_free
 *   MM_BUSY, MM_BAD_ARGUMENT, MM_NOT_READY        as for frame_try_alloc */
enum mm_error frame_reserve(paddr_t frame, enum frame_size size)
    __attribute__((warn_unused_result));

/* Turns a held 2M into 512 held 4Ks, or a held 1G into 512 held 2Ms.  Each of
 * them is then freed by itself.  MM_TOO_SMALL: the frame is a 4K.  Else the
 * errors of frame_free. */
enum mm_error frame_split(paddr_t frame) __attribute__((warn_unused_result));

/* ---- Memory that breaks, is added, or is removed ----
 *
 * These calls are rare and slow: what CPUs keep is given back first.  MM_BUSY:
 * the call came from a handler in the middle of another call, or a CPU does not
 * answer. */

/* Takes the 4K at that address out of use for good.
 *   MM_OK          it was free, and is never handed out again
 *   MM_STILL_HELD  it is held; it is taken out of use when it is freed
 *   MM_MISALIGNED, MM_OUT_OF_RANGE, MM_RESERVED  as for frame_free; a frame
 *                  that was taken out before counts as reserved */
enum mm_error frame_retire(paddr_t frame) __attribute__((warn_unused_result));

/* Gives start..end to the allocator.  The range is memory that was reserved
 * when the boot ended, or any part of what frame_remove_range took, or at most
 * 512 GiBs in which there was no RAM.  Such new GiBs hold their own metadata: 289
 * KiB for each GiB, at the beginning of the range, which must be mapped
 * (phys_to_virt).  There may be 4 such ranges at a time, else MM_TABLE_FULL.
 *   MM_OVERLAP      a part of it belongs to the allocator already; or the range
 *                   begins in a GiB with RAM and ends in one without, or the
 *                   other way round: give the two parts one after the other
 *   MM_TOO_SMALL    no room for the metadata
 *   MM_EMPTY_RANGE, MM_RANGE_WRAPS, MM_MISALIGNED   not a range of whole pages
 *   MM_OUT_OF_RANGE beyond what the CPU can address */
enum mm_error frame_add_range(paddr_t start, paddr_t end)
    __attribute__((warn_unused_result));

/* Takes start..end from the allocator if all of it is free.  GiBs that were
 * added are removed with their metadata if the range is the one that was added.
 *   MM_NOT_FREE      a part of it is held; or GiBs that were added would go, and
 *                    more was added to them since
 *   MM_RESERVED      a part of it does not belong to the allocator
 *   MM_OUT_OF_RANGE  a part of it is not RAM; or as above
 *   MM_EMPTY_RANGE, MM_RANGE_WRAPS, MM_MISALIGNED */
enum mm_error frame_remove_range(paddr_t start, paddr_t end)
    __attribute__((warn_unused_result));

/* ---- Figures ---- */

struct frame_stats {
    uint64_t managed_bytes; /* all frames, held or free */
    uint64_t free_bytes;
    uint64_t free[3];        /* 4Ks in split 2Ms, 2Ms in split GiBs, 1Gs */
    uint64_t gibs, trees;    /* gibs: those that hold RAM */
    uint64_t metadata_bytes; /* trees and the tables beside them */
    uint64_t retired;        /* 4Ks out of use for good */
    uint64_t to_retire;      /* 4Ks to be retired when freed */

    /* Fragmentation: free bytes that lie in no free frame of that size. */
    uint64_t unusable_bytes[3];
};

/* Counts at the time of the call.  First all CPUs give back the frames that
 * they keep, which stops the other CPUs for a moment.  So the figures are exact
 * if no other CPU allocates or frees meanwhile. */
void frame_stats(struct frame_stats *stats);

/* The same for one NUMA node, without metadata_bytes, retired and to_retire.
 * Uncached memory is of none of them, but has a number of its own. */
#define FRAME_NODE_UNCACHED PLATFORM_NODES_MAX
void frame_node_stats(unsigned node, struct frame_stats *stats);

/* One GiB: how many of its 512 2Ms are free as a whole, how many are held, how
 * many are split or partly reserved, and how full these are. */
struct frame_gib_stats {
    paddr_t start;
    unsigned node;
    bool whole; /* free as a 1G; then free_2m is 512 */
    unsigned free_2m, split_2m, held_2m;
    unsigned by_fill[8]; /* split 2Ms of which 0/8, 1/8, ... 7/8 are held */
    uint64_t free_4k;    /* in split 2Ms */
};

/* Fills *stats for the GiB with RAM that comes after `index` others.  False if
 * there are not so many.  As exact as frame_stats if that was called just
 * before. */
bool frame_gib_stats(unsigned index, struct frame_gib_stats *stats);

/* Checks every invariant of every tree, and of what CPUs keep.  False if one is
 * broken; the log names the first one.  Reads all metadata, with all CPUs
 * stopped.  Not from a handler in the middle of a call. */
bool frame_check(void);

#endif
