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

/* One line for the log, about something that is not as it should be; no newline
 * at the end. */
void platform_log(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* Number of physical address bits of this CPU (CPUID 0x80000008). */
unsigned platform_paddr_bits(void);

/* Whether this CPU maps 1 GiB pages (CPUID 0x80000001, edx bit 26). */
int platform_has_1g_pages(void);

/* Forgets what the TLB holds of the page at this address. */
void platform_tlb_invalidate(vaddr_t page);

/* Forgets all of the TLB, global pages included. */
void platform_tlb_flush(void);

/* Makes the table at this address the one that the CPU translates with. */
void platform_load_page_table(paddr_t root);

#endif
