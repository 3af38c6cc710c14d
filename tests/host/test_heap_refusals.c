/* sources: mm/cpu/ */
/* sources: mm/heap/count.c */
/* sources: mm/heap/heap.c mm/heap/backend.c mm/heap/simple.c mm/heap/guard.c */
/* sources: mm/heap/failing.c mm/error.c lib/format.c */
/* sources: mm/heap/bins.c mm/heap/buddy.c mm/heap/bump.c mm/heap/list.c */
/* sources: mm/heap/slab/ */
/* Nothing is lost by a "no": every call of a heap, with each request for memory
 * inside it refused in turn, leaves all figures as they were. */
#include "tests/host/platform_host.h"

#include <stdalign.h>
#include <string.h>

#include "lib/bits.h"
#include "mm/heap/backend.h"

#define LIMIT       (4 * MIB)
#define LARGE_MOST  8
#define LARGE_ROOM  (512 * KIB)
#define ALIGN_MOST  (128 * KIB)
#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static alignas(4096) unsigned char array[LIMIT];
static alignas(ALIGN_MOST) unsigned char large[LARGE_MOST][LARGE_ROOM];

static struct {
    unsigned refuse_in; /* requests until one is refused; 0: none is */
    size_t usable, memory, large;
    bool has[LIMIT / PAGE_SIZE], taken[LARGE_MOST];
} machine;

static struct heap heap;

static bool refuses(void)
{
    return machine.refuse_in > 0 && --machine.refuse_in == 0;
}

static bool *page_of(const void *page)
{
    return &machine.has[((vaddr_t)page - (vaddr_t)array) / PAGE_SIZE];
}

static void set_memory(unsigned char *start, size_t bytes, bool has)
{
    for (size_t at = 0; at < bytes; at += PAGE_SIZE) {
        assert_true(*page_of(start + at) != has);
        *page_of(start + at) = has;
        memset(start + at, 0, PAGE_SIZE);
    }
    machine.memory += has ? bytes : -bytes;
}

static size_t grow(void *context, size_t bytes)
{
    size_t added = align_up(bytes, PAGE_SIZE);

    (void)context;
    if (refuses())
        return 0;
    set_memory(array + machine.usable, added, true);
    machine.usable += added;
    return added;
}

static bool back(void *context, void *start, size_t bytes)
{
    (void)context;
    if (refuses())
        return false;
    set_memory(start, bytes, true);
    return true;
}

static size_t unback(void *context, void *start, size_t bytes)
{
    (void)context;
    set_memory(start, bytes, false);
    return bytes;
}

static bool has_memory(void *context, const void *page)
{
    (void)context;
    return *page_of(page);
}

static void *large_alloc(void *context, size_t bytes, size_t align,
                         bool *zeroed)
{
    (void)context;
    *zeroed = false;
    if (refuses() || bytes > LARGE_ROOM - PAGE_SIZE || align > ALIGN_MOST)
        return NULL;
    for (size_t i = 0; i < LARGE_MOST; i++)
        if (!machine.taken[i]) {
            machine.taken[i] = true;
            machine.large++;
            return large[i] + (align > PAGE_SIZE ? 0 : PAGE_SIZE);
        }
    return NULL;
}

static bool large_free(void *context, void *start)
{
    size_t i = (size_t)((unsigned char *)start - large[0]) / LARGE_ROOM;

    (void)context;
    assert_true(machine.taken[i]);
    machine.taken[i] = false;
    machine.large--;
    return true;
}

/* ---- The calls ---- */

/* A block that is there before the call; some calls change it. */
static unsigned char *block;
static struct layout now;

static const struct layout small = {40, 16}, page = {5000, 16},
                           aligned = {100, 8192}, big = {100000, 64};

static void *alloc(struct layout layout)
{
    return heap_alloc_in(&heap, layout);
}

static void *alloc_small(void)
{
    return alloc(small);
}

static void *alloc_page(void)
{
    return alloc(page);
}

static void *alloc_aligned(void)
{
    return alloc(aligned);
}

static void *alloc_big(void)
{
    return alloc(big);
}

static void *alloc_zeroed(void)
{
    unsigned char *start = heap_alloc_zeroed_in(&heap, big);

    for (size_t i = 0; start && i < big.size; i++)
        assert_int_equal(start[i], 0);
    return start;
}

static void *alloc_back(void)
{
    return heap_alloc_back_in(&heap, page);
}

static void *array_of(void)
{
    return kmalloc_array(100, 50);
}

static void *zeroed(void)
{
    return kzalloc(3000);
}

/* Makes a block of the size out of the one that is there; the new one takes its
 * place. */
static void *resize(size_t size)
{
    unsigned char *start = heap_realloc_in(&heap, block, now, size);

    if (start) {
        block = start;
        now.size = size;
    }
    return start;
}

static void *grow_block(void)
{
    return resize(9000);
}

static void *grow_to_big(void)
{
    return resize(big.size);
}

static void *shrink_block(void)
{
    return resize(16);
}

static void *align_block(void)
{
    unsigned char *start = krealloc(block, 8192);

    if (start) {
        assert_true(is_aligned((vaddr_t)start, 8192));
        block = start;
        now = (struct layout){8192, 8192};
    }
    return start;
}

static const struct {
    const char *name;
    void *(*call)(void);
} calls[] = {
    {"a small block", alloc_small},
    {"a block over a page", alloc_page},
    {"an aligned block", alloc_aligned},
    {"a large block", alloc_big},
    {"a large block of zeros", alloc_zeroed},
    {"a block for long", alloc_back},
    {"kmalloc_array", array_of},
    {"kzalloc", zeroed},
    {"a block made larger", grow_block},
    {"a block made a large one", grow_to_big},
    {"a block made smaller", shrink_block},
    {"a block aligned by krealloc", align_block},
};

struct figures {
    struct heap_stats stats;
    size_t memory, large;
};

static struct figures figures(void)
{
    heap_trim(&heap);
    return (struct figures){heap_stats(&heap), machine.memory, machine.large};
}

static void assert_same(const struct figures *before, const char *name)
{
    struct figures after = figures();

    if (after.stats.blocks != before->stats.blocks ||
        after.stats.requested != before->stats.requested ||
        after.stats.held != before->stats.held ||
        after.stats.region > before->stats.region ||
        after.memory > before->memory || after.large != before->large)
        fail_msg("%s, %s, heapcheck=%s: %zu blocks, %zu, %zu, %zu, %zu bytes, "
                 "%zu large ones; then %zu, %zu, %zu, %zu, %zu, %zu",
                 name, heap.backend->name, heap_checks_name(heap.checks),
                 before->stats.blocks, before->stats.requested,
                 before->stats.held, before->stats.region, before->memory,
                 before->large, after.stats.blocks, after.stats.requested,
                 after.stats.held, after.stats.region, after.memory,
                 after.large);
    assert_null(heap_check(&heap).what);
}

/* What kind of region; a heap without unback keeps what it has grown by. */
enum kind { GROWS, GIVES_BACK, HAS_LARGE, KINDS };

static enum mm_error start(const struct heap_backend *backend, enum kind kind)
{
    struct heap_region region = {
        .start = array,
        .limit = LIMIT,
        .grow = grow,
        .zeroed = true,
    };

    if (kind >= GIVES_BACK) {
        region.back = back;
        region.unback = unback;
        region.has_memory = has_memory;
    }
    if (kind == HAS_LARGE) {
        region.large_alloc = large_alloc;
        region.large_free = large_free;
    }
    memset(array, 0, sizeof(array));
    machine.usable = machine.memory = machine.large = 0;
    memset(machine.has, 0, sizeof(machine.has));
    memset(machine.taken, 0, sizeof(machine.taken));
    return heap_init(&heap, backend, region);
}

static void refuse_each(const struct heap_backend *backend, enum kind kind,
                        size_t number)
{
    bool done = false;
    void *neighbour;

    assert_int_equal(start(backend, kind), MM_OK);
    heap_set_kernel(&heap);
    now = (struct layout){2000, 16};
    block = alloc(now);
    neighbour = alloc(small); /* so that the block cannot grow where it is */
    memset(block, 0x7e, now.size);
    /* what is kept to hold the most there was is there before */
    heap_free_in(&heap, alloc(big));
    for (unsigned k = 1; !done; k++) {
        struct figures before = figures();

        machine.refuse_in = k;
        unsigned char *got = calls[number].call();
        done = machine.refuse_in > 0;
        machine.refuse_in = 0;
        for (size_t i = 0; i < 16; i++)
            assert_int_equal(block[i], 0x7e);
        assert_true(got || !done);
        if (got == block)
            break;
        heap_free_in(&heap, got); /* it managed with other memory, or at last */
        if (got)
            continue;
        assert_int_equal(heap_error_in(&heap), MM_OUT_OF_MEMORY);
        assert_same(&before, calls[number].name);
    }
    heap_free_in(&heap, neighbour);
    heap_free_in(&heap, block);
    assert_int_equal(heap_stats(&heap).blocks, 0);
    heap_trim(&heap); /* a quarantine, too */
    assert_int_equal(heap_stats(&heap).region, machine.memory);
    heap_fini(&heap);
    assert_int_equal(machine.large, 0);
}

/* krealloc aligns by the new size, also where the block has room, and does not
 * keep more than twice of what is asked for. */
static void resize_side_by_side(size_t from, size_t to)
{
    unsigned char *blocks[4], *gaps[4];

    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        blocks[i] = kmalloc(from);
        gaps[i] = kmalloc(5000);
        assert_non_null(blocks[i]);
        memset(blocks[i], (int)i, from);
    }
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        unsigned char *start = krealloc(blocks[i], to);

        if (start)
            blocks[i] = start;
        else
            continue; /* there is no place for it */
        if (is_power_of_two(to))
            assert_true(is_aligned((vaddr_t)start, to));
        if (heap.backend == &heap_slab && !heap.guard)
            assert_true(kmalloc_usable_size(start) <= 2 * to);
        for (size_t j = 0; j < from && j < to; j++)
            assert_int_equal(start[j], i);
    }
    assert_null(heap_check(&heap).what);
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        kfree(blocks[i]);
        kfree(gaps[i]);
    }
    assert_int_equal(heap_stats(&heap).blocks, 0);
}

static void test_resized_side_by_side(void **state)
{
    (void)state;
    for (int checks = HEAP_CHECKS_OFF; checks <= HEAP_CHECKS_FULL; checks++) {
        heap_set_checks((enum heap_checks)checks);
        for (size_t i = 0; heap_backends[i]; i++)
            for (enum kind kind = GROWS; kind < KINDS; kind++) {
                assert_int_equal(start(heap_backends[i], kind), MM_OK);
                heap_set_kernel(&heap);
                resize_side_by_side(72, 64);
                resize_side_by_side(72, 128);
                resize_side_by_side(5000, 4096);
                resize_side_by_side(2000, 900);
                resize_side_by_side(130000, 128 * KIB);
                resize_side_by_side(140000, 128 * KIB);
                resize_side_by_side(200000, 70000);
                heap_fini(&heap);
            }
    }
    heap_set_checks(HEAP_CHECKS_BASIC);
}

static void test_each_call(void **state)
{
    (void)state;
    for (int checks = HEAP_CHECKS_OFF; checks <= HEAP_CHECKS_FULL; checks++) {
        heap_set_checks((enum heap_checks)checks);
        for (size_t i = 0; heap_backends[i]; i++)
            for (enum kind kind = GROWS; kind < KINDS; kind++)
                for (size_t number = 0; number < COUNT_OF(calls); number++)
                    refuse_each(heap_backends[i], kind, number);
    }
    heap_set_checks(HEAP_CHECKS_BASIC);
}

/* A heap that could not be made has left nothing behind but what its region has
 * grown by. */
static void test_heap_init(void **state)
{
    (void)state;
    for (int checks = HEAP_CHECKS_OFF; checks <= HEAP_CHECKS_FULL; checks++) {
        heap_set_checks((enum heap_checks)checks);
        for (size_t i = 0; heap_backends[i]; i++)
            for (enum kind kind = GROWS; kind < KINDS; kind++)
                for (unsigned k = 1;; k++) {
                    machine.refuse_in = k;
                    enum mm_error error = start(heap_backends[i], kind);
                    bool done = machine.refuse_in > 0;
                    machine.refuse_in = 0;
                    if (!error)
                        heap_fini(&heap);
                    assert_true(machine.memory <= machine.usable);
                    assert_int_equal(machine.large, 0);
                    if (done) {
                        assert_int_equal(error, MM_OK);
                        break;
                    }
                }
    }
    heap_set_checks(HEAP_CHECKS_BASIC);
}

/* A free, a trim and a question need no memory. */
static void test_what_needs_no_memory(void **state)
{
    (void)state;
    for (size_t i = 0; heap_backends[i]; i++)
        for (enum kind kind = GROWS; kind < KINDS; kind++) {
            void *blocks[] = {NULL, NULL, NULL};

            assert_int_equal(start(heap_backends[i], kind), MM_OK);
            for (size_t j = 0; j < COUNT_OF(blocks); j++)
                blocks[j] = alloc(j == 2 ? big : page);
            machine.refuse_in = 1;
            for (size_t j = 0; j < COUNT_OF(blocks); j++) {
                (void)heap_usable_size_in(&heap, blocks[j]);
                heap_free_in(&heap, blocks[j]);
                heap_trim(&heap);
                assert_null(heap_check(&heap).what);
            }
            assert_int_equal(heap_stats(&heap).blocks, 0);
            machine.refuse_in = 0;
            heap_fini(&heap);
        }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_call),
        cmocka_unit_test(test_resized_side_by_side),
        cmocka_unit_test(test_heap_init),
        cmocka_unit_test(test_what_needs_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
