/* What the contracts of the frame tree speak of: the state of a frame, and the
 * invariant that makes the maps tell it.  For the provers only; the compilers
 * never see this file.
 */
#ifndef MM_TREE_MODEL_H
#define MM_TREE_MODEL_H

#include "mm/tree/map_model.h"

/* The invariant: a summary is exactly what the level below says. */
/*@ predicate rule_2m{L}(struct frame_tree *t, integer i) =
        full_set{L}(t, FREE_4K, i)
            ? !in{L}(t, SOME_4K_IN_2M, i)
            : !in{L}(t, FREE_2M, i) &&
              (in{L}(t, SOME_4K_IN_2M, i) <==> !empty_set{L}(t, FREE_4K, i));

    predicate rule_1g{L}(struct frame_tree *t, integer g) =
        full_set{L}(t, FREE_2M, g)
            ? !in{L}(t, SOME_2M_IN_1G, g) && !in{L}(t, SOME_4K_IN_1G, g)
            : !in{L}(t, FREE_1G, g) &&
              (in{L}(t, SOME_2M_IN_1G, g) <==> !empty_set{L}(t, FREE_2M, g)) &&
              (in{L}(t, SOME_4K_IN_1G, g) <==>
                   !empty_set{L}(t, SOME_4K_IN_2M, g));

    predicate rule_outside{L}(struct frame_tree *t, integer g) =
        !in{L}(t, FREE_1G, g) && !in{L}(t, SOME_2M_IN_1G, g) &&
        !in{L}(t, SOME_4K_IN_1G, g);

    predicate invariant{L}(struct frame_tree *t) =
        (\forall integer i; 0 <= i < 512 * gibs{L}(t) ==> rule_2m{L}(t, i)) &&
        (\forall integer g; 0 <= g < gibs{L}(t) ==> rule_1g{L}(t, g)) &&
        (\forall integer g; gibs{L}(t) <= g < 512 ==> rule_outside{L}(t, g));

    predicate invariant_but_2m{L}(struct frame_tree *t, integer but) =
        (\forall integer i; 0 <= i < 512 * gibs{L}(t) ==> i != but ==>
             rule_2m{L}(t, i)) &&
        (\forall integer g; 0 <= g < gibs{L}(t) ==> rule_1g{L}(t, g)) &&
        (\forall integer g; gibs{L}(t) <= g < 512 ==> rule_outside{L}(t, g));
*/

/* Steps of an initialisation and of seeding a GiB. */
/*@ predicate set_is_clear{L}(struct frame_tree *t, integer map, integer s) =
        empty_set{L}(t, map, s) && !full_set{L}(t, map, s);

    predicate top_is_clear{L}(struct frame_tree *t) =
        set_is_clear{L}(t, FREE_1G, 0) && set_is_clear{L}(t, SOME_2M_IN_1G, 0)
        && set_is_clear{L}(t, SOME_4K_IN_1G, 0);

    predicate middle_is_clear{L}(struct frame_tree *t, integer end) =
        \forall integer g; 0 <= g < end ==>
            set_is_clear{L}(t, FREE_2M, g) &&
            set_is_clear{L}(t, SOME_4K_IN_2M, g);

    predicate middle_is_whole{L}(struct frame_tree *t, integer end) =
        \forall integer g; 0 <= g < end ==>
            full_set{L}(t, FREE_2M, g) && set_is_clear{L}(t, SOME_4K_IN_2M, g);

    predicate leaves_are_clear{L}(struct frame_tree *t, integer end) =
        \forall integer i; 0 <= i < end ==> set_is_clear{L}(t, FREE_4K, i);

    predicate only_leaves_changed{L1, L2}(struct frame_tree *t, integer g) =
        (\forall integer m, k; is_member{L1}(t, m, k) ==>
             !(m == FREE_4K && k / 262144 == g) ==>
             (in{L1}(t, m, k) <==> in{L2}(t, m, k))) &&
        (\forall integer m, x; is_set{L1}(t, m, x) ==>
             !(m == FREE_4K && x / 512 == g) ==>
             (full_set{L1}(t, m, x) <==> full_set{L2}(t, m, x)) &&
             (empty_set{L1}(t, m, x) <==> empty_set{L2}(t, m, x)));
*/

/* What a 4K frame is.  By the invariant exactly one of the four holds: the
 * lemma after them. */
/*@ predicate own_1g{L}(struct frame_tree *t, integer g) =
        full_set{L}(t, FREE_2M, g) && !in{L}(t, FREE_1G, g);

    predicate own_2m{L}(struct frame_tree *t, integer i) =
        full_set{L}(t, FREE_4K, i) && !in{L}(t, FREE_2M, i);

    predicate held_1g{L}(struct frame_tree *t, integer n) =
        own_1g{L}(t, n / 262144);

    predicate held_2m{L}(struct frame_tree *t, integer n) =
        own_2m{L}(t, n / 512);

    predicate held_4k{L}(struct frame_tree *t, integer n) =
        !in{L}(t, FREE_4K, n);

    predicate available{L}(struct frame_tree *t, integer n) =
        !held_1g{L}(t, n) && !held_2m{L}(t, n) && !held_4k{L}(t, n);

    predicate same_state{L1, L2}(struct frame_tree *t, integer n) =
        (held_1g{L1}(t, n) <==> held_1g{L2}(t, n)) &&
        (held_2m{L1}(t, n) <==> held_2m{L2}(t, n)) &&
        (held_4k{L1}(t, n) <==> held_4k{L2}(t, n));

    lemma one_state{L}: \forall struct frame_tree *t, integer n;
        invariant(t) && gibs(t) <= 512 && 0 <= n < frames(t) ==>
            !(held_1g(t, n) && held_2m(t, n)) &&
            !(held_1g(t, n) && held_4k(t, n)) &&
            !(held_2m(t, n) && held_4k(t, n));
*/

/* Blocks, by the state of their frames alone. */
/*@ predicate only_frames_changed{L1, L2}(struct frame_tree *t, integer first,
                                          integer end) =
        \forall integer n; 0 <= n < frames{L1}(t) ==> !(first <= n < end) ==>
            same_state{L1, L2}(t, n);

    predicate all_available{L}(struct frame_tree *t, integer first,
                               integer end) =
        \forall integer n; first <= n < end ==> available{L}(t, n);

    predicate all_held_2m{L}(struct frame_tree *t, integer first,
                             integer end) =
        \forall integer n; first <= n < end ==> held_2m{L}(t, n);

    predicate all_held_1g{L}(struct frame_tree *t, integer first,
                             integer end) =
        \forall integer n; first <= n < end ==> held_1g{L}(t, n);

    predicate whole_2m{L}(struct frame_tree *t, integer i) =
        all_available{L}(t, 512 * i, 512 * i + 512);

    predicate whole_1g{L}(struct frame_tree *t, integer g) =
        all_available{L}(t, 262144 * g, 262144 * g + 262144);

    // Available, and its 2M is not so as a whole.
    predicate fragment_4k{L}(struct frame_tree *t, integer n) =
        available{L}(t, n) && !whole_2m{L}(t, n / 512);

    // Available as a whole, and its GiB is not.
    predicate fragment_2m{L}(struct frame_tree *t, integer i) =
        whole_2m{L}(t, i) && !whole_1g{L}(t, i / 512);
*/

/* The tree answers these questions with single bits.  Merging is in the first
 * two: however its frames came to be available, a block all of which is
 * available is found as a whole. */
/*@ lemma gib_of_frame: \forall integer n; 0 <= n ==>
        n / 512 / 512 == n / 262144;

    lemma whole_2m_is_full{L}: \forall struct frame_tree *t, integer i;
        0 <= i < 512 * gibs(t) && whole_2m(t, i) ==> full_set(t, FREE_4K, i);

    lemma block_2m: \forall integer i, n;
        0 <= i && 512 * i <= n < 512 * i + 512 ==>
            n / 512 == i && n / 262144 == i / 512;

    lemma block_1g: \forall integer g, n;
        0 <= g && 262144 * g <= n < 262144 * g + 262144 ==>
            n / 262144 == g && 512 * g <= n / 512 < 512 * g + 512;

    lemma first_of_whole_2m{L}: \forall struct frame_tree *t, integer i;
        0 <= i && whole_2m(t, i) ==>
            (512 * i) / 512 == i && (512 * i) / 262144 == i / 512 &&
            available(t, 512 * i);

    lemma whole_2m_has_bit{L}: \forall struct frame_tree *t, integer i;
        invariant(t) && 0 <= i < 512 * gibs(t) && whole_2m(t, i) ==>
            in(t, FREE_2M, i) && !own_1g(t, i / 512);

    lemma bit_has_whole_2m{L}: \forall struct frame_tree *t, integer i;
        invariant(t) && 0 <= i < 512 * gibs(t) &&
        in(t, FREE_2M, i) && !own_1g(t, i / 512) ==> whole_2m(t, i);

    lemma whole_1g_has_whole_2m{L}: \forall struct frame_tree *t, integer g, i;
        whole_1g(t, g) && 512 * g <= i < 512 * g + 512 ==> whole_2m(t, i);

    lemma whole_1g_is_full{L}: \forall struct frame_tree *t, integer g;
        invariant(t) && 0 <= g < gibs(t) && whole_1g(t, g) ==>
            full_set(t, FREE_2M, g);

    lemma first_of_whole_1g{L}: \forall struct frame_tree *t, integer g;
        0 <= g && whole_1g(t, g) ==>
            (262144 * g) / 262144 == g && available(t, 262144 * g);

    lemma whole_1g_has_bit{L}: \forall struct frame_tree *t, integer g;
        invariant(t) && 0 <= g < gibs(t) && whole_1g(t, g) ==>
            in(t, FREE_1G, g);

    lemma bit_has_whole_1g{L}: \forall struct frame_tree *t, integer g;
        invariant(t) && 0 <= g < gibs(t) && in(t, FREE_1G, g) ==>
            whole_1g(t, g);

    lemma fragment_4k_is_bits{L}: \forall struct frame_tree *t, integer n;
        invariant(t) && 0 <= n < frames(t) ==>
            (fragment_4k(t, n) <==>
             in(t, FREE_4K, n) && in(t, SOME_4K_IN_2M, n / 512));

    lemma fragment_2m_is_bits{L}: \forall struct frame_tree *t, integer i;
        invariant(t) && 0 <= i < 512 * gibs(t) ==>
            (fragment_2m(t, i) <==>
             in(t, FREE_2M, i) && !full_set(t, FREE_2M, i / 512));
*/

/* Where an allocation is placed. */
/*@ predicate no_fragment_4k{L}(struct frame_tree *t) =
        \forall integer n; 0 <= n < frames{L}(t) ==> !fragment_4k{L}(t, n);

    predicate no_fragment_2m{L}(struct frame_tree *t) =
        \forall integer i; 0 <= i < 512 * gibs{L}(t) ==> !fragment_2m{L}(t, i);

    predicate no_whole_1g{L}(struct frame_tree *t) =
        \forall integer g; 0 <= g < gibs{L}(t) ==> !whole_1g{L}(t, g);

    predicate lowest_fragment_4k{L}(struct frame_tree *t, integer n) =
        fragment_4k{L}(t, n) &&
        (\forall integer m; 0 <= m < n ==> !fragment_4k{L}(t, m));

    predicate lowest_fragment_2m{L}(struct frame_tree *t, integer i) =
        fragment_2m{L}(t, i) &&
        (\forall integer j; 0 <= j < i ==> !fragment_2m{L}(t, j));

    predicate highest_fragment_2m{L}(struct frame_tree *t, integer i) =
        fragment_2m{L}(t, i) &&
        (\forall integer j; i < j < 512 * gibs{L}(t) ==> !fragment_2m{L}(t, j));

    predicate lowest_whole_1g{L}(struct frame_tree *t, integer g) =
        whole_1g{L}(t, g) &&
        (\forall integer h; 0 <= h < g ==> !whole_1g{L}(t, h));

    predicate highest_whole_1g{L}(struct frame_tree *t, integer g) =
        whole_1g{L}(t, g) &&
        (\forall integer h; g < h < gibs{L}(t) ==> !whole_1g{L}(t, h));

    predicate place_4k{L}(struct frame_tree *t, integer n) =
        lowest_fragment_4k{L}(t, n) ||
        (no_fragment_4k{L}(t) && n % 512 == 0 &&
         lowest_fragment_2m{L}(t, n / 512)) ||
        (no_fragment_4k{L}(t) && no_fragment_2m{L}(t) && n % 262144 == 0 &&
         lowest_whole_1g{L}(t, n / 262144));

    predicate place_2m{L}(struct frame_tree *t, integer n) =
        n % 512 == 0 &&
        (highest_fragment_2m{L}(t, n / 512) ||
         (no_fragment_2m{L}(t) && n / 512 % 512 == 511 &&
          highest_whole_1g{L}(t, n / 262144)));

    predicate place_1g{L}(struct frame_tree *t, integer n) =
        n % 262144 == 0 && highest_whole_1g{L}(t, n / 262144);
*/

/* From a summary down to what it promises, and from a block up to the summary
 * that finds it. */
/*@ lemma some_4k_in_1g_down{L}: \forall struct frame_tree *t, integer g;
        invariant(t) && 0 <= g < 512 && in(t, SOME_4K_IN_1G, g) ==>
            g < gibs(t) && !full_set(t, FREE_2M, g) &&
            !empty_set(t, SOME_4K_IN_2M, g);

    lemma some_4k_in_2m_down{L}: \forall struct frame_tree *t, integer i;
        invariant(t) && 0 <= i < 512 * gibs(t) && in(t, SOME_4K_IN_2M, i) ==>
            !full_set(t, FREE_4K, i) && !empty_set(t, FREE_4K, i);

    lemma some_2m_in_1g_down{L}: \forall struct frame_tree *t, integer g;
        invariant(t) && 0 <= g < 512 && in(t, SOME_2M_IN_1G, g) ==>
            g < gibs(t) && !full_set(t, FREE_2M, g) &&
            !empty_set(t, FREE_2M, g);

    lemma free_1g_down{L}: \forall struct frame_tree *t, integer g;
        invariant(t) && 0 <= g < 512 && in(t, FREE_1G, g) ==>
            g < gibs(t) && full_set(t, FREE_2M, g);

    lemma fragment_4k_up{L}: \forall struct frame_tree *t, integer n;
        invariant(t) && gibs(t) <= 512 && 0 <= n < frames(t) &&
        fragment_4k(t, n) ==> in(t, SOME_4K_IN_1G, n / 262144);

    lemma fragment_2m_up{L}: \forall struct frame_tree *t, integer i;
        invariant(t) && gibs(t) <= 512 && 0 <= i < 512 * gibs(t) &&
        fragment_2m(t, i) ==> in(t, SOME_2M_IN_1G, i / 512);

    lemma available_is_somewhere{L}: \forall struct frame_tree *t, integer n;
        0 <= n < frames(t) && available(t, n) ==>
            fragment_4k(t, n) || fragment_2m(t, n / 512) ||
            whole_1g(t, n / 262144);
*/

#endif
