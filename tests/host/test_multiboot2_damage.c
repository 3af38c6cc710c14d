/* boot/multiboot2.c on blocks that are cut short at every byte, or have every
 * byte damaged: it names an error or survives, and never reads outside. */
/* sources: boot/map_entries.c */
/* sources: boot/multiboot2.c boot/boot_info.c mm/map/memory_map.c */
/* sources: tests/host/boot_block.c */
#include "tests/host/boot_block.h"

#include <string.h>

#include "lib/bits.h"
#include "tests/host/maps/bios_64m.h"
#include "tests/host/maps/uefi_64m.h"

#define P PAGE_SIZE

/* A small block with a tag of each type. */
static void build_everything(void)
{
    static const struct efi_memory_descriptor d = {
        .type = EFI_BOOT_SERVICES_DATA,
        .physical_start = 8 * MIB,
        .number_of_pages = 2,
    };

    static const struct {
        struct multiboot2_elf_sections table;
        uint32_t section[2 * sizeof(struct boot_section) / 4];
    } elf = {
        .table = {.num = 2, .entsize = sizeof(struct boot_section)},
        .section = {[16 + 4] = 3 * MIB, [16 + 8] = P}, /* address and size */
    };
    static const struct {
        struct multiboot2_framebuffer common;
        struct multiboot2_framebuffer_rgb rgb;
    } framebuffer = {
        {0xfd000000, 4096, 1000, 768, 24, MULTIBOOT2_FRAMEBUFFER_RGB, 0},
        {16, 8, 8, 8, 0, 8},
    };

    begin();
    memory_tag();
    tag(MULTIBOOT2_TAG_ELF_SECTIONS, &elf, sizeof elf);
    string_tag(MULTIBOOT2_TAG_CMDLINE, "selftest");
    string_tag(MULTIBOOT2_TAG_BOOT_LOADER_NAME, "loader");
    module_tag(4 * MIB, 5 * MIB, "module");
    tag(MULTIBOOT2_TAG_FRAMEBUFFER, &framebuffer, 24 + 6);
    tag(MULTIBOOT2_TAG_EFI32, "1234", 4);
    tag(MULTIBOOT2_TAG_EFI64, "12345678", 8);
    tag(MULTIBOOT2_TAG_ACPI_OLD, "RSD PTR 123456789012", 20);
    tag(MULTIBOOT2_TAG_ACPI_NEW, "RSD PTR 1234567890123456789012345678", 36);
    table_tag(MULTIBOOT2_TAG_EFI_MMAP, &d, 1, sizeof d, 48);
    end();
}

static void cut_short_everywhere(const void *bytes, uint32_t size,
                                 uint64_t address)
{
    static _Alignas(8) uint8_t copy[sizeof block];

    memcpy(copy, bytes, size);
    assert_int_equal(parse(copy, size, address), MULTIBOOT2_OK);
    assert_int_equal(problems.count, 0);
    for (uint32_t cut = 0; cut < size; cut++) {
        memcpy(copy, bytes, size);
        assert_int_equal(parse(copy, cut, address), MULTIBOOT2_UNREADABLE);
        memcpy(copy, &cut, sizeof cut);
        enum multiboot2_error error = parse(copy, cut, address);
        if (error != MULTIBOOT2_UNREADABLE && error != MULTIBOOT2_TOO_SMALL &&
            error != MULTIBOOT2_TAG_PAST_END && error != MULTIBOOT2_NO_END_TAG)
            fail_msg("cut at %u: %s", cut, multiboot2_error_name(error));
        /* all of it mapped, but the block says it is shorter */
        if (parse(copy, size, address) == MULTIBOOT2_OK)
            fail_msg("cut at %u was not noticed", cut);
    }
}

static void corrupted_everywhere(const void *bytes, uint32_t size,
                                 uint64_t address, const uint8_t *flips,
                                 unsigned flip_count)
{
    static _Alignas(8) uint8_t copy[sizeof block];

    memcpy(copy, bytes, size);
    for (uint32_t at = 0; at < size; at++)
        for (unsigned i = 0; i < flip_count; i++) {
            copy[at] ^= flips[i];
            if (parse(copy, size, address) == MULTIBOOT2_OK) {
                boot_info_reserve(&info, 0x200000, 0x300000);
                assert_true(memory_map_check(&info.map));
            }
            copy[at] ^= flips[i];
        }
}

static void cut_short(void **state)
{
    (void)state;
    build_everything();
    cut_short_everywhere(block, block_size, BLOCK_ADDRESS);
    cut_short_everywhere(bios_64m, sizeof bios_64m, BIOS_64M_ADDRESS);
    cut_short_everywhere(uefi_64m, sizeof uefi_64m, UEFI_64M_ADDRESS);
}

static void corrupted(void **state)
{
    static const uint8_t bits[] = {1, 2, 4, 8, 16, 32, 64, 128, 255};
    uint8_t all[255];

    (void)state;
    for (unsigned i = 0; i < sizeof all; i++)
        all[i] = (uint8_t)(i + 1);
    build_everything();
    corrupted_everywhere(block, block_size, BLOCK_ADDRESS, all, sizeof all);
    corrupted_everywhere(bios_64m, sizeof bios_64m, BIOS_64M_ADDRESS, bits,
                         sizeof bits);
    corrupted_everywhere(uefi_64m, sizeof uefi_64m, UEFI_64M_ADDRESS, bits,
                         sizeof bits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_short),
        cmocka_unit_test(corrupted),
    };
    return cmocka_run_group_tests_name("multiboot2_damage", tests, NULL, NULL);
}
