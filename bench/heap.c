/* Heaps: every back-end, each over an array of its own. */
#include "bench/bench.h"

#include "mm/heap/backend.h"

#define REGION_BYTES (16u << 20)
#define BATCH        1000u
#define LIVE         10000u
#define BLOCK_MIN    8u
#define BLOCK_MAX    1024u
#define ALIGN        16u

struct heap_bench {
    struct heap heap;
    void *region;
    uint64_t random;
    size_t size;
    void *block[LIVE];
    size_t block_size[LIVE];
};

static const char *backend_name(unsigned number)
{
    return heap_backends[number] != NULL ? heap_backends[number]->name : NULL;
}

static inline struct layout layout_of(size_t size)
{
    return (struct layout){size, ALIGN};
}

static void discard(struct heap_bench *state)
{
    if (state->region != NULL)
        bench_give(state->region, REGION_BYTES);
    bench_give(state, sizeof(*state));
}

static void end(void *context)
{
    struct heap_bench *state = context;
    heap_fini(&state->heap);
    discard(state);
}

static void *begin(const struct bench *bench, unsigned variant)
{
    struct heap_bench *state = bench_take(sizeof(*state));
    if (state == NULL)
        return NULL;
    state->random = 1;
    state->size = bench->bytes;
    state->region = bench_take(REGION_BYTES);
    if (state->region != NULL &&
        heap_init(&state->heap, heap_backends[variant],
                  heap_region_array(state->region, REGION_BYTES)) == MM_OK)
        return state;
    discard(state);
    return NULL;
}

static bool run_pair(void *context, uint64_t count)
{
    struct heap_bench *state = context;
    struct layout layout = layout_of(state->size);
    for (uint64_t i = 0; i < count; i++) {
        void *block = heap_alloc_in(&state->heap, layout);
        if (block == NULL)
            return false;
        bench_use(block);
        heap_dealloc_in(&state->heap, block, layout);
    }
    return true;
}

/* An operation is one block, allocated and freed. */
static bool run_batch(void *context, uint64_t count)
{
    struct heap_bench *state = context;
    struct layout layout = layout_of(state->size);
    bool well = true;
    for (uint64_t n = 0; well && n < count; n += BATCH) {
        unsigned got = 0;
        while (got < BATCH && (state->block[got] =
                                   heap_alloc_in(&state->heap, layout)) != NULL)
            got++;
        well = got == BATCH;
        for (unsigned i = 0; i < got; i++)
            heap_dealloc_in(&state->heap, state->block[i], layout);
    }
    return well;
}

static bool fill_slot(struct heap_bench *state, uint32_t i)
{
    size_t size =
        BLOCK_MIN + bench_random(&state->random, BLOCK_MAX - BLOCK_MIN + 1);
    state->block_size[i] = size;
    state->block[i] = heap_alloc_in(&state->heap, layout_of(size));
    return state->block[i] != NULL;
}

static void *begin_random(const struct bench *bench, unsigned variant)
{
    struct heap_bench *state = begin(bench, variant);
    for (uint32_t i = 0; state != NULL && i < LIVE; i++)
        if (!fill_slot(state, i)) {
            end(state);
            return NULL;
        }
    return state;
}

static bool run_random(void *context, uint64_t count)
{
    struct heap_bench *state = context;
    for (uint64_t n = 0; n < count; n++) {
        uint32_t i = bench_random(&state->random, LIVE);
        heap_dealloc_in(&state->heap, state->block[i],
                        layout_of(state->block_size[i]));
        if (!fill_slot(state, i))
            return false;
    }
    return true;
}

static bool run_random_empty(void *context, uint64_t count)
{
    struct heap_bench *state = context;
    for (uint64_t n = 0; n < count; n++) {
        uint32_t i = bench_random(&state->random, LIVE);
        state->block_size[i] =
            BLOCK_MIN + bench_random(&state->random, BLOCK_MAX - BLOCK_MIN + 1);
        bench_use(&state->block[i]);
    }
    return true;
}

#define ROW(name, size)                                                        \
    .suite = "heap", .workload = name, .bytes = size, .end = end

/* clang-format off */
const struct bench bench_heap[] = {
    {ROW("pair", 64), .variant = backend_name, .count = {1000, 1000000},
     .begin = begin, .run = run_pair, .goal = {190}},
    {ROW("batch", 64), .variant = backend_name,
     .count = {4 * BATCH, 1000 * BATCH}, .begin = begin, .run = run_batch,
     .goal = {190}},
    {ROW("random", BLOCK_MAX), .variant = backend_name,
     .count = {500, 50000}, .begin = begin_random, .run = run_random,
     .goal = {430}},
    {ROW("random", BLOCK_MAX), .subject = "empty", .role = BENCH_YARDSTICK,
     .count = {500, 50000}, .begin = begin, .run = run_random_empty},
    {0},
};
/* clang-format on */
