/* See mm/tree/tree.h.
 *
 * Compilers skip comments that begin with @.  Above a function, one says what
 * it does; inside, LOOP_* and STEPS_* are the proof's, in proof/tree_steps.h.
 */
#include "mm/tree/maps.h"
#include "mm/tree/tree.h"

#ifdef __FRAMAC__
#include "proof/tree_steps.h"
#endif

size_t frame_tree_bytes(unsigned gib_count)
{
    return (size_t)gib_count * (2 + SET512_MEMBERS) * sizeof(struct set512);
}

/*@ requires valid_tree(tree);
    assigns  TREE_BITS(tree);
    ensures  invariant: invariant(tree);
    ensures  held: \forall integer n; 0 <= n < frames(tree) ==>
                       held_4k(tree, n);
*/
static void clear_all(struct frame_tree *tree)
{
    map_clear(tree, FREE_1G, 0);
    map_clear(tree, SOME_2M_IN_1G, 0);
    map_clear(tree, SOME_4K_IN_1G, 0);
    //@ LOOP_CLEAR_MIDDLE(tree, g)
    for (uint32_t g = 0; g < tree->gib_count; g++) {
        map_clear(tree, FREE_2M, g);
        map_clear(tree, SOME_4K_IN_2M, g);
    }
    //@ LOOP_CLEAR_LEAVES(tree, i)
    for (uint32_t i = 0; i < tree->gib_count * SET512_MEMBERS; i++)
        map_clear(tree, FREE_4K, i);
    //@ STEPS_ALL_CLEAR(tree)
}

/*@ requires valid_tree(tree);
    assigns  TREE_BITS(tree);
    ensures  invariant: invariant(tree);
    ensures  held: \forall integer n; 0 <= n < frames(tree) ==>
                       held_1g(tree, n);
*/
static void hold_all_1g(struct frame_tree *tree)
{
    map_clear(tree, FREE_1G, 0);
    map_clear(tree, SOME_2M_IN_1G, 0);
    map_clear(tree, SOME_4K_IN_1G, 0);
    //@ LOOP_FILL_MIDDLE(tree, g)
    for (uint32_t g = 0; g < tree->gib_count; g++) {
        map_fill(tree, FREE_2M, g);
        map_clear(tree, SOME_4K_IN_2M, g);
    }
    map_fill_all(tree, FREE_4K, tree->gib_count * SET512_MEMBERS);
    //@ STEPS_ALL_HELD(tree)
}

/*@ requires 1 <= gib_count <= 512;
    requires \valid(tree) && \valid(levels + (0 .. 514 * gib_count - 1));
    requires \separated(tree, levels + (0 .. 514 * gib_count - 1));
    assigns  tree->free_2m, tree->some_4k_in_2m, tree->free_4k,
             tree->gib_count;
    ensures  valid: valid_tree(tree) && tree->gib_count == gib_count;
    ensures  layout: tree->free_2m == levels &&
                 tree->some_4k_in_2m == levels + gib_count &&
                 tree->free_4k == levels + 2 * gib_count;
*/
static inline void lay_out(struct frame_tree *tree, struct set512 *levels,
                           unsigned gib_count)
{
    tree->free_2m = levels;
    tree->some_4k_in_2m = levels + gib_count;
    tree->free_4k = levels + 2 * gib_count;
    tree->gib_count = gib_count;
}

void frame_tree_init(struct frame_tree *tree, struct set512 *levels,
                     unsigned gib_count)
{
    lay_out(tree, levels, gib_count);
    clear_all(tree);
}

void frame_tree_init_held_1g(struct frame_tree *tree, struct set512 *levels,
                             unsigned gib_count)
{
    lay_out(tree, levels, gib_count);
    hold_all_1g(tree);
}

/* Each step below keeps the invariant, and changes what its name says. */

/* An available 4K of a split 2M becomes a held 4K. */
/*@ requires valid_tree(tree) && invariant(tree) && n < frames(tree);
    requires in(tree, FREE_4K, n) && in(tree, SOME_4K_IN_2M, n / 512);
    assigns  TREE_BITS(tree);
    ensures  invariant: invariant(tree);
    ensures  taken: held_4k(tree, n);
    ensures  others: only_frames_changed{Pre, Post}(tree, n, n + 1);
*/
static inline void take_4k(struct frame_tree *tree, uint32_t n)
{
    uint32_t i = n / FRAMES_PER_2M, g = n / FRAMES_PER_1G;

    //@ assert split: i / 512 == g && !full_set(tree, FREE_2M, g);
    if (map_remove(tree, FREE_4K, n))
        if (map_remove(tree, SOME_4K_IN_2M, i))
            map_remove(tree, SOME_4K_IN_1G, g);
    //@ STEPS_TAKEN_4K(tree, g)
}

/* A whole 2M of a split GiB becomes a held 2M. */
/*@ requires valid_tree(tree) && invariant(tree) && i < 512 * gibs(tree);
    requires in(tree, FREE_2M, i) && !full_set(tree, FREE_2M, i / 512);
    assigns  TREE_BITS(tree);
    ensures  invariant: invariant(tree);
    ensures  taken: all_held_2m(tree, 512 * i, 512 * i + 512);
    ensures  others:
        only_frames_changed{Pre, Post}(tree, 512 * i, 512 * i + 512);
*/
static inline void take_2m(struct frame_tree *tree, uint32_t i)
{
    if (map_remove(tree, FREE_2M, i))
        map_remove(tree, SOME_2M_IN_1G, i / SET512_MEMBERS);
    //@ STEPS_RULES(tree)
}

/* A whole GiB becomes a held GiB. */
/*@ requires valid_tree(tree) && invariant(tree) && g < gibs(tree);
    requires in(tree, FREE_1G, g);
    assigns  TREE_BITS(tree);
    ensures  invariant: invariant(tree);
    ensures  taken: own_1g(tree, g);
    ensures  others: only_frames_changed{Pre, Post}(
        tree, 262144 * g, 262144 * g + 262144);
*/
static inline void take_1g(struct frame_tree *tree, uint32_t g)
{
    map_remove(tree, FREE_1G, g);
    //@ STEPS_RULES_1G(tree)
}

/* A held GiB becomes 2Ms: i is held, the others are available. */
/*@ requires valid_tree(tree) && invariant(tree) && i < 512 * gibs(tree);
    requires own_1g(tree, i / 512);
    assigns  TREE_BITS(tree);
    ensures  invariant: invariant(tree);
    ensures  taken: own_2m(tree, i) &&
                    all_held_2m(tree, 512 * i, 512 * i + 512);
    ensures  given: \forall integer n; 0 <= n < frames(tree) &&
                 n / 262144 == i / 512 && n / 512 != i ==> available(tree, n);
    ensures  others: \forall integer n; 0 <= n < frames(tree) ==>
                 n / 262144 != i / 512 ==> same_state{Pre, Post}(tree, n);
*/
static inline void split_1g(struct frame_tree *tree, uint32_t i)
{
    uint32_t g = i / SET512_MEMBERS;

    //@ STEPS_HELD_1G(tree, g)
    map_remove(tree, FREE_2M, i);
    //@ STEPS_REST(tree, FREE_2M, i, g)
    map_add(tree, SOME_2M_IN_1G, g);
    //@ STEPS_RULES_AT(tree, g)
}

/* A held 2M becomes 4Ks: n is held, the others are available. */
/*@ requires valid_tree(tree) && invariant(tree) && n < frames(tree);
    requires own_2m(tree, n / 512);
    assigns  TREE_BITS(tree);
    ensures  invariant: invariant(tree);
    ensures  taken: held_4k(tree, n);
    ensures  given: \forall integer m; 0 <= m < frames(tree) &&
                 m / 512 == n / 512 && m != n ==> available(tree, m);
    ensures  others: \forall integer m; 0 <= m < frames(tree) ==>
                 m / 512 != n / 512 ==> same_state{Pre, Post}(tree, m);
*/
static inline void split_2m(struct frame_tree *tree, uint32_t n)
{
    uint32_t i = n / FRAMES_PER_2M, g = n / FRAMES_PER_1G;

    //@ assert split: i / 512 == g && !full_set(tree, FREE_2M, g);
    map_remove(tree, FREE_4K, n);
    //@ STEPS_REST(tree, FREE_4K, n, i)
    if (map_add(tree, SOME_4K_IN_2M, i) == SET512_FIRST)
        map_add(tree, SOME_4K_IN_1G, g);
    //@ STEPS_SPLIT_2M(tree, i, g)
}

void frame_tree_take_4k(struct frame_tree *tree, uint32_t n)
{
    take_4k(tree, n);
}

void frame_tree_take_2m(struct frame_tree *tree, uint32_t i)
{
    take_2m(tree, i);
}

uint32_t frame_tree_alloc_1g(struct frame_tree *tree)
{
    if (map_is_empty(tree, FREE_1G, 0)) {
        //@ STEPS_NO_1G(tree)
        return FRAME_NONE;
    }

    uint32_t g = map_highest(tree, FREE_1G, 0);

    //@ assert highest: g < gibs(tree) && highest_whole_1g(tree, g);
    take_1g(tree, g);
    return g * FRAMES_PER_1G;
}

uint32_t frame_tree_alloc_2m(struct frame_tree *tree)
{
    if (!map_is_empty(tree, SOME_2M_IN_1G, 0)) {
        uint32_t g = map_highest(tree, SOME_2M_IN_1G, 0);
        uint32_t i = map_highest(tree, FREE_2M, g);

        //@ STEPS_HIGHEST_2M(tree, i)
        take_2m(tree, i);
        return i * FRAMES_PER_2M;
    }
    //@ assert no_2m: no_fragment_2m(tree);
    if (!map_is_empty(tree, FREE_1G, 0)) {
        uint32_t g = map_highest(tree, FREE_1G, 0);
        uint32_t i = g * SET512_MEMBERS + SET512_MEMBERS - 1;

        //@ STEPS_LAST_OF_HIGHEST_1G(tree, g, i)
        take_1g(tree, g);
        split_1g(tree, i);
        return i * FRAMES_PER_2M;
    }
    //@ STEPS_NO_1G(tree)
    return FRAME_NONE;
}

uint32_t frame_tree_alloc_4k(struct frame_tree *tree)
{
    if (!map_is_empty(tree, SOME_4K_IN_1G, 0)) {
        uint32_t g = map_lowest(tree, SOME_4K_IN_1G, 0);
        uint32_t i = map_lowest(tree, SOME_4K_IN_2M, g);
        uint32_t n = map_lowest(tree, FREE_4K, i);

        //@ STEPS_LOWEST_4K(tree, n)
        take_4k(tree, n);
        return n;
    }
    //@ assert no_4k: no_fragment_4k(tree);
    if (!map_is_empty(tree, SOME_2M_IN_1G, 0)) {
        uint32_t g = map_lowest(tree, SOME_2M_IN_1G, 0);
        uint32_t i = map_lowest(tree, FREE_2M, g);

        //@ STEPS_LOWEST_2M(tree, i)
        take_2m(tree, i);
        split_2m(tree, i * FRAMES_PER_2M);
        return i * FRAMES_PER_2M;
    }
    //@ assert no_2m: no_fragment_2m(tree);
    if (!map_is_empty(tree, FREE_1G, 0)) {
        uint32_t g = map_lowest(tree, FREE_1G, 0);

        //@ assert lowest: g < gibs(tree) && lowest_whole_1g(tree, g);
        take_1g(tree, g);
        split_1g(tree, g * SET512_MEMBERS);
        split_2m(tree, g * FRAMES_PER_1G);
        return g * FRAMES_PER_1G;
    }
    //@ STEPS_NO_1G(tree)
    return FRAME_NONE;
}

/* A held GiB becomes available. */
/*@ requires valid_tree(tree) && invariant(tree) && g < gibs(tree);
    requires own_1g(tree, g);
    assigns  TREE_BITS(tree);
    ensures  invariant: invariant(tree);
    ensures  given: whole_1g(tree, g);
    ensures  others: only_frames_changed{Pre, Post}(
        tree, 262144 * g, 262144 * g + 262144);
*/
static inline void put_1g(struct frame_tree *tree, uint32_t g)
{
    map_add(tree, FREE_1G, g);
    //@ STEPS_RULES_1G(tree)
}

/* A held 2M becomes available. */
/*@ requires valid_tree(tree) && invariant(tree) && i < 512 * gibs(tree);
    requires own_2m(tree, i);
    assigns  TREE_BITS(tree);
    ensures  invariant: invariant(tree);
    ensures  given: whole_2m(tree, i);
    ensures  others:
        only_frames_changed{Pre, Post}(tree, 512 * i, 512 * i + 512);
*/
static inline void put_2m(struct frame_tree *tree, uint32_t i)
{
    uint32_t g = i / SET512_MEMBERS;

    switch (map_add(tree, FREE_2M, i)) {
    case SET512_FULL:
        map_remove(tree, SOME_2M_IN_1G, g);
        map_remove(tree, SOME_4K_IN_1G, g);
        map_add(tree, FREE_1G, g);
        break;
    case SET512_FIRST:
        map_add(tree, SOME_2M_IN_1G, g);
        break;
    case SET512_GREW:
        break;
    }
    //@ STEPS_PUT_2M(tree, i, g)
}

void frame_tree_put_2m(struct frame_tree *tree, uint32_t i)
{
    put_2m(tree, i);
}

/* The leaf of 2M i went from empty to neither empty nor full; this makes its
 * summaries say so. */
/*@ requires valid_tree(tree) && i < 512 * gibs(tree);
    requires invariant_but_2m(tree, i) && !in(tree, FREE_2M, i);
    requires !full_set(tree, FREE_4K, i) && !empty_set(tree, FREE_4K, i);
    assigns  TREE_BITS(tree);
    ensures  invariant: invariant(tree);
    ensures  others: only_frames_changed{Pre, Post}(tree, 0, 0);
*/
static inline void leaf_has_some(struct frame_tree *tree, uint32_t i)
{
    uint32_t g = i / SET512_MEMBERS;

    //@ assert split: !full_set(tree, FREE_2M, g);
    if (map_add(tree, SOME_4K_IN_2M, i) == SET512_FIRST)
        map_add(tree, SOME_4K_IN_1G, g);
    //@ STEPS_RULES_AT(tree, g)
}

/* The leaf of 2M i became full, which reads as a held 2M; this makes it an
 * available one. */
/*@ requires valid_tree(tree) && i < 512 * gibs(tree);
    requires invariant_but_2m(tree, i) && own_2m(tree, i);
    assigns  TREE_BITS(tree);
    ensures  invariant: invariant(tree);
    ensures  given: whole_2m(tree, i);
    ensures  others:
        only_frames_changed{Pre, Post}(tree, 512 * i, 512 * i + 512);
*/
static inline void leaf_is_full(struct frame_tree *tree, uint32_t i)
{
    uint32_t g = i / SET512_MEMBERS;

    //@ assert split: !full_set(tree, FREE_2M, g);
    if (map_remove(tree, SOME_4K_IN_2M, i))
        map_remove(tree, SOME_4K_IN_1G, g);
    //@ STEPS_LEAF_IS_FULL(tree, g)
    put_2m(tree, i);
}

/* A held 4K becomes available. */
/*@ requires valid_tree(tree) && invariant(tree) && n < frames(tree);
    requires held_4k(tree, n);
    assigns  TREE_BITS(tree);
    ensures  invariant: invariant(tree);
    ensures  given: available(tree, n);
    ensures  others: only_frames_changed{Pre, Post}(tree, n, n + 1);
*/
static inline void put_4k(struct frame_tree *tree, uint32_t n)
{
    uint32_t i = n / FRAMES_PER_2M;

    //@ assert split: !in(tree, FREE_2M, i) && !full_set(tree, FREE_4K, i);
    enum set512_growth growth = map_add(tree, FREE_4K, n);
    //@ STEPS_BUT_2M(tree, i)

    switch (growth) {
    case SET512_FULL:
        //@ STEPS_OTHERS_AVAILABLE(tree, i, n, n + 1)
        leaf_is_full(tree, i);
        break;
    case SET512_FIRST:
        leaf_has_some(tree, i);
        break;
    case SET512_GREW:
        break;
    }
}

/* A frame whose leaf bit is 0 is held as a 4K whatever the levels above say:
 * the usual free reads one line. */
enum frame_state frame_tree_state(const struct frame_tree *tree, uint32_t n)
{
    uint32_t i = n / FRAMES_PER_2M, g = n / FRAMES_PER_1G;

    if (g >= tree->gib_count)
        return FRAME_OUTSIDE;
    if (!map_has(tree, FREE_4K, n))
        return FRAME_HELD_4K;
    if (!map_has(tree, FREE_2M, i))
        return map_is_full(tree, FREE_4K, i) ? FRAME_HELD_2M : FRAME_AVAILABLE;
    if (!map_has(tree, FREE_1G, g))
        return map_is_full(tree, FREE_2M, g) ? FRAME_HELD_1G : FRAME_AVAILABLE;
    return FRAME_AVAILABLE;
}

enum frame_freed frame_tree_free(struct frame_tree *tree, uint32_t n)
{
    switch (frame_tree_state(tree, n)) {
    case FRAME_HELD_4K:
        put_4k(tree, n);
        return FRAME_FREED_4K;
    case FRAME_HELD_2M:
        if (n % FRAMES_PER_2M != 0)
            return FRAME_INSIDE_2M;
        put_2m(tree, n / FRAMES_PER_2M);
        return FRAME_FREED_2M;
    case FRAME_HELD_1G:
        if (n % FRAMES_PER_1G != 0)
            return FRAME_INSIDE_1G;
        put_1g(tree, n / FRAMES_PER_1G);
        return FRAME_FREED_1G;
    case FRAME_AVAILABLE:
        return FRAME_NOT_HELD;
    default:
        return FRAME_OUT_OF_RANGE;
    }
}

/* Of a whole 2M of a split GiB: the 2M, or its 4K number n. */
/*@ requires valid_tree(tree) && invariant(tree) && n < frames(tree);
    requires in(tree, FREE_2M, n / 512) && !full_set(tree, FREE_2M, n / 262144);
    requires size == FRAME_4K || size == FRAME_2M && n % 512 == 0;
    assigns  TREE_BITS(tree);
    ensures  invariant: invariant(tree);
    ensures  taken_4k: size == FRAME_4K ==> held_4k(tree, n);
    ensures  others_4k: size == FRAME_4K ==>
                 only_frames_changed{Pre, Post}(tree, n, n + 1);
    ensures  taken_2m: size == FRAME_2M ==>
                 all_held_2m(tree, n, n + 512) &&
                 only_frames_changed{Pre, Post}(tree, n, n + 512);
*/
static inline void reserve_in_2m(struct frame_tree *tree, uint32_t n,
                                 enum frame_size size)
{
    take_2m(tree, n / FRAMES_PER_2M);
    if (size == FRAME_4K)
        split_2m(tree, n);
}

/* Of a whole GiB: the GiB, or the smaller frame that begins at n. */
/*@ requires valid_tree(tree) && invariant(tree) && n < frames(tree);
    requires in(tree, FREE_1G, n / 262144);
    requires size == FRAME_4K || size == FRAME_2M && n % 512 == 0 ||
             size == FRAME_1G && n % 262144 == 0;
    assigns  TREE_BITS(tree);
    ensures  invariant: invariant(tree);
    ensures  taken_4k: size == FRAME_4K ==> held_4k(tree, n);
    ensures  others_4k: size == FRAME_4K ==>
                 only_frames_changed{Pre, Post}(tree, n, n + 1);
    ensures  taken_2m: size == FRAME_2M ==>
                 all_held_2m(tree, n, n + 512) &&
                 only_frames_changed{Pre, Post}(tree, n, n + 512);
    ensures  taken_1g: size == FRAME_1G ==>
                 all_held_1g(tree, n, n + 262144) &&
                 only_frames_changed{Pre, Post}(tree, n, n + 262144);
*/
static inline void reserve_in_1g(struct frame_tree *tree, uint32_t n,
                                 enum frame_size size)
{
    take_1g(tree, n / FRAMES_PER_1G);
    if (size == FRAME_1G)
        return;
    split_1g(tree, n / FRAMES_PER_2M);
    if (size == FRAME_4K)
        split_2m(tree, n);
}

bool frame_tree_reserve(struct frame_tree *tree, uint32_t n,
                        enum frame_size size)
{
    if (frame_tree_state(tree, n) != FRAME_AVAILABLE)
        return false;
    if (map_has(tree, FREE_1G, n / FRAMES_PER_1G)) {
        reserve_in_1g(tree, n, size);
        return true;
    }
    if (size == FRAME_1G)
        return false;
    if (map_has(tree, FREE_2M, n / FRAMES_PER_2M)) {
        reserve_in_2m(tree, n, size);
        return true;
    }
    if (size == FRAME_2M)
        return false;
    take_4k(tree, n);
    return true;
}

/* A held 2M becomes 512 held 4Ks. */
/*@ requires valid_tree(tree) && invariant(tree) && i < 512 * gibs(tree);
    requires own_2m(tree, i);
    assigns  TREE_BITS(tree);
    ensures  invariant: invariant(tree);
    ensures  parts: \forall integer m; 512 * i <= m < 512 * i + 512 ==>
                 held_4k(tree, m);
    ensures  others:
        only_frames_changed{Pre, Post}(tree, 512 * i, 512 * i + 512);
*/
static inline void part_2m(struct frame_tree *tree, uint32_t i)
{
    map_clear(tree, FREE_4K, i);
    //@ STEPS_PARTED_2M(tree)
}

/* A held 1G becomes 512 held 2Ms. */
/*@ requires valid_tree(tree) && invariant(tree) && g < gibs(tree);
    requires own_1g(tree, g);
    assigns  TREE_BITS(tree);
    ensures  invariant: invariant(tree);
    ensures  parts: all_held_2m(tree, 262144 * g, 262144 * g + 262144);
    ensures  others: only_frames_changed{Pre, Post}(
        tree, 262144 * g, 262144 * g + 262144);
*/
static inline void part_1g(struct frame_tree *tree, uint32_t g)
{
    //@ STEPS_PART_1G(tree, g)
    map_clear(tree, FREE_2M, g);
    //@ STEPS_PARTED_1G(tree, g)
}

bool frame_tree_split(struct frame_tree *tree, uint32_t n)
{
    switch (frame_tree_state(tree, n)) {
    case FRAME_HELD_2M:
        if (n % FRAMES_PER_2M != 0)
            return false;
        part_2m(tree, n / FRAMES_PER_2M);
        return true;
    case FRAME_HELD_1G:
        if (n % FRAMES_PER_1G != 0)
            return false;
        part_1g(tree, n / FRAMES_PER_1G);
        return true;
    default:
        return false;
    }
}

/* The frames first to end - 1, which are in one 2M, become available. */
/*@ requires valid_tree(tree) && invariant(tree);
    requires first < end <= 512 * (first / 512) + 512 && end <= frames(tree);
    requires !own_2m(tree, first / 512) && !own_1g(tree, first / 262144);
    assigns  TREE_BITS(tree);
    ensures  invariant: invariant(tree);
    ensures  given: all_available(tree, first, end);
    ensures  others: only_frames_changed{Pre, Post}(tree, first, end);
*/
static void give_in_2m(struct frame_tree *tree, uint32_t first, uint32_t end)
{
    uint32_t i = first / FRAMES_PER_2M;

    //@ assert gib: i / 512 == first / 262144 && i < 512 * gibs(tree);
    if (map_is_full(tree, FREE_4K, i)) {
        //@ assert whole: whole_2m(tree, i);
        return;
    }
    //@ assert split: !in(tree, FREE_2M, i);
    map_add_range(tree, FREE_4K, first, end);
    //@ STEPS_BUT_2M(tree, i)
    if (map_is_full(tree, FREE_4K, i)) {
        //@ STEPS_OTHERS_AVAILABLE(tree, i, first, end)
        leaf_is_full(tree, i);
    } else {
        leaf_has_some(tree, i);
    }
}

/* All frames of GiB g become available. */
/*@ requires valid_tree(tree) && invariant(tree) && g < gibs(tree);
    requires !own_1g(tree, g);
    requires \forall integer i; 512 * g <= i < 512 * g + 512 ==>
                 !own_2m(tree, i);
    assigns  TREE_BITS(tree);
    ensures  invariant: invariant(tree);
    ensures  given: whole_1g(tree, g);
    ensures  others: only_frames_changed{Pre, Post}(
        tree, 262144 * g, 262144 * g + 262144);
*/
static void give_1g(struct frame_tree *tree, uint32_t g)
{
    //@ LOOP_FILL_LEAVES(tree, g, i)
    for (uint32_t i = g * SET512_MEMBERS; i < (g + 1) * SET512_MEMBERS; i++)
        map_fill(tree, FREE_4K, i);
    map_fill(tree, FREE_2M, g);
    map_clear(tree, SOME_4K_IN_2M, g);
    map_remove(tree, SOME_4K_IN_1G, g);
    map_remove(tree, SOME_2M_IN_1G, g);
    map_add(tree, FREE_1G, g);
    //@ STEPS_GIVEN_1G(tree, g)
}

void frame_tree_give(struct frame_tree *tree, uint32_t first, uint32_t count)
{
    uint32_t end = first + count;
    uint32_t next;

    //@ LOOP_GIVE(tree, first, next, end)
    for (; first < end; first = next) {
        if (first % FRAMES_PER_1G == 0 && end - first >= FRAMES_PER_1G) {
            next = first + FRAMES_PER_1G;
            //@ STEPS_NONE_HELD(tree, first, end)
            give_1g(tree, first / FRAMES_PER_1G);
        } else {
            next = (first / FRAMES_PER_2M + 1) * FRAMES_PER_2M;
            if (next > end)
                next = end;
            give_in_2m(tree, first, next);
        }
        //@ STEPS_GIVEN(tree, first, next)
    }
}

struct frame_tree_count frame_tree_count(const struct frame_tree *tree)
{
    struct frame_tree_count count = {set512_count(&tree->free_1g), 0, 0};

    //@ LOOP_COUNT_1G(tree, g, count)
    for (uint32_t g = 0; g < tree->gib_count; g++) {
        if (map_has(tree, SOME_2M_IN_1G, g))
            count.whole_2m += set512_count(&tree->free_2m[g]);
        if (map_has(tree, SOME_4K_IN_1G, g))
            count.split_2m += set512_count(&tree->some_4k_in_2m[g]);
    }
    return count;
}

uint32_t frame_tree_count_4k(const struct frame_tree *tree)
{
    uint32_t count = 0;

    //@ LOOP_COUNT_2M(tree, i, count)
    for (uint32_t i = 0; i < tree->gib_count * SET512_MEMBERS; i++)
        if (map_has(tree, SOME_4K_IN_2M, i))
            count += set512_count(&tree->free_4k[i]);
    return count;
}

/* The rule that 2M i breaks, or a null pointer. */
/*@ requires valid_tree(tree) && i < 512 * gibs(tree);
    assigns  \result \from tree, i;
    ensures  \result == \null <==> rule_2m(tree, i);
*/
static const char *broken_rule_of_2m(const struct frame_tree *tree, uint32_t i)
{
    bool full = map_is_full(tree, FREE_4K, i);
    bool some = !full && !map_is_empty(tree, FREE_4K, i);

    if (map_has(tree, FREE_2M, i) && !full)
        return "a 2M is free as a whole, but not all of its 4Ks are";
    if (map_has(tree, SOME_4K_IN_2M, i) != some)
        return "some_4k_in_2m does not say what the 4Ks of this 2M say";
    return NULL;
}

/* The same for GiB g. */
/*@ requires valid_tree(tree) && g < gibs(tree);
    assigns  \result \from tree, g;
    ensures  \result == \null <==> rule_1g(tree, g);
*/
static const char *broken_rule_of_1g(const struct frame_tree *tree, uint32_t g)
{
    bool full = map_is_full(tree, FREE_2M, g);
    bool some_2m = !full && !map_is_empty(tree, FREE_2M, g);
    bool some_4k = !full && !map_is_empty(tree, SOME_4K_IN_2M, g);

    if (map_has(tree, FREE_1G, g) && !full)
        return "a GiB is free as a whole, but not all of its 2Ms are";
    if (map_has(tree, SOME_2M_IN_1G, g) != some_2m)
        return "some_2m_in_1g does not say what the 2Ms of this GiB say";
    if (map_has(tree, SOME_4K_IN_1G, g) != some_4k)
        return "some_4k_in_1g does not say what the 2Ms of this GiB say";
    return NULL;
}

/* The same for GiB g, which is beyond the last. */
/*@ requires valid_tree(tree) && g < 512;
    assigns  \result \from tree, g;
    ensures  \result == \null <==> rule_outside(tree, g);
*/
static const char *broken_rule_outside(const struct frame_tree *tree,
                                       uint32_t g)
{
    if (map_has(tree, FREE_1G, g) || map_has(tree, SOME_2M_IN_1G, g) ||
        map_has(tree, SOME_4K_IN_1G, g))
        return "a GiB beyond the last has something available";
    return NULL;
}

/*@ requires \valid(fault);
    assigns  *fault;
    ensures  \result == \false;
*/
static bool found_fault(struct frame_tree_fault *fault, const char *rule,
                        uint32_t frame)
{
    fault->rule = rule;
    fault->frame = frame;
    return false;
}

bool frame_tree_check(const struct frame_tree *tree,
                      struct frame_tree_fault *fault)
{
    const char *rule;

    //@ LOOP_CHECK_2M(tree, i, rule)
    for (uint32_t i = 0; i < tree->gib_count * SET512_MEMBERS; i++) {
        rule = broken_rule_of_2m(tree, i);
        if (rule != NULL)
            return found_fault(fault, rule, i * FRAMES_PER_2M);
    }
    //@ LOOP_CHECK_1G(tree, g, rule)
    for (uint32_t g = 0; g < tree->gib_count; g++) {
        rule = broken_rule_of_1g(tree, g);
        if (rule != NULL)
            return found_fault(fault, rule, g * FRAMES_PER_1G);
    }
    //@ LOOP_CHECK_OUTSIDE(tree, g, rule)
    for (uint32_t g = tree->gib_count; g < FRAME_TREE_GIBS; g++) {
        rule = broken_rule_outside(tree, g);
        if (rule != NULL)
            return found_fault(fault, rule, FRAME_NONE);
    }
    return true;
}
