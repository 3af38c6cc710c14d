/* The allocators under test: Copse's back-ends, each over a region of its own,
 * and those that programs know. */
#ifndef BENCH_HEAP_SUBJECTS_H
#define BENCH_HEAP_SUBJECTS_H

#include "bench/bench.h"
#include "bench/heap_loops.h"
#include "bench/heap_peers.h"
#include "mm/heap.h"

#define HEAP_ALIGN 16u

/* A row's begin and end.  The state is a struct heap_state; its block size is
 * the row's bytes.  A back-end goes by the row's subject, and has no checks or
 * those of the function's name; a peer goes by its number. */
void *heap_begin_ours(const struct bench *bench, unsigned variant);
void *heap_begin_basic(const struct bench *bench, unsigned variant);
void *heap_begin_full(const struct bench *bench, unsigned variant);
void heap_end_ours(void *state);
void *heap_begin_peer(const struct bench *bench, unsigned variant);
void heap_end_peer(void *state);

/* A peer that does nothing: what the loops and the calls alone cost. */
void *heap_begin_empty(const struct bench *bench, unsigned variant);

/* A block's size goes back with it where the contract is Copse's. */

static inline void *heap_ours_alloc(void *heap, size_t size)
{
    return heap_alloc_in(heap, (struct layout){size, HEAP_ALIGN});
}

static inline void heap_ours_free(void *heap, void *block, size_t size)
{
    heap_dealloc_in(heap, block, (struct layout){size, HEAP_ALIGN});
}

static inline void *heap_ours_realloc(void *heap, void *block, size_t size,
                                      size_t new_size)
{
    return heap_realloc_in(heap, block, (struct layout){size, HEAP_ALIGN},
                           new_size);
}

static const struct heap_functions heap_ours = {heap_ours_alloc, heap_ours_free,
                                                heap_ours_realloc};

/* The others find it out by themselves, as free has it. */

static inline void *heap_peer_alloc(void *allocator, size_t size)
{
    const struct heap_peer *peer = allocator;
    return peer->malloc(size);
}

static inline void heap_peer_free(void *allocator, void *block, size_t size)
{
    const struct heap_peer *peer = allocator;
    (void)size;
    peer->free(block);
}

static inline void *heap_peer_realloc(void *allocator, void *block, size_t size,
                                      size_t new_size)
{
    const struct heap_peer *peer = allocator;
    (void)size;
    return peer->realloc(block, new_size);
}

static const struct heap_functions heap_peers = {
    heap_peer_alloc, heap_peer_free, heap_peer_realloc};

#endif
