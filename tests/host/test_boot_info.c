/* What GRUB really left under BIOS and UEFI, from its block to the map with
 * everything cut out that is in use; and boot/boot_info.c alone. */
/* sources: boot/map_entries.c */
/* sources: boot/multiboot2.c boot/boot_info.c mm/map/memory_map.c */
/* sources: tests/host/boot_block.c */
#include "tests/host/boot_block.h"

#include <string.h>

#include "lib/bits.h"
#include "tests/host/maps/bios_4g.h"
#include "tests/host/maps/bios_64m.h"
#include "tests/host/maps/uefi_4g.h"
#include "tests/host/maps/uefi_64m.h"

#define P PAGE_SIZE

static void bios_block(void **state)
{
    static const struct memory_range expect[] = {
        {0x0, 0x9f000, MEMORY_LOW},
        {0x9f000, 0xa0000, MEMORY_RESERVED},
        {0xf0000, 0x100000, MEMORY_RESERVED},
        {0x100000, 0x101000, MEMORY_BOOT_INFO},
        {0x101000, 0x102000, MEMORY_MODULE},
        {0x102000, 0x200000, MEMORY_USABLE},
        {0x200000, 0x202000, MEMORY_KERNEL},
        {0x202000, 0x7ffdf000, MEMORY_USABLE},
        {0x7ffdf000, 0x80000000, MEMORY_RESERVED},
        {0xb0000000, 0xc0000000, MEMORY_RESERVED},
        {0xfd000000, 0xfd300000, MEMORY_FRAMEBUFFER},
        {0xfed1c000, 0xfed20000, MEMORY_RESERVED},
        {0xfffc0000, 0x100000000, MEMORY_RESERVED},
        {0x100000000, 0x180000000, MEMORY_USABLE},
        {0xfd00000000, 0x10000000000, MEMORY_RESERVED},
    };

    (void)state;
    assert_int_equal(parse(bios_4g, sizeof bios_4g, BIOS_4G_ADDRESS),
                     MULTIBOOT2_OK);
    assert_int_equal(problems.count, 0);
    assert_string_equal(info.command_line,
                        "selftest=memory_map loglevel=debug");
    assert_false(info.command_line_cut);
    assert_string_equal(info.loader_name, "GRUB 2.06-13+deb12u2");
    assert_int_equal(info.block_start, BIOS_4G_ADDRESS);
    assert_int_equal(info.block_size, sizeof bios_4g);

    assert_int_equal(info.module_count, 1);
    assert_int_equal(info.module[0].start, 0x101000);
    assert_int_equal(info.module[0].end, 0x101009);
    assert_string_equal(info.module[0].string, "first module");

    assert_int_equal(info.framebuffer.kind, BOOT_FRAMEBUFFER_RGB);
    assert_int_equal(info.framebuffer.address, 0xfd000000);
    assert_int_equal(info.framebuffer.pitch, 4096);
    assert_int_equal(info.framebuffer.width, 1024);
    assert_int_equal(info.framebuffer.height, 768);
    assert_int_equal(info.framebuffer.bits_per_pixel, 32);
    assert_int_equal(info.framebuffer.red.position, 16);
    assert_int_equal(info.framebuffer.green.position, 8);
    assert_int_equal(info.framebuffer.blue.position, 0);
    assert_int_equal(info.framebuffer.blue.size, 8);

    assert_int_equal(info.sections.count, 6);
    assert_int_equal(info.sections.names, 5);
    assert_int_equal(info.sections.section[3].type, 2); /* symbols */
    assert_int_equal(info.sections.section[3].address, 0x100000);
    assert_int_equal(info.sections.section[3].size, 0x120);
    assert_int_equal(info.sections.section[3].link, 4);
    assert_int_equal(info.sections.section[3].entry_size, 24);

    assert_int_equal(info.rsdp.version, 1);
    assert_int_equal(info.rsdp.length, 20);
    assert_memory_equal(info.rsdp.bytes, "RSD PTR ", 8);
    assert_int_equal(info.efi_system_table_64, 0);

    assert_int_equal(boot_info_reserve(&info, 0x200000, 0x20108b), MM_OK);
    expect_map(expect, sizeof expect / sizeof expect[0]);
}

static void small_bios_block(void **state)
{
    (void)state;
    assert_int_equal(parse(bios_64m, sizeof bios_64m, BIOS_64M_ADDRESS),
                     MULTIBOOT2_OK);
    assert_int_equal(problems.count, 0);
    assert_int_equal(memory_map_find(&info.map, 0x3fdffff)->type,
                     MEMORY_USABLE);
    assert_int_equal(memory_map_find(&info.map, 0x3fe0000)->type,
                     MEMORY_RESERVED);
    assert_null(memory_map_find(&info.map, 0x4000000));
}

static void uefi_block(void **state)
{
    (void)state;
    assert_int_equal(parse(uefi_64m, sizeof uefi_64m, UEFI_64M_ADDRESS),
                     MULTIBOOT2_OK);
    assert_int_equal(problems.count, 0);
    assert_int_equal(info.rsdp.version, 2);
    assert_int_equal(info.rsdp.length, 36);
    assert_int_equal(info.efi_system_table_64, 0x35ec018);
    assert_int_equal(info.efi_system_table_32, 0);
    assert_false(info.efi_boot_services_alive);
    assert_int_equal(info.framebuffer.address, 0x80000000);

    /* sums over the descriptors, taken apart by hand; the page at 0 is of
     * boot services, page 1 to 3 hold the sections, page 4 the module */
    assert_int_equal(memory_map_bytes(&info.map, MEMORY_BOOT_SERVICES),
                     (3904 + 32316) * KIB);
    assert_int_equal(memory_map_bytes(&info.map, MEMORY_USABLE),
                     (44 + 17516 + 5788) * KIB - 4 * P);
    assert_int_equal(memory_map_bytes(&info.map, MEMORY_ACPI_NVS), 2052 * KIB);
    assert_int_equal(memory_map_bytes(&info.map, MEMORY_ACPI_RECLAIMABLE),
                     72 * KIB);
    assert_int_equal(memory_map_bytes(&info.map, MEMORY_RESERVED),
                     (1924 + 1024 + 512) * KIB);
    assert_int_equal(memory_map_bytes(&info.map, MEMORY_BOOT_INFO), 3 * P);
    assert_int_equal(memory_map_bytes(&info.map, MEMORY_MODULE), P);

    assert_int_equal(boot_info_reserve(&info, 0x200000, 0x20108b), MM_OK);
    assert_int_equal(memory_map_find(&info.map, 0)->type, MEMORY_LOW);
    assert_int_equal(memory_map_find(&info.map, 0x1000)->type,
                     MEMORY_BOOT_INFO);
    assert_int_equal(memory_map_find(&info.map, 0x4000)->type, MEMORY_MODULE);
    assert_int_equal(memory_map_find(&info.map, 0x5000)->type,
                     MEMORY_BOOT_INFO);
    assert_int_equal(memory_map_find(&info.map, 0x9f000)->type, MEMORY_LOW);
    assert_null(memory_map_find(&info.map, 0xa0000));
    assert_int_equal(memory_map_bytes(&info.map, MEMORY_KERNEL), 2 * P);
}

static void large_uefi_block(void **state)
{
    (void)state;
    assert_int_equal(parse(uefi_4g, sizeof uefi_4g, UEFI_4G_ADDRESS),
                     MULTIBOOT2_OK);
    assert_int_equal(problems.count, 0);
    assert_int_equal(memory_map_find(&info.map, 0x100000000)->type,
                     MEMORY_USABLE);
    assert_int_equal(memory_map_find(&info.map, 0x17fffffff)->type,
                     MEMORY_USABLE);
    assert_int_equal(memory_map_find(&info.map, 0x7e267000)->type,
                     MEMORY_BOOT_SERVICES);
}

/* Fills info with a map of 0-640 KiB and 1-64 MiB and a block at 2 MiB. */
static void some_info(void)
{
    begin();
    memory_tag();
    end();
    assert_int_equal(parse(block, block_size, 2 * MIB), MULTIBOOT2_OK);
}

static void low_memory(void **state)
{
    static const struct memory_range expect[] = {
        {0, 2 * P, MEMORY_LOW},
        {2 * P, 4 * P, MEMORY_ACPI_NVS},
        {4 * P, 0x9f000, MEMORY_LOW},
        {0x9f000, 0xa0000, MEMORY_RESERVED},
        {MIB, 2 * MIB, MEMORY_USABLE},
        {2 * MIB, 2 * MIB + P, MEMORY_BOOT_INFO},
        {2 * MIB + P, 4 * MIB, MEMORY_USABLE},
        {4 * MIB, 5 * MIB, MEMORY_KERNEL},
        {5 * MIB, 6 * MIB, MEMORY_USABLE},
        {6 * MIB, 7 * MIB, MEMORY_BOOT_SERVICES},
        {7 * MIB, 64 * MIB, MEMORY_USABLE},
    };

    (void)state;
    some_info();
    memory_map_add(&info.map, P, P, MEMORY_BOOT_SERVICES);
    memory_map_add(&info.map, 2 * P, 2 * P, MEMORY_ACPI_RECLAIMABLE);
    memory_map_add(&info.map, 6 * MIB, MIB, MEMORY_BOOT_SERVICES);
    assert_int_equal(boot_info_reserve(&info, 4 * MIB, 5 * MIB), MM_OK);
    expect_map(expect, sizeof expect / sizeof expect[0]);
}

static void text_framebuffer(void **state)
{
    (void)state;
    some_info();
    info.framebuffer = (struct boot_framebuffer){
        .kind = BOOT_FRAMEBUFFER_TEXT,
        .address = 0xb8000,
        .pitch = 160,
        .width = 80,
        .height = 25,
        .bits_per_pixel = 16,
    };
    assert_int_equal(boot_info_reserve(&info, 4 * MIB, 5 * MIB), MM_OK);
    assert_int_equal(memory_map_find(&info.map, 0xb8000)->type,
                     MEMORY_FRAMEBUFFER);
    assert_int_equal(memory_map_bytes(&info.map, MEMORY_FRAMEBUFFER), P);
}

static void image_in_firmware_memory_is_logged(void **state)
{
    (void)state;
    some_info();
    memory_map_add(&info.map, 4 * MIB - P, P, MEMORY_RESERVED);
    memory_map_add(&info.map, 5 * MIB, P, MEMORY_ACPI_NVS);
    unsigned lines = host_log_lines;
    assert_int_equal(boot_info_reserve(&info, 4 * MIB, 5 * MIB), MM_OK);
    assert_int_equal(host_log_lines, lines);
    assert_int_equal(boot_info_reserve(&info, 4 * MIB, 5 * MIB + 1), MM_OK);
    assert_int_equal(host_log_lines, lines + 1);
    assert_non_null(strstr(host_log_last, "ACPI NVS memory 0x500000-0x501000"));
}

static void errors(void **state)
{
    (void)state;
    some_info();
    assert_int_equal(boot_info_reserve(&info, 4 * MIB, 4 * MIB),
                     MM_EMPTY_RANGE);
    assert_int_equal(boot_info_reserve(&info, 4 * MIB, 3 * MIB),
                     MM_EMPTY_RANGE);
    assert_int_equal(boot_info_reserve(&info, TIB, TIB + 1), MM_OUT_OF_RANGE);

    some_info();
    info.block_start = TIB;
    assert_int_equal(boot_info_reserve(&info, 4 * MIB, 5 * MIB),
                     MM_OUT_OF_RANGE);

    some_info();
    for (unsigned i = 0; i < MEMORY_MAP_MAX; i++)
        memory_map_add(&info.map, GIB + 2 * i * P, P, MEMORY_USABLE);
    assert_int_equal(boot_info_reserve(&info, 4 * MIB, 5 * MIB), MM_TABLE_FULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bios_block),
        cmocka_unit_test(small_bios_block),
        cmocka_unit_test(uefi_block),
        cmocka_unit_test(large_uefi_block),
        cmocka_unit_test(low_memory),
        cmocka_unit_test(text_framebuffer),
        cmocka_unit_test(image_in_firmware_memory_is_logged),
        cmocka_unit_test(errors),
    };
    return cmocka_run_group_tests_name("boot_info", tests, NULL, NULL);
}
