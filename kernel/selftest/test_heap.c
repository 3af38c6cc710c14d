/* Every heap back-end, on memory of the machine. */
#include "kernel/selftest/selftest.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "mm/frame.h"
#include "mm/heap/backend.h"
#include "mm/heap_range.h"
#include "mm/kernel_space.h"
#include "mm/page_table.h"
#include "mm/platform.h"
#include "tests/shared/heap_conformance.h"

#define RANGE_BYTES (2 * MIB)
#define OPERATIONS  300u

/* An audit of the whole heap takes longer than all of an operation.  The host's
 * tests do one after each; here, emulated, it is the memory that is new. */
#define AUDIT_EVERY 8

static char array[256 * KIB] __attribute__((aligned(4096)));

/* 16 KiB, too much for the stack. */
static struct heap_conformance run;
static struct heap_range range;

static void report(struct heap_conformance *failed,
                   const struct heap_conformance_failure *failure)
{
    selftest_fail(failure->file, failure->line, failure->condition,
                  "%s in %s, operation %lu: 0x%lx, 0x%lx",
                  failed->backend->name, failed->region_name,
                  failure->operation, failure->values[0], failure->values[1]);
}

static void prepare(const struct heap_backend *backend, unsigned operations)
{
    memset(&run, 0, sizeof(run));
    run.backend = backend;
    run.seed = 1;
    run.operations = operations;
    run.audit_every = AUDIT_EVERY;
    run.failed = report;
}

static void run_in_array(const struct heap_backend *backend)
{
    for (unsigned i = 0; heap_conformance_checks[i].name != NULL; i++) {
        prepare(backend, OPERATIONS);
        run.region = heap_region_array(array, sizeof(array));
        run.region_name = "an array";
        if (!heap_conformance_run(&run, &heap_conformance_checks[i]))
            return;
    }
}

static void run_in_range(const struct heap_backend *backend, size_t bytes,
                         unsigned operations)
{
    for (unsigned i = 0; heap_conformance_checks[i].name != NULL; i++) {
        prepare(backend, operations);
        run.region = heap_range_region(&range, SCRATCH_BASE, bytes);
        run.region_name = "a growing range";
        bool sound = heap_conformance_run(&run, &heap_conformance_checks[i]);
        heap_range_release(&range);
        if (!sound)
            return;
    }
}

/* The tests set what their heaps check; others' are as the kernel's again. */
static void check_as_the_kernel(void)
{
    heap_set_checks(heap_kernel()->checks);
}

SELFTEST(heap, conforms_in_an_array)
{
    heap_set_checks(HEAP_CHECKS_BASIC);
    for (unsigned i = 0; heap_backends[i] != NULL; i++)
        run_in_array(heap_backends[i]);
    check_as_the_kernel();
}

SELFTEST(heap, conforms_in_a_growing_range)
{
    heap_set_checks(HEAP_CHECKS_BASIC);
    for (unsigned i = 0; heap_backends[i] != NULL; i++)
        run_in_range(heap_backends[i], RANGE_BYTES, OPERATIONS);
    check_as_the_kernel();
}

SELFTEST(heap, conforms_unchecked)
{
    heap_set_checks(HEAP_CHECKS_OFF);
    for (unsigned i = 0; heap_backends[i] != NULL; i++)
        run_in_range(heap_backends[i], RANGE_BYTES, OPERATIONS / 8);
    check_as_the_kernel();
}

/* Full checks write and read each byte of a block, so blocks are smaller. */
SELFTEST(heap, conforms_fully_checked)
{
    heap_set_checks(HEAP_CHECKS_FULL);
    for (unsigned i = 0; heap_backends[i] != NULL; i++)
        run_in_range(heap_backends[i], RANGE_BYTES / 4, OPERATIONS / 8);
    check_as_the_kernel();
}

SELFTEST(heap, kmalloc_family)
{
    prepare(heap_kernel()->backend, 0);
    run.region_name = "the kernel's heap";
    heap_conformance_kmalloc(&run);
}

/* A large block lies in a range of its own, in leaves as large as it allows,
 * with nothing mapped behind it.  Full checks put a zone in between, which has
 * tests of its own. */
SELFTEST(heap, large_blocks_have_ranges)
{
    if (heap_kernel()->backend != &heap_slab ||
        heap_kernel()->checks == HEAP_CHECKS_FULL)
        return;
    const size_t bytes = 4 * MIB + 100;
    struct frame_stats frames;
    frame_stats(&frames);
    if (frames.free_bytes < 4 * bytes)
        return; /* moved, it is there twice, and larger */
    struct page_walk first, behind;
    unsigned char *block = kzalloc(bytes);
    EXPECT(block != NULL, "%s", mm_error_name(heap_last_error()));
    size_t usable = kmalloc_usable_size(block);
    enum mm_error mapped =
        page_walk(kernel_space_table(), (vaddr_t)block, &first);
    enum mm_error guard =
        page_walk(kernel_space_table(), (vaddr_t)block + usable, &behind);
    size_t dirty = 0;
    for (size_t i = 0; i < bytes; i++)
        dirty += block[i] != 0;
    unsigned char *shrunk = krealloc(block, bytes - 1000);
    unsigned char *moved = krealloc(shrunk, 2 * bytes);
    kfree(moved != NULL ? moved : shrunk);

    const struct region *region = kernel_space_find((vaddr_t)block);
    EXPECT(region != NULL && region->start == RANGES_BASE, "%p", (void *)block);
    EXPECT(mapped == MM_OK && first.leaf.bytes == SIZE_2M, "%s, %lu bytes",
           mm_error_name(mapped), first.leaf.bytes);
    EXPECT(guard == MM_NOT_MAPPED, "%s", mm_error_name(guard));
    EXPECT(dirty == 0, "%lu bytes are not 0", dirty);
    EXPECT(shrunk == block && moved != NULL, "%p, %p", (void *)shrunk,
           (void *)moved);
}

/* Frames that are held, noted in the first of them: what writes into each makes
 * the host of an emulated machine provide all of its memory. */
struct hidden {
    struct hidden *next;
    unsigned count;
    paddr_t frame[500];
};

static struct hidden *hide_all_frames(void)
{
    struct hidden *hidden = NULL;
    for (enum frame_size left = 3; left-- > 0;)
        for (paddr_t frame; (frame = frame_alloc(left)) != PADDR_NONE;) {
            if (hidden == NULL || hidden->count == 500) {
                struct hidden *first = phys_to_virt(frame);
                *first = (struct hidden){.next = hidden};
                hidden = first;
            }
            hidden->frame[hidden->count++] = frame;
        }
    return hidden;
}

/* How many of them were refused. */
static unsigned give_back(struct hidden *hidden)
{
    unsigned refused = 0;
    while (hidden != NULL) {
        struct hidden *next = hidden->next;
        for (unsigned i = hidden->count; i-- > 0;)
            refused += frame_free(hidden->frame[i]) != MM_OK;
        hidden = next;
    }
    return refused;
}

/* A heap that can get no frame says so, and works again when it can. */
SELFTEST(heap, survives_out_of_frames)
{
    prepare(heap_backend_find("list"), 0);
    struct heap_region region = heap_range_region(&range, SCRATCH_BASE, GIB);
    enum mm_error made = heap_init(&run.heap, run.backend, region);
    EXPECT(made == MM_OK, "%s", mm_error_name(made));

    struct hidden *hidden = hide_all_frames();
    void *none = heap_alloc_in(&run.heap, (struct layout){MIB, 16});
    enum mm_error error = heap_error_in(&run.heap);
    unsigned refused = give_back(hidden);
    void *some = heap_alloc_in(&run.heap, (struct layout){MIB, 16});
    if (some != NULL)
        heap_dealloc_in(&run.heap, some, (struct layout){MIB, 16});
    heap_fini(&run.heap);
    heap_range_release(&range);
    EXPECT(none == NULL && error == MM_OUT_OF_MEMORY, "%p, %s", none,
           mm_error_name(error));
    EXPECT(refused == 0, "%u frames were refused back", refused);
    EXPECT(some != NULL, "still nothing with all frames free");
}

/* The kernel's heap gives its memory back, whatever its back-end, but for pages
 * with headers and entries. */
SELFTEST(heap, gives_back_what_is_free)
{
    static void *blocks[256];
    const unsigned count = sizeof(blocks) / sizeof(blocks[0]);
    const size_t bytes = count * 32 * KIB;
    struct frame_stats before, full, after;
    heap_trim(heap_kernel());
    frame_stats(&before);
    if (before.free_bytes < 4 * bytes)
        return;
    unsigned got = 0;
    while (got < count && (blocks[got] = kmalloc(32 * KIB - 64)) != NULL)
        memset(blocks[got++], 0xd5, 32 * KIB - 64);
    frame_stats(&full);
    for (unsigned i = 0; i + 1 < got; i++)
        kfree(blocks[i]);
    heap_trim(heap_kernel());
    frame_stats(&after);
    const unsigned char *last = got > 0 ? blocks[got - 1] : NULL;
    unsigned changed = 0;
    for (size_t i = 0; last != NULL && i < 32 * KIB - 64; i++)
        changed += last[i] != 0xd5;
    if (got > 0)
        kfree(blocks[got - 1]);
    EXPECT(got == count && changed == 0, "%u blocks, %u bytes changed", got,
           changed);
    EXPECT(full.free_bytes + bytes <= before.free_bytes + bytes / 4,
           "%lu bytes free, then %lu", before.free_bytes, full.free_bytes);
    uint64_t taken = before.free_bytes - full.free_bytes;
    EXPECT(after.free_bytes + taken / 4 >= before.free_bytes,
           "%lu bytes free, then %lu", before.free_bytes, after.free_bytes);
}
