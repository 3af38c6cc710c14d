/* Rounds of requests by NMI: see kernel/cpu/request.h. */
#include "kernel/cpu/request.h"

#include <stdatomic.h>
#include <stddef.h>

#include "drivers/clock.h"
#include "drivers/lapic.h"
#include "kernel/console/log.h"
#include "kernel/cpu/percpu.h"
#include "kernel/cpu/x86.h"
#include "kernel/trap/panic.h"
#include "lib/assert.h"
#include "mm/cpu/cpu_order.h"

/* An answer takes microseconds.  But the host of a virtual machine may not run
 * a CPU for as long as it likes.  An emulator with one thread runs the CPUs in
 * turn, a tenth of a second each, so a CPU may wait for all the others. */
#define PATIENCE_MS         10000
#define PATIENCE_MS_PER_CPU 1000

enum request {
    REQUEST_ROUND = 1 << 0,
    REQUEST_STOP = 1 << 1,
    REQUEST_NEVER = 1 << 2, /* fault=deaf-cpu */
};

enum errand { ERRAND_FENCE, ERRAND_PAGES, ERRAND_FLUSH };

/* The current round.  It is written before the requests are made. */
static struct {
    struct cpu_lock lock;
    uint64_t number;
    enum errand errand;
    const vaddr_t *pages;
    unsigned count;
    bool idle_too;
    struct request_stats stats;
} round;

static bool forgetful; /* fault=stale-tlb */

static void do_errand(void)
{
    if (round.errand == ERRAND_FLUSH)
        tlb_flush_local();
    else if (round.errand == ERRAND_PAGES)
        for (unsigned i = 0; i < round.count; i++)
            invlpg(round.pages[i]);
}

/* ---- Asking ---- */

/* False if the APIC of this CPU does not send the NMI. */
static bool ask(struct percpu *other, enum request request)
{
    /* seq_cst: part of the fence that a round is.  The other CPU sees what was
     * written before when it takes the request.  And if requests was 0, no NMI
     * was on its way yet. */
    if (atomic_fetch_or(&other->requests, request) != 0)
        return true;
    return lapic_send_nmi(other->apic_id);
}

/* Whether the CPU must be asked, because it runs, or in this round also if it
 * is idle.  Otherwise an idle CPU is told to flush its TLB later instead,
 * unless it goes on at that moment. */
static bool must_be_asked(struct percpu *other)
{
    /* seq_cst: pairs with the exchange in request_resume.  Either this CPU sees
     * that the other one runs, or the other sees all that was written before.
     */
    uint32_t state = atomic_load(&other->state);
    if (round.idle_too)
        return state != PERCPU_OFF;
    if (state == PERCPU_IDLE && round.errand != ERRAND_FENCE)
        /* if this fails, it sets state to what the other CPU is doing now */
        atomic_compare_exchange_strong(&other->state, &state,
                                       PERCPU_IDLE_STALE);
    return state == PERCPU_RUNNING;
}

static bool has_answered(const struct percpu *other)
{
    /* acquire: this CPU sees what the other did before it answered */
    return atomic_load_explicit(&other->answered, memory_order_acquire) ==
           round.number;
}

/* asked: the CPUs of a round, one bit each. */
#define WORDS (PLATFORM_CPUS_MAX / 64)

static void ask_all(uint64_t asked[WORDS])
{
    unsigned self = platform_cpu();
    for (unsigned i = 0; i < percpu_count(); i++) {
        struct percpu *other = percpu_get(i);
        if (i == self || other == NULL)
            continue;
        if (must_be_asked(other)) {
            asked[i / 64] |= UINT64_C(1) << i % 64;
            round.stats.asked++;
            if (!ask(other, REQUEST_ROUND))
                log_line(LOG_ERROR, "smp",
                         "the local APIC sends no NMI to CPU %u", i);
        } else {
            round.stats.left++;
        }
    }
}

static uint64_t patience_ms(void)
{
    return PATIENCE_MS + percpu_count_up() * PATIENCE_MS_PER_CPU;
}

/* Returns the number of a CPU that does not answer, or -1. */
static int wait_for_all(const uint64_t asked[WORDS])
{
    struct clock_limit limit = clock_limit_in_ms(patience_ms());
    for (unsigned i = 0; i < percpu_count(); i++) {
        if (!(asked[i / 64] >> i % 64 & 1))
            continue;
        while (!has_answered(percpu_get(i))) {
            if (clock_has_passed(&limit))
                return (int)i;
            platform_relax();
        }
    }
    return -1;
}

/* Does an errand on all CPUs.  Returns the number of one that did not answer,
 * or -1. */
static int make_round(enum errand errand, const vaddr_t *pages, unsigned count,
                      enum platform_tlb what)
{
    uint64_t asked[WORDS] = {0};
    ASSERT(cpu_order_allows_frames(),
           "CPU %u asks in a handler that must not wait", platform_cpu());
    cpu_order_forbid();
    (void)cpu_lock_acquire(&round.lock); /* this CPU does not have it */
    round.number++;
    round.errand = errand;
    round.pages = pages;
    round.count = count;
    round.idle_too = what == PLATFORM_TLB_TABLES;
    round.stats.rounds++;
    ask_all(asked);
    do_errand();
    int silent = wait_for_all(asked);
    cpu_lock_release(&round.lock);
    cpu_order_permit();
    return silent;
}

/* Before the second CPU is started there is no CPU to ask, and no need for the
 * lock.  The second CPU's TLB is filled only after any change that was made
 * before. */
static bool is_alone(void)
{
    /* relaxed: this CPU starts the other ones, after its own stores */
    return percpu_count() == 1 || percpu_count_up() == 1;
}

void request_invalidate(const vaddr_t *pages, unsigned count,
                        enum platform_tlb what)
{
    enum errand errand = count == 0 ? ERRAND_FLUSH : ERRAND_PAGES;
    if (is_alone() || forgetful) {
        for (unsigned i = 0; i < count; i++)
            invlpg(pages[i]);
        if (count == 0)
            tlb_flush_local();
        return;
    }
    int silent = make_round(errand, pages, count, what);
    if (silent >= 0)
        panic("CPU %d did not forget its TLB's entries within %lu ms", silent,
              patience_ms());
}

void request_fence(void)
{
    /* this CPU's own fence: enough if all others are idle or there are none */
    atomic_thread_fence(memory_order_seq_cst);
    if (is_alone())
        return;
    int silent = make_round(ERRAND_FENCE, NULL, 0, PLATFORM_TLB_LEAVES);
    if (silent >= 0)
        log_line(LOG_ERROR, "smp", "CPU %d did not answer within %lu ms",
                 silent, patience_ms());
}

/* ---- Answering ---- */

void request_stop_self(void)
{
    atomic_store(&percpu_this()->stopped, true);
    halt_for_ever();
}

bool request_answer(void)
{
    struct percpu *this = percpu_this();
    /* seq_cst: part of the fence of a round.  As requests is 0 from here on,
     * the next request sends an NMI again. */
    uint32_t requests = atomic_exchange(&this->requests, 0);
    if (requests & REQUEST_STOP)
        request_stop_self();
    if (requests & REQUEST_ROUND) {
        uint64_t number = round.number;
        do_errand();
        /* release: the errand is done */
        atomic_store_explicit(&this->answered, number, memory_order_release);
    }
    return requests != 0;
}

/* ---- Idle ---- */

void request_idle(void)
{
    /* seq_cst: all accesses to memory that this CPU made are over */
    atomic_store(&percpu_this()->state, PERCPU_IDLE);
}

void request_resume(void)
{
    /* seq_cst: see must_be_asked */
    if (atomic_exchange(&percpu_this()->state, PERCPU_RUNNING) != PERCPU_IDLE)
        tlb_flush_local();
}

/* ---- The end ---- */

#define STOP_PATIENCE_MS 1000

unsigned request_stop(unsigned *first)
{
    unsigned silent = 0, self = platform_cpu();
    if (is_alone())
        return 0;
    struct clock_limit limit = clock_limit_in_ms(STOP_PATIENCE_MS);
    for (unsigned i = 0; i < percpu_count(); i++) {
        struct percpu *other = percpu_get(i);
        if (i != self && other != NULL &&
            atomic_load(&other->state) != PERCPU_OFF)
            ask(other, REQUEST_STOP);
    }
    for (unsigned i = 0; i < percpu_count(); i++) {
        struct percpu *other = percpu_get(i);
        if (i == self || other == NULL ||
            atomic_load(&other->state) == PERCPU_OFF)
            continue;
        while (!atomic_load(&other->stopped) && !clock_has_passed(&limit))
            platform_relax();
        if (!atomic_load(&other->stopped) && silent++ == 0)
            *first = i;
    }
    return silent;
}

/* A CPU that asks this one finds a request there, and so assumes that an NMI is
 * on its way. */
void request_be_deaf(void)
{
    atomic_store(&percpu_this()->requests, REQUEST_NEVER);
    for (;;)
        platform_relax();
}

void request_forget_others(void)
{
    forgetful = true;
}

void request_stats(struct request_stats *stats)
{
    bool locked = cpu_lock_acquire(&round.lock);
    *stats = round.stats;
    if (locked)
        cpu_lock_release(&round.lock);
}
