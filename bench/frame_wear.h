/* What is left of the large frames when memory wears out. */
#ifndef BENCH_FRAME_WEAR_H
#define BENCH_FRAME_WEAR_H

#include "bench/bench.h"

extern const struct bench_figure frame_ageing_figures[],
    frame_recover_figures[], frame_mixed_figures[];

/* Begins any of these. */
void *frame_wear_begin(const struct bench *bench, unsigned variant);

/* 70 % of the memory is allocated as 4K; then one random frame is freed and one
 * allocated, until as many have been replaced as are held: that is a turnover.
 * After 10 of them: free 2M, in percent of the possible. */
bool frame_ageing(void *state, uint64_t count, uint64_t *figure);

/* All memory is allocated as 4K, then a random 30 % freed.  After 8 turnovers:
 * free 2M. */
bool frame_recover(void *state, uint64_t count, uint64_t *figure);

/* 70 % of the memory is held, part of that as 4K and the rest as 2M.  The part
 * goes up from the middle to its most, down to its least and up again, three
 * times, in steps of a 2M: one random 2M is freed and 512 4K allocated, or 512
 * random 4K freed and a 2M allocated.  In each step 4,000 random 4K and 8
 * random 2M are replaced too.  A 2M that is refused is replaced by 512 4K.
 * Looked at after each step: the mean and the least of free 2M, in percent of
 * the possible; and how many 2M were refused. */
bool frame_mixed_40_60(void *state, uint64_t count, uint64_t *figure);
bool frame_mixed_20_80(void *state, uint64_t count, uint64_t *figure);

#endif
