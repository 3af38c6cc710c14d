/* Page tables: mapping in pieces of all sizes, against the bare walk.
 *
 * What is mapped is never touched, so any physical address will do. */
#include "bench/bench.h"

#include "mm/platform.h"

#define PAGES_IN_BULK 512u
#define GIBS_IN_ALL   UINT64_C(512)

struct page_state {
    struct page_table *table;
    vaddr_t at;
    paddr_t paddr;
    uint64_t bytes;
    unsigned flags;
};

/* Each state of a group has addresses of its own, and so tables of its own. */
#define STATES_MAX 4
static struct page_state states[STATES_MAX];
static unsigned states_used;

/* With nothing mapped: every operation makes its tables, and drops them. */
static void *begin_empty(const struct bench *bench, unsigned variant)
{
    struct page_table *table = bench_page_table();
    (void)variant;
    if (table == NULL || states_used == STATES_MAX)
        return NULL;
    struct page_state *state = &states[states_used];
    *state = (struct page_state){
        .table = table,
        .at = bench_scratch + states_used * (BENCH_SCRATCH_BYTES / STATES_MAX),
        .bytes = bench->bytes,
        .flags = PAGE_WRITE | PAGE_SMALL,
    };
    states_used++;
    return state;
}

static void end_empty(void *state)
{
    (void)state;
    states_used--;
}

/* With a neighbour, in the next 2M for whatever fills one and else the last
 * page of the same, so that the tables above stand. */
static vaddr_t neighbour_of(const struct page_state *state)
{
    return state->bytes == SIZE_2M ? state->at + SIZE_2M
                                   : state->at + SIZE_2M - PAGE_SIZE;
}

static void *begin_beside(const struct bench *bench, unsigned variant)
{
    struct page_state *state = begin_empty(bench, variant);
    if (state == NULL || page_map(state->table, neighbour_of(state), 0,
                                  PAGE_SIZE, PAGE_WRITE) == MM_OK)
        return state;
    end_empty(state);
    return NULL;
}

static void end_beside(void *context)
{
    struct page_state *state = context;
    (void)page_unmap(state->table, neighbour_of(state), PAGE_SIZE);
    end_empty(state);
}

static void *begin_gib_of_2m(const struct bench *bench, unsigned variant)
{
    struct page_state *state = begin_empty(bench, variant);
    if (state != NULL) {
        state->paddr = SIZE_2M; /* unlike the virtual one no multiple of 1G */
        state->flags = PAGE_WRITE;
    }
    return state;
}

static void *begin_gib_of_1g(const struct bench *bench, unsigned variant)
{
    if (!platform_has_1g_pages())
        return NULL;
    struct page_state *state = begin_empty(bench, variant);
    if (state != NULL)
        state->flags = PAGE_WRITE;
    return state;
}

static bool map_unmap(const struct page_state *state, vaddr_t at,
                      uint64_t bytes)
{
    return page_map(state->table, at, state->paddr, bytes, state->flags) ==
               MM_OK &&
           page_unmap(state->table, at, bytes) == MM_OK;
}

static bool run_pair(void *context, uint64_t count)
{
    const struct page_state *state = context;
    bool well = true;
    for (uint64_t i = 0; i < count; i++)
        well &= map_unmap(state, state->at, state->bytes);
    return well;
}

/* An operation is one page. */
static bool run_bulk(void *context, uint64_t count)
{
    return run_pair(context, count / PAGES_IN_BULK);
}

static bool run_singly(void *context, uint64_t count)
{
    const struct page_state *state = context;
    bool well = true;
    for (uint64_t n = 0; n < count; n += PAGES_IN_BULK) {
        for (unsigned i = 0; i < PAGES_IN_BULK; i++)
            well &= page_map(state->table, state->at + i * PAGE_SIZE,
                             state->paddr + i * PAGE_SIZE, PAGE_SIZE,
                             state->flags) == MM_OK;
        for (unsigned i = 0; i < PAGES_IN_BULK; i++)
            well &= page_unmap(state->table, state->at + i * PAGE_SIZE,
                               PAGE_SIZE) == MM_OK;
    }
    return well;
}

/* ---- What has to be done at least: four steps and a store ---- */

static inline uint64_t *bare_step(const uint64_t *entry)
{
    return phys_to_virt(*entry & UINT64_C(0xffffffffff000));
}

static inline volatile uint64_t *bare_walk(paddr_t root, vaddr_t at)
{
    const uint64_t *pml4 = phys_to_virt(root);
    const uint64_t *pdpt = bare_step(&pml4[at >> 39 & 511]);
    const uint64_t *pd = bare_step(&pdpt[at >> 30 & 511]);
    uint64_t *pt = bare_step(&pd[at >> 21 & 511]);
    return &pt[at >> 12 & 511];
}

static __attribute__((noinline)) void bare_map(paddr_t root, vaddr_t at,
                                               uint64_t entry)
{
    *bare_walk(root, at) = entry;
}

static __attribute__((noinline)) void bare_unmap(paddr_t root, vaddr_t at)
{
    *bare_walk(root, at) = 0;
    platform_tlb_invalidate(&at, 1, PLATFORM_TLB_LEAVES);
}

static bool run_bare(void *context, uint64_t count)
{
    const struct page_state *state = context;
    for (uint64_t i = 0; i < count; i++) {
        bare_map(state->table->root, state->at, ENTRY_P | ENTRY_RW | ENTRY_NX);
        bare_unmap(state->table->root, state->at);
    }
    return true;
}

/* ---- Translate ---- */

static bool run_translate(void *context, uint64_t count)
{
    const struct page_state *state = context;
    bool well = true;
    for (uint64_t i = 0; i < count; i++) {
        bench_use(state);
        well &= page_translate(state->table, neighbour_of(state)) == 0;
    }
    return well;
}

static __attribute__((noinline)) uint64_t bare_translate(paddr_t root,
                                                         vaddr_t at)
{
    return *bare_walk(root, at) & UINT64_C(0xffffffffff000);
}

static bool run_bare_translate(void *context, uint64_t count)
{
    const struct page_state *state = context;
    bool well = true;
    for (uint64_t i = 0; i < count; i++)
        well &= bare_translate(state->table->root, neighbour_of(state)) == 0;
    return well;
}

static bool run_empty(void *context, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        bench_use(context);
    return true;
}

/* ---- Split and join ---- */

static void *begin_2m(const struct bench *bench, unsigned variant)
{
    struct page_state *state = begin_empty(bench, variant);
    if (state == NULL ||
        page_map(state->table, state->at, 0, SIZE_2M, PAGE_WRITE) == MM_OK)
        return state;
    end_empty(state);
    return NULL;
}

static void end_2m(void *context)
{
    struct page_state *state = context;
    (void)page_unmap(state->table, state->at, SIZE_2M);
    end_empty(state);
}

static bool run_split_join(void *context, uint64_t count)
{
    const struct page_state *state = context;
    bool well = true;
    for (uint64_t i = 0; i < count; i++) {
        vaddr_t page = state->at + PAGE_SIZE;
        well &=
            page_protect(state->table, page, PAGE_SIZE, PAGE_READ) == MM_OK &&
            page_protect(state->table, page, PAGE_SIZE, PAGE_WRITE) == MM_OK &&
            page_join(state->table, state->at, SIZE_2M) == MM_OK;
    }
    return well;
}

/* ---- Memory ---- */

static paddr_t take_counted(void *context)
{
    struct page_table *table = bench_page_table();
    ++*(uint64_t *)context;
    return table->alloc(table->context);
}

static void give_counted(void *context, paddr_t frame)
{
    (void)context;
    struct page_table *table = bench_page_table();
    table->free(table->context, frame);
}

/* Frames that the tables take for a direct map of 512 GiB. */
static bool tables_of_direct_map(void *state, uint64_t count, uint64_t *tables)
{
    struct page_table table;
    uint64_t taken = 0;
    (void)state;
    (void)count;
    if (!platform_has_1g_pages() || bench_page_table() == NULL ||
        page_table_init(&table, take_counted, give_counted, &taken) != MM_OK)
        return false;
    enum mm_error error =
        page_map(&table, bench_scratch, 0, GIBS_IN_ALL * SIZE_1G, PAGE_WRITE);
    page_table_destroy(&table);
    *tables = taken * 100;
    return error == MM_OK;
}

static const struct bench_figure tables_figures[] = {
    {"", "frames", false},
    {0},
};

#define IN_THE_PAGE_SUITE(name, of, size)                                      \
    .suite = "page", .workload = name, .subject = of, .bytes = size

/* clang-format off */
const struct bench bench_page[] = {
    {IN_THE_PAGE_SUITE("map-unmap", "page_table", SIZE_4K),
     .count = {1000, 1000000}, .begin = begin_beside, .end = end_beside,
     .run = run_pair, .ratio_goal = 200},
    {IN_THE_PAGE_SUITE("map-unmap", "bare-walk", SIZE_4K),
     .role = BENCH_REFERENCE, .count = {1000, 1000000},
     .begin = begin_beside, .end = end_beside, .run = run_bare},
    {IN_THE_PAGE_SUITE("map-unmap", "empty", SIZE_4K), .role = BENCH_YARDSTICK,
     .count = {1000, 1000000}, .begin = begin_empty, .end = end_empty,
     .run = run_empty},

    {IN_THE_PAGE_SUITE("map-unmap-tables", "page_table", SIZE_4K),
     .count = {200, 100000}, .begin = begin_empty, .end = end_empty,
     .run = run_pair},

    {IN_THE_PAGE_SUITE("map-unmap-bulk", "page_table", SIZE_2M),
     .count = {20 * PAGES_IN_BULK, 10000 * PAGES_IN_BULK},
     .begin = begin_beside, .end = end_beside, .run = run_bulk,
     .ratio_goal = 10},
    {IN_THE_PAGE_SUITE("map-unmap-bulk", "single-calls", SIZE_2M),
     .role = BENCH_REFERENCE,
     .count = {2 * PAGES_IN_BULK, 1000 * PAGES_IN_BULK},
     .begin = begin_beside, .end = end_beside, .run = run_singly},

    {IN_THE_PAGE_SUITE("map-unmap-4k", "page_table", SIZE_1G),
     .count = {2, 50}, .begin = begin_empty, .end = end_empty,
     .run = run_pair},
    {IN_THE_PAGE_SUITE("map-unmap-2m", "page_table", SIZE_1G),
     .count = {20, 10000}, .begin = begin_gib_of_2m, .end = end_empty,
     .run = run_pair},
    {IN_THE_PAGE_SUITE("map-unmap-1g", "page_table", SIZE_1G),
     .count = {200, 100000}, .begin = begin_gib_of_1g, .end = end_empty,
     .run = run_pair},

    {IN_THE_PAGE_SUITE("translate", "page_table", SIZE_4K),
     .count = {1000, 2000000}, .begin = begin_beside, .end = end_beside,
     .run = run_translate},
    {IN_THE_PAGE_SUITE("translate", "bare-walk", SIZE_4K),
     .role = BENCH_REFERENCE, .count = {1000, 2000000},
     .begin = begin_beside, .end = end_beside, .run = run_bare_translate},

    {IN_THE_PAGE_SUITE("split-join", "page_table", SIZE_2M),
     .count = {100, 50000}, .begin = begin_2m, .end = end_2m,
     .run = run_split_join},

    {IN_THE_PAGE_SUITE("direct-map", "page_table", GIBS_IN_ALL * SIZE_1G),
     .count = {1, 1}, .measure = tables_of_direct_map,
     .figures = tables_figures, .once = true, .goal = {200}},
    {0},
};
/* clang-format on */
