/* Every reachable state of a small frame tree.
 *
 * The same source, with nodes of SMALL_MEMBERS bits in place of 512 (in words
 * of SET512_WORD_BITS bits).  From the states that giving ranges can make, any
 * call with any argument is made in every state found, until no state is new.
 * After each call the invariant is audited, and the abstract effect is compared
 * with what the contract says, computed from the predicates' definitions.
 *
 * Included by the test files, which set SET512_WORDS and SET512_WORD_BITS.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mm/tree/tree.c"

#define MEMBERS    SET512_MEMBERS
#define GIBS_MAX   2
#define FRAMES_MAX (GIBS_MAX * FRAMES_PER_1G)
#define SETS_MAX   (GIBS_MAX * (2 + MEMBERS))

/* All of a tree's memory, so that a state can be kept, found and restored. */
struct small {
    struct frame_tree tree;
    struct set512 levels[SETS_MAX];
};

/* What each frame is: a state is reached once for each of these. */
struct picture {
    uint8_t state[FRAMES_MAX];
};

static struct small now;
static uint32_t gib_count;
static struct picture *pictures; /* found, in the order of finding */
static struct small *smalls;     /* the tree of each */
static size_t found, room;
static uint32_t *buckets; /* open addressing: index + 1, or 0 */
static size_t bucket_count;

static uint32_t frames(void)
{
    return gib_count * FRAMES_PER_1G;
}

static struct picture picture_now(void)
{
    struct picture picture = {{0}};

    for (uint32_t n = 0; n < frames(); n++)
        picture.state[n] = (uint8_t)frame_tree_state(&now.tree, n);
    return picture;
}

static size_t bucket_of(const struct picture *picture)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (uint32_t n = 0; n < frames(); n++)
        hash = (hash ^ picture->state[n]) * UINT64_C(1099511628211);
    for (size_t b = (size_t)(hash >> 20) & (bucket_count - 1);;
         b = (b + 1) & (bucket_count - 1))
        if (buckets[b] == 0 || memcmp(&pictures[buckets[b] - 1], picture,
                                      sizeof(*picture)) == 0)
            return b;
}

/* Files the state if it is new.  The bits must be a function of the picture:
 * the tree holds nothing that the state of its frames does not tell. */
static void remember(void)
{
    struct picture picture = picture_now();
    size_t b = bucket_of(&picture);

    if (buckets[b] != 0) {
        const struct small *known = &smalls[buckets[b] - 1];

        assert_memory_equal(known->levels, now.levels, sizeof(now.levels));
        assert_memory_equal(&known->tree.free_1g, &now.tree.free_1g,
                            3 * sizeof(struct set512));
        return;
    }
    assert_true(found < room);
    pictures[found] = picture;
    smalls[found] = now;
    buckets[b] = (uint32_t)++found;
}

/* The predicates of mm/tree/model.h, on pictures. */
static bool all_are(const struct picture *p, uint32_t first, uint32_t end,
                    enum frame_state state)
{
    for (uint32_t n = first; n < end; n++)
        if (p->state[n] != state)
            return false;
    return true;
}

static bool only_frames_changed(const struct picture *before,
                                const struct picture *after, uint32_t first,
                                uint32_t end)
{
    for (uint32_t n = 0; n < frames(); n++)
        if (!(first <= n && n < end) && before->state[n] != after->state[n])
            return false;
    return true;
}

static bool whole_2m(const struct picture *p, uint32_t i)
{
    return all_are(p, i * MEMBERS, (i + 1) * MEMBERS, FRAME_AVAILABLE);
}

static bool whole_1g(const struct picture *p, uint32_t g)
{
    return all_are(p, g * FRAMES_PER_1G, (g + 1) * FRAMES_PER_1G,
                   FRAME_AVAILABLE);
}

static bool fragment_4k(const struct picture *p, uint32_t n)
{
    return p->state[n] == FRAME_AVAILABLE && !whole_2m(p, n / MEMBERS);
}

static bool fragment_2m(const struct picture *p, uint32_t i)
{
    return whole_2m(p, i) && !whole_1g(p, i / MEMBERS);
}

static uint32_t place_4k(const struct picture *p)
{
    for (uint32_t n = 0; n < frames(); n++)
        if (fragment_4k(p, n))
            return n;
    for (uint32_t i = 0; i < gib_count * MEMBERS; i++)
        if (fragment_2m(p, i))
            return i * MEMBERS;
    for (uint32_t g = 0; g < gib_count; g++)
        if (whole_1g(p, g))
            return g * FRAMES_PER_1G;
    return FRAME_NONE;
}

static uint32_t place_2m(const struct picture *p)
{
    for (uint32_t i = gib_count * MEMBERS; i-- > 0;)
        if (fragment_2m(p, i))
            return i * MEMBERS;
    for (uint32_t g = gib_count; g-- > 0;)
        if (whole_1g(p, g))
            return g * FRAMES_PER_1G + (MEMBERS - 1) * MEMBERS;
    return FRAME_NONE;
}

static uint32_t place_1g(const struct picture *p)
{
    for (uint32_t g = gib_count; g-- > 0;)
        if (whole_1g(p, g))
            return g * FRAMES_PER_1G;
    return FRAME_NONE;
}

static void check_allocation(const struct picture *before, uint32_t n,
                             uint32_t wanted, uint32_t length,
                             enum frame_state held)
{
    struct picture after = picture_now();

    assert_int_equal(n, wanted);
    if (n == FRAME_NONE) {
        assert_true(only_frames_changed(before, &after, 0, 0));
        return;
    }
    assert_true(all_are(before, n, n + length, FRAME_AVAILABLE));
    assert_true(all_are(&after, n, n + length, held));
    assert_true(only_frames_changed(before, &after, n, n + length));
}

static void check_free(const struct picture *before, uint32_t n,
                       enum frame_freed freed)
{
    struct picture after = picture_now();
    uint32_t length = 0;
    enum frame_freed wanted;

    if (n >= frames()) {
        wanted = FRAME_OUT_OF_RANGE;
    } else if (before->state[n] == FRAME_HELD_4K) {
        wanted = FRAME_FREED_4K;
        length = 1;
    } else if (before->state[n] == FRAME_HELD_2M) {
        wanted = n % MEMBERS ? FRAME_INSIDE_2M : FRAME_FREED_2M;
        length = n % MEMBERS ? 0 : MEMBERS;
    } else if (before->state[n] == FRAME_HELD_1G) {
        wanted = n % FRAMES_PER_1G ? FRAME_INSIDE_1G : FRAME_FREED_1G;
        length = n % FRAMES_PER_1G ? 0 : FRAMES_PER_1G;
    } else {
        wanted = FRAME_NOT_HELD;
    }
    assert_int_equal(freed, wanted);
    if (n < frames())
        assert_true(all_are(&after, n, n + length, FRAME_AVAILABLE));
    assert_true(only_frames_changed(before, &after, n, n + length));
}

static void after_a_call(void)
{
    struct frame_tree_fault fault;

    assert_true(frame_tree_check(&now.tree, &fault));
    remember();
}

static void every_call_from(size_t s)
{
    struct picture before = pictures[s];

    now = smalls[s];
    check_allocation(&before, frame_tree_alloc_4k(&now.tree),
                     place_4k(&before), 1, FRAME_HELD_4K);
    after_a_call();
    now = smalls[s];
    check_allocation(&before, frame_tree_alloc_2m(&now.tree),
                     place_2m(&before), MEMBERS, FRAME_HELD_2M);
    after_a_call();
    now = smalls[s];
    check_allocation(&before, frame_tree_alloc_1g(&now.tree),
                     place_1g(&before), FRAMES_PER_1G, FRAME_HELD_1G);
    after_a_call();
    for (uint32_t n = 0; n <= frames(); n++) {
        now = smalls[s];
        check_free(&before, n, frame_tree_free(&now.tree, n));
        after_a_call();
    }
}

/* The calls for which their caller knows what is there. */
static void every_certain_call_from(size_t s)
{
    struct picture before = pictures[s];

    for (uint32_t n = 0; n < frames(); n++)
        if (fragment_4k(&before, n)) {
            now = smalls[s];
            frame_tree_take_4k(&now.tree, n);
            check_allocation(&before, n, n, 1, FRAME_HELD_4K);
            after_a_call();
        }
    for (uint32_t i = 0; i < gib_count * MEMBERS; i++) {
        now = smalls[s];
        if (fragment_2m(&before, i)) {
            frame_tree_take_2m(&now.tree, i);
            check_allocation(&before, i * MEMBERS, i * MEMBERS, MEMBERS,
                             FRAME_HELD_2M);
            after_a_call();
        } else if (before.state[i * MEMBERS] == FRAME_HELD_2M) {
            frame_tree_put_2m(&now.tree, i);
            check_free(&before, i * MEMBERS, FRAME_FREED_2M);
            after_a_call();
        }
    }
}

/* Any range that holds no part of a larger held frame. */
static void every_gift_from(size_t s)
{
    struct picture before = pictures[s];

    for (uint32_t first = 0; first < frames(); first++)
        for (uint32_t end = first + 1; end <= frames() &&
                                       before.state[end - 1] <= FRAME_HELD_4K;
             end++) {
            now = smalls[s];
            frame_tree_give(&now.tree, first, end - first);

            struct picture after = picture_now();

            assert_true(all_are(&after, first, end, FRAME_AVAILABLE));
            assert_true(only_frames_changed(&before, &after, first, end));
            after_a_call();
        }
}

/* Returns the number of states. */
static size_t explore(uint32_t gibs, size_t most, bool with_gifts)
{
    gib_count = gibs;
    found = 0;
    room = most;
    for (bucket_count = 16; bucket_count < 2 * most;)
        bucket_count *= 2;
    pictures = calloc(most, sizeof(*pictures));
    smalls = aligned_alloc(64, most * sizeof(*smalls));
    buckets = calloc(bucket_count, sizeof(*buckets));
    assert_true(pictures != NULL && smalls != NULL && buckets != NULL);

    memset(&now, 0, sizeof(now));
    frame_tree_init(&now.tree, now.levels, gibs);
    assert_true(frame_tree_bytes(gibs) <= sizeof(now.levels));
    remember();
    for (uint32_t n = 0; n < frames(); n++)
        assert_int_equal(pictures[0].state[n], FRAME_HELD_4K);
    memset(&now, 0, sizeof(now));
    frame_tree_init_held_1g(&now.tree, now.levels, gibs);
    after_a_call();
    for (uint32_t n = 0; n < frames(); n++)
        assert_int_equal(pictures[1].state[n], FRAME_HELD_1G);
    for (size_t s = 0; s < found; s++) {
        every_call_from(s);
        every_certain_call_from(s);
        if (with_gifts)
            every_gift_from(s);
    }
    free(pictures);
    free(smalls);
    free(buckets);
    return found;
}

/* A 2M is held whole, or each of its 4Ks is held or available; a GiB is held
 * whole, or each of its 2Ms is in any of those states. */
static size_t states_of(uint32_t gibs)
{
    size_t of_2m = 1 + ((size_t)1 << MEMBERS), of_1g = 1, all = 1;

    for (uint32_t i = 0; i < MEMBERS; i++)
        of_1g *= of_2m;
    for (uint32_t g = 0; g < gibs; g++)
        all *= of_1g + 1;
    return all;
}
