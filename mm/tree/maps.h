/* The maps of a frame tree, each function for all six: part of
 * mm/tree/tree.c, whose other half never sees a bit.
 *
 * Inlined with a constant map, a call leaves the one line that is meant.
 *
 * Compilers skip comments that begin with @.  Above a function, one says what
 * it does; inside, LOOP_* and STEPS_* are the proof's, in proof/maps_steps.h.
 */
#ifndef MM_TREE_MAPS_H
#define MM_TREE_MAPS_H

#include "lib/string.h"
#include "mm/tree/tree.h"

#ifdef __FRAMAC__
#include "proof/maps_steps.h"
#endif

#define MAP_INLINE static inline __attribute__((always_inline))

/*@ requires valid_tree(tree) && is_set(tree, map, s);
    assigns  \result \from tree, map, s;
    ensures  \result == set_of(tree, map, s);
*/
MAP_INLINE struct set512 *tree_set(const struct frame_tree *tree,
                                   enum tree_map map, uint32_t s)
{
    switch (map) {
    case FREE_4K:
        return &tree->free_4k[s];
    case SOME_4K_IN_2M:
        return &tree->some_4k_in_2m[s];
    case FREE_2M:
        return &tree->free_2m[s];
    case SOME_4K_IN_1G:
        return (struct set512 *)&tree->some_4k_in_1g;
    case SOME_2M_IN_1G:
        return (struct set512 *)&tree->some_2m_in_1g;
    default:
        return (struct set512 *)&tree->free_1g;
    }
}

/*@ requires valid_tree(tree) && is_member(tree, map, k);
    assigns  \nothing;
    ensures  \result <==> in(tree, map, k);
*/
MAP_INLINE bool map_has(const struct frame_tree *tree, enum tree_map map,
                        uint32_t k)
{
    return set512_has(tree_set(tree, map, k / SET512_MEMBERS),
                      k % SET512_MEMBERS);
}

/*@ requires valid_tree(tree) && is_set(tree, map, s);
    assigns  \nothing;
    ensures  \result <==> empty_set(tree, map, s);
*/
MAP_INLINE bool map_is_empty(const struct frame_tree *tree, enum tree_map map,
                             uint32_t s)
{
    return set512_is_empty(tree_set(tree, map, s));
}

/*@ requires valid_tree(tree) && is_set(tree, map, s);
    assigns  \nothing;
    ensures  \result <==> full_set(tree, map, s);
*/
MAP_INLINE bool map_is_full(const struct frame_tree *tree, enum tree_map map,
                            uint32_t s)
{
    return set512_is_full(tree_set(tree, map, s));
}

/*@ requires valid_tree(tree) && is_set(tree, map, s);
    requires !empty_set(tree, map, s);
    assigns  \nothing;
    ensures  \result / 512 == s && in(tree, map, \result);
    ensures  \forall integer k; 512 * s <= k < \result ==> !in(tree, map, k);
*/
MAP_INLINE uint32_t map_lowest(const struct frame_tree *tree, enum tree_map map,
                               uint32_t s)
{
    return s * SET512_MEMBERS + set512_lowest(tree_set(tree, map, s));
}

/*@ requires valid_tree(tree) && is_set(tree, map, s);
    requires !empty_set(tree, map, s);
    assigns  \nothing;
    ensures  \result / 512 == s && in(tree, map, \result);
    ensures  \forall integer k; \result < k < 512 * s + 512 ==>
                 !in(tree, map, k);
*/
MAP_INLINE uint32_t map_highest(const struct frame_tree *tree,
                                enum tree_map map, uint32_t s)
{
    return s * SET512_MEMBERS + set512_highest(tree_set(tree, map, s));
}

/*@ requires valid_tree(tree) && is_member(tree, map, k);
    assigns  TREE_BITS(tree);
    ensures  in(tree, map, k) && !empty_set(tree, map, k / 512);
    ensures  only_member_changed{Pre, Post}(tree, map, k);
    ensures  only_set_changed{Pre, Post}(tree, map, k / 512);
    ensures  \result == SET512_FULL <==> full_set(tree, map, k / 512);
    ensures  \result == SET512_FIRST <==>
                 empty_set{Pre}(tree, map, k / 512) &&
                 !full_set(tree, map, k / 512);
    ensures  \result == SET512_GREW <==>
                 !empty_set{Pre}(tree, map, k / 512) &&
                 !full_set(tree, map, k / 512);
    ensures  full_set(tree, map, k / 512) ==>
                 !empty_set{Pre}(tree, map, k / 512);
*/
MAP_INLINE enum set512_growth map_add(struct frame_tree *tree,
                                      enum tree_map map, uint32_t k)
{
    struct set512 *set = tree_set(tree, map, k / SET512_MEMBERS);
    enum set512_growth growth = set512_add(set, k % SET512_MEMBERS);

    //@ STEPS_ONLY_MEMBER(tree, map, k)
    return growth;
}

/*@ requires valid_tree(tree) && is_member(tree, map, k);
    assigns  TREE_BITS(tree);
    ensures  !in(tree, map, k) && !full_set(tree, map, k / 512);
    ensures  only_member_changed{Pre, Post}(tree, map, k);
    ensures  only_set_changed{Pre, Post}(tree, map, k / 512);
    ensures  \result <==> empty_set(tree, map, k / 512);
    ensures  empty_set{Pre}(tree, map, k / 512) ==>
                 empty_set(tree, map, k / 512);
*/
MAP_INLINE bool map_remove(struct frame_tree *tree, enum tree_map map,
                           uint32_t k)
{
    struct set512 *set = tree_set(tree, map, k / SET512_MEMBERS);
    bool now_empty = set512_remove(set, k % SET512_MEMBERS);

    //@ STEPS_ONLY_MEMBER(tree, map, k)
    return now_empty;
}

/* Puts members first to end - 1 in, which are all in one set. */
/*@ requires valid_tree(tree) && is_member(tree, map, first);
    requires first < end <= 512 * (first / 512) + 512;
    assigns  TREE_BITS(tree);
    ensures  \forall integer k; first <= k < end ==> in(tree, map, k);
    ensures  !empty_set(tree, map, first / 512);
    ensures  \forall integer m, k; is_member(tree, m, k) ==>
                 !(m == map && first <= k < end) ==>
                 (in(tree, m, k) <==> in{Pre}(tree, m, k));
    ensures  only_set_changed{Pre, Post}(tree, map, first / 512);
*/
MAP_INLINE void map_add_range(struct frame_tree *tree, enum tree_map map,
                              uint32_t first, uint32_t end)
{
    uint32_t s = first / SET512_MEMBERS, base = s * SET512_MEMBERS;

    set512_add_range(tree_set(tree, map, s), first - base, end - base);
    //@ assert others: other_sets_same{Pre, Here}(tree, map, s);
}

/*@ requires valid_tree(tree) && is_set(tree, map, s);
    assigns  TREE_BITS(tree);
    ensures  full_set(tree, map, s) && !empty_set(tree, map, s);
    ensures  \forall integer m, k; is_member(tree, m, k) ==>
                 !(m == map && k / 512 == s) ==>
                 (in(tree, m, k) <==> in{Pre}(tree, m, k));
    ensures  only_set_changed{Pre, Post}(tree, map, s);
*/
MAP_INLINE void map_fill(struct frame_tree *tree, enum tree_map map, uint32_t s)
{
    set512_fill(tree_set(tree, map, s));
    //@ assert others: other_sets_same{Pre, Here}(tree, map, s);
}

/*@ requires valid_tree(tree) && is_set(tree, map, s);
    assigns  TREE_BITS(tree);
    ensures  empty_set(tree, map, s) && !full_set(tree, map, s);
    ensures  \forall integer m, k; is_member(tree, m, k) ==>
                 !(m == map && k / 512 == s) ==>
                 (in(tree, m, k) <==> in{Pre}(tree, m, k));
    ensures  only_set_changed{Pre, Post}(tree, map, s);
*/
MAP_INLINE void map_clear(struct frame_tree *tree, enum tree_map map,
                          uint32_t s)
{
    set512_clear(tree_set(tree, map, s));
    //@ assert others: other_sets_same{Pre, Here}(tree, map, s);
}

/* Puts all members of the first `count` sets in, which are all the map has. */
/*@ requires valid_tree(tree) && is_set(tree, map, count - 1);
    requires map == FREE_4K && count == 512 * gibs(tree);
    assigns  TREE_BITS(tree);
    ensures  \forall integer s; 0 <= s < count ==> full_set(tree, map, s);
    ensures  \forall integer m, k; is_member(tree, m, k) ==> m != map ==>
                 (in(tree, m, k) <==> in{Pre}(tree, m, k));
    ensures  \forall integer m, s; is_set(tree, m, s) ==> m != map ==>
                 (full_set(tree, m, s) <==> full_set{Pre}(tree, m, s)) &&
                 (empty_set(tree, m, s) <==> empty_set{Pre}(tree, m, s));
*/
MAP_INLINE void map_fill_all(struct frame_tree *tree, enum tree_map map,
                             uint32_t count)
{
#if defined(__FRAMAC__) || SET512_WORD_BITS != 64
    //@ LOOP_FILL_ALL(tree, map, s, count)
    for (uint32_t s = 0; s < count; s++)
        map_fill(tree, map, s);
#else
    /* the same, and the CPU need not read what it writes over */
    memset(tree_set(tree, map, 0), 0xff, count * sizeof(struct set512));
#endif
}

#endif
