/* The bits of MCi_STATUS and MCi_MISC. */
#include "drivers/mca.h"

#include "lib/bits.h"

/* AMD64 manual, volume 2, section 9.3.2; SDM, section 15.3.2.2. */
#define STATUS_VALID    (UINT64_C(1) << 63)
#define STATUS_OVERFLOW (UINT64_C(1) << 62)
#define STATUS_UC       (UINT64_C(1) << 61)
#define STATUS_PCC      (UINT64_C(1) << 57) /* processor context corrupt */
#define STATUS_ACTION   (UINT64_C(1) << 55) /* where the CPU can recover */
#define STATUS_DEFERRED (UINT64_C(1) << 44) /* on AMD's */

/* SDM, section 15.3.2.4: the lowest bit of the address that means something,
 * and of what kind the address is. */
#define MISC_LOWEST_BIT(misc) ((unsigned)((misc)&0x3f))
#define MISC_MODE(misc)       ((unsigned)((misc) >> 6 & 7))
#define MISC_MODE_PHYSICAL    2

static enum mca_severity severity_of(const struct mca_cpu *cpu, uint64_t status)
{
    if (!(status & STATUS_VALID))
        return MCA_NOTHING;
    if (!(status & STATUS_UC))
        return cpu->is_amd && status & STATUS_DEFERRED ? MCA_DEFERRED
                                                       : MCA_CORRECTED;
    /* with an overflow the error that was lost may have been worse */
    if (status & (STATUS_PCC | STATUS_OVERFLOW))
        return MCA_FATAL;
    /* the code that was interrupted is what used the data */
    if (cpu->can_recover && status & STATUS_ACTION)
        return MCA_FATAL;
    return MCA_UNCORRECTED;
}

/* SDM, table 15-9: the error codes, but for the simple ones. */
static const char *kind_of(uint64_t status)
{
    static const struct {
        uint16_t mask, value;
        const char *name;
    } kinds[] = {
        {0xef80, 0x0080, "memory controller"},
        {0xeffc, 0x000c, "cache"},
        {0xef00, 0x0100, "cache"},
        {0xeff0, 0x0010, "TLB"},
        {0xe800, 0x0800, "bus"},
    };
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if ((status & kinds[i].mask) == kinds[i].value)
            return kinds[i].name;
    return "other";
}

/* An address of another kind than physical, or one that names more than a
 * frame, is none. */
static bool has_frame(const struct mca_cpu *cpu, const struct mca_bank *bank)
{
    if (!(bank->status & MCA_STATUS_ADDRESS) ||
        bank->address >> cpu->paddr_bits != 0)
        return false;
    if (cpu->is_amd || !(bank->status & MCA_STATUS_MISC) || !cpu->can_recover)
        return true;
    return MISC_MODE(bank->misc) == MISC_MODE_PHYSICAL &&
           MISC_LOWEST_BIT(bank->misc) <= PAGE_SHIFT;
}

struct mca_error mca_decode(const struct mca_cpu *cpu,
                            const struct mca_bank *bank)
{
    struct mca_error error = {
        .severity = severity_of(cpu, bank->status),
        .kind = kind_of(bank->status),
    };
    if (error.severity == MCA_NOTHING)
        return error;
    error.overflow = bank->status & STATUS_OVERFLOW;
    error.has_address = has_frame(cpu, bank);
    if (error.has_address)
        error.paddr = align_down(bank->address, PAGE_SIZE);
    return error;
}

const char *mca_severity_name(enum mca_severity severity)
{
    static const char *const names[] = {
        [MCA_NOTHING] = "no",        [MCA_CORRECTED] = "corrected",
        [MCA_DEFERRED] = "deferred", [MCA_UNCORRECTED] = "uncorrected",
        [MCA_FATAL] = "fatal",
    };
    return names[severity];
}
