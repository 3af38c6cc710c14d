/* libFuzzer entry: arbitrary bytes as an information block, then everything
 * that the boot does with what was understood. */
/* sources: boot/map_entries.c */
/* sources: boot/multiboot2.c boot/boot_info.c mm/map/memory_map.c */
/* sources: mm/map/boot_frames.c */
#include <stdlib.h>
#include <string.h>

#include "boot/boot_info.h"
#include "boot/multiboot2.h"
#include "lib/assert.h"
#include "mm/boot_frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct boot_info info;
static struct multiboot2_problems problems;

/* A string of a fixed buffer ends inside it. */
static void check_string(const char *string, size_t capacity)
{
    ASSERT(memchr(string, '\0', capacity) != NULL, "capacity %zu", capacity);
}

static void check_info(void)
{
    ASSERT(memory_map_check(&info.map), "count %u", info.map.count);
    check_string(info.command_line, sizeof info.command_line);
    check_string(info.loader_name, sizeof info.loader_name);
    ASSERT(info.module_count <= BOOT_MODULES_MAX, "%u", info.module_count);
    for (unsigned i = 0; i < info.module_count; i++) {
        const struct boot_module *module = &info.module[i];

        check_string(module->string, sizeof module->string);
        ASSERT(module->start <= module->end, "module %u", i);
        if (module->start < module->end)
            ASSERT(memory_map_find(&info.map, module->end - 1)->type >=
                       MEMORY_MODULE,
                   "module %u", i);
    }
    ASSERT(info.sections.count <= BOOT_SECTIONS_MAX, "%u", info.sections.count);
    ASSERT(info.rsdp.length <= BOOT_RSDP_MAX, "%u", info.rsdp.length);
}

/* The first byte chooses the CPU's width, the rest is the block; its total
 * size is made to fit most of the time, or nothing else would be tried. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 + sizeof(uint32_t))
        return 0;
    unsigned paddr_bits = 32 + (data[0] & 15);
    uint32_t readable = (uint32_t)(size - 1);
    uint8_t *block = malloc(readable);

    memcpy(block, data + 1, readable);
    if ((data[0] & 0x80) == 0)
        memcpy(block, &readable, sizeof readable);
    if (multiboot2_parse(block, 0x10000, readable, paddr_bits, &info,
                         &problems) == MULTIBOOT2_OK) {
        check_info();
        boot_info_reserve(&info, 0x200000, 0x280000);
        for (unsigned i = 0; i < 64; i++)
            boot_frames_alloc(&info.map, data[0] * UINT64_C(100), 4096,
                              info.map.limit);
        check_info();
    }
    free(block);
    return 0;
}
