/* What the loader told us, copied into memory of our own.
 *
 * Plain data that the kernel keeps for ever; nothing in it points into the
 * loader's memory.  multiboot2_parse or pvh_parse fills it, boot_info_reserve
 * then cuts what is in use out of its memory map, and only after that may
 * memory be given out.
 */
#ifndef BOOT_BOOT_INFO_H
#define BOOT_BOOT_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mm/address.h"
#include "mm/error.h"
#include "mm/memory_map.h"

#define BOOT_COMMAND_LINE_MAX  1024 /* the final 0 included, here and below */
#define BOOT_LOADER_NAME_MAX   64
#define BOOT_MODULE_STRING_MAX 128
#define BOOT_MODULES_MAX       16
#define BOOT_SECTIONS_MAX      48
#define BOOT_RSDP_MAX          36 /* ACPI 6.4, section 5.2.5.3 */

/* A file that the loader put into memory; the end is exclusive and start
 * equals end if the file is empty. */
struct boot_module {
    paddr_t start;
    paddr_t end;
    char string[BOOT_MODULE_STRING_MAX]; /* its arguments */
};

enum boot_framebuffer_kind {
    BOOT_FRAMEBUFFER_NONE,
    BOOT_FRAMEBUFFER_INDEXED,
    BOOT_FRAMEBUFFER_RGB,
    BOOT_FRAMEBUFFER_TEXT, /* EGA text: width and height count characters */
};

/* The bits of one colour in a pixel: value << position. */
struct boot_colour_field {
    uint8_t position;
    uint8_t size;
};

/* A line has pitch bytes, which may be more than its pixels need; a pixel has
 * bits_per_pixel / 8 bytes, rounded up. */
struct boot_framebuffer {
    enum boot_framebuffer_kind kind;
    paddr_t address;
    uint32_t pitch;
    uint32_t width;
    uint32_t height;
    uint8_t bits_per_pixel;
    struct boot_colour_field red; /* these three for BOOT_FRAMEBUFFER_RGB */
    struct boot_colour_field green;
    struct boot_colour_field blue;
};

/* A section header of the kernel's ELF file (System V ABI, section header),
 * as it is in the file; but the loader has set the address of what it loaded
 * without being told where, symbols and strings: that one is physical. */
struct boot_section {
    uint32_t name; /* offset in section number boot_sections.names */
    uint32_t type;
    uint64_t flags;
    uint64_t address;
    uint64_t offset;
    uint64_t size;
    uint32_t link;
    uint32_t info;
    uint64_t alignment;
    uint64_t entry_size;
};

struct boot_sections {
    unsigned count;
    unsigned names;
    struct boot_section section[BOOT_SECTIONS_MAX];
};

/* The ACPI root pointer as the loader copied it; whether its checksums are
 * right is for the ACPI code to say. */
struct boot_rsdp {
    unsigned version; /* 0: none; 1: ACPI 1.0; 2: ACPI 2.0 and later */
    unsigned length;  /* valid bytes: 20 or 36 */
    uint8_t bytes[BOOT_RSDP_MAX];
};

struct boot_info {
    char command_line[BOOT_COMMAND_LINE_MAX];
    bool command_line_cut; /* the loader's was longer */
    bool command_word_cut; /* its last word may lack its end */
    char loader_name[BOOT_LOADER_NAME_MAX];

    struct memory_map map;

    unsigned module_count;
    struct boot_module module[BOOT_MODULES_MAX];

    struct boot_framebuffer framebuffer;
    struct boot_sections sections;
    struct boot_rsdp rsdp;

    paddr_t efi_system_table_32; /* 0: none, here and below */
    paddr_t efi_system_table_64;
    bool efi_boot_services_alive; /* the loader has not left them */

    paddr_t block_start; /* the loader's information block, if it is one */
    paddr_t block_size;  /* 0: it is none */
};

/* Cuts out of info->map what is in use besides the modules and the sections
 * that the loader placed, which multiboot2_parse has cut out: the kernel
 * image, given by the physical addresses of its first byte and of the one
 * after its last (bss included), the information block, the framebuffer, and
 * the low 1 MiB.
 *
 * Of the low 1 MiB, memory that was free becomes MEMORY_LOW (page 0 among it,
 * which holds the BIOS data area); holes stay holes, and ACPI tables there
 * become MEMORY_ACPI_NVS, since they would never be given back.
 *
 * Logs a line if part of the image lies in memory that the firmware keeps.
 * MM_OK, or the first error of memory_map_add: MM_TABLE_FULL, or
 * MM_OUT_OF_RANGE or MM_EMPTY_RANGE for image or block.  Once, after the
 * parser and before the first allocation. */
enum mm_error boot_info_reserve(struct boot_info *info, paddr_t image_start,
                                paddr_t image_end);

#endif
