/* What mm/ asks of its surroundings, answered by this kernel. */
#include "mm/platform.h"

#include <stdarg.h>

#include "kernel/cpu.h"
#include "kernel/log.h"
#include "kernel/percpu.h"
#include "kernel/x86.h"
#include "lib/assert.h"
#include "mm/kernel_space.h"

const vaddr_t platform_direct_map = DIRECT_MAP_BASE;

void platform_log(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_line_v(LOG_WARNING, "memory", format, arguments);
    va_end(arguments);
}

unsigned platform_cpu_count(void)
{
    return percpu_count();
}

unsigned platform_cpu_node(unsigned cpu)
{
    (void)cpu;
    return 0;
}

unsigned platform_memory_node(paddr_t address)
{
    (void)address;
    return 0;
}

void platform_fence_cpus(void)
{
    /* the only CPU that runs is this one, and it sees its own stores */
    ASSERT(percpu_count() == 1, "%u CPUs, and no way to reach them",
           percpu_count());
}

unsigned platform_paddr_bits(void)
{
    return cpu_get()->paddr_bits;
}

int platform_has_1g_pages(void)
{
    return cpu_get()->pages_1g;
}

void platform_tlb_invalidate(vaddr_t page)
{
    invlpg(page);
}

/* A change of CR4.PGE forgets global pages too: AMD64 manual 2, 5.5.3.  Where
 * there are none, a load of CR3 forgets all. */
void platform_tlb_flush(void)
{
    uint64_t cr4 = read_cr4();
    if (cr4 & CR4_PGE) {
        write_cr4(cr4 & ~CR4_PGE);
        write_cr4(cr4);
    } else {
        write_cr3(read_cr3());
    }
}

void platform_load_page_table(paddr_t root)
{
    write_cr3(root);
    platform_tlb_flush();
}
