/* sources: mm/cpu/ */
/* sources: mm/space/virtual_range.c mm/space/give_back.c mm/error.c */
/* Ranges of virtual addresses against a flat model: an array of pages. */
#include "tests/host/platform_host.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mm/frame.h"
#include "mm/space/give_back.h"
#include "mm/virtual_range.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define BASE UINT64_C(0xffffe00000000000)

/* cmocka's own are too slow to call by the million. */
#define CHECK(condition, ...)                                                  \
    do {                                                                       \
        if (!(condition)) {                                                    \
            print_error(__VA_ARGS__);                                          \
            print_error("\n");                                                 \
            fail_msg("%s", #condition);                                        \
        }                                                                      \
    } while (0)

static struct virtual_space space;

/* ---- Frames for nodes ---- */

#define FRAMES (HOST_MEMORY_BYTES / PAGE_SIZE)

static bool held[FRAMES];
static unsigned held_count;
static int frames_left;  /* before one is refused; -1 for ever */
static bool frames_busy; /* a CPU does not leave its frame call */

enum mm_error frame_try_alloc(enum frame_size size, paddr_t *frame)
{
    static uint64_t next;
    assert_int_equal(size, FRAME_4K);
    if (frames_busy)
        return MM_BUSY;
    if (frames_left == 0)
        return MM_OUT_OF_MEMORY;
    if (frames_left > 0)
        frames_left--;
    while (held[next])
        next = (next + 1) % FRAMES;
    held[next] = true;
    held_count++;
    memset(phys_to_virt(next * PAGE_SIZE), 0xa5, PAGE_SIZE);
    *frame = next * PAGE_SIZE;
    return MM_OK;
}

enum mm_error frame_free(paddr_t frame)
{
    uint64_t i = frame / PAGE_SIZE;
    if (frames_busy)
        return MM_BUSY;
    CHECK(frame % PAGE_SIZE == 0 && i < FRAMES && held[i], "frame 0x%lx",
          frame);
    held[i] = false;
    held_count--;
    memset(phys_to_virt(frame), 0x5a, PAGE_SIZE);
    return MM_OK;
}

/* ---- Help ---- */

static uint64_t random_state;

/* xorshift64 (Marsaglia 2003) */
static uint64_t random_below(uint64_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (random_state >> 11) % limit;
}

static void start_space(uint64_t bytes)
{
    memset(held, 0, sizeof(held));
    held_count = 0;
    frames_left = -1;
    random_state = 1;
    memset(&space, 0xa5, sizeof(space));
    assert_int_equal(virtual_space_init(&space, BASE, bytes), MM_OK);
}

static void check_space(void)
{
    const char *broken = virtual_space_check(&space);
    CHECK(broken == NULL, "broken: %s", broken);
}

static vaddr_t must_alloc(uint64_t bytes, uint64_t alignment, unsigned guards)
{
    vaddr_t start = 0;
    enum mm_error error =
        virtual_range_alloc(&space, bytes, alignment, guards, "test", &start);
    CHECK(error == MM_OK, "0x%lx bytes at 0x%lx: %s", bytes, alignment,
          mm_error_name(error));
    CHECK(start % alignment == 0 && start >= BASE, "start 0x%lx", start);
    return start;
}

static void must_free(vaddr_t start)
{
    enum mm_error error = virtual_range_free(&space, start);
    CHECK(error == MM_OK, "0x%lx: %s", start, mm_error_name(error));
}

static enum virtual_place place_of(vaddr_t address)
{
    struct virtual_range range;
    return virtual_range_find(&space, address, &range);
}

/* ---- Single steps ---- */

static void init_refuses_nonsense(void **state)
{
    (void)state;
    static const struct {
        vaddr_t start;
        uint64_t bytes;
        enum mm_error error;
    } rows[] = {
        {BASE, 0, MM_EMPTY_RANGE},
        {BASE + 1, SIZE_4K, MM_MISALIGNED},
        {BASE, SIZE_4K + 1, MM_MISALIGNED},
        {UINT64_MAX - 0xfff, SIZE_4K, MM_RANGE_WRAPS},
        {BASE, UINT64_C(1) << 63, MM_RANGE_WRAPS},
        {BASE, VIRTUAL_SPACE_MAX + SIZE_4K, MM_BAD_ARGUMENT},
        {BASE, VIRTUAL_SPACE_MAX, MM_OK},
    };
    for (unsigned i = 0; i < COUNT(rows); i++)
        assert_int_equal(
            virtual_space_init(&space, rows[i].start, rows[i].bytes),
            rows[i].error);
}

static void a_space_that_was_not_set_up_says_so(void **state)
{
    (void)state;
    static struct virtual_space none;
    vaddr_t start = 17;
    struct virtual_range range;
    assert_int_equal(
        virtual_range_alloc(&none, SIZE_4K, SIZE_4K, 0, "x", &start),
        MM_NOT_READY);
    assert_int_equal(virtual_range_free(&none, BASE), MM_NOT_READY);
    assert_int_equal(virtual_range_find(&none, BASE, &range), VIRTUAL_OUTSIDE);
    assert_non_null(virtual_space_check(&none));
    assert_int_equal(start, 17);
}

static void alloc_refuses_nonsense(void **state)
{
    (void)state;
    static const struct {
        uint64_t bytes, alignment;
        unsigned guards;
        const char *name;
        enum mm_error error;
    } rows[] = {
        {0, SIZE_4K, 0, "x", MM_EMPTY_RANGE},
        {1, SIZE_4K, 0, "x", MM_MISALIGNED},
        {SIZE_4K + 8, SIZE_4K, 0, "x", MM_MISALIGNED},
        {SIZE_4K, 0, 0, "x", MM_BAD_ARGUMENT},
        {SIZE_4K, SIZE_4K / 2, 0, "x", MM_BAD_ARGUMENT},
        {SIZE_4K, 3 * SIZE_4K, 0, "x", MM_BAD_ARGUMENT},
        {SIZE_4K, 2 * SIZE_1G, 0, "x", MM_BAD_ARGUMENT},
        {SIZE_4K, SIZE_4K, 4, "x", MM_BAD_ARGUMENT},
        {SIZE_4K, SIZE_4K, 0, NULL, MM_BAD_ARGUMENT},
        {SIZE_2M + SIZE_4K, SIZE_4K, 0, "x", MM_OUT_OF_MEMORY},
        {SIZE_2M, SIZE_4K, VIRTUAL_GUARD_BEHIND, "x", MM_OUT_OF_MEMORY},
        {SIZE_4K, SIZE_1G, 0, "x", MM_OUT_OF_MEMORY},
        {UINT64_MAX - 0xfff, SIZE_4K, 3, "x", MM_OUT_OF_MEMORY},
        {UINT64_MAX - 0xfff, SIZE_1G, 0, "x", MM_OUT_OF_MEMORY},
        {SIZE_2M, SIZE_4K, 0, "x", MM_OK},
    };
    start_space(SIZE_2M);
    for (unsigned i = 0; i < COUNT(rows); i++) {
        vaddr_t start = 17;
        enum mm_error error =
            virtual_range_alloc(&space, rows[i].bytes, rows[i].alignment,
                                rows[i].guards, rows[i].name, &start);
        CHECK(error == rows[i].error, "row %u: %s", i, mm_error_name(error));
        assert_int_equal(start, error == MM_OK ? BASE : 17);
        assert_int_equal(held_count, error == MM_OK ? 1 : 0);
        check_space();
    }
}

static void free_refuses_nonsense(void **state)
{
    (void)state;
    start_space(SIZE_2M);
    vaddr_t a = must_alloc(4 * SIZE_4K, SIZE_4K, 3);
    vaddr_t gone = must_alloc(SIZE_4K, SIZE_4K, 0);
    must_free(gone);
    const struct {
        vaddr_t start;
        enum mm_error error;
    } rows[] = {
        {a + 1, MM_MISALIGNED},
        {a + SIZE_4K, MM_INSIDE_LARGER},
        {a - SIZE_4K, MM_INSIDE_LARGER}, /* its guard pages */
        {a + 4 * SIZE_4K, MM_INSIDE_LARGER},
        {gone, MM_NOT_HELD},           /* freed twice */
        {gone + SIZE_4K, MM_NOT_HELD}, /* never allocated */
        {BASE - SIZE_4K, MM_OUT_OF_RANGE},
        {BASE + SIZE_2M, MM_OUT_OF_RANGE},
        {0, MM_OUT_OF_RANGE},
        {a, MM_OK},
        {a, MM_NOT_HELD},
    };
    for (unsigned i = 0; i < COUNT(rows); i++) {
        enum mm_error error = virtual_range_free(&space, rows[i].start);
        CHECK(error == rows[i].error, "row %u: %s", i, mm_error_name(error));
        check_space();
    }
    assert_int_equal(held_count, 0); /* no live range: no node in a frame */
}

static void an_address_is_told(void **state)
{
    (void)state;
    start_space(SIZE_2M);
    struct virtual_range range;
    vaddr_t a = must_alloc(2 * SIZE_4K, SIZE_4K, 3);
    assert_int_equal(a, BASE + SIZE_4K);
    assert_int_equal(place_of(a - SIZE_4K - 1), VIRTUAL_OUTSIDE);
    assert_int_equal(place_of(a - SIZE_4K), VIRTUAL_BEFORE);
    assert_int_equal(place_of(a - 1), VIRTUAL_BEFORE);
    assert_int_equal(place_of(a), VIRTUAL_LIVE);
    assert_int_equal(place_of(a + 2 * SIZE_4K - 1), VIRTUAL_LIVE);
    assert_int_equal(place_of(a + 2 * SIZE_4K), VIRTUAL_BEHIND);
    assert_int_equal(place_of(a + 3 * SIZE_4K - 1), VIRTUAL_BEHIND);
    assert_int_equal(place_of(a + 3 * SIZE_4K), VIRTUAL_UNUSED);
    assert_int_equal(place_of(BASE + SIZE_2M - 1), VIRTUAL_UNUSED);
    assert_int_equal(place_of(BASE + SIZE_2M), VIRTUAL_OUTSIDE);

    assert_int_equal(virtual_range_find(&space, a + 5, &range), VIRTUAL_LIVE);
    assert_int_equal(range.start, a);
    assert_int_equal(range.bytes, 2 * SIZE_4K);
    assert_string_equal(range.name, "test");

    must_free(a);
    range.name = NULL;
    assert_int_equal(virtual_range_find(&space, a + 5, &range), VIRTUAL_FREED);
    assert_string_equal(range.name, "test");
    assert_int_equal(place_of(a - 1), VIRTUAL_FREED);

    assert_true(cpu_lock_acquire(&space.lock));
    assert_int_equal(place_of(a), VIRTUAL_BUSY);
    cpu_lock_release(&space.lock);
}

static void addresses_are_not_used_again_at_once(void **state)
{
    (void)state;
    const unsigned pages = 1000;
    start_space(pages * SIZE_4K);
    /* once through the whole space, whatever is freed meanwhile */
    for (unsigned i = 0; i < pages; i++) {
        vaddr_t start = must_alloc(SIZE_4K, SIZE_4K, 0);
        assert_int_equal(start, BASE + i * SIZE_4K);
        must_free(start);
        assert_int_equal(place_of(start), VIRTUAL_FREED);
        if (i < VIRTUAL_FREED_MAX)
            continue;
        vaddr_t oldest = start - (VIRTUAL_FREED_MAX - 1) * SIZE_4K;
        assert_int_equal(place_of(oldest), VIRTUAL_FREED);
        assert_int_equal(place_of(oldest - SIZE_4K), VIRTUAL_FORGOTTEN);
    }
    /* from the start again, and not what was freed last */
    for (unsigned i = 0; i < pages - VIRTUAL_FREED_MAX; i++)
        assert_int_equal(must_alloc(SIZE_4K, SIZE_4K, 0), BASE + i * SIZE_4K);
    /* only freed ranges are left: the oldest first */
    for (unsigned i = pages - VIRTUAL_FREED_MAX; i < pages; i++)
        assert_int_equal(must_alloc(SIZE_4K, SIZE_4K, 0), BASE + i * SIZE_4K);
    check_space();
    vaddr_t start;
    assert_int_equal(
        virtual_range_alloc(&space, SIZE_4K, SIZE_4K, 0, "x", &start),
        MM_OUT_OF_MEMORY);
}

/* The last range is freed and forgotten, so that the place where the search
 * goes on lies inside a gap: only what is left of it there counts. */
static void a_gap_is_not_entered_too_late(void **state)
{
    (void)state;
    const uint64_t size = 64 * SIZE_4K;
    static vaddr_t small[VIRTUAL_FREED_MAX];
    start_space(VIRTUAL_FREED_MAX * SIZE_4K + 2 * size);
    for (unsigned i = 0; i < VIRTUAL_FREED_MAX; i++)
        small[i] = must_alloc(SIZE_4K, SIZE_4K, 0);
    vaddr_t first = must_alloc(size, SIZE_4K, 0);
    must_free(first);
    for (unsigned i = 0; i < VIRTUAL_FREED_MAX; i++)
        must_free(small[i]);
    assert_int_equal(place_of(first), VIRTUAL_FORGOTTEN);
    assert_int_equal(must_alloc(2 * size, SIZE_4K, 0), first);
    check_space();
}

static void alignments_up_to_1g(void **state)
{
    (void)state;
    start_space(UINT64_C(1) << 40);
    for (uint64_t alignment = SIZE_4K; alignment <= SIZE_1G; alignment *= 2)
        for (unsigned guards = 0; guards < 4; guards++) {
            vaddr_t start = must_alloc(3 * SIZE_4K, alignment, guards);
            enum virtual_place before = place_of(start - 1);
            enum virtual_place behind = place_of(start + 3 * SIZE_4K);
            assert_int_equal(before == VIRTUAL_BEFORE,
                             (guards & VIRTUAL_GUARD_BEFORE) != 0);
            assert_int_equal(behind == VIRTUAL_BEHIND,
                             (guards & VIRTUAL_GUARD_BEHIND) != 0);
        }
    check_space();
}

static void two_spaces_do_not_meet(void **state)
{
    (void)state;
    static struct virtual_space other;
    start_space(SIZE_2M);
    assert_int_equal(virtual_space_init(&other, BASE + SIZE_2M, SIZE_2M),
                     MM_OK);
    vaddr_t a = must_alloc(SIZE_4K, SIZE_4K, 0), b;
    assert_int_equal(virtual_range_alloc(&other, SIZE_4K, SIZE_4K, 0, "b", &b),
                     MM_OK);
    assert_int_equal(b, BASE + SIZE_2M);
    assert_int_equal(virtual_range_free(&other, a), MM_OUT_OF_RANGE);
    assert_int_equal(virtual_range_free(&other, b), MM_OK);
    must_free(a);
    assert_int_equal(held_count, 0);
}

static void statistics_add_up(void **state)
{
    (void)state;
    struct virtual_stats stats;
    start_space(SIZE_2M);
    vaddr_t a = must_alloc(SIZE_4K, SIZE_4K, 0);
    must_alloc(2 * SIZE_4K, SIZE_4K, 3);
    must_free(a);
    assert_int_equal(virtual_space_stats(&space, &stats), MM_OK);
    assert_int_equal(stats.live_ranges, 1);
    assert_int_equal(stats.live_bytes, 4 * SIZE_4K);
    assert_int_equal(stats.freed_ranges, 1);
    assert_int_equal(stats.freed_bytes, SIZE_4K);
    assert_int_equal(stats.largest_gap, SIZE_2M - 5 * SIZE_4K);
    assert_int_equal(stats.metadata_bytes, SIZE_4K + sizeof(space));
}

/* ---- Against the model ---- */

#define PAGES 4096u

/* What each page of the space is. */
enum page { FREE, FREED, LIVE };

static unsigned char model[PAGES];

struct live {
    vaddr_t start;
    uint64_t pages; /* without the guards */
    unsigned guards;
};

static struct live live[PAGES], gone[VIRTUAL_FREED_MAX];
static unsigned live_count, gone_count;

static void paint(const struct live *range, enum page from, enum page to)
{
    uint64_t first = (range->start - BASE) / SIZE_4K;
    uint64_t end = first + range->pages;
    first -= range->guards & VIRTUAL_GUARD_BEFORE ? 1 : 0;
    end += range->guards & VIRTUAL_GUARD_BEHIND ? 1 : 0;
    CHECK(end <= PAGES, "page %lu", end);
    for (; first < end; first++) {
        CHECK(model[first] == from, "page %lu is %u, not %u", first,
              model[first], from);
        model[first] = (unsigned char)to;
    }
}

static bool has_room(uint64_t pages, enum page most)
{
    uint64_t run = 0;
    for (unsigned i = 0; i < PAGES; i++) {
        run = model[i] <= most ? run + 1 : 0;
        if (run == pages)
            return true;
    }
    return false;
}

static void forget(void)
{
    CHECK(gone_count > 0, "a range where the model has no room");
    paint(&gone[0], FREED, FREE);
    memmove(&gone[0], &gone[1], --gone_count * sizeof(gone[0]));
}

/* The space has to find what the model has room for, and must forget freed
 * ranges only as far as it needs to. */
static void model_alloc(void)
{
    struct live range = {.pages = 1 + random_below(1 << random_below(7)),
                         .guards = (unsigned)random_below(4)};
    uint64_t alignment = SIZE_4K << (random_below(4) ? 0 : random_below(10));
    uint64_t needed = range.pages + (range.guards & 1) + (range.guards >> 1) +
                      alignment / SIZE_4K - 1;
    enum mm_error error =
        virtual_range_alloc(&space, range.pages * SIZE_4K, alignment,
                            range.guards, "model", &range.start);
    if (error != MM_OK) {
        CHECK(!has_room(needed, FREED), "no room for %lu pages?", needed);
        CHECK(error == MM_OUT_OF_MEMORY, "%s", mm_error_name(error));
        if (space.freed_count == 0)
            while (gone_count > 0)
                forget();
        return;
    }
    CHECK(range.start % alignment == 0, "0x%lx", range.start);
    while (!has_room(needed, FREE))
        forget();
    paint(&range, FREE, LIVE);
    live[live_count++] = range;
}

static void model_free(void)
{
    uint64_t i = random_below(live_count);
    must_free(live[i].start);
    if (gone_count == VIRTUAL_FREED_MAX)
        forget();
    paint(&live[i], LIVE, FREED);
    gone[gone_count++] = live[i];
    live[i] = live[--live_count];
}

static void model_look(void)
{
    vaddr_t address = BASE + random_below(PAGES * SIZE_4K);
    enum page page = model[(address - BASE) / SIZE_4K];
    enum virtual_place place = place_of(address);
    enum page seen = place <= VIRTUAL_BEHIND  ? LIVE
                     : place == VIRTUAL_FREED ? FREED
                                              : FREE;
    CHECK(seen == page, "0x%lx is %u, not %u", address, place, page);
}

static void random_use_matches_the_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        start_space(PAGES * SIZE_4K);
        memset(model, FREE, sizeof(model));
        live_count = gone_count = 0;
        random_state = seed;
        for (unsigned step = 0; step < 6000; step++) {
            /* tides, so that it is full at times and empty at others */
            bool rising = step / 750 % 2 == 0;
            if (live_count == 0 || random_below(10) < (rising ? 7u : 3u))
                model_alloc();
            else
                model_free();
            model_look();
            if (step % 8 == 0)
                check_space();
        }
        while (live_count > 0)
            model_free();
        check_space();
        assert_int_equal(held_count, 0);
    }
}

/* ---- Out of frames ---- */

static void every_frame_in_turn_is_refused(void **state)
{
    (void)state;
    const unsigned wanted = 500;
    start_space(SIZE_1G);
    frames_left = 0;
    unsigned refused = 0;
    for (unsigned done = 0; done < wanted;) {
        struct virtual_stats before, after;
        vaddr_t start = 17;
        assert_int_equal(virtual_space_stats(&space, &before), MM_OK);
        enum mm_error error =
            virtual_range_alloc(&space, SIZE_4K, SIZE_4K, 3, "x", &start);
        check_space();
        if (error == MM_OK) {
            done++;
            continue;
        }
        assert_int_equal(error, MM_OUT_OF_MEMORY);
        assert_int_equal(start, 17);
        assert_int_equal(virtual_space_stats(&space, &after), MM_OK);
        assert_memory_equal(&before, &after, sizeof(before));
        refused++;
        frames_left = 1;
    }
    assert_int_equal(refused, held_count);
    assert_in_range(refused, wanted / 64, wanted / 60);
}

/* What cannot go back now waits, however much it is, and goes back later. */
static void frames_that_must_wait_go_back_later(void **state)
{
    (void)state;
    enum { NODE_PAGES = 100 };
    static vaddr_t starts[NODE_PAGES * 63];
    vaddr_t start;
    start_space(SIZE_1G);
    for (unsigned i = 0; i < NODE_PAGES * 63; i++)
        assert_int_equal(
            virtual_range_alloc(&space, SIZE_4K, SIZE_4K, 0, "x", &starts[i]),
            MM_OK);
    assert_int_equal(held_count, NODE_PAGES);
    frames_busy = true;
    assert_int_equal(
        virtual_range_alloc(&space, SIZE_4K, SIZE_4K, 0, "x", &start), MM_BUSY);
    for (unsigned i = 63; i < NODE_PAGES * 63; i++)
        assert_int_equal(virtual_range_free(&space, starts[i]), MM_OK);
    assert_int_equal(held_count, NODE_PAGES);
    give_back_waiting();
    assert_int_equal(held_count, NODE_PAGES);
    frames_busy = false;
    for (unsigned i = 0; i < 63; i++)
        assert_int_equal(virtual_range_free(&space, starts[i]), MM_OK);
    assert_int_equal(held_count, 0);
    check_space();
}

/* ---- Many ---- */

#define MANY 100000u

static vaddr_t many[MANY];

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* One freed at random and one allocated in its stead. */
static void churn(unsigned ranges, unsigned steps)
{
    for (unsigned step = 0; step < steps; step++) {
        uint64_t i = random_below(ranges);
        must_free(many[i]);
        many[i] = must_alloc(SIZE_4K << random_below(6), SIZE_4K,
                             (unsigned)random_below(4));
    }
}

/* 100,000 live ranges: all sound, and the time of an operation grows with the
 * height of the tree, not with the ranges. */
static void a_hundred_thousand_ranges(void **state)
{
    (void)state;
    static const unsigned stages[] = {10, 1000, MANY};
    uint64_t ns[COUNT(stages)];
    unsigned ranges = 0;
    start_space(UINT64_C(1) << 40);
    for (unsigned stage = 0; stage < COUNT(stages); stage++) {
        while (ranges < stages[stage])
            many[ranges++] = must_alloc(SIZE_4K << random_below(6), SIZE_4K,
                                        (unsigned)random_below(4));
        check_space();
        uint64_t begun = now_ns();
        churn(ranges, 50000);
        ns[stage] = (now_ns() - begun) / 50000;
        check_space();
        print_message("# %u live: %lu ns for free + alloc\n", ranges,
                      ns[stage]);
    }
    assert_true(space.root->height <= 24);
    /* linear time would be 100 times as much */
    assert_true(ns[2] < 30 * ns[1]);
    for (unsigned i = 0; i < MANY; i++) {
        struct virtual_range range;
        assert_true(virtual_range_find(&space, many[i], &range) ==
                    VIRTUAL_LIVE);
        assert_true(range.start == many[i]);
    }
    for (unsigned i = 0; i < MANY; i++)
        must_free(many[i]);
    check_space();
    assert_int_equal(held_count, 0);
}

/* ---- The audit itself ---- */

static void the_check_finds_damage(void **state)
{
    (void)state;
    start_space(SIZE_1G);
    for (unsigned i = 0; i < 60; i++)
        many[i] = must_alloc(SIZE_4K, SIZE_4K, 0);
    must_free(many[7]);
    struct virtual_node *victim = space.root->child[0];
    uint64_t *const words[] = {
        &victim->start,     &victim->gap,      &victim->max_gap,
        &space.live_ranges, &space.live_bytes, &space.node_pages,
        &space.limit,       &space.root->gap,  &space.freed[0].gap,
    };
    for (unsigned i = 0; i < COUNT(words); i++) {
        *words[i] += SIZE_4K;
        CHECK(virtual_space_check(&space) != NULL, "word %u", i);
        *words[i] -= SIZE_4K;
        check_space();
    }
    victim->pages++;
    assert_non_null(virtual_space_check(&space));
    victim->pages--;
    victim->height++;
    assert_non_null(virtual_space_check(&space));
    victim->height--;
    victim->freed = true;
    assert_non_null(virtual_space_check(&space));
    victim->freed = false;
    space.freed_count = 0;
    assert_non_null(virtual_space_check(&space));
    space.freed_count = 1;
    struct virtual_node *parent = victim->parent;
    victim->parent = victim->child[0];
    assert_non_null(virtual_space_check(&space));
    victim->parent = parent;
    space.fresh = BASE + SIZE_4K;
    assert_non_null(virtual_space_check(&space));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(init_refuses_nonsense),
        cmocka_unit_test(a_space_that_was_not_set_up_says_so),
        cmocka_unit_test(alloc_refuses_nonsense),
        cmocka_unit_test(free_refuses_nonsense),
        cmocka_unit_test(an_address_is_told),
        cmocka_unit_test(addresses_are_not_used_again_at_once),
        cmocka_unit_test(a_gap_is_not_entered_too_late),
        cmocka_unit_test(alignments_up_to_1g),
        cmocka_unit_test(two_spaces_do_not_meet),
        cmocka_unit_test(statistics_add_up),
        cmocka_unit_test(random_use_matches_the_model),
        cmocka_unit_test(every_frame_in_turn_is_refused),
        cmocka_unit_test(frames_that_must_wait_go_back_later),
        cmocka_unit_test(a_hundred_thousand_ranges),
        cmocka_unit_test(the_check_finds_damage),
    };
    return cmocka_run_group_tests_name("virtual_range", tests, NULL, NULL);
}
