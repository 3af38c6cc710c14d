/* The table of CPUs. */
#include "kernel/cpu/percpu.h"

#include <stdatomic.h>
#include <stddef.h>

#include "kernel/cpu/x86.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/kernel_space.h"

static struct percpu first = {.state = PERCPU_RUNNING};
static struct percpu *table[PLATFORM_CPUS_MAX] = {&first};
static uint8_t node_of[PLATFORM_CPUS_MAX]; /* known before the CPUs are made */
static unsigned count = 1;

_Static_assert(sizeof(struct percpu) <= PAGE_SIZE, "one page holds it");
_Static_assert(offsetof(struct percpu, number) == 0, "platform_cpu reads it");

void percpu_enter(struct percpu *percpu)
{
    write_msr(MSR_GS_BASE, (uintptr_t)percpu);
}

void percpu_init(void)
{
    for (unsigned i = 0; i < STACK_COUNT; i++)
        first.stack_top[i] = (vaddr_t)stacks[i].bytes + STACK_BYTES;
    percpu_enter(&first);
}

void percpu_load_gdt(void)
{
    struct percpu *this = percpu_this();
    gdt_init(&this->gdt, this->stack_top);
}

void percpu_set_count(unsigned wanted)
{
    ASSERT(wanted >= 1 && wanted <= PLATFORM_CPUS_MAX, "%u CPUs", wanted);
    count = wanted;
}

unsigned percpu_count(void)
{
    return count;
}

void percpu_set_node(unsigned number, unsigned node)
{
    ASSERT(number < count && node < PLATFORM_NODES_MAX, "CPU %u, node %u",
           number, node);
    node_of[number] = (uint8_t)node;
}

unsigned percpu_node(unsigned number)
{
    return number < count ? node_of[number] : 0;
}

struct percpu *percpu_get(unsigned number)
{
    return number < count ? table[number] : NULL;
}

struct percpu *percpu_this(void)
{
    return table[platform_cpu()];
}

unsigned percpu_count_up(void)
{
    unsigned up = 0;
    for (unsigned i = 0; i < count; i++)
        /* relaxed: for reports, and for is_alone in kernel/cpu/request.c */
        up += table[i] != NULL &&
              atomic_load_explicit(&table[i]->state, memory_order_relaxed) !=
                  PERCPU_OFF;
    return up;
}

/* Names of ranges: they must live on even if making a CPU fails. */
static const char *const stack_names[STACK_COUNT] = {
    [STACK_BOOT] = "a CPU's stack",
    [STACK_DOUBLE_FAULT] = "a CPU's double fault stack",
    [STACK_NMI] = "a CPU's NMI stack",
    [STACK_MACHINE_CHECK] = "a CPU's machine check stack",
};

static void free_stacks(const struct percpu *percpu)
{
    for (unsigned i = 0; i < STACK_COUNT; i++)
        if (percpu->stack_top[i] != 0) {
            enum mm_error error = kernel_space_free_pages(
                (void *)(percpu->stack_top[i] - STACK_BYTES));
            ASSERT(error == MM_OK, "stack %u: %s", i, mm_error_name(error));
        }
}

static enum mm_error alloc_stacks(struct percpu *percpu)
{
    for (unsigned i = 0; i < STACK_COUNT; i++) {
        void *bottom;
        enum mm_error error = kernel_space_alloc_pages(STACK_BYTES, PAGE_SIZE,
                                                       VIRTUAL_GUARD_BEFORE,
                                                       stack_names[i], &bottom);
        if (error != MM_OK)
            return error;
        percpu->stack_top[i] = (vaddr_t)bottom + STACK_BYTES;
    }
    return MM_OK;
}

enum mm_error percpu_create(unsigned number, uint32_t apic_id)
{
    ASSERT(number < count && table[number] == NULL, "CPU %u of %u", number,
           count);
    void *page;
    enum mm_error error = kernel_space_alloc_pages(
        PAGE_SIZE, PAGE_SIZE, VIRTUAL_GUARD_BEHIND, "a CPU's own", &page);
    if (error != MM_OK)
        return error;
    struct percpu *percpu = page;
    memset(percpu, 0, sizeof(*percpu));
    percpu->number = number;
    percpu->apic_id = apic_id;
    error = alloc_stacks(percpu);
    if (error == MM_OK) {
        table[number] = percpu;
        return MM_OK;
    }
    free_stacks(percpu);
    enum mm_error freed = kernel_space_free_pages(page);
    ASSERT(freed == MM_OK, "%s", mm_error_name(freed));
    return error;
}

bool percpu_is_stack(uint64_t address)
{
    for (unsigned i = 0; i < count; i++)
        for (unsigned j = 0; table[i] != NULL && j < STACK_COUNT; j++)
            if (address - (table[i]->stack_top[j] - STACK_BYTES) <=
                STACK_BYTES - 16)
                return true;
    return false;
}
