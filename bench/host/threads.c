/* Runs on several CPUs at once: the first is the calling thread, the others are
 * threads that live on from one run to the next, as CPUs do. */
#define _GNU_SOURCE
#include "bench/host/threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "mm/platform.h"

_Thread_local unsigned platform_thread_cpu;

unsigned platform_cpu_count(void)
{
    return THREADS_MAX;
}

struct job {
    bool (*run)(void *state, uint64_t count);
    void *state;
    uint64_t count;
    unsigned threads;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct job job;
    unsigned number,
        done; /* jobs so far; threads that are done with this one */
} work = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, {0}, 0, 0};

static struct {
    bool well;
    uint64_t begin, end;
} part[THREADS_MAX];

static unsigned started = 1; /* threads, the first one included */

/* Where there are CPUs enough, each thread has one of its own. */
static void pin(unsigned number)
{
    static cpu_set_t allowed;
    if (number == 0 && sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        return;
    unsigned seen = 0;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && seen++ == number) {
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            (void)sched_setaffinity(0, sizeof(one), &one);
        }
}

void threads_init(void)
{
    pin(0);
}

/* ---- Meeting ---- */

static atomic_uint arrived, meetings;

void bench_meet(void)
{
    const unsigned patience = 10000;
    /* relaxed: a thread sees what it saw at its last meeting, or later */
    unsigned meeting = atomic_load_explicit(&meetings, memory_order_relaxed);
    /* acquire and release: what each did before is seen by all after */
    if (atomic_fetch_add_explicit(&arrived, 1, memory_order_acq_rel) + 1 ==
        work.job.threads) {
        /* relaxed: the store of meetings orders it */
        atomic_store_explicit(&arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&meetings, meeting + 1, memory_order_release);
        return;
    }
    unsigned looks = 0;
    while (atomic_load_explicit(&meetings, memory_order_acquire) == meeting) {
        platform_relax();
        if (++looks % patience == 0)
            sched_yield();
    }
}

/* ---- A job ---- */

static void do_part(const struct job *job)
{
    unsigned self = platform_thread_cpu;
    bench_meet();
    part[self].begin = bench_ticks();
    part[self].well = job->run(job->state, job->count);
    part[self].end = bench_ticks();
}

static void *work_on(void *argument)
{
    unsigned self = (unsigned)(uintptr_t)argument, seen = 0;
    platform_thread_cpu = self;
    pin(self);
    pthread_mutex_lock(&work.lock);
    for (;;) {
        while (work.number == seen || self >= work.job.threads)
            pthread_cond_wait(&work.changed, &work.lock);
        seen = work.number;
        pthread_mutex_unlock(&work.lock);
        do_part(&work.job);
        pthread_mutex_lock(&work.lock);
        work.done++;
        pthread_cond_broadcast(&work.changed);
    }
    return NULL;
}

static bool start_threads(unsigned threads)
{
    pthread_t thread;
    while (started < threads) {
        void *argument = (void *)(uintptr_t)started;
        if (pthread_create(&thread, NULL, work_on, argument) != 0)
            return false;
        pthread_detach(thread);
        started++;
    }
    return true;
}

static void do_job(const struct job *job)
{
    pthread_mutex_lock(&work.lock);
    work.job = *job;
    work.number++;
    work.done = 0;
    pthread_cond_broadcast(&work.changed);
    pthread_mutex_unlock(&work.lock);
    do_part(&work.job);
    pthread_mutex_lock(&work.lock);
    while (work.done < job->threads - 1)
        pthread_cond_wait(&work.changed, &work.lock);
    pthread_mutex_unlock(&work.lock);
}

bool bench_run_on(unsigned threads, bool (*run)(void *state, uint64_t count),
                  void *state, uint64_t count, uint64_t *ticks)
{
    if (threads == 0 || threads > THREADS_MAX || !start_threads(threads))
        return false;
    struct job job = {run, state, count, threads};
    do_job(&job);
    uint64_t begin = part[0].begin, end = part[0].end;
    bool well = true;
    for (unsigned i = 0; i < threads; i++) {
        begin = part[i].begin < begin ? part[i].begin : begin;
        end = part[i].end > end ? part[i].end : end;
        well &= part[i].well;
    }
    *ticks = end - begin;
    return well;
}
