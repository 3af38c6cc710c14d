/* A prompt with a table of commands. */
#include "kernel/monitor.h"

#include <stdbool.h>
#include <stddef.h>

#include "drivers/power.h"
#include "kernel/console.h"
#include "kernel/options.h"
#include "kernel/report.h"
#include "lib/string.h"

#define LINE_MAX 128

static const struct boot_info *boot_info;

static void command_help(void);

static void command_mem(void)
{
    report_print_memory(boot_info);
}

static void command_poweroff(void)
{
    power_off();
    printf("This machine does not switch off in a way that Copse knows:\n"
           "use its power button.\n");
}

static const struct {
    const char *name, *help;
    void (*run)(void);
} commands[] = {
    {"help", "this list", command_help},
    {"mem", "memory: map, frames, heap", command_mem},
    {"poweroff", "switch the machine off", command_poweroff},
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void command_help(void)
{
    printf("Commands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].help);
    printf("Options on the kernel command line:\n");
    options_print();
}

/* Reads a line with its echo; backspace and control-U edit it.  Characters
 * past the end of the buffer are refused with a bell. */
static void read_line(char *line)
{
    size_t length = 0;
    for (;;) {
        char c = console_get();
        if (c == '\r' || c == '\n') {
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
    if (*line == '\0')
        return;
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i].name, line) == 0) {
            commands[i].run();
            return;
        }
    printf("No command '%s'. Type 'help' for the list.\n", line);
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
