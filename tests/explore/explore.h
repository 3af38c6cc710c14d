/* A machine of a few CPUs on one thread, whose every switch is decided here.
 *
 * A CPU is a coroutine.  It can be left at each atomic operation of the sources
 * that are explored (hooks.h).  A run is decided by its preemptions: a step's
 * number, the CPU that goes on there, and whether the stores that the CPU has
 * not yet made visible stay so (x86 lets each CPU's stores wait in a buffer, in
 * their order).  Without a preemption a CPU runs to its end, or until it has
 * looked at memory for long without a store: then the next one goes on.
 *
 * Explored are all runs of at most so many preemptions, each from the
 * beginning.
 *
 * Plain loads and stores go straight to memory.  A locked operation, and
 * platform_fence_cpus for every CPU, waits until the buffer is empty.
 */
#ifndef TESTS_EXPLORE_EXPLORE_H
#define TESTS_EXPLORE_EXPLORE_H

#include <stdbool.h>
#include <stdint.h>

#define EXPLORE_CPUS 3

struct scenario {
    const char *name;
    unsigned cpus;
    void (*begin)(void); /* the state that each run begins with */
    void (*run[EXPLORE_CPUS])(void);

    /* In the middle of any one operation of CPU 0, or NULL: a handler. */
    void (*handler)(void);

    /* NULL, or what is wrong after the run. */
    const char *(*end)(void);
};

/* What is planted, to show that it would be found. */
enum plant {
    PLANT_NONE,
    PLANT_NO_FENCE, /* platform_fence_cpus does nothing */
    PLANT_NO_LOCK,  /* compare-and-swap is a load, and later a store */
    PLANT_LOST,     /* a store into the buffer is overtaken by the next */
};

extern enum plant explore_plant;

/* Told by a scenario's code: the run is wrong, and why. */
void explore_wrong(const char *why);

/* All runs of a scenario with at most so many preemptions.  False: one was
 * wrong; it is printed as preemptions, and what is wrong. */
bool explore(const struct scenario *scenario, unsigned preemptions);

/* So many runs were made by the last one. */
extern uint64_t explore_runs;

#endif
