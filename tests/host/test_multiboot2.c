/* boot/multiboot2.c: each tag, and each error by name, on blocks built here. */
/* sources: boot/map_entries.c */
/* sources: boot/multiboot2.c mm/map/memory_map.c tests/host/boot_block.c */
#include "tests/host/boot_block.h"

#include <string.h>

#include "lib/bits.h"

#define P           PAGE_SIZE
#define ERROR_COUNT (MULTIBOOT2_SMALL_ENTRY + 1)

static bool seen[ERROR_COUNT];

static enum multiboot2_error parse_block(size_t readable, uint64_t address)
{
    enum multiboot2_error error = parse(block, readable, address);

    if (problems.count > 0)
        seen[problems.last.error] = true;
    return error;
}

static void parses(void)
{
    enum multiboot2_error error = parse_block(block_size, BLOCK_ADDRESS);

    if (error != MULTIBOOT2_OK)
        fail_msg("%s, tag %u at %#x", multiboot2_error_name(error),
                 problems.last.tag, problems.last.offset);
}

static void parses_cleanly(void)
{
    parses();
    if (problems.count > 0)
        fail_msg("%s, tag %u at %#x",
                 multiboot2_error_name(problems.last.error), problems.last.tag,
                 problems.last.offset);
}

static void survives(enum multiboot2_error error, uint32_t type,
                     uint32_t offset)
{
    unsigned lines = host_log_lines;

    parses();
    assert_int_equal(problems.count, 1);
    assert_string_equal(multiboot2_error_name(problems.last.error),
                        multiboot2_error_name(error));
    assert_int_equal(problems.last.tag, type);
    assert_int_equal(problems.last.offset, offset);
    assert_int_equal(host_log_lines, lines + 1);
    assert_non_null(strstr(host_log_last, multiboot2_error_name(error)));
}

static void dies_of(enum multiboot2_error error, uint32_t type, uint32_t offset)
{
    enum multiboot2_error got = parse_block(block_size, BLOCK_ADDRESS);

    assert_string_equal(multiboot2_error_name(got),
                        multiboot2_error_name(error));
    assert_int_equal(problems.last.tag, type);
    assert_int_equal(problems.last.offset, offset);
}

static void the_smallest_block(void **state)
{
    static const struct memory_range expect[] = {
        {0, 0x9f000, MEMORY_USABLE},
        {0x9f000, 0xa0000, MEMORY_RESERVED},
        {MIB, 64 * MIB, MEMORY_USABLE},
    };

    (void)state;
    begin();
    memory_tag();
    end();
    parses_cleanly();
    expect_map(expect, 3);
    assert_string_equal(info.command_line, "");
    assert_int_equal(info.module_count, 0);
    assert_int_equal(info.framebuffer.kind, BOOT_FRAMEBUFFER_NONE);
    assert_int_equal(info.rsdp.version, 0);
    assert_int_equal(info.sections.count, 0);
}

static void blocks_that_are_none(void **state)
{
    uint32_t size;

    (void)state;
    begin();
    memory_tag();
    end();
    assert_int_equal(parse_block(block_size, BLOCK_ADDRESS + 4),
                     MULTIBOOT2_MISALIGNED);
    assert_int_equal(parse_block(0, BLOCK_ADDRESS), MULTIBOOT2_UNREADABLE);
    assert_int_equal(parse_block(7, BLOCK_ADDRESS), MULTIBOOT2_UNREADABLE);
    assert_int_equal(parse_block(block_size - 1, BLOCK_ADDRESS),
                     MULTIBOOT2_UNREADABLE);
    for (size = 0; size < 8; size++) {
        memcpy(block, &size, sizeof size);
        dies_of(MULTIBOOT2_TOO_SMALL, 0, 0);
    }
    size = UINT32_MAX;
    memcpy(block, &size, sizeof size);
    dies_of(MULTIBOOT2_UNREADABLE, 0, 0);
    begin();
    dies_of(MULTIBOOT2_NO_END_TAG, 0, 8);
}

static void tags_that_lie_about_their_size(void **state)
{
    static const uint32_t sizes[] = {0, 1, 7, 24, 25, 0x7fffffff, UINT32_MAX};

    (void)state;
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        begin();
        memory_tag();
        uint32_t offset = tag(MULTIBOOT2_TAG_VBE, "12345678", 8);
        end();
        memcpy(block + offset + 4, &sizes[i], 4);
        if (sizes[i] == 24) /* swallows the end tag */
            dies_of(MULTIBOOT2_NO_END_TAG, 0, block_size);
        else
            dies_of(sizes[i] < 8 ? MULTIBOOT2_TAG_TOO_SMALL
                                 : MULTIBOOT2_TAG_PAST_END,
                    MULTIBOOT2_TAG_VBE, offset);
    }
}

static void no_end_tag(void **state)
{
    (void)state;
    begin();
    memory_tag();
    dies_of(MULTIBOOT2_NO_END_TAG, 0, block_size);
    put(&(uint32_t){0}, 4); /* half of one */
    dies_of(MULTIBOOT2_NO_END_TAG, 0, block_size - 4);

    begin();
    memory_tag();
    uint32_t offset = string_tag(MULTIBOOT2_TAG_CMDLINE, "unpadded");
    block_size = offset + 8 + 9;
    memcpy(block, &block_size, 4);
    dies_of(MULTIBOOT2_NO_END_TAG, 0, block_size);
}

static void no_memory_map(void **state)
{
    static const struct multiboot2_mmap_entry reserved = {MIB, MIB, 2, 0};
    static const struct multiboot2_mmap short_entries = {23, 0};

    (void)state;
    begin();
    end();
    dies_of(MULTIBOOT2_NO_MEMORY_MAP, 0, 0);

    begin();
    uint32_t offset = tag(MULTIBOOT2_TAG_MMAP, "1234567", 7);
    end();
    dies_of(MULTIBOOT2_BAD_MEMORY_MAP, MULTIBOOT2_TAG_MMAP, offset);

    begin();
    offset = tag(MULTIBOOT2_TAG_MMAP, &short_entries, sizeof short_entries);
    end();
    dies_of(MULTIBOOT2_BAD_MEMORY_MAP, MULTIBOOT2_TAG_MMAP, offset);

    begin();
    offset = table_tag(MULTIBOOT2_TAG_MMAP, &reserved, 0, 24, 24);
    end();
    dies_of(MULTIBOOT2_NO_USABLE_MEMORY, MULTIBOOT2_TAG_MMAP, offset);

    begin();
    offset = table_tag(MULTIBOOT2_TAG_MMAP, &reserved, 1, 24, 24);
    end();
    dies_of(MULTIBOOT2_NO_USABLE_MEMORY, MULTIBOOT2_TAG_MMAP, offset);
}

static void entries_of_all_types_and_sizes(void **state)
{
    static const struct multiboot2_mmap_entry entries[] = {
        {7 * P, P, 20, 0}, {0, P, 1, 0},     {P, P, 2, 0},     {2 * P, P, 3, 0},
        {3 * P, P, 4, 0},  {4 * P, P, 5, 0}, {5 * P, P, 0, 0}, {9 * P, P, 6, 0},
    };
    static const struct memory_range expect[] = {
        {0, P, MEMORY_USABLE},
        {P, 2 * P, MEMORY_RESERVED},
        {2 * P, 3 * P, MEMORY_ACPI_RECLAIMABLE},
        {3 * P, 4 * P, MEMORY_ACPI_NVS},
        {4 * P, 5 * P, MEMORY_BAD},
        {5 * P, 6 * P, MEMORY_RESERVED},
        {7 * P, 8 * P, MEMORY_RESERVED},
        {9 * P, 10 * P, MEMORY_RESERVED},
    };

    (void)state;
    for (uint32_t entry_size = 24; entry_size <= 56; entry_size += 8) {
        begin();
        table_tag(MULTIBOOT2_TAG_MMAP, entries, 8, 24, entry_size);
        end();
        parses_cleanly();
        expect_map(expect, 8);
    }
}

static void entries_that_are_nonsense(void **state)
{
    struct multiboot2_mmap_entry entries[] = {
        {0, MIB, MULTIBOOT2_MEMORY_AVAILABLE, 0},
        {MIB, 0, 2, 0},
    };

    (void)state;
    begin();
    uint32_t offset = table_tag(MULTIBOOT2_TAG_MMAP, entries, 2, 24, 24);
    end();
    parses_cleanly(); /* an empty one says nothing */

    entries[1] = (struct multiboot2_mmap_entry){TIB, P, 1, 0};
    begin();
    table_tag(MULTIBOOT2_TAG_MMAP, entries, 2, 24, 24);
    end();
    survives(MULTIBOOT2_BAD_ENTRY, MULTIBOOT2_TAG_MMAP, offset + 16 + 24);

    entries[1] = (struct multiboot2_mmap_entry){2 * MIB + 1, P, 1, 0};
    begin();
    table_tag(MULTIBOOT2_TAG_MMAP, entries, 2, 24, 24);
    end();
    survives(MULTIBOOT2_SMALL_ENTRY, MULTIBOOT2_TAG_MMAP, offset + 16 + 24);

    begin(); /* a map that ends in the middle of an entry */
    tag(MULTIBOOT2_TAG_VBE, NULL, 0);
    offset = memory_tag();
    uint32_t size = 8 + 8 + 2 * 24 + 20;
    memcpy(block + offset + 4, &size, 4);
    end();
    survives(MULTIBOOT2_TAG_TOO_SHORT, MULTIBOOT2_TAG_MMAP, offset);
    assert_int_equal(info.map.count, 2);
}

static void more_memory_ranges_than_fit(void **state)
{
    static struct multiboot2_mmap_entry entries[MEMORY_MAP_MAX + 1];
    static struct multiboot2_module one = {MIB, MIB + 1};

    (void)state;
    for (unsigned i = 0; i <= MEMORY_MAP_MAX; i++)
        entries[i] = (struct multiboot2_mmap_entry){4 * i * P, P, 1, 0};
    begin();
    table_tag(MULTIBOOT2_TAG_MMAP, entries, MEMORY_MAP_MAX + 1, 24, 24);
    end();
    parses_cleanly();
    assert_in_range(info.map.count, 400, MEMORY_MAP_MAX - 20);
    assert_non_null(strstr(host_log_last, "KiB of usable memory, the smallest "
                                          "ranges, are not used"));

    begin();
    uint32_t offset = 0;
    for (unsigned i = 0; i <= MEMORY_MAP_MAX; i++) {
        one.mod_start = (uint32_t)(2 * i * P);
        one.mod_end = one.mod_start + 1;
        offset = tag(MULTIBOOT2_TAG_MODULE, &one, sizeof one);
    }
    end();
    dies_of(MULTIBOOT2_MAP_FULL, MULTIBOOT2_TAG_MODULE, offset);
}

static void strings(void **state)
{
    char text[4001];

    (void)state;
    memset(text, 'x', sizeof text);
    text[4000] = '\0';
    begin();
    memory_tag();
    uint32_t offset = string_tag(MULTIBOOT2_TAG_CMDLINE, text);
    end();
    survives(MULTIBOOT2_STRING_CUT, MULTIBOOT2_TAG_CMDLINE, offset);
    assert_true(info.command_line_cut && info.command_word_cut);
    assert_int_equal(strlen(info.command_line), BOOT_COMMAND_LINE_MAX - 1);

    text[BOOT_COMMAND_LINE_MAX - 1] = ' '; /* the last word is whole */
    begin();
    memory_tag();
    offset = string_tag(MULTIBOOT2_TAG_CMDLINE, text);
    end();
    survives(MULTIBOOT2_STRING_CUT, MULTIBOOT2_TAG_CMDLINE, offset);
    assert_true(info.command_line_cut && !info.command_word_cut);

    text[BOOT_COMMAND_LINE_MAX - 1] = '\0'; /* the longest that fits */
    begin();
    memory_tag();
    string_tag(MULTIBOOT2_TAG_CMDLINE, text);
    end();
    parses_cleanly();
    assert_false(info.command_line_cut);
    assert_string_equal(info.command_line, text);

    begin();
    memory_tag();
    offset = tag(MULTIBOOT2_TAG_CMDLINE, "no end", 6);
    end();
    survives(MULTIBOOT2_UNTERMINATED, MULTIBOOT2_TAG_CMDLINE, offset);
    assert_true(!info.command_line_cut && info.command_word_cut);
    assert_string_equal(info.command_line, "no end");

    begin();
    memory_tag();
    offset = tag(MULTIBOOT2_TAG_BOOT_LOADER_NAME, NULL, 0);
    end();
    survives(MULTIBOOT2_UNTERMINATED, MULTIBOOT2_TAG_BOOT_LOADER_NAME, offset);
    assert_string_equal(info.loader_name, "");

    begin();
    memory_tag();
    text[BOOT_LOADER_NAME_MAX] = '\0';
    offset = string_tag(MULTIBOOT2_TAG_BOOT_LOADER_NAME, text);
    end();
    survives(MULTIBOOT2_STRING_CUT, MULTIBOOT2_TAG_BOOT_LOADER_NAME, offset);
    assert_int_equal(strlen(info.loader_name), BOOT_LOADER_NAME_MAX - 1);
}

static void modules(void **state)
{
    uint32_t offset = 0;

    (void)state;
    begin();
    memory_tag();
    for (unsigned i = 0; i <= BOOT_MODULES_MAX; i++)
        offset = module_tag((uint32_t)((16 + 2 * i) * MIB),
                            (uint32_t)((16 + 2 * i) * MIB + 100 + i), "m");
    end();
    survives(MULTIBOOT2_MODULE_UNLISTED, MULTIBOOT2_TAG_MODULE, offset);
    assert_int_equal(info.module_count, BOOT_MODULES_MAX);
    assert_int_equal(info.module[1].start, 18 * MIB);
    assert_int_equal(info.module[1].end, 18 * MIB + 101);
    assert_int_equal(memory_map_bytes(&info.map, MEMORY_MODULE),
                     (BOOT_MODULES_MAX + 1) * P);

    begin();
    memory_tag();
    module_tag(MIB, MIB, "empty");
    end();
    parses_cleanly();
    assert_int_equal(info.module_count, 1);
    assert_string_equal(info.module[0].string, "empty");
    assert_int_equal(memory_map_bytes(&info.map, MEMORY_MODULE), 0);

    begin();
    memory_tag();
    offset = module_tag(2 * MIB, 2 * MIB - 1, "backwards");
    end();
    survives(MULTIBOOT2_BAD_MODULE, MULTIBOOT2_TAG_MODULE, offset);
    assert_int_equal(info.module_count, 0);
    assert_int_equal(memory_map_bytes(&info.map, MEMORY_MODULE), 0);

    begin(); /* beyond what a CPU of 24 bits can address */
    memory_tag();
    module_tag(15 * MIB, 16 * MIB, "inside");
    offset = module_tag(15 * MIB, 16 * MIB + 1, "outside");
    end();
    assert_int_equal(multiboot2_parse(block, BLOCK_ADDRESS, block_size, 24,
                                      &info, &problems),
                     MULTIBOOT2_OK);
    assert_int_equal(problems.count, 1);
    assert_int_equal(problems.last.error, MULTIBOOT2_BAD_MODULE);
    assert_int_equal(problems.last.offset, offset);
    assert_int_equal(info.module_count, 1);

    begin();
    memory_tag();
    offset = tag(MULTIBOOT2_TAG_MODULE, "1234567", 7);
    end();
    survives(MULTIBOOT2_TAG_TOO_SHORT, MULTIBOOT2_TAG_MODULE, offset);
}

struct framebuffer_contents {
    struct multiboot2_framebuffer common;
    struct multiboot2_framebuffer_rgb rgb;
};

static const struct framebuffer_contents good_framebuffer = {
    {0xfd000000, 4096, 1000, 768, 24, MULTIBOOT2_FRAMEBUFFER_RGB, 0},
    {16, 8, 8, 8, 0, 8},
};

static uint32_t framebuffer_block(const struct framebuffer_contents *fb,
                                  size_t size)
{
    begin();
    memory_tag();
    uint32_t offset = tag(MULTIBOOT2_TAG_FRAMEBUFFER, fb, size);
    end();
    return offset;
}

static void framebuffers(void **state)
{
    enum { WITH_RGB = 24 + 6 };
    struct framebuffer_contents fb = good_framebuffer;
    uint32_t offset = framebuffer_block(&fb, WITH_RGB);

    (void)state;
    parses_cleanly();
    assert_int_equal(info.framebuffer.bits_per_pixel, 24);
    assert_int_equal(info.framebuffer.width, 1000);

    framebuffer_block(&fb, 23);
    survives(MULTIBOOT2_TAG_TOO_SHORT, MULTIBOOT2_TAG_FRAMEBUFFER, offset);
    assert_int_equal(info.framebuffer.kind, BOOT_FRAMEBUFFER_NONE);
    framebuffer_block(&fb, 29);
    survives(MULTIBOOT2_TAG_TOO_SHORT, MULTIBOOT2_TAG_FRAMEBUFFER, offset);
    assert_int_equal(info.framebuffer.kind, BOOT_FRAMEBUFFER_NONE);

    fb.common.addr = 64 * GIB; /* above 4 GiB, and of an odd pitch */
    fb.common.pitch = 3001;
    framebuffer_block(&fb, WITH_RGB);
    parses_cleanly();
    assert_int_equal(info.framebuffer.address, 64 * GIB);
    assert_int_equal(info.framebuffer.pitch, 3001);

    fb.common = (struct multiboot2_framebuffer){
        0xb8000, 160, 80, 25, 16, MULTIBOOT2_FRAMEBUFFER_EGA_TEXT, 0};
    framebuffer_block(&fb, 24);
    parses_cleanly();
    assert_int_equal(info.framebuffer.kind, BOOT_FRAMEBUFFER_TEXT);

    fb.common.type = MULTIBOOT2_FRAMEBUFFER_INDEXED;
    framebuffer_block(&fb, 24);
    parses_cleanly();
    assert_int_equal(info.framebuffer.kind, BOOT_FRAMEBUFFER_INDEXED);
}

static void framebuffers_that_contradict_themselves(void **state)
{
    struct framebuffer_contents bad[16];
    unsigned count = 0;

    (void)state;
    for (unsigned i = 0; i < 16; i++)
        bad[i] = good_framebuffer;
    bad[count++].common.pitch = 2999;
    bad[count++].common.width = 0;
    bad[count++].common.height = 0;
    bad[count++].common.pitch = 0;
    bad[count++].common.bpp = 0;
    bad[count].common.pitch = 8192;
    bad[count++].common.bpp = 33;
    bad[count++].common.type = 3;
    bad[count++].common.type = 255;
    bad[count++].common.addr = TIB;
    bad[count++].common.addr = UINT64_MAX;
    bad[count++].common.addr = TIB - P;
    bad[count++].common.height = UINT32_MAX;
    bad[count++].rgb.red_field_position = 17;
    bad[count++].rgb.green_mask_size = 255;
    bad[count++].rgb.blue_field_position = 255;
    for (unsigned i = 0; i < count; i++) {
        uint32_t offset = framebuffer_block(&bad[i], 24 + 6);
        survives(MULTIBOOT2_BAD_FRAMEBUFFER, MULTIBOOT2_TAG_FRAMEBUFFER,
                 offset);
        assert_int_equal(info.framebuffer.kind, BOOT_FRAMEBUFFER_NONE);
    }
}

static struct {
    struct multiboot2_elf_sections table;
    struct boot_section section[BOOT_SECTIONS_MAX + 1];
} elf;

/* A block with that many sections of which bytes say size. */
static uint32_t sections_block(uint32_t count, size_t size)
{
    uint8_t contents[sizeof elf];

    elf.table.num = count;
    memcpy(contents, &elf.table, sizeof elf.table);
    memcpy(contents + sizeof elf.table, elf.section, sizeof elf.section);
    begin();
    memory_tag();
    uint32_t offset = tag(MULTIBOOT2_TAG_ELF_SECTIONS, contents, size);
    end();
    return offset;
}

static void sections(void **state)
{
    enum { ALLOC = 2, HEADER = 64 };
    uint32_t offset = sections_block(0, 11);

    (void)state;
    survives(MULTIBOOT2_TAG_TOO_SHORT, MULTIBOOT2_TAG_ELF_SECTIONS, offset);

    memset(&elf, 0, sizeof elf);
    elf.table.entsize = 40; /* ELF32 */
    sections_block(1, 12 + 40);
    survives(MULTIBOOT2_BAD_SECTIONS, MULTIBOOT2_TAG_ELF_SECTIONS, offset);

    elf.table.entsize = HEADER;
    elf.table.shndx = 2;
    elf.section[1].flags = ALLOC;
    elf.section[1].address = 0xffffffff80000000;
    elf.section[1].size = MIB;
    elf.section[2].address = 3 * MIB - 1;
    elf.section[2].size = 2;
    elf.section[3].size = P; /* placed nowhere */
    sections_block(4, 12 + 4 * HEADER);
    parses_cleanly();
    assert_int_equal(info.sections.count, 4);
    assert_int_equal(info.sections.names, 2);
    assert_int_equal(info.sections.section[2].address, 3 * MIB - 1);
    assert_int_equal(memory_map_bytes(&info.map, MEMORY_BOOT_INFO), 2 * P);

    sections_block(5, 12 + 4 * HEADER + 63);
    survives(MULTIBOOT2_TAG_TOO_SHORT, MULTIBOOT2_TAG_ELF_SECTIONS, offset);
    assert_int_equal(info.sections.count, 4);
    sections_block(UINT32_MAX, 12 + 4 * HEADER);
    survives(MULTIBOOT2_TAG_TOO_SHORT, MULTIBOOT2_TAG_ELF_SECTIONS, offset);
    assert_int_equal(info.sections.count, 4);

    elf.table.shndx = 4;
    sections_block(4, 12 + 4 * HEADER);
    survives(MULTIBOOT2_BAD_SECTIONS, MULTIBOOT2_TAG_ELF_SECTIONS, offset);
    assert_int_equal(info.sections.names, 0);

    elf.table.shndx = 2;
    elf.section[2].size = UINT64_MAX;
    sections_block(4, 12 + 4 * HEADER);
    survives(MULTIBOOT2_BAD_SECTION, MULTIBOOT2_TAG_ELF_SECTIONS, offset);
    assert_int_equal(info.sections.section[2].address, 0);
    assert_int_equal(info.sections.section[2].size, 0);
    elf.section[2].address = TIB;
    sections_block(4, 12 + 4 * HEADER);
    survives(MULTIBOOT2_BAD_SECTION, MULTIBOOT2_TAG_ELF_SECTIONS, offset);

    elf.section[2].size = 0;
    elf.section[BOOT_SECTIONS_MAX].address = 5 * MIB;
    elf.section[BOOT_SECTIONS_MAX].size = 1;
    sections_block(BOOT_SECTIONS_MAX + 1,
                   12 + HEADER * (BOOT_SECTIONS_MAX + 1));
    survives(MULTIBOOT2_SECTION_UNLISTED, MULTIBOOT2_TAG_ELF_SECTIONS, offset);
    assert_int_equal(info.sections.count, BOOT_SECTIONS_MAX);
    assert_int_equal(memory_map_find(&info.map, 5 * MIB)->type,
                     MEMORY_BOOT_INFO);
}

static void root_pointers(void **state)
{
    static const char v1[] = "RSD PTR 12345678 v1.";
    static const char v2[] = "RSD PTR 12345678 v2.................more";

    (void)state;
    for (unsigned order = 0; order < 2; order++) {
        begin();
        memory_tag();
        if (order == 0)
            tag(MULTIBOOT2_TAG_ACPI_OLD, v1, 20);
        tag(MULTIBOOT2_TAG_ACPI_NEW, v2, 40); /* more than we keep */
        if (order == 1)
            tag(MULTIBOOT2_TAG_ACPI_OLD, v1, 20);
        end();
        parses_cleanly();
        assert_int_equal(info.rsdp.version, 2);
        assert_int_equal(info.rsdp.length, 36);
        assert_memory_equal(info.rsdp.bytes, v2, 36);
    }

    begin();
    memory_tag();
    tag(MULTIBOOT2_TAG_ACPI_OLD, v1, 20);
    uint32_t offset = tag(MULTIBOOT2_TAG_ACPI_NEW, v2, 35);
    end();
    survives(MULTIBOOT2_TAG_TOO_SHORT, MULTIBOOT2_TAG_ACPI_NEW, offset);
    assert_int_equal(info.rsdp.version, 1);
    assert_memory_equal(info.rsdp.bytes, v1, 20);

    begin();
    memory_tag();
    offset = tag(MULTIBOOT2_TAG_ACPI_OLD, v1, 19);
    end();
    survives(MULTIBOOT2_TAG_TOO_SHORT, MULTIBOOT2_TAG_ACPI_OLD, offset);
    assert_int_equal(info.rsdp.version, 0);
}

static void efi_tables(void **state)
{
    static const uint64_t wide = 0x123456789a;
    static const uint32_t narrow = 0xfedcba98;

    (void)state;
    begin();
    memory_tag();
    tag(MULTIBOOT2_TAG_EFI64, &wide, 8);
    tag(MULTIBOOT2_TAG_EFI32, &narrow, 4);
    end();
    parses_cleanly();
    assert_int_equal(info.efi_system_table_64, wide);
    assert_int_equal(info.efi_system_table_32, narrow);

    begin();
    memory_tag();
    uint32_t offset = tag(MULTIBOOT2_TAG_EFI64, &wide, 7);
    end();
    survives(MULTIBOOT2_TAG_TOO_SHORT, MULTIBOOT2_TAG_EFI64, offset);
    assert_int_equal(info.efi_system_table_64, 0);
}

/* One descriptor of a page for each type, at 2 MiB and 16 pages apart. */
static void put_efi_types(uint32_t descriptor_size, uint64_t attribute)
{
    struct efi_memory_descriptor d[18];

    memset(d, 0, sizeof d);
    for (unsigned i = 0; i < 18; i++) {
        d[i].type = i < 17 ? i : 0x80000000;
        d[i].physical_start = 2 * MIB + i * 16 * P;
        d[i].number_of_pages = 1;
        d[i].attribute = attribute;
    }
    begin();
    table_tag(MULTIBOOT2_TAG_EFI_MMAP, d, 18, sizeof d[0], descriptor_size);
    memory_tag();
}

static enum memory_type efi_type_in_map(unsigned type)
{
    return memory_map_find(&info.map, 2 * MIB + type * 16 * P)->type;
}

static void efi_map(void **state)
{
    static const enum memory_type expect[18] = {
        MEMORY_RESERVED,         MEMORY_USABLE,        MEMORY_USABLE,
        MEMORY_BOOT_SERVICES,    MEMORY_BOOT_SERVICES, MEMORY_RESERVED,
        MEMORY_RESERVED,         MEMORY_USABLE,        MEMORY_BAD,
        MEMORY_ACPI_RECLAIMABLE, MEMORY_ACPI_NVS,      MEMORY_RESERVED,
        MEMORY_RESERVED,         MEMORY_RESERVED,      MEMORY_RESERVED,
        MEMORY_RESERVED,         MEMORY_RESERVED,      MEMORY_RESERVED,
    };

    (void)state;
    for (uint32_t size = 40; size <= 64; size += 8) {
        put_efi_types(size, 0xf);
        end();
        parses_cleanly();
        for (unsigned i = 0; i < 18; i++)
            assert_int_equal(efi_type_in_map(i), expect[i]);
    }

    put_efi_types(48, EFI_MEMORY_RUNTIME);
    end();
    parses_cleanly();
    for (unsigned i = 0; i < 18; i++)
        assert_true(efi_type_in_map(i) >= MEMORY_ACPI_NVS);
    assert_int_equal(efi_type_in_map(EFI_CONVENTIONAL_MEMORY), MEMORY_RESERVED);
    assert_int_equal(efi_type_in_map(EFI_UNUSABLE_MEMORY), MEMORY_BAD);

    put_efi_types(48, 0); /* the loader has not left boot services */
    tag(MULTIBOOT2_TAG_EFI_BS, NULL, 0);
    end();
    parses_cleanly();
    assert_true(info.efi_boot_services_alive);
    assert_int_equal(efi_type_in_map(EFI_BOOT_SERVICES_CODE), MEMORY_RESERVED);
    assert_int_equal(efi_type_in_map(EFI_BOOT_SERVICES_DATA), MEMORY_RESERVED);
    assert_int_equal(efi_type_in_map(EFI_CONVENTIONAL_MEMORY), MEMORY_USABLE);
}

/* Of the types that are given out, what the attributes speak against is not. */
static void efi_attributes(void **state)
{
    static const struct {
        uint64_t attribute;
        const char *why; /* or NULL: it is given out */
    } rows[] = {
        {0xf, NULL},
        {EFI_MEMORY_WB, NULL},
        {0xf | EFI_MEMORY_SP, "is for a special purpose: it is not given out"},
        {0xf | EFI_MEMORY_NV, "is non-volatile: it is not given out"},
        {0x7, "is not write-back: it is not given out"},
        {EFI_MEMORY_UC, "is not write-back: it is not given out"},
        {0x3f010, "is non-volatile"},
        {0x4007f000 & ~(EFI_MEMORY_NV | EFI_MEMORY_SP),
         NULL},    /* of protection */
        {0, NULL}, /* a map that says it of nothing */
    };
    static const unsigned general[] = {1, 2, 3, 4, 7};

    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        put_efi_types(48, rows[i].attribute);
        end();
        parses_cleanly();
        for (unsigned j = 0; j < 5; j++)
            if (rows[i].why != NULL)
                assert_int_equal(efi_type_in_map(general[j]), MEMORY_RESERVED);
            else
                assert_true(memory_type_is_free(efi_type_in_map(general[j])));
        assert_int_equal(efi_type_in_map(EFI_ACPI_RECLAIM_MEMORY),
                         MEMORY_ACPI_RECLAIMABLE);
        if (rows[i].why != NULL) {
            assert_non_null(strstr(host_log_last, "0x270000-0x270fff is "));
            assert_non_null(strstr(host_log_last, rows[i].why));
        }
    }
}

static void efi_maps_that_are_nonsense(void **state)
{
    static const struct efi_memory_descriptor bad[] = {
        {.type = 0, .physical_start = MIB, .number_of_pages = 0},
        {.type = 0, .physical_start = TIB, .number_of_pages = 1},
        {.type = 4, .physical_start = UINT64_MAX, .number_of_pages = 1},
    };
    static const struct efi_memory_descriptor endless = {
        .type = 0,
        .physical_start = 32 * MIB + 1,
        /* in bytes, 2^64 */
        .number_of_pages = UINT64_C(1) << 52,
    };
    static const struct efi_memory_descriptor adds[] = {
        {.type = 7, .physical_start = GIB, .number_of_pages = 9},
        {.type = 4, .physical_start = 2 * GIB, .number_of_pages = 9},
        {.type = 4, .physical_start = 0x9f000, .number_of_pages = 1},
    };

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        begin();
        memory_tag();
        uint32_t offset =
            table_tag(MULTIBOOT2_TAG_EFI_MMAP, &bad[i], 1, 40, 40);
        end();
        if (bad[i].number_of_pages == 0) /* it says nothing */
            parses_cleanly();
        else
            survives(MULTIBOOT2_BAD_ENTRY, MULTIBOOT2_TAG_EFI_MMAP,
                     offset + 16);
        assert_int_equal(info.map.count, 3);
    }

    begin();
    memory_tag();
    table_tag(MULTIBOOT2_TAG_EFI_MMAP, &endless, 1, 40, 40);
    end();
    parses_cleanly();
    assert_int_equal(memory_map_find(&info.map, TIB - 1)->type,
                     MEMORY_RESERVED);
    assert_int_equal(memory_map_find(&info.map, 32 * MIB - 1)->type,
                     MEMORY_USABLE);

    begin(); /* the EFI map adds no memory, and takes no reservation back */
    memory_tag();
    table_tag(MULTIBOOT2_TAG_EFI_MMAP, adds, 3, 40, 40);
    end();
    parses_cleanly();
    assert_int_equal(info.map.count, 3);
    assert_int_equal(memory_map_find(&info.map, 0x9f000)->type,
                     MEMORY_RESERVED);

    begin();
    memory_tag();
    uint32_t offset = table_tag(MULTIBOOT2_TAG_EFI_MMAP, &endless, 1, 32, 32);
    end();
    survives(MULTIBOOT2_BAD_EFI_MAP, MULTIBOOT2_TAG_EFI_MMAP, offset);

    begin();
    memory_tag();
    offset = tag(MULTIBOOT2_TAG_EFI_MMAP, NULL, 0);
    end();
    survives(MULTIBOOT2_BAD_EFI_MAP, MULTIBOOT2_TAG_EFI_MMAP, offset);
}

static void unknown_and_repeated_tags(void **state)
{
    static const uint32_t unknown[] = {22, 31, 32, 33, 64, UINT32_MAX};

    (void)state;
    for (unsigned i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        begin();
        uint32_t offset = tag(unknown[i], "whatever", 8);
        memory_tag();
        end();
        survives(MULTIBOOT2_UNKNOWN_TAG, unknown[i], offset);
    }

    begin();
    memory_tag();
    string_tag(MULTIBOOT2_TAG_CMDLINE, "first");
    uint32_t offset = string_tag(MULTIBOOT2_TAG_CMDLINE, "second");
    end();
    survives(MULTIBOOT2_DUPLICATE_TAG, MULTIBOOT2_TAG_CMDLINE, offset);
    assert_string_equal(info.command_line, "first");

    begin();
    tag(MULTIBOOT2_TAG_SMBIOS, NULL, 0);
    tag(MULTIBOOT2_TAG_SMBIOS, NULL, 0);
    tag(MULTIBOOT2_TAG_NETWORK, NULL, 0);
    tag(MULTIBOOT2_TAG_NETWORK, NULL, 0);
    memory_tag();
    end();
    parses_cleanly();
}

static void damage_does_not_flood_the_log(void **state)
{
    (void)state;
    begin();
    memory_tag();
    for (unsigned i = 0; i < 1000; i++)
        tag(1000 + i, NULL, 0);
    end();
    unsigned lines = host_log_lines;
    parses();
    assert_int_equal(problems.count, 1000);
    assert_int_equal(problems.last.tag, 1999);
    assert_true(host_log_lines - lines < 20);
}

/* The last test: what the others have met. */
static void every_error_was_seen(void **state)
{
    (void)state;
    for (unsigned i = MULTIBOOT2_OK + 1; i < ERROR_COUNT; i++) {
        if (!seen[i])
            fail_msg("%s never happened", multiboot2_error_name(i));
        assert_true(strlen(multiboot2_error_text(i)) > 0);
    }
    assert_string_equal(multiboot2_error_name(MULTIBOOT2_OK), "MULTIBOOT2_OK");
    assert_string_equal(multiboot2_error_name(ERROR_COUNT),
                        "MULTIBOOT2_UNKNOWN");
    assert_string_equal(multiboot2_error_text(ERROR_COUNT),
                        "an error without a name");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_block),
        cmocka_unit_test(blocks_that_are_none),
        cmocka_unit_test(tags_that_lie_about_their_size),
        cmocka_unit_test(no_end_tag),
        cmocka_unit_test(no_memory_map),
        cmocka_unit_test(entries_of_all_types_and_sizes),
        cmocka_unit_test(entries_that_are_nonsense),
        cmocka_unit_test(more_memory_ranges_than_fit),
        cmocka_unit_test(strings),
        cmocka_unit_test(modules),
        cmocka_unit_test(framebuffers),
        cmocka_unit_test(framebuffers_that_contradict_themselves),
        cmocka_unit_test(sections),
        cmocka_unit_test(root_pointers),
        cmocka_unit_test(efi_tables),
        cmocka_unit_test(efi_map),
        cmocka_unit_test(efi_attributes),
        cmocka_unit_test(efi_maps_that_are_nonsense),
        cmocka_unit_test(unknown_and_repeated_tags),
        cmocka_unit_test(damage_does_not_flood_the_log),
        cmocka_unit_test(every_error_was_seen),
    };
    return cmocka_run_group_tests_name("multiboot2", tests, NULL, NULL);
}
