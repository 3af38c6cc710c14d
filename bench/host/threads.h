/* The host's CPUs: threads, each on a CPU of its own where there are enough. */
#ifndef BENCH_HOST_THREADS_H
#define BENCH_HOST_THREADS_H

#define THREADS_MAX 2

/* Once, on the thread that is to be CPU 0. */
void threads_init(void);

#endif
