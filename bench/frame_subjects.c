#include "bench/frame_subjects.h"

#include "lib/string.h"

/* The most that a machine has whose own memory is measured. */
#define SPAN_OF_MACHINE (8 * SIZE_1G)

/* One for all: passes come one after the other. */
static struct {
    uint32_t *list;
    size_t bytes;
    unsigned users;
} shared;

const char *frame_subject_name(enum frame_subject subject)
{
    static const char *const names[] = {
        [BY_FRAME] = "frame",   [BY_TREE] = "frame_tree",
        [BY_BUDDY] = "buddy",   [BY_BUDDY_LISTS] = "buddy-lists",
        [BY_NOTHING] = "empty",
    };
    return names[subject];
}

static enum frame_subject subject_of(const char *name)
{
    unsigned i = BY_FRAME;
    while (i < BY_NOTHING &&
           strcmp(name, frame_subject_name((enum frame_subject)i)) != 0)
        i++;
    return (enum frame_subject)i;
}

static size_t page_bytes(const struct frame_bench *state)
{
    return state->bytes / SIZE_4K * sizeof(struct buddy_page);
}

static unsigned gibs_of(const struct frame_bench *state)
{
    return (unsigned)(state->bytes / SIZE_1G);
}

static size_t held_bytes(const struct frame_bench *state)
{
    return (state->span >> size_shift(state->size)) * sizeof(uint32_t);
}

/* ---- Making an allocator ---- */

static uint32_t managed_frames(void)
{
    struct frame_stats stats;
    frame_stats(&stats);
    return (uint32_t)(stats.managed_bytes / SIZE_4K);
}

bool frame_bench_reset(struct frame_bench *state)
{
    state->frames = state->span;
    switch (state->subject) {
    case BY_FRAME:
        if (!bench_machine(state->bytes))
            return false;
        state->frames = managed_frames();
        return true;
    case BY_TREE:
        frame_tree_init_held_1g(&state->tree, state->levels, gibs_of(state));
        for (uint32_t n = 0; n < state->span; n += FRAMES_PER_1G)
            frame_tree_free(&state->tree, n);
        return true;
    case BY_BUDDY:
    case BY_BUDDY_LISTS:
        reference_buddy_init(&state->buddy, state->pages, state->span,
                             state->subject == BY_BUDDY);
        return true;
    case BY_NOTHING:
        return true;
    }
    return false;
}

/* The metadata of those that have none of their own. */
static bool take_memory(struct frame_bench *state)
{
    if (state->subject == BY_TREE) {
        state->levels = bench_take(frame_tree_bytes(gibs_of(state)));
        return state->levels != NULL;
    }
    if (state->subject == BY_BUDDY || state->subject == BY_BUDDY_LISTS) {
        state->pages = bench_take(page_bytes(state));
        return state->pages != NULL;
    }
    return true;
}

static void give_memory(struct frame_bench *state)
{
    if (state->levels != NULL)
        bench_give(state->levels, frame_tree_bytes(gibs_of(state)));
    if (state->pages != NULL)
        bench_give(state->pages, page_bytes(state));
    for (unsigned i = 0; i < FRAME_BENCH_CPUS; i++)
        if (state->share[i].held != NULL)
            bench_give(state->share[i].held, held_bytes(state));
    if (state->list != NULL && --shared.users == 0)
        bench_give(shared.list, shared.bytes);
    bench_give(state, sizeof(*state));
}

static bool take_shares(struct frame_bench *state, unsigned shares)
{
    for (unsigned i = 0; i < shares; i++) {
        state->share[i].random = i + 1;
        state->share[i].held = bench_take(held_bytes(state));
        if (state->share[i].held == NULL)
            return false;
    }
    return true;
}

struct frame_bench *frame_bench_begin(const struct bench *bench,
                                      enum frame_size size)
{
    enum frame_subject subject = subject_of(bench->subject);
    if (size == FRAME_1G &&
        (subject == BY_BUDDY || subject == BY_BUDDY_LISTS)) {
        bench_cannot("impossible: its largest block is 4M");
        return NULL;
    }
    struct frame_bench *state = bench_take(sizeof(*state));
    if (state == NULL)
        return NULL;
    state->subject = subject;
    state->size = size;
    state->bytes = bench->bytes;
    state->span =
        (uint32_t)((bench->bytes != 0 ? bench->bytes : SPAN_OF_MACHINE) /
                   SIZE_4K);
    unsigned shares = bench->threads > 1 ? bench->threads : 1;
    if (take_memory(state) && take_shares(state, shares) &&
        frame_bench_reset(state))
        return state;
    bench_cannot("skipped: not enough memory");
    give_memory(state);
    return NULL;
}

struct frame_bench *frame_bench_begin_list(const struct bench *bench,
                                           enum frame_size size)
{
    struct frame_bench *state = frame_bench_begin(bench, size);
    if (state == NULL)
        return NULL;
    if (shared.users == 0) {
        shared.bytes = (state->span >> size_shift(size)) * sizeof(uint32_t);
        shared.list = bench_take(shared.bytes);
    }
    if (shared.list == NULL) {
        bench_cannot("skipped: not enough memory");
        give_memory(state);
        return NULL;
    }
    shared.users++;
    state->list = shared.list;
    return state;
}

/* ---- Ending ---- */

/* Only the machine's own allocator lives on. */
static void give_back(struct frame_bench *state, struct frame_share *share)
{
    for (uint32_t i = 0; i < share->count; i++)
        (void)give(BY_FRAME, state, share->held[i], state->size);
}

void frame_bench_end(void *context)
{
    struct frame_bench *state = context;
    for (unsigned i = 0; i < FRAME_BENCH_CPUS; i++)
        if (state->subject == BY_FRAME && state->bytes == 0)
            give_back(state, &state->share[i]);
    give_memory(state);
}

/* ---- Looking at it ---- */

uint64_t frame_bench_free_2m(struct frame_bench *state)
{
    if (state->subject == BY_FRAME) {
        struct frame_stats stats;
        frame_stats(&stats);
        return stats.free[FRAME_2M] + stats.free[FRAME_1G] * FRAMES_PER_2M;
    }
    if (state->subject == BY_TREE) {
        struct frame_tree_count count = frame_tree_count(&state->tree);
        return count.whole_2m + count.whole_1g * FRAMES_PER_2M;
    }
    return reference_buddy_count_2m(&state->buddy);
}

uint64_t frame_bench_metadata(const struct frame_bench *state)
{
    struct frame_stats stats;
    switch (state->subject) {
    case BY_FRAME:
        frame_stats(&stats);
        return stats.metadata_bytes;
    case BY_TREE:
        return sizeof(state->tree) + frame_tree_bytes(gibs_of(state));
    case BY_BUDDY:
    case BY_BUDDY_LISTS:
        return sizeof(state->buddy) + page_bytes(state);
    case BY_NOTHING:
        break;
    }
    return 0;
}
