/* The steps of the proof of mm/tree/tree.c, in the order of that file; how
 * they are written is said in proof/step.h. */
#ifndef PROOF_TREE_STEPS_H
#define PROOF_TREE_STEPS_H

#include "proof/step.h"

/* clang-format off */

/* Something of every 4K, 2M, GiB; of every one of GiB g; and of every number
 * of a GiB that a tree may have. */
#define EACH_4K(tree, n, what)                                                 \
    (\forall integer n; 0 <= n < frames(tree) ==> (what))
#define EACH_2M(tree, j, what)                                                 \
    (\forall integer j; 0 <= j < 512 * gibs(tree) ==> (what))
#define EACH_1G(tree, h, what)                                                 \
    (\forall integer h; 0 <= h < gibs(tree) ==> (what))
#define EACH_2M_OF(g, j, what)                                                 \
    (\forall integer j; 512 * (g) <= j < 512 * (g) + 512 ==> (what))

/* ---- The invariant, rule by rule ---- */

#define RULES_2M(tree) STEP(rules_2m, EACH_2M(tree, j, rule_2m(tree, j)))
#define RULES_1G(tree) STEP(rules_1g, EACH_1G(tree, h, rule_1g(tree, h)))

#define RULES_OUTSIDE(tree) STEP(rules_outside, \
    \forall integer h; gibs(tree) <= h < 512 ==> rule_outside(tree, h))

#define STEPS_RULES_1G(tree) ghost { RULES_1G(tree) }

#define STEPS_RULES(tree) ghost {                                              \
    RULES_2M(tree)                                                             \
    RULES_1G(tree)                                                             \
}

/* GiB g first, which is the one that changed. */
#define STEPS_RULES_AT(tree, g) ghost {                                        \
    RULES_2M(tree)                                                             \
    STEP(rule_1g, rule_1g(tree, g))                                            \
    RULES_1G(tree)                                                             \
}

/* ---- Initialisation ---- */

#define LOOP_CLEAR_MIDDLE(tree, g)                                             \
    loop invariant 0 <= g <= gibs(tree);                                       \
    loop invariant top: top_is_clear(tree);                                    \
    loop invariant middle: middle_is_clear(tree, g);                           \
    loop assigns g, TREE_BITS(tree);                                           \
    loop variant tree->gib_count - g;

#define LOOP_CLEAR_LEAVES(tree, i)                                             \
    loop invariant 0 <= i <= 512 * gibs(tree);                                 \
    loop invariant top: top_is_clear(tree);                                    \
    loop invariant middle: middle_is_clear(tree, gibs(tree));                  \
    loop invariant leaves: leaves_are_clear(tree, i);                          \
    loop assigns i, TREE_BITS(tree);                                           \
    loop variant 512 * tree->gib_count - i;

#define STEPS_ALL_CLEAR(tree) ghost {                                          \
    STEP(leaves, leaves_are_clear(tree, 512 * gibs(tree)))                     \
    STEP(numbers, EACH_4K(tree, n,                                             \
        0 <= n / 512 < 512 * gibs(tree) && is_member(tree, FREE_4K, n)))       \
    STEP(bits_2m, EACH_2M(tree, j,                                             \
        is_set(tree, FREE_4K, j) && set_is_clear(tree, FREE_4K, j) &&          \
        !in(tree, FREE_2M, j) && !in(tree, SOME_4K_IN_2M, j)))                 \
    RULES_2M(tree)                                                             \
    RULES_1G(tree)                                                             \
}

#define LOOP_FILL_MIDDLE(tree, g)                                              \
    loop invariant 0 <= g <= gibs(tree);                                       \
    loop invariant top: top_is_clear(tree);                                    \
    loop invariant middle: middle_is_whole(tree, g);                           \
    loop assigns g, TREE_BITS(tree);                                           \
    loop variant tree->gib_count - g;

#define STEPS_ALL_HELD(tree) ghost {                                           \
    STEP(numbers, EACH_4K(tree, n, 0 <= n / 262144 < gibs(tree)))              \
    STEP(bits_2m, EACH_2M(tree, j,                                             \
        is_set(tree, FREE_4K, j) && full_set(tree, FREE_4K, j) &&              \
        0 <= j / 512 < gibs(tree) && is_member(tree, SOME_4K_IN_2M, j) &&      \
        !in(tree, SOME_4K_IN_2M, j)))                                          \
    RULES_2M(tree)                                                             \
    RULES_1G(tree)                                                             \
    STEP(owned, EACH_1G(tree, h, own_1g(tree, h)))                             \
}

/* ---- Taking ---- */

#define STEPS_TAKEN_4K(tree, g) ghost {                                        \
    RULES_2M(tree)                                                             \
    STEP(rule_1g, rule_1g(tree, g))                                            \
    RULES_1G(tree)                                                             \
    STEP(outside, \forall integer h; gibs(tree) <= h < 512 ==>                 \
        rule_outside(tree, h))                                                 \
}

/* ---- Splitting ---- */

#define STEPS_HELD_1G(tree, g) ghost {                                         \
    STEP(full, EACH_2M_OF(g, j, j / 512 == g && in(tree, FREE_2M, j)))         \
    STEP(no_4k, empty_set(tree, SOME_4K_IN_2M, g))                             \
}

/* Another member is left in the set of member k, which is s. */
#define STEPS_REST(tree, map, k, s) ghost {                                    \
    STEP(rest, in(tree, map, k % 512 == 0 ? k + 1 : k - 1))                    \
    STEP(some, !empty_set(tree, map, s))                                       \
}

#define STEPS_SPLIT_2M(tree, i, g) ghost {                                     \
    STEP(rule_2m, rule_2m(tree, i))                                            \
    RULES_2M(tree)                                                             \
    STEP(rule_1g, rule_1g(tree, g))                                            \
    RULES_1G(tree)                                                             \
    RULES_OUTSIDE(tree)                                                        \
    STEP(held_1g, EACH_1G(tree, h,                                             \
        own_1g(tree, h) <==> \at(own_1g(tree, h), Pre)))                       \
    STEP(held_2m, EACH_2M(tree, j, j != i ==>                                  \
        (own_2m(tree, j) <==> \at(own_2m(tree, j), Pre))))                     \
}

#define STEPS_PARTED_2M(tree) ghost {                                          \
    RULES_2M(tree)                                                             \
    RULES_1G(tree)                                                             \
    RULES_OUTSIDE(tree)                                                        \
}

/* ---- Allocation ---- */

#define STEPS_NO_1G(tree) ghost {                                              \
    STEP(none_1g, \forall integer g; 0 <= g < 512 ==> !in(tree, FREE_1G, g))   \
    STEP(no_1g, no_whole_1g(tree))                                             \
}

#define STEPS_HIGHEST_2M(tree, i) ghost {                                      \
    STEP(fragment, i < 512 * gibs(tree) && fragment_2m(tree, i))               \
    STEP(highest, highest_fragment_2m(tree, i))                                \
}

#define STEPS_LOWEST_2M(tree, i) ghost {                                       \
    STEP(fragment, i < 512 * gibs(tree) && fragment_2m(tree, i))               \
    STEP(lowest, lowest_fragment_2m(tree, i))                                  \
}

#define STEPS_LOWEST_4K(tree, n) ghost {                                       \
    STEP(fragment, n < frames(tree) && fragment_4k(tree, n))                   \
    STEP(lowest, lowest_fragment_4k(tree, n))                                  \
}

#define STEPS_LAST_OF_HIGHEST_1G(tree, g, i) ghost {                           \
    STEP(highest, g < gibs(tree) && highest_whole_1g(tree, g))                 \
    STEP(last, i / 512 == g && i % 512 == 511)                                 \
}

/* ---- Freeing ---- */

#define STEPS_PUT_2M(tree, i, g) ghost {                                       \
    RULES_2M(tree)                                                             \
    RULES_1G(tree)                                                             \
    STEP(invariant, invariant(tree))                                           \
    STEP(bit, in(tree, FREE_2M, i) && !own_1g(tree, g))                        \
}

#define STEPS_LEAF_IS_FULL(tree, g) ghost {                                    \
    RULES_2M(tree)                                                             \
    STEP(rule_1g, rule_1g(tree, g))                                            \
    RULES_1G(tree)                                                             \
    STEP(unchanged, only_frames_changed{Pre, Here}(tree, 0, 0))                \
}

/* 2M i may break its rule; neither it nor its GiB is held as a whole. */
#define STEPS_BUT_2M(tree, i) ghost {                                          \
    STEP(above, invariant_but_2m(tree, i) && !in(tree, FREE_2M, i))            \
    STEP(gib, !own_1g(tree, i / 512) && !own_1g{Pre}(tree, i / 512))           \
}

/* What 2M i has beside the frames first to end - 1 was available before. */
#define STEPS_OTHERS_AVAILABLE(tree, i, first, end) ghost {                    \
    STEP(rest, \forall integer m; 512 * i <= m < 512 * i + 512 ==>             \
        !(first <= m < end) ==> available{Pre}(tree, m))                       \
}

/* ---- Parting ---- */

#define STEPS_PART_1G(tree, g) ghost {                                         \
    STEP(full, EACH_2M_OF(g, j, j / 512 == g && in(tree, FREE_2M, j) &&        \
        full_set(tree, FREE_4K, j) && !in(tree, SOME_4K_IN_2M, j)))            \
    STEP(no_4k, empty_set(tree, SOME_4K_IN_2M, g))                             \
}

#define STEPS_PARTED_1G(tree, g) ghost {                                       \
    STEP(owned, EACH_2M_OF(g, j, j / 512 == g && own_2m(tree, j)))             \
    STEP(not_full, !full_set(tree, FREE_2M, g))                                \
    RULES_2M(tree)                                                             \
    STEP(rule_1g, rule_1g(tree, g))                                            \
    RULES_1G(tree)                                                             \
    STEP(numbers, \forall integer n; 262144 * g <= n < 262144 * g + 262144 ==> \
        512 * g <= n / 512 < 512 * g + 512)                                    \
}

/* ---- Giving ranges ---- */

#define LOOP_FILL_LEAVES(tree, g, i)                                           \
    loop invariant 512 * g <= i <= 512 * g + 512;                              \
    loop invariant filled: \forall integer j; 512 * g <= j < i ==>             \
        full_set(tree, FREE_4K, j);                                            \
    loop invariant others: only_leaves_changed{Pre, Here}(tree, g);            \
    loop assigns i, TREE_BITS(tree);                                           \
    loop variant 512 * g + 512 - i;

#define STEPS_GIVEN_1G(tree, g) ghost {                                        \
    STEP(inside, EACH_2M_OF(g, j, j / 512 == g && rule_2m(tree, j)))           \
    STEP(others_4k, EACH_4K(tree, n, n / 262144 != g ==>                       \
        (held_4k(tree, n) <==> held_4k{Pre}(tree, n))))                        \
    STEP(others_2m, EACH_2M(tree, j, j / 512 != g ==>                          \
        (own_2m(tree, j) <==> own_2m{Pre}(tree, j))))                          \
    STEP(others_1g, EACH_1G(tree, h, h != g ==>                                \
        (own_1g(tree, h) <==> own_1g{Pre}(tree, h))))                          \
    RULES_2M(tree)                                                             \
    RULES_1G(tree)                                                             \
    STEP(invariant, invariant(tree))                                           \
}

#define LOOP_GIVE(tree, first, next, end)                                      \
    loop invariant \at(first, Pre) <= first <= end;                            \
    loop invariant invariant: invariant(tree);                                 \
    loop invariant given: all_available(tree, \at(first, Pre), first);         \
    loop invariant others:                                                     \
        only_frames_changed{Pre, Here}(tree, \at(first, Pre), first);          \
    loop invariant rest: \forall integer n; first <= n < end ==>               \
        !held_2m(tree, n) && !held_1g(tree, n);                                \
    loop assigns first, next, TREE_BITS(tree);                                 \
    loop variant end - first;

/* No 2M of the GiB that begins with frame `first` is held as a whole. */
#define STEPS_NONE_HELD(tree, first, end) ghost {                              \
    STEP(first, 512 * (first / 512) == first &&                                \
        512 * (first / 262144) == first / 512)                                 \
    STEP(inside, \forall integer i; first / 512 <= i < first / 512 + 512 ==>   \
        (512 * i) / 512 == i && first <= 512 * i < end)                        \
    STEP(none_held, \forall integer i;                                         \
        first / 512 <= i < first / 512 + 512 ==> !held_2m(tree, 512 * i))      \
    STEP(none_owned, \forall integer i;                                        \
        first / 512 <= i < first / 512 + 512 ==> !own_2m(tree, i))             \
}

#define STEPS_GIVEN(tree, first, next) ghost {                                 \
    STEP(step, only_frames_changed{LoopCurrent, Here}(tree, first, next))      \
    STEP(step_given, all_available(tree, first, next))                         \
}

/* ---- Counting and checking ---- */

#define LOOP_COUNT_1G(tree, g, count)                                          \
    loop invariant 0 <= g <= tree->gib_count;                                  \
    loop assigns g, count;                                                     \
    loop variant tree->gib_count - g;

#define LOOP_COUNT_2M(tree, i, count)                                          \
    loop invariant 0 <= i <= 512 * tree->gib_count;                            \
    loop assigns i, count;                                                     \
    loop variant 512 * tree->gib_count - i;

#define LOOP_CHECK_2M(tree, i, rule)                                           \
    loop invariant 0 <= i <= 512 * gibs(tree);                                 \
    loop invariant \forall integer j; 0 <= j < i ==> rule_2m(tree, j);         \
    loop assigns i, rule;                                                      \
    loop variant 512 * tree->gib_count - i;

#define LOOP_CHECK_1G(tree, g, rule)                                           \
    loop invariant 0 <= g <= gibs(tree);                                       \
    loop invariant \forall integer h; 0 <= h < g ==> rule_1g(tree, h);         \
    loop assigns g, rule;                                                      \
    loop variant tree->gib_count - g;

#define LOOP_CHECK_OUTSIDE(tree, g, rule)                                      \
    loop invariant gibs(tree) <= g <= 512;                                     \
    loop invariant \forall integer h; gibs(tree) <= h < g ==>                  \
        rule_outside(tree, h);                                                 \
    loop assigns g, rule;                                                      \
    loop variant 512 - g;

#endif
