/* Heaps, each in a process of its own: see heap_alone.c. */
#ifndef BENCH_HOST_HEAP_ALONE_H
#define BENCH_HOST_HEAP_ALONE_H

/* The word on the command line before a workload and a subject, and what such
 * a process does: its exit status. */
#define HEAP_ALONE "--alone"
int heap_alone(const char *workload, const char *subject);

#endif
