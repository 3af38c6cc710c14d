/* Frames on all CPUs at once, and in handlers that come at any instruction. */
#include <stdatomic.h>

#include "kernel/cpu/percpu.h"
#include "kernel/cpu/smp.h"
#include "kernel/cpu/x86.h"
#include "kernel/selftest/selftest.h"
#include "kernel/trap/trap.h"
#include "lib/bits.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "tests/shared/patient.h"

/* ---- Every frame of the machine, by all CPUs together ---- */

/* As 4Ks where there are not too many of them to take in a test's time. */
#define ALL_4K_UP_TO (UINT64_C(4) * GIB)

static struct {
    enum frame_size size;
    paddr_t first, last;    /* of the memory that may be given out */
    _Atomic uint64_t *bits; /* one for each frame of that size */
    _Atomic uint64_t taken, overlaps, outside, refused;
    _Atomic unsigned cpus, next;
} all;

static void find_bounds(void)
{
    const struct memory_map *map = &selftest_boot_info->map;
    all.first = PADDR_NONE;
    for (unsigned i = 0; i < map->count; i++) {
        if (!memory_type_is_free(map->range[i].type))
            continue;
        if (all.first == PADDR_NONE)
            all.first = align_down(map->range[i].start, SIZE_2M);
        all.last = align_up(map->range[i].end, SIZE_2M);
    }
}

static uint64_t frame_total(void)
{
    return (all.last - all.first) / frame_bytes(all.size);
}

/* Relaxed throughout: each CPU ends before the sums are read. */
static void take_share(void *argument)
{
    (void)argument;
    atomic_fetch_add_explicit(&all.cpus, 1, memory_order_relaxed);
    uint64_t taken = 0;
    for (paddr_t frame; (frame = patient_alloc(all.size)) != PADDR_NONE;
         taken++) {
        uint64_t n = (frame - all.first) / frame_bytes(all.size);
        uint64_t bit = UINT64_C(1) << n % 64;
        if (frame < all.first || n >= frame_total() ||
            !is_aligned(frame, frame_bytes(all.size)))
            atomic_fetch_add_explicit(&all.outside, 1, memory_order_relaxed);
        else if (atomic_fetch_or_explicit(&all.bits[n / 64], bit,
                                          memory_order_relaxed) &
                 bit)
            atomic_fetch_add_explicit(&all.overlaps, 1, memory_order_relaxed);
    }
    atomic_fetch_add_explicit(&all.taken, taken, memory_order_relaxed);
}

/* Each frees a part of memory, whoever took it. */
static void free_share(void *argument)
{
    (void)argument;
    uint64_t words = (frame_total() + 63) / 64;
    unsigned cpu =
        atomic_fetch_add_explicit(&all.next, 1, memory_order_relaxed);
    for (uint64_t w = words * cpu / all.cpus; w < words * (cpu + 1) / all.cpus;
         w++)
        for (uint64_t bits = all.bits[w]; bits != 0; bits &= bits - 1) {
            uint64_t n = w * 64 + (uint64_t)__builtin_ctzll(bits);
            if (patient_free(all.first + n * frame_bytes(all.size)) != MM_OK)
                atomic_fetch_add_explicit(&all.refused, 1,
                                          memory_order_relaxed);
        }
}

SELFTEST(frame, every_frame_on_all_cpus)
{
    struct frame_stats before, empty, after;
    frame_stats(&before);
    all.size = before.managed_bytes <= ALL_4K_UP_TO ? FRAME_4K : FRAME_2M;
    all.taken = all.overlaps = all.outside = all.refused = 0;
    all.cpus = all.next = 0;
    find_bounds();
    all.bits = kzalloc((frame_total() + 63) / 64 * sizeof(uint64_t));
    EXPECT(all.bits != NULL, "no memory for a bit a frame");
    if (all.bits == NULL)
        return;
    frame_stats(&before);
    uint64_t there = before.free_bytes / frame_bytes(all.size);
    if (all.size == FRAME_2M)
        there = before.free[FRAME_2M] + before.free[FRAME_1G] * 512;
    smp_run_on_all(take_share, NULL);
    frame_stats(&empty);
    smp_run_on_all(free_share, NULL);
    frame_stats(&after);
    kfree(all.bits);
    EXPECT(all.taken == there, "%u CPUs took %lu frames, %lu were free",
           all.cpus, all.taken, there);
    EXPECT(all.overlaps == 0, "%lu frames were handed out twice", all.overlaps);
    EXPECT(all.outside == 0, "%lu frames lie where none is", all.outside);
    EXPECT(all.size != FRAME_4K || empty.free_bytes == 0, "%lu bytes were left",
           empty.free_bytes);
    EXPECT(all.refused == 0, "%lu frames were refused back", all.refused);
    for (enum frame_size size = FRAME_4K; size <= FRAME_1G; size++)
        EXPECT(after.free[size] == before.free[size],
               "size %u: %lu before, %lu after", size, before.free[size],
               after.free[size]);
}

/* ---- A handler after each instruction ----
 *
 * With the trap flag set the CPU traps after every instruction (AMD64 manual 2,
 * section 13.1.4); the handler allocates and frees in the middle of whatever
 * the interrupted call has half done. */

static struct {
    unsigned steps, refused, busy, nothing;
    /* frees that had to wait: there are other CPUs.  Such a frame is freed at a
     * later step, before there is another one of its size. */
    unsigned put_off;
    paddr_t left[FRAME_1G]; /* by size; or PADDR_NONE */
} probe;

static void begin_probe(void)
{
    probe.steps = probe.refused = probe.busy = probe.nothing = 0;
    probe.put_off = 0;
    for (enum frame_size size = FRAME_4K; size < FRAME_1G; size++)
        probe.left[size] = PADDR_NONE;
}

static void end_probe(void)
{
    for (enum frame_size size = FRAME_4K; size < FRAME_1G; size++)
        if (probe.left[size] != PADDR_NONE)
            probe.refused += patient_free(probe.left[size]) != MM_OK;
}

static void use_frame(enum frame_size size)
{
    paddr_t frame = probe.left[size];

    if (frame == PADDR_NONE) {
        enum mm_error error = frame_try_alloc(size, &frame);

        probe.busy += error == MM_BUSY;
        probe.nothing += error != MM_OK && error != MM_BUSY;
        if (error != MM_OK)
            return;
    }
    enum mm_error error = frame_free(frame);
    probe.left[size] = error == MM_BUSY ? frame : PADDR_NONE;
    probe.put_off += error == MM_BUSY;
    probe.refused += error != MM_OK && error != MM_BUSY;
}

#define VECTOR_DB 1

/* The trap's hook. */
static bool use_frames(struct trap_frame *trap)
{
    if (trap->vector != VECTOR_DB)
        return false;
    probe.steps++;
    for (enum frame_size size = FRAME_4K; size <= FRAME_2M; size++)
        use_frame(size);
    return true;
}

#define RFLAGS_TF (UINT64_C(1) << 8)

static void step_from_here(void)
{
    trap_set_hook(use_frames);
    __asm__ volatile("pushfq; orq %0, (%%rsp); popfq" ::"i"(RFLAGS_TF)
                     : "memory", "cc");
}

static void step_no_more(void)
{
    __asm__ volatile("pushfq; andq %0, (%%rsp); popfq" ::"i"(~RFLAGS_TF)
                     : "memory", "cc");
    trap_set_hook(NULL);
}

#define PROBED 24

/* Alone, in a row that fills a block, and apart from each other. */
SELFTEST(frame, a_handler_at_every_instruction)
{
    static paddr_t frame[PROBED];
    struct frame_stats before, after;
    unsigned errors = 0;
    begin_probe();
    frame_stats(&before);
    if (before.free[FRAME_2M] + before.free[FRAME_1G] < 8)
        return; /* a machine of a few megabytes */
    step_from_here();
    for (unsigned i = 0; i < PROBED; i++)
        frame[i] = frame_alloc(i % 8 == 7 ? FRAME_2M : FRAME_4K);
    for (unsigned i = 0; i < PROBED; i++)
        errors += frame_free(frame[i * 5 % PROBED]) != MM_OK;
    step_no_more();
    end_probe();
    frame_stats(&after);
    EXPECT(errors == 0, "%u frames were refused back", errors);
    EXPECT(probe.steps > 1000, "only %u steps", probe.steps);
    EXPECT(probe.refused + probe.put_off == 0 && probe.nothing == 0,
           "of the handler's frames %u were refused back, %u were not there",
           probe.refused + probe.put_off, probe.nothing);
    /* two allocations a step; the layer plain serves only between calls */
    EXPECT(probe.busy < 2 * probe.steps,
           "of %u handlers none was served: %u refusals", probe.steps,
           probe.busy);
    EXPECT(after.free_bytes == before.free_bytes, "%lu before, %lu after",
           before.free_bytes, after.free_bytes);
}

/* ---- What others took, in any order ---- */

/* A power of 2: so steps of an odd number come to each once. */
#define SCATTERED    8192u
#define SCATTER_STEP 1187u
#define PROBED_FREES 100u

static struct {
    paddr_t *frame;
    unsigned count;
    _Atomic unsigned taken, freed, refused, missing;
} scattered;

static unsigned next_scattered(_Atomic unsigned *next)
{
    /* relaxed: which number comes to whom makes no difference */
    unsigned i = atomic_fetch_add_explicit(next, 1, memory_order_relaxed);
    return i < scattered.count ? i * SCATTER_STEP % scattered.count
                               : scattered.count;
}

static void take_scattered(void *argument)
{
    (void)argument;
    for (unsigned n; (n = next_scattered(&scattered.taken)) < scattered.count;)
        if ((scattered.frame[n] = patient_alloc(FRAME_4K)) == PADDR_NONE)
            atomic_fetch_add_explicit(&scattered.missing, 1,
                                      memory_order_relaxed);
}

/* One of the CPUs has a handler after each instruction of its first frees, as
 * far as the others leave it any. */
static void free_scattered(void *argument)
{
    (void)argument;
    bool first = false;
    for (unsigned i = 0, n;
         (n = next_scattered(&scattered.freed)) < scattered.count; i++) {
        if (n == 0) {
            first = true;
            i = 0;
            step_from_here();
        }
        if (first && i == PROBED_FREES)
            step_no_more();
        if (patient_free(scattered.frame[n]) != MM_OK)
            atomic_fetch_add_explicit(&scattered.refused, 1,
                                      memory_order_relaxed);
    }
    if (first)
        step_no_more();
}

SELFTEST(frame, all_cpus_free_what_others_took)
{
    struct frame_stats before, after;
    frame_stats(&before);
    if (before.free[FRAME_2M] + before.free[FRAME_1G] < 8)
        return; /* a machine of a few megabytes */
    scattered.count = SCATTERED;
    while (scattered.count * SIZE_4K > before.free_bytes / 4)
        scattered.count /= 2;
    scattered.taken = scattered.freed = 0;
    scattered.refused = scattered.missing = 0;
    begin_probe();
    scattered.frame = kmalloc(scattered.count * sizeof(paddr_t));
    EXPECT(scattered.frame != NULL, "no memory for the list");
    if (scattered.frame == NULL)
        return;
    frame_stats(&before);
    smp_run_on_all(take_scattered, NULL);
    smp_run_on_all(free_scattered, NULL);
    end_probe();
    frame_stats(&after);
    kfree(scattered.frame);
    EXPECT(frame_check(), "the audit found a fault");
    EXPECT(scattered.missing == 0, "%u frames were not there",
           scattered.missing);
    EXPECT(scattered.refused == 0, "%u frames were refused back",
           scattered.refused);
    EXPECT(probe.steps > 20, "only %u steps", probe.steps);
    EXPECT(probe.refused == 0 && probe.nothing == 0,
           "of the handler's frames %u were refused back, %u were not there",
           probe.refused, probe.nothing);
    for (enum frame_size size = FRAME_4K; size <= FRAME_1G; size++)
        EXPECT(after.free[size] == before.free[size],
               "size %u: %lu before, %lu after", size, before.free[size],
               after.free[size]);
}
