/* Multiboot2 information blocks for tests: building them, parsing them. */
#ifndef TESTS_HOST_BOOT_BLOCK_H
#define TESTS_HOST_BOOT_BLOCK_H

#include "tests/host/platform_host.h"

#include "boot/boot_info.h"
#include "boot/multiboot2.h"

/* Where blocks that are built here claim to lie, and the width of the CPU
 * that all are parsed for. */
#define BLOCK_ADDRESS    0x9000
#define BLOCK_PADDR_BITS 40

/* What the last parse found. */
extern struct boot_info info;
extern struct multiboot2_problems problems;

/* Parses a copy that ends with an allocation of exactly the readable size, so
 * that AddressSanitizer sees a read past it. */
enum multiboot2_error parse(const void *bytes, size_t readable,
                            uint64_t address);

/* The block under construction; its total_size always says block_size. */
extern _Alignas(8) uint8_t block[64 * 1024];
extern uint32_t block_size;

void begin(void);

/* Each appends a tag and answers its offset. */
uint32_t tag(uint32_t type, const void *contents, size_t size);
uint32_t string_tag(uint32_t type, const char *string);
uint32_t module_tag(uint32_t start, uint32_t end, const char *string);

/* A memory map: count entries of size bytes, entry_size bytes apart. */
uint32_t table_tag(uint32_t type, const void *entries, unsigned count,
                   size_t size, uint32_t entry_size);

/* A small memory map: usable up to 0x9fc00, then reserved up to 0xa0000, and
 * usable from 1 MiB to 64 MiB. */
uint32_t memory_tag(void);

/* Bytes with no tag around them. */
void put(const void *bytes, size_t size);

void end(void);

/* Fails unless these are the ranges of info.map. */
void expect_map(const struct memory_range *expect, unsigned count);

#endif
