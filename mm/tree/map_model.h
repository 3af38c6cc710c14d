/* What a map of the frame tree is, for the provers only.
 *
 * The proof is done in two goes.  With MAPS_DEFINED a map is what the C says
 * it is, bits in sets, and the functions of mm/tree/maps.h are proved.
 * Without, nothing is known of a map but the facts below, and the tree is
 * proved from the contracts of those functions: provers drown in the bits
 * otherwise.  The facts are lemmas of the first go.
 */
#ifndef MM_TREE_MAP_MODEL_H
#define MM_TREE_MAP_MODEL_H

/* The tree's memory: what an operation may write. */
#define TREE_BITS(t)                                                           \
    (t)->free_1g, (t)->some_2m_in_1g, (t)->some_4k_in_1g,                      \
        (t)->free_2m[0 .. (t)->gib_count - 1],                                 \
        (t)->some_4k_in_2m[0 .. (t)->gib_count - 1],                           \
        (t)->free_4k[0 .. 512 * (t)->gib_count - 1]

/*@ predicate valid_tree{L}(struct frame_tree *t) =
        \valid(t) && 1 <= t->gib_count <= 512 &&
        \valid(t->free_2m + (0 .. t->gib_count - 1)) &&
        \valid(t->some_4k_in_2m + (0 .. t->gib_count - 1)) &&
        \valid(t->free_4k + (0 .. 512 * t->gib_count - 1)) &&
        \separated(t, t->free_2m + (0 .. t->gib_count - 1),
                   t->some_4k_in_2m + (0 .. t->gib_count - 1),
                   t->free_4k + (0 .. 512 * t->gib_count - 1));

    logic integer gibs{L}(struct frame_tree *t) = t->gib_count;
    logic integer frames{L}(struct frame_tree *t) = 262144 * gibs{L}(t);
*/

/* The sets of a map, and its members: 512 for each set. */
/*@ logic integer sets{L}(struct frame_tree *t, integer map) =
        map == FREE_4K ? 512 * gibs{L}(t) :
        map == SOME_4K_IN_2M || map == FREE_2M ? gibs{L}(t) : 1;

    predicate is_set{L}(struct frame_tree *t, integer map, integer s) =
        FREE_4K <= map <= FREE_1G && 0 <= s < sets{L}(t, map);

    predicate is_member{L}(struct frame_tree *t, integer map, integer k) =
        FREE_4K <= map <= FREE_1G && 0 <= k < 512 * sets{L}(t, map);
*/

/*@ logic struct set512 *set_of{L}(struct frame_tree *t, integer map,
                                   integer s) =
        map == FREE_4K ? t->free_4k + s :
        map == SOME_4K_IN_2M ? t->some_4k_in_2m + s :
        map == FREE_2M ? t->free_2m + s :
        map == SOME_4K_IN_1G ? &t->some_4k_in_1g :
        map == SOME_2M_IN_1G ? &t->some_2m_in_1g : &t->free_1g;
*/

#ifdef MAPS_DEFINED
/*@ lemma sets_apart{L}: \forall struct frame_tree *t, integer m, x, map, s;
        valid_tree(t) && is_set(t, m, x) && is_set(t, map, s) &&
        !(m == map && x == s) ==>
            \separated(set_of(t, m, x), set_of(t, map, s));

    predicate in{L}(struct frame_tree *t, integer map, integer k) =
        has{L}(set_of{L}(t, map, k / 512), k % 512);

    lemma split_number: \forall integer s, i;
        0 <= s && 0 <= i < 512 ==>
            (512 * s + i) / 512 == s && (512 * s + i) % 512 == i;

    lemma one_number: \forall integer j, k;
        0 <= j && 0 <= k && j / 512 == k / 512 && j % 512 == k % 512 ==>
            j == k;

    lemma in_at{L}: \forall struct frame_tree *t, integer map, k, s, i;
        k / 512 == s && k % 512 == i ==>
            (in(t, map, k) <==> has(set_of(t, map, s), i));
*/

#ifdef SETS_BY_BITS
#include "proof/map_by_bits.h"
#endif

/*@ predicate full_set{L}(struct frame_tree *t, integer map, integer s) =
        full{L}(set_of{L}(t, map, s));

    predicate empty_set{L}(struct frame_tree *t, integer map, integer s) =
        empty{L}(set_of{L}(t, map, s));

    predicate set_same{L1, L2}(struct frame_tree *t, integer map, integer s) =
        \forall integer i; 0 <= i < 512 ==>
            (has{L1}(set_of{L1}(t, map, s), i) <==>
             has{L2}(set_of{L2}(t, map, s), i));

    lemma same_set_same_ends{L1, L2}: \forall struct frame_tree *t,
        integer map, s; set_same{L1, L2}(t, map, s) ==>
            (full_set{L1}(t, map, s) <==> full_set{L2}(t, map, s)) &&
            (empty_set{L1}(t, map, s) <==> empty_set{L2}(t, map, s));

    predicate other_sets_same{L1, L2}(struct frame_tree *t, integer map,
                                      integer s) =
        \forall integer m, x; is_set{L1}(t, m, x) ==> !(m == map && x == s) ==>
            set_same{L1, L2}(t, m, x);
*/
#else
/*@ axiomatic Maps {
        predicate in{L}(struct frame_tree *t, integer map, integer k)
            reads t->free_1g, t->free_4k[k / 512];
        predicate full_set{L}(struct frame_tree *t, integer map, integer s)
            reads t->free_1g, t->free_4k[s];
        predicate empty_set{L}(struct frame_tree *t, integer map, integer s)
            reads t->free_1g, t->free_4k[s];
        predicate other_sets_same{L1, L2}(struct frame_tree *t, integer map,
                                          integer s)
            reads \at(t->free_4k[s], L1), \at(t->free_4k[s], L2);
    }
*/
#endif

/*@ lemma full_set_has{L}: \forall struct frame_tree *t, integer map, k;
        is_member(t, map, k) && full_set(t, map, k / 512) ==> in(t, map, k);

    lemma empty_set_has_not{L}: \forall struct frame_tree *t, integer map, k;
        is_member(t, map, k) && empty_set(t, map, k / 512) ==> !in(t, map, k);

    lemma all_in_is_full{L}: \forall struct frame_tree *t, integer map, s;
        is_set(t, map, s) &&
        (\forall integer k; 512 * s <= k < 512 * s + 512 ==> in(t, map, k)) ==>
            full_set(t, map, s);

    lemma none_in_is_empty{L}: \forall struct frame_tree *t, integer map, s;
        is_set(t, map, s) &&
        (\forall integer k; 512 * s <= k < 512 * s + 512 ==> !in(t, map, k))
            ==> empty_set(t, map, s);
*/

/*@ predicate only_set_changed{L1, L2}(struct frame_tree *t, integer map,
                                       integer s) =
        \forall integer m, x; is_set{L1}(t, m, x) ==> !(m == map && x == s) ==>
            (full_set{L1}(t, m, x) <==> full_set{L2}(t, m, x)) &&
            (empty_set{L1}(t, m, x) <==> empty_set{L2}(t, m, x));
*/

/* All maps are as before, but for member k of one map, and for whether the set
 * of that member is full or empty. */
/*@ predicate only_member_changed{L1, L2}(struct frame_tree *t, integer map,
                                          integer k) =
        \forall integer m, j; is_member{L1}(t, m, j) ==>
            !(m == map && j == k) ==> (in{L1}(t, m, j) <==> in{L2}(t, m, j));
*/

#endif
