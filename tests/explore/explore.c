#include "tests/explore/explore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "tests/explore/hooks.h"
#include "tests/host/platform_host.h"

#undef __atomic_load_n
#undef __atomic_store_n

enum plant explore_plant;
uint64_t explore_runs;

#define STACK_BYTES (256 << 10)
#define BUFFER      16
#define PREEMPTIONS 3

/* So many loads without a store in between, and the CPU is waiting. */
#define PATIENT_LOADS 24

struct store {
    volatile void *at;
    uint64_t value;
    size_t size;
};

static struct cpu {
    ucontext_t context;
    bool done;
    unsigned count; /* of stores that wait */
    struct store buffer[BUFFER];
    unsigned loads; /* since the last store */
    char stack[STACK_BYTES];
} cpus[EXPLORE_CPUS];

struct preemption {
    unsigned step, cpu;
    bool keep; /* the stores that wait go on waiting */
};

static struct preemption plan[PREEMPTIONS];
static unsigned planned, handler_step;

static const struct scenario *scenario;
static ucontext_t home;
static bool running, in_handler;
static unsigned current, step;
static const char *wrong;

void explore_wrong(const char *why)
{
    if (wrong == NULL)
        wrong = why;
}

/* ---- Memory ---- */

static uint64_t get(const volatile void *at, size_t size)
{
    uint64_t value = 0;
    memcpy(&value, (const void *)at, size);
    return value;
}

static void put(volatile void *at, uint64_t value, size_t size)
{
    memcpy((void *)at, &value, size);
}

static void drain_one(struct cpu *cpu)
{
    struct store first = cpu->buffer[0];
    put(first.at, first.value, first.size);
    memmove(&cpu->buffer[0], &cpu->buffer[1],
            --cpu->count * sizeof(cpu->buffer[0]));
}

static void drain(struct cpu *cpu)
{
    while (cpu->count != 0)
        drain_one(cpu);
}

static void drain_all(void)
{
    if (explore_plant == PLANT_NO_FENCE)
        return;
    for (unsigned c = 0; c < EXPLORE_CPUS; c++)
        drain(&cpus[c]);
}

/* ---- Switching ---- */

static void go_to(unsigned next)
{
    unsigned from = current;
    if (next == from)
        return;
    current = platform_thread_cpu = next;
    swapcontext(&cpus[from].context, &cpus[next].context);
}

static unsigned next_of(unsigned cpu)
{
    for (unsigned k = 1; k < scenario->cpus; k++)
        if (!cpus[(cpu + k) % scenario->cpus].done)
            return (cpu + k) % scenario->cpus;
    return cpu;
}

static void handle(void)
{
    in_handler = true;
    scenario->handler();
    in_handler = false;
}

/* Before each operation. */
static void point(void)
{
    if (!running)
        return;
    unsigned now = step++;
    if (scenario->handler != NULL && now == handler_step && current == 0 &&
        !in_handler)
        handle();
    for (unsigned p = 0; p < planned; p++)
        if (plan[p].step == now && !cpus[plan[p].cpu].done) {
            if (!plan[p].keep)
                drain(&cpus[current]);
            go_to(plan[p].cpu);
            return;
        }
    if (++cpus[current].loads > PATIENT_LOADS) {
        cpus[current].loads = 0;
        drain(&cpus[current]);
        go_to(next_of(current));
    }
}

/* ---- Operations ---- */

uint64_t explore_load(const volatile void *at, size_t size)
{
    point();
    struct cpu *cpu = &cpus[current];
    for (unsigned k = cpu->count; running && k-- > 0;)
        if (cpu->buffer[k].at == at)
            return cpu->buffer[k].value &
                   (size == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * size) - 1);
    return get(at, size);
}

void explore_store(volatile void *at, uint64_t value, size_t size)
{
    point();
    struct cpu *cpu = &cpus[current];
    cpu->loads = 0;
    if (!running) {
        put(at, value, size);
        return;
    }
    if (cpu->count == BUFFER)
        drain_one(cpu);
    if (explore_plant == PLANT_LOST && cpu->count != 0)
        put(at, value, size);
    else
        cpu->buffer[cpu->count++] = (struct store){at, value, size};
}

/* Before a locked operation, which is one of the steps. */
static void locked(void)
{
    point();
    drain(&cpus[current]);
}

bool explore_swap(volatile void *at, void *expected, uint64_t value,
                  size_t size)
{
    locked();
    uint64_t found = get(at, size);
    if (found != get(expected, size)) {
        put(expected, found, size);
        return false;
    }
    if (explore_plant == PLANT_NO_LOCK)
        point();
    put(at, value, size);
    cpus[current].loads = 0;
    return true;
}

uint64_t explore_exchange(volatile void *at, uint64_t value, size_t size)
{
    locked();
    uint64_t found = get(at, size);
    put(at, value, size);
    return found;
}

uint64_t explore_or(volatile void *at, uint64_t bits, size_t size)
{
    locked();
    uint64_t found = get(at, size);
    put(at, found | bits, size);
    return found;
}

uint64_t explore_and(volatile void *at, uint64_t bits, size_t size)
{
    locked();
    uint64_t found = get(at, size);
    put(at, found & bits, size);
    return found;
}

/* ---- Runs ---- */

static void cpu_main(void)
{
    scenario->run[current]();
    drain(&cpus[current]);
    cpus[current].done = true;
    unsigned next = next_of(current);
    if (next == current)
        setcontext(&home);
    current = platform_thread_cpu = next;
    setcontext(&cpus[next].context);
}

/* Returns how many steps it had. */
static unsigned run(void)
{
    wrong = NULL;
    step = current = platform_thread_cpu = 0;
    scenario->begin();
    for (unsigned c = 0; c < scenario->cpus; c++) {
        struct cpu *cpu = &cpus[c];
        cpu->done = false;
        cpu->count = cpu->loads = 0;
        getcontext(&cpu->context);
        cpu->context.uc_stack.ss_sp = cpu->stack;
        cpu->context.uc_stack.ss_size = STACK_BYTES;
        makecontext(&cpu->context, cpu_main, 0);
    }
    running = true;
    swapcontext(&home, &cpus[0].context);
    running = false;
    platform_thread_cpu = 0;
    const char *why = scenario->end();
    if (why != NULL)
        explore_wrong(why);
    explore_runs++;
    return step;
}

static bool complain(void)
{
    printf("# %s: %s; handler at %u;", scenario->name, wrong, handler_step);
    for (unsigned p = 0; p < planned; p++)
        printf(" step %u to CPU %u%s", plan[p].step, plan[p].cpu,
               plan[p].keep ? " with stores waiting" : "");
    printf("\n");
    return false;
}

/* All runs that begin with the plan so far and have at most so many more. */
static bool extend(unsigned more)
{
    unsigned steps = run();
    if (wrong != NULL)
        return complain();
    unsigned first = planned == 0 ? 0 : plan[planned - 1].step + 1;
    if (more == 0)
        return true;
    planned++;
    for (unsigned s = first; s < steps; s++)
        for (unsigned c = 0; c < scenario->cpus; c++)
            for (unsigned keep = 0; keep < 2; keep++) {
                plan[planned - 1] = (struct preemption){s, c, keep};
                if (!extend(more - 1))
                    return false;
            }
    planned--;
    return true;
}

bool explore(const struct scenario *what, unsigned preemptions)
{
    scenario = what;
    explore_runs = planned = 0;
    host_on_fence = drain_all;
    handler_step = UINT32_MAX;
    if (what->handler == NULL)
        return extend(preemptions);
    /* with a handler at each step, and one preemption less beside it */
    unsigned steps = run();
    for (handler_step = 0; handler_step < steps; handler_step++)
        if (!extend(preemptions - 1))
            return false;
    return true;
}
