/* The information block that a Multiboot2 loader leaves in memory.
 *
 *      0            8                     n                   total_size - 8
 *      +------------+--------+------------+--------+--------. . +----------+
 *      | total_size | type 1 | contents . | type 2 | con-   . . | type 0   |
 *      | reserved   | size   | . . padded | size   | tents  . . | size 8   |
 *      +------------+--------+------------+--------+--------. . +----------+
 *
 * Section numbers below are those of the Multiboot2 Specification version 2.0.
 * Tags begin at multiples of 8 bytes; their sizes leave the padding out.  All
 * fields are little-endian, and no structure here has padding of its own.
 */
#ifndef BOOT_MULTIBOOT2_H
#define BOOT_MULTIBOOT2_H

#include <stddef.h>
#include <stdint.h>

#include "boot/boot_info.h"
#include "mm/address.h"

/* In eax when the loader enters the kernel (section 3.3). */
#define MULTIBOOT2_BOOTLOADER_MAGIC 0x36d76289

/* Section 3.6; GRUB's multiboot2.h has the same names. */
enum multiboot2_tag_type {
    MULTIBOOT2_TAG_END = 0,
    MULTIBOOT2_TAG_CMDLINE = 1,
    MULTIBOOT2_TAG_BOOT_LOADER_NAME = 2,
    MULTIBOOT2_TAG_MODULE = 3,
    MULTIBOOT2_TAG_BASIC_MEMINFO = 4,
    MULTIBOOT2_TAG_BOOTDEV = 5,
    MULTIBOOT2_TAG_MMAP = 6,
    MULTIBOOT2_TAG_VBE = 7,
    MULTIBOOT2_TAG_FRAMEBUFFER = 8,
    MULTIBOOT2_TAG_ELF_SECTIONS = 9,
    MULTIBOOT2_TAG_APM = 10,
    MULTIBOOT2_TAG_EFI32 = 11,
    MULTIBOOT2_TAG_EFI64 = 12,
    MULTIBOOT2_TAG_SMBIOS = 13,
    MULTIBOOT2_TAG_ACPI_OLD = 14,
    MULTIBOOT2_TAG_ACPI_NEW = 15,
    MULTIBOOT2_TAG_NETWORK = 16,
    MULTIBOOT2_TAG_EFI_MMAP = 17,
    MULTIBOOT2_TAG_EFI_BS = 18,
    MULTIBOOT2_TAG_EFI32_IH = 19,
    MULTIBOOT2_TAG_EFI64_IH = 20,
    MULTIBOOT2_TAG_LOAD_BASE_ADDR = 21,
    MULTIBOOT2_TAG_TYPES
};

/* Section 3.6.1: the block's first bytes, and each tag's. */
struct multiboot2_header {
    uint32_t total_size;
    uint32_t reserved;
};

struct multiboot2_tag {
    uint32_t type;
    uint32_t size; /* these 8 bytes included */
};

/* The rest of a tag, from its byte 8; strings and tables follow. */

/* Section 3.6.6, modules. */
struct multiboot2_module {
    uint32_t mod_start;
    uint32_t mod_end;
};

/* Section 3.6.7, ELF symbols.  The specification draws 16-bit fields and 16
 * reserved bits, GRUB writes 32-bit ones. */
struct multiboot2_elf_sections {
    uint32_t num;
    uint32_t entsize;
    uint32_t shndx;
};

/* Sections 3.6.8 and 3.6.19: what both memory maps begin with. */
struct multiboot2_mmap {
    uint32_t entry_size;
    uint32_t entry_version;
};

struct multiboot2_mmap_entry {
    uint64_t base_addr;
    uint64_t length;
    uint32_t type;
    uint32_t reserved;
};

enum multiboot2_memory {
    MULTIBOOT2_MEMORY_AVAILABLE = 1,
    MULTIBOOT2_MEMORY_ACPI_RECLAIMABLE = 3,
    MULTIBOOT2_MEMORY_NVS = 4,
    MULTIBOOT2_MEMORY_BADRAM = 5,
};

/* Section 3.6.12, framebuffer info.  The specification draws 8 reserved bits,
 * GRUB writes 16. */
struct multiboot2_framebuffer {
    uint64_t addr;
    uint32_t pitch;
    uint32_t width;
    uint32_t height;
    uint8_t bpp;
    uint8_t type;
    uint16_t reserved;
};

enum multiboot2_framebuffer_type {
    MULTIBOOT2_FRAMEBUFFER_INDEXED = 0,
    MULTIBOOT2_FRAMEBUFFER_RGB = 1,
    MULTIBOOT2_FRAMEBUFFER_EGA_TEXT = 2,
};

/* What follows it if the type is RGB. */
struct multiboot2_framebuffer_rgb {
    uint8_t red_field_position;
    uint8_t red_mask_size;
    uint8_t green_field_position;
    uint8_t green_mask_size;
    uint8_t blue_field_position;
    uint8_t blue_mask_size;
};

/* UEFI Specification 2.10, section 7.2.3, EFI_MEMORY_DESCRIPTOR. */
struct efi_memory_descriptor {
    uint32_t type;
    uint32_t padding;
    uint64_t physical_start;
    uint64_t virtual_start;
    uint64_t number_of_pages; /* of 4 KiB */
    uint64_t attribute;
};

#define EFI_MEMORY_UC      (UINT64_C(1) << 0)
#define EFI_MEMORY_WC      (UINT64_C(1) << 1)
#define EFI_MEMORY_WT      (UINT64_C(1) << 2)
#define EFI_MEMORY_WB      (UINT64_C(1) << 3)
#define EFI_MEMORY_UCE     (UINT64_C(1) << 4)
#define EFI_MEMORY_NV      (UINT64_C(1) << 15)
#define EFI_MEMORY_SP      (UINT64_C(1) << 18)
#define EFI_MEMORY_RUNTIME (UINT64_C(1) << 63)

/* How memory can be cached. */
#define EFI_MEMORY_CACHING                                                     \
    (EFI_MEMORY_UC | EFI_MEMORY_WC | EFI_MEMORY_WT | EFI_MEMORY_WB |           \
     EFI_MEMORY_UCE)

enum efi_memory_type {
    EFI_LOADER_CODE = 1,
    EFI_LOADER_DATA = 2,
    EFI_BOOT_SERVICES_CODE = 3,
    EFI_BOOT_SERVICES_DATA = 4,
    EFI_CONVENTIONAL_MEMORY = 7,
    EFI_UNUSABLE_MEMORY = 8,
    EFI_ACPI_RECLAIM_MEMORY = 9,
    EFI_ACPI_MEMORY_NVS = 10,
};

_Static_assert(sizeof(struct multiboot2_header) == 8, "section 3.6.1");
_Static_assert(sizeof(struct multiboot2_tag) == 8, "section 3.6.2");
_Static_assert(sizeof(struct multiboot2_module) == 8, "section 3.6.6");
_Static_assert(sizeof(struct multiboot2_elf_sections) == 12, "section 3.6.7");
_Static_assert(sizeof(struct boot_section) == 64, "Elf64_Shdr");
_Static_assert(sizeof(struct multiboot2_mmap_entry) == 24, "section 3.6.8");
_Static_assert(sizeof(struct multiboot2_framebuffer) == 24, "section 3.6.12");
_Static_assert(sizeof(struct multiboot2_framebuffer_rgb) == 6, "3.6.12");
_Static_assert(sizeof(struct efi_memory_descriptor) == 40, "UEFI 7.2.3");

/* The first group makes the block unusable; the second is survived: what it
 * speaks of is left out, with a line in the log. */
#define MULTIBOOT2_ERRORS(X)                                                   \
    X(MULTIBOOT2_OK, "no error")                                               \
    X(MULTIBOOT2_MISALIGNED, "the block is not at a multiple of 8")            \
    X(MULTIBOOT2_UNREADABLE, "the block is larger than what is mapped of it")  \
    X(MULTIBOOT2_TOO_SMALL, "the block is smaller than its own header")        \
    X(MULTIBOOT2_TAG_TOO_SMALL, "a tag smaller than its own header")           \
    X(MULTIBOOT2_TAG_PAST_END, "a tag that runs past the end of the block")    \
    X(MULTIBOOT2_NO_END_TAG, "the block ends without an end tag")              \
    X(MULTIBOOT2_NO_MEMORY_MAP, "no memory map")                               \
    X(MULTIBOOT2_BAD_MEMORY_MAP, "a memory map too short for its contents")    \
    X(MULTIBOOT2_NO_USABLE_MEMORY, "a memory map without usable memory")       \
    X(MULTIBOOT2_MAP_FULL, "more memory ranges than our table has entries")    \
                                                                               \
    X(MULTIBOOT2_UNKNOWN_TAG, "a tag of unknown type")                         \
    X(MULTIBOOT2_DUPLICATE_TAG, "a second tag of a type that comes once")      \
    X(MULTIBOOT2_TAG_TOO_SHORT, "a tag too short for its contents")            \
    X(MULTIBOOT2_UNTERMINATED, "a string that its tag cuts short")             \
    X(MULTIBOOT2_STRING_CUT, "a string longer than our buffer")                \
    X(MULTIBOOT2_BAD_MODULE, "a module at no possible place")                  \
    X(MULTIBOOT2_MODULE_UNLISTED, "more modules than our table has entries")   \
    X(MULTIBOOT2_BAD_FRAMEBUFFER, "a framebuffer that contradicts itself")     \
    X(MULTIBOOT2_BAD_SECTIONS, "section headers unlike those of our ELF64")    \
    X(MULTIBOOT2_BAD_SECTION, "a section at no possible place")                \
    X(MULTIBOOT2_SECTION_UNLISTED, "more sections than our table has entries") \
    X(MULTIBOOT2_BAD_EFI_MAP, "an EFI memory map too short for its contents")  \
    X(MULTIBOOT2_BAD_ENTRY, "a memory map entry out of range: it is left out") \
    X(MULTIBOOT2_SMALL_ENTRY,                                                  \
      "a usable memory map entry without a whole page: it is left out")

enum multiboot2_error {
#define MULTIBOOT2_ERROR_ENUM(name, sentence) name,
    MULTIBOOT2_ERRORS(MULTIBOOT2_ERROR_ENUM)
#undef MULTIBOOT2_ERROR_ENUM
};

/* "MULTIBOOT2_NO_END_TAG", and the sentence that goes with it.  Any value is
 * answered for; both strings live for ever. */
const char *multiboot2_error_name(enum multiboot2_error error);
const char *multiboot2_error_text(enum multiboot2_error error);

struct multiboot2_problem {
    enum multiboot2_error error;
    uint32_t tag;    /* its type; MULTIBOOT2_TAG_END if it is in none */
    uint32_t offset; /* bytes from the start of the block to tag or entry */
};

struct multiboot2_problems {
    unsigned count;
    struct multiboot2_problem last; /* the fatal one, if one was */
};

/* Reads the block at info, whose physical address is info_address and of
 * which readable bytes are mapped, into *out; paddr_bits as for
 * memory_map_init.  Never reads past the smaller of the block's total_size
 * and readable, whatever it says.
 *
 * MULTIBOOT2_OK, with what was survived counted in *problems and logged (the
 * first of them; a block of garbage must not flood a serial line); or a fatal
 * error, which *problems places, and *out is not to be used.
 *
 * out->map holds the memory of the loader's map, its boot services told apart
 * by the EFI map, and the modules and sections that the loader placed; the
 * rest of what is in use is for boot_info_reserve to cut out.  Callable
 * before there is any allocator. */
enum multiboot2_error multiboot2_parse(const void *info, uint64_t info_address,
                                       size_t readable, unsigned paddr_bits,
                                       struct boot_info *out,
                                       struct multiboot2_problems *problems);

#endif
