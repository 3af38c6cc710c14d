/* mm/platform.h and lib/assert.h on the host. */
#include "tests/host/platform_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/assert.h"

/* Where the direct map of the host's machine lies: a constant, as in a kernel,
 * at a place that ASan, TSan and the C library all leave free. */
#define ARENA UINT64_C(0x7e9000000000)

const vaddr_t platform_direct_map = ARENA;
unsigned char *const host_memory = (unsigned char *)ARENA;

_Thread_local unsigned platform_thread_cpu;
unsigned host_cpu_count = 1;
unsigned host_paddr_bits = 40;
int host_has_1g_pages = 1;
unsigned host_tlb_invalidations, host_tlb_flushes;
enum platform_tlb host_tlb_what;
void (*host_on_invalidate)(vaddr_t page);
void (*host_on_fence)(void);
void (*host_on_flush)(void);
paddr_t host_page_table = PADDR_NONE;
unsigned host_log_lines;
char host_log_last[256];

__attribute__((constructor)) static void map_memory(void)
{
    void *got = mmap(host_memory, HOST_MEMORY_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
                         MAP_FIXED_NOREPLACE,
                     -1, 0);
    if (got != host_memory) {
        perror("mmap of the host's machine memory");
        exit(1);
    }
}

unsigned char *host_map_at(paddr_t address, size_t bytes)
{
    void *got = mmap(host_memory + address, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
                         MAP_FIXED_NOREPLACE,
                     -1, 0);
    return got == MAP_FAILED ? NULL : got;
}

void assert_failed(const char *file, int line, const char *condition,
                   const char *format, ...)
{
    static char text[512]; /* cmocka prints it after this frame is gone */
    int length = snprintf(text, sizeof(text), "%s: ", condition);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + length, sizeof(text) - (size_t)length, format, arguments);
    va_end(arguments);
    /* Inside expect_assert_failure this jumps back; else it fails the test. */
    mock_assert(0, text, file, line);
    fprintf(stderr, "%s:%d: %s\n", file, line, text);
    abort();
}

void platform_log(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(host_log_last, sizeof(host_log_last), format, arguments);
    va_end(arguments);
    host_log_lines++;
}

unsigned platform_cpu_count(void)
{
    return host_cpu_count;
}

unsigned (*host_cpu_node)(unsigned cpu);
unsigned (*host_memory_node)(paddr_t address);

unsigned platform_cpu_node(unsigned cpu)
{
    return host_cpu_node == NULL ? 0 : host_cpu_node(cpu);
}

unsigned platform_memory_node(paddr_t address)
{
    return host_memory_node == NULL ? 0 : host_memory_node(address);
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
    if (host_on_fence != NULL)
        host_on_fence();
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
    return host_paddr_bits;
}

int platform_has_1g_pages(void)
{
    return host_has_1g_pages;
}

void platform_tlb_invalidate(const vaddr_t *pages, unsigned count,
                             enum platform_tlb what)
{
    host_tlb_what = what;
    for (unsigned i = 0; i < count; i++) {
        host_tlb_invalidations++;
        if (host_on_invalidate != NULL)
            host_on_invalidate(pages[i]);
    }
}

void platform_tlb_flush(enum platform_tlb what)
{
    host_tlb_what = what;
    host_tlb_flushes++;
    if (host_on_flush != NULL)
        host_on_flush();
}

void platform_load_page_table(paddr_t root)
{
    host_page_table = root;
}
