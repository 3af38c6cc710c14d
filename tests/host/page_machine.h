/* A machine for tests of page tables: frames for tables, and a CPU that walks
 * the raw entries as the manual says, sets A and D, and remembers translations
 * and tables until it is told to forget them.  It knows nothing of
 * mm/page/entry.h. */
#ifndef TESTS_HOST_PAGE_MACHINE_H
#define TESTS_HOST_PAGE_MACHINE_H

#include "tests/host/platform_host.h"

#include <stdbool.h>

#include "mm/page_table.h"

/* What cases are made of. */
#define K4   SIZE_4K
#define M2   SIZE_2M
#define G1   SIZE_1G
#define HIGH UINT64_C(0xffff800000000000)
#define RW   PAGE_WRITE

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Fails the test, with values: cheaper than cmocka's where it is called by the
 * million. */
#define CHECK(condition, ...)                                                  \
    do {                                                                       \
        if (!(condition)) {                                                    \
            print_error(__VA_ARGS__);                                          \
            print_error("\n");                                                 \
            fail_msg("%s", #condition);                                        \
        }                                                                      \
    } while (0)

typedef unsigned long long ull;

/* Pseudo-random, the same in every run. */
extern uint64_t random_state;
uint64_t random_below(uint64_t limit);

/* ---- Frames for tables ---- */

extern unsigned frames_held, frames_refused;
extern int frames_left; /* before one is refused; -1 for ever */
extern void (*on_take_frame)(void);

paddr_t take_frame(void *frames);
void give_frame(void *frames, paddr_t frame);
extern bool frames[]; /* the context that both want */

/* ---- The CPU ---- */

struct translation {
    bool valid, accessed, writable, dirty;
    vaddr_t vaddr;
    paddr_t paddr;
    uint64_t bytes, leaf; /* leaf: the entry without A and D */
};

#define TLB_SIZE 64
extern struct translation tlb[TLB_SIZE];

#define TABLES_CACHED_MAX 1024
extern paddr_t tables_cached[TABLES_CACHED_MAX];
extern unsigned tables_cached_count;

/* One access; false is a page fault. */
bool cpu_access(vaddr_t vaddr, bool write);

/* A translation ahead of need: it is remembered, but sets no bits, and serves
 * no access. */
void cpu_peek(vaddr_t vaddr);

void cpu_flush(void);

/* ---- The page table of the CPU ---- */

extern struct page_table pt;

/* Starts with an empty page table that is not live; stops with all frames
 * back.  The pair with a state suits cmocka. */
void machine_start(int with_1g_pages);
void machine_stop(void);
int set_up(void **state);
int tear_down(void **state);

#define WITH_TABLE(test)                                                       \
    cmocka_unit_test_setup_teardown(test, set_up, tear_down)

/* page_map, of which the test takes for granted that it works. */
void must_map(vaddr_t vaddr, paddr_t paddr, uint64_t bytes, unsigned flags);

/* A table in its frame. */
uint64_t *raw_table(paddr_t frame);

/* The leaf that maps an address, or NULL. */
uint64_t *raw_leaf(vaddr_t vaddr);

/* Holds every entry against the invariants of mm/page_table.h, and the number
 * of tables against the frames held. */
void check_invariants(void);

#endif
