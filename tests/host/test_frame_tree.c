/* sources: mm/tree/tree.c */
/* The frame tree against a model that keeps one byte a frame.
 *
 * The model's functions are named after the predicates of the contracts in
 * mm/tree/model.h, and compute them from their definitions: what the
 * proof says of all states is checked here on those that turn up.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mm/tree/tree.h"

#define GIBS_MAX 3

struct model {
    uint32_t gib_count;
    uint8_t state[GIBS_MAX * FRAMES_PER_1G]; /* enum frame_state */
    uint32_t available_in_2m[GIBS_MAX * 512];
    uint32_t available_in_1g[GIBS_MAX];
};

static struct model model;
static struct frame_tree tree;
static struct set512 *levels;
static uint64_t random_state, seed_now;
static uint32_t step_now;

static uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32) % limit;
}

static void where(void)
{
    fprintf(stderr, "seed %llu, step %u, %u GiB\n",
            (unsigned long long)seed_now, step_now, model.gib_count);
}

#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            where();                                                           \
            assert_true(condition);                                            \
        }                                                                      \
    } while (0)

#define CHECK_EQUAL(is, wanted)                                                \
    do {                                                                       \
        uint32_t is_ = (uint32_t)(is), wanted_ = (uint32_t)(wanted);           \
        if (is_ != wanted_) {                                                  \
            where();                                                           \
            assert_int_equal(is_, wanted_);                                    \
        }                                                                      \
    } while (0)

static uint32_t frames(void)
{
    return model.gib_count * FRAMES_PER_1G;
}

static bool available(uint32_t n)
{
    return model.state[n] == FRAME_AVAILABLE;
}

/* All frames of 2M i are available. */
static bool whole_2m(uint32_t i)
{
    return model.available_in_2m[i] == 512;
}

static bool whole_1g(uint32_t g)
{
    return model.available_in_1g[g] == FRAMES_PER_1G;
}

/* Available, and its 2M is not so as a whole. */
static bool fragment_4k(uint32_t n)
{
    return available(n) && !whole_2m(n / 512);
}

static bool fragment_2m(uint32_t i)
{
    return whole_2m(i) && !whole_1g(i / 512);
}

static void model_set(uint32_t first, uint32_t count, enum frame_state state)
{
    for (uint32_t n = first; n < first + count; n++) {
        uint32_t gain = (state == FRAME_AVAILABLE) - (uint32_t)available(n);

        model.available_in_2m[n / 512] += gain;
        model.available_in_1g[n / FRAMES_PER_1G] += gain;
        model.state[n] = (uint8_t)state;
    }
}

typedef void tree_init(struct frame_tree *tree, struct set512 *levels,
                       unsigned gib_count);

static void set_up_by(tree_init *init, enum frame_state held,
                      uint32_t gib_count)
{
    size_t bytes = frame_tree_bytes(gib_count);

    assert_int_equal(bytes, 32896 * (size_t)gib_count);
    free(levels);
    levels = aligned_alloc(64, bytes);
    memset(levels, 0xa5, bytes);
    memset(&tree, 0x5a, sizeof(tree));
    init(&tree, levels, gib_count);
    memset(&model, 0, sizeof(model));
    memset(model.state, held, sizeof(model.state));
    model.gib_count = gib_count;
}

static void set_up(uint32_t gib_count)
{
    set_up_by(frame_tree_init, FRAME_HELD_4K, gib_count);
}

static void give(uint32_t first, uint32_t count)
{
    frame_tree_give(&tree, first, count);
    model_set(first, count, FRAME_AVAILABLE);
}

static void check_counts(void)
{
    struct frame_tree_count count = frame_tree_count(&tree);
    uint32_t whole_1gs = 0, whole_2ms = 0, split_2ms = 0, fragments = 0;

    for (uint32_t g = 0; g < model.gib_count; g++)
        whole_1gs += whole_1g(g);
    for (uint32_t i = 0; i < model.gib_count * 512; i++) {
        whole_2ms += fragment_2m(i);
        if (whole_2m(i) || model.available_in_2m[i] == 0)
            continue;
        split_2ms++;
        fragments += model.available_in_2m[i];
    }
    CHECK_EQUAL(count.whole_1g, whole_1gs);
    CHECK_EQUAL(count.whole_2m, whole_2ms);
    CHECK_EQUAL(count.split_2m, split_2ms);
    CHECK_EQUAL(frame_tree_count_4k(&tree), fragments);
}

static void check_invariant(void)
{
    struct frame_tree_fault fault;

    if (!frame_tree_check(&tree, &fault)) {
        where();
        fail_msg("frame %u: %s", fault.frame, fault.rule);
    }
}

static void check_all(void)
{
    check_invariant();
    check_counts();
    for (uint32_t n = 0; n < frames(); n++)
        CHECK_EQUAL(frame_tree_state(&tree, n), model.state[n]);
}

static uint32_t lowest_whole_2m(void)
{
    for (uint32_t i = 0; i < model.gib_count * 512; i++)
        if (fragment_2m(i))
            return i * 512;
    for (uint32_t g = 0; g < model.gib_count; g++)
        if (whole_1g(g))
            return g * FRAMES_PER_1G;
    return FRAME_NONE;
}

static uint32_t place_4k(void)
{
    for (uint32_t i = 0; i < model.gib_count * 512; i++)
        if (model.available_in_2m[i] != 0 && !whole_2m(i))
            for (uint32_t n = i * 512;; n++)
                if (fragment_4k(n))
                    return n;
    return lowest_whole_2m();
}

static uint32_t place_2m(void)
{
    for (uint32_t i = model.gib_count * 512; i-- > 0;)
        if (fragment_2m(i))
            return i * 512;
    for (uint32_t g = model.gib_count; g-- > 0;)
        if (whole_1g(g))
            return g * FRAMES_PER_1G + 511 * 512;
    return FRAME_NONE;
}

static uint32_t place_1g(void)
{
    for (uint32_t g = model.gib_count; g-- > 0;)
        if (whole_1g(g))
            return g * FRAMES_PER_1G;
    return FRAME_NONE;
}

static uint32_t frames_of(enum frame_size size)
{
    return size == FRAME_4K ? 1 : size == FRAME_2M ? 512 : FRAMES_PER_1G;
}

static enum frame_state held_as(enum frame_size size)
{
    return size == FRAME_4K   ? FRAME_HELD_4K
           : size == FRAME_2M ? FRAME_HELD_2M
                              : FRAME_HELD_1G;
}

static uint32_t allocate(enum frame_size size)
{
    uint32_t wanted = size == FRAME_4K   ? place_4k()
                      : size == FRAME_2M ? place_2m()
                                         : place_1g();
    uint32_t n = size == FRAME_4K   ? frame_tree_alloc_4k(&tree)
                 : size == FRAME_2M ? frame_tree_alloc_2m(&tree)
                                    : frame_tree_alloc_1g(&tree);

    CHECK_EQUAL(n, wanted);
    if (n != FRAME_NONE)
        model_set(n, frames_of(size), held_as(size));
    return n;
}

/* Any number at all: the model knows what must be answered. */
static enum frame_freed release(uint32_t n)
{
    enum frame_freed freed = frame_tree_free(&tree, n);

    if (n >= frames()) {
        CHECK_EQUAL(freed, FRAME_OUT_OF_RANGE);
        return freed;
    }
    switch (model.state[n]) {
    case FRAME_AVAILABLE:
        CHECK_EQUAL(freed, FRAME_NOT_HELD);
        break;
    case FRAME_HELD_4K:
        CHECK_EQUAL(freed, FRAME_FREED_4K);
        model_set(n, 1, FRAME_AVAILABLE);
        break;
    case FRAME_HELD_2M:
        CHECK_EQUAL(freed, n % 512 ? FRAME_INSIDE_2M : FRAME_FREED_2M);
        if (n % 512 == 0)
            model_set(n, 512, FRAME_AVAILABLE);
        break;
    default:
        CHECK_EQUAL(freed,
                    n % FRAMES_PER_1G ? FRAME_INSIDE_1G : FRAME_FREED_1G);
        if (n % FRAMES_PER_1G == 0)
            model_set(n, FRAMES_PER_1G, FRAME_AVAILABLE);
        break;
    }
    return freed;
}

static void nothing_is_available_at_first(void **state)
{
    (void)state;
    for (uint32_t gibs = 1; gibs <= GIBS_MAX; gibs++) {
        set_up(gibs);
        check_all();
        assert_int_equal(allocate(FRAME_4K), FRAME_NONE);
        assert_int_equal(allocate(FRAME_2M), FRAME_NONE);
        assert_int_equal(allocate(FRAME_1G), FRAME_NONE);
    }
}

static void giving_makes_exactly_the_range_available(void **state)
{
    (void)state;
    const uint32_t ends[] = {0, 1, 63, 64, 511, 512, 513, 1000, 262143, 262144,
                             262145, 262656, 524287, 524288};
    const size_t end_count = sizeof(ends) / sizeof(ends[0]);

    for (size_t a = 0; a < end_count; a++)
        for (size_t b = a; b < end_count; b++) {
            set_up(2);
            give(ends[a], ends[b] - ends[a]);
            check_all();
        }
}

static void giving_in_any_order_merges(void **state)
{
    (void)state;
    for (seed_now = 1; seed_now <= 4; seed_now++) {
        random_state = seed_now * UINT64_C(0x9e3779b97f4a7c15);
        set_up(2);
        for (step_now = 0; step_now < 300; step_now++) {
            uint32_t first = random_below(frames());
            uint32_t limit = random_below(4) ? 2000 : 300000;

            if (limit > frames() - first)
                limit = frames() - first;
            give(first, random_below(limit + 1));
            check_invariant();
        }
        check_all();
        give(0, frames());
        check_all();
        assert_true(whole_1g(0) && whole_1g(1));
        assert_int_equal(frame_tree_count(&tree).whole_1g, 2);
    }
}

static void every_4k_of_a_gib_and_back(void **state)
{
    (void)state;
    set_up(1);
    give(0, frames());
    for (uint32_t n = 0; n < frames(); n++)
        assert_int_equal(frame_tree_alloc_4k(&tree), n);
    assert_int_equal(frame_tree_alloc_4k(&tree), FRAME_NONE);
    assert_int_equal(frame_tree_alloc_2m(&tree), FRAME_NONE);
    check_invariant();
    for (uint32_t k = 0; k < frames(); k++) {
        uint32_t n = k * 40503 % frames(); /* odd: meets every frame once */

        assert_int_equal(frame_tree_free(&tree, n), FRAME_FREED_4K);
        assert_int_equal(frame_tree_free(&tree, n), FRAME_NOT_HELD);
    }
    check_all();
    assert_int_equal(frame_tree_alloc_1g(&tree), 0);
}

static void every_2m_of_two_gibs_and_back(void **state)
{
    (void)state;
    set_up(2);
    give(0, frames());
    for (uint32_t i = 2 * 512; i-- > 0;)
        assert_int_equal(allocate(FRAME_2M), i * 512);
    assert_int_equal(allocate(FRAME_2M), FRAME_NONE);
    assert_int_equal(allocate(FRAME_4K), FRAME_NONE);
    check_all();
    for (uint32_t i = 0; i < 2 * 512; i++)
        assert_int_equal(release(i * 512), FRAME_FREED_2M);
    check_all();
    assert_int_equal(allocate(FRAME_1G), FRAMES_PER_1G);
    assert_int_equal(allocate(FRAME_1G), 0);
    assert_int_equal(allocate(FRAME_1G), FRAME_NONE);
    check_all();
}

static void misuse_is_named_and_changes_nothing(void **state)
{
    (void)state;
    set_up(3);
    give(0, frames());

    uint32_t large = allocate(FRAME_1G), medium = allocate(FRAME_2M);
    uint32_t small = allocate(FRAME_4K);
    struct {
        uint32_t n;
        enum frame_freed answer;
    } rows[] = {
        {frames(), FRAME_OUT_OF_RANGE},
        {frames() + 1, FRAME_OUT_OF_RANGE},
        {FRAME_TREE_GIBS * FRAMES_PER_1G, FRAME_OUT_OF_RANGE},
        {FRAME_NONE, FRAME_OUT_OF_RANGE},
        {large + 1, FRAME_INSIDE_1G},
        {large + 512, FRAME_INSIDE_1G},
        {large + FRAMES_PER_1G - 1, FRAME_INSIDE_1G},
        {medium + 1, FRAME_INSIDE_2M},
        {medium + 511, FRAME_INSIDE_2M},
        {small + 1, FRAME_NOT_HELD},
        {medium - 512, FRAME_NOT_HELD},
        {medium - 1, FRAME_NOT_HELD},
    };

    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        assert_int_equal(release(rows[r].n), rows[r].answer);
        check_all();
    }
    assert_int_equal(frame_tree_state(&tree, FRAME_NONE), FRAME_OUTSIDE);
    assert_int_equal(frame_tree_state(&tree, frames()), FRAME_OUTSIDE);
    assert_int_equal(release(small), FRAME_FREED_4K);
    assert_int_equal(release(small), FRAME_NOT_HELD);
    assert_int_equal(release(medium), FRAME_FREED_2M);
    assert_int_equal(release(medium), FRAME_NOT_HELD);
    assert_int_equal(release(large), FRAME_FREED_1G);
    assert_int_equal(release(large), FRAME_NOT_HELD);
    check_all();
    assert_int_equal(frame_tree_count(&tree).whole_1g, 3);
}

/* A bit of free_2m or free_1g that is lost above full sets is no contradiction:
 * it reads as a held frame.  Any other bit is missed. */
static void the_audit_finds_what_is_broken(void **state)
{
    (void)state;
    struct frame_tree_fault fault = {NULL, 0};

    set_up(2);
    give(0, frames());
    assert_int_equal(allocate(FRAME_4K), 0);
    assert_int_equal(allocate(FRAME_2M), 511 * 512);

    struct {
        struct set512 *set;
        unsigned member;
        uint32_t frame;
    } rows[] = {
        {&tree.free_1g, 0, 0},
        {&tree.some_2m_in_1g, 0, 0},
        {&tree.some_2m_in_1g, 1, FRAMES_PER_1G},
        {&tree.some_4k_in_1g, 0, 0},
        {&tree.some_4k_in_1g, 1, FRAMES_PER_1G},
        {&tree.free_1g, 2, FRAME_NONE},
        {&tree.some_2m_in_1g, 64, FRAME_NONE},
        {&tree.some_4k_in_1g, 511, FRAME_NONE},
        {&tree.free_2m[0], 0, 0},
        {&tree.free_2m[1], 77, FRAMES_PER_1G},
        {&tree.some_4k_in_2m[0], 0, 0},
        {&tree.some_4k_in_2m[0], 1, 512},
        {&tree.some_4k_in_2m[0], 511, 511 * 512},
        {&tree.some_4k_in_2m[1], 300, FRAMES_PER_1G + 300 * 512},
        {&tree.free_4k[3], 0, 3 * 512},
        {&tree.free_4k[511], 200, 511 * 512},
        {&tree.free_4k[1023], 511, 1023 * 512},
    };

    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        uint64_t *word = &rows[r].set->words[rows[r].member / 64];
        uint64_t bit = UINT64_C(1) << rows[r].member % 64;

        *word ^= bit;
        assert_false(frame_tree_check(&tree, &fault));
        assert_non_null(fault.rule);
        assert_int_equal(fault.frame, rows[r].frame);
        *word ^= bit;
        assert_true(frame_tree_check(&tree, &fault));
    }
}

/* A random life: phases that mostly allocate and phases that mostly free, each
 * with its own taste for sizes, and wrong frees all along. */
static void random_life(uint64_t seed, uint32_t gib_count, uint32_t steps)
{
    uint32_t taste = 0, growing = 1;

    seed_now = seed;
    random_state = seed * UINT64_C(0x9e3779b97f4a7c15);
    set_up(gib_count);
    for (unsigned ranges = 1 + random_below(6); ranges > 0; ranges--) {
        uint32_t first = random_below(frames());

        give(first, random_below(frames() - first + 1));
    }
    if (random_below(2))
        give(0, frames());

    for (step_now = 0; step_now < steps; step_now++) {
        if (step_now % 2048 == 0) {
            taste = random_below(4);
            growing = random_below(2);
        }
        uint32_t dice = random_below(16);
        uint32_t n = random_below(frames());

        if ((dice < 11) == growing) {
            uint32_t large = random_below(16);

            allocate(large == 0 && taste == 3 ? FRAME_1G
                     : large < 1 + 4 * taste  ? FRAME_2M
                                              : FRAME_4K);
        } else if (dice == 15) {
            release(random_below(8) ? n : frames() + n);
        } else if (dice == 14) {
            release(n - n % FRAMES_PER_1G);
        } else {
            /* near where 4Ks are placed, so that 2Ms fill up and heal */
            release(dice % 2 ? n - n % 512 : n % 6000);
        }
        if (step_now % 512 == 0)
            check_invariant();
        if (step_now % 4096 == 0)
            check_all();
    }
    for (uint32_t n = 0; n < frames(); n++)
        if (!available(n))
            release(n);
    check_all();
    CHECK_EQUAL(frame_tree_count(&tree).whole_1g, gib_count);
}

static void random_lives_match_the_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++)
        random_life(seed, 1 + (uint32_t)(seed % GIBS_MAX), 20000);
}

static int tear_down(void **state)
{
    (void)state;
    free(levels);
    return 0;
}

/* Of three GiBs that start as held 1Gs one is freed, one taken apart. */
static void gibs_may_start_as_held(void **state)
{
    (void)state;
    set_up_by(frame_tree_init_held_1g, FRAME_HELD_1G, 3);
    check_all();
    assert_int_equal(release(FRAMES_PER_1G), FRAME_FREED_1G);
    assert_true(frame_tree_split(&tree, 2 * FRAMES_PER_1G));
    model_set(2 * FRAMES_PER_1G, FRAMES_PER_1G, FRAME_HELD_2M);
    check_all();
    assert_int_equal(release(2 * FRAMES_PER_1G + 512), FRAME_FREED_2M);
    assert_true(frame_tree_split(&tree, 2 * FRAMES_PER_1G + 1024));
    model_set(2 * FRAMES_PER_1G + 1024, 512, FRAME_HELD_4K);
    check_all();
    assert_int_equal(allocate(FRAME_1G), FRAMES_PER_1G);
    assert_int_equal(allocate(FRAME_2M), 2 * FRAMES_PER_1G + 512);
    check_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_available_at_first),
        cmocka_unit_test(gibs_may_start_as_held),
        cmocka_unit_test(giving_makes_exactly_the_range_available),
        cmocka_unit_test(giving_in_any_order_merges),
        cmocka_unit_test(every_4k_of_a_gib_and_back),
        cmocka_unit_test(every_2m_of_two_gibs_and_back),
        cmocka_unit_test(misuse_is_named_and_changes_nothing),
        cmocka_unit_test(the_audit_finds_what_is_broken),
        cmocka_unit_test(random_lives_match_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, tear_down);
}
