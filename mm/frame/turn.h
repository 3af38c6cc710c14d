/* One call's turn at the frames.  For the files of mm/frame/ only.
 *
 * What two frame layers do differently: mm/frame/plain.c has one lock for
 * everything, mm/frame/percpu.c keeps frames with each CPU.  All other files
 * work on trees through these calls and do not know which layer it is.
 *
 *   begin; for one zone after the other: lock, work, unlock; end
 *
 * A turn has the lock of one zone at a time, and between lock and unlock it
 * waits for nothing.
 */
#ifndef MM_FRAME_TURN_H
#define MM_FRAME_TURN_H

#include "mm/frame/zone.h"

struct frame_cpu;

struct frame_turn {
    struct frame_cpu *cpu; /* of percpu.c */
    bool nested;           /* a handler in the middle of another turn */
    bool own;              /* may use what its CPU keeps */
    bool may_wait;
    const struct frame_home *home; /* where its searches begin */
};

/* Prepares for so many CPUs, after frame_zones_init. */
enum mm_error frame_turns_init(struct memory_map *map, paddr_t limit);

/* Turns may begin; or begin no more, until they may again. */
void frame_turns_open(void);
void frame_turns_close(void);

/* MM_NOT_READY, MM_BAD_ARGUMENT as in frame_try_alloc; MM_BUSY: of plain.c. */
enum mm_error frame_turn_begin(struct frame_turn *turn);
void frame_turn_end(const struct frame_turn *turn);

/* Waits for the lock if the turn may wait, but not for ever.  False: another
 * turn has it. */
bool frame_turn_lock(const struct frame_turn *turn, struct frame_zone *zone);
void frame_turn_unlock(const struct frame_turn *turn, struct frame_zone *zone);

/* What CPUs keep is given back to the trees, and they keep nothing and are not
 * in their sections until frame_turn_release.  No zone may be locked. */
enum frame_gathered {
    FRAME_GATHERED_ALL,
    FRAME_GATHERED_SOME, /* a CPU is late: it has what it has */
    FRAME_GATHERED_NOT,  /* the turn may not wait, or others gather for too
                          * long; there is nothing to release */
};

enum frame_gathered frame_turn_gather(struct frame_turn *turn);
void frame_turn_release(struct frame_turn *turn);

/* After a gathering: those CPUs keep nothing for a while, for others look for
 * it. */
void frame_turn_save(struct frame_turn *turn);

/* Whether no CPU keeps anything, as of a moment ago. */
bool frame_turn_is_all_in_trees(void);

/* 4Ks that CPUs keep, as of a moment ago. */
uint64_t frame_turn_kept(void);

/* ---- Searching: mm/frame/search.c ---- */

/* Tries to serve from one zone, whose lock is held. */
typedef bool frame_attempt(struct frame_zone *zone, void *context);

/* One zone after the other, from the turn's own on, then those of other nodes;
 * true as soon as an attempt is.  Leaves out zones that look empty, and those
 * of uncached memory as long as any frame is elsewhere. */
bool frame_search_trees(const struct frame_turn *turn, enum frame_size size,
                        frame_attempt *attempt, void *context);

/* The same; and if that is no success, once more after a gathering.
 *   MM_OUT_OF_MEMORY  at one moment no attempt would have been true
 *   MM_BUSY           a CPU is late, or a zone could not be locked, or the turn
 *                     may not wait */
enum mm_error frame_search(struct frame_turn *turn, enum frame_size size,
                           frame_attempt *attempt, void *context);

#endif
