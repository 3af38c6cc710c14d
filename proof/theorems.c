/* Theorems about the frame tree, each stated as a function that any caller
 * could be, and proved from nothing but the contracts of mm/tree/tree.h. */
#include "mm/tree/tree.h"

/*@ logic integer frames_of(integer size) =
        size == FRAME_4K ? 1 : size == FRAME_2M ? 512 : 262144;

    predicate none_available{L}(struct frame_tree *t, integer first,
                                integer end) =
        \forall integer n; first <= n < end ==> !available{L}(t, n);
*/

/*@ requires valid_tree(tree) && invariant(tree);
    requires FRAME_4K <= size <= FRAME_1G;
    assigns  TREE_BITS(tree);
    ensures  invariant(tree);
    ensures  \result == FRAME_NONE ==>
                 only_frames_changed{Pre, Post}(tree, 0, 0);
    ensures  \result != FRAME_NONE ==>
                 \result + frames_of(size) <= frames(tree) &&
                 all_available{Pre}(tree, \result, \result + frames_of(size)) &&
                 none_available(tree, \result, \result + frames_of(size)) &&
                 only_frames_changed{Pre, Post}(tree, \result,
                                                \result + frames_of(size));
    ensures  \result != FRAME_NONE && size == FRAME_4K ==>
                 held_4k(tree, \result);
    ensures  \result != FRAME_NONE && size == FRAME_2M ==>
                 held_2m(tree, \result) && \result % 512 == 0;
    ensures  \result != FRAME_NONE && size == FRAME_1G ==>
                 held_1g(tree, \result) && \result % 262144 == 0;
*/
static uint32_t allocate(struct frame_tree *tree, enum frame_size size)
{
    uint32_t n;

    if (size == FRAME_4K) {
        n = frame_tree_alloc_4k(tree);
        //@ assert n != FRAME_NONE ==> none_available(tree, n, n + 1);
    } else if (size == FRAME_2M) {
        n = frame_tree_alloc_2m(tree);
        //@ assert n != FRAME_NONE ==> none_available(tree, n, n + 512);
    } else {
        n = frame_tree_alloc_1g(tree);
        //@ assert n != FRAME_NONE ==> none_available(tree, n, n + 262144);
    }
    return n;
}

/* Whatever is allocated in between, as long as nothing is freed. */
/*@ requires valid_tree(tree) && invariant(tree);
    requires FRAME_4K <= size_a <= FRAME_1G && FRAME_4K <= size_b <= FRAME_1G;
    assigns  TREE_BITS(tree);
*/
void two_allocations_never_overlap(struct frame_tree *tree,
                                   enum frame_size size_a, unsigned in_between,
                                   enum frame_size size_b)
{
    uint32_t a = allocate(tree, size_a);

    if (a == FRAME_NONE)
        return;
    /*@ loop invariant invariant(tree);
        loop invariant none_available(tree, a, a + frames_of(size_a));
        loop assigns in_between, TREE_BITS(tree);
        loop variant in_between; */
    for (; in_between > 0; in_between--)
        allocate(tree, (enum frame_size)(in_between / 7 % 3));

    //@ ghost Last:;
    uint32_t b = allocate(tree, size_b);

    if (b == FRAME_NONE)
        return;
    //@ assert b_is_not_in_a: a <= b ==> a + frames_of(size_a) <= b;
    //@ assert a_is_not_in_b: b <= a ==> b + frames_of(size_b) <= a;
}

/*@ requires valid_tree(tree) && invariant(tree);
    requires FRAME_4K <= size <= FRAME_1G;
    assigns  TREE_BITS(tree);
    ensures  only_frames_changed{Pre, Post}(tree, 0, 0);
*/
void free_undoes_allocate(struct frame_tree *tree, enum frame_size size)
{
    uint32_t n = allocate(tree, size);

    if (n == FRAME_NONE)
        return;
    //@ ghost Held:;
    enum frame_freed freed = frame_tree_free(tree, n);

    //@ assert size_is_told: freed == FRAME_FREED_4K + size;
    //@ assert given: all_available(tree, n, n + frames_of(size));
    /*@ assert others: only_frames_changed{Held, Here}(tree, n,
                                                       n + frames_of(size)); */
}

/* After any free, a 2M or GiB all of whose frames are available is available
 * as a whole. */
/*@ requires valid_tree(tree) && invariant(tree);
    assigns  TREE_BITS(tree);
*/
void freed_frames_merge(struct frame_tree *tree, uint32_t n)
{
    frame_tree_free(tree, n);
    /*@ assert whole_2m: \forall integer i; 0 <= i < 512 * gibs(tree) ==>
            whole_2m(tree, i) ==>
            in(tree, FREE_1G, i / 512) || in(tree, FREE_2M, i); */
    /*@ assert whole_1g: \forall integer g; 0 <= g < gibs(tree) ==>
            whole_1g(tree, g) ==> in(tree, FREE_1G, g); */

    //@ ghost Freed:;
    uint32_t found = frame_tree_alloc_1g(tree);

    /*@ assert found: (\exists integer g; 0 <= g < gibs(tree) &&
            whole_1g{Freed}(tree, g)) ==> found != FRAME_NONE; */
}

struct frame_range {
    uint32_t first, count;
};

/*@ predicate in_first_ranges{L}(struct frame_range *ranges, integer count,
                                 integer n) =
        \exists integer r; 0 <= r < count &&
            \at(ranges[r].first, L) <= n <
                \at(ranges[r].first, L) + \at(ranges[r].count, L);

    lemma one_more_range{L}: \forall struct frame_range *ranges,
        integer count, n; 0 <= count ==>
            (in_first_ranges(ranges, count + 1, n) <==>
             in_first_ranges(ranges, count, n) ||
             ranges[count].first <= n <
                 ranges[count].first + ranges[count].count);
*/

/* The ranges come in any order and may overlap. */
/*@ requires 1 <= gib_count <= 512;
    requires \valid(tree) && \valid(levels + (0 .. 514 * gib_count - 1));
    requires \valid_read(ranges + (0 .. count - 1));
    requires \separated(tree, levels + (0 .. 514 * gib_count - 1),
                        ranges + (0 .. count - 1));
    requires \forall integer r; 0 <= r < count ==>
                 ranges[r].first + ranges[r].count <= 262144 * gib_count;
    assigns  *tree, levels[0 .. 514 * gib_count - 1];
    ensures  \forall integer n; 0 <= n < frames(tree) ==>
                 (available(tree, n) <==> in_first_ranges(ranges, count, n));
*/
void exactly_the_ranges_are_available(struct frame_tree *tree,
                                      struct set512 *levels,
                                      unsigned gib_count,
                                      const struct frame_range *ranges,
                                      unsigned count)
{
    frame_tree_init(tree, levels, gib_count);
    /*@ loop invariant 0 <= k <= count && invariant(tree);
        loop invariant \forall integer n; 0 <= n < frames(tree) ==>
            !held_2m(tree, n) && !held_1g(tree, n);
        loop invariant \forall integer n; 0 <= n < frames(tree) ==>
            (available(tree, n) <==> in_first_ranges(ranges, k, n));
        loop assigns k, TREE_BITS(tree);
        loop variant count - k; */
    for (unsigned k = 0; k < count; k++) {
        uint32_t first = ranges[k].first, end = first + ranges[k].count;

        //@ ghost Step:;
        frame_tree_give(tree, first, end - first);
        /*@ assert inside: \forall integer n; first <= n < end ==>
                available(tree, n) && in_first_ranges(ranges, k + 1, n); */
        /*@ assert ranges: \forall integer n; !(first <= n < end) ==>
                (in_first_ranges(ranges, k + 1, n) <==>
                 in_first_ranges(ranges, k, n)); */
        //@ assert same: only_frames_changed{Step, Here}(tree, first, end);
        /*@ assert kept: \forall integer n; 0 <= n < frames(tree) ==>
                !(first <= n < end) ==>
                (available(tree, n) <==> available{Step}(tree, n)); */
        /*@ assert outside: \forall integer n; 0 <= n < frames(tree) ==>
                !(first <= n < end) ==> (available(tree, n) <==>
                in_first_ranges(ranges, k + 1, n)); */
    }
}
