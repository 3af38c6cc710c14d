/* What one CPU changes in the page tables, as the others see it.
 *
 * Without shootdowns these fail (fault=stale-tlb), where the CPUs keep what
 * their TLBs hold: QEMU's do. */
#include <stdatomic.h>

#include "kernel/cpu/percpu.h"
#include "kernel/cpu/request.h"
#include "kernel/cpu/smp.h"
#include "kernel/selftest/selftest.h"
#include "mm/frame.h"
#include "mm/kernel_space.h"
#include "mm/platform.h"

/* More than are invalidated one by one, at the most. */
#define PAGES_MAX 100

/* All CPUs read pages that CPU 0 then maps to other frames. */
static struct {
    unsigned pages;
    paddr_t frame[2][PAGES_MAX];
    _Atomic unsigned ready;
    _Atomic bool changed;
    _Atomic unsigned wrong[2];
    unsigned errors;
} look;

static volatile uint64_t *word_at(vaddr_t address)
{
    return (volatile uint64_t *)address;
}

/* How many pages do not show the frame of this pass. */
static unsigned count_wrong(unsigned pass)
{
    unsigned wrong = 0;
    for (unsigned i = 0; i < look.pages; i++)
        wrong +=
            *word_at(SCRATCH_BASE + i * PAGE_SIZE) != pass * PAGES_MAX + i + 1;
    return wrong;
}

static void map_pass(unsigned pass)
{
    for (unsigned i = 0; i < look.pages; i++)
        look.errors +=
            page_map(kernel_space_table(), SCRATCH_BASE + i * PAGE_SIZE,
                     look.frame[pass][i], PAGE_SIZE,
                     PAGE_WRITE | PAGE_GLOBAL) != MM_OK;
}

static void unmap(void)
{
    look.errors += page_unmap(kernel_space_table(), SCRATCH_BASE,
                              look.pages * PAGE_SIZE) != MM_OK;
}

static bool begin(unsigned pages)
{
    look.pages = pages;
    look.ready = 0;
    look.changed = false;
    look.wrong[0] = look.wrong[1] = 0;
    look.errors = 0;
    for (unsigned pass = 0; pass < 2; pass++)
        for (unsigned i = 0; i < pages; i++) {
            look.frame[pass][i] = frame_alloc(FRAME_4K);
            if (look.frame[pass][i] == PADDR_NONE)
                return false;
            *(volatile uint64_t *)phys_to_virt(look.frame[pass][i]) =
                pass * PAGES_MAX + i + 1;
        }
    map_pass(0);
    return true;
}

static void end(void)
{
    unmap();
    for (unsigned pass = 0; pass < 2; pass++)
        for (unsigned i = 0; i < look.pages; i++)
            look.errors += frame_free(look.frame[pass][i]) != MM_OK;
}

/* Reads, says so, waits for the change with the old translation in its TLB, and
 * reads again. */
static void look_twice(void *argument)
{
    (void)argument;
    atomic_fetch_add(&look.wrong[0], count_wrong(0));
    atomic_fetch_add(&look.ready, 1);
    if (platform_cpu() == 0) {
        while (atomic_load(&look.ready) < percpu_count_up())
            platform_relax();
        unmap();
        map_pass(1);
        atomic_store(&look.changed, true);
    }
    while (!atomic_load(&look.changed))
        platform_relax();
    atomic_fetch_add(&look.wrong[1], count_wrong(1));
}

static void look_once(void *argument)
{
    unsigned pass = *(unsigned *)argument;
    atomic_fetch_add(&look.wrong[pass], count_wrong(pass));
}

static void running(unsigned pages)
{
    EXPECT(begin(pages), "no frames");
    smp_run_on_all(look_twice, NULL);
    end();
    EXPECT(look.errors == 0, "%u errors", look.errors);
    EXPECT(look.wrong[0] == 0, "%u pages were wrong at first", look.wrong[0]);
    EXPECT(look.wrong[1] == 0, "%u stale translations were used",
           look.wrong[1]);
}

SELFTEST(tlb, running_cpus_forget_a_page)
{
    running(1);
}

SELFTEST(tlb, running_cpus_forget_some_pages)
{
    running(20);
}

SELFTEST(tlb, running_cpus_forget_many_pages)
{
    running(PAGES_MAX);
}

/* CPUs that wait for work are not interrupted; but what they do next is right.
 */
SELFTEST(tlb, idle_cpus_forget_before_they_go_on)
{
    unsigned pass = 0;
    EXPECT(begin(3), "no frames");
    smp_run_on_all(look_once, &pass);
    unmap();
    map_pass(1);
    pass = 1;
    smp_run_on_all(look_once, &pass);
    end();
    EXPECT(look.errors == 0, "%u errors", look.errors);
    EXPECT(look.wrong[0] == 0, "%u pages were wrong at first", look.wrong[0]);
    EXPECT(look.wrong[1] == 0, "%u stale translations were used",
           look.wrong[1]);
}

/* How many CPUs are asked, and how many left, when a page is unmapped. */
static struct request_stats unmapped(vaddr_t page)
{
    struct request_stats before, after;
    request_stats(&before);
    look.errors += page_unmap(kernel_space_table(), page, PAGE_SIZE) != MM_OK;
    request_stats(&after);
    return (struct request_stats){
        .asked = after.asked - before.asked,
        .left = after.left - before.left,
    };
}

static void (*free_table)(void *context, paddr_t frame);
static uint64_t rounds_before;
static unsigned freed, freed_too_early;

static void note_and_free(void *context, paddr_t frame)
{
    struct request_stats stats;
    request_stats(&stats);
    freed++;
    freed_too_early += stats.rounds == rounds_before;
    free_table(context, frame);
}

static struct request_stats unmapped_with_tables(vaddr_t page)
{
    struct page_table *table = kernel_space_table();
    struct request_stats stats;
    request_stats(&stats);
    rounds_before = stats.rounds;
    freed = freed_too_early = 0;
    free_table = table->free;
    table->free = note_and_free;
    stats = unmapped(page);
    table->free = free_table;
    return stats;
}

/* But before tables are freed, which they may walk as soon as they wake. */
SELFTEST(tlb, idle_cpus_are_asked_before_tables_are_freed)
{
    unsigned others = percpu_count_up() - 1;
    EXPECT(begin(2), "no frames");
    struct request_stats page = unmapped(SCRATCH_BASE);
    struct request_stats tables =
        unmapped_with_tables(SCRATCH_BASE + PAGE_SIZE);
    map_pass(0);
    end();
    EXPECT(look.errors == 0, "%u errors", look.errors);
    EXPECT(page.asked == 0, "%lu asked, %lu left", page.asked, page.left);
    EXPECT(tables.asked == others, "%lu asked, %lu left", tables.asked,
           tables.left);
    EXPECT(freed > 0 && (others == 0 || freed_too_early == 0),
           "%u tables freed, %u of them before all were asked", freed,
           freed_too_early);
}

/* All CPUs ask all others at once, each for pages of its own. */
static void ask_everyone(void *argument)
{
    (void)argument;
    enum { TURNS = 5 };
    for (unsigned i = 0; i < TURNS; i++) {
        void *pages;
        if (kernel_space_alloc_pages(2 * PAGE_SIZE, PAGE_SIZE,
                                     VIRTUAL_GUARD_BEHIND, "a test",
                                     &pages) != MM_OK) {
            atomic_fetch_add(&look.wrong[0], 1);
            return;
        }
        *(volatile uint64_t *)pages = platform_cpu();
        atomic_fetch_add(&look.wrong[1],
                         *(volatile uint64_t *)pages != platform_cpu());
        if (kernel_space_free_pages(pages) != MM_OK)
            atomic_fetch_add(&look.wrong[0], 1);
    }
}

SELFTEST(tlb, all_cpus_ask_all_others)
{
    look.wrong[0] = look.wrong[1] = 0;
    smp_run_on_all(ask_everyone, NULL);
    EXPECT(look.wrong[0] == 0 && look.wrong[1] == 0,
           "%u errors, %u wrong values", look.wrong[0], look.wrong[1]);
}
