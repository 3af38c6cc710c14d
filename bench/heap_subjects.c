#include "bench/heap_subjects.h"

#include "lib/bits.h"
#include "mm/heap/backend.h"

/* For workloads that are known by the size of their blocks, and for those by
 * that of all of them. */
static size_t region_bytes(const struct heap_state *state)
{
    return state->size < MIB ? 32 * MIB : 8 * state->size;
}

struct subject {
    struct heap_state state; /* must be first: it is what the rows know */
    struct heap heap;
    struct heap_region region; /* none for a peer */
};

/* What the loops read does not lie at the start of a page, for blocks do: a
 * load waits for a store before it whose address has the same last twelve bits.
 */
#define OFF_THE_PAGE 1344u

static struct subject *begin(const struct bench *bench)
{
    bench_huge_pages(false); /* for the peers have none either */
    uint8_t *taken = bench_take(OFF_THE_PAGE + sizeof(struct subject));
    if (taken == NULL)
        return NULL;
    struct subject *made = (struct subject *)(void *)(taken + OFF_THE_PAGE);
    made->state.size = bench->bytes;
    for (unsigned i = 0; i < HEAP_THREADS_MAX; i++)
        made->state.worker[i].random = i + 1;
    return made;
}

static void end(struct subject *subject)
{
    if (subject->region.start != NULL)
        bench_heap_region_end(&subject->region);
    bench_give((uint8_t *)subject - OFF_THE_PAGE,
               OFF_THE_PAGE + sizeof(*subject));
    bench_huge_pages(true);
}

static bool make_heap(struct subject *subject,
                      const struct heap_backend *backend,
                      enum heap_checks checks)
{
    if (!bench_heap_region(&subject->region, region_bytes(&subject->state)))
        return false;
    heap_set_checks(checks);
    enum mm_error error = heap_init(&subject->heap, backend, subject->region);
    heap_set_checks(HEAP_CHECKS_BASIC);
    return error == MM_OK;
}

static void *begin_checked(const struct bench *bench, enum heap_checks checks)
{
    const struct heap_backend *backend = heap_backend_find(bench->subject);
    if (backend == NULL) {
        bench_cannot("there is no such back-end");
        return NULL;
    }
    struct subject *made = begin(bench);
    if (made == NULL)
        return NULL;
    made->state.allocator = &made->heap;
    if (make_heap(made, backend, checks))
        return made;
    end(made);
    return NULL;
}

void *heap_begin_ours(const struct bench *bench, unsigned variant)
{
    (void)variant;
    return begin_checked(bench, HEAP_CHECKS_OFF);
}

void *heap_begin_basic(const struct bench *bench, unsigned variant)
{
    (void)variant;
    return begin_checked(bench, HEAP_CHECKS_BASIC);
}

void *heap_begin_full(const struct bench *bench, unsigned variant)
{
    (void)variant;
    return begin_checked(bench, HEAP_CHECKS_FULL);
}

void heap_end_ours(void *state)
{
    struct subject *subject = state;
    heap_fini(&subject->heap);
    end(subject);
}

static void *begin_with(const struct bench *bench, const struct heap_peer *peer)
{
    struct subject *made = begin(bench);
    if (made != NULL)
        made->state.allocator = (void *)(uintptr_t)peer;
    return made;
}

void *heap_begin_peer(const struct bench *bench, unsigned variant)
{
    const struct heap_peer *peer = heap_peer(variant);
    return peer != NULL ? begin_with(bench, peer) : NULL;
}

void heap_end_peer(void *state)
{
    struct subject *subject = state;
    heap_empty(&subject->state, &heap_peers);
    end(subject);
}

/* Gives the same block to all. */
static uint64_t block_of_all[8];

static void *no_malloc(size_t size)
{
    bench_use(&size);
    return block_of_all;
}

static void no_free(void *block)
{
    bench_use(block);
}

static void *no_realloc(void *block, size_t size)
{
    bench_use(&size);
    return block;
}

void *heap_begin_empty(const struct bench *bench, unsigned variant)
{
    static const struct heap_peer empty = {"empty", no_malloc, no_free,
                                           no_realloc, NULL};
    (void)variant;
    return begin_with(bench, &empty);
}
