/* The steps of the proof of mm/map/memory_map.c, in the order of that file;
 * how they are written is said in proof/step.h. */
#ifndef PROOF_MEMORY_MAP_STEPS_H
#define PROOF_MEMORY_MAP_STEPS_H

#include "proof/step.h"

/* clang-format off */

/* Range i is that, or the same as range j of another map or another time. */
#define RANGE_IS(map, i, first, last, kind)                                    \
    (range_start(map, i) == first && range_end(map, i) == last &&              \
     range_type(map, i) == kind)
#define RANGE_SAME(map, i, other, j)                                           \
    (range_start(map, i) == range_start(other, j) &&                           \
     range_end(map, i) == range_end(other, j) &&                               \
     range_type(map, i) == range_type(other, j))

/* ---- Laying ranges ---- */

#define STEPS_BEFORE_PUSH(first, kind) ghost {                                 \
    STEP(before, 0 < laid.count ==>                                            \
        range_end(&laid, laid.count - 1) != first ||                           \
        range_type(&laid, laid.count - 1) != kind)                             \
    STEP(ascending, \forall integer i; 0 <= i < laid.count - 1 ==>             \
        range_end(&laid, i) <= range_start(&laid, laid.count - 1) <            \
        range_end(&laid, laid.count - 1))                                      \
}

#define APART(i, j)                                                            \
    (range_end(&laid, i) <= range_start(&laid, j) &&                           \
     (range_end(&laid, i) == range_start(&laid, j) ==>                         \
          range_type(&laid, i) != range_type(&laid, j)))

#define STEPS_PUSHED(first, last, kind) ghost {                                \
    STEP(same, same_start{Pre, Here}(&laid, laid.count - 1))                   \
    STEP(last, RANGE_IS(&laid, laid.count - 1, first, last, kind))             \
    STEP(apart_before, \forall integer i, j; 0 <= i < j < laid.count - 1 ==>   \
        APART(i, j))                                                           \
    STEP(apart_last, \forall integer i; 0 <= i < laid.count - 1 ==>            \
        APART(i, laid.count - 1))                                              \
    STEP(apart, \forall integer i, j; 0 <= i < j < laid.count ==> APART(i, j)) \
}

#define STEPS_JOINS(start, type) ghost {                                       \
    STEP(joins, range_end(&laid, laid.count - 1) == start &&                   \
        range_type(&laid, laid.count - 1) == type)                             \
}

#define LOOP_LAY(map, new, i, seen)                                            \
    loop invariant 0 <= i <= map->count;                                       \
    loop invariant seen: seen == (i == 0 ? 0 : range_end(map, i - 1));         \
    loop invariant good: good_map(&laid) && laid.limit == map->limit;          \
    loop invariant kept: same_map{Pre, Here}(map, map);                        \
    loop invariant last: ends_by(&laid, seen);                                 \
    loop invariant laid: \forall integer a, t;                                 \
        is_type(&laid, a, t) <==>                                              \
        a < seen && overlaid{Pre}(map, new, a, t);                             \
    loop assigns i, seen, laid.count, laid.range[0 .. 511];                    \
    loop variant map->count - i;

/* What the map said from `seen` to the end of range i. */
#define STEPS_LAY_NEXT(map, new, i, seen) ghost {                              \
    STEP(sorted, seen <= range_start(map, i) < range_end(map, i))              \
    STEP(before, \forall integer k; 0 <= k < i ==> range_end(map, k) <= seen)  \
    STEP(past, \forall integer k; i < k < map->count ==>                       \
        range_end(map, i) <= range_start(map, k))                              \
    STEP(here, \forall integer a, t; seen <= a < range_end(map, i) ==>         \
        (is_type{Pre}(map, a, t) <==>                                          \
         range_start(map, i) <= a && t == range_type(map, i)))                 \
    STEP(here_inside, \forall integer a, t; seen <= a < range_end(map, i) ==>  \
        (overlaid_inside{Pre}(map, new.type, a, t) <==>                        \
         t == (range_start(map, i) <= a && range_type(map, i) > new.type       \
                   ? range_type(map, i) : new.type)))                          \
    STEP(pieces, \forall integer a, t;                                         \
        pieces(map->range[i], new, seen, a, t) <==>                            \
        seen <= a < range_end(map, i) && overlaid{Pre}(map, new, a, t))        \
}

#define STEPS_LAID_NEXT(map) ghost {                                           \
    STEP(step, same_map{LoopCurrent, Here}(map, map))                          \
    STEP(kept, same_map{Pre, Here}(map, map))                                  \
    STEP(good, good_map(&laid) && laid.limit == map->limit)                    \
}

/* The map said nothing from `seen` on. */
#define STEPS_LAY_REST(map, new, seen) ghost {                                 \
    STEP(all, \forall integer k; 0 <= k < map->count ==>                       \
        range_end(map, k) <= seen)                                             \
    STEP(rest, \forall integer a, t; seen <= a ==>                             \
        !is_type{Pre}(map, a, t) && !is_memory{Pre}(map, a))                   \
    STEP(rest_inside, \forall integer a, t; seen <= a ==>                      \
        (overlaid_inside{Pre}(map, new.type, a, t) <==> t == new.type))        \
}

/* ---- Replacing the map ---- */

#define LOOP_REPLACE(map, i)                                                   \
    loop invariant 0 <= i <= laid.count;                                       \
    loop invariant copied: \forall integer k; 0 <= k < i ==>                   \
        RANGE_SAME(map, k, &laid, k);                                          \
    loop assigns i, map->range[0 .. 511];                                      \
    loop variant laid.count - i;

#define STEPS_COPIED(map, i) ghost {                                           \
    STEP(before, \forall integer k; 0 <= k < i ==>                             \
        RANGE_SAME(map, k, &laid, k))                                          \
    STEP(copy, RANGE_SAME(map, i, &laid, i))                                   \
}

/* ---- Searching ---- */

#define LOOP_FIRST_PAST(map, address, low, high)                               \
    loop invariant 0 <= low <= high <= map->count;                             \
    loop invariant \forall integer i; 0 <= i < low ==>                         \
        range_end(map, i) <= address;                                          \
    loop invariant \forall integer i; high <= i < map->count ==>               \
        address < range_end(map, i);                                           \
    loop assigns low, high;                                                    \
    loop variant high - low;

#define STEPS_SORTED_AROUND(map, middle) ghost {                               \
    STEP(below, \forall integer i; 0 <= i < middle ==>                         \
        range_end(map, i) <= range_start(map, middle) <                        \
        range_end(map, middle))                                                \
    STEP(above, \forall integer i; middle < i < map->count ==>                 \
        range_end(map, middle) <= range_start(map, i) < range_end(map, i))     \
}

#define LOOP_RAISE(map, span, next, error)                                     \
    loop invariant span.start <= next <= span.end;                             \
    loop invariant good: good_map(map) && map->limit == \at(map->limit, Pre);  \
    loop assigns next, error, *map, laid;                                      \
    loop variant span.end - next;

/* ---- Adding up and checking ---- */

#define LOOP_BYTES(map, i, bytes)                                              \
    loop invariant 0 <= i <= map->count;                                       \
    loop invariant bytes <= (i == 0 ? 0 : range_end(map, i - 1));              \
    loop assigns i, bytes;                                                     \
    loop variant map->count - i;

#define STEPS_RANGE(map, i) ghost {                                            \
    STEP(sorted, 0 < i ==> range_end(map, i - 1) <= range_start(map, i))       \
    STEP(below, range_start(map, i) < range_end(map, i) <= map->limit)         \
}

#define LOOP_CHECK(map, i)                                                     \
    loop invariant 0 <= i <= map->count;                                       \
    loop invariant good: \forall integer k; 0 <= k < i ==>                     \
        range_start(map, k) < range_end(map, k) <= map->limit &&               \
        range_start(map, k) % 4096 == 0 &&                                     \
        range_end(map, k) % 4096 == 0 &&                                       \
        range_type(map, k) <= MEMORY_BAD;                                      \
    loop invariant apart: \forall integer j, k; 0 <= j < k < i ==>             \
        range_end(map, j) <= range_start(map, k) &&                            \
        (range_end(map, j) == range_start(map, k) ==>                          \
             range_type(map, j) != range_type(map, k));                        \
    loop assigns i;                                                            \
    loop variant map->count - i;

#define STEPS_CHECKED(map, i) ghost {                                          \
    STEP(before, \forall integer j; 0 <= j < i - 1 ==>                         \
        range_end(map, j) <= range_start(map, i - 1) <                         \
        range_end(map, i - 1) <= range_start(map, i))                          \
}

#endif
