/* The host under mm/: a machine of a few megabytes that tests can look into. */
#ifndef TESTS_HOST_PLATFORM_HOST_H
#define TESTS_HOST_PLATFORM_HOST_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mm/platform.h"

/* Physical memory: sparse, so that only what is touched costs memory. */
#define HOST_MEMORY_BYTES (UINT64_C(256) << 20)
extern unsigned char *const host_memory;

/* More of it, at a physical address beyond those; NULL if it cannot be. */
unsigned char *host_map_at(paddr_t address, size_t bytes);

/* CPUs of the machine; a thread that plays another than CPU 0 sets
 * platform_thread_cpu first. */
extern unsigned host_cpu_count;

/* Which node a CPU or an address is of; NULL: all are of node 0. */
extern unsigned (*host_cpu_node)(unsigned cpu);
extern unsigned (*host_memory_node)(paddr_t address);

/* What the CPU says of itself; a test sets them as it needs. */
extern unsigned host_paddr_bits;
extern int host_has_1g_pages;

/* What mm/ asked of the TLB so far, of which CPUs last, and what a test wants
 * called then. */
extern unsigned host_tlb_invalidations, host_tlb_flushes;
extern enum platform_tlb host_tlb_what;
extern void (*host_on_invalidate)(vaddr_t page);
extern void (*host_on_flush)(void);

/* What a test wants called at the end of each platform_fence_cpus. */
extern void (*host_on_fence)(void);

/* The root that platform_load_page_table was last given. */
extern paddr_t host_page_table;

/* How many lines were logged, and the last of them. */
extern unsigned host_log_lines;
extern char host_log_last[256];

#endif
