/* Panic, failed assertions and the backtrace. */
#include "kernel/trap/panic.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "drivers/debug_exit.h"
#include "kernel/console/console.h"
#include "kernel/cpu/percpu.h"
#include "kernel/cpu/request.h"
#include "kernel/cpu/x86.h"
#include "kernel/image.h"
#include "kernel/trap/symbols.h"
#include "lib/assert.h"
#include "lib/format.h"

/* How many reports were begun.  A report that faults begins another one: the
 * second is shorter, and the third only stops the machine. */
static unsigned depth;

_Noreturn static void stop(void)
{
    debug_exit(DEBUG_EXIT_PANIC);
    if (depth <= 2)
        printf("The machine is halted.\n");
    halt_for_ever();
}

/* The number + 1 of the CPU that reports; 0 if there is none yet. */
static _Atomic uint32_t reporter;

/* The first CPU that panics reports, and stops the others.  If another CPU
 * panics at the same time (both may have met the same broken memory), it stops
 * itself. */
static void take_over(void)
{
    uint32_t self = platform_cpu() + 1, found = 0;
    if (!atomic_compare_exchange_strong(&reporter, &found, self) &&
        found != self)
        request_stop_self();
}

static void stop_others(void)
{
    unsigned first, silent = request_stop(&first);
    console_break_lock();
    if (silent > 0)
        printf("(%u CPUs, CPU %u first, do not stop and may disturb this.)\n",
               silent, first);
}

/* "Bail out!"  is TAP's word for a run that cannot go on. */
static void begin(void)
{
    take_over();
    depth++;
    if (depth > 2)
        stop();
    if (depth == 1)
        stop_others();
    printf("\nBail out! Copse panicked%s",
           depth == 1 ? "" : " again, while it reported the first panic");
    if (percpu_count_up() > 1)
        printf(" on CPU %u", platform_cpu());
    printf(".\n\n");
}

static void print_symbol(const char *word, uint64_t address,
                         struct symbol_place place, uint64_t after)
{
    if (place.name == NULL)
        printf("  %s 0x%016lx\n", word, address);
    else
        printf("  %s 0x%016lx  %s+0x%lx\n", word, address, place.name,
               place.offset + after);
}

static void print_place(const char *word, uint64_t address)
{
    print_symbol(word, address, symbol_find(address), 0);
}

/* A return address may lie behind the function, if its last instruction is the
 * call.  The byte before it always belongs to the function. */
static void print_return(const char *word, uint64_t address)
{
    print_symbol(word, address, symbol_find(address - 1), 1);
}

#define BACKTRACE "\nbacktrace, innermost first:\n"

#define BACKTRACE_MAX 10000 /* more than fit in a stack */
#define SHOWN_MAX     24

/* Follows the chain of saved rbp, starting in the function that contains the
 * address `last`.  A chain that leaves the stacks, or does not go upwards, ends
 * the list but not the report.  Repeated return addresses of a recursion are
 * shown once, with a count. */
static void print_backtrace(uint64_t last, uint64_t rbp)
{
    unsigned repeated = 0;
    for (unsigned i = 0, shown = 0;
         i < BACKTRACE_MAX && shown < SHOWN_MAX && symbol_is_stack(rbp); i++) {
        const uint64_t *saved = (const uint64_t *)rbp;
        if (saved[1] == last) {
            repeated++;
        } else {
            if (repeated > 0)
                printf("       and %u times more\n", repeated);
            repeated = 0;
            if (saved[1] == 0)
                break;
            print_return("from", saved[1]);
            shown++;
        }
        last = saved[1];
        if (saved[0] <= rbp)
            break;
        rbp = saved[0];
    }
}

_Noreturn static void report(const char *what, uint64_t rip, uint64_t rbp)
{
    begin();
    printf("%s\n", what);
    if (depth == 1) {
        printf(BACKTRACE);
        print_return("at  ", rip);
        print_backtrace(rip, rbp);
    }
    stop();
}

#define CALLER()    ((uint64_t)__builtin_return_address(0))
#define CALLER_BP() (*(uint64_t *)__builtin_frame_address(0))

void panic(const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    format_string_v(text, sizeof(text), format, arguments);
    va_end(arguments);
    report(text, CALLER(), CALLER_BP());
}

void assert_failed(const char *file, int line, const char *condition,
                   const char *format, ...)
{
    char text[512];
    size_t length =
        format_string(text, sizeof(text), "%s:%d: assertion failed: %s\n  ",
                      file, line, condition);
    if (length < sizeof(text)) {
        va_list arguments;
        va_start(arguments, format);
        format_string_v(text + length, sizeof(text) - length, format,
                        arguments);
        va_end(arguments);
    }
    report(text, CALLER(), CALLER_BP());
}

static void print_registers(const struct trap_frame *f)
{
    printf("\nregisters:\n"
           "  rax %016lx  rbx %016lx  rcx %016lx  rdx %016lx\n"
           "  rsi %016lx  rdi %016lx  rbp %016lx  rsp %016lx\n"
           "  r8  %016lx  r9  %016lx  r10 %016lx  r11 %016lx\n"
           "  r12 %016lx  r13 %016lx  r14 %016lx  r15 %016lx\n"
           "  rip %016lx  rflags %08lx  cs %04lx  ss %04lx\n"
           "  cr0 %016lx  cr2 %016lx  cr3 %016lx  cr4 %016lx\n",
           f->rax, f->rbx, f->rcx, f->rdx, f->rsi, f->rdi, f->rbp, f->rsp,
           f->r8, f->r9, f->r10, f->r11, f->r12, f->r13, f->r14, f->r15, f->rip,
           f->rflags, f->cs, f->ss, read_cr0(), read_cr2(), read_cr3(),
           read_cr4());
}

/* Prints the instruction at rip and some bytes after it, for a disassembler. */
static void print_code(uint64_t rip)
{
    const unsigned shown = 16;
    if (rip < (uint64_t)text_start || rip > (uint64_t)text_end - shown)
        return;
    printf("\ncode at rip:\n ");
    for (unsigned i = 0; i < shown; i++)
        printf(" %02x", ((const uint8_t *)rip)[i]);
    printf("\n");
}

void panic_trap(const struct trap_frame *frame,
                void (*explain)(const struct trap_frame *))
{
    begin();
    printf("%s, vector %lu, error code 0x%lx, at 0x%016lx\n",
           trap_name(frame->vector), frame->vector, frame->error_code,
           frame->rip);
    if (depth == 1) {
        explain(frame);
        print_registers(frame);
        print_code(frame->rip);
        printf(BACKTRACE);
        print_place("at  ", frame->rip);
        print_backtrace(frame->rip, frame->rbp);
    }
    stop();
}
