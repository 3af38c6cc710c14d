/* Exceptions: their names, and explanations of faults. */
#include "kernel/trap/trap.h"

#include <stddef.h>

#include "kernel/console/console.h"
#include "kernel/console/log.h"
#include "kernel/cpu/percpu.h"
#include "kernel/cpu/request.h"
#include "kernel/cpu/smp.h"
#include "kernel/cpu/stacks.h"
#include "kernel/cpu/x86.h"
#include "kernel/trap/machine_check.h"
#include "kernel/trap/panic.h"
#include "kernel/trap/symbols.h"
#include "mm/cpu/cpu_order.h"
#include "mm/kernel_space.h"
#include "mm/page_table.h"

enum {
    VECTOR_NMI = 2,
    VECTOR_BP = 3,
    VECTOR_DF = 8,
    VECTOR_TS = 10,
    VECTOR_NP = 11,
    VECTOR_SS = 12,
    VECTOR_GP = 13,
    VECTOR_PF = 14,
    VECTOR_MC = 18,
};

/* AMD64 manual, volume 2, section 8.2. */
static const char *const names[32] = {
    "divide error (#DE)",
    "debug (#DB)",
    "non-maskable interrupt (NMI)",
    "breakpoint (#BP)",
    "overflow (#OF)",
    "bound range (#BR)",
    "invalid opcode (#UD)",
    "device not available (#NM)",
    "double fault (#DF)",
    "coprocessor segment overrun",
    "invalid TSS (#TS)",
    "segment not present (#NP)",
    "stack (#SS)",
    "general protection (#GP)",
    "page fault (#PF)",
    "reserved vector 15",
    "x87 floating point (#MF)",
    "alignment check (#AC)",
    "machine check (#MC)",
    "SIMD floating point (#XF)",
    "virtualization (#VE)",
    "control protection (#CP)",
    "reserved vector 22",
    "reserved vector 23",
    "reserved vector 24",
    "reserved vector 25",
    "reserved vector 26",
    "reserved vector 27",
    "hypervisor injection (#HV)",
    "VMM communication (#VC)",
    "security (#SX)",
    "reserved vector 31",
};

const char *trap_name(uint64_t vector)
{
    return vector < 32 ? names[vector] : "unexpected interrupt";
}

/* AMD64 manual, volume 2, section 8.4.2: the error code of a page fault. */
enum {
    PF_PROTECTION = 1 << 0,
    PF_WRITE = 1 << 1,
    PF_USER = 1 << 2,
    PF_RESERVED = 1 << 3,
    PF_FETCH = 1 << 4,
};

static const char *access_name(uint64_t error_code)
{
    if (error_code & PF_FETCH)
        return "instruction fetch from";
    return error_code & PF_WRITE ? "write to" : "read of";
}

static const char *reason(uint64_t error_code)
{
    if (error_code & PF_RESERVED)
        return "a reserved bit is set in a page-table entry";
    return error_code & PF_PROTECTION ? "the page does not allow it"
                                      : "no page is mapped there";
}

static void print_walk(vaddr_t address)
{
    struct page_walk walk;
    enum mm_error error = page_walk(kernel_space_table(), address, &walk);
    if (error != MM_NON_CANONICAL)
        for (unsigned level = LEVEL_PML4 + 1; level-- > walk.last;) {
            char line[PAGE_WALK_LINE];
            page_walk_line(&walk, address, level, line, sizeof(line));
            printf("  %s\n", line);
        }
    if (error != MM_OK)
        printf("  %s: %s\n", mm_error_name(error), mm_error_text(error));
}

void trap_print_address(uint64_t address)
{
    char sentence[KERNEL_SPACE_SENTENCE];
    kernel_space_explain(address, sentence, sizeof(sentence));
    printf("0x%016lx is %s\n", address, sentence);
    print_walk(address);
}

static void explain_page_fault(const struct trap_frame *frame)
{
    uint64_t address = read_cr2();
    printf("%s 0x%016lx: %s\n", access_name(frame->error_code), address,
           reason(frame->error_code));
    trap_print_address(address);
}

static void explain_double_fault(const struct trap_frame *frame)
{
    printf("the CPU could not deliver an exception; the stack pointer then\n");
    trap_print_address(frame->rsp);
    printf("and the last page fault was at\n");
    trap_print_address(read_cr2());
}

/* AMD64 manual, volume 2, section 8.4.1: a selector's error code. */
static void explain_selector(uint64_t error_code)
{
    static const char *const tables[] = {"the GDT", "the IDT", "the LDT",
                                         "the IDT"};
    if (error_code == 0)
        return;
    printf("about entry %lu of %s%s\n", error_code >> 3 & 0x1fff,
           tables[error_code >> 1 & 3],
           error_code & 1 ? ", for an event from outside" : "");
}

/* #GP and #SS with error code 0 are most often caused by an access through a
 * non-canonical address. */
static void explain_non_canonical(const struct trap_frame *f)
{
    const struct {
        const char *name;
        uint64_t value;
    } registers[] = {
        {"rax", f->rax}, {"rbx", f->rbx}, {"rcx", f->rcx}, {"rdx", f->rdx},
        {"rsi", f->rsi}, {"rdi", f->rdi}, {"rbp", f->rbp}, {"rsp", f->rsp},
        {"r8", f->r8},   {"r9", f->r9},   {"r10", f->r10}, {"r11", f->r11},
        {"r12", f->r12}, {"r13", f->r13}, {"r14", f->r14}, {"r15", f->r15},
        {"rip", f->rip},
    };
    for (unsigned i = 0; i < sizeof(registers) / sizeof(registers[0]); i++)
        if (!page_is_canonical(registers[i].value))
            printf("%s holds 0x%016lx, which is not a canonical address\n",
                   registers[i].name, registers[i].value);
}

static void explain(const struct trap_frame *frame)
{
    switch (frame->vector) {
    case VECTOR_PF:
        explain_page_fault(frame);
        break;
    case VECTOR_DF:
        explain_double_fault(frame);
        break;
    case VECTOR_MC:
        machine_check_explain(frame);
        break;
    case VECTOR_TS:
    case VECTOR_NP:
    case VECTOR_SS:
    case VECTOR_GP:
        explain_selector(frame->error_code);
        explain_non_canonical(frame);
        break;
    default:
        break;
    }
}

/* A breakpoint (int3) is logged, and the code goes on. */
static void report_breakpoint(const struct trap_frame *frame)
{
    struct symbol_place place = symbol_find(frame->rip - 1);
    log_line(LOG_INFO, "trap", "breakpoint at 0x%lx, %s+0x%lx", frame->rip - 1,
             place.name != NULL ? place.name : "outside the kernel's code",
             place.offset);
}

static bool (*hook)(struct trap_frame *frame);

void trap_set_hook(bool (*function)(struct trap_frame *frame))
{
    hook = function;
}

static bool no_cpu_yet = true; /* which CPU this is cannot be told */

/* The handlers' part; false: nobody has handled it. */
static bool handle(struct trap_frame *frame)
{
    if (hook != NULL && hook(frame))
        return true;
    if (frame->vector == VECTOR_NMI && request_answer())
        return true;
    if (frame->vector == VECTOR_MC && machine_check_handle())
        return true;
    return smp_interrupt(frame->vector);
}

/* No other CPU can ask something of this one while it handles these, so it must
 * not wait for one that may be asking. */
static bool handle_without_waiting(struct trap_frame *frame)
{
    cpu_order_forbid();
    bool handled = handle(frame);
    cpu_order_permit();
    return handled;
}

/* Whether the trap interrupted the handler of an NMI, or what interrupted that
 * one: the CPU must let no NMI in before that handler has ended. */
static bool keeps_nmis_out(const struct trap_frame *frame)
{
    if (no_cpu_yet)
        return false;
    const vaddr_t *top = percpu_this()->stack_top;
    return top[STACK_NMI] - 1 - frame->rsp < STACK_BYTES ||
           top[STACK_MACHINE_CHECK] - 1 - frame->rsp < STACK_BYTES;
}

static void act(struct trap_frame *frame)
{
    bool masked = frame->vector == VECTOR_NMI || frame->vector == VECTOR_MC;
    if (masked && !no_cpu_yet ? handle_without_waiting(frame) : handle(frame))
        return;
    if (frame->vector == VECTOR_BP)
        report_breakpoint(frame);
    else
        panic_trap(frame, explain);
}

extern const char trap_wait_hlt[]; /* an instruction of one byte */

bool trap_handle(struct trap_frame *frame)
{
    if (frame->rip == (uint64_t)trap_wait_hlt)
        frame->rip++;
    act(frame);
    return keeps_nmis_out(frame);
}

/* An interrupt gate.  boot/start64.asm fills in all fields but the stack. */
struct gate {
    uint16_t offset_low, selector;
    uint8_t stack, type;
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
};

_Static_assert(sizeof(struct gate) == 16, "AMD64 manual 2, section 4.8.4");

extern struct gate idt[256];

void trap_init(void)
{
    no_cpu_yet = false;
    idt[VECTOR_DF].stack = STACK_DOUBLE_FAULT;
    idt[VECTOR_NMI].stack = STACK_NMI;
    idt[VECTOR_MC].stack = STACK_MACHINE_CHECK;
}
