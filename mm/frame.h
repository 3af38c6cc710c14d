/* Physical frames for everyone: 4 KiB, 2 MiB and 1 GiB, by address.
 *
 * The machine's GiBs are divided among frame trees (mm/tree/tree.h), a few
 * for each CPU, each under a lock of its own: see mm/frame/zone.h.  A CPU
 * owns the 2M that it allocates 4K frames from, and the one that it frees them
 * into: see mm/frame/cpu.h.  And it keeps the lock of a tree that nobody else
 * uses: see mm/frame/keep.c.  So the usual call takes no lock.
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
#include <stddef.h>
#include <stdint.h>

#include "mm/address.h"
#include "mm/error.h"
#include "mm/memory_map.h"
#include "mm/tree/tree.h"

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
 *                     put as many frees aside as they can; or a CPU does not
 *                     give up what it keeps
 *   MM_BAD_ARGUMENT   as for frame_try_alloc
 *   MM_NOT_READY      before frame_init
 * A handler that interrupted a call which has what it needs hears MM_OK; its
 * frame is freed at the end of that call, or of the next, and a mistake is
 * named in the log. */
enum mm_error frame_free(paddr_t frame) __attribute__((warn_unused_result));

/* Bytes in one frame of that size. */
uint64_t frame_bytes(enum frame_size size);

/* What the 4 KiB at an address are, for audits; any address.  Memory that is
 * not the allocator's counts as FRAME_HELD_4K, or as FRAME_OUTSIDE if there is
 * no RAM in all that GiB or frame_init was not called. */
enum frame_state frame_state(paddr_t address);

/* ---- More of them, or better ones ---- */

/* As frame_alloc, and filled with zeros; it must be mapped (phys_to_virt). */
paddr_t frame_alloc_zeroed(enum frame_size size)
    __attribute__((warn_unused_result));

/* Up to count frames into `frames`; returns how many there were, fewer than
 * count only for an error of frame_try_alloc. */
size_t frame_alloc_many(enum frame_size size, size_t count, paddr_t *frames)
    __attribute__((warn_unused_result));

/* Frees them in that order, of any sizes, until one is refused: *freed are gone
 * then, and the error of frame_free tells of the next. */
enum mm_error frame_free_many(size_t count, const paddr_t *frames,
                              size_t *freed)
    __attribute__((warn_unused_result));

/* A frame of that size that lies wholly below limit.  Of the first MiB, which
 * other calls never touch, come 4Ks if nothing else serves, or if limit is no
 * higher.  Errors as of frame_try_alloc. */
enum mm_error frame_alloc_below(enum frame_size size, paddr_t limit,
                                paddr_t *frame)
    __attribute__((warn_unused_result));

/* 2^order 4K frames in a row, order 0 to FRAME_RUN_ORDER, the first at a
 * multiple of their length: as a device wants them.  Errors as of
 * frame_try_alloc; MM_BAD_ARGUMENT for a larger order, and MM_OUT_OF_MEMORY
 * although frames are free if no run of them is.  They go back as a run, all
 * together, or one by one with frame_free. */
#define FRAME_RUN_ORDER 8
enum mm_error frame_alloc_run(unsigned order, paddr_t *first)
    __attribute__((warn_unused_result));

/* All of a run, or, unless the answer is MM_OK, nothing: the errors are those
 * of frame_free for the first frame that cannot be freed.  MM_MISALIGNED also
 * if `first` is no multiple of the length. */
enum mm_error frame_free_run(paddr_t first, unsigned order)
    __attribute__((warn_unused_result));

/* ---- Given ones ---- */

/* Allocates the frame of that size at that address, a multiple of the size.
 *   MM_NOT_FREE      a part of it is held
 *   MM_MISALIGNED, MM_OUT_OF_RANGE, MM_RESERVED   as for frame_free
 *   MM_BUSY, MM_BAD_ARGUMENT, MM_NOT_READY        as for frame_try_alloc */
enum mm_error frame_reserve(paddr_t frame, enum frame_size size)
    __attribute__((warn_unused_result));

/* A held 2M becomes 512 held 4Ks, a held 1G 512 held 2Ms, each to be freed by
 * itself.  MM_TOO_SMALL: it is a 4K; else the errors of frame_free. */
enum mm_error frame_split(paddr_t frame) __attribute__((warn_unused_result));

/* ---- Memory that breaks, comes and goes ----
 *
 * Rare, and slow: the other CPUs are stopped meanwhile.  Not from a handler in
 * the middle of a call, and not if a CPU does not answer: MM_BUSY.  Together
 * there may be FRAME_CHANGES_MAX (mm/frame/change.h) of them, then
 * MM_TABLE_FULL. */

/* Takes the 4K at that address out for good.
 *   MM_OK          it was free, and is never given out again
 *   MM_STILL_HELD  it is held; its free will take it out
 *   MM_MISALIGNED, MM_OUT_OF_RANGE, MM_RESERVED  as for frame_free; a frame
 *                  that is out already counts as reserved */
enum mm_error frame_retire(paddr_t frame) __attribute__((warn_unused_result));

/* Gives start..end to the allocator: memory that was reserved when the boot
 * ended, or that was taken back with the same bounds, or GiBs in which there
 * was no RAM, 512 of them at most.  These bring their own metadata: 33 KiB for
 * each GiB, at the beginning, which must be mapped (phys_to_virt).
 *   MM_OVERLAP      some of it is the allocator's already; or the range begins
 *                   in a GiB with RAM and ends in one without, or the other way
 *                   round: give the two parts one after the other
 *   MM_TOO_SMALL    no room for the metadata
 *   MM_EMPTY_RANGE, MM_RANGE_WRAPS, MM_MISALIGNED   the range is none of pages
 *   MM_OUT_OF_RANGE beyond what the CPU can address */
enum mm_error frame_add_range(paddr_t start, paddr_t end)
    __attribute__((warn_unused_result));

/* Takes start..end back if all of it is free.  GiBs that were added go with
 * their metadata if the range is the one that was added.
 *   MM_NOT_FREE      a part of it is held
 *   MM_RESERVED      a part of it is not the allocator's
 *   MM_OUT_OF_RANGE  a part of it is no RAM; or as above
 *   MM_EMPTY_RANGE, MM_RANGE_WRAPS, MM_MISALIGNED */
enum mm_error frame_remove_range(paddr_t start, paddr_t end)
    __attribute__((warn_unused_result));

/* ---- Figures ---- */

struct frame_stats {
    uint64_t managed_bytes; /* all that is held or free */
    uint64_t free_bytes;
    uint64_t free[3];        /* frames: 4K in split 2Ms, 2M in split GiBs, 1G */
    uint64_t gibs, trees;    /* GiBs that hold RAM */
    uint64_t metadata_bytes; /* of the trees and of the tables beside them */
    uint64_t retired;        /* 4Ks that are out for good */
    uint64_t to_retire;      /* and those that will be when they are freed */

    /* Fragmentation: free bytes that are in no free frame of that size. */
    uint64_t unusable_bytes[3];
};

/* Counted at the call.  What CPUs keep is given back first, so the figures are
 * exact if nobody else allocates or frees meanwhile; this stops the other CPUs
 * for a moment. */
void frame_stats(struct frame_stats *stats);

/* The same of one NUMA node; without metadata_bytes and what is retired. */
void frame_node_stats(unsigned node, struct frame_stats *stats);

/* What became of one GiB: of its 512 2Ms, how many are free as a whole, how
 * many are split or reserved in part, and how full those are. */
struct frame_gib_stats {
    paddr_t start;
    unsigned node;
    bool whole; /* free as a 1G; then free_2m is 512 */
    unsigned free_2m, split_2m, held_2m;
    unsigned by_fill[8]; /* split 2Ms of which 0/8, 1/8, ... 7/8 are held */
    uint64_t free_4k;    /* in split 2Ms */
};

/* Of the GiB with RAM that comes after `index` others.  False: there are not so
 * many.  As exact as frame_stats if that was called before. */
bool frame_gib_stats(unsigned index, struct frame_gib_stats *stats);

/* Whether every invariant of every tree holds, and of what CPUs keep; names the
 * first that does not in the log.  Walks all metadata, with all CPUs stopped;
 * not from a handler in the middle of a call. */
bool frame_check(void);

#endif
