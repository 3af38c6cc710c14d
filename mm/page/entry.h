/* One entry of a page table, and one virtual address, as arithmetic.
 *
 * Everything here is a pure function of integers: no pointer, no state.  The
 * layouts are those of the AMD64 manual, volume 2, sections 5.3 and 5.4 (Intel
 * SDM, volume 3, section 4.5), for 4-level paging.
 *
 * A canonical virtual address is 48 bits, sign-extended.  Each table has 512
 * entries, so each level takes 9 bits; the levels are counted from the leaves:
 *
 *  63        48 47     39 38     30 29     21 20     12 11          0
 * +------------+---------+---------+---------+---------+-------------+
 * | as bit 47  | PML4  3 | PDPT  2 |  PD   1 |  PT   0 |   offset    |
 * +------------+---------+---------+---------+---------+-------------+
 *                                  |         |         |<--- 4K ---->|
 *                                  |         |<-------- 2M --------->|
 *                                  |<-------------- 1G ------------->|
 *
 * An entry either is a leaf, which maps memory, or points at the next table:
 *
 *  63  62   59 58   52 51              12 11  9 8 7 6 5  4   3   2   1  0
 * +--+--------+-------+------------------+-----+-+-+-+-+---+---+---+---+-+
 * |NX|  MPK   |  AVL  | physical address | AVL |G|*|D|A|PCD|PWT|U/S|R/W|P|
 * +--+--------+-------+------------------+-----+-+-+-+-+---+---+---+---+-+
 * |NX|AVL|   count    | table's address  | AVL |- 0 -|A|PCD|PWT|U/S|R/W|P|
 * +--+---+------------+------------------+-----+-----+-+---+---+---+---+-+
 *  63  62 61        52                                                  0
 *
 * * is PAT in a PT; in a PD or PDPT it is PS, 1 in a leaf, and the leaf's PAT
 * is bit 12, so that the address of a large leaf starts at bit 13.
 *
 * The count is ours, in bits that the CPU ignores: how many entries of that
 * table are in use, 1 to 512.  With it, a table is known to be empty or full
 * without a look at its 512 entries.
 *
 * Compilers skip comments that begin with @: above a function, one says what
 * the function does, in a form that is proved (docs/proof.md).
 */
#ifndef MM_PAGE_ENTRY_H
#define MM_PAGE_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/bits.h"
#include "mm/address.h"

#ifdef __FRAMAC__
#include "proof/shift_facts.h"
#endif

/* What a mapping allows, and how it is cached.  Reading is always allowed; what
 * is not named is not allowed.  Nothing here refuses writing and executing at
 * once: that is for the plan of an address space.  Those that are one bit of an
 * entry have the place they have there. */
enum page_flags {
    PAGE_READ = 0,
    PAGE_EXECUTE = 1 << 0, /* without it, NX is set */
    PAGE_WRITE = 1 << 1,
    PAGE_USER = 1 << 2,
    PAGE_GLOBAL = 1 << 8, /* survives a load of CR3, if CR4.PGE is set */

    /* Write-back unless one of these is given. */
    PAGE_UNCACHED = 1 << 3,
    PAGE_WRITE_COMBINING = 1 << 4,

    /* Never a leaf larger than 4K: for page_map only, it is not remembered. */
    PAGE_SMALL = 1 << 7,

    /* What the CPU noted: reported, never asked for. */
    PAGE_ACCESSED = 1 << 5,
    PAGE_DIRTY = 1 << 6,
};

#define PAGE_FLAGS_PROTECT                                                     \
    (PAGE_WRITE | PAGE_EXECUTE | PAGE_USER | PAGE_GLOBAL | PAGE_UNCACHED |     \
     PAGE_WRITE_COMBINING)
#define PAGE_FLAGS_MAP (PAGE_FLAGS_PROTECT | PAGE_SMALL)

enum page_level { LEVEL_PT, LEVEL_PD, LEVEL_PDPT, LEVEL_PML4 };

#define PAGE_LEVELS        4
#define PAGE_TABLE_ENTRIES 512u

/* Bits of a virtual address that are translated; the others are copies. */
#define VADDR_BITS 48

/* The hole between the halves: from the first, up to below the second. */
#define VADDR_LOW_END UINT64_C(0x0000800000000000)
#define VADDR_HIGH    UINT64_C(0xffff800000000000)

/* The fields of an entry, by the manual's names. */
#define ENTRY_P         (UINT64_C(1) << 0)
#define ENTRY_RW        (UINT64_C(1) << 1)
#define ENTRY_US        (UINT64_C(1) << 2)
#define ENTRY_PWT       (UINT64_C(1) << 3)
#define ENTRY_PCD       (UINT64_C(1) << 4)
#define ENTRY_A         (UINT64_C(1) << 5)
#define ENTRY_D         (UINT64_C(1) << 6)
#define ENTRY_PS        (UINT64_C(1) << 7)
#define ENTRY_PAT_4K    (UINT64_C(1) << 7)
#define ENTRY_PAT_LARGE (UINT64_C(1) << 12)
#define ENTRY_G         (UINT64_C(1) << 8)
#define ENTRY_NX        (UINT64_C(1) << 63)
#define ENTRY_ADDRESS   UINT64_C(0x000ffffffffff000)

#define ENTRY_COUNT_SHIFT 52
#define ENTRY_COUNT_ONE   (UINT64_C(1) << ENTRY_COUNT_SHIFT)
#define ENTRY_COUNT       (UINT64_C(0x3ff) << ENTRY_COUNT_SHIFT)

/* The flags that an entry has as they are. */
#define ENTRY_FLAGS (ENTRY_RW | ENTRY_US | ENTRY_A | ENTRY_D | ENTRY_G)

_Static_assert(ENTRY_FLAGS == (PAGE_WRITE | PAGE_USER | PAGE_ACCESSED |
                               PAGE_DIRTY | PAGE_GLOBAL),
               "flags and entries agree");

/* PAT, PCD and PWT are a number from 0 to 7 that picks one byte of the PAT
 * register, the memory type (AMD64 volume 2, section 7.8; Intel SDM volume 3,
 * section "Page Attribute Table").  This layout is what the CPU has at reset,
 * but for PA6, which is made write-combining.  On a CPU that was not given the
 * layout yet, PA6 is UC-: slower, and still right for device memory. */
#define PAGE_PAT_MSR    0x277u
#define PAGE_PAT_LAYOUT UINT64_C(0x0001040600070406)

/* ---- Addresses ---- */

/* Bits below the index that this level takes: 12, 21, 30, 39. */
/*@ requires level < PAGE_LEVELS;
    assigns  \nothing;
    ensures  \result == 12 + 9 * level; */
static inline unsigned page_level_shift(unsigned level)
{
    return SHIFT_4K + 9 * level;
}

/* Bytes that one entry of this level spans. */
/*@ requires level < PAGE_LEVELS;
    assigns  \nothing;
    ensures  level == LEVEL_PT ==> \result == 0x1000;
    ensures  level == LEVEL_PD ==> \result == 0x200000;
    ensures  level == LEVEL_PDPT ==> \result == 0x40000000;
    ensures  level == LEVEL_PML4 ==> \result == 0x8000000000; */
static inline uint64_t page_level_size(unsigned level)
{
    return UINT64_C(1) << page_level_shift(level);
}

/*@ requires level < PAGE_LEVELS;
    assigns  \nothing;
    ensures  \result < PAGE_TABLE_ENTRIES;
    ensures  level == LEVEL_PT ==> \result == vaddr / 0x1000 % 512;
    ensures  level == LEVEL_PD ==> \result == vaddr / 0x200000 % 512;
    ensures  level == LEVEL_PDPT ==> \result == vaddr / 0x40000000 % 512;
    ensures  level == LEVEL_PML4 ==> \result == vaddr / 0x8000000000 % 512; */
static inline unsigned page_index(vaddr_t vaddr, unsigned level)
{
    return (unsigned)((vaddr >> page_level_shift(level)) % PAGE_TABLE_ENTRIES);
}

/* The canonical address with these low 48 bits. */
static inline vaddr_t page_canonical(vaddr_t vaddr)
{
    const uint64_t sign = UINT64_C(1) << (VADDR_BITS - 1);
    uint64_t low = vaddr & ((UINT64_C(1) << VADDR_BITS) - 1);
    return (low ^ sign) - sign;
}

/*@ assigns \nothing;
    ensures \result <==>
        vaddr < 0x800000000000 || vaddr >= 0xffff800000000000; */
static inline bool page_is_canonical(vaddr_t vaddr)
{
    return vaddr < VADDR_LOW_END || vaddr >= VADDR_HIGH;
}

/* Whether all of first..last is canonical, given first <= last: the hole lies
 * between the halves, so both ends have to be in the same one. */
/*@ requires first <= last;
    assigns  \nothing;
    ensures  \result <==>
        last < 0x800000000000 || first >= 0xffff800000000000; */
static inline bool page_range_is_canonical(vaddr_t first, vaddr_t last)
{
    return last < VADDR_LOW_END || first >= VADDR_HIGH;
}

/* Whether a CPU with so many physical address bits has all these bytes. */
/*@ requires paddr_bits < 64;
    assigns  \nothing;
    ensures  \result <==> paddr + bytes <= 1 << paddr_bits; */
static inline bool page_is_physical(paddr_t paddr, uint64_t bytes,
                                    unsigned paddr_bits)
{
    uint64_t limit = UINT64_C(1) << paddr_bits;
    return bytes <= limit && paddr <= limit - bytes;
}

/* The highest level, up to `top`, whose leaf fits: both addresses are aligned
 * to its size and the bytes suffice for one. */
static inline unsigned page_largest_level(vaddr_t vaddr, paddr_t paddr,
                                          uint64_t bytes, unsigned top)
{
    unsigned level = top;
    while (level > LEVEL_PT &&
           (bytes < page_level_size(level) ||
            !is_aligned(vaddr | paddr, page_level_size(level))))
        level--;
    return level;
}

/* ---- An entry ---- */

/* The bits that are all set in a leaf of this level. */
/*@ assigns \nothing;
    ensures \result == (level == LEVEL_PT ? 0x01 : 0x81); */
static inline uint64_t page_leaf_bits(unsigned level)
{
    return level == LEVEL_PT ? ENTRY_P : ENTRY_P | ENTRY_PS;
}

static inline bool page_entry_is_leaf(uint64_t entry, unsigned level)
{
    return (entry & page_leaf_bits(level)) == page_leaf_bits(level);
}

/*@ assigns \nothing;
    ensures \result <==> level != LEVEL_PT && (entry & ENTRY_P) != 0 &&
        (entry & ENTRY_PS) == 0; */
static inline bool page_entry_is_table(uint64_t entry, unsigned level)
{
    return level > LEVEL_PT && (entry & (ENTRY_P | ENTRY_PS)) == ENTRY_P;
}

/* The address bits of a leaf of this level: those below its size are 0 (or
 * PAT). */
/*@ requires level < PAGE_LEVELS;
    assigns  \nothing;
    ensures  level == LEVEL_PT ==> \result == 0x000ffffffffff000;
    ensures  level == LEVEL_PD ==> \result == 0x000fffffffe00000;
    ensures  level == LEVEL_PDPT ==> \result == 0x000fffffc0000000;
    ensures  level == LEVEL_PML4 ==> \result == 0x000fff8000000000; */
static inline uint64_t page_leaf_address_bits(unsigned level)
{
    return ENTRY_ADDRESS & ~(page_level_size(level) - 1);
}

/*@ requires level < PAGE_LEVELS;
    assigns  \nothing;
    ensures  level == LEVEL_PT ==> \result == (entry & 0x000ffffffffff000);
    ensures  level == LEVEL_PD ==> \result == (entry & 0x000fffffffe00000);
    ensures  level == LEVEL_PDPT ==>
        \result == (entry & 0x000fffffc0000000); */
static inline paddr_t page_leaf_address(uint64_t entry, unsigned level)
{
    return entry & page_leaf_address_bits(level);
}

/* The leaf of this level for a physical address aligned to its size. */
/*@ requires level < LEVEL_PML4;
    assigns  \nothing;
    ensures  (\result & ENTRY_P) != 0;
    ensures  level != LEVEL_PT ==> (\result & ENTRY_PS) != 0;
    ensures  (flags & PAGE_EXECUTE) == 0 ==> (\result & ENTRY_NX) != 0; */
static inline uint64_t page_leaf(paddr_t paddr, unsigned level, unsigned flags)
{
    uint64_t pat = level == LEVEL_PT ? ENTRY_PAT_4K : ENTRY_PAT_LARGE;
    uint64_t entry = paddr | page_leaf_bits(level) | (flags & ENTRY_FLAGS);

    if (!(flags & PAGE_EXECUTE))
        entry |= ENTRY_NX;
    if (flags & PAGE_UNCACHED)
        entry |= ENTRY_PCD | ENTRY_PWT; /* PA3 */
    if (flags & PAGE_WRITE_COMBINING)
        entry |= pat | ENTRY_PCD; /* PA6 */
    return entry;
}

/* The flags of a leaf that page_leaf made, accessed and dirty included. */
/*@ assigns \nothing;
    ensures (\result & PAGE_WRITE) != 0 <==> (entry & ENTRY_RW) != 0;
    ensures (\result & PAGE_USER) != 0 <==> (entry & ENTRY_US) != 0;
    ensures (\result & PAGE_GLOBAL) != 0 <==> (entry & ENTRY_G) != 0;
    ensures (\result & PAGE_EXECUTE) != 0 <==> (entry & ENTRY_NX) == 0;
    ensures (\result & PAGE_UNCACHED) != 0 <==> (entry & ENTRY_PCD) != 0 &&
        (entry & (level == LEVEL_PT ? ENTRY_PAT_4K : ENTRY_PAT_LARGE)) == 0; */
static inline unsigned page_leaf_flags(uint64_t entry, unsigned level)
{
    uint64_t pat = level == LEVEL_PT ? ENTRY_PAT_4K : ENTRY_PAT_LARGE;
    unsigned flags = (unsigned)(entry & ENTRY_FLAGS);

    if (!(entry & ENTRY_NX))
        flags |= PAGE_EXECUTE;
    if (entry & ENTRY_PCD)
        flags |= entry & pat ? PAGE_WRITE_COMBINING : PAGE_UNCACHED;
    return flags;
}

/* The entry that points at a table with `count` entries in use.
 *
 * Rights are the AND of all levels: tables grant everything, so that the leaf
 * alone decides.  A is set from the start, so that the CPU has nothing to write
 * here and a plain store never races with it. */
static inline uint64_t page_table_entry(paddr_t table, unsigned count)
{
    return table | (count * ENTRY_COUNT_ONE) | ENTRY_A | ENTRY_US | ENTRY_RW |
           ENTRY_P;
}

static inline paddr_t page_entry_table(uint64_t entry)
{
    return entry & ENTRY_ADDRESS;
}

static inline unsigned page_entry_count(uint64_t entry)
{
    return (unsigned)((entry & ENTRY_COUNT) >> ENTRY_COUNT_SHIFT);
}

#endif
