#include "bench/frame_wear.h"

#include "bench/frame_subjects.h"

/* The frames that are held, by size.  Random ones are freed, so their order
 * does not matter. */
struct wear {
    struct frame_bench *of;
    uint32_t *small, *large; /* the first numbers of 4K and 2M frames */
    uint32_t small_count, large_count;
    uint64_t random;
    uint32_t refused; /* 2M */
};

const struct bench_figure frame_ageing_figures[] = {
    {"free-2m", "percent", true},
    {0},
};
const struct bench_figure frame_recover_figures[] = {
    {"free-2m", "frames", true},
    {0},
};
const struct bench_figure frame_mixed_figures[] = {
    {"mean", "percent", true},
    {"least", "percent", true},
    {"refused", "frames", false},
    {0},
};

void *frame_wear_begin(const struct bench *bench, unsigned variant)
{
    (void)variant;
    return frame_bench_begin_list(bench, FRAME_4K);
}

/* ---- Steps ---- */

static uint32_t take_of(struct frame_bench *state, enum frame_size size)
{
    RUN_FOR_SUBJECT(take, state, size);
}

static bool give_of(struct frame_bench *state, uint32_t n, enum frame_size size)
{
    RUN_FOR_SUBJECT(give, state, n, size);
}

static bool take_small(struct wear *wear)
{
    uint32_t n = take_of(wear->of, FRAME_4K);
    if (n != FRAME_NONE)
        wear->small[wear->small_count++] = n;
    return n != FRAME_NONE;
}

static bool free_small(struct wear *wear)
{
    uint32_t i = bench_random(&wear->random, wear->small_count);
    uint32_t n = wear->small[i];
    wear->small[i] = wear->small[--wear->small_count];
    return give_of(wear->of, n, FRAME_4K);
}

static bool free_large(struct wear *wear)
{
    uint32_t i = bench_random(&wear->random, wear->large_count);
    uint32_t n = wear->large[i];
    wear->large[i] = wear->large[--wear->large_count];
    return give_of(wear->of, n, FRAME_2M);
}

static bool take_many_small(struct wear *wear, uint32_t count)
{
    bool well = true;
    for (uint32_t i = 0; well && i < count; i++)
        well = take_small(wear);
    return well;
}

/* Or, if there is none, as much in small frames. */
static bool take_large(struct wear *wear)
{
    uint32_t n = take_of(wear->of, FRAME_2M);
    if (n == FRAME_NONE) {
        wear->refused++;
        return take_many_small(wear, FRAMES_PER_2M);
    }
    wear->large[wear->large_count++] = n;
    return true;
}

static bool replace_small(struct wear *wear, uint32_t count)
{
    bool well = true;
    for (uint32_t i = 0; well && i < count; i++)
        well = free_small(wear) && take_small(wear);
    return well;
}

static bool replace_large(struct wear *wear, uint32_t count)
{
    bool well = true;
    for (uint32_t i = 0; well && i < count && wear->large_count > 0; i++)
        well = free_large(wear) && take_large(wear);
    return well;
}

/* ---- What is left ---- */

static uint32_t possible_2m(const struct wear *wear)
{
    uint32_t held =
        wear->small_count + wear->large_count * (uint32_t)FRAMES_PER_2M;
    return (wear->of->frames - held) / FRAMES_PER_2M;
}

/* Hundredths of a percent. */
static uint64_t free_percent(const struct wear *wear)
{
    return frame_bench_free_2m(wear->of) * 10000 / possible_2m(wear);
}

static const char *name_of(const struct wear *wear)
{
    return frame_subject_name(wear->of->subject);
}

/* How many 4K of each 2M are held, for the plot. */
static void sample_map(const struct wear *wear, const char *plot)
{
    uint32_t blocks = wear->of->span / FRAMES_PER_2M;
    size_t bytes = blocks * sizeof(uint32_t);
    uint32_t *held = bench_take(bytes);
    if (held == NULL)
        return;
    for (uint32_t i = 0; i < wear->small_count; i++)
        held[wear->small[i] / FRAMES_PER_2M]++;
    for (uint32_t i = 0; i < wear->large_count; i++)
        held[wear->large[i] / FRAMES_PER_2M] = FRAMES_PER_2M + 1;
    for (uint32_t i = 0; i < blocks; i++)
        bench_sample(plot, name_of(wear), i, held[i] * UINT64_C(100));
    bench_give(held, bytes);
}

/* ---- Workloads ---- */

typedef bool wear_work(struct wear *wear, uint64_t *figure);

static bool with_lists(struct frame_bench *state, wear_work *work,
                       uint64_t *figure)
{
    size_t large_bytes = state->span / FRAMES_PER_2M * sizeof(uint32_t);
    struct wear wear = {
        .of = state,
        .small = state->list,
        .large = bench_take(large_bytes),
        .random = 1,
    };
    if (wear.large == NULL)
        return false;
    bool well = frame_bench_reset(state) && work(&wear, figure);
    bench_give(wear.large, large_bytes);
    return well;
}

static uint32_t seventy_percent(const struct wear *wear)
{
    return wear->of->frames / 10 * 7;
}

static bool turn_over(struct wear *wear, const char *plot, unsigned turnovers)
{
    bool well = true;
    bench_sample(plot, name_of(wear), 0, free_percent(wear));
    for (unsigned i = 1; well && i <= turnovers; i++) {
        well = replace_small(wear, wear->small_count);
        bench_sample(plot, name_of(wear), i, free_percent(wear));
    }
    return well;
}

static bool age(struct wear *wear, uint64_t *figure)
{
    bool well = take_many_small(wear, seventy_percent(wear)) &&
                turn_over(wear, "ageing", 10);
    *figure = free_percent(wear);
    return well;
}

static bool recover(struct wear *wear, uint64_t *figure)
{
    while (take_small(wear))
        ;
    bool well = true;
    while (well && wear->small_count > seventy_percent(wear))
        well = free_small(wear);
    well = well && turn_over(wear, "recover", 8);
    *figure = frame_bench_free_2m(wear->of) * 100;
    sample_map(wear, "map-recover");
    return well;
}

/* One step towards so many 4K, in units of 512. */
static bool walk(struct wear *wear, uint32_t target)
{
    bool well = true;
    uint32_t now = wear->small_count / FRAMES_PER_2M;
    if (now < target)
        return free_large(wear) && take_many_small(wear, FRAMES_PER_2M);
    if (now == target)
        return true;
    for (unsigned i = 0; well && i < FRAMES_PER_2M; i++)
        well = free_small(wear);
    return well && take_large(wear);
}

/* Where the walk is after so many steps: from the middle up, down, up. */
static uint32_t position(uint32_t step, uint32_t width)
{
    uint32_t at = (step + width / 2) % (2 * width);
    return at < width ? at : 2 * width - at;
}

static bool mix(struct wear *wear, const char *plot, const char *map,
                unsigned least_part, unsigned most_part, uint64_t *figure)
{
    const uint32_t walks = 3, small_replaced = 4000, large_replaced = 8;
    uint32_t held = seventy_percent(wear) / FRAMES_PER_2M;
    uint32_t bottom = held * least_part / 100;
    uint32_t width = held * (most_part - least_part) / 100;
    uint32_t small = bottom + width / 2;
    uint64_t sum = 0, least = UINT64_MAX;

    bool well = take_many_small(wear, small * (uint32_t)FRAMES_PER_2M);
    for (uint32_t i = small; well && i < held; i++)
        well = take_large(wear);
    uint32_t steps = walks * 2 * width;
    for (uint32_t step = 1; well && step <= steps; step++) {
        well = walk(wear, bottom + position(step, width)) &&
               replace_small(wear, small_replaced) &&
               replace_large(wear, large_replaced);
        uint64_t percent = free_percent(wear);
        sum += percent;
        least = percent < least ? percent : least;
        if (step % 8 == 0)
            bench_sample(plot, name_of(wear), step, percent);
    }
    figure[0] = (sum + steps / 2) / steps;
    figure[1] = least;
    figure[2] = wear->refused * UINT64_C(100);
    sample_map(wear, map);
    return well;
}

static bool mix_40_60(struct wear *wear, uint64_t *figure)
{
    return mix(wear, "mixed-40-60", "map-mixed-40-60", 40, 60, figure);
}

static bool mix_20_80(struct wear *wear, uint64_t *figure)
{
    return mix(wear, "mixed-20-80", "map-mixed-20-80", 20, 80, figure);
}

bool frame_ageing(void *state, uint64_t count, uint64_t *figure)
{
    (void)count;
    return with_lists(state, age, figure);
}

bool frame_recover(void *state, uint64_t count, uint64_t *figure)
{
    (void)count;
    return with_lists(state, recover, figure);
}

bool frame_mixed_40_60(void *state, uint64_t count, uint64_t *figure)
{
    (void)count;
    return with_lists(state, mix_40_60, figure);
}

bool frame_mixed_20_80(void *state, uint64_t count, uint64_t *figure)
{
    (void)count;
    return with_lists(state, mix_20_80, figure);
}
