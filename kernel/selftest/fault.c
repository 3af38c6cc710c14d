/* The mistakes that fault=NAME can make. */
#include "kernel/selftest/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drivers/debug_exit.h"
#include "kernel/console/log.h"
#include "kernel/cpu/percpu.h"
#include "kernel/cpu/request.h"
#include "kernel/cpu/smp.h"
#include "kernel/cpu/stacks.h"
#include "kernel/image.h"
#include "kernel/rust.h"
#include "kernel/selftest/selftest.h"
#include "kernel/trap/panic.h"
#include "lib/assert.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/kernel_space.h"
#include "mm/platform.h"

static void read_null(void)
{
    /* volatile: the compiler may not reason about the mistake */
    volatile uintptr_t null = 0;
    (void)*(volatile char *)null;
}

static void write_text(void)
{
    *(volatile char *)text_start = 0;
}

static void write_constant(void)
{
    *(volatile char *)rodata_start = 0;
}

/* The same by their other address, in the direct map. */
static void write_text_alias(void)
{
    *(volatile char *)phys_to_virt((vaddr_t)text_start - KERNEL_BASE) = 0;
}

static void write_constant_alias(void)
{
    *(volatile char *)phys_to_virt((vaddr_t)rodata_start - KERNEL_BASE) = 0;
}

static void execute_data(void)
{
    volatile uintptr_t data = (uintptr_t)data_start;
    ((void (*)(void))data)();
}

static void execute_heap(void)
{
    void *volatile block = kzalloc(64);
    ((void (*)(void))(uintptr_t)block)();
}

static void touch_guard(void)
{
    *(volatile char *)stacks[STACK_BOOT].guard = 0;
}

static void jump_wild(void)
{
    volatile uintptr_t wild = UINT64_C(0x0dead00000000000);
    ((void (*)(void))wild)();
}

/* A writable page that has been written to, so that the TLB knows it. */
static volatile char *new_page(void)
{
    paddr_t frame = frame_alloc(FRAME_4K);
    if (frame == PADDR_NONE || page_map(kernel_space_table(), SCRATCH_BASE,
                                        frame, PAGE_SIZE, PAGE_WRITE) != MM_OK)
        panic("no page to make a mistake with");
    volatile char *page = (volatile char *)SCRATCH_BASE;
    *page = 1;
    return page;
}

static void use_unmapped(void)
{
    volatile char *page = new_page();
    if (page_unmap(kernel_space_table(), SCRATCH_BASE, PAGE_SIZE) != MM_OK)
        panic("the page cannot be unmapped");
    *page = 2;
}

static void write_protected(void)
{
    volatile char *page = new_page();
    if (page_protect(kernel_space_table(), SCRATCH_BASE, PAGE_SIZE, 0) != MM_OK)
        panic("the page cannot be protected");
    *page = 2;
}

/* Large blocks are pages of their own, so a pointer kept too long faults. */
static void use_freed(void)
{
    void *block;
    if (kernel_space_alloc_pages(MIB, PAGE_SIZE, VIRTUAL_GUARD_BEHIND,
                                 "a large block", &block) != MM_OK)
        panic("no large block");
    *(volatile char *)block = 1;
    if (kernel_space_free_pages(block) != MM_OK)
        panic("the block cannot be freed");
    *(volatile char *)block = 2;
}

static void faulty_explanation(const struct trap_frame *frame)
{
    (void)frame;
    read_null();
}

/* A report that itself goes wrong. */
static void nested(void)
{
    struct trap_frame frame = {.vector = 3, .rip = (uintptr_t)nested};
    panic_trap(&frame, faulty_explanation);
}

/* volatile depth: a call that the compiler may not turn into a loop */
static unsigned overrun(volatile unsigned depth)
{
    return depth == UINT32_MAX ? 0 : overrun(depth + 1) + depth;
}

static void stack(void)
{
    overrun(0);
}

/* One byte too many, again and again: it meets the return address in the end.
 * A debug build's canary lies before that. */
static void smash_stack(void)
{
    char small[16];
    volatile char *volatile at = small;
    for (unsigned i = 0; i < 64; i++)
        at[i] = 0x55;
}

static void divide(void)
{
    __asm__ volatile("xor %%edx, %%edx\n\t"
                     "xor %%ecx, %%ecx\n\t"
                     "div %%ecx"
                     :
                     :
                     : "eax", "ecx", "edx", "cc");
}

static void assertion(void)
{
    volatile unsigned trees = 2;
    ASSERT(trees == 3, "a copse of %u trees", trees);
}

static void rust_panic(void)
{
    if (rust_is_here())
        rust_call(rust_panic_on_purpose);
    else
        panic("the kernel was built without rustc");
}

/* Other CPUs are not told to forget their TLBs' entries any more.  The tests of
 * that must notice it; then this ends as their failure. */
static void stale_tlb(void)
{
    request_forget_others();
    if (!selftest_run("tlb", NULL))
        debug_exit(DEBUG_EXIT_FAILURE);
}

/* CPU 1 never answers again, and CPU 0 needs its answer. */
static void unmap_for_the_deaf(void *argument)
{
    _Atomic bool *is_deaf = argument;
    if (platform_cpu() == 1) {
        *is_deaf = true;
        request_be_deaf();
    }
    if (platform_cpu() != 0)
        return;
    while (!*is_deaf)
        platform_relax();
    if (page_unmap(kernel_space_table(), SCRATCH_BASE, PAGE_SIZE) != MM_OK)
        panic("the page cannot be unmapped");
}

static void deaf_cpu(void)
{
    _Atomic bool is_deaf = false;
    new_page();
    smp_run_on_all(unmap_for_the_deaf, &is_deaf);
}

/* The panic is another CPU's than the one that gives the work. */
static void panic_there(void *argument)
{
    (void)argument;
    if (platform_cpu() == percpu_count() - 1)
        read_null();
    for (;;)
        platform_relax();
}

static void other_cpu(void)
{
    smp_run_on_all(panic_there, NULL);
}

static void panic_here(void *argument)
{
    (void)argument;
    panic("CPU %u", platform_cpu());
}

/* Only one of them may report. */
static void all_cpus(void)
{
    smp_run_on_all(panic_here, NULL);
}

/* Mistakes with a block of the heap, with another one on either side.  No call
 * is the last thing that they do, or it would become a jump, and they would be
 * missing in the report. */

static volatile bool went_on;

static unsigned char *heap_block(void)
{
    unsigned char *block[3];
    for (unsigned i = 0; i < 3; i++) {
        block[i] = kmalloc(100);
        if (block[i] == NULL)
            panic("no block to make a mistake with");
        memset(block[i], 0, 100);
    }
    return block[1];
}

static void heap_double_free(void)
{
    unsigned char *block = heap_block();
    kfree(block);
    kfree(block);
    went_on = true;
}

static void heap_inside(void)
{
    kfree(heap_block() + 16);
    went_on = true;
}

static void heap_foreign(void)
{
    static char not_of_the_heap[32] __attribute__((aligned(16)));
    kfree(not_of_the_heap);
    went_on = true;
}

static void heap_wrong_size(void)
{
    kfree_sized(heap_block(), 99);
    went_on = true;
}

static void heap_wrong_alignment(void)
{
    heap_dealloc(heap_block(), (struct layout){100, 32});
    went_on = true;
}

static void heap_overrun(void)
{
    unsigned char *block = heap_block();
    *(volatile unsigned char *)(block + 100) = 1;
    kfree(block);
    went_on = true;
}

static void heap_underrun(void)
{
    unsigned char *block = heap_block();
    *(volatile unsigned char *)(block - 1) = 1;
    kfree(block);
    went_on = true;
}

/* The write is noticed when memory runs short, at the latest. */
static void heap_use_freed(void)
{
    unsigned char *block = heap_block();
    kfree(block);
    *(volatile unsigned char *)(block + 50) = 1;
    void *volatile too_much = kmalloc((size_t)HEAP_BYTES);
    kfree(too_much);
    went_on = true;
}

static const struct {
    const char *name;
    void (*make)(void);
} mistakes[] = {
    {"read-null", read_null},
    {"write-text", write_text},
    {"write-constant", write_constant},
    {"write-text-alias", write_text_alias},
    {"write-constant-alias", write_constant_alias},
    {"execute-data", execute_data},
    {"execute-heap", execute_heap},
    {"guard", touch_guard},
    {"jump-wild", jump_wild},
    {"use-unmapped", use_unmapped},
    {"write-protected", write_protected},
    {"use-freed", use_freed},
    {"nested", nested},
    {"stack", stack},
    {"smash-stack", smash_stack},
    {"divide", divide},
    {"assert", assertion},
    {"heap-double-free", heap_double_free},
    {"heap-inside", heap_inside},
    {"heap-foreign", heap_foreign},
    {"heap-wrong-size", heap_wrong_size},
    {"heap-wrong-alignment", heap_wrong_alignment},
    {"heap-overrun", heap_overrun},
    {"heap-underrun", heap_underrun},
    {"heap-use-freed", heap_use_freed},
    {"rust-panic", rust_panic},
    {"stale-tlb", stale_tlb},
    {"deaf-cpu", deaf_cpu},
    {"other-cpu", other_cpu},
    {"all-cpus", all_cpus},
};

#define MISTAKE_COUNT (sizeof(mistakes) / sizeof(mistakes[0]))

void fault_make(const char *name)
{
    for (size_t i = 0; i < MISTAKE_COUNT; i++)
        if (strcmp(mistakes[i].name, name) == 0) {
            mistakes[i].make();
            panic("fault=%s went unnoticed", name);
        }
    log_line(LOG_WARNING, "fault", "there is no mistake '%s'", name);
    for (size_t i = 0; i < MISTAKE_COUNT; i++)
        log_line(LOG_WARNING, "fault", "  known: %s", mistakes[i].name);
}
