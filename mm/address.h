/* Addresses and the three sizes of memory that x86-64 can map. */
#ifndef MM_ADDRESS_H
#define MM_ADDRESS_H

#include <stdint.h>

/* A physical address in bytes.  It is not a pointer: only phys_to_virt (see
 * mm/platform.h) makes it one. */
typedef uint64_t paddr_t;

/* A virtual address in bytes, as a number that can be calculated with. */
typedef uintptr_t vaddr_t;

/* Not a physical address: x86-64 has at most 52 bits of them. */
#define PADDR_NONE UINT64_MAX

#define PAGE_SHIFT 12
#define PAGE_SIZE  (UINT64_C(1) << PAGE_SHIFT)

#define SHIFT_4K 12
#define SHIFT_2M 21
#define SHIFT_1G 30
#define SIZE_4K  (UINT64_C(1) << SHIFT_4K)
#define SIZE_2M  (UINT64_C(1) << SHIFT_2M)
#define SIZE_1G  (UINT64_C(1) << SHIFT_1G)

/* AMD64 manual, volume 2, section 5.1: a physical address has at most 52 bits.
 */
#define PADDR_BITS_MAX 52

#endif
