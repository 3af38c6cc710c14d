/* A prompt with a table of commands. */
#include "kernel/prompt/monitor.h"

#include <stdbool.h>
#include <stddef.h>

#include "drivers/clock.h"
#include "drivers/power.h"
#include "drivers/screen.h"
#include "kernel/console/console.h"
#include "kernel/kernel_heap.h"
#include "kernel/options.h"
#include "kernel/prompt/report.h"
#include "kernel/trap/machine_check.h"
#include "kernel/trap/trap.h"
#include "lib/format.h"
#include "lib/string.h"
#include "mm/kernel_space.h"

#define LINE_MAX 128

static const struct boot_info *boot_info;

static void command_help(const char *rest);

static void command_mem(const char *rest)
{
    (void)rest;
    report_print_memory(boot_info);
}

static void command_heap(const char *rest)
{
    (void)rest;
    kernel_heap_print();
}

static void command_leaks(const char *rest)
{
    (void)rest;
    kernel_heap_print_leaks();
}

static void command_cpus(const char *rest)
{
    (void)rest;
    report_print_cpus();
}

static void command_frames(const char *rest)
{
    (void)rest;
    report_print_frames();
}

static void command_space(const char *rest)
{
    (void)rest;
    kernel_space_print(printf);
}

static void command_audit(const char *rest)
{
    (void)rest;
    static struct page_offence offence;
    if (kernel_space_audit(&offence))
        printf("Every mapping is as it should be.\n");
    else
        printf("%s\n", offence.sentence);
}

/* Reads a hexadecimal number, with 0x or without.  False if the text is not 1
 * to 16 digits. */
static bool parse_address(const char *text, uint64_t *address)
{
    if (strncmp(text, "0x", 2) == 0)
        text += 2;
    size_t digits = strlen(text);
    *address = 0;
    for (; *text != '\0'; text++) {
        const char *hex = "0123456789abcdef",
                   *digit = strchr(hex, *text | 0x20);
        if (digit == NULL)
            return false;
        *address = *address << 4 | (uint64_t)(digit - hex);
    }
    return digits >= 1 && digits <= 16;
}

static void command_walk(const char *rest)
{
    uint64_t address;
    if (parse_address(rest, &address))
        trap_print_address(address);
    else
        printf("walk wants an address in hexadecimal: walk "
               "ffff800000100000\n");
}

/* Puts one of a screenful of log lines.  Each line differs from the one before,
 * so that scrolling changes much of the screen. */
static void put_log_line(unsigned number)
{
    static const char *const rooms[] = {"frame", "heap", "page", "console"};
    char line[128];
    format_string(line, sizeof(line),
                  "# %-10s line %u of %u, from 0x%016lx on, %u KiB\n",
                  rooms[number % 4], number + 1, screen_rows(),
                  (number + 1) * UINT64_C(0x9e3779b97f4a7c15), number * 37);
    for (const char *c = line; *c != '\0'; c++)
        screen_put(*c);
}

/* Puts a line that differs in every column from the line before. */
static void put_full_line(unsigned number)
{
    for (unsigned column = 0; column < screen_columns(); column++)
        screen_put((char)('!' + (number * 7 + column * 5) % ('~' - '!' + 1)));
    screen_put('\n');
}

static void time_screen(const char *what, void (*put_line)(unsigned number))
{
    const unsigned lines = screen_rows();
    uint64_t begin = clock_ticks();
    for (unsigned i = 0; i < lines; i++)
        put_line(i);
    uint64_t ticks = clock_ticks() - begin, per_ms = clock_ticks_per_ms();
    printf("%u %s on the screen: %lu ticks", lines, what, ticks);
    if (per_ms != 0)
        printf(", %lu us", ticks * 1000 / per_ms);
    printf("\n");
}

/* Prints to the screen alone, because the serial port is slower than any
 * screen. */
static void command_screen(const char *rest)
{
    (void)rest;
    if (screen_rows() == 0) {
        printf("There is no screen.\n");
        return;
    }
    time_screen("log lines", put_log_line);
    time_screen("lines that differ in every column", put_full_line);
}

/* Tries all ways in turn, or only the one named `wanted`. */
static void try_ways(const struct power_way *ways, const char *wanted)
{
    bool found = false;
    for (const struct power_way *way = ways; way->name != NULL; way++) {
        if (*wanted != '\0' && strcmp(way->name, wanted) != 0)
            continue;
        found = true;
        printf("%s\n", way->help);
        if (!way->attempt())
            printf("  This machine does not have it.\n");
    }
    if (found) {
        printf("None of these ways works on this machine:\n"
               "use its power button.\n");
        return;
    }
    printf("There is no way '%s'; there are:\n", wanted);
    for (const struct power_way *way = ways; way->name != NULL; way++)
        printf("  %-13s %s\n", way->name, way->help);
}

static void command_poweroff(const char *rest)
{
    try_ways(power_off_ways, rest);
}

static void command_reboot(const char *rest)
{
    try_ways(power_reboot_ways, rest);
}

static const struct {
    const char *name, *help;
    void (*run)(const char *rest); /* rest: the line after the name */
} commands[] = {
    {"help", "this list", command_help},
    {"mem", "memory: map, frames, heap", command_mem},
    {"heap", "what the heap holds, and whether it is sound", command_heap},
    {"leaks", "live blocks of the heap by call site", command_leaks},
    {"cpus", "the processors, one by one", command_cpus},
    {"frames", "frames: what is free, and how scattered", command_frames},
    {"space", "the regions of the address space", command_space},
    {"walk", "walk ADDRESS: what the address is, and its page walk",
     command_walk},
    {"audit", "compare every mapping with the plan", command_audit},
    {"screen", "measure how fast lines are printed on the screen",
     command_screen},
    {"poweroff", "switch off; poweroff WAY tries that way only",
     command_poweroff},
    {"reboot", "restart; reboot WAY tries that way only", command_reboot},
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void command_help(const char *rest)
{
    (void)rest;
    printf("Commands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].help);
    printf("Options on the kernel command line:\n");
    options_print();
}

/* Waits for a key.  The end of a line is returned as \n, whether \r, \n or both
 * were sent.  The sequences of arrow and function keys (ECMA-48, section 5.4:
 * ESC [ ... letter) are skipped. */
static char read_key(void)
{
    static char last;
    for (;;) {
        char c = console_get(machine_check_poll_now_and_then);
        bool second = c == '\n' && last == '\r';
        last = c;
        if (second)
            continue;
        if (c != '\x1b')
            return c == '\r' ? '\n' : c;
        if (console_get(machine_check_poll_now_and_then) == '[')
            do
                c = console_get(machine_check_poll_now_and_then);
            while (c < '@' || c > '~');
    }
}

/* Reads a line and echoes it; backspace and control-U edit it.  A character
 * that does not fit in the buffer is refused with a bell. */
static void read_line(char *line)
{
    size_t length = 0;
    for (;;) {
        char c = read_key();
        if (c == '\n') {
            line[length] = '\0';
            printf("\n");
            return;
        }
        if (c == '\b' || c == 0x7f || c == 'U' - '@') {
            do {
                if (length == 0)
                    break;
                length--;
                printf("\b \b");
            } while (c == 'U' - '@');
        } else if (c >= ' ' && c <= '~' && length < LINE_MAX - 1) {
            line[length++] = c;
            printf("%c", c);
        } else {
            printf("\a");
        }
    }
}

static char *trim(char *line)
{
    while (*line == ' ')
        line++;
    size_t length = strlen(line);
    while (length > 0 && line[length - 1] == ' ')
        line[--length] = '\0';
    return line;
}

static void run_command(const char *line)
{
    size_t length = 0;
    while (line[length] != ' ' && line[length] != '\0')
        length++;
    const char *rest = line + length;
    while (*rest == ' ')
        rest++;
    if (length == 0)
        return;
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strlen(commands[i].name) == length &&
            strncmp(commands[i].name, line, length) == 0) {
            commands[i].run(rest);
            return;
        }
    printf("No command '%.*s'. Type 'help' for the list.\n", (int)length, line);
}

void monitor_run(const struct boot_info *info)
{
    boot_info = info;
    for (;;) {
        char line[LINE_MAX];
        printf("copse> ");
        read_line(line);
        run_command(trim(line));
    }
}
