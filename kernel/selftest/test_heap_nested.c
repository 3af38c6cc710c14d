/* Allocations in the middle of allocations: heap calls are run one instruction
 * at a time, and after each of them a handler allocates and frees in the same
 * heap.  Every few times it does so one handler further down, as an NMI would.
 */
#include "kernel/selftest/selftest.h"
#include "kernel/trap/trap.h"
#include "lib/string.h"
#include "mm/heap/backend.h"
#include "mm/heap_range.h"
#include "mm/kernel_space.h"

#define RANGE_BYTES (UINT64_C(4) << 20)
#define RFLAGS_TF   0x100 /* AMD64 manual 2, section 3.1.6 */

enum { VECTOR_DB = 1, VECTOR_NMI = 2 };

/* Blocks of the handler that live on while others come and go. */
#define KEPT 8

static struct heap heap;
static struct heap_range range;

static struct {
    unsigned steps, nmis, allocated, refused, wrong;
    bool free_at_once;
    unsigned depth;
    struct {
        unsigned char *start;
        size_t size;
    } kept[KEPT];
} handler;

static void drop(unsigned i)
{
    unsigned char *start = handler.kept[i].start;

    if (start == NULL)
        return;
    for (size_t j = 0; j < handler.kept[i].size; j++)
        handler.wrong += start[j] != (unsigned char)i;
    handler.kept[i].start = NULL;
    heap_free_in(&heap, start);
}

/* One block for another. */
static void allocate_and_free(void)
{
    unsigned i = handler.steps % KEPT;
    size_t size = 16 + handler.steps % 3 * 60;

    drop(i);
    unsigned char *start = heap_alloc_in(&heap, (struct layout){size, 16});
    if (start == NULL) {
        enum mm_error error = heap_error_in(&heap);
        handler.refused++;
        handler.wrong += error != MM_BUSY && error != MM_OUT_OF_MEMORY;
        return;
    }
    handler.allocated++;
    memset(start, (int)i, size);
    handler.kept[i].start = start;
    handler.kept[i].size = size;
    if (handler.free_at_once)
        drop(i);
}

static bool on_trap(struct trap_frame *frame)
{
    if (frame->vector == VECTOR_NMI) {
        handler.nmis++;
        allocate_and_free();
        return true;
    }
    if (frame->vector != VECTOR_DB)
        return false;
    handler.steps++;
    if (handler.steps % 4 == 0)
        __asm__ volatile("int $2" : : : "memory");
    else
        allocate_and_free();
    return true;
}

static void step_from_here(void)
{
    __asm__ volatile("pushfq\n\t"
                     "orq %0, (%%rsp)\n\t"
                     "popfq"
                     :
                     : "i"(RFLAGS_TF)
                     : "memory", "cc");
}

static void step_no_more(void)
{
    __asm__ volatile("pushfq\n\t"
                     "andq %0, (%%rsp)\n\t"
                     "popfq"
                     :
                     : "i"(~RFLAGS_TF)
                     : "memory", "cc");
}

#define BLOCKS 6
#define ROUNDS 3

/* Full checks write each byte of a block, one instruction after another: there
 * the largest block is left out. */
static unsigned blocks_a_round(void)
{
    return heap.checks == HEAP_CHECKS_FULL ? BLOCKS - 1 : BLOCKS;
}

static unsigned allocate_step_by_step(void)
{
    static const size_t sizes[BLOCKS] = {16, 64, 100, 1000, 5000, 100000};
    void *blocks[BLOCKS];
    unsigned got = 0;

    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < blocks_a_round(); i++) {
            struct layout layout = {sizes[i], 16};

            step_from_here();
            blocks[i] = heap_alloc_in(&heap, layout);
            step_no_more();
            got += blocks[i] != NULL;
            if (blocks[i] != NULL)
                memset(blocks[i], 0xb0 + (int)i, sizes[i]);
        }
        for (unsigned i = 0; i < blocks_a_round(); i++) {
            const unsigned char *block = blocks[i];

            if (block == NULL)
                continue;
            for (size_t j = 0; j < sizes[i]; j++)
                handler.wrong += block[j] != 0xb0 + i;
            step_from_here();
            heap_dealloc_in(&heap, blocks[i], (struct layout){sizes[i], 16});
            step_no_more();
        }
    }
    return got;
}

/* Sizes of a block alone in its slab, which stays where it is. */
#define RESIZED_FROM 8192
#define RESIZED_TO   4096

static void resize_and_trim_step_by_step(void)
{
    struct layout layout = {RESIZED_FROM, 16};
    unsigned char *block = heap_alloc_in(&heap, layout);

    if (block == NULL)
        return;
    memset(block, 0xc0, RESIZED_TO);
    for (unsigned i = 0; i < 2; i++) {
        size_t wanted = i == 0 ? RESIZED_TO : RESIZED_FROM;

        step_from_here();
        unsigned char *moved = heap_realloc_in(&heap, block, layout, wanted);
        step_no_more();
        if (moved != NULL) {
            block = moved;
            layout.size = wanted;
        }
        for (size_t j = 0; j < RESIZED_TO; j++)
            handler.wrong += block[j] != 0xc0;
    }
    heap_dealloc_in(&heap, block, layout);
    if (heap.checks == HEAP_CHECKS_FULL)
        return; /* it would look at all that was freed, step by step */
    step_from_here();
    heap_trim(&heap);
    step_no_more();
}

static void run_nested(const struct heap_backend *backend)
{
    struct heap_region region =
        heap_range_region(&range, SCRATCH_BASE, RANGE_BYTES);
    enum mm_error error = heap_init(&heap, backend, region);
    EXPECT(error == MM_OK, "%s: %s", backend->name, mm_error_name(error));

    memset(&handler, 0, sizeof(handler));
    /* while its lock is held, such a heap puts off a few frees, and no more */
    handler.free_at_once = backend->calls == NULL;
    trap_set_hook(on_trap);
    unsigned got = allocate_step_by_step();
    resize_and_trim_step_by_step();
    trap_set_hook(NULL);
    for (unsigned i = 0; i < KEPT; i++)
        drop(i);
    struct heap_flaw flaw = heap_check(&heap);
    struct heap_stats stats = heap_stats(&heap);
    heap_fini(&heap);
    heap_range_release(&range);

    /* a handler hinders nobody whom it interrupts */
    EXPECT(got == ROUNDS * blocks_a_round(), "%s: %u blocks", backend->name, got);
    EXPECT(handler.steps > 1000 && handler.nmis > 250, "%s: %u steps, %u NMIs",
           backend->name, handler.steps, handler.nmis);
    /* Full checks look at blocks byte by byte, under a lock. */
    unsigned share = heap.checks == HEAP_CHECKS_FULL ? 1000 : 100;
    EXPECT(handler.allocated > handler.steps / share,
           "%s: %u allocated, %u refused", backend->name, handler.allocated,
           handler.refused);
    EXPECT(handler.wrong == 0, "%s: %u bytes or errors are wrong",
           backend->name, handler.wrong);
    EXPECT(flaw.what == NULL, "%s: %p: %s", backend->name, flaw.place,
           flaw.what);
    EXPECT(stats.blocks == 0, "%s: %lu blocks are left", backend->name,
           stats.blocks);
}

SELFTEST(heap, takes_calls_in_the_middle_of_calls)
{
    for (unsigned i = 0; heap_backends[i] != NULL; i++)
        run_nested(heap_backends[i]);
    /* the slab's other fast path */
    enum heap_checks checks = heap_kernel()->checks;
    heap_set_checks(checks == HEAP_CHECKS_OFF ? HEAP_CHECKS_BASIC
                                              : HEAP_CHECKS_OFF);
    run_nested(&heap_slab);
    heap_set_checks(checks);
}
