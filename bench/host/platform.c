/* What the benchmarks and mm/ ask of the place that they run in: memory of
 * which only the first part is there, and TLBs that are nobody's. */
#include "bench/host/platform.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench.h"
#include "lib/assert.h"
#include "lib/bits.h"
#include "mm/frame.h"
#include "mm/memory_map.h"
#include "mm/platform.h"

/* The direct map of the fake machine: 4K frames come from its bottom, so the
 * tables of page tables lie in the part that is there. */
#define ARENA         UINT64_C(0x7e9000000000)
#define ARENA_BYTES   (256 * MIB)
#define DEFAULT_BYTES (8 * GIB)

const vaddr_t platform_direct_map = ARENA;
const vaddr_t bench_scratch = UINT64_C(0xffffd00000000000);

static uint64_t machine_bytes; /* of the machine that frames know */
static FILE *sample_file;

/* ---- mm/platform.h and lib/assert.h ---- */

void assert_failed(const char *file, int line, const char *condition,
                   const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s:%d: %s: ", file, line, condition);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    abort();
}

void platform_log(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
}

unsigned platform_cpu_node(unsigned cpu)
{
    (void)cpu;
    return 0;
}

unsigned platform_memory_node(paddr_t address)
{
    (void)address;
    return 0;
}

static void membarrier(int command)
{
    if (syscall(SYS_membarrier, command, 0, 0) != 0) {
        perror("membarrier");
        abort();
    }
}

void platform_fence_cpus(void)
{
    membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}

__attribute__((constructor)) static void register_membarrier(void)
{
    membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
}

void platform_name_code(const void *address, char *buffer, size_t size)
{
    snprintf(buffer, size, "%p", address);
}

unsigned platform_paddr_bits(void)
{
    return 46;
}

int platform_has_1g_pages(void)
{
    return 1;
}

void platform_tlb_invalidate(const vaddr_t *pages, unsigned count,
                             enum platform_tlb what)
{
    (void)count;
    (void)what;
    bench_use(pages);
}

void platform_tlb_flush(enum platform_tlb what)
{
    (void)what;
}

void platform_load_page_table(paddr_t root)
{
    (void)root;
}

/* ---- bench/bench.h ---- */

uint64_t bench_ticks(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Ticks of the time-stamp counter in 2^20 nanoseconds, by the clock that
 * bench_ticks reads. */
static uint64_t stamps_per_mi(void)
{
    const uint64_t nanoseconds = UINT64_C(1) << 24;
    uint64_t begin_tick = bench_ticks(), begin = bench_stamp(), ticks;
    do
        ticks = bench_ticks() - begin_tick;
    while (ticks < nanoseconds);
    return ((bench_stamp() - begin) << 20) / ticks;
}

uint64_t bench_stamp_ticks(uint64_t stamps)
{
    static uint64_t rate;
    if (rate == 0)
        rate = stamps_per_mi();
    return (stamps * 100 << 20) / rate;
}

static void *map_memory(uint64_t at, size_t bytes)
{
    void *got = mmap((void *)at, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
                         (at != 0 ? MAP_FIXED_NOREPLACE : 0),
                     -1, 0);
    return got == MAP_FAILED ? NULL : got;
}

/* As the direct map of a kernel has it.  Without huge pages it runs as well,
 * only slower, so the answer does not matter. */
static void ask_for_huge_pages(void *memory, size_t bytes)
{
    (void)madvise(memory, bytes, MADV_HUGEPAGE);
}

/* What can be had without swapping. */
static uint64_t available_bytes(void)
{
    unsigned long long kib = 0;
    char line[256];
    FILE *file = fopen("/proc/meminfo", "r");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
            break;
    if (file != NULL)
        fclose(file);
    return kib * 1024;
}

/* What is large enough lies in huge pages of its own. */
static size_t mapped_bytes(size_t bytes)
{
    return bytes < SIZE_2M ? bytes : align_up(bytes, SIZE_2M);
}

void *bench_take(size_t bytes)
{
    size_t room = mapped_bytes(bytes);
    if (room > SIZE_1G && room > available_bytes() / 8 * 7)
        return NULL;
    if (room < SIZE_2M)
        return map_memory(0, room);
    uint8_t *got = map_memory(0, room + SIZE_2M);
    if (got == NULL)
        return NULL;
    uint8_t *memory = (uint8_t *)align_up((uint64_t)got, SIZE_2M);
    if (memory > got)
        munmap(got, (size_t)(memory - got));
    munmap(memory + room, SIZE_2M - (size_t)(memory - got));
    ask_for_huge_pages(memory, room);
    return memory;
}

void bench_give(void *memory, size_t bytes)
{
    munmap(memory, mapped_bytes(bytes));
}

/* Memory is there as soon as it is touched.  What was taken away is noted, by
 * pages, behind the region. */

static uint8_t *taken_away(const struct heap_region *region, const void *page)
{
    size_t offset = (size_t)((const uint8_t *)page - (uint8_t *)region->start);
    return (uint8_t *)region->start + region->limit + offset / PAGE_SIZE;
}

static size_t grow_region(void *context, size_t bytes)
{
    (void)context;
    return align_up(bytes, PAGE_SIZE);
}

static bool back_region(void *context, void *start, size_t bytes)
{
    memset(taken_away(context, start), 0, bytes / PAGE_SIZE);
    bench_use(start);
    return bytes > 0;
}

static size_t unback_region(void *context, void *start, size_t bytes)
{
    if (madvise(start, bytes, MADV_DONTNEED) != 0)
        perror("madvise");
    memset(taken_away(context, start), 1, bytes / PAGE_SIZE);
    return bytes;
}

static bool region_has_memory(void *context, const void *page)
{
    return !*taken_away(context, page);
}

static size_t bytes_with_notes(size_t limit)
{
    return limit + limit / PAGE_SIZE;
}

bool bench_heap_region(struct heap_region *region, size_t limit)
{
    *region = (struct heap_region){
        .start = map_memory(0, bytes_with_notes(limit)),
        .limit = limit,
        .grow = grow_region,
        .back = back_region,
        .unback = unback_region,
        .has_memory = region_has_memory,
        .context = region,
        .zeroed = true,
    };
    return region->start != NULL;
}

void bench_heap_region_end(const struct heap_region *region)
{
    munmap(region->start, bytes_with_notes(region->limit));
}

void bench_huge_pages(bool wanted)
{
    if (prctl(PR_SET_THP_DISABLE, !wanted, 0, 0, 0) != 0)
        perror("prctl of huge pages");
}

bool bench_machine(uint64_t bytes)
{
    static struct memory_map map;
    if (bytes == 0 && machine_bytes == DEFAULT_BYTES)
        return true;
    machine_bytes = bytes != 0 ? bytes : DEFAULT_BYTES;
    memory_map_init(&map, platform_paddr_bits());
    return memory_map_add(&map, MIB, machine_bytes - MIB, MEMORY_USABLE) ==
               MM_OK &&
           frame_init(&map, ARENA_BYTES) == MM_OK;
}

void bench_sample(const char *plot, const char *subject, uint64_t x, uint64_t y)
{
    if (sample_file != NULL)
        fprintf(sample_file, "%s %s %llu %llu.%02llu\n", plot, subject,
                (unsigned long long)x, (unsigned long long)y / 100,
                (unsigned long long)y % 100);
}

static paddr_t take_table(void *context)
{
    (void)context;
    return frame_alloc(FRAME_4K);
}

static void give_table(void *context, paddr_t frame)
{
    (void)context;
    enum mm_error error = frame_free(frame);
    ASSERT(error == MM_OK, "frame %#llx", (unsigned long long)frame);
}

/* Live, so that invalidations are asked for as in a kernel. */
struct page_table *bench_page_table(void)
{
    static struct page_table table;
    bool keep = machine_bytes == DEFAULT_BYTES && table.alloc != NULL;
    if (keep)
        return &table;
    if (!bench_machine(0) ||
        page_table_init(&table, take_table, give_table, NULL) != MM_OK)
        return NULL;
    page_table_load(&table);
    return &table;
}

/* ---- bench/host/platform.h ---- */

void host_samples_to(FILE *file)
{
    sample_file = file;
}

bool host_map_machine(void)
{
    if (map_memory(ARENA, ARENA_BYTES) == NULL)
        return false;
    ask_for_huge_pages((void *)ARENA, ARENA_BYTES);
    return true;
}
