/* Runs the benchmarks in turns, and reports. */
#include "bench/bench.h"

#include "lib/string.h"

/* A column of cases is one group: a workload with the same bytes. */
#define CASES_MAX   16
#define PASSES_MAX  31
#define RESULTS_MAX 256

struct bench_case {
    const struct bench *bench;
    const char *subject;
    void *state;
    uint64_t pass[PASSES_MAX]; /* ticks */
    bool failed;
};

struct result {
    const struct bench *bench;
    const char *subject;
    uint64_t value;          /* hundredths of a tick, or of the unit */
    uint64_t best_reference; /* the same; 0 if there is none */
};

static struct {
    enum bench_place place;
    unsigned passes;
    const char *tick;
    struct bench_case cases[CASES_MAX];
    unsigned case_count;
    struct result results[RESULTS_MAX];
    unsigned result_count, dropped;
} bench;

/* ---- One group ---- */

static bool same_group(const struct bench *a, const struct bench *b)
{
    return b->suite != NULL && strcmp(a->workload, b->workload) == 0 &&
           a->bytes == b->bytes;
}

static void add_case(const struct bench *row, const char *subject,
                     unsigned variant)
{
    if (row->count[bench.place] == 0)
        return;
    if (bench.case_count == CASES_MAX) {
        bench.dropped++;
        return;
    }
    struct bench_case *c = &bench.cases[bench.case_count++];
    *c = (struct bench_case){.bench = row, .subject = subject};
    if (row->measure == NULL) {
        c->state = row->begin(row, variant);
        c->failed = c->state == NULL;
    }
}

static void add_row(const struct bench *row)
{
    const char *subject = row->subject;
    if (subject != NULL) {
        add_case(row, subject, 0);
        return;
    }
    for (unsigned i = 0; (subject = row->variant(i)) != NULL; i++)
        add_case(row, subject, i);
}

/* Ticks of one pass; a call of `measure` is one too. */
static uint64_t pass(struct bench_case *c)
{
    const struct bench *row = c->bench;
    uint64_t count = row->count[bench.place];
    if (row->measure != NULL) {
        uint64_t value = row->measure(count);
        c->failed |= value == BENCH_VOID;
        return value;
    }
    if (row->before != NULL)
        row->before(c->state, count);
    uint64_t begin = bench_ticks();
    bool well = row->run(c->state, count);
    uint64_t end = bench_ticks();
    if (row->after != NULL)
        row->after(c->state, count);
    c->failed |= !well;
    return end - begin;
}

/* In turns, so that a change of the machine's speed meets all alike. */
static void run_cases(void)
{
    for (unsigned i = 0; i <= bench.passes; i++)
        for (unsigned j = 0; j < bench.case_count; j++) {
            struct bench_case *c = &bench.cases[j];
            if (c->failed)
                continue;
            uint64_t ticks = pass(c);
            if (i > 0)
                c->pass[i - 1] = ticks;
        }
}

static uint64_t median(uint64_t *values, unsigned count)
{
    for (unsigned i = 1; i < count; i++)
        for (unsigned j = i; j > 0 && values[j] < values[j - 1]; j--) {
            uint64_t larger = values[j - 1];
            values[j - 1] = values[j];
            values[j] = larger;
        }
    return values[count / 2];
}

static void keep_result(struct bench_case *c)
{
    if (bench.result_count == RESULTS_MAX) {
        bench.dropped++;
        return;
    }
    uint64_t hundred = median(c->pass, bench.passes) * 100;
    uint64_t count = c->bench->count[bench.place];
    if (c->failed)
        hundred = BENCH_VOID;
    else if (c->bench->measure == NULL)
        hundred = (hundred + count / 2) / count;
    bench.results[bench.result_count++] = (struct result){
        .bench = c->bench, .subject = c->subject, .value = hundred};
}

static uint64_t best_reference(const struct result *from,
                               const struct result *to)
{
    uint64_t best = BENCH_VOID;
    for (; from < to; from++)
        if (from->bench->role == BENCH_REFERENCE && from->value < best)
            best = from->value;
    return best == BENCH_VOID ? 0 : best;
}

static void end_cases(void)
{
    for (unsigned i = 0; i < bench.case_count; i++) {
        struct bench_case *c = &bench.cases[i];
        if (c->state != NULL)
            c->bench->end(c->state);
    }
}

/* Runs the rows from this one on that are one group; returns the next one. */
static const struct bench *run_group(const struct bench *row)
{
    const struct bench *first = row;
    unsigned first_result = bench.result_count;
    bench.case_count = 0;
    for (; same_group(first, row); row++)
        add_row(row);
    run_cases();
    for (unsigned i = 0; i < bench.case_count; i++)
        keep_result(&bench.cases[i]);
    struct result *from = &bench.results[first_result];
    struct result *to = &bench.results[bench.result_count];
    uint64_t best = best_reference(from, to);
    for (; from < to; from++)
        from->best_reference = best;
    end_cases();
    return row;
}

/* ---- The report ---- */

typedef unsigned long long ull;

static const char *unit_of(const struct bench *row)
{
    return row->unit != NULL ? row->unit : bench.tick;
}

static uint64_t ratio_of(const struct result *result)
{
    if (result->best_reference == 0)
        return 0;
    return (result->value * 100 + result->best_reference / 2) /
           result->best_reference;
}

/* 8589934592 as 8G. */
static void print_bytes(bench_print *print, uint64_t bytes)
{
    unsigned unit = 0;
    while (bytes >= 1024 && bytes % 1024 == 0 && unit < 4) {
        bytes /= 1024;
        unit++;
    }
    print(" %5llu%c", (ull)bytes, " KMGT"[unit]);
}

static void print_hundredths(bench_print *print, unsigned width, uint64_t value)
{
    print(" %*llu.%02llu", (int)width, (ull)value / 100, (ull)value % 100);
}

static void print_goal(bench_print *print, const struct result *result)
{
    const struct bench *row = result->bench;
    uint64_t goal = 0, value = result->value;
    const char *unit = "x";
    if (row->ratio_goal != 0 && result->best_reference != 0) {
        goal = row->ratio_goal;
        value = ratio_of(result);
    } else if (row->unit != NULL || bench.place == BENCH_HOST) {
        goal = row->goal;
        unit = unit_of(row);
    }
    if (goal != 0)
        print("  %s: goal %llu.%02llu %s", value <= goal ? "met" : "MISSED",
              (ull)goal / 100, (ull)goal % 100, unit);
}

static void print_row(bench_print *print, const struct result *result)
{
    const struct bench *row = result->bench;
    print("%-6s %-17s %-15s", row->suite, row->workload, result->subject);
    print_bytes(print, row->bytes);
    if (result->value == BENCH_VOID) {
        print("  could not run here\n");
        return;
    }
    print_hundredths(print, 11, result->value);
    if (row->unit != NULL)
        print(" %s", row->unit);
    else if (row->role == BENCH_SUBJECT && result->best_reference != 0)
        print_hundredths(print, 5, ratio_of(result));
    print_goal(print, result);
    print("\n");
}

static void print_json(bench_print *print, const struct result *result)
{
    const struct bench *row = result->bench;
    if (result->value == BENCH_VOID)
        return;
    print("{\"suite\": \"%s\", \"workload\": \"%s\", \"subject\": \"%s\", "
          "\"threads\": 1, \"bytes\": %llu, \"%s\": %llu.%02llu",
          row->suite, row->workload, result->subject, (ull)row->bytes,
          unit_of(row), (ull)result->value / 100, (ull)result->value % 100);
    if (result->best_reference != 0)
        print(", \"best_reference\": %llu.%02llu, \"ratio\": %llu.%02llu}\n",
              (ull)result->best_reference / 100,
              (ull)result->best_reference % 100, (ull)ratio_of(result) / 100,
              (ull)ratio_of(result) % 100);
    else
        print(", \"best_reference\": null, \"ratio\": null}\n");
}

static bool is_asked_for(const struct bench *row, const char *name)
{
    return *name == '\0' || strcmp(row->suite, name) == 0 ||
           strcmp(row->workload, name) == 0;
}

bool bench_run(enum bench_place place, const char *name, unsigned passes,
               const char *tick, bench_print *table, bench_print *json)
{
    bench.place = place;
    bench.passes = passes < PASSES_MAX ? passes : PASSES_MAX;
    bench.tick = tick;
    bench.result_count = bench.dropped = 0;
    for (unsigned i = 0; bench_suites[i] != NULL; i++) {
        const struct bench *row = bench_suites[i];
        while (row->suite != NULL)
            row = is_asked_for(row, name) ? run_group(row) : row + 1;
    }

    table("%-6s %-17s %-15s %6s %14s %8s\n", "suite", "workload", "subject",
          "size", tick, "ratio");
    for (unsigned i = 0; i < bench.result_count; i++)
        print_row(table, &bench.results[i]);
    if (bench.dropped > 0)
        table("%u more had no place in the table\n", bench.dropped);
    for (unsigned i = 0; i < bench.result_count; i++)
        print_json(json, &bench.results[i]);
    return bench.result_count > 0;
}
