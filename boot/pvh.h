/* What a loader of the PVH protocol leaves in memory: the way without GRUB,
 * which `qemu -kernel` takes.
 *
 *      hvm_start_info          modlist                memmap
 *      +----------------+      +-----------------+    +------------------+
 *      | magic, version |  +-->| where, how long |  +>| where, how long, |
 *      | modlist_paddr -|--+   | cmdline_paddr --|->| type             |
 *      | cmdline_paddr -|-> string     . . .      |  |      . . .       |
 *      | rsdp_paddr ----|-> RSDP                  |  +------------------+
 *      | memmap_paddr --|-------------------------+
 *      +----------------+
 *
 * Xen, public/arch-x86/hvm/start_info.h and docs/misc/pvh.pandoc.  The parts
 * lie anywhere in memory.  All fields are little-endian, and no structure here
 * has padding of its own.
 */
#ifndef BOOT_PVH_H
#define BOOT_PVH_H

#include <stdint.h>

#include "boot/boot_info.h"
#include "mm/address.h"

/* The first word of the start info, and what boot/start32.asm hands on to say
 * which loader it was. */
#define PVH_MAGIC 0x336ec578

struct pvh_start_info {
    uint32_t magic;
    uint32_t version; /* from 1 on, there is a memory map */
    uint32_t flags;
    uint32_t nr_modules;
    uint64_t modlist_paddr;
    uint64_t cmdline_paddr; /* 0: none, here and below */
    uint64_t rsdp_paddr;
    uint64_t memmap_paddr;
    uint32_t memmap_entries;
    uint32_t reserved;
};

struct pvh_module {
    uint64_t paddr;
    uint64_t size;
    uint64_t cmdline_paddr;
    uint64_t reserved;
};

struct pvh_memory {
    uint64_t addr;
    uint64_t size;
    uint32_t type;
    uint32_t reserved;
};

/* The types of the PC's E820 map. */
enum pvh_memory_type {
    PVH_MEMORY_RAM = 1,
    PVH_MEMORY_RESERVED = 2,
    PVH_MEMORY_ACPI = 3,
    PVH_MEMORY_NVS = 4,
    PVH_MEMORY_UNUSABLE = 5,
};

_Static_assert(sizeof(struct pvh_start_info) == 56, "start_info.h");
_Static_assert(sizeof(struct pvh_module) == 32, "start_info.h");
_Static_assert(sizeof(struct pvh_memory) == 24, "start_info.h");

/* The first group makes the start info unusable; the second is survived: what
 * it speaks of is left out, with a line in the log. */
#define PVH_ERRORS(X)                                                          \
    X(PVH_OK, "no error")                                                      \
    X(PVH_UNREADABLE, "the start info lies outside what is mapped")            \
    X(PVH_BAD_MAGIC, "it does not begin with 0x336ec578")                      \
    X(PVH_NO_MEMORY_MAP, "no memory map: version 0, or a map of no entries")   \
    X(PVH_BAD_MEMORY_MAP, "a memory map that lies outside what is mapped")     \
    X(PVH_NO_USABLE_MEMORY, "a memory map without usable memory")              \
    X(PVH_MAP_FULL, "more memory ranges than our table has entries")           \
                                                                               \
    X(PVH_BAD_ENTRY, "a memory map entry out of range: it is left out")        \
    X(PVH_SMALL_ENTRY,                                                         \
      "a usable memory map entry without a whole page: it is left out")        \
    X(PVH_TOO_MANY_ENTRIES, "more memory map entries than are looked at")      \
    X(PVH_BAD_STRING, "a string that lies outside what is mapped")             \
    X(PVH_STRING_CUT, "a string longer than our buffer")                       \
    X(PVH_BAD_RSDP, "an ACPI root pointer outside what is mapped")             \
    X(PVH_BAD_MODULE_LIST, "a list of modules outside what is mapped")         \
    X(PVH_BAD_MODULE, "a module at no possible place")                         \
    X(PVH_MODULE_UNLISTED, "more modules than our table has entries")

enum pvh_error {
#define PVH_ERROR_ENUM(name, sentence) name,
    PVH_ERRORS(PVH_ERROR_ENUM)
#undef PVH_ERROR_ENUM
};

/* "PVH_BAD_MAGIC", and the sentence that goes with it.  Any value is answered
 * for; both strings live for ever. */
const char *pvh_error_name(enum pvh_error error);
const char *pvh_error_text(enum pvh_error error);

/* Physical memory as far as it can be read: byte n of it is bytes[n]. */
struct pvh_view {
    const uint8_t *bytes;
    uint64_t size;
};

struct pvh_problems {
    unsigned count;
    struct {
        enum pvh_error error;
        paddr_t address; /* of what is wrong */
    } last;              /* the fatal one, if one was */
};

/* Reads the start info at the physical address into *out; paddr_bits as for
 * memory_map_init.  Never reads outside the view, whatever the start info
 * says, and no more of it than our tables hold.
 *
 * PVH_OK, with what was survived counted in *problems and logged (the first
 * of them); or a fatal error, which *problems places, and *out is not to be
 * used.  out->block_size is 0: all of the loader's information is copied, so
 * nothing of it needs to be kept but the modules, which out->map has.  Callable
 * before there is any allocator. */
enum pvh_error pvh_parse(struct pvh_view memory, paddr_t address,
                         unsigned paddr_bits, struct boot_info *out,
                         struct pvh_problems *problems);

#endif
