/* See boot/multiboot2.h.
 *
 * The block is bytes of unknown worth.  They are touched in one place only,
 * read() below, which knows where they end; whatever is read is copied out,
 * so nothing depends on alignment and no value can change after its check.
 */
#include "boot/multiboot2.h"

#include "boot/map_entries.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "mm/platform.h"

/* ELF (System V ABI, section header): takes part in the program's memory, so
 * it lies inside the image. */
#define SHF_ALLOC 0x2

/* Beyond that many lines, a log of damage tells nothing new. */
#define PROBLEMS_LOGGED 16

/* These may come more than once: one for each module, for the 32-bit and the
 * 64-bit SMBIOS entry point, and for each network card. */
#define REPEATED_TAGS                                                          \
    (1u << MULTIBOOT2_TAG_MODULE | 1u << MULTIBOOT2_TAG_SMBIOS |               \
     1u << MULTIBOOT2_TAG_NETWORK)

/* A part of the block, as offsets from its start; the end is exclusive. */
struct span {
    uint32_t start;
    uint32_t end;
};

struct tag {
    uint32_t type;
    uint32_t offset;      /* in the block */
    struct span contents; /* what follows its header */
};

static uint32_t contents_size(const struct tag *tag)
{
    return tag->contents.end - tag->contents.start;
}

struct parser {
    const uint8_t *block;
    uint32_t size;
    struct boot_info *out;
    struct multiboot2_problems *problems;
    uint32_t seen; /* bit n: a tag of type n was there */
    struct tag mmap;
    struct tag efi_mmap;
    struct map_losses losses;
    unsigned efi_kept; /* ranges that are not for general use */
    bool efi_has_caching;
};

static const struct {
    const char *name;
    const char *text;
} errors[] = {
#define MULTIBOOT2_ERROR_STRINGS(name, sentence) [name] = {#name, sentence},
    MULTIBOOT2_ERRORS(MULTIBOOT2_ERROR_STRINGS)
#undef MULTIBOOT2_ERROR_STRINGS
};

#define ERROR_COUNT (sizeof errors / sizeof errors[0])

const char *multiboot2_error_name(enum multiboot2_error error)
{
    return error < ERROR_COUNT ? errors[error].name : "MULTIBOOT2_UNKNOWN";
}

const char *multiboot2_error_text(enum multiboot2_error error)
{
    return error < ERROR_COUNT ? errors[error].text : "an error without a name";
}

/* Copies size bytes at an offset in the span, or answers false if not all of
 * them are there.  Whatever a tag says of its end, that of the block counts
 * too. */
static bool read(const struct parser *p, struct span span, uint32_t offset,
                 void *into, uint32_t size)
{
    uint64_t at = (uint64_t)span.start + offset; /* 64 bits: never wraps */

    if (at + size > span.end || at + size > p->size)
        return false;
    memcpy(into, p->block + at, size);
    return true;
}

static void report(struct parser *p, enum multiboot2_error error, uint32_t tag,
                   uint32_t offset)
{
    struct multiboot2_problems *problems = p->problems;

    problems->last = (struct multiboot2_problem){error, tag, offset};
    problems->count++;
    if (problems->count <= PROBLEMS_LOGGED)
        platform_log("boot information: %s: %s (tag %u at offset %u)",
                     multiboot2_error_name(error), multiboot2_error_text(error),
                     tag, offset);
    if (problems->count == PROBLEMS_LOGGED)
        platform_log("boot information: no more problems are logged");
}

/* The two ways on from a problem with a tag. */
static enum multiboot2_error fail(struct parser *p, const struct tag *tag,
                                  enum multiboot2_error error)
{
    report(p, error, tag->type, tag->offset);
    return error;
}

static enum multiboot2_error skip(struct parser *p, const struct tag *tag,
                                  enum multiboot2_error error)
{
    report(p, error, tag->type, tag->offset);
    return MULTIBOOT2_OK;
}

/* What copy_string came to. */
enum string_end {
    STRING_WHOLE,
    STRING_CUT_INSIDE, /* of a word, as far as one can know */
    STRING_CUT_BETWEEN,
    STRING_UNTERMINATED,
};

/* Copies the string at the offset into a buffer of zeros, so that its end
 * need not be written. */
static enum string_end copy_string(struct parser *p, const struct tag *tag,
                                   uint32_t offset, char *into,
                                   uint32_t capacity)
{
    char c;

    for (uint32_t i = 0;; i++) {
        if (!read(p, tag->contents, offset + i, &c, 1)) {
            skip(p, tag, MULTIBOOT2_UNTERMINATED);
            return STRING_UNTERMINATED;
        }
        if (c == '\0')
            return STRING_WHOLE;
        if (i >= capacity - 1) {
            skip(p, tag, MULTIBOOT2_STRING_CUT);
            return c == ' ' || c == '\t' ? STRING_CUT_BETWEEN
                                         : STRING_CUT_INSIDE;
        }
        into[i] = c;
    }
}

static void parse_command_line(struct parser *p, const struct tag *tag)
{
    struct boot_info *out = p->out;
    enum string_end end =
        copy_string(p, tag, 0, out->command_line, sizeof out->command_line);

    out->command_line_cut =
        end == STRING_CUT_INSIDE || end == STRING_CUT_BETWEEN;
    out->command_word_cut =
        end == STRING_CUT_INSIDE || end == STRING_UNTERMINATED;
}

static enum multiboot2_error parse_module(struct parser *p,
                                          const struct tag *tag)
{
    struct boot_info *out = p->out;
    struct multiboot2_module module;

    if (!read(p, tag->contents, 0, &module, sizeof module))
        return skip(p, tag, MULTIBOOT2_TAG_TOO_SHORT);
    if (module.mod_start > module.mod_end || module.mod_end > out->map.limit)
        return skip(p, tag, MULTIBOOT2_BAD_MODULE);
    if (module.mod_start < module.mod_end &&
        memory_map_add(&out->map, module.mod_start,
                       module.mod_end - module.mod_start,
                       MEMORY_MODULE) != MM_OK)
        return fail(p, tag, MULTIBOOT2_MAP_FULL);
    if (out->module_count >= BOOT_MODULES_MAX)
        return skip(p, tag, MULTIBOOT2_MODULE_UNLISTED);

    struct boot_module *listed = &out->module[out->module_count++];
    listed->start = module.mod_start;
    listed->end = module.mod_end;
    copy_string(p, tag, sizeof module, listed->string, sizeof listed->string);
    return MULTIBOOT2_OK;
}

static bool framebuffer_is_sound(const struct multiboot2_framebuffer *fb,
                                 paddr_t limit)
{
    uint64_t line = (uint64_t)fb->width * ((fb->bpp + 7u) / 8);
    uint64_t bytes = (uint64_t)fb->pitch * fb->height;

    return fb->type <= MULTIBOOT2_FRAMEBUFFER_EGA_TEXT && line > 0 &&
           bytes > 0 && fb->bpp <= 32 && line <= fb->pitch &&
           fb->addr < limit && bytes <= limit - fb->addr;
}

static bool field_fits(struct boot_colour_field field, unsigned bits_per_pixel)
{
    return (unsigned)field.position + field.size <= bits_per_pixel;
}

static enum multiboot2_error parse_framebuffer(struct parser *p,
                                               const struct tag *tag)
{
    static const enum boot_framebuffer_kind kinds[] = {
        [MULTIBOOT2_FRAMEBUFFER_INDEXED] = BOOT_FRAMEBUFFER_INDEXED,
        [MULTIBOOT2_FRAMEBUFFER_RGB] = BOOT_FRAMEBUFFER_RGB,
        [MULTIBOOT2_FRAMEBUFFER_EGA_TEXT] = BOOT_FRAMEBUFFER_TEXT,
    };
    struct multiboot2_framebuffer fb;
    struct multiboot2_framebuffer_rgb rgb = {0};

    if (!read(p, tag->contents, 0, &fb, sizeof fb))
        return skip(p, tag, MULTIBOOT2_TAG_TOO_SHORT);
    if (!framebuffer_is_sound(&fb, p->out->map.limit))
        return skip(p, tag, MULTIBOOT2_BAD_FRAMEBUFFER);
    if (fb.type == MULTIBOOT2_FRAMEBUFFER_RGB &&
        !read(p, tag->contents, sizeof fb, &rgb, sizeof rgb))
        return skip(p, tag, MULTIBOOT2_TAG_TOO_SHORT);

    struct boot_framebuffer found = {
        .kind = kinds[fb.type],
        .address = fb.addr,
        .pitch = fb.pitch,
        .width = fb.width,
        .height = fb.height,
        .bits_per_pixel = fb.bpp,
        .red = {rgb.red_field_position, rgb.red_mask_size},
        .green = {rgb.green_field_position, rgb.green_mask_size},
        .blue = {rgb.blue_field_position, rgb.blue_mask_size},
    };
    if (!field_fits(found.red, fb.bpp) || !field_fits(found.green, fb.bpp) ||
        !field_fits(found.blue, fb.bpp))
        return skip(p, tag, MULTIBOOT2_BAD_FRAMEBUFFER);
    p->out->framebuffer = found;
    return MULTIBOOT2_OK;
}

/* Reserves a section that the loader placed.  One at an impossible place is
 * emptied, so that nobody reads there. */
static enum multiboot2_error reserve_section(struct parser *p,
                                             const struct tag *tag,
                                             struct boot_section *section)
{
    struct memory_map *map = &p->out->map;

    if ((section->flags & SHF_ALLOC) != 0 || section->address == 0 ||
        section->size == 0)
        return MULTIBOOT2_OK;
    if (section->address >= map->limit ||
        section->size > map->limit - section->address) {
        section->address = 0;
        section->size = 0;
        return skip(p, tag, MULTIBOOT2_BAD_SECTION);
    }
    if (memory_map_add(map, section->address, section->size,
                       MEMORY_BOOT_INFO) != MM_OK)
        return fail(p, tag, MULTIBOOT2_MAP_FULL);
    return MULTIBOOT2_OK;
}

static enum multiboot2_error parse_sections(struct parser *p,
                                            const struct tag *tag)
{
    struct boot_sections *out = &p->out->sections;
    struct multiboot2_elf_sections table;
    struct boot_section section = {0};

    if (!read(p, tag->contents, 0, &table, sizeof table))
        return skip(p, tag, MULTIBOOT2_TAG_TOO_SHORT);
    if (table.entsize != sizeof section)
        return skip(p, tag, MULTIBOOT2_BAD_SECTIONS);

    uint32_t there =
        (contents_size(tag) - (uint32_t)sizeof table) / sizeof section;
    if (table.num > there) {
        skip(p, tag, MULTIBOOT2_TAG_TOO_SHORT);
        table.num = there;
    }
    if (table.num > BOOT_SECTIONS_MAX)
        skip(p, tag, MULTIBOOT2_SECTION_UNLISTED);
    for (uint32_t i = 0; i < table.num; i++) {
        uint32_t offset = (uint32_t)(sizeof table + i * sizeof section);

        if (!read(p, tag->contents, offset, &section, sizeof section))
            break;
        enum multiboot2_error error = reserve_section(p, tag, &section);
        if (error != MULTIBOOT2_OK)
            return error;
        if (out->count < BOOT_SECTIONS_MAX)
            out->section[out->count++] = section;
    }
    if (table.shndx < out->count)
        out->names = table.shndx;
    else
        skip(p, tag, MULTIBOOT2_BAD_SECTIONS);
    return MULTIBOOT2_OK;
}

static enum multiboot2_error parse_rsdp(struct parser *p, const struct tag *tag)
{
    struct boot_rsdp *rsdp = &p->out->rsdp;
    struct boot_rsdp found =
        tag->type == MULTIBOOT2_TAG_ACPI_OLD
            ? (struct boot_rsdp){.version = 1, .length = 20}
            : (struct boot_rsdp){.version = 2, .length = BOOT_RSDP_MAX};

    if (!read(p, tag->contents, 0, found.bytes, found.length))
        return skip(p, tag, MULTIBOOT2_TAG_TOO_SHORT);
    if (found.version > rsdp->version)
        *rsdp = found;
    return MULTIBOOT2_OK;
}

static enum multiboot2_error parse_efi_table(struct parser *p,
                                             const struct tag *tag)
{
    bool wide = tag->type == MULTIBOOT2_TAG_EFI64;
    uint64_t pointer = 0; /* little-endian: half of it may be read alone */

    if (!read(p, tag->contents, 0, &pointer, wide ? 8 : 4))
        return skip(p, tag, MULTIBOOT2_TAG_TOO_SHORT);
    if (wide)
        p->out->efi_system_table_64 = pointer;
    else
        p->out->efi_system_table_32 = pointer;
    return MULTIBOOT2_OK;
}

static bool has_seen(const struct parser *p, uint32_t type)
{
    return (p->seen & 1u << type) != 0;
}

static enum multiboot2_error parse_tag(struct parser *p, const struct tag *tag)
{
    struct boot_info *out = p->out;

    if (tag->type >= MULTIBOOT2_TAG_TYPES)
        return skip(p, tag, MULTIBOOT2_UNKNOWN_TAG);
    if (has_seen(p, tag->type) && (REPEATED_TAGS & 1u << tag->type) == 0)
        return skip(p, tag, MULTIBOOT2_DUPLICATE_TAG);
    p->seen |= 1u << tag->type;

    switch ((enum multiboot2_tag_type)tag->type) {
    case MULTIBOOT2_TAG_CMDLINE:
        parse_command_line(p, tag);
        return MULTIBOOT2_OK;
    case MULTIBOOT2_TAG_BOOT_LOADER_NAME:
        copy_string(p, tag, 0, out->loader_name, sizeof out->loader_name);
        return MULTIBOOT2_OK;
    case MULTIBOOT2_TAG_MODULE:
        return parse_module(p, tag);
    case MULTIBOOT2_TAG_MMAP:
        p->mmap = *tag;
        return MULTIBOOT2_OK;
    case MULTIBOOT2_TAG_FRAMEBUFFER:
        return parse_framebuffer(p, tag);
    case MULTIBOOT2_TAG_ELF_SECTIONS:
        return parse_sections(p, tag);
    case MULTIBOOT2_TAG_EFI32:
    case MULTIBOOT2_TAG_EFI64:
        return parse_efi_table(p, tag);
    case MULTIBOOT2_TAG_ACPI_OLD:
    case MULTIBOOT2_TAG_ACPI_NEW:
        return parse_rsdp(p, tag);
    case MULTIBOOT2_TAG_EFI_MMAP:
        p->efi_mmap = *tag;
        return MULTIBOOT2_OK;
    case MULTIBOOT2_TAG_EFI_BS:
        out->efi_boot_services_alive = true;
        return MULTIBOOT2_OK;
    case MULTIBOOT2_TAG_END:
    case MULTIBOOT2_TAG_BASIC_MEMINFO: /* its upper memory ends at a hole */
    case MULTIBOOT2_TAG_BOOTDEV:
    case MULTIBOOT2_TAG_VBE:
    case MULTIBOOT2_TAG_APM:
    case MULTIBOOT2_TAG_SMBIOS:
    case MULTIBOOT2_TAG_NETWORK:
    case MULTIBOOT2_TAG_EFI32_IH:
    case MULTIBOOT2_TAG_EFI64_IH:
    case MULTIBOOT2_TAG_LOAD_BASE_ADDR:
    case MULTIBOOT2_TAG_TYPES:
        break;
    }
    return MULTIBOOT2_OK; /* known, and of no use to us */
}

/* Goes from tag to tag up to the end tag. */
static enum multiboot2_error parse_tags(struct parser *p)
{
    const struct span block = {0, p->size};
    struct tag tag = {.offset = sizeof(struct multiboot2_header)};

    for (;;) {
        struct multiboot2_tag header = {0};

        tag.type = MULTIBOOT2_TAG_END;
        if (!read(p, block, tag.offset, &header, sizeof header))
            return fail(p, &tag, MULTIBOOT2_NO_END_TAG);
        tag.type = header.type;
        if (header.size < sizeof header)
            return fail(p, &tag, MULTIBOOT2_TAG_TOO_SMALL);
        uint32_t left = p->size - tag.offset;
        if (header.size > left)
            return fail(p, &tag, MULTIBOOT2_TAG_PAST_END);
        if (tag.type == MULTIBOOT2_TAG_END)
            return MULTIBOOT2_OK;

        tag.contents.start = tag.offset + (uint32_t)sizeof header;
        tag.contents.end = tag.offset + header.size;
        enum multiboot2_error error = parse_tag(p, &tag);
        if (error != MULTIBOOT2_OK)
            return error;

        /* the padding of the last tag may be missing: stop at the end */
        uint64_t step = align_up(header.size, 8);
        tag.offset += step < left ? (uint32_t)step : left;
    }
}

static enum memory_type type_of_entry(uint32_t type)
{
    switch (type) {
    case MULTIBOOT2_MEMORY_AVAILABLE:
        return MEMORY_USABLE;
    case MULTIBOOT2_MEMORY_ACPI_RECLAIMABLE:
        return MEMORY_ACPI_RECLAIMABLE;
    case MULTIBOOT2_MEMORY_NVS:
        return MEMORY_ACPI_NVS;
    case MULTIBOOT2_MEMORY_BADRAM:
        return MEMORY_BAD;
    default: /* GRUB passes on EFI runtime code as 20, for one */
        return MEMORY_RESERVED;
    }
}

/* Number of entries of entry_size bytes in a memory map's tag. */
static uint32_t count_entries(struct parser *p, const struct tag *tag,
                              uint32_t entry_size)
{
    uint32_t bytes =
        contents_size(tag) - (uint32_t)sizeof(struct multiboot2_mmap);

    if (bytes % entry_size != 0)
        skip(p, tag, MULTIBOOT2_TAG_TOO_SHORT);
    return bytes / entry_size;
}

/* The i-th entry as a tag of its own, so that problems tell its offset. */
static struct tag entry_at(const struct tag *tag, uint32_t i,
                           uint32_t entry_size)
{
    uint32_t start = tag->contents.start +
                     (uint32_t)sizeof(struct multiboot2_mmap) + i * entry_size;

    return (struct tag){
        .type = tag->type,
        .offset = start,
        .contents = {start, start + entry_size},
    };
}

/* The loader's map as boot/map_entries.h wants to see it. */
struct mmap_entries {
    struct parser *parser;
    uint32_t entry_size;
};

static bool mmap_entry(void *context, uint32_t i, struct map_entry *entry)
{
    const struct mmap_entries *all = context;
    struct tag tag = entry_at(&all->parser->mmap, i, all->entry_size);
    struct multiboot2_mmap_entry e;

    if (!read(all->parser, tag.contents, 0, &e, sizeof e))
        return false;
    *entry = (struct map_entry){e.base_addr, e.length, type_of_entry(e.type)};
    return true;
}

static void mmap_flaw(void *context, uint32_t i, enum map_entry_flaw flaw)
{
    const struct mmap_entries *all = context;
    struct tag tag = entry_at(&all->parser->mmap, i, all->entry_size);

    skip(all->parser, &tag,
         flaw == MAP_ENTRY_SMALL ? MULTIBOOT2_SMALL_ENTRY
                                 : MULTIBOOT2_BAD_ENTRY);
}

static enum multiboot2_error apply_mmap(struct parser *p)
{
    const struct tag *tag = &p->mmap;
    struct memory_map *map = &p->out->map;
    struct multiboot2_mmap header;

    if (!read(p, tag->contents, 0, &header, sizeof header) ||
        header.entry_size < sizeof(struct multiboot2_mmap_entry))
        return fail(p, tag, MULTIBOOT2_BAD_MEMORY_MAP);

    struct mmap_entries all = {p, header.entry_size};
    struct map_entries entries = {
        .entry = mmap_entry,
        .flaw = mmap_flaw,
        .context = &all,
        .count = count_entries(p, tag, header.entry_size),
    };
    if (!map_entries_lay(map, &entries, &p->losses))
        return fail(p, tag, MULTIBOOT2_MAP_FULL);
    if (memory_map_bytes(map, MEMORY_USABLE) == 0)
        return fail(p, tag, MULTIBOOT2_NO_USABLE_MEMORY);
    return MULTIBOOT2_OK;
}

/* Whether memory of this type would be given out. */
static bool is_general(const struct efi_memory_descriptor *d)
{
    switch (d->type) {
    case EFI_LOADER_CODE:
    case EFI_LOADER_DATA:
    case EFI_BOOT_SERVICES_CODE:
    case EFI_BOOT_SERVICES_DATA:
    case EFI_CONVENTIONAL_MEMORY:
        return true;
    default:
        return false;
    }
}

/* Why memory of a general type is not for general use all the same, or NULL. */
static const char *why_kept(const struct parser *p,
                            const struct efi_memory_descriptor *d)
{
    if (!is_general(d))
        return NULL;
    if ((d->attribute & EFI_MEMORY_SP) != 0)
        return "for a special purpose";
    if ((d->attribute & EFI_MEMORY_NV) != 0)
        return "non-volatile";
    if (p->efi_has_caching && (d->attribute & EFI_MEMORY_WB) == 0)
        return "not write-back";
    return NULL;
}

static enum memory_type
type_of_descriptor(const struct parser *p,
                   const struct efi_memory_descriptor *d)
{
    switch (d->type) {
    case EFI_UNUSABLE_MEMORY:
        return MEMORY_BAD;
    case EFI_ACPI_MEMORY_NVS:
        return MEMORY_ACPI_NVS;
    default:
        break;
    }
    if ((d->attribute & EFI_MEMORY_RUNTIME) != 0 || why_kept(p, d) != NULL)
        return MEMORY_RESERVED;
    switch (d->type) {
    case EFI_LOADER_CODE: /* the loader has done its work */
    case EFI_LOADER_DATA:
    case EFI_CONVENTIONAL_MEMORY:
        return MEMORY_USABLE;
    case EFI_BOOT_SERVICES_CODE:
    case EFI_BOOT_SERVICES_DATA:
        return MEMORY_BOOT_SERVICES;
    case EFI_ACPI_RECLAIM_MEMORY:
        return MEMORY_ACPI_RECLAIMABLE;
    default:
        return MEMORY_RESERVED;
    }
}

/* Boot services are free like other memory, so where the map is full it may as
 * well not tell them apart. */
static enum mm_error raise_boot_services(struct parser *p, uint64_t start,
                                         uint64_t bytes)
{
    enum mm_error error = memory_map_raise(&p->out->map, start, bytes,
                                           MEMORY_USABLE, MEMORY_BOOT_SERVICES);
    if (error != MM_TABLE_FULL)
        return error;
    p->losses.advice++;
    return MM_OK;
}

/* The EFI map only ever restricts what the loader's own map says: it adds no
 * usable memory, and boot services only where that one has usable memory. */
static enum mm_error restrict_map(struct parser *p,
                                  const struct efi_memory_descriptor *d)
{
    enum memory_type type = type_of_descriptor(p, d);
    uint64_t bytes = d->number_of_pages <= UINT64_MAX / SIZE_4K
                         ? d->number_of_pages * SIZE_4K
                         : UINT64_MAX;

    if (type == MEMORY_USABLE || bytes == 0)
        return MM_OK;
    if (type == MEMORY_BOOT_SERVICES && !p->out->efi_boot_services_alive)
        return raise_boot_services(p, d->physical_start, bytes);
    if (type == MEMORY_BOOT_SERVICES)
        type = MEMORY_RESERVED;
    const char *why = why_kept(p, d);
    if (why != NULL && p->efi_kept++ < PROBLEMS_LOGGED)
        platform_log(
            "boot information: the EFI memory 0x%lx-0x%lx is %s: it is "
            "not given out",
            d->physical_start, d->physical_start + bytes - 1, why);
    struct map_entry entry = {d->physical_start, bytes, type};
    return map_restrict(&p->out->map, &entry, &p->losses);
}

/* A descriptor's share of the map.  Its base or length may be nonsense; that is
 * survived. */
static enum multiboot2_error
entry_result(struct parser *p, const struct tag *entry, enum mm_error error)
{
    if (error == MM_OK)
        return MULTIBOOT2_OK;
    if (error == MM_TABLE_FULL)
        return fail(p, entry, MULTIBOOT2_MAP_FULL);
    return skip(p, entry, MULTIBOOT2_BAD_ENTRY);
}

/* Whether the map says of any memory how it can be cached: one that says it of
 * none does not mean that nothing can be. */
static bool efi_tells_caching(struct parser *p, uint32_t count,
                              uint32_t entry_size)
{
    for (uint32_t i = 0; i < count; i++) {
        struct efi_memory_descriptor d = {0};
        struct tag entry = entry_at(&p->efi_mmap, i, entry_size);

        if (!read(p, entry.contents, 0, &d, sizeof d))
            break;
        if ((d.attribute & EFI_MEMORY_CACHING) != 0)
            return true;
    }
    return false;
}

static enum multiboot2_error apply_efi_mmap(struct parser *p)
{
    const struct tag *tag = &p->efi_mmap;
    struct multiboot2_mmap header;
    struct efi_memory_descriptor d;

    if (!read(p, tag->contents, 0, &header, sizeof header) ||
        header.entry_size < sizeof d)
        return skip(p, tag, MULTIBOOT2_BAD_EFI_MAP);

    uint32_t count = count_entries(p, tag, header.entry_size);
    p->efi_has_caching = efi_tells_caching(p, count, header.entry_size);
    for (uint32_t i = 0; i < count; i++) {
        struct tag entry = entry_at(tag, i, header.entry_size);

        if (!read(p, entry.contents, 0, &d, sizeof d))
            break;
        enum multiboot2_error error =
            entry_result(p, &entry, restrict_map(p, &d));
        if (error != MULTIBOOT2_OK)
            return error;
    }
    return MULTIBOOT2_OK;
}

/* Finds out how large the block is. */
static enum multiboot2_error open_block(struct parser *p, size_t readable)
{
    const struct tag start = {.type = MULTIBOOT2_TAG_END};
    struct multiboot2_header header;

    p->size = readable < UINT32_MAX ? (uint32_t)readable : UINT32_MAX;
    if ((p->out->block_start & 7) != 0)
        return fail(p, &start, MULTIBOOT2_MISALIGNED);
    if (!read(p, (struct span){0, p->size}, 0, &header, sizeof header) ||
        header.total_size > p->size)
        return fail(p, &start, MULTIBOOT2_UNREADABLE);
    if (header.total_size < sizeof header)
        return fail(p, &start, MULTIBOOT2_TOO_SMALL);
    p->size = header.total_size;
    p->out->block_size = header.total_size;
    return MULTIBOOT2_OK;
}

enum multiboot2_error multiboot2_parse(const void *info, uint64_t info_address,
                                       size_t readable, unsigned paddr_bits,
                                       struct boot_info *out,
                                       struct multiboot2_problems *problems)
{
    const struct tag nowhere = {.type = MULTIBOOT2_TAG_END};
    struct parser parser = {.block = info, .out = out, .problems = problems};

    memset(out, 0, sizeof *out);
    memset(problems, 0, sizeof *problems);
    out->block_start = info_address;
    memory_map_init(&out->map, paddr_bits);

    enum multiboot2_error error = open_block(&parser, readable);
    if (error == MULTIBOOT2_OK)
        error = parse_tags(&parser);
    if (error == MULTIBOOT2_OK && !has_seen(&parser, MULTIBOOT2_TAG_MMAP))
        error = fail(&parser, &nowhere, MULTIBOOT2_NO_MEMORY_MAP);
    if (error == MULTIBOOT2_OK)
        error = apply_mmap(&parser);
    if (error == MULTIBOOT2_OK && has_seen(&parser, MULTIBOOT2_TAG_EFI_MMAP))
        error = apply_efi_mmap(&parser);
    if (error == MULTIBOOT2_OK)
        map_make_room(&out->map, &parser.losses);
    return error;
}
