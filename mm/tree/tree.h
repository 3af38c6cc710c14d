/* The frame tree: 4K, 2M and 1G frames out of up to 512 GiB, in constant time.
 *
 * Frames are numbers: frame n is the n-th 4 KiB of the tree's memory.  2M
 * number i is the frames 512 i to 512 i + 511, and GiB g is the 2Ms 512 g to
 * 512 g + 511; a larger frame goes by the number of its first 4K frame.
 *
 * A whole frame is handed out by clearing its bit and leaving every bit below
 * at 1: so the tree itself says what size is held where, and nothing is filled
 * in when a frame is split or merged.  Every 4K frame is, at any time,
 *
 *     held as part of a 1G:  free_2m of its GiB full, free_1g 0
 *     held as part of a 2M:  free_4k of its 2M full, free_2m 0
 *     held as a 4K:          free_4k 0
 *     available:             none of these
 *
 * Nothing here locks and nothing is global: a tree is one thread's at a time
 * (mm/frame/turn.h sees to that).  All of it runs before any heap, and in interrupt
 * handlers if they do not interrupt a call on the same tree.
 *
 * What the functions do is stated in ACSL, beside them, and proved for the
 * sources that boot: see docs/proof.md.
 */
#ifndef MM_TREE_TREE_H
#define MM_TREE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mm/tree/set512.h"

#define FRAMES_PER_2M   SET512_MEMBERS
#define FRAMES_PER_1G   (SET512_MEMBERS * SET512_MEMBERS)
#define FRAME_TREE_GIBS SET512_MEMBERS

/* No frame has this number. */
#define FRAME_NONE UINT32_MAX

enum frame_size {
    FRAME_4K,
    FRAME_2M,
    FRAME_1G,
};

/* What a 4K frame is. */
enum frame_state {
    FRAME_AVAILABLE,
    FRAME_HELD_4K, /* or never given to the tree */
    FRAME_HELD_2M, /* part of it */
    FRAME_HELD_1G, /* part of it */
    FRAME_OUTSIDE, /* the tree has no frame of this number */
};

/* What a free did, or the mistake it was; after a mistake nothing changed. */
enum frame_freed {
    FRAME_FREED_4K,
    FRAME_FREED_2M,
    FRAME_FREED_1G,
    FRAME_NOT_HELD,     /* it is available: freed twice, or never allocated */
    FRAME_INSIDE_2M,    /* part of a held 2M, and not its first frame */
    FRAME_INSIDE_1G,    /* part of a held 1G, and not its first frame */
    FRAME_OUT_OF_RANGE, /* the tree has no frame of this number */
};

/* The tree is six maps of bits.  A map is a row of sets; its member k is member
 * k % 512 of its set k / 512. */
enum tree_map {
    FREE_4K,       /* a bit each 4K: it is available */
    SOME_4K_IN_2M, /* a bit each 2M: it is split, and has a 4K available */
    FREE_2M,       /* a bit each 2M: it is available as a whole */
    SOME_4K_IN_1G, /* a bit each GiB: it is split, and a split 2M has a 4K */
    SOME_2M_IN_1G, /* a bit each GiB: it is split, and has a whole 2M */
    FREE_1G,       /* a bit each GiB: it is available as a whole */
};

struct frame_tree {
    struct set512 free_1g;
    struct set512 some_2m_in_1g;
    struct set512 some_4k_in_1g;
    struct set512 *free_2m;       /* a set for each GiB */
    struct set512 *some_4k_in_2m; /* a set for each GiB */
    struct set512 *free_4k;       /* a set for each 2M */
    uint32_t gib_count;
};

/* Where and how an audit found a tree broken. */
struct frame_tree_fault {
    const char *rule; /* lives for ever */
    uint32_t frame;   /* the first frame of the 2M or GiB that breaks it */
};

/* What is available, in whole frames of each size. */
struct frame_tree_count {
    uint32_t whole_1g;
    uint32_t whole_2m; /* in split GiBs */
    uint32_t split_2m; /* 2Ms that are split and have a 4K available */
};

#ifdef __FRAMAC__
#include "mm/tree/model.h"
#endif

/* Bytes of metadata below the struct for a tree of gib_count (1 to 512) GiB:
 * 32,896 for each. */
/*@ requires 1 <= gib_count <= 512;
    assigns  \nothing;
    ensures  \result == 32896 * gib_count;
*/
size_t frame_tree_bytes(unsigned gib_count);

/* Makes a tree of gib_count (1 to 512) GiB.  `levels` is frame_tree_bytes of
 * memory, 64-byte aligned, the tree's from now on.  No frame is available yet:
 * each counts as held as a 4K. */
/*@ requires 1 <= gib_count <= 512;
    requires \valid(tree) && \valid(levels + (0 .. 514 * gib_count - 1));
    requires \separated(tree, levels + (0 .. 514 * gib_count - 1));
    assigns  *tree, levels[0 .. 514 * gib_count - 1];
    ensures  valid: valid_tree(tree) && tree->gib_count == gib_count;
    ensures  layout: tree->free_2m == levels &&
                 tree->some_4k_in_2m == levels + gib_count &&
                 tree->free_4k == levels + 2 * gib_count;
    ensures  invariant: invariant(tree);
    ensures  held: \forall integer n; 0 <= n < frames(tree) ==>
                       held_4k(tree, n);
*/
void frame_tree_init(struct frame_tree *tree, struct set512 *levels,
                     unsigned gib_count);

/* The same, but each GiB counts as held as a 1G: a free makes all of it
 * available, and frame_tree_split takes it apart.  So the metadata of a machine
 * of whole GiBs is written once. */
/*@ requires 1 <= gib_count <= 512;
    requires \valid(tree) && \valid(levels + (0 .. 514 * gib_count - 1));
    requires \separated(tree, levels + (0 .. 514 * gib_count - 1));
    assigns  *tree, levels[0 .. 514 * gib_count - 1];
    ensures  valid: valid_tree(tree) && tree->gib_count == gib_count;
    ensures  layout: tree->free_2m == levels &&
                 tree->some_4k_in_2m == levels + gib_count &&
                 tree->free_4k == levels + 2 * gib_count;
    ensures  invariant: invariant(tree);
    ensures  held: \forall integer n; 0 <= n < frames(tree) ==>
                       held_1g(tree, n);
*/
void frame_tree_init_held_1g(struct frame_tree *tree, struct set512 *levels,
                             unsigned gib_count);

/* Makes the frames first to first + count - 1 available; those that are so
 * already stay so.  All lie inside the tree, and none is part of a held 2M or
 * 1G.  For seeding at boot: time goes with the words, not with the frames. */
/*@ requires valid_tree(tree) && invariant(tree);
    requires first + count <= frames(tree);
    requires \forall integer n; first <= n < first + count ==>
                 !held_2m(tree, n) && !held_1g(tree, n);
    assigns  TREE_BITS(tree);
    ensures  invariant: invariant(tree);
    ensures  given: all_available(tree, first, first + count);
    ensures  others:
        only_frames_changed{Pre, Post}(tree, first, first + count);
*/
void frame_tree_give(struct frame_tree *tree, uint32_t first, uint32_t count);

/* The three allocations return the number of a frame that was available and is
 * held now, or FRAME_NONE if none of that size is available. */

/* The lowest 4K in any split 2M; or else the first of the lowest whole 2M in
 * any split GiB; or else the first of the lowest whole GiB. */
/*@ requires valid_tree(tree) && invariant(tree);
    assigns  TREE_BITS(tree);
    ensures  invariant: invariant(tree);
    ensures  none: \result == FRAME_NONE ==>
                 (\forall integer n; 0 <= n < frames(tree) ==>
                      !available{Pre}(tree, n)) &&
                 only_frames_changed{Pre, Post}(tree, 0, 0);
    ensures  some: \result != FRAME_NONE ==>
                 \result < frames(tree) && available{Pre}(tree, \result) &&
                 held_4k(tree, \result);
    ensures  others: \result != FRAME_NONE ==>
                 only_frames_changed{Pre, Post}(tree, \result, \result + 1);
    ensures  placed: \result != FRAME_NONE ==> place_4k{Pre}(tree, \result);
*/
uint32_t frame_tree_alloc_4k(struct frame_tree *tree);

/* The highest whole 2M in any split GiB; or else the last of the highest whole
 * GiB. */
/*@ requires valid_tree(tree) && invariant(tree);
    assigns  TREE_BITS(tree);
    ensures  invariant: invariant(tree);
    ensures  none: \result == FRAME_NONE ==>
                 (\forall integer i; 0 <= i < 512 * gibs(tree) ==>
                      !whole_2m{Pre}(tree, i)) &&
                 only_frames_changed{Pre, Post}(tree, 0, 0);
    ensures  some: \result != FRAME_NONE ==>
                 \result + 512 <= frames(tree) && \result % 512 == 0 &&
                 all_available{Pre}(tree, \result, \result + 512) &&
                 all_held_2m(tree, \result, \result + 512);
    ensures  others: \result != FRAME_NONE ==>
                 only_frames_changed{Pre, Post}(tree, \result, \result + 512);
    ensures  placed: \result != FRAME_NONE ==> place_2m{Pre}(tree, \result);
*/
uint32_t frame_tree_alloc_2m(struct frame_tree *tree);

/* The highest whole GiB. */
/*@ requires valid_tree(tree) && invariant(tree);
    assigns  TREE_BITS(tree);
    ensures  invariant: invariant(tree);
    ensures  none: \result == FRAME_NONE ==>
                 no_whole_1g{Pre}(tree) &&
                 only_frames_changed{Pre, Post}(tree, 0, 0);
    ensures  some: \result != FRAME_NONE ==>
                 \result + 262144 <= frames(tree) && \result % 262144 == 0 &&
                 all_available{Pre}(tree, \result, \result + 262144) &&
                 all_held_1g(tree, \result, \result + 262144);
    ensures  others: \result != FRAME_NONE ==>
                 only_frames_changed{Pre, Post}(tree, \result,
                                                \result + 262144);
    ensures  placed: \result != FRAME_NONE ==> place_1g{Pre}(tree, \result);
*/
uint32_t frame_tree_alloc_1g(struct frame_tree *tree);

/* Takes a given one, of which the caller knows: 4K number n, which is available
 * in a 2M that is split; or 2M number i, which is available in a GiB that is
 * split. */
/*@ requires valid_tree(tree) && invariant(tree) && n < frames(tree);
    requires in(tree, FREE_4K, n) && in(tree, SOME_4K_IN_2M, n / 512);
    assigns  TREE_BITS(tree);
    ensures  invariant: invariant(tree);
    ensures  taken: held_4k(tree, n);
    ensures  others: only_frames_changed{Pre, Post}(tree, n, n + 1);
*/
void frame_tree_take_4k(struct frame_tree *tree, uint32_t n);
/*@ requires valid_tree(tree) && invariant(tree) && i < 512 * gibs(tree);
    requires in(tree, FREE_2M, i) && !full_set(tree, FREE_2M, i / 512);
    assigns  TREE_BITS(tree);
    ensures  invariant: invariant(tree);
    ensures  taken: all_held_2m(tree, 512 * i, 512 * i + 512);
    ensures  others:
        only_frames_changed{Pre, Post}(tree, 512 * i, 512 * i + 512);
*/
void frame_tree_take_2m(struct frame_tree *tree, uint32_t i);

/* Frees 2M number i, of which the caller knows that it is held as one. */
/*@ requires valid_tree(tree) && invariant(tree) && i < 512 * gibs(tree);
    requires own_2m(tree, i);
    assigns  TREE_BITS(tree);
    ensures  invariant: invariant(tree);
    ensures  given: whole_2m(tree, i);
    ensures  others:
        only_frames_changed{Pre, Post}(tree, 512 * i, 512 * i + 512);
*/
void frame_tree_put_2m(struct frame_tree *tree, uint32_t i);

/* Takes the frame of that size that begins at n, which is a multiple of it.
 * False, and nothing changed, if not all of it is available. */
/*@ requires valid_tree(tree) && invariant(tree) && n < frames(tree);
    requires size == FRAME_4K || size == FRAME_2M || size == FRAME_1G;
    requires size == FRAME_2M ==> n % 512 == 0;
    requires size == FRAME_1G ==> n % 262144 == 0;
    assigns  TREE_BITS(tree);
    ensures  invariant: invariant(tree);
    ensures  free_4k: size == FRAME_4K ==>
                 (\result <==> available{Pre}(tree, n));
    ensures  free_2m: size == FRAME_2M ==>
                 (\result <==> all_available{Pre}(tree, n, n + 512));
    ensures  free_1g: size == FRAME_1G ==>
                 (\result <==> all_available{Pre}(tree, n, n + 262144));
    ensures  none: !\result ==> only_frames_changed{Pre, Post}(tree, 0, 0);
    ensures  taken_4k: \result && size == FRAME_4K ==>
                 held_4k(tree, n) &&
                 only_frames_changed{Pre, Post}(tree, n, n + 1);
    ensures  taken_2m: \result && size == FRAME_2M ==>
                 all_held_2m(tree, n, n + 512) &&
                 only_frames_changed{Pre, Post}(tree, n, n + 512);
    ensures  taken_1g: \result && size == FRAME_1G ==>
                 all_held_1g(tree, n, n + 262144) &&
                 only_frames_changed{Pre, Post}(tree, n, n + 262144);
*/
bool frame_tree_reserve(struct frame_tree *tree, uint32_t n,
                        enum frame_size size);

/* The held 2M that begins at n becomes 512 held 4Ks, or the held 1G 512 held
 * 2Ms.  False, and nothing changed, if neither of them begins there. */
/*@ requires valid_tree(tree) && invariant(tree) && n < frames(tree);
    assigns  TREE_BITS(tree);
    ensures  invariant: invariant(tree);
    ensures  which: \result <==>
                 held_2m{Pre}(tree, n) && n % 512 == 0 ||
                 held_1g{Pre}(tree, n) && n % 262144 == 0;
    ensures  none: !\result ==> only_frames_changed{Pre, Post}(tree, 0, 0);
    ensures  split_2m: \result && held_2m{Pre}(tree, n) ==>
                 (\forall integer m; n <= m < n + 512 ==> held_4k(tree, m)) &&
                 only_frames_changed{Pre, Post}(tree, n, n + 512);
    ensures  split_1g: \result && held_1g{Pre}(tree, n) ==>
                 all_held_2m(tree, n, n + 262144) &&
                 only_frames_changed{Pre, Post}(tree, n, n + 262144);
*/
bool frame_tree_split(struct frame_tree *tree, uint32_t n);

/* Frees the frame that begins at n, of whatever size it is held as, and merges
 * as far up as it goes.  Says which size it was; or which mistake the call
 * was, and then nothing changed. */
/*@ requires valid_tree(tree) && invariant(tree);
    assigns  TREE_BITS(tree);
    ensures  invariant: invariant(tree);
    ensures  freed_4k: \result == FRAME_FREED_4K <==>
                 n < frames(tree) && held_4k{Pre}(tree, n);
    ensures  freed_2m: \result == FRAME_FREED_2M <==>
                 n < frames(tree) && held_2m{Pre}(tree, n) && n % 512 == 0;
    ensures  freed_1g: \result == FRAME_FREED_1G <==>
                 n < frames(tree) && held_1g{Pre}(tree, n) && n % 262144 == 0;
    ensures  not_held: \result == FRAME_NOT_HELD <==>
                 n < frames(tree) && available{Pre}(tree, n);
    ensures  inside_2m: \result == FRAME_INSIDE_2M <==>
                 n < frames(tree) && held_2m{Pre}(tree, n) && n % 512 != 0;
    ensures  inside_1g: \result == FRAME_INSIDE_1G <==>
                 n < frames(tree) && held_1g{Pre}(tree, n) && n % 262144 != 0;
    ensures  out_of_range: \result == FRAME_OUT_OF_RANGE <==>
                 n >= frames(tree);
    ensures  given_4k: \result == FRAME_FREED_4K ==>
                 available(tree, n) &&
                 only_frames_changed{Pre, Post}(tree, n, n + 1);
    ensures  given_2m: \result == FRAME_FREED_2M ==>
                 all_available(tree, n, n + 512) &&
                 only_frames_changed{Pre, Post}(tree, n, n + 512);
    ensures  given_1g: \result == FRAME_FREED_1G ==>
                 all_available(tree, n, n + 262144) &&
                 only_frames_changed{Pre, Post}(tree, n, n + 262144);
    ensures  mistake: \result > FRAME_FREED_1G ==>
                 only_frames_changed{Pre, Post}(tree, 0, 0);
*/
enum frame_freed frame_tree_free(struct frame_tree *tree, uint32_t n);

/* What frame n is; any n. */
/*@ requires valid_tree(tree) && invariant(tree);
    assigns  \nothing;
    ensures  \result == FRAME_AVAILABLE <==>
                 n < frames(tree) && available(tree, n);
    ensures  \result == FRAME_HELD_4K <==>
                 n < frames(tree) && held_4k(tree, n);
    ensures  \result == FRAME_HELD_2M <==>
                 n < frames(tree) && held_2m(tree, n);
    ensures  \result == FRAME_HELD_1G <==>
                 n < frames(tree) && held_1g(tree, n);
    ensures  \result == FRAME_OUTSIDE <==> n >= frames(tree);
*/
enum frame_state frame_tree_state(const struct frame_tree *tree, uint32_t n);

/* Counts what is available, from the top and the middle: at most 1,024 lines
 * are read. */
/*@ requires valid_tree(tree);
    assigns  \nothing;
*/
struct frame_tree_count frame_tree_count(const struct frame_tree *tree);

/* The number of available 4K frames in split 2Ms, exactly.  Slow: reads the
 * whole leaf of each such 2M. */
/*@ requires valid_tree(tree);
    assigns  \nothing;
*/
uint32_t frame_tree_count_4k(const struct frame_tree *tree);

/* Audits every invariant.  If one is broken, returns false and names the first
 * place in `fault`.  Slow: reads all of the tree. */
/*@ requires valid_tree(tree) && \valid(fault) && \separated(tree, fault);
    assigns  *fault;
    ensures  \result <==> invariant{Pre}(tree);
*/
bool frame_tree_check(const struct frame_tree *tree,
                      struct frame_tree_fault *fault);

#endif
