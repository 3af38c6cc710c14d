/* Reading, comparing and setting the MTRRs: see kernel/cpu/mtrr.h. */
#include "kernel/cpu/mtrr.h"

#include <stdint.h>

#include "kernel/cpu/x86.h"
#include "lib/string.h"

#define CPUID_MTRR (1u << 12) /* of leaf 1, edx */

/* SDM, sections 11.11.1 and 11.11.2. */
#define MSR_MTRR_CAP      0xfeu
#define MSR_MTRR_DEF_TYPE 0x2ffu
#define MSR_MTRR_VARIABLE 0x200u /* base and mask of each, in turn */
#define CAP_COUNT(cap)    ((unsigned)((cap)&0xff))
#define CAP_FIXED         (UINT64_C(1) << 8)
#define DEF_TYPE_ENABLE   (UINT64_C(1) << 11)

static const uint32_t fixed_msr[] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a,
                                     0x26b, 0x26c, 0x26d, 0x26e, 0x26f};

#define FIXED_COUNT  (sizeof(fixed_msr) / sizeof(fixed_msr[0]))
#define VARIABLE_MAX 32

struct mtrrs {
    bool present;
    uint64_t cap, def_type;
    uint64_t fixed[FIXED_COUNT];
    uint64_t variable[2 * VARIABLE_MAX];
};

static struct mtrrs wanted;

static unsigned variable_count(uint64_t cap)
{
    return CAP_COUNT(cap) < VARIABLE_MAX ? CAP_COUNT(cap) : VARIABLE_MAX;
}

static void read_all(struct mtrrs *mtrrs)
{
    memset(mtrrs, 0, sizeof(*mtrrs));
    mtrrs->present = cpuid(1, 0).edx & CPUID_MTRR;
    if (!mtrrs->present)
        return;
    mtrrs->cap = read_msr(MSR_MTRR_CAP);
    mtrrs->def_type = read_msr(MSR_MTRR_DEF_TYPE);
    for (unsigned i = 0; mtrrs->cap & CAP_FIXED && i < FIXED_COUNT; i++)
        mtrrs->fixed[i] = read_msr(fixed_msr[i]);
    for (unsigned i = 0; i < 2 * variable_count(mtrrs->cap); i++)
        mtrrs->variable[i] = read_msr(MSR_MTRR_VARIABLE + i);
}

static void write_all(const struct mtrrs *mtrrs)
{
    for (unsigned i = 0; mtrrs->cap & CAP_FIXED && i < FIXED_COUNT; i++)
        write_msr(fixed_msr[i], mtrrs->fixed[i]);
    for (unsigned i = 0; i < 2 * variable_count(mtrrs->cap); i++)
        write_msr(MSR_MTRR_VARIABLE + i, mtrrs->variable[i]);
}

void mtrr_take(void)
{
    read_all(&wanted);
}

bool mtrr_is_same(void)
{
    struct mtrrs own;
    read_all(&own);
    return memcmp(&own, &wanted, sizeof(own)) == 0;
}

/* Section 11.11.7.2: caches off and empty, and the TLB too, while it is done.
 */
bool mtrr_adopt(void)
{
    if (!wanted.present || mtrr_is_same())
        return false;
    uint64_t cr0 = read_cr0();
    write_cr0((cr0 | CR0_CD) & ~CR0_NW);
    write_back_and_invalidate();
    tlb_flush_local();
    write_msr(MSR_MTRR_DEF_TYPE, wanted.def_type & ~DEF_TYPE_ENABLE);
    write_all(&wanted);
    write_msr(MSR_MTRR_DEF_TYPE, wanted.def_type);
    write_back_and_invalidate();
    tlb_flush_local();
    write_cr0(cr0);
    return true;
}
