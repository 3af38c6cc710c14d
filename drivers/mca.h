/* What a CPU's machine-check banks say: AMD64 manual, volume 2, chapter 9;
 * Intel SDM, volume 3, chapter 15.  No registers are touched here. */
#ifndef DRIVERS_MCA_H
#define DRIVERS_MCA_H

#include <stdbool.h>
#include <stdint.h>

#include "mm/address.h"

/* Registers, and the one of bank n at + 4 * n. */
#define MSR_MCG_CAP    0x179u
#define MSR_MCG_STATUS 0x17au
#define MSR_MCG_CTL    0x17bu
#define MSR_MC_CTL     0x400u
#define MSR_MC_STATUS  0x401u
#define MSR_MC_ADDR    0x402u
#define MSR_MC_MISC    0x403u

/* MCG_CAP: how many banks there are; MCG_CTL is there; the CPU tells errors
 * that software can recover from (SDM, section 15.3.1.1). */
#define MCG_CAP_BANKS(cap) ((unsigned)((cap)&0xff))
#define MCG_CAP_CTL        (UINT64_C(1) << 8)
#define MCG_CAP_RECOVERY   (UINT64_C(1) << 24)

/* MCG_STATUS: the interrupted code can go on; a machine check is being handled,
 * and another one now would shut the CPU down. */
#define MCG_STATUS_RIPV (UINT64_C(1) << 0)
#define MCG_STATUS_MCIP (UINT64_C(1) << 2)

/* Of MCi_STATUS: the other two registers hold something. */
#define MCA_STATUS_MISC    (UINT64_C(1) << 59)
#define MCA_STATUS_ADDRESS (UINT64_C(1) << 58)

enum mca_severity {
    MCA_NOTHING,     /* the bank holds no error */
    MCA_CORRECTED,   /* by the hardware: no data were lost */
    MCA_DEFERRED,    /* data are lost, but nobody has used them yet */
    MCA_UNCORRECTED, /* data are lost; code that did not use them can go on */
    MCA_FATAL,       /* the CPU cannot be relied on */
};

/* What a bank is read from. */
struct mca_bank {
    uint64_t status, address, misc;
};

/* How a CPU is to be read. */
struct mca_cpu {
    bool is_amd;      /* bit 44 means deferred, no count */
    bool can_recover; /* MCG_CAP_RECOVERY: bit 55 asks for action */
    unsigned paddr_bits;
};

struct mca_error {
    enum mca_severity severity;
    bool overflow;    /* another error was lost */
    bool has_address; /* paddr is the frame that it is about */
    paddr_t paddr;    /* 4 KiB aligned */
    const char *kind; /* "memory controller"; lives for ever */
};

struct mca_error mca_decode(const struct mca_cpu *cpu,
                            const struct mca_bank *bank);

/* "corrected", "fatal"; lives for ever. */
const char *mca_severity_name(enum mca_severity severity);

#endif
