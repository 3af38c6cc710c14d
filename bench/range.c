/* Virtual ranges: one of many is freed, and another allocated. */
#include "bench/bench.h"

#include "mm/virtual_range.h"

#define SPACE_BYTES (UINT64_C(1) << 40)

struct range_state {
    struct virtual_space space;
    uint64_t random;
    uint32_t live, room;
    vaddr_t start[];
};

static size_t state_bytes(uint32_t live)
{
    return sizeof(struct range_state) + live * sizeof(vaddr_t);
}

static bool alloc_one(struct range_state *state, uint32_t i)
{
    return virtual_range_alloc(&state->space, PAGE_SIZE, PAGE_SIZE,
                               VIRTUAL_GUARD_BEHIND, "bench",
                               &state->start[i]) == MM_OK;
}

static bool free_one(struct range_state *state, uint32_t i)
{
    return virtual_range_free(&state->space, state->start[i]) == MM_OK;
}

static void end(void *context)
{
    struct range_state *state = context;
    uint32_t live = state->live;
    while (live > 0)
        (void)free_one(state, --live);
    bench_give(state, state_bytes(state->room));
}

/* A row's bytes are those of all live ranges, one page each. */
static void *begin(const struct bench *bench, unsigned variant)
{
    uint32_t live = (uint32_t)(bench->bytes / PAGE_SIZE);
    (void)variant;
    if (!bench_machine(0))
        return NULL;
    struct range_state *state = bench_take(state_bytes(live));
    if (state == NULL)
        return NULL;
    state->random = 1;
    state->room = live;
    bool well =
        virtual_space_init(&state->space, bench_scratch, SPACE_BYTES) == MM_OK;
    while (well && state->live < live && alloc_one(state, state->live))
        state->live++;
    if (state->live == live)
        return state;
    end(state);
    return NULL;
}

static bool run(void *context, uint64_t count)
{
    struct range_state *state = context;
    bool well = true;
    for (uint64_t n = 0; n < count; n++) {
        uint32_t i = bench_random(&state->random, state->live);
        well &= free_one(state, i) && alloc_one(state, i);
    }
    return well;
}

static bool run_empty(void *context, uint64_t count)
{
    struct range_state *state = context;
    for (uint64_t n = 0; n < count; n++)
        bench_use(&state->start[bench_random(&state->random, state->live)]);
    return true;
}

/* clang-format off */
#define LIVE(name, live)                                                       \
    {.suite = "range", .workload = name, .subject = "virtual_range",           \
     .bytes = live * PAGE_SIZE, .count = {2000, 500000}, .begin = begin,       \
     .end = end, .run = run}

const struct bench bench_range[] = {
    LIVE("10-live", 10),
    LIVE("1000-live", 1000),
    LIVE("100000-live", 100000),
    {.suite = "range", .workload = "100000-live", .subject = "empty",
     .role = BENCH_YARDSTICK, .bytes = 100000 * PAGE_SIZE,
     .count = {2000, 500000}, .begin = begin, .end = end, .run = run_empty},
    {0},
};
/* clang-format on */
