/* See tests/host/boot_block.h. */
#include "tests/host/boot_block.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bits.h"

struct boot_info info;
struct multiboot2_problems problems;

_Alignas(8) uint8_t block[64 * 1024];
uint32_t block_size;

enum multiboot2_error parse(const void *bytes, size_t readable,
                            uint64_t address)
{
    void *exact = malloc(readable > 0 ? readable : 1);

    assert_non_null(exact);
    memcpy(exact, bytes, readable);
    enum multiboot2_error error = multiboot2_parse(
        exact, address, readable, BLOCK_PADDR_BITS, &info, &problems);
    free(exact);

    if (error != MULTIBOOT2_OK)
        assert_int_equal(problems.last.error, error);
    assert_true(memory_map_check(&info.map));
    return error;
}

void put(const void *bytes, size_t size)
{
    assert_true(block_size + size <= sizeof block);
    if (size > 0)
        memcpy(block + block_size, bytes, size);
    block_size += (uint32_t)size;
    memcpy(block, &block_size, sizeof block_size);
}

static void pad(void)
{
    static const uint8_t zeros[8];

    put(zeros, -block_size & 7);
}

void begin(void)
{
    block_size = 0;
    put(&(struct multiboot2_header){0}, sizeof(struct multiboot2_header));
}

uint32_t tag(uint32_t type, const void *contents, size_t size)
{
    uint32_t offset = block_size;

    put(&(struct multiboot2_tag){type, 8 + (uint32_t)size}, 8);
    put(contents, size);
    pad();
    return offset;
}

uint32_t string_tag(uint32_t type, const char *string)
{
    return tag(type, string, strlen(string) + 1);
}

uint32_t module_tag(uint32_t start, uint32_t end, const char *string)
{
    uint8_t contents[256];
    struct multiboot2_module module = {start, end};

    memcpy(contents, &module, sizeof module);
    memcpy(contents + sizeof module, string, strlen(string) + 1);
    return tag(MULTIBOOT2_TAG_MODULE, contents,
               sizeof module + strlen(string) + 1);
}

uint32_t table_tag(uint32_t type, const void *entries, unsigned count,
                   size_t size, uint32_t entry_size)
{
    static uint8_t contents[sizeof block];
    struct multiboot2_mmap header = {entry_size, 0};
    size_t end = sizeof header;

    memset(contents, 0xee, sizeof contents);
    memcpy(contents, &header, sizeof header);
    for (unsigned i = 0; i < count; i++, end += entry_size)
        memcpy(contents + end, (const uint8_t *)entries + i * size, size);
    return tag(type, contents, end);
}

static const struct multiboot2_mmap_entry some_memory[] = {
    {MIB, 63 * MIB, MULTIBOOT2_MEMORY_AVAILABLE, 0},
    {0, 0x9fc00, MULTIBOOT2_MEMORY_AVAILABLE, 0},
    {0x9fc00, 0x400, 2, 0},
};

uint32_t memory_tag(void)
{
    return table_tag(MULTIBOOT2_TAG_MMAP, some_memory, 3, sizeof some_memory[0],
                     sizeof some_memory[0]);
}

void end(void)
{
    tag(MULTIBOOT2_TAG_END, NULL, 0);
}

void expect_map(const struct memory_range *expect, unsigned count)
{
    for (unsigned i = 0; i < info.map.count && i < count; i++)
        if (info.map.range[i].start != expect[i].start ||
            info.map.range[i].end != expect[i].end ||
            info.map.range[i].type != expect[i].type)
            fail_msg("range %u is %#lx-%#lx %s", i, info.map.range[i].start,
                     info.map.range[i].end,
                     memory_type_name(info.map.range[i].type));
    assert_int_equal(info.map.count, count);
}
