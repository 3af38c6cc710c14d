/* The functions of mm/platform.h in this kernel. */
#include "mm/platform.h"

#include <stdarg.h>
#include <stddef.h>

#include "kernel/console/log.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/percpu.h"
#include "kernel/cpu/request.h"
#include "kernel/cpu/x86.h"
#include "kernel/firmware.h"
#include "kernel/trap/symbols.h"
#include "lib/format.h"
#include "mm/kernel_space.h"

const vaddr_t platform_direct_map = DIRECT_MAP_BASE;

void platform_log(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_line_v(LOG_WARNING, "memory", format, arguments);
    va_end(arguments);
}

/* Looks up the byte before a return address: it always belongs to the function
 * that made the call. */
void platform_name_code(const void *address, char *buffer, size_t size)
{
    struct symbol_place place = symbol_find((uint64_t)address - 1);
    if (place.name == NULL)
        format_string(buffer, size, "%p", address);
    else
        format_string(buffer, size, "%p %s+0x%lx", address, place.name,
                      place.offset + 1);
}

unsigned platform_cpu_count(void)
{
    return percpu_count();
}

unsigned platform_cpu_node(unsigned cpu)
{
    return percpu_node(cpu);
}

unsigned platform_memory_node(paddr_t address)
{
    return firmware_memory_node(address);
}

void platform_fence_cpus(void)
{
    request_fence();
}

unsigned platform_paddr_bits(void)
{
    return cpu_get()->paddr_bits;
}

int platform_has_1g_pages(void)
{
    return cpu_get()->pages_1g;
}

void platform_tlb_invalidate(const vaddr_t *pages, unsigned count,
                             enum platform_tlb what)
{
    request_invalidate(pages, count, what);
}

void platform_tlb_flush(enum platform_tlb what)
{
    request_invalidate(NULL, 0, what);
}

/* A load of CR3 alone would leave global pages in the TLB. */
void platform_load_page_table(paddr_t root)
{
    write_cr3(root);
    platform_tlb_flush(PLATFORM_TLB_TABLES);
}
