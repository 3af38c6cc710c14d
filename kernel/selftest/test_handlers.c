/* Handlers that use memory in the middle of calls, while another CPU is at work
 * in the same heap, the kernel's own: nobody may wait for ever, and what a
 * handler cannot have is refused by name.
 *
 * CPU 0 runs its calls one instruction at a time.  After each instruction the
 * handler of the debug exception allocates or frees.
 */
#include "drivers/lapic.h"
#include "kernel/console/console.h"
#include "kernel/cpu/percpu.h"
#include "kernel/cpu/request.h"
#include "kernel/cpu/smp.h"
#include "kernel/selftest/selftest.h"
#include "kernel/trap/trap.h"
#include "lib/bits.h"
#include "mm/frame.h"
#include "mm/heap/slab/slab.h"
#include "mm/kernel_space.h"

enum { VECTOR_DB = 1, VECTOR_NMI = 2 };

static struct {
    unsigned calls, served, refused, wrong;
} handler;

static _Atomic bool over;
static size_t in_handler, elsewhere; /* sizes of blocks */
static unsigned turns;               /* calls that CPU 0 makes step by step */

static inline void step_on(void)
{
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
}

static inline void step_off(void)
{
    __asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc");
}

/* Allocates a block, or frees one that it has. */
#define KEPT 8
static void *kept[KEPT];

static void use_heap(void)
{
    void **slot = &kept[handler.calls++ % KEPT];
    if (*slot != NULL) {
        kfree(*slot);
        *slot = NULL;
        return;
    }
    *slot = kmalloc(in_handler);
    enum mm_error error = heap_last_error();
    if (*slot != NULL)
        handler.served++;
    else if (error == MM_BUSY || error == MM_OUT_OF_MEMORY)
        handler.refused++;
    else
        handler.wrong++;
}

static bool on_step(struct trap_frame *frame)
{
    if (frame->vector != VECTOR_DB)
        return false;
    use_heap();
    return true;
}

static bool on_nmi(struct trap_frame *frame)
{
    if (frame->vector != VECTOR_NMI)
        return false;
    if (platform_cpu() == 0)
        use_heap();
    request_answer();
    return true;
}

static bool is_large(size_t bytes)
{
    return bytes > 64 * KIB;
}

static void begin(bool (*hook)(struct trap_frame *frame), size_t handlers,
                  size_t others)
{
    handler.calls = handler.served = handler.refused = handler.wrong = 0;
    over = false;
    in_handler = handlers;
    elsewhere = others;
    /* each page of a large block is a request to all CPUs, and takes long */
    turns = is_large(handlers) || is_large(others) ? 2 : 12;
    trap_set_hook(hook);
}

static void end(void)
{
    trap_set_hook(NULL);
    for (unsigned i = 0; i < KEPT; i++) {
        kfree(kept[i]);
        kept[i] = NULL;
    }
    heap_trim(heap_kernel());
}

/* What the other CPUs do until CPU 0 is through. */
#define MANY     200
#define CHURNERS 4
static void *many[CHURNERS][MANY]; /* of CPUs below this number */

static void churn(void)
{
    if (platform_cpu() >= CHURNERS) {
        while (!over)
            platform_relax();
        return;
    }
    void **mine = many[platform_cpu()];
    unsigned count = is_large(elsewhere) ? 2 : MANY;
    while (!over) {
        for (unsigned i = 0; i < count; i++)
            mine[i] = kmalloc(elsewhere);
        for (unsigned i = 0; i < count; i++)
            kfree(mine[i]);
        heap_trim(heap_kernel());
    }
}

static void step_heap_calls(void *argument)
{
    (void)argument;
    if (platform_cpu() != 0) {
        churn();
        return;
    }
    void **mine = many[0];
    for (unsigned i = 0; i < turns; i++) {
        step_on();
        mine[i] = kmalloc(5000);
        step_off();
    }
    for (unsigned i = 0; i < turns; i++) {
        step_on();
        kfree(mine[i]);
        step_off();
    }
    over = true;
}

/* The handler wants the lock of a class whose holder wants the heap's, which
 * the interrupted call has. */
SELFTEST(handlers, class_and_heap)
{
    begin(on_step, 3000, 3000);
    smp_run_on_all(step_heap_calls, NULL);
    end();
    EXPECT(handler.calls > turns && handler.wrong == 0, "%u calls, %u wrong",
           handler.calls, handler.wrong);
}

static void step_frame_calls(void *argument)
{
    (void)argument;
    if (platform_cpu() != 0) {
        churn();
        return;
    }
    for (unsigned i = 0; i < turns; i++) {
        step_on();
        paddr_t frame = frame_alloc(i % 2 == 0 ? FRAME_2M : FRAME_4K);
        step_off();
        if (frame == PADDR_NONE)
            continue;
        step_on();
        enum mm_error error = frame_free(frame);
        step_off();
        handler.wrong += error != MM_OK;
    }
    over = true;
}

/* The handler wants the heap's lock, whose holder wants the zone's, which the
 * interrupted call has. */
SELFTEST(handlers, heap_and_frames)
{
    begin(on_step, 64, 60000);
    smp_run_on_all(step_frame_calls, NULL);
    end();
    EXPECT(handler.wrong == 0, "%u calls, %u wrong", handler.calls,
           handler.wrong);
}

/* Large blocks have frames and page tables behind them. */
SELFTEST(handlers, large_blocks_and_frames)
{
    begin(on_step, 100000, 100000);
    smp_run_on_all(step_frame_calls, NULL);
    end();
    EXPECT(handler.wrong == 0, "%u calls, %u wrong", handler.calls,
           handler.wrong);
}

#define NMIS 200

static void send_nmis(void *argument)
{
    (void)argument;
    if (platform_cpu() != 0) {
        churn();
        return;
    }
    for (unsigned i = 0; i < NMIS; i++) {
        lapic_send_nmi(percpu_this()->apic_id);
        for (volatile unsigned j = 0; j < 200; j++)
            ;
    }
    over = true;
}

/* The NMI handler may not wait for a CPU that waits for its answer. */
static void nmis(size_t bytes)
{
    begin(on_nmi, bytes, bytes);
    smp_run_on_all(send_nmis, NULL);
    end();
    EXPECT(handler.wrong == 0, "%u calls, %u wrong", handler.calls,
           handler.wrong);
}

SELFTEST(handlers, nmi_and_small_blocks)
{
    nmis(2000);
}

SELFTEST(handlers, nmi_and_large_blocks)
{
    nmis(100000);
}

/* A request to all CPUs is made under a lock of the kernel's own. */
static void step_fences(void *argument)
{
    (void)argument;
    if (platform_cpu() != 0) {
        churn();
        return;
    }
    for (unsigned i = 0; i < turns; i++) {
        step_on();
        platform_fence_cpus();
        step_off();
    }
    over = true;
}

SELFTEST(handlers, fences)
{
    begin(on_step, 5000, 3000);
    smp_run_on_all(step_fences, NULL);
    end();
    EXPECT(handler.wrong == 0, "%u calls, %u wrong", handler.calls,
           handler.wrong);
}

/* So is a line on the console, which one CPU prints with a heap's lock. */
static void step_prints(void *argument)
{
    (void)argument;
    if (platform_cpu() == 1)
        while (!over)
            (void)heap_report_leaks(heap_kernel(), printf);
    if (platform_cpu() != 0)
        return;
    for (unsigned i = 0; i < 4; i++) {
        step_on();
        printf("# a line in steps\n");
        step_off();
    }
    over = true;
}

SELFTEST(handlers, console)
{
    begin(on_step, 64, 0);
    smp_run_on_all(step_prints, NULL);
    end();
    EXPECT(handler.wrong == 0, "%u calls, %u wrong", handler.calls,
           handler.wrong);
}

/* After each instruction: a lock that this CPU has is one that it counts. */
static void look(const struct cpu_lock *lock, enum cpu_rank rank)
{
    handler.calls++;
    handler.wrong += cpu_lock_is_mine(lock) && cpu_order_allows(rank);
}

static bool look_at_locks(struct trap_frame *frame)
{
    if (frame->vector != VECTOR_DB)
        return false;
    struct heap *heap = heap_kernel();
    look(&heap->lock, CPU_RANK_HEAP);
    look(&kernel_space_ranges()->lock, CPU_RANK_SPACE);
    if (heap->backend != &heap_slab)
        return true;
    struct slab_heap *slabs = slab_heap(heap);
    look(&slabs->stop_lock, CPU_RANK_STOP);
    look(&slabs->large.lock, CPU_RANK_LARGE);
    for (unsigned i = 1; i < SIZE_CLASSES; i++)
        look(&slabs->class[i].lock, CPU_RANK_CLASS);
    return true;
}

SELFTEST(handlers, what_is_locked_is_counted)
{
    struct virtual_range range;
    begin(look_at_locks, 64, 64);
    step_on();
    void *small = kmalloc(5000), *large = kmalloc(100000);
    kfree(small);
    kfree(large);
    (void)virtual_range_find(kernel_space_ranges(), RANGES_BASE, &range);
    step_off();
    end();
    EXPECT(handler.calls > 1000 && handler.wrong == 0, "%u looks, %u wrong",
           handler.calls, handler.wrong);
}

/* A large block whose free had to wait comes back when memory is wanted. */
static bool free_in_nmi(struct trap_frame *frame)
{
    if (frame->vector != VECTOR_NMI)
        return false;
    kfree(kept[0]);
    kept[0] = NULL;
    return true;
}

#define LARGE_BYTES (8 * MIB)

SELFTEST(handlers, a_large_block_that_waits_comes_back)
{
    struct frame_stats stats;
    begin(free_in_nmi, 0, 0);
    kept[0] = kmalloc(LARGE_BYTES);
    if (kept[0] == NULL) { /* the machine has too little */
        end();
        return;
    }
    frame_stats(&stats);
    uint64_t before = stats.free_bytes;
    __asm__ volatile("int $2" ::: "memory");
    end();
    frame_stats(&stats);
    /* the others keep the pages of headers and entries */
    bool slab = heap_kernel()->backend == &heap_slab && !heap_kernel()->guard;
    EXPECT(stats.free_bytes >= before + LARGE_BYTES * (slab ? 8 : 7) / 8,
           "%lu bytes free, %lu before", stats.free_bytes, before);
}

/* Pages that a handler may not free stay, whole. */
static void *pages[KEPT];

static bool free_pages(struct trap_frame *frame)
{
    if (frame->vector != VECTOR_DB)
        return false;
    void **slot = &pages[handler.calls++ % KEPT];
    if (*slot == NULL)
        return true;
    enum mm_error error = kernel_space_free_pages(*slot);
    if (error == MM_OK)
        *slot = NULL;
    else
        handler.wrong += error != MM_BUSY;
    return true;
}

SELFTEST(handlers, pages_in_the_middle_of_frame_calls)
{
    for (unsigned i = 0; i < KEPT; i++)
        EXPECT(kernel_space_alloc_pages(60 * PAGE_SIZE, PAGE_SIZE,
                                        VIRTUAL_GUARD_BEHIND, "self-test",
                                        &pages[i]) == MM_OK,
               "block %u", i);
    begin(free_pages, 0, 64);
    smp_run_on_all(step_frame_calls, NULL);
    end();
    for (unsigned i = 0; i < KEPT; i++)
        if (pages[i] != NULL) {
            EXPECT(kernel_space_free_pages(pages[i]) == MM_OK, "pages %u", i);
            pages[i] = NULL;
        }
    EXPECT(handler.wrong == 0, "%u wrong", handler.wrong);
}

static void *sized[KEPT];

static bool ask_sizes(struct trap_frame *frame)
{
    if (frame->vector != VECTOR_DB)
        return false;
    handler.calls++;
    for (unsigned i = 0; i < KEPT; i++)
        handler.wrong += kmalloc_usable_size(sized[i]) < 40;
    return true;
}

/* Sound blocks are found sound, whatever happens to their neighbours. */
SELFTEST(handlers, usable_sizes)
{
    void *gaps[KEPT];
    for (unsigned i = 0; i < KEPT; i++) {
        sized[i] = kmalloc(40);
        gaps[i] = kmalloc(40);
        EXPECT(sized[i] != NULL && gaps[i] != NULL, "block %u", i);
    }
    for (unsigned i = 0; i < KEPT; i++)
        kfree(gaps[i]);
    begin(ask_sizes, 0, 0);
    for (unsigned i = 0; i < 4; i++) {
        step_on();
        void *block = kmalloc(24 + 40 * i);
        step_off();
        step_on();
        kfree(block);
        step_off();
    }
    end();
    for (unsigned i = 0; i < KEPT; i++)
        kfree(sized[i]);
    EXPECT(handler.calls > 40 && handler.wrong == 0, "%u calls, %u wrong",
           handler.calls, handler.wrong);
}

/* A question about ranges, interrupted by a call that needs one. */
SELFTEST(handlers, ranges)
{
    struct virtual_stats stats;
    begin(on_step, 100000, 0);
    step_on();
    enum mm_error error = virtual_space_stats(kernel_space_ranges(), &stats);
    step_off();
    end();
    EXPECT(error == MM_OK && handler.wrong == 0, "%s, %u wrong",
           mm_error_name(error), handler.wrong);
}

static uint64_t free_now(void)
{
    struct frame_stats stats;
    heap_trim(heap_kernel());
    frame_stats(&stats);
    return stats.free_bytes;
}

/* What cannot be had takes nothing. */
SELFTEST(handlers, a_failed_request_keeps_no_frames)
{
    struct frame_stats stats;
    frame_stats(&stats);
    /* the first one makes room for what the heap notes of its pages */
    void *block = kmalloc(stats.managed_bytes);
    EXPECT(block == NULL, "%p", block);
    uint64_t before = free_now();
    block = kmalloc(stats.managed_bytes);
    enum mm_error error = heap_last_error();
    EXPECT(block == NULL && error == MM_OUT_OF_MEMORY, "%p: %s", block,
           mm_error_name(error));
    EXPECT(free_now() == before, "%lu bytes free, %lu before", free_now(),
           before);
    block = heap_alloc((struct layout){16, SIZE_1G});
    if (block != NULL) { /* it could be had: there is more memory than that */
        heap_dealloc(block, (struct layout){16, SIZE_1G});
        return;
    }
    EXPECT(free_now() == before, "%lu bytes free, %lu before", free_now(),
           before);
}

/* Allocates pages, or frees some that it has. */
static void use_pages(void)
{
    void **slot = &pages[handler.calls++ % KEPT];
    bool frees = *slot != NULL;
    enum mm_error error =
        frees
            ? kernel_space_free_pages(*slot)
            : kernel_space_alloc_pages(2 * PAGE_SIZE, PAGE_SIZE,
                                       VIRTUAL_GUARD_BEHIND, "self-test", slot);
    if (error == MM_OK && frees)
        *slot = NULL;
    handler.served += error == MM_OK;
    handler.refused += error == MM_BUSY;
    handler.wrong += error != MM_OK && error != MM_BUSY;
}

static bool pages_on_step(struct trap_frame *frame)
{
    if (frame->vector != VECTOR_DB)
        return false;
    use_pages();
    return true;
}

/* The same as of an NMI: all of it is refused. */
static bool pages_in_nmi(struct trap_frame *frame)
{
    if (frame->vector == VECTOR_DB)
        __asm__ volatile("int $2" ::: "memory");
    else if (frame->vector == VECTOR_NMI && !request_answer())
        use_pages();
    return frame->vector == VECTOR_DB || frame->vector == VECTOR_NMI;
}

static unsigned pages_wrong(bool (*hook)(struct trap_frame *frame))
{
    void *own = NULL;
    begin(hook, 0, 0);
    step_on();
    enum mm_error allocated = kernel_space_alloc_pages(
        3 * PAGE_SIZE, PAGE_SIZE, VIRTUAL_GUARD_BEFORE, "self-test", &own);
    enum mm_error freed = kernel_space_free_pages(own);
    step_off();
    end();
    unsigned wrong = handler.wrong + (allocated != MM_OK) + (freed != MM_OK);
    for (unsigned i = 0; i < KEPT; i++) {
        if (pages[i] != NULL)
            wrong += kernel_space_free_pages(pages[i]) != MM_OK;
        pages[i] = NULL;
    }
    return wrong;
}

SELFTEST(handlers, pages_in_the_middle_of_page_calls)
{
    uint64_t before = free_now();
    unsigned wrong = pages_wrong(pages_on_step);
    EXPECT(wrong == 0 && handler.served > 0 && handler.refused > 0,
           "%u wrong, %u served, %u refused", wrong, handler.served,
           handler.refused);
    wrong = pages_wrong(pages_in_nmi);
    EXPECT(wrong == 0 && handler.served == 0 && handler.refused > 0,
           "in an NMI: %u wrong, %u served, %u refused", wrong, handler.served,
           handler.refused);
    EXPECT(free_now() == before, "%lu bytes free, %lu before", free_now(),
           before);
}
