/* See boot/pvh.h.
 *
 * As in boot/multiboot2.c, the loader's memory is touched in one place only,
 * read() below, and what is read is copied out.
 */
#include "boot/pvh.h"

#include "boot/map_entries.h"
#include "lib/string.h"
#include "mm/platform.h"

/* Beyond that many lines, a log of damage tells nothing new. */
#define PROBLEMS_LOGGED 16

/* A BIOS lists 128; a count that is garbage must not keep us for hours. */
#define ENTRIES_MAX 4096

/* ACPI 6.4, section 5.2.5.3: the first version's structure, and the byte that
 * tells whether there is more. */
#define RSDP_FIRST_LENGTH 20
#define RSDP_REVISION     15

struct parser {
    struct pvh_view memory;
    struct boot_info *out;
    struct pvh_problems *problems;
};

static const struct {
    const char *name;
    const char *text;
} errors[] = {
#define PVH_ERROR_STRINGS(name, sentence) [name] = {#name, sentence},
    PVH_ERRORS(PVH_ERROR_STRINGS)
#undef PVH_ERROR_STRINGS
};

#define ERROR_COUNT (sizeof errors / sizeof errors[0])

const char *pvh_error_name(enum pvh_error error)
{
    return error < ERROR_COUNT ? errors[error].name : "PVH_UNKNOWN";
}

const char *pvh_error_text(enum pvh_error error)
{
    return error < ERROR_COUNT ? errors[error].text : "an error without a name";
}

/* Copies size bytes at a physical address, or answers false if not all of
 * them can be seen. */
static bool read(const struct parser *p, uint64_t address, void *into,
                 uint64_t size)
{
    if (address > p->memory.size || size > p->memory.size - address)
        return false;
    memcpy(into, p->memory.bytes + address, size);
    return true;
}

/* The two ways on from a problem. */
static enum pvh_error fail(struct parser *p, enum pvh_error error,
                           paddr_t address)
{
    struct pvh_problems *problems = p->problems;

    problems->last.error = error;
    problems->last.address = address;
    problems->count++;
    if (problems->count <= PROBLEMS_LOGGED)
        platform_log("start info: %s: %s (at 0x%lx)", pvh_error_name(error),
                     pvh_error_text(error), address);
    if (problems->count == PROBLEMS_LOGGED)
        platform_log("start info: no more problems are logged");
    return error;
}

static enum pvh_error skip(struct parser *p, enum pvh_error error,
                           paddr_t address)
{
    fail(p, error, address);
    return PVH_OK;
}

/* Copies a string, or none where the address is 0, into a buffer of zeros, so
 * that its end need not be written; answers the first character that
 * did not fit, or 0. */
static char copy_string(struct parser *p, uint64_t address, char *into,
                        uint64_t capacity)
{
    char c;

    for (uint64_t i = 0; address != 0; i++) {
        if (address + i < address || !read(p, address + i, &c, 1)) {
            skip(p, PVH_BAD_STRING, address);
            return '\0';
        }
        if (c == '\0')
            return '\0';
        if (i >= capacity - 1) {
            skip(p, PVH_STRING_CUT, address);
            return c;
        }
        into[i] = c;
    }
    return '\0';
}

static enum memory_type type_of(uint32_t type)
{
    switch (type) {
    case PVH_MEMORY_RAM:
        return MEMORY_USABLE;
    case PVH_MEMORY_ACPI:
        return MEMORY_ACPI_RECLAIMABLE;
    case PVH_MEMORY_NVS:
        return MEMORY_ACPI_NVS;
    case PVH_MEMORY_UNUSABLE:
        return MEMORY_BAD;
    default:
        return MEMORY_RESERVED;
    }
}

/* The loader's map as boot/map_entries.h wants to see it. */
struct list {
    struct parser *parser;
    uint64_t start;
};

static bool list_entry(void *context, uint32_t i, struct map_entry *entry)
{
    const struct list *list = context;
    uint64_t at = list->start + i * sizeof(struct pvh_memory);
    struct pvh_memory found;

    if (at < list->start || !read(list->parser, at, &found, sizeof found))
        return false;
    *entry = (struct map_entry){found.addr, found.size, type_of(found.type)};
    return true;
}

static void list_flaw(void *context, uint32_t i, enum map_entry_flaw flaw)
{
    const struct list *list = context;

    skip(list->parser,
         flaw == MAP_ENTRY_SMALL ? PVH_SMALL_ENTRY : PVH_BAD_ENTRY,
         list->start + i * sizeof(struct pvh_memory));
}

static enum pvh_error read_memory_map(struct parser *p,
                                      const struct pvh_start_info *start)
{
    struct memory_map *map = &p->out->map;
    struct list list = {p, start->memmap_paddr};
    struct map_entries entries = {
        .entry = list_entry,
        .flaw = list_flaw,
        .context = &list,
        .count = start->memmap_entries,
    };
    struct map_losses losses = {0, 0};
    struct map_entry last;

    if (entries.count > ENTRIES_MAX) {
        skip(p, PVH_TOO_MANY_ENTRIES, start->memmap_paddr);
        entries.count = ENTRIES_MAX;
    }
    for (uint32_t i = 0; i < entries.count; i++)
        if (!list_entry(&list, i, &last))
            return fail(p, PVH_BAD_MEMORY_MAP,
                        start->memmap_paddr + i * sizeof(struct pvh_memory));
    if (!map_entries_lay(map, &entries, &losses))
        return fail(p, PVH_MAP_FULL, start->memmap_paddr);
    if (memory_map_bytes(map, MEMORY_USABLE) == 0)
        return fail(p, PVH_NO_USABLE_MEMORY, start->memmap_paddr);
    map_make_room(map, &losses);
    return PVH_OK;
}

static enum pvh_error add_module(struct parser *p, paddr_t at,
                                 const struct pvh_module *module)
{
    struct boot_info *out = p->out;

    if (module->paddr > out->map.limit ||
        module->size > out->map.limit - module->paddr)
        return skip(p, PVH_BAD_MODULE, at);
    if (module->size > 0 &&
        memory_map_add(&out->map, module->paddr, module->size, MEMORY_MODULE) !=
            MM_OK)
        return fail(p, PVH_MAP_FULL, at);
    if (out->module_count >= BOOT_MODULES_MAX)
        return skip(p, PVH_MODULE_UNLISTED, at);

    struct boot_module *listed = &out->module[out->module_count++];
    listed->start = module->paddr;
    listed->end = module->paddr + module->size;
    copy_string(p, module->cmdline_paddr, listed->string,
                sizeof listed->string);
    return PVH_OK;
}

static enum pvh_error read_modules(struct parser *p,
                                   const struct pvh_start_info *start)
{
    struct pvh_module module = {0};
    uint32_t count = start->nr_modules;

    if (count > ENTRIES_MAX) {
        skip(p, PVH_TOO_MANY_ENTRIES, start->modlist_paddr);
        count = ENTRIES_MAX;
    }
    for (uint64_t i = 0; i < count; i++) {
        uint64_t at = start->modlist_paddr + i * sizeof module;

        if (at < start->modlist_paddr || !read(p, at, &module, sizeof module))
            return skip(p, PVH_BAD_MODULE_LIST, at);
        enum pvh_error error = add_module(p, at, &module);
        if (error != PVH_OK)
            return error;
    }
    return PVH_OK;
}

static void read_rsdp(struct parser *p, paddr_t address)
{
    struct boot_rsdp found = {.version = 1, .length = RSDP_FIRST_LENGTH};

    if (address == 0)
        return;
    if (!read(p, address, found.bytes, found.length)) {
        skip(p, PVH_BAD_RSDP, address);
        return;
    }
    if (found.bytes[RSDP_REVISION] >= 2) {
        found.version = 2;
        found.length = BOOT_RSDP_MAX;
        if (!read(p, address, found.bytes, found.length)) {
            skip(p, PVH_BAD_RSDP, address);
            return;
        }
    }
    p->out->rsdp = found;
}

enum pvh_error pvh_parse(struct pvh_view memory, paddr_t address,
                         unsigned paddr_bits, struct boot_info *out,
                         struct pvh_problems *problems)
{
    static const char loader[] = "PVH";
    struct parser parser = {memory, out, problems};
    struct pvh_start_info start = {0};

    memset(out, 0, sizeof *out);
    memset(problems, 0, sizeof *problems);
    memory_map_init(&out->map, paddr_bits);
    memcpy(out->loader_name, loader, sizeof loader);

    /* what version 0 has; the rest only where it is there */
    if (!read(&parser, address, &start,
              offsetof(struct pvh_start_info, memmap_paddr)))
        return fail(&parser, PVH_UNREADABLE, address);
    if (start.magic != PVH_MAGIC)
        return fail(&parser, PVH_BAD_MAGIC, address);
    if (start.version > 0 && !read(&parser, address, &start, sizeof start))
        return fail(&parser, PVH_UNREADABLE, address);
    if (start.version == 0 || start.memmap_entries == 0)
        return fail(&parser, PVH_NO_MEMORY_MAP, address);

    enum pvh_error error = read_memory_map(&parser, &start);
    if (error == PVH_OK)
        error = read_modules(&parser, &start);
    if (error != PVH_OK)
        return error;
    char left = copy_string(&parser, start.cmdline_paddr, out->command_line,
                            sizeof out->command_line);
    out->command_line_cut = left != '\0';
    out->command_word_cut = left != '\0' && left != ' ' && left != '\t';
    read_rsdp(&parser, start.rsdp_paddr);
    return PVH_OK;
}
