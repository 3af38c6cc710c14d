/* The auditor, on the live page table: sound as it is, and each kind of offence
 * found when it is planted. */
#include "kernel/cpu/stacks.h"
#include "kernel/image.h"
#include "kernel/selftest/selftest.h"
#include "mm/frame.h"
#include "mm/kernel_space.h"
#include "mm/platform.h"

/* The local APIC's registers: on every PC, and never RAM.  They are mapped
 * here, but not touched. */
#define DEVICE UINT64_C(0xfee00000)

#define EXPECT_SOUND()                                                         \
    do {                                                                       \
        struct page_offence found;                                             \
        EXPECT(kernel_space_audit(&found), "%s", found.sentence);              \
    } while (0)

SELFTEST(audit, live_tables_are_sound)
{
    EXPECT_SOUND();
}

/* An offence: what page_map is asked for. */
struct plant {
    vaddr_t vaddr;
    paddr_t paddr;
    unsigned flags;
};

/* Plants, audits, takes out again; then looks at what was found. */
static void plant_and_find(const struct plant *plant)
{
    struct page_table *table = kernel_space_table();
    struct page_offence offence = {.leaf.vaddr = 1};
    enum mm_error mapped =
        page_map(table, plant->vaddr, plant->paddr, PAGE_SIZE, plant->flags);
    EXPECT(mapped == MM_OK, "0x%lx: %s", plant->vaddr, mm_error_name(mapped));
    bool sound = kernel_space_audit(&offence);
    enum mm_error unmapped = page_unmap(table, plant->vaddr, PAGE_SIZE);
    EXPECT(unmapped == MM_OK, "0x%lx: %s", plant->vaddr,
           mm_error_name(unmapped));
    EXPECT(!sound && offence.leaf.vaddr == plant->vaddr,
           "planted 0x%lx flags 0x%x, found 0x%lx", plant->vaddr, plant->flags,
           offence.leaf.vaddr);
    EXPECT_SOUND();
}

SELFTEST(audit, finds_each_leaf_that_offends)
{
    paddr_t frame = frame_alloc(FRAME_4K);
    EXPECT(frame != PADDR_NONE, "no frame");
    const struct plant plants[] = {
        {SCRATCH_BASE, frame, PAGE_WRITE | PAGE_EXECUTE},
        {0, frame, PAGE_WRITE}, /* NULL */
        {(vaddr_t)stacks[STACK_BOOT].guard, frame,
         PAGE_WRITE},                                      /* a guard page */
        {SCRATCH_BASE + SCRATCH_BYTES, frame, PAGE_WRITE}, /* no region */
        {SCRATCH_BASE, frame, 0},                          /* other rights */
        {SCRATCH_BASE, frame, PAGE_EXECUTE},
        {SCRATCH_BASE, frame, PAGE_WRITE | PAGE_USER},
        {SCRATCH_BASE, frame, PAGE_WRITE | PAGE_UNCACHED}, /* other caching */
        {SCRATCH_BASE, frame, PAGE_WRITE | PAGE_WRITE_COMBINING},
        {DIRECT_MAP_BASE + DIRECT_MAP_BYTES - PAGE_SIZE, frame, PAGE_WRITE},
        {RANGES_BASE + RANGES_BYTES - PAGE_SIZE, frame, PAGE_WRITE},
        {SCRATCH_BASE, (vaddr_t)text_start - KERNEL_BASE, PAGE_WRITE},
        {SCRATCH_BASE, (vaddr_t)text_end - PAGE_SIZE - KERNEL_BASE, PAGE_WRITE},
        {SCRATCH_BASE, (vaddr_t)rodata_start - KERNEL_BASE, PAGE_WRITE},
        {SCRATCH_BASE, (vaddr_t)rodata_end - PAGE_SIZE - KERNEL_BASE,
         PAGE_WRITE},
    };
    for (unsigned i = 0; i < sizeof(plants) / sizeof(plants[0]); i++)
        plant_and_find(&plants[i]);
    enum mm_error freed = frame_free(frame);
    EXPECT(freed == MM_OK, "%s", mm_error_name(freed));
}

SELFTEST(audit, finds_text_made_writable)
{
    struct page_table *table = kernel_space_table();
    struct page_offence offence;
    vaddr_t page = (vaddr_t)text_end - PAGE_SIZE;
    const unsigned right = PAGE_EXECUTE | PAGE_GLOBAL;
    enum mm_error changed =
        page_protect(table, page, PAGE_SIZE, right | PAGE_WRITE);
    bool sound = kernel_space_audit(&offence);
    enum mm_error restored = page_protect(table, page, PAGE_SIZE, right);
    EXPECT(changed == MM_OK && restored == MM_OK, "%s, %s",
           mm_error_name(changed), mm_error_name(restored));
    EXPECT(!sound, "a writable page of text went unnoticed");
    EXPECT(offence.leaf.vaddr == page, "0x%lx", offence.leaf.vaddr);
    EXPECT_SOUND();
}

/* And what the direct map shows of it. */
SELFTEST(audit, finds_text_made_writable_in_the_direct_map)
{
    struct page_table *table = kernel_space_table();
    struct page_offence offence;
    vaddr_t page = (vaddr_t)text_end - PAGE_SIZE;
    vaddr_t shown = (vaddr_t)phys_to_virt(page - KERNEL_BASE);
    struct page_walk walk;
    enum mm_error walked = page_walk(table, shown, &walk);
    EXPECT(walked == MM_OK && !(walk.leaf.flags & PAGE_WRITE), "%s, flags 0x%x",
           mm_error_name(walked), walk.leaf.flags);
    enum mm_error changed =
        page_protect(table, shown, PAGE_SIZE, PAGE_GLOBAL | PAGE_WRITE);
    bool sound = kernel_space_audit(&offence);
    enum mm_error restored = page_protect(table, shown, PAGE_SIZE, PAGE_GLOBAL);
    EXPECT(changed == MM_OK && restored == MM_OK, "%s, %s",
           mm_error_name(changed), mm_error_name(restored));
    EXPECT(!sound && offence.leaf.vaddr == shown, "found 0x%lx, not 0x%lx",
           offence.leaf.vaddr, shown);
    EXPECT_SOUND();
}

/* Mapped first: a table that page_map takes must not be the frame itself. */
SELFTEST(audit, finds_a_free_frame_that_is_mapped)
{
    struct page_table *table = kernel_space_table();
    struct page_offence offence = {.leaf.paddr = PADDR_NONE};
    paddr_t frame = frame_alloc(FRAME_4K);
    EXPECT(frame != PADDR_NONE, "no frame");
    enum mm_error mapped =
        page_map(table, SCRATCH_BASE, frame, PAGE_SIZE, PAGE_WRITE);
    enum mm_error freed = frame_free(frame);
    bool sound = kernel_space_audit(&offence);
    enum mm_error unmapped = page_unmap(table, SCRATCH_BASE, PAGE_SIZE);
    EXPECT(mapped == MM_OK && freed == MM_OK && unmapped == MM_OK, "%s, %s, %s",
           mm_error_name(mapped), mm_error_name(freed),
           mm_error_name(unmapped));
    EXPECT(!sound && offence.leaf.paddr == frame, "frame 0x%lx, found 0x%lx",
           frame, offence.leaf.paddr);
    EXPECT_SOUND();
}

SELFTEST(audit, finds_two_cachings_of_a_device)
{
    struct page_table *table = kernel_space_table();
    struct page_offence offence = {.leaf.vaddr = 0};
    const unsigned w = PAGE_WRITE;
    vaddr_t second = SCRATCH_BASE + SIZE_2M;
    enum mm_error mapped[] = {
        page_map(table, SCRATCH_BASE, DEVICE, PAGE_SIZE, w | PAGE_UNCACHED),
        page_map(table, second, DEVICE, PAGE_SIZE, w | PAGE_WRITE_COMBINING),
    };
    bool sound = kernel_space_audit(&offence);
    enum mm_error unmapped[] = {
        page_unmap(table, SCRATCH_BASE, PAGE_SIZE),
        page_unmap(table, second, PAGE_SIZE),
    };
    for (unsigned i = 0; i < 2; i++)
        EXPECT(mapped[i] == MM_OK && unmapped[i] == MM_OK, "%u: %s, %s", i,
               mm_error_name(mapped[i]), mm_error_name(unmapped[i]));
    EXPECT(!sound && offence.leaf.vaddr == second, "found 0x%lx",
           offence.leaf.vaddr);
    EXPECT_SOUND();
}

/* Pages and a device come, are sound, and leave nothing behind. */
SELFTEST(audit, passes_pages_and_devices)
{
    const uint64_t bytes = SIZE_2M + 3 * PAGE_SIZE;
    struct page_offence offence;
    void *pages, *device, *other;
    enum mm_error got = kernel_space_alloc_pages(
        bytes, PAGE_SIZE, VIRTUAL_GUARD_BEHIND, "self-test", &pages);
    EXPECT(got == MM_OK, "pages: %s", mm_error_name(got));
    volatile unsigned char *byte = pages;
    for (uint64_t i = 0; i < bytes; i += PAGE_SIZE / 2)
        byte[i] = (unsigned char)(i >> 11);
    uint64_t wrong = 0;
    for (uint64_t i = 0; i < bytes; i += PAGE_SIZE / 2)
        wrong += byte[i] != (unsigned char)(i >> 11);
    enum mm_error mapped = kernel_space_map_device(
        DEVICE, PAGE_SIZE, PAGE_UNCACHED, "self-test device", &device);
    enum mm_error refused = kernel_space_map_device(
        DEVICE, PAGE_SIZE, PAGE_WRITE_COMBINING, "never", &other);
    bool sound = kernel_space_audit(&offence);
    enum mm_error unmapped = kernel_space_unmap_device(device);
    enum mm_error freed = kernel_space_free_pages(pages);
    enum mm_error again = kernel_space_free_pages(pages);
    const char *broken = virtual_space_check(kernel_space_ranges());
    EXPECT(wrong == 0, "%lu bytes differ", wrong);
    EXPECT(mapped == MM_OK && unmapped == MM_OK, "device: %s, %s",
           mm_error_name(mapped), mm_error_name(unmapped));
    EXPECT(refused == MM_ALREADY_MAPPED, "%s", mm_error_name(refused));
    EXPECT(sound, "%s", offence.sentence);
    EXPECT(freed == MM_OK, "free: %s", mm_error_name(freed));
    EXPECT(again == MM_NOT_HELD, "freed twice: %s", mm_error_name(again));
    EXPECT(broken == NULL, "the ranges: %s", broken);
    EXPECT_SOUND();
}
