/* The steps of the proof of mm/tree/maps.h; how they are written is said in
 * proof/step.h. */
#ifndef PROOF_MAPS_STEPS_H
#define PROOF_MAPS_STEPS_H

#include "proof/step.h"

/* clang-format off */

#define STEPS_ONLY_MEMBER(tree, map, k) ghost {                                \
    STEP(others, other_sets_same{Pre, Here}(tree, map, k / 512))               \
    STEP(same_set, \forall integer j; j / 512 == k / 512 && 0 <= j &&          \
        j != k ==> (in(tree, map, j) <==> in{Pre}(tree, map, j)))              \
}

#define LOOP_FILL_ALL(tree, map, s, count)                                     \
    loop invariant 0 <= s <= count;                                            \
    loop invariant \forall integer x; 0 <= x < s ==>                           \
        full_set(tree, map, x);                                                \
    loop invariant \forall integer m, k; is_member(tree, m, k) ==>             \
        m != map ==> (in(tree, m, k) <==> in{Pre}(tree, m, k));                \
    loop invariant \forall integer m, x; is_set(tree, m, x) ==>                \
        m != map ==>                                                           \
        (full_set(tree, m, x) <==> full_set{Pre}(tree, m, x)) &&               \
        (empty_set(tree, m, x) <==> empty_set{Pre}(tree, m, x));               \
    loop assigns s, TREE_BITS(tree);                                           \
    loop variant count - s;

#endif
