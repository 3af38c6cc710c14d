/* Stopping CPUs, to count or to take what they keep: see mm/cpu/cpu_section.h.
 *
 * It is done in two steps, since a call that only pops or pushes never asks
 * whether its CPU is stopped.  First all are told to keep out of their sections
 * but for that: no magazine becomes the loaded one any more.  Then the loaded
 * ones are closed, and whoever saw his open is let out.
 */
#include "mm/heap/slab/slab.h"

/* Whether nothing goes on in a CPU's section, or ends there soon. */
static bool is_out(const struct slab_heap *slabs, const struct slab_cpu *cpu)
{
    /* its own section, if it is busy, waits for this call */
    if (cpu == slab_this_cpu(slabs))
        return !__atomic_load_n(&cpu->section.busy, __ATOMIC_RELAXED);
    return cpu_section_wait(&cpu->section);
}

/* Leaves nothing to pop, and no room.  The CPU may be popping and pushing. */
static void close_cpu(struct slab_cpu *cpu)
{
    cpu->closed = true;
    for (unsigned number = 0; number < SIZE_CLASSES; number++) {
        struct slab_loaded *loaded = &cpu->loaded[number];

        /* relaxed: a fence follows */
        __atomic_store_n(&loaded->bottom, (void **)UINTPTR_MAX,
                         __ATOMIC_RELAXED);
        __atomic_store_n(&loaded->end, NULL, __ATOMIC_RELAXED);
    }
}

static void open_cpu(struct slab_cpu *cpu)
{
    cpu->closed = false;
    for (unsigned number = 0; number < SIZE_CLASSES; number++) {
        struct slab_loaded *loaded = &cpu->loaded[number];
        struct magazine *magazine = loaded->magazine;

        /* release: the top that belongs to it is there before */
        __atomic_store_n(&loaded->bottom, magazine->rounds, __ATOMIC_RELEASE);
        __atomic_store_n(&loaded->end, magazine->rounds + magazine->limit,
                         __ATOMIC_RELEASE);
    }
}

/* Stops all CPUs: those that answer are stopped until go_on.  False: a handler
 * that must not wait for who is doing so already. */
bool slab_stop_cpus(struct slab_heap *slabs)
{
    /* who has the lock may be waiting for the section that this interrupted */
    if (__atomic_load_n(&slab_this_cpu(slabs)->section.busy,
                        __ATOMIC_RELAXED) ||
        !cpu_order_acquire(&slabs->stop_lock, CPU_RANK_STOP))
        return false;
    for (unsigned i = 0; i < slabs->cpu_count; i++)
        cpu_section_ask(&slabs->cpu[i].section);
    platform_fence_cpus();
    /* from here on a section is only entered to pop or to push */
    for (unsigned i = 0; i < slabs->cpu_count; i++)
        if (is_out(slabs, &slabs->cpu[i]))
            close_cpu(&slabs->cpu[i]);
    platform_fence_cpus();
    for (unsigned i = 0; i < slabs->cpu_count; i++) {
        struct slab_cpu *cpu = &slabs->cpu[i];

        cpu->obeyed = cpu->closed && is_out(slabs, cpu);
    }
    return true;
}

bool slab_cpu_is_stopped(const struct slab_heap *slabs, unsigned number)
{
    return slabs->cpu[number].obeyed;
}

void slab_go_on(struct slab_heap *slabs)
{
    for (unsigned i = 0; i < slabs->cpu_count; i++) {
        struct slab_cpu *cpu = &slabs->cpu[i];

        if (cpu->closed)
            open_cpu(cpu);
        cpu_section_release(&cpu->section);
    }
    cpu_order_release(&slabs->stop_lock, CPU_RANK_STOP);
}
