/* Benchmarks on the host: bench [-o FILE] [-s FILE] [-p PASSES] [NAME] */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cpuid.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/host/heap_alone.h"
#include "bench/host/peers.h"
#include "bench/host/platform.h"
#include "bench/host/threads.h"
#include "lib/string.h"

#define DEFAULT_PASSES 5

static FILE *json_file;

static __attribute__((format(printf, 1, 2))) int print_json(const char *format,
                                                            ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vfprintf(json_file, format, arguments);
    va_end(arguments);
    return length;
}

static int usage(void)
{
    fprintf(stderr,
            "bench [-o FILE] [-s FILE] [-p PASSES] [NAME]: the benchmarks of "
            "a suite or of a workload, or all\n"
            "  -o FILE    the results as lines of JSON\n"
            "  -s FILE    the points of plots: plot, subject, x, y\n"
            "  -p PASSES  of which the median counts (%d)\n",
            DEFAULT_PASSES);
    return 2;
}

static FILE *open_file(const char *name)
{
    FILE *file = fopen(name, "w");
    if (file == NULL) {
        perror(name);
        exit(1);
    }
    return file;
}

static void close_file(FILE *file, const char *name)
{
    if (fclose(file) != 0) {
        perror(name);
        exit(1);
    }
}

/* As kernel/cpu/cpu.c does. */
static void tune_strings(void)
{
    unsigned eax = 0, ebx, ecx, edx = 0, more = 0;
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && eax >= 1) {
        unsigned other;
        __get_cpuid_count(7, 1, &more, &ebx, &ecx, &other);
    }
    string_tune(edx >> 4 & 1, more >> 11 & 1);
}

int main(int argc, char **argv)
{
    peers_make_room(argv);
    tune_strings();
    if (argc == 4 && strcmp(argv[1], HEAP_ALONE) == 0)
        return heap_alone(argv[2], argv[3]);
    const char *file = "/dev/null", *samples = "/dev/null";
    int passes = DEFAULT_PASSES;
    for (int option; (option = getopt(argc, argv, "o:s:p:")) != -1;) {
        if (option == 'o')
            file = optarg;
        else if (option == 's')
            samples = optarg;
        else if (option == 'p')
            passes = atoi(optarg);
        else
            return usage();
    }
    if (passes < 1 || argc - optind > 1)
        return usage();
    const char *name = optind < argc ? argv[optind] : "";
    setvbuf(stdout, NULL, _IOLBF, 0);
    json_file = open_file(file);
    FILE *sample_file = open_file(samples);
    host_samples_to(sample_file);
    threads_init();
    if (!host_map_machine()) {
        perror("mmap of the fake machine's memory");
        return 1;
    }
    bool any =
        bench_run(BENCH_HOST, name, (unsigned)passes, "ns", printf, print_json);
    if (!any)
        fprintf(stderr, "bench: there is no suite or workload '%s'\n", name);
    close_file(json_file, file);
    close_file(sample_file, samples);
    return any ? 0 : 1;
}
