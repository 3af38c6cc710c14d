/* Chooses the kernel's heap, and prints what it holds. */
#include "kernel/kernel_heap.h"

#include <stdarg.h>

#include "kernel/console/console.h"
#include "kernel/console/log.h"
#include "kernel/options.h"
#include "kernel/trap/panic.h"
#include "lib/bits.h"
#include "mm/heap.h"
#include "mm/heap_range.h"
#include "mm/kernel_space.h"

#define BACKEND_DEFAULT "slab"
#define CHECKS_DEFAULT  HEAP_CHECKS_BASIC

static const struct heap_backend *choose_backend(void)
{
    const char *name = option("heap");
    if (name == NULL)
        name = BACKEND_DEFAULT;
    const struct heap_backend *backend = heap_backend_find(name);
    if (backend != NULL)
        return backend;
    log_line(LOG_WARNING, "heap",
             "there is no back-end '%s'; taking '%s' of:", name,
             BACKEND_DEFAULT);
    for (unsigned i = 0; heap_backends[i] != NULL; i++)
        log_line(LOG_WARNING, "heap", "  %-8s %s",
                 heap_backend_name(heap_backends[i]),
                 heap_backend_help(heap_backends[i]));
    return heap_backend_find(BACKEND_DEFAULT);
}

static enum heap_checks choose_checks(void)
{
    const char *name = option("heapcheck");
    enum heap_checks checks = CHECKS_DEFAULT;
    if (name == NULL || heap_checks_find(name, &checks))
        return checks;
    log_line(LOG_WARNING, "heap",
             "heapcheck=%s is none of off, basic, full; taking %s", name,
             heap_checks_name(checks));
    return checks;
}

/* failalloc=N: the number of the allocation to fail, decimal, from 1 on. */
static void choose_failure(void)
{
    const char *text = option("failalloc");
    uint64_t number = 0;
    if (text == NULL)
        return;
    const char *c = text;
    for (; *c >= '0' && *c <= '9' && number < UINT32_MAX; c++)
        number = number * 10 + (uint64_t)(*c - '0');
    if (number == 0 || *c != '\0') {
        log_line(LOG_WARNING, "heap",
                 "failalloc=%s is not a number from 1 on: none will fail",
                 text);
        return;
    }
    heap_fail_allocation(heap_kernel(), number);
    log_line(LOG_WARNING, "heap", "allocation number %lu will fail", number);
}

void kernel_heap_build(void)
{
    const struct heap_backend *backend = choose_backend();
    enum heap_checks checks = choose_checks();
    heap_set_checks(checks);
    enum mm_error error = heap_range_init_kernel(backend);
    if (error != MM_OK)
        panic("cannot set up the heap '%s': %s", heap_backend_name(backend),
              mm_error_text(error));
    log_line(LOG_INFO, "heap", "back-end '%s' at 0x%lx, checks: %s",
             heap_backend_name(backend), HEAP_BASE, heap_checks_name(checks));
    choose_failure();
}

static void print_classes(struct heap *heap)
{
    struct heap_class class;
    size_t below = 0;
    printf("%26s %8s %8s %12s %12s %8s\n", "bytes asked for", "blocks", "peak",
           "asked for", "held", "failures");
    for (unsigned i = 0; heap_class(heap, i, &class); i++) {
        if (class.peak_blocks > 0 || class.failures > 0) {
            if (class.most == SIZE_MAX)
                printf("%12zu and more     ", below + 1);
            else
                printf("%12zu to %10zu", below + 1, class.most);
            printf(" %8zu %8zu %12zu %12zu %8lu\n", class.blocks,
                   class.peak_blocks, class.requested, class.held,
                   class.failures);
        }
        below = class.most;
    }
}

void kernel_heap_print(void)
{
    struct heap *heap = heap_kernel();
    struct heap_stats stats = heap_stats(heap);
    printf("back-end %s: %s\n"
           "checks %s; %lu allocations, %lu failures\n"
           "             now         peak\n"
           "blocks    %8zu     %8zu\n"
           "asked for %8zu     %8zu bytes\n"
           "held      %8zu     %8zu bytes\n"
           "memory    %8zu bytes, %zu frames of 4 KiB\n",
           heap_backend_name(heap->backend), heap_backend_help(heap->backend),
           heap_checks_name(heap->checks), stats.allocations, stats.failures,
           stats.blocks, stats.peak_blocks, stats.requested,
           stats.peak_requested, stats.held, stats.peak_held, stats.region,
           stats.region / PAGE_SIZE);
    print_classes(heap);

    struct heap_flaw flaw = heap_check(heap);
    if (flaw.what == NULL)
        printf("Every invariant holds.\n");
    else if (flaw.place == NULL)
        printf("The heap was not verified: %s.\n", flaw.what);
    else
        printf("At %p: %s.\n", flaw.place, flaw.what);
}

void kernel_heap_print_leaks(void)
{
    struct heap *heap = heap_kernel();
    if (heap->checks != HEAP_CHECKS_FULL) {
        printf("The heap does not know who allocated its blocks: boot with "
               "heapcheck=full.\n");
        return;
    }
    size_t blocks = heap_report_leaks(heap, printf);
    printf("%zu blocks are live.\n", blocks);
}
