/* The boot, in order. */
#include <stdarg.h>

#include "boot/multiboot2.h"
#include "boot/pvh.h"
#include "drivers/clock.h"
#include "drivers/debug_exit.h"
#include "kernel/bench.h"
#include "kernel/console/console.h"
#include "kernel/console/log.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/mtrr.h"
#include "kernel/cpu/percpu.h"
#include "kernel/cpu/smp.h"
#include "kernel/cpu/stacks.h"
#include "kernel/firmware.h"
#include "kernel/image.h"
#include "kernel/kernel_heap.h"
#include "kernel/options.h"
#include "kernel/prompt/monitor.h"
#include "kernel/prompt/report.h"
#include "kernel/selftest/fault.h"
#include "kernel/selftest/selftest.h"
#include "kernel/trap/canary.h"
#include "kernel/trap/machine_check.h"
#include "kernel/trap/panic.h"
#include "kernel/trap/trap.h"
#include "lib/bits.h"
#include "lib/format.h"
#include "lib/string.h"
#include "mm/frame.h"
#include "mm/kernel_space.h"
#include "mm/platform.h"

/* What boot/start32.asm mapped: the boot information must lie below it. */
#define EARLY_MAPPED (4 * GIB)

static struct boot_info boot_info;

static void read_multiboot2(uint32_t address)
{
    struct multiboot2_problems problems = {0};
    enum multiboot2_error error =
        multiboot2_parse(phys_to_virt(address), address, EARLY_MAPPED - address,
                         cpu_get()->paddr_bits, &boot_info, &problems);
    if (error != MULTIBOOT2_OK)
        panic("the boot information at 0x%x is unusable: tag %u at offset "
              "0x%x: %s\n(%s)",
              address, problems.last.tag, problems.last.offset,
              multiboot2_error_text(error), multiboot2_error_name(error));
}

static void read_pvh(uint32_t address)
{
    struct pvh_view memory = {phys_to_virt(0), EARLY_MAPPED};
    struct pvh_problems problems = {0};
    enum pvh_error error = pvh_parse(memory, address, cpu_get()->paddr_bits,
                                     &boot_info, &problems);
    if (error != PVH_OK)
        panic("the start info at 0x%x is unusable: at 0x%lx: %s\n(%s)", address,
              problems.last.address, pvh_error_text(error),
              pvh_error_name(error));
}

static void read_boot_information(uint32_t address, uint32_t loader)
{
    if (loader == PVH_MAGIC)
        read_pvh(address);
    else
        read_multiboot2(address);

    /* The whole image stays in use except its first part, the boot code and its
     * tables: build_kernel_space no longer needs them.  Pages of that part that
     * contain boot information stay too. */
    paddr_t start = (uintptr_t)image_start - KERNEL_BASE;
    paddr_t kept = (uintptr_t)text_start - KERNEL_BASE;
    paddr_t end = (uintptr_t)image_end - KERNEL_BASE;
    enum mm_error full =
        memory_map_add(&boot_info.map, start, kept - start, MEMORY_BOOT_ONLY);
    if (full == MM_OK)
        full = boot_info_reserve(&boot_info, kept, end);
    if (full != MM_OK)
        panic("cannot reserve what is in use: %s", mm_error_text(full));
    console_add_screen(&boot_info.framebuffer);
}

static void read_options(void)
{
    options_init(boot_info.command_line, boot_info.command_word_cut);
    if (boot_info.command_line_cut)
        log_line(LOG_WARNING, "options",
                 "the command line was cut after %zu characters",
                 strlen(boot_info.command_line));
    const char *name = option("loglevel");
    enum log_level level;
    if (name == NULL)
        return;
    if (log_level_find(name, &level))
        log_set_level(level);
    else
        log_line(LOG_WARNING, "options",
                 "loglevel=%s is none of error, warning, info, debug", name);
}

/* cpus=N: a decimal number from 1 on.  Without the option, all CPUs. */
static unsigned wanted_cpus(void)
{
    const char *text = option("cpus");
    unsigned wanted = 0;
    if (text == NULL)
        return PLATFORM_CPUS_MAX;
    const char *c = text;
    for (; *c >= '0' && *c <= '9'; c++)
        if (wanted <= PLATFORM_CPUS_MAX)
            wanted = wanted * 10 + (unsigned)(*c - '0');
    if (*c == '\0' && wanted >= 1 && wanted <= PLATFORM_CPUS_MAX)
        return wanted;
    log_line(LOG_WARNING, "options",
             "cpus=%s is not a number from 1 to %u: all processors are used",
             text, PLATFORM_CPUS_MAX);
    return PLATFORM_CPUS_MAX;
}

static void read_tables(void)
{
    const char *clock = option("clock");
    if (clock != NULL && !clock_use_only(clock))
        log_line(LOG_WARNING, "options", "clock=%s is none of pit, pm, hpet",
                 clock);
    mtrr_mark_slow_memory(&boot_info.map);
    firmware_read(&boot_info);
    smp_plan(firmware_acpi(), wanted_cpus(), &boot_info.map);
}

/* In debug builds: compares every mapping with the plan. */
static void audit(const char *step)
{
#ifdef COPSE_DEBUG
    static struct page_offence offence;
    if (!kernel_space_audit(&offence))
        panic("after %s: %s", step, offence.sentence);
    log_line(LOG_INFO, "audit", "every mapping is as planned after %s", step);
#else
    (void)step;
#endif
}

static int log_region(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* A printf for kernel_space_print, which calls it once for each line. */
static int log_region(const char *format, ...)
{
    char line[128];
    va_list arguments;
    va_start(arguments, format);
    size_t length = format_string_v(line, sizeof(line), format, arguments);
    va_end(arguments);
    line[strnlen(line, sizeof(line)) - 1] = '\0'; /* without the newline:
                                                   * log_line adds one */
    log_line(LOG_INFO, "space", "%s", line);
    return (int)length;
}

static void build_kernel_space(void)
{
    console_hide_screen(); /* until it is mapped again */

    struct kernel_image image = {
        .text = (vaddr_t)text_start,
        .text_end = (vaddr_t)text_end,
        .rodata = (vaddr_t)rodata_start,
        .rodata_end = (vaddr_t)rodata_end,
        .data = (vaddr_t)data_start,
        .data_end = (vaddr_t)data_end,
    };
    for (unsigned i = 0; i < STACK_COUNT; i++)
        image.stack[i] = (struct kernel_image_stack){
            (vaddr_t)stacks[i].bytes, (vaddr_t)stacks[i].bytes + STACK_BYTES};
    enum mm_error error = kernel_space_init(&boot_info.map, &image);
    if (error != MM_OK)
        panic("cannot build the kernel's page table: %s", mm_error_text(error));
    kernel_space_print(log_region);
    audit("build_kernel_space");
}

static void build_frame_trees(void)
{
    enum mm_error error = frame_init(&boot_info.map, DIRECT_MAP_BYTES);
    if (error != MM_OK)
        panic("cannot build the frame trees over %lu KiB of usable RAM: %s",
              memory_map_bytes(&boot_info.map, MEMORY_USABLE) / KIB,
              mm_error_text(error));
    kernel_space_use_frames();
    struct frame_stats stats;
    frame_stats(&stats);
    log_line(LOG_INFO, "frame",
             "%lu MiB managed, %lu GiB hold RAM, %lu KiB of metadata",
             stats.managed_bytes / MIB, stats.gibs, stats.metadata_bytes / KIB);
    audit("build_frame_trees");
}

static void map_screen(void)
{
    console_map_screen(&boot_info.framebuffer);
}

static void build_heap(void)
{
    kernel_heap_build();
    audit("build_heap");
}

/* Self-tests and benchmarks leave QEMU with their result.  On other machines
 * the boot goes on to the prompt. */
static void run_what_was_asked(void)
{
    if (option("fault") != NULL)
        fault_make(option("fault"));
    const char *suite = option("selftest");
    if (suite != NULL)
        debug_exit(selftest_run(suite, &boot_info) ? DEBUG_EXIT_SUCCESS
                                                   : DEBUG_EXIT_FAILURE);
    const char *bench = option("bench");
    if (bench != NULL)
        debug_exit(bench_kernel(bench) ? DEBUG_EXIT_SUCCESS
                                       : DEBUG_EXIT_FAILURE);
}

/* boot/start64.asm calls this on the boot stack with interrupts off.  The first
 * 4 GiB are mapped at address 0 and at DIRECT_MAP_BASE, and the first GiB at
 * KERNEL_BASE. */
_Noreturn void kernel_main(uint32_t location, uint32_t loader);

/* location: where the boot information lies.  loader: the magic number that
 * tells which loader wrote it. */
void kernel_main(uint32_t location, uint32_t loader)
{
    canary_init();                           /* for debug builds */
    percpu_init();                           /* this is CPU 0 */
    report_begin();                          /* note the time */
    console_init();                          /* serial port */
    percpu_load_gdt();                       /* segments, interrupt stacks */
    trap_init();                             /* use those stacks */
    cpu_init();                              /* turn on its protections */
    read_boot_information(location, loader); /* copied and checked */
    read_options();                          /* command line */
    read_tables();                           /* ACPI: processors, nodes */
    build_kernel_space();                    /* our own page tables */
    build_frame_trees();                     /* 4K, 2M, 1G frames */
    map_screen();                            /* write-combining */
    build_heap();                            /* kmalloc */
    machine_check_init();                    /* report broken memory */
    firmware_use();                          /* power, clocks */
    smp_start();                             /* the other processors */
    run_what_was_asked();                    /* self-tests, a fault */
    console_add_keyboard();                  /* PS/2 */
    report_print(&boot_info);                /* one screen */
    monitor_run(&boot_info);                 /* the prompt */
}
