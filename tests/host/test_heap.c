/* sources: mm/cpu/ */
/* sources: mm/heap/count.c */
/* sources: mm/heap/heap.c mm/heap/backend.c mm/heap/simple.c mm/heap/guard.c */
/* sources: mm/heap/failing.c mm/error.c lib/format.c */
/* sources: mm/heap/bins.c mm/heap/buddy.c mm/heap/bump.c mm/heap/list.c */
/* sources: mm/heap/slab/ */
/* sources: tests/shared/heap_conformance.c */
/* All back-ends in all kinds of region: the conformance suite, misuse, two
 * threads; and what mm/heap/heap.c mm/heap/backend.c does on its own. */
#include "tests/host/platform_host.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/bits.h"
#include "mm/heap/backend.h"
#include "tests/shared/heap_conformance.h"

#define ARRAY_BYTES  (256 * KIB)
#define GROWN_BYTES  (512 * KIB)
#define RANGE_BYTES  (4 * GIB)
#define COUNT_OF(a)  (sizeof(a) / sizeof((a)[0]))
#define OLD_CONTENTS 0xdb

/* Few of them are long runs: what a heap knows of memory that was never used
 * is in doubt only as long as there is some. */
#define SEEDS 32

static alignas(4096) unsigned char array[ARRAY_BYTES];

/* A range of addresses that becomes memory as it grows. */
static struct {
    unsigned char *start;
    size_t size;
    bool zeroed;
    bool memory[RANGE_BYTES / PAGE_SIZE]; /* by pages */
} range;

static bool *memory_of(const void *page)
{
    return &range.memory[((vaddr_t)page - (vaddr_t)range.start) / PAGE_SIZE];
}

static void give_memory(unsigned char *start, size_t bytes)
{
    assert_int_equal(mprotect(start, bytes, PROT_READ | PROT_WRITE), 0);
    memset(memory_of(start), true, bytes / PAGE_SIZE);
    if (!range.zeroed)
        memset(start, OLD_CONTENTS, bytes);
}

/* By whole pages, as a kernel does. */
static size_t grow_range(void *context, size_t bytes)
{
    size_t added = align_up(bytes, PAGE_SIZE);
    unsigned char *end = range.start + range.size;

    assert_ptr_equal(context, &range);
    give_memory(end, added);
    range.size += added;
    return added;
}

static bool back_range(void *context, void *start, size_t bytes)
{
    assert_ptr_equal(context, &range);
    for (size_t at = 0; at < bytes; at += PAGE_SIZE)
        assert_false(*memory_of((char *)start + at));
    give_memory(start, bytes);
    return true;
}

/* From here on an access is a fault. */
static size_t unback_range(void *context, void *start, size_t bytes)
{
    assert_ptr_equal(context, &range);
    for (size_t at = 0; at < bytes; at += PAGE_SIZE)
        assert_true(*memory_of((char *)start + at));
    assert_int_equal(madvise(start, bytes, MADV_DONTNEED), 0);
    assert_int_equal(mprotect(start, bytes, PROT_NONE), 0);
    memset(memory_of(start), false, bytes / PAGE_SIZE);
    return bytes;
}

static bool range_has_memory(void *context, const void *page)
{
    assert_ptr_equal(context, &range);
    return *memory_of(page);
}

/* By no more than what is asked for. */
static size_t grow_in_array(void *context, size_t bytes)
{
    assert_ptr_equal(context, array);
    return bytes;
}

static struct heap_region array_with(int contents)
{
    memset(array, contents, sizeof(array));

    struct heap_region region = heap_region_array(array, sizeof(array));
    region.zeroed = contents == 0;
    return region;
}

static struct heap_region growing(bool zeroed, size_t limit)
{
    if (range.start)
        assert_int_equal(munmap(range.start, RANGE_BYTES), 0);
    range.start = mmap(NULL, RANGE_BYTES, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(range.start, MAP_FAILED);
    range.size = 0;
    range.zeroed = zeroed;
    memset(range.memory, false, sizeof(range.memory));
    return (struct heap_region){
        .start = range.start,
        .limit = limit,
        .grow = grow_range,
        .context = &range,
        .zeroed = zeroed,
    };
}

static struct heap_region old_array(void)
{
    return array_with(OLD_CONTENTS);
}

static struct heap_region zeroed_array(void)
{
    return array_with(0);
}

static struct heap_region growing_array(void)
{
    struct heap_region region = array_with(0);

    region.size = 0;
    region.grow = grow_in_array;
    region.context = array;
    return region;
}

static struct heap_region growing_old(void)
{
    return growing(false, GROWN_BYTES);
}

static struct heap_region growing_zeroed(void)
{
    return growing(true, GROWN_BYTES);
}

static struct heap_region taking_back(bool zeroed)
{
    struct heap_region region = growing(zeroed, GROWN_BYTES);

    region.back = back_range;
    region.unback = unback_range;
    region.has_memory = range_has_memory;
    return region;
}

static struct heap_region taking_back_old(void)
{
    return taking_back(false);
}

static struct heap_region taking_back_zeroed(void)
{
    return taking_back(true);
}

static const struct {
    const char *name;
    struct heap_region (*make)(void);
} kinds[] = {
    {"an array", old_array},
    {"a zeroed array", zeroed_array},
    {"an array that grows by what is asked", growing_array},
    {"a growing range", growing_old},
    {"a growing zeroed range", growing_zeroed},
    {"a range that takes memory back", taking_back_old},
    {"a zeroed range that takes memory back", taking_back_zeroed},
};

static void print_failure(struct heap_conformance *run,
                          const struct heap_conformance_failure *failure)
{
    print_error("%s in %s, seed %#lx, operation %lu: %s:%d: %s (%#lx, %#lx)\n",
                run->backend ? run->backend->name : "kmalloc",
                run->region_name ? run->region_name : "the kernel's heap",
                run->seed, failure->operation, failure->file, failure->line,
                failure->condition, failure->values[0], failure->values[1]);
}

static void conform(const struct heap_conformance_check *check,
                    enum heap_checks checks, uint64_t seeds)
{
    static struct heap_conformance run;

    heap_set_checks(checks);
    for (size_t i = 0; heap_backends[i]; i++)
        for (size_t kind = 0; kind < COUNT_OF(kinds); kind++)
            for (uint64_t seed = 1; seed <= seeds; seed++) {
                run = (struct heap_conformance){
                    .backend = heap_backends[i],
                    .region = kinds[kind].make(),
                    .seed = seed,
                    .operations = seed % 16 ? 400 : 20000,
                    .audit_every = seed % 16 ? 1 : 8,
                    .failed = print_failure,
                    .region_name = kinds[kind].name,
                };
                if (!heap_conformance_run(&run, check))
                    fail_msg("with heapcheck=%s", heap_checks_name(checks));
            }
    heap_set_checks(HEAP_CHECKS_BASIC);
}

static void test_conformance(void **state)
{
    const size_t *number = *state;
    const struct heap_conformance_check *check =
        &heap_conformance_checks[*number];

    conform(check, HEAP_CHECKS_BASIC, SEEDS);
    conform(check, HEAP_CHECKS_OFF, SEEDS / 8);
    conform(check, HEAP_CHECKS_FULL, SEEDS / 4);
}

static void test_alignment_up_to_1_gib(void **state)
{
    static struct heap_conformance run;
    const struct heap_conformance_check *check = heap_conformance_checks;

    (void)state;
    while (strcmp(check->name, "aligns as asked") != 0)
        check++;
    for (size_t i = 0; heap_backends[i]; i++) {
        run = (struct heap_conformance){
            .backend = heap_backends[i],
            .region = growing(true, RANGE_BYTES),
            .failed = print_failure,
            .region_name = "a range of 4 GiB",
        };
        assert_true(heap_conformance_run(&run, check));
    }
}

/* The heaps there are: a test that fails leaves some to be ended. */
static struct heap *made[2];

static enum mm_error make_heap(struct heap *heap,
                               const struct heap_backend *backend,
                               struct heap_region region)
{
    enum mm_error error = heap_init(heap, backend, region);

    if (!error)
        made[made[0] != NULL] = heap;
    return error;
}

static void end_heap(struct heap *heap)
{
    made[made[0] != heap] = NULL;
    heap_fini(heap);
}

static int end_heaps(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(made); i++)
        if (made[i])
            end_heap(made[i]);
    heap_set_kernel(NULL);
    heap_set_checks(HEAP_CHECKS_BASIC);
    host_cpu_count = 1;
    return 0;
}

/* An empty heap in each kind of region, one after the other. */
static bool next_heap(struct heap *heap, size_t *step)
{
    size_t backend = *step / COUNT_OF(kinds), kind = *step % COUNT_OF(kinds);

    if (*step > 0)
        end_heap(heap);
    ++*step;
    if (!heap_backends[backend])
        return false;
    assert_int_equal(
        make_heap(heap, heap_backends[backend], kinds[kind].make()), MM_OK);
    return true;
}

static void check_kmalloc(enum heap_checks checks)
{
    static struct heap heap;
    struct heap_conformance run = {.failed = print_failure};

    heap_set_checks(checks);
    for (size_t step = 0; next_heap(&heap, &step);) {
        heap_set_kernel(&heap);
        assert_ptr_equal(heap_kernel(), &heap);
        assert_true(heap_conformance_kmalloc(&run));
        assert_null(heap_check(&heap).what);
    }
}

static void test_kmalloc(void **state)
{
    (void)state;
    check_kmalloc(HEAP_CHECKS_OFF);
    check_kmalloc(HEAP_CHECKS_BASIC);
    check_kmalloc(HEAP_CHECKS_FULL);
}

static void test_kernel_heap_by_layout(void **state)
{
    static struct heap heap;
    struct layout layout = {200, 128};

    (void)state;
    for (size_t step = 0; next_heap(&heap, &step);) {
        heap_set_kernel(&heap);
        unsigned char *block = heap_alloc(layout);
        assert_non_null(block);
        memset(block, 7, 200);
        /* no back-end has to move it for that */
        block = heap_realloc(block, layout, 250);
        assert_int_equal(heap_stats(&heap).requested, 250);
        assert_int_equal(block[199], 7);
        heap_dealloc(block, (struct layout){250, 128});
        block = heap_alloc_zeroed(layout);
        assert_int_equal(block[0] | block[199], 0);
        heap_dealloc(block, layout);
        assert_null(heap_alloc((struct layout){8, 3}));
        assert_int_equal(heap_last_error(), MM_BAD_ALIGNMENT);
        /* its natural alignment would be above the largest there is */
        assert_null(kmalloc(4 * HEAP_ALIGN_MAX));
        assert_int_equal(heap_last_error(), MM_OUT_OF_MEMORY);
        assert_int_equal(heap_stats(&heap).held, 0);
        assert_int_equal(heap_stats(&heap).failures, 2);
        assert_int_equal(heap_stats(&heap).allocations, 2);
        assert_int_equal(heap_stats(&heap).peak_blocks, 1);
        assert_int_equal(heap_stats(&heap).peak_requested, 250);
    }
}

static void test_before_there_is_a_kernel_heap(void **state)
{
    (void)state;
    heap_set_kernel(NULL);
    assert_null(heap_kernel());
    assert_null(kmalloc(8));
    assert_null(kzalloc(8));
    assert_null(krealloc(NULL, 8));
    assert_null(heap_alloc((struct layout){8, 8}));
    assert_int_equal(heap_last_error(), MM_NOT_READY);
    kfree(NULL);
    expect_assert_failure(kfree(array));
}

/* What a misuse must be called; the heap must survive it. */
static const struct layout layout = {100, 64};
static struct heap heap, other_heap;
static unsigned char *block;

static void free_twice(void)
{
    heap_dealloc_in(&heap, block, layout);
    heap_dealloc_in(&heap, block, layout);
}

static void free_twice_unsized(void)
{
    heap_free_in(&heap, block);
    heap_free_in(&heap, block);
}

static void free_an_inner_address(void)
{
    heap_free_in(&heap, block + 16);
}

static void free_an_odd_address(void)
{
    heap_free_in(&heap, block + 1);
}

static void free_the_start_of_the_region(void)
{
    heap_free_in(&heap, heap.region.start);
}

static void free_the_end_of_the_region(void)
{
    heap_free_in(&heap, (char *)heap.region.start + heap.region.size);
}

static void free_a_variable(void)
{
    int variable;

    heap_free_in(&heap, &variable);
}

static void dealloc_null(void)
{
    heap_dealloc_in(&heap, NULL, layout);
}

static void free_in_another_heap(void)
{
    heap_free_in(&other_heap, block);
}

static void dealloc_with_less(void)
{
    heap_dealloc_in(&heap, block, (struct layout){99, 64});
}

static void dealloc_with_more(void)
{
    heap_dealloc_in(&heap, block, (struct layout){101, 64});
}

static void dealloc_with_size_0(void)
{
    heap_dealloc_in(&heap, block, (struct layout){0, 64});
}

static void dealloc_with_other_alignment(void)
{
    heap_dealloc_in(&heap, block, (struct layout){100, 32});
}

static void dealloc_with_the_size_before_realloc(void)
{
    block = heap_realloc_in(&heap, block, layout, 99);
    heap_dealloc_in(&heap, block, layout);
}

static void realloc_with_wrong_size(void)
{
    heap_realloc_in(&heap, block, (struct layout){50, 64}, 200);
}

static void realloc_a_freed_block(void)
{
    heap_free_in(&heap, block);
    heap_realloc_in(&heap, block, layout, 200);
}

static void measure_a_freed_block(void)
{
    heap_free_in(&heap, block);
    heap_usable_size_in(&heap, block);
}

static void kfree_sized_wrongly(void)
{
    kfree_sized(block, 101);
}

/* Its header may lie where there is no memory any more. */
static void test_a_stale_pointer_into_what_was_given_back(void **state)
{
    const struct layout page = {PAGE_SIZE, 16};

    (void)state;
    for (size_t step = 0; next_heap(&heap, &step);) {
        unsigned char *blocks[8];

        for (size_t i = 0; i < COUNT_OF(blocks); i++) {
            blocks[i] = heap_alloc_in(&heap, page);
            assert_non_null(blocks[i]);
        }
        for (size_t i = 0; i < COUNT_OF(blocks); i++)
            heap_dealloc_in(&heap, blocks[i], page);
        heap_trim(&heap);
        for (volatile size_t i = 0; i < COUNT_OF(blocks); i++) {
            block = blocks[i];
            expect_assert_failure(free_an_inner_address());
            expect_assert_failure(heap_free_in(&heap, blocks[i]));
        }
        assert_null(heap_check(&heap).what);
    }
}

static const struct {
    void (*misuse)(void);
    const char *fault;
} misuses[] = {
    {free_twice, "HEAP_DOUBLE_FREE"},
    {free_twice_unsized, "HEAP_DOUBLE_FREE"},
    {free_an_inner_address, "HEAP_NOT_A_START"},
    {free_an_odd_address, "HEAP_NOT_A_START"},
    {free_the_start_of_the_region, "HEAP_FOREIGN"},
    {free_the_end_of_the_region, "HEAP_FOREIGN"},
    {free_a_variable, "HEAP_FOREIGN"},
    {dealloc_null, "HEAP_FOREIGN"},
    {free_in_another_heap, "HEAP_FOREIGN"},
    {dealloc_with_less, "HEAP_WRONG_LAYOUT"},
    {dealloc_with_more, "HEAP_WRONG_LAYOUT"},
    {dealloc_with_size_0, "HEAP_WRONG_LAYOUT"},
    {dealloc_with_other_alignment, "HEAP_WRONG_LAYOUT"},
    {dealloc_with_the_size_before_realloc, "HEAP_WRONG_LAYOUT"},
    {realloc_with_wrong_size, "HEAP_WRONG_LAYOUT"},
    {realloc_a_freed_block, "HEAP_DOUBLE_FREE"},
    {measure_a_freed_block, "HEAP_DOUBLE_FREE"},
    {kfree_sized_wrongly, "HEAP_WRONG_LAYOUT"},
};

/* The report of the failed assertion that just happened begins with the fault,
 * and names the pointer. */
static void assert_fault(const char *fault, const void *pointer)
{
    const char *report = global_last_failed_assert;
    char pointer_text[32];

    snprintf(pointer_text, sizeof(pointer_text), "pointer %p ", pointer);
    assert_int_equal(strncmp(report, fault, strlen(fault)), 0);
    if (pointer)
        assert_non_null(strstr(report, pointer_text));
}

/* It also names the caller. */
static void assert_report(const char *fault, const void *pointer)
{
    assert_fault(fault, pointer);
    assert_non_null(strstr(global_last_failed_assert, "called from 0x"));
}

static void name_misuse(enum heap_checks checks)
{
    static alignas(4096) unsigned char other_array[64 * KIB];

    heap_set_checks(checks);
    /* volatile: a failed assertion jumps back into this function */
    for (volatile size_t i = 0; i < COUNT_OF(misuses); i++)
        for (size_t step = 0; next_heap(&heap, &step);) {
            struct heap_region region =
                heap_region_array(other_array, sizeof(other_array));
            assert_int_equal(make_heap(&other_heap, heap.backend, region),
                             MM_OK);
            heap_set_kernel(&heap);
            void *before = heap_alloc_in(&heap, layout);
            block = heap_alloc_in(&heap, layout);
            void *behind = heap_alloc_in(&heap, layout);
            memset(block, 0, layout.size);

            expect_assert_failure(misuses[i].misuse());
            assert_report(misuses[i].fault, NULL);

            /* the heap is as sound as before, and unlocked */
            assert_null(heap_check(&heap).what);
            heap_free_in(&heap, before);
            heap_free_in(&heap, behind);
            if (heap_stats(&heap).blocks > 0)
                heap_free_in(&heap, block);
            assert_int_equal(heap_stats(&heap).blocks, 0);
            assert_null(heap_check(&heap).what);
            end_heap(&other_heap);
        }
    heap_set_checks(HEAP_CHECKS_BASIC);
}

static void test_misuse_is_named(void **state)
{
    (void)state;
    name_misuse(HEAP_CHECKS_BASIC);
}

static void test_misuse_is_named_with_full_checks(void **state)
{
    (void)state;
    name_misuse(HEAP_CHECKS_FULL);
}

/* Of any kind of block; a layout that differs in a bit that no note has room
 * for is as wrong as one that differs in another. */

static struct layout told;

static void dealloc_as_told(void)
{
    heap_dealloc_in(&heap, block, told);
}

static void realloc_as_told(void)
{
    heap_realloc_in(&heap, block, told, told.size + 1);
}

static void assert_wrong(struct layout wrong)
{
    told = wrong;
    expect_assert_failure(dealloc_as_told());
    assert_report("HEAP_WRONG_LAYOUT", block);
    /* what no heap would serve may be refused before it is compared */
    wrong.size++;
    if (layout_error(wrong))
        return;
    expect_assert_failure(realloc_as_told());
    assert_report("HEAP_WRONG_LAYOUT", block);
}

static void name_wrong_layouts(struct layout right)
{
    const size_t high[] = {(size_t)1 << 15, (size_t)1 << 19, (size_t)1 << 31,
                           (size_t)1 << 32, (size_t)1 << 40, (size_t)1 << 63};

    block = heap_alloc_in(&heap, right);
    assert_non_null(block);
    for (size_t i = 0; i < COUNT_OF(high); i++) {
        assert_wrong((struct layout){right.size, high[i]});
        assert_wrong((struct layout){right.size, high[i] | right.align});
        assert_wrong((struct layout){right.size | high[i], right.align});
    }
    for (size_t factor = 3; factor < 40; factor += 2)
        assert_wrong((struct layout){right.size, right.align * factor});
    for (size_t less = 128; less < right.size; less += 128)
        assert_wrong((struct layout){right.size - less, right.align * 3});
    assert_wrong((struct layout){right.size, 0});
    assert_wrong((struct layout){right.size, right.align - 1});
    assert_wrong((struct layout){right.size + 1024, right.align});
    heap_dealloc_in(&heap, block, right);
}

static void name_all_wrong_layouts(enum heap_checks checks)
{
    static const struct layout right[] = {
        {1, 1}, {8, 8}, {16, 16}, {24, 8}, {100, 64}, {1000, 2}, {2000, 16},
        {5000, 8},
    };

    heap_set_checks(checks);
    for (size_t step = 0; next_heap(&heap, &step);) {
        for (size_t i = 0; i < COUNT_OF(right); i++)
            name_wrong_layouts(right[i]);
        assert_int_equal(heap_stats(&heap).blocks, 0);
        assert_null(heap_check(&heap).what);
    }
    heap_set_checks(HEAP_CHECKS_BASIC);
}

static void test_layouts_that_are_none_are_named(void **state)
{
    (void)state;
    name_all_wrong_layouts(HEAP_CHECKS_BASIC);
    name_all_wrong_layouts(HEAP_CHECKS_FULL);
}

static void test_a_report_tells_block_and_size(void **state)
{
    char text[64];

    (void)state;
    for (size_t step = 0; next_heap(&heap, &step);) {
        block = heap_alloc_in(&heap, layout);
        expect_assert_failure(free_an_inner_address());
        assert_report("HEAP_NOT_A_START", block + 16);
        snprintf(text, sizeof(text), "block %p of 100 bytes aligned to 64",
                 (void *)block);
        assert_non_null(strstr(global_last_failed_assert, text));
        assert_non_null(strstr(global_last_failed_assert, heap.backend->name));

        expect_assert_failure(dealloc_with_less());
        assert_report("HEAP_WRONG_LAYOUT", block);
        assert_non_null(
            strstr(global_last_failed_assert, "of 99 bytes aligned to 64"));
        assert_non_null(strstr(global_last_failed_assert, text));
    }
}

static void free_block(void)
{
    heap_free_in(&heap, block);
}

/* Whether something stands between two blocks, so that damage to it shows. */
static bool has_headers(const struct heap_backend *backend)
{
    return backend == &heap_bins || backend == &heap_bump ||
           backend == &heap_list;
}

static void test_an_overrun_is_found_on_free(void **state)
{
    unsigned char saved[HEAP_GRANULE];

    (void)state;
    for (size_t step = 0; next_heap(&heap, &step);) {
        if (!has_headers(heap.backend))
            continue;
        block = heap_alloc_in(&heap, layout);
        void *next = heap_alloc_in(&heap, layout);
        unsigned char *end = block + heap_usable_size_in(&heap, block);

        memcpy(saved, end, sizeof(saved));
        memset(end, 0x41, sizeof(saved));
        assert_ptr_equal(heap_check(&heap).place, end);
        expect_assert_failure(free_block());
        assert_report("HEAP_OVERRUN", block);

        memcpy(end, saved, sizeof(saved));
        assert_null(heap_check(&heap).what);
        heap_free_in(&heap, block);
        heap_free_in(&heap, next);
    }
}

static void test_statistics_are_checked(void **state)
{
    (void)state;
    for (size_t step = 0; next_heap(&heap, &step);) {
        if (heap.backend->calls) /* it keeps no such numbers */
            continue;
        block = heap_alloc_in(&heap, layout);
        size_t *const numbers[] = {&heap.stats.blocks, &heap.stats.requested,
                                   &heap.stats.held};
        for (size_t i = 0; i < COUNT_OF(numbers); i++) {
            ++*numbers[i];
            assert_ptr_equal(heap_check(&heap).place, &heap.stats);
            --*numbers[i];
        }
        assert_null(heap_check(&heap).what);
        heap_free_in(&heap, block);
    }
}

/* Making heaps. */

static size_t grow_never(void *context, size_t bytes)
{
    (void)context;
    (void)bytes;
    return 0;
}

/* A block alone in its slab grows into free pages behind it and gives back those
 * that it does not need; where it cannot, its contents move. */
static void resize_alone(enum heap_checks checks)
{
    const struct layout large = {60000, 16}, small = {20000, 16};
    static struct heap own;

    heap_set_checks(checks);
    assert_int_equal(make_heap(&own, &heap_slab, zeroed_array()), MM_OK);
    unsigned char *start = heap_alloc_in(&own, large);
    for (size_t i = 0; i < small.size; i++)
        start[i] = (unsigned char)(i * 7);
    assert_ptr_equal(heap_realloc_in(&own, start, large, small.size), start);
    assert_int_equal(heap_stats(&own).held, 20480);
    assert_null(heap_check(&own).what);
    assert_ptr_equal(heap_realloc_in(&own, start, small, large.size), start);
    assert_int_equal(heap_stats(&own).held, 61440);
    assert_null(heap_check(&own).what);

    assert_ptr_equal(heap_realloc_in(&own, start, large, small.size), start);
    unsigned char *next = heap_alloc_in(&own, small);
    assert_in_range((vaddr_t)next, (vaddr_t)start + 20480,
                    (vaddr_t)start + 61440);
    unsigned char *moved = heap_realloc_in(&own, start, small, large.size);
    assert_ptr_not_equal(moved, start);
    for (size_t i = 0; i < small.size; i++)
        assert_int_equal(moved[i], (unsigned char)(i * 7));
    assert_null(heap_check(&own).what);
    heap_dealloc_in(&own, next, small);
    heap_dealloc_in(&own, moved, large);
    assert_int_equal(heap_stats(&own).blocks, 0);
    assert_null(heap_check(&own).what);
    end_heap(&own);
}

static void test_a_block_alone_in_its_slab_is_resized(void **state)
{
    (void)state;
    resize_alone(HEAP_CHECKS_OFF);
    resize_alone(HEAP_CHECKS_BASIC);
}

/* A trusted block stays in its slot while that is less than twice as large as a
 * new one; what cannot be is refused, and nothing changes. */
static void test_a_trusted_block_stays_where_it_is_as_good(void **state)
{
    const struct layout from = {1000, 16}, little = {40, 16};
    static struct heap own;

    (void)state;
    heap_set_checks(HEAP_CHECKS_OFF);
    assert_int_equal(make_heap(&own, &heap_slab, zeroed_array()), MM_OK);
    for (size_t size = 1; size <= 2000; size++) {
        unsigned char *start = heap_alloc_in(&own, from);
        memset(start, (int)size, from.size);
        unsigned char *now = heap_realloc_in(&own, start, from, size);

        assert_int_equal(now == start, size > 512 && size <= 1024);
        for (size_t i = 0; i < size && i < from.size; i++)
            assert_int_equal(now[i], (unsigned char)size);
        heap_dealloc_in(&own, now, (struct layout){size, 16});
        assert_int_equal(heap_stats(&own).blocks, 0);
    }
    unsigned char *start = heap_alloc_in(&own, little);
    assert_null(heap_realloc_in(&own, start, little, 0));
    assert_int_equal(heap_error_in(&own), MM_EMPTY_RANGE);
    assert_null(heap_realloc_in(&own, start, little, SIZE_MAX - 3));
    assert_int_equal(heap_error_in(&own), MM_RANGE_WRAPS);
    assert_ptr_equal(heap_realloc_in(&own, start, little, 1), start);
    heap_dealloc_in(&own, start, (struct layout){1, 16});
    assert_int_equal(heap_stats(&own).blocks, 0);
    assert_null(heap_check(&own).what);
    end_heap(&own);
}

/* Even where owners are trusted nothing behind a slot is read, and what is no block
 * is named. */
static void test_trust_ends_at_the_slot_and_at_the_heap(void **state)
{
    const struct layout slot = {64, 16}, wrong = {3000, 16};
    static struct heap own;
    static unsigned char foreign[4096] __attribute__((aligned(4096)));
    unsigned char *lowest = NULL;

    (void)state;
    heap_set_checks(HEAP_CHECKS_OFF);
    assert_int_equal(make_heap(&own, &heap_slab, zeroed_array()), MM_OK);
    for (unsigned i = 0; i < PAGE_SIZE / slot.size; i++) {
        unsigned char *start = heap_alloc_in(&own, slot);
        memset(start, 2, slot.size);
        if (lowest == NULL || start < lowest)
            lowest = start;
    }
    unsigned char *moved = heap_realloc_in(&own, lowest, wrong, 3500);
    assert_int_equal(moved[slot.size - 1], 2);
    for (size_t i = slot.size; i < wrong.size; i++)
        assert_int_equal(moved[i], 0);
    expect_assert_failure(heap_dealloc_in(&own, foreign, wrong));
    expect_assert_failure(heap_realloc_in(&own, foreign, slot, 3000));
    expect_assert_failure(heap_realloc_in(&own, NULL, slot, 3000));
    assert_null(heap_check(&own).what);
    end_heap(&own);
}

/* However many CPUs there are, what the heap keeps for them leaves most of a
 * small region to blocks. */
static void test_many_cpus_leave_room_in_a_region(void **state)
{
    const struct layout page = {PAGE_SIZE, 32};
    static struct heap own;

    (void)state;
    heap_set_checks(HEAP_CHECKS_BASIC);
    for (unsigned cpus = 1; cpus <= 256; cpus *= 2) {
        size_t blocks = 0;

        host_cpu_count = cpus;
        assert_int_equal(make_heap(&own, &heap_slab, old_array()), MM_OK);
        while (heap_alloc_in(&own, page))
            blocks++;
        assert_in_range(blocks * PAGE_SIZE, ARRAY_BYTES * 3 / 4, ARRAY_BYTES);
        end_heap(&own);
    }
}

static void test_bad_regions_are_refused(void **state)
{
    static const struct {
        size_t start, size, limit;
        size_t (*grow)(void *context, size_t bytes);
        enum mm_error error;
    } rows[] = {
        {8, 65536, 65536, NULL, MM_MISALIGNED},
        {0, 65530, 65530, NULL, MM_MISALIGNED},
        {0, 65536, 131080, grow_never, MM_MISALIGNED},
        {0, 0, 0, NULL, MM_TOO_SMALL},
        {0, 32, 32, NULL, MM_TOO_SMALL},
        {0, 0, 32, grow_never, MM_TOO_SMALL},
        {0, 0, 65536, grow_never, MM_OUT_OF_MEMORY},
        {0, 65536, 131072, NULL, MM_BAD_ARGUMENT},
        {0, 131072, 65536, grow_never, MM_BAD_ARGUMENT},
        {0, 0, SIZE_MAX - 15, grow_never, MM_RANGE_WRAPS},
    };

    (void)state;
    for (size_t i = 0; heap_backends[i]; i++) {
        for (size_t row = 0; row < COUNT_OF(rows); row++) {
            struct heap_region region = {
                .start = array + rows[row].start,
                .size = rows[row].size,
                .limit = rows[row].limit,
                .grow = rows[row].grow,
            };
            unsigned lines = host_log_lines;

            assert_int_equal(make_heap(&heap, heap_backends[i], region),
                             rows[row].error);
            assert_int_equal(host_log_lines, lines + 1);
            assert_non_null(strstr(host_log_last, heap_backends[i]->name));
        }
        assert_int_equal(
            make_heap(&heap, heap_backends[i], heap_region_array(NULL, 4096)),
            MM_BAD_ARGUMENT);

        /* none of them has left a trace, and the smallest region serves */
        size_t least = heap_backends[i]->region_min;
        assert_int_equal(
            make_heap(&heap, heap_backends[i], heap_region_array(array, least)),
            MM_OK);
        block = heap_alloc_in(&heap, (struct layout){1, 1});
        assert_non_null(block);
        heap_free_in(&heap, block);
        assert_null(heap_check(&heap).what);
        end_heap(&heap);
        assert_int_equal(make_heap(&heap, heap_backends[i],
                                   heap_region_array(array, least - 16)),
                         MM_TOO_SMALL);
    }
}

static void test_overlapping_regions_are_refused(void **state)
{
    static const struct {
        size_t start, size;
        enum mm_error error;
    } rows[] = {
        {8192, 4096, MM_OVERLAP},       {4096, 8192, MM_OVERLAP},
        {8192, 8192, MM_OVERLAP},       {4096, 16384, MM_OVERLAP},
        {4096, 4096 + 16, MM_OVERLAP},  {4096, 4096, MM_OK},
        {12288 - 16, 4096, MM_OVERLAP}, {12288, 4096, MM_OVERLAP},
        {16384 - 16, 4096, MM_OVERLAP}, {16384, 4096, MM_OK},
    };
    /* 4096 bytes usable, and 4096 more it may grow to: all of it is taken */
    struct heap_region region = {
        .start = array + 8192,
        .size = 4096,
        .limit = 8192,
        .grow = grow_never,
    };

    (void)state;
    assert_int_equal(make_heap(&heap, &heap_list, region), MM_OK);
    for (size_t row = 0; row < COUNT_OF(rows); row++) {
        region = heap_region_array(array + rows[row].start, rows[row].size);
        assert_int_equal(make_heap(&other_heap, &heap_bump, region),
                         rows[row].error);
        if (!rows[row].error)
            end_heap(&other_heap);
    }

    /* the same heap twice */
    region = heap_region_array(array + 65536, 4096);
    assert_int_equal(make_heap(&heap, &heap_list, region), MM_OVERLAP);
    assert_ptr_equal(heap.region.start, array + 8192);

    /* its region when it is gone, and that of one made later, which is not */
    assert_int_equal(make_heap(&other_heap, &heap_list, region), MM_OK);
    end_heap(&heap);
    expect_assert_failure(heap_fini(&heap));
    assert_int_equal(make_heap(&heap, &heap_bump, region), MM_OVERLAP);
    region = heap_region_array(array + 8192, 4096);
    assert_int_equal(make_heap(&heap, &heap_bump, region), MM_OK);
    end_heap(&heap);
    end_heap(&other_heap);
}

static void test_back_ends_are_found_by_name(void **state)
{
    size_t count = 0;

    (void)state;
    for (; heap_backends[count]; count++) {
        assert_ptr_equal(heap_backend_find(heap_backends[count]->name),
                         heap_backends[count]);
        assert_true(strlen(heap_backends[count]->help) > 10);
    }
    assert_true(count >= 4);
    assert_ptr_equal(heap_backend_find("bins"), &heap_bins);
    assert_ptr_equal(heap_backend_find("buddy"), &heap_buddy);
    assert_ptr_equal(heap_backend_find("list"), &heap_list);
    assert_ptr_equal(heap_backend_find("bump"), &heap_bump);
    assert_null(heap_backend_find("lis"));
    assert_null(heap_backend_find("listing"));
    assert_null(heap_backend_find(""));
}

/* Each thread has blocks of its own, and all of them one heap. */
static void *work(void *seed)
{
    uint64_t random = (uint64_t)(uintptr_t)seed;
    struct {
        unsigned char *start;
        size_t size;
    } mine[16] = {0};
    size_t wrong = 0;

    platform_thread_cpu = (unsigned)(uintptr_t)seed % 2;
    for (size_t i = 0; i < 40000; i++) {
        random = random * 6364136223846793005 + 1442695040888963407;
        size_t slot = (random >> 60) & 15, size = 1 + ((random >> 33) & 511);

        if (mine[slot].start) {
            unsigned char *start = mine[slot].start;
            wrong += start[0] != (unsigned char)(uintptr_t)seed;
            wrong += start[mine[slot].size - 1] != (unsigned char)slot;
            heap_free_in(&heap, start);
            mine[slot].start = NULL;
            continue;
        }
        mine[slot].start = heap_alloc_in(&heap, (struct layout){size + 1, 8});
        mine[slot].size = size + 1;
        if (mine[slot].start) {
            mine[slot].start[0] = (unsigned char)(uintptr_t)seed;
            mine[slot].start[size] = (unsigned char)slot;
        }
    }
    for (size_t slot = 0; slot < 16; slot++)
        if (mine[slot].start)
            heap_free_in(&heap, mine[slot].start);
    return (void *)wrong;
}

static void test_two_threads(void **state)
{
    (void)state;
    host_cpu_count = 2;
    for (size_t step = 0; next_heap(&heap, &step);) {
        pthread_t threads[2];

        for (uintptr_t i = 0; i < 2; i++)
            assert_int_equal(
                pthread_create(&threads[i], NULL, work, (void *)(i + 7)), 0);
        for (size_t i = 0; i < 2; i++) {
            void *wrong;

            assert_int_equal(pthread_join(threads[i], &wrong), 0);
            assert_null(wrong);
        }
        assert_int_equal(heap_stats(&heap).blocks, 0);
        assert_null(heap_check(&heap).what);
    }
}

/* Every back-end with two tiers of checks.  volatile: a failed assertion jumps
 * back into the test. */
#define EACH_TIER(i)                                                           \
    for (volatile size_t i = 0;                                                \
         heap_set_checks(i % 2 ? HEAP_CHECKS_FULL : HEAP_CHECKS_BASIC),        \
                         heap_backends[i / 2];                                 \
         i++)

/* A handler that hits a call in its middle: here the call is one that grows. */
#define HANDLER_FREES 200
static unsigned char *other;
static struct {
    bool ready;
    void *freed[HANDLER_FREES];
    size_t count;
    void (*misuse)(void);
    void *allocated, *resized;
    enum mm_error errors[2];
} handler;

static size_t grow_with_handler(void *context, size_t bytes)
{
    if (!handler.ready)
        return grow_in_array(context, bytes);
    handler.ready = false;
    if (handler.misuse)
        expect_assert_failure(handler.misuse());
    handler.allocated = heap_alloc_in(&heap, layout);
    handler.errors[0] = heap_error_in(&heap);
    handler.resized = heap_realloc_in(&heap, block, layout, 4000);
    handler.errors[1] = heap_error_in(&heap);
    for (size_t i = 0; i < handler.count; i++)
        if (i & 1)
            heap_free_in(&heap, handler.freed[i]);
        else
            heap_dealloc_in(&heap, handler.freed[i], layout);
    handler.count = 0;
    return grow_in_array(context, bytes);
}

static void set_up_handler(const struct heap_backend *backend, size_t frees)
{
    struct heap_region region = growing_array();

    handler.ready = false;
    region.size = 16 * KIB;
    region.grow = grow_with_handler;
    assert_int_equal(make_heap(&heap, backend, region), MM_OK);
    block = heap_alloc_in(&heap, layout);
    for (handler.count = 0; handler.count < frees; handler.count++)
        handler.freed[handler.count] = heap_alloc_in(&heap, layout);
    handler.ready = true;
}

static void test_a_handler_neither_waits_nor_corrupts(void **state)
{
    (void)state;
    EACH_TIER(i)
    {
        set_up_handler(heap_backends[i / 2], HANDLER_FREES);
        unsigned lines = host_log_lines;
        void *large = heap_alloc_in(&heap, (struct layout){32 * KIB, 16});

        assert_non_null(large);
        assert_int_equal(handler.count, 0);
        assert_null(handler.resized);
        assert_int_equal(handler.errors[1], MM_BUSY);
        if (heap.backend->calls) { /* more than one lock */
            heap_free_in(&heap, handler.allocated);
        } else {
            assert_null(handler.allocated);
            assert_int_equal(handler.errors[0], MM_BUSY);
        }
        assert_int_equal(heap_stats(&heap).blocks, 2);
        assert_null(heap_check(&heap).what);
        heap_free_in(&heap, large);
        heap_free_in(&heap, block);
        assert_int_equal(heap_stats(&heap).held, 0);
        assert_int_equal(host_log_lines, lines);
        end_heap(&heap);
    }
}

static void grow_by_large_block(void)
{
    heap_free_in(&heap, heap_alloc_in(&heap, (struct layout){32 * KIB, 16}));
}

static void test_a_misuse_by_a_handler_is_named_later(void **state)
{
    (void)state;
    EACH_TIER(i)
    {
        /* by itself, it tells at once */
        if (i % 2 == 0 && heap_backends[i / 2]->calls)
            continue;
        set_up_handler(heap_backends[i / 2], 2);
        handler.freed[0] = handler.freed[1];
        expect_assert_failure(grow_by_large_block());
        assert_fault("HEAP_DOUBLE_FREE", handler.freed[0]);
        assert_null(heap_check(&heap).what);
        end_heap(&heap);
    }
}

static void free_again(void)
{
    heap_free_in(&heap, other);
}

static void free_inside(void)
{
    heap_free_in(&heap, block + 16);
}

static void free_an_odd_one(void)
{
    heap_free_in(&heap, block + 1);
}

static void free_what_is_none(void)
{
    heap_free_in(&heap, (unsigned char *)heap.region.start - PAGE_SIZE);
}

static void dealloc_by_another_layout(void)
{
    heap_dealloc_in(&heap, block, (struct layout){layout.size, 16});
}

static void measure_inside(void)
{
    (void)heap_usable_size_in(&heap, block + 16);
}

/* What the block's own notes contradict is named in the handler, and the call
 * that it interrupted is none the worse for it. */
static void test_a_misuse_by_a_handler_is_named_at_once(void **state)
{
    static void (*const wrong[])(void) = {
        free_again,        free_inside,    free_an_odd_one,
        free_what_is_none, measure_inside, dealloc_by_another_layout,
    };

    (void)state;
    EACH_TIER(i)
    for (volatile size_t k = 0; k < COUNT_OF(wrong); k++) {
        set_up_handler(heap_backends[i / 2], 2);
        handler.ready = false;
        other = heap_alloc_in(&heap, layout);
        heap_free_in(&heap, other);
        handler.ready = true;
        handler.misuse = wrong[k];
        grow_by_large_block();
        handler.misuse = NULL;
        assert_false(handler.ready);
        assert_int_equal(heap_stats(&heap).blocks, 1);
        assert_null(heap_check(&heap).what);
        heap_free_in(&heap, block);
        assert_int_equal(heap_stats(&heap).blocks, 0);
        end_heap(&heap);
    }
}

#define MOST_TESTS 64

#define TEST(name) cmocka_unit_test_teardown(name, end_heaps)

int main(void)
{
    static const struct CMUnitTest others[] = {
        TEST(test_alignment_up_to_1_gib),
        TEST(test_kmalloc),
        TEST(test_kernel_heap_by_layout),
        TEST(test_before_there_is_a_kernel_heap),
        TEST(test_a_stale_pointer_into_what_was_given_back),
        TEST(test_misuse_is_named),
        TEST(test_misuse_is_named_with_full_checks),
        TEST(test_layouts_that_are_none_are_named),
        TEST(test_a_report_tells_block_and_size),
        TEST(test_an_overrun_is_found_on_free),
        TEST(test_statistics_are_checked),
        TEST(test_a_block_alone_in_its_slab_is_resized),
        TEST(test_a_trusted_block_stays_where_it_is_as_good),
        TEST(test_trust_ends_at_the_slot_and_at_the_heap),
        TEST(test_many_cpus_leave_room_in_a_region),
        TEST(test_bad_regions_are_refused),
        TEST(test_overlapping_regions_are_refused),
        TEST(test_back_ends_are_found_by_name),
        TEST(test_two_threads),
        TEST(test_a_handler_neither_waits_nor_corrupts),
        TEST(test_a_misuse_by_a_handler_is_named_later),
        TEST(test_a_misuse_by_a_handler_is_named_at_once),
    };
    static struct CMUnitTest tests[MOST_TESTS];
    static size_t checks[MOST_TESTS];
    size_t count = COUNT_OF(others);

    memcpy(tests, others, sizeof(others));
    /* each check of the suite is a test of its own */
    for (size_t i = 0; heap_conformance_checks[i].name; i++) {
        if (count == MOST_TESTS)
            return 1;
        checks[i] = i;
        tests[count++] = (struct CMUnitTest){
            .name = heap_conformance_checks[i].name,
            .test_func = test_conformance,
            .teardown_func = end_heaps,
            .initial_state = &checks[i],
        };
    }
    return _cmocka_run_group_tests("heap", tests, count, NULL, NULL);
}
