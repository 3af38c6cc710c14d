/* Everything that mm/ asks of its surroundings.
 *
 * A kernel that lifts mm/ out implements these; here kernel/platform.c does
 * it for Copse and tests/host/platform.c for the host.
 */
#ifndef MM_PLATFORM_H
#define MM_PLATFORM_H

#include <stddef.h>
#include <stdint.h>

#include "mm/address.h"

/* Virtual address of physical address 0 in the direct map. */
extern const vaddr_t platform_direct_map;

/* The bytes at a physical address.  In the early boot the first 4 GiB are
 * mapped, from kernel_space_init on all RAM. */
static inline void *phys_to_virt(paddr_t address)
{
    return (void *)(platform_direct_map + address);
}

/* The inverse, for pointers into the direct map only. */
static inline paddr_t virt_to_phys(const void *pointer)
{
    return (vaddr_t)pointer - platform_direct_map;
}

/* CPUs are numbered from 0; no number is as large as this. */
#define PLATFORM_CPUS_MAX 512

/* The number of the CPU that runs this.  In the kernel the first 32 bits at its
 * GS base say it; on the host each thread that uses mm/ is a CPU, and sets its
 * own number first. */
#ifdef PLATFORM_THREADS
extern _Thread_local unsigned platform_thread_cpu
    __attribute__((tls_model("local-exec"))); /* one instruction, as below */

static inline unsigned platform_cpu(void)
{
    return platform_thread_cpu;
}
#else
static inline unsigned platform_cpu(void)
{
    unsigned number;
    /* volatile would forbid to read it once for two uses; a CPU's code never
     * moves to another CPU, so the answer is always the same */
    __asm__("movl %%gs:0, %0" : "=r"(number));
    return number;
}
#endif

/* CPUs there are: numbers below it may come.  Does not change once mm/ is in
 * use. */
unsigned platform_cpu_count(void);

/* Memory and CPUs that are close to each other are of one node (NUMA).  Nodes
 * are numbered from 0; where all are equally far, everything is of node 0. Both
 * may be asked from frame_init on, of any CPU and any address with RAM. */
#define PLATFORM_NODES_MAX 64
unsigned platform_cpu_node(unsigned cpu);
unsigned platform_memory_node(paddr_t address);

/* When this returns, every other CPU that runs has passed a full memory fence
 * since it was called.  Slow (an interrupt on each), for rare cases.  Waits a
 * bounded time; names in the log a CPU that does not answer. */
void platform_fence_cpus(void);

/* For loops that wait for another CPU. */
static inline void platform_relax(void)
{
    __asm__ volatile("pause");
}

/* One line for the log, about something that is not as it should be; no newline
 * at the end. */
void platform_log(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* Writes what code an address is in, for a report: the address, and a name if
 * there is one.  What does not fit is cut; it ends with a 0 byte in any case.
 */
void platform_name_code(const void *address, char *buffer, size_t size);

/* Number of physical address bits of this CPU (CPUID 0x80000008). */
unsigned platform_paddr_bits(void);

/* Whether this CPU maps 1 GiB pages (CPUID 0x80000001, edx bit 26). */
int platform_has_1g_pages(void);

/* When this returns, no CPU translates any more with what its TLB held of the
 * pages at these addresses, one or more.  A call costs about the same for few
 * and for many where there are other CPUs to tell, so batch them.  From any
 * CPU, but not from an NMI's or machine check's handler. */
void platform_tlb_invalidate(const vaddr_t *pages, unsigned count);

/* The same for all of the TLBs, global pages included. */
void platform_tlb_flush(void);

/* Makes the table at this address the one that the CPU translates with. */
void platform_load_page_table(paddr_t root);

#endif
