/* Everything that mm/ needs from its surroundings.
 *
 * A kernel that reuses mm/ implements these functions.  Copse does it in
 * kernel/platform.c, the host tests in tests/host/platform.c.
 *
 * Where the calls of mm/ may come from, and what they answer there:
 *
 *   context                      may wait   frames, pages, ranges   heap
 *   thread                       yes        served                  served
 *   handler of an interrupt or   yes        served                  served
 *     exception that has
 *     interrupted no call
 *   such a handler in the        no         served, or MM_BUSY      allocation
 *     middle of a call                                              served, or
 *   handler of an NMI or a       no         frames as above; pages  NULL with
 *     machine check                         and ranges MM_BUSY      MM_BUSY
 *
 * A free of a block is never refused: where it cannot be done at once, it is
 * put off, and done by the next call that has the lock.  A call that answers
 * MM_BUSY has changed nothing.  page_table.h has no lock of its own: its caller
 * says who may change a table.  How waiting in a circle is ruled out:
 * mm/cpu/cpu_order.h for the heap and the address space, mm/frame/percpu.h for
 * frames.
 *
 * A kernel's handlers of NMIs and machine checks call cpu_order_forbid at their
 * beginning and cpu_order_permit at their end, so that mm/ knows of them.
 */
#ifndef MM_PLATFORM_H
#define MM_PLATFORM_H

#include <stddef.h>
#include <stdint.h>

#include "mm/address.h"

/* Virtual address of physical address 0 in the direct map. */
extern const vaddr_t platform_direct_map;

/* A pointer to the byte at a physical address.  Early in the boot the first 4
 * GiB are mapped; from kernel_space_init on all RAM is. */
static inline void *phys_to_virt(paddr_t address)
{
    return (void *)(platform_direct_map + address);
}

/* The inverse, for pointers into the direct map only. */
static inline paddr_t virt_to_phys(const void *pointer)
{
    return (vaddr_t)pointer - platform_direct_map;
}

/* CPUs are numbered from 0; every number is below this. */
#define PLATFORM_CPUS_MAX 512

/* The number of the CPU that runs the caller.  In the kernel it is the first 32
 * bits at the GS base.  On the host each thread that uses mm/ counts as a CPU,
 * and sets its number before it does. */
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
    /* Not volatile, so that the compiler may read it once for two uses.  A
     * CPU's code never moves to another CPU, so the answer never changes. */
    __asm__("movl %%gs:0, %0" : "=r"(number));
    return number;
}
#endif

/* How many CPUs there are; their numbers are below this.  It does not change
 * once mm/ is in use. */
unsigned platform_cpu_count(void);

/* Memory and CPUs that are close to each other belong to one node (NUMA).
 * Nodes are numbered from 0; on a machine where all memory is equally far,
 * everything belongs to node 0.  Both functions may be called from frame_init
 * on, for any CPU and any address with RAM. */
#define PLATFORM_NODES_MAX 64
unsigned platform_cpu_node(unsigned cpu);
unsigned platform_memory_node(paddr_t address);

/* When this returns, every other running CPU has passed a full memory fence
 * since the call began.  Slow, because each CPU is interrupted: for rare cases.
 * It waits a bounded time, and the log names a CPU that does not answer. */
void platform_fence_cpus(void);

/* To be called in loops that wait for another CPU. */
static inline void platform_relax(void)
{
    __asm__ volatile("pause");
}

/* Writes one line to the log, about something that is wrong.  The format has no
 * newline at its end. */
void platform_log(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* For a report: writes the address and, if known, the name of the function that
 * it lies in.  Text that does not fit is cut; the buffer always ends with a 0
 * byte.
 */
void platform_name_code(const void *address, char *buffer, size_t size);

/* Number of physical address bits of this CPU (CPUID 0x80000008). */
unsigned platform_paddr_bits(void);

/* Whether this CPU maps 1 GiB pages (CPUID 0x80000001, edx bit 26). */
int platform_has_1g_pages(void);

/* Which CPUs a change of the page tables concerns. */
enum platform_tlb {
    /* Those that work.  One that waits for work may drop what its TLB holds
     * when it goes on. */
    PLATFORM_TLB_LEAVES,
    /* All: tables are going to be freed.  A CPU may walk those that it has
     * cached whenever it runs an instruction, and write A bits into them; one
     * that waits is woken by interrupts. */
    PLATFORM_TLB_TABLES,
};

/* When this returns, none of those CPUs uses any more what its TLB held of the
 * pages at these addresses, nor the tables above them; count is 1 or more.
 * With other CPUs to tell, a call costs about the same for few pages and for
 * many, so batch them.  From any CPU, but neither from the handler of an NMI or a
 * machine check nor from one that interrupted this call or platform_fence_cpus.
 */
void platform_tlb_invalidate(const vaddr_t *pages, unsigned count,
                             enum platform_tlb what);

/* The same for everything in their TLBs, global pages included. */
void platform_tlb_flush(enum platform_tlb what);

/* Makes this CPU translate with the page table whose root is at this address.
 */
void platform_load_page_table(paddr_t root);

#endif
