/* The heap's workloads, as loops around any allocator.
 *
 * Each is expanded once for Copse's heaps, whose functions it calls directly,
 * and once for those that are given by pointers, as a program's calls of its C
 * library are.  A block is written to when it is got, for that is what blocks
 * are got for.
 */
#ifndef BENCH_HEAP_LOOPS_H
#define BENCH_HEAP_LOOPS_H

#include <stdatomic.h>

#include "bench/bench.h"
#include "mm/platform.h"

#define HEAP_BATCH    1000u  /* blocks that are freed together */
#define HEAP_LIVE     10000u /* blocks of rand */
#define HEAP_FEW      1000u  /* blocks of larson, and at most of mixed */
#define HEAP_FEWER    100u   /* the same where they are large */
#define HEAP_RING     1024u  /* blocks between two threads */
#define HEAP_SIZE_MIN 8u

#define HEAP_THREADS_MAX 2

/* What one thread has of its own. */
struct heap_worker {
    uint64_t random;
    bool filled;
    size_t size[HEAP_LIVE]; /* of the blocks; 0: none */
    void *block[HEAP_LIVE];
} __attribute__((aligned(64)));

struct heap_state {
    void *allocator;
    size_t size; /* of each block, or of the largest */

    /* From the thread that allocates to the one that frees. */
    struct {
        void *block[HEAP_RING];
        _Atomic uint64_t put __attribute__((aligned(64)));
        _Atomic uint64_t taken __attribute__((aligned(64)));
    } ring;

    struct heap_worker worker[HEAP_THREADS_MAX];
};

struct heap_functions {
    void *(*alloc)(void *allocator, size_t size);
    void (*free)(void *allocator, void *block, size_t size);
    void *(*realloc)(void *allocator, void *block, size_t size,
                     size_t new_size);
};

#define HEAP_LOOP __attribute__((always_inline)) static inline

HEAP_LOOP void *heap_get(const struct heap_state *state,
                         const struct heap_functions *functions, size_t size)
{
    uint64_t *block = functions->alloc(state->allocator, size);
    if (block != NULL)
        *(volatile uint64_t *)block = size;
    return block;
}

/* An operation is one block, allocated and freed. */
HEAP_LOOP bool heap_pair(struct heap_state *state, uint64_t count,
                         const struct heap_functions *functions)
{
    size_t size = state->size;
    for (uint64_t i = 0; i < count; i++) {
        void *block = heap_get(state, functions, size);
        if (block == NULL)
            return false;
        functions->free(state->allocator, block, size);
    }
    return true;
}

/* The same, of many at a time. */
HEAP_LOOP bool heap_batch(struct heap_state *state, uint64_t count,
                          const struct heap_functions *functions)
{
    void **block = state->worker[0].block;
    size_t size = state->size;
    bool well = true;
    for (uint64_t n = 0; well && n < count; n += HEAP_BATCH) {
        unsigned got = 0;
        while (got < HEAP_BATCH &&
               (block[got] = heap_get(state, functions, size)) != NULL)
            got++;
        well = got == HEAP_BATCH;
        for (unsigned i = 0; i < got; i++)
            functions->free(state->allocator, block[i], size);
    }
    return well;
}

HEAP_LOOP size_t heap_random_size(const struct heap_state *state,
                                  struct heap_worker *worker)
{
    return HEAP_SIZE_MIN + bench_random(&worker->random, (uint32_t)state->size -
                                                             HEAP_SIZE_MIN + 1);
}

HEAP_LOOP bool heap_fill_slot(const struct heap_state *state,
                              struct heap_worker *worker, uint32_t i,
                              const struct heap_functions *functions)
{
    size_t size = heap_random_size(state, worker);
    worker->block[i] = heap_get(state, functions, size);
    worker->size[i] = worker->block[i] != NULL ? size : 0;
    return worker->block[i] != NULL;
}

HEAP_LOOP void heap_empty_slot(const struct heap_state *state,
                               struct heap_worker *worker, uint32_t i,
                               const struct heap_functions *functions)
{
    functions->free(state->allocator, worker->block[i], worker->size[i]);
    worker->size[i] = 0;
}

/* By the thread itself, so that the blocks come from where its own come. */
HEAP_LOOP bool heap_fill(const struct heap_state *state,
                         struct heap_worker *worker, uint32_t slots,
                         const struct heap_functions *functions)
{
    for (uint32_t i = 0; i < slots && !worker->filled; i++)
        if (!heap_fill_slot(state, worker, i, functions))
            return false;
    worker->filled = true;
    return true;
}

/* Blocks die at random: an operation frees one and allocates one. */
HEAP_LOOP bool heap_replace(const struct heap_state *state,
                            struct heap_worker *worker, uint32_t slots,
                            uint64_t count,
                            const struct heap_functions *functions)
{
    for (uint64_t n = 0; n < count; n++) {
        uint32_t i = bench_random(&worker->random, slots);
        heap_empty_slot(state, worker, i, functions);
        if (!heap_fill_slot(state, worker, i, functions))
            return false;
    }
    return true;
}

HEAP_LOOP bool heap_rand(struct heap_state *state, uint64_t count,
                         const struct heap_functions *functions)
{
    struct heap_worker *worker = &state->worker[platform_cpu()];
    return heap_fill(state, worker, HEAP_LIVE, functions) &&
           heap_replace(state, worker, HEAP_LIVE, count, functions);
}

/* An operation is one call: a block is got for a free slot, one in use changes
 * its size or is freed, as often the one as the other. */
HEAP_LOOP bool heap_mixed(struct heap_state *state, uint64_t count,
                          const struct heap_functions *functions)
{
    struct heap_worker *worker = &state->worker[platform_cpu()];
    uint32_t slots = state->size <= 1024 ? HEAP_FEW : HEAP_FEWER;
    for (uint64_t n = 0; n < count; n++) {
        uint32_t i = bench_random(&worker->random, slots);
        if (worker->size[i] == 0) {
            if (!heap_fill_slot(state, worker, i, functions))
                return false;
        } else if (bench_random(&worker->random, 2) == 0) {
            heap_empty_slot(state, worker, i, functions);
        } else {
            size_t size = heap_random_size(state, worker);
            void *block = functions->realloc(state->allocator, worker->block[i],
                                             worker->size[i], size);
            if (block == NULL)
                return false;
            worker->block[i] = block;
            worker->size[i] = size;
        }
    }
    return true;
}

/* An operation is one block that thread 0 allocates and thread 1 frees. */
HEAP_LOOP bool heap_pass_on(struct heap_state *state, uint64_t count,
                            const struct heap_functions *functions)
{
    bool well = true;
    for (uint64_t n = 0; n < count; n++) {
        void **slot = &state->ring.block[n % HEAP_RING];
        if (platform_cpu() == 0) {
            /* acquire: the slot is read before it is written again */
            while (n - atomic_load_explicit(&state->ring.taken,
                                            memory_order_acquire) >=
                   HEAP_RING)
                platform_relax();
            *slot = heap_get(state, functions, state->size);
            /* release: the slot is written before it is seen */
            atomic_store_explicit(&state->ring.put, n + 1,
                                  memory_order_release);
            well &= *slot != NULL;
        } else {
            while (atomic_load_explicit(&state->ring.put,
                                        memory_order_acquire) <= n)
                platform_relax();
            if (*slot != NULL)
                functions->free(state->allocator, *slot, state->size);
            atomic_store_explicit(&state->ring.taken, n + 1,
                                  memory_order_release);
        }
    }
    return well;
}

/* After Larson and Krishnan (1998), a server: a thread replaces blocks at
 * random, then leaves them to another one, which goes on with them. */
HEAP_LOOP bool heap_larson(struct heap_state *state, uint64_t count,
                           const struct heap_functions *functions)
{
    const unsigned rounds = 16;
    unsigned self = platform_cpu();
    bool well = true;
    for (unsigned i = 0; i < rounds; i++) {
        struct heap_worker *worker = &state->worker[(self + i) % 2];
        well = well && heap_fill(state, worker, HEAP_FEW, functions) &&
               heap_replace(state, worker, HEAP_FEW, count / rounds, functions);
        bench_meet();
    }
    return well;
}

/* As rand, with the stamps that each call took, after a round that fills the
 * heap and is not looked at. */
HEAP_LOOP bool heap_single_calls(struct heap_state *state, uint64_t count,
                                 const struct heap_functions *functions,
                                 uint32_t *alloc, uint32_t *free)
{
    struct heap_worker *worker = &state->worker[0];
    if (!heap_rand(state, 10 * HEAP_LIVE, functions))
        return false;
    for (uint64_t n = 0; n < count; n++) {
        uint32_t i = bench_random(&worker->random, HEAP_LIVE);
        size_t size = heap_random_size(state, worker);
        uint64_t start = bench_stamp();
        heap_empty_slot(state, worker, i, functions);
        uint64_t freed = bench_stamp();
        worker->block[i] = functions->alloc(state->allocator, size);
        uint64_t end = bench_stamp();
        if (worker->block[i] == NULL)
            return false;
        worker->size[i] = size;
        free[n] = (uint32_t)(freed - start);
        alloc[n] = (uint32_t)(end - freed);
    }
    return true;
}

/* After any of them: frees what is left. */
HEAP_LOOP void heap_empty(struct heap_state *state,
                          const struct heap_functions *functions)
{
    for (unsigned w = 0; w < HEAP_THREADS_MAX; w++)
        for (uint32_t i = 0; i < HEAP_LIVE; i++)
            if (state->worker[w].size[i] != 0)
                heap_empty_slot(state, &state->worker[w], i, functions);
}

#endif
