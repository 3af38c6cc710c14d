/* ACPI tables: what the firmware says of processors, of the nodes of memory,
 * of power and of clocks.
 *
 *   RSDP -> XSDT (or RSDT) -> MADT  processors          -> struct acpi
 *                          -> SRAT  whose memory is near
 *                          -> FADT  power, PM timer -> DSDT, SSDTs  \_S5_
 *                          -> HPET
 *
 * Tables may lie: every read is bounded by the table's length, and that by what
 * can be viewed; a table that is no good is left out, and named in `problem`.
 * What is understood is copied, so nothing here points into a table.
 *
 * Numbers of sections are those of the ACPI Specification, version 6.4.
 */
#ifndef DRIVERS_ACPI_H
#define DRIVERS_ACPI_H

#include <stdbool.h>
#include <stdint.h>

#include "mm/address.h"

#define ACPI_ERRORS(X)                                                         \
    X(ACPI_UNREACHABLE, "it lies where no memory is known to be")              \
    X(ACPI_BAD_SIGNATURE, "it is not what points at it says")                  \
    X(ACPI_BAD_LENGTH, "its length cannot be right")                           \
    X(ACPI_BAD_CHECKSUM, "its checksum is wrong")                              \
    X(ACPI_BAD_ENTRY, "an entry is cut short, or runs past the end")           \
    X(ACPI_DUPLICATE, "it says something twice, and the first time counts")    \
    X(ACPI_BAD_ID,                                                             \
      "a processor's APIC ID addresses all of them; it is left out")           \
    X(ACPI_BAD_S5,                                                             \
      "its \\_S5_ is not understood: no power-off by ACPI with it")            \
    X(ACPI_TABLE_FULL, "it has more than there is room for; the rest is left")

enum acpi_error {
#define ACPI_ERROR_ENUM(name, sentence) name,
    ACPI_ERRORS(ACPI_ERROR_ENUM)
#undef ACPI_ERROR_ENUM
};

const char *acpi_error_text(enum acpi_error error);

/* The way to physical memory.  view answers NULL where those bytes are not all
 * there; what it shows has to stay for as long as acpi_read runs. */
struct acpi_memory {
    const uint8_t *(*view)(void *context, paddr_t address, uint64_t bytes);
    void *context;
};

#define ACPI_SIGNATURE 5 /* four characters and a 0 */

struct acpi_problem {
    char name[ACPI_SIGNATURE];
    enum acpi_error error;
    uint64_t value; /* an address, a length, an APIC ID: as the error goes */
    unsigned times; /* that the same was found */
};

struct acpi_table_place {
    char name[ACPI_SIGNATURE];
    paddr_t address;
    uint32_t length;
};

/* MADT, sections 5.2.12.2 and 5.2.12.12. */
struct acpi_cpu {
    uint32_t apic_id, uid;
    uint32_t node;    /* index in acpi.domain */
    unsigned entries; /* that have this APIC ID: more than one is a mistake */
};

/* MADT, section 5.2.12.5: an ISA interrupt on another input than its own. */
struct acpi_override {
    uint8_t source;
    uint32_t input;
    uint16_t flags;
};

/* MADT, sections 5.2.12.7 and 5.2.12.13: which local interrupt pin is NMI. */
#define ACPI_ALL_CPUS UINT32_MAX
struct acpi_nmi {
    uint32_t uid; /* or ACPI_ALL_CPUS */
    uint16_t flags;
    uint8_t pin; /* 0 or 1 */
};

/* SRAT, section 5.2.16.2; the end is exclusive. */
struct acpi_node_memory {
    paddr_t start, end;
    uint32_t node; /* index in acpi.domain */
};

/* Two entries of SRAT that claim the same bytes: the first has them. */
struct acpi_overlap {
    struct acpi_node_memory first, second;
};

/* A register: in an I/O port, or in memory, or neither (both 0).
 * Section 5.2.3.2. */
struct acpi_register {
    uint16_t port;
    paddr_t memory;
};

/* FADT, section 5.2.9, and the \_S5_ object, section 7.4.2.  What is not told
 * is 0. */
struct acpi_power {
    bool has_s5;
    uint8_t s5_a, s5_b; /* SLP_TYPa, SLP_TYPb */
    uint16_t pm1a_control, pm1b_control;
    uint16_t smi_command;
    uint8_t acpi_enable;
    struct acpi_register sleep_control; /* of hardware-reduced ACPI */
    struct acpi_register reset;
    uint8_t reset_value;
};

#define ACPI_PROBLEMS_MAX      16
#define ACPI_TABLES_MAX        64
#define ACPI_CPUS_MAX          1024
#define ACPI_OVERRIDES_MAX     16 /* ISA has no more interrupts */
#define ACPI_NMIS_MAX          16
#define ACPI_NODES_MAX         64
#define ACPI_NODE_MEMORIES_MAX 128
#define ACPI_OVERLAPS_MAX      8

struct acpi {
    bool found; /* an RSDP, and a root table */
    unsigned revision;
    paddr_t root;

    unsigned problem_count; /* there may have been more than are kept */
    struct acpi_problem problem[ACPI_PROBLEMS_MAX];

    unsigned table_count; /* the good ones, in the root table's order */
    struct acpi_table_place table[ACPI_TABLES_MAX];

    bool has_madt;
    paddr_t lapic; /* where the MADT has the local APIC's registers */
    unsigned cpu_count, cpus_disabled, cpus_left;
    struct acpi_cpu cpu[ACPI_CPUS_MAX];
    unsigned override_count;
    struct acpi_override override[ACPI_OVERRIDES_MAX];
    unsigned nmi_count;
    struct acpi_nmi nmi[ACPI_NMIS_MAX];

    /* Proximity domains in the order in which SRAT names them; there is at
     * least one, for what it does not name. */
    unsigned node_count;
    uint32_t domain[ACPI_NODES_MAX];
    unsigned node_memory_count;
    struct acpi_node_memory node_memory[ACPI_NODE_MEMORIES_MAX];
    unsigned overlap_count; /* there may have been more than are kept */
    struct acpi_overlap overlap[ACPI_OVERLAPS_MAX];

    struct acpi_power power;
    uint16_t pm_timer;     /* port, or 0; section 4.8.3.3 */
    bool pm_timer_32_bits; /* or 24 */
    paddr_t hpet;          /* or 0; IA-PC HPET Specification 1.0a, 3.2.4 */
};

/* Reads all of it.  rsdp is the loader's copy of the root pointer, `length`
 * bytes of it, or of length 0 if the loader gave none: then, and if it is no
 * good, the places where a BIOS has it are searched (section 5.2.5.1).
 * Returns out->found.  Any context; nothing is changed but *out. */
bool acpi_read(struct acpi *out, const struct acpi_memory *memory,
               const uint8_t *rsdp, unsigned length);

#endif
