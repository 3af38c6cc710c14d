/* Runs the benchmarks in turns, and reports. */
#include "bench/bench.h"

#include "lib/string.h"

/* A column of cases is one group: a workload with the same bytes. */
#define CASES_MAX   32
#define PASSES_MAX  31
#define RESULTS_MAX 1024

/* In place of a figure: some operation failed. */
#define VOID UINT64_MAX

struct bench_case {
    const struct bench *bench;
    const char *subject;
    const char *cannot; /* why it does not run, or NULL */
    void *state;
    uint64_t pass[BENCH_FIGURES_MAX][PASSES_MAX]; /* hundredths */
    bool failed;
};

struct result {
    const struct bench *bench;
    const char *subject, *cannot;
    unsigned figure;
    uint64_t value;          /* hundredths of a tick, or of the unit; or VOID */
    uint64_t best_reference; /* the same; VOID if there is none */
};

/* Taken for one run: too much for a stack, and of no use after it. */
struct bench_run {
    enum bench_place place;
    unsigned passes;
    const char *tick;
    struct bench_case cases[CASES_MAX];
    unsigned case_count;
    struct result results[RESULTS_MAX];
    unsigned result_count, dropped;
};

static struct bench_run *bench;
/* ---- One group ---- */

static unsigned threads_of(const struct bench *row)
{
    return row->threads > 1 ? row->threads : 1;
}

/* The mean time has no name of its own. */
static const struct bench_figure *figures_of(const struct bench *row)
{
    static const struct bench_figure mean[] = {{"", NULL, false}, {0}};
    return row->figures != NULL ? row->figures : mean;
}

static bool same_group(const struct bench *a, const struct bench *b)
{
    return b->suite != NULL && strcmp(a->workload, b->workload) == 0 &&
           a->bytes == b->bytes && threads_of(a) == threads_of(b);
}

static void add_case(const struct bench *row, const char *subject,
                     unsigned variant)
{
    if (row->count[bench->place] == 0)
        return;
    if (bench->case_count == CASES_MAX) {
        bench->dropped++;
        return;
    }
    struct bench_case *c = &bench->cases[bench->case_count++];
    memset(c, 0, sizeof(*c));
    c->bench = row;
    c->subject = subject;
    if (row->begin == NULL)
        return;
    bench_cannot("could not run here");
    c->state = row->begin(row, variant);
    if (c->state == NULL)
        c->cannot = bench_why_not();
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

/* The mean of an operation, in hundredths of a tick. */
static bool time_pass(struct bench_case *c, uint64_t *mean)
{
    const struct bench *row = c->bench;
    uint64_t count = row->count[bench->place], ticks;
    bool well;
    if (row->before != NULL)
        row->before(c->state, count);
    if (threads_of(row) > 1) {
        well = bench_run_on(row->threads, row->run, c->state, count, &ticks);
    } else {
        uint64_t begin = bench_ticks();
        well = row->run(c->state, count);
        ticks = bench_ticks() - begin;
    }
    if (row->after != NULL)
        row->after(c->state, count);
    *mean = (ticks * 100 + count / 2) / count;
    return well;
}

static void run_pass(struct bench_case *c, unsigned number)
{
    const struct bench *row = c->bench;
    uint64_t figure[BENCH_FIGURES_MAX] = {0};
    bool well = row->measure != NULL
                    ? row->measure(c->state, row->count[bench->place], figure)
                    : time_pass(c, figure);
    c->failed |= !well;
    for (unsigned i = 0; i < BENCH_FIGURES_MAX; i++)
        c->pass[i][number] = figure[i];
}

/* In turns, so that a change of the machine's speed meets all alike; and once
 * before the first pass, over which that one is written. */
static void run_cases(void)
{
    for (unsigned i = 0; i <= bench->passes; i++)
        for (unsigned j = 0; j < bench->case_count; j++) {
            struct bench_case *c = &bench->cases[j];
            bool done = c->bench->once && i > 0;
            if (!done && !c->failed && c->cannot == NULL)
                run_pass(c, i > 0 ? i - 1 : 0);
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

static void keep_result(struct bench_case *c, unsigned figure)
{
    if (bench->result_count == RESULTS_MAX) {
        bench->dropped++;
        return;
    }
    bool is_void = c->failed || c->cannot != NULL;
    unsigned passes = c->bench->once ? 1 : bench->passes;
    bench->results[bench->result_count++] = (struct result){
        .bench = c->bench,
        .subject = c->subject,
        .cannot = c->cannot,
        .figure = figure,
        .value = is_void ? VOID : median(c->pass[figure], passes),
        .best_reference = VOID,
    };
}

/* Of the results of one figure. */
static void find_best_reference(struct result *from, struct result *to,
                                bool more_is_better)
{
    uint64_t best = VOID;
    for (struct result *r = from; r < to; r++)
        if (r->bench->role == BENCH_REFERENCE && r->value != VOID &&
            (best == VOID ||
             (more_is_better ? r->value > best : r->value < best)))
            best = r->value;
    for (struct result *r = from; r < to; r++)
        r->best_reference = best;
}

static void end_cases(void)
{
    for (unsigned i = 0; i < bench->case_count; i++) {
        struct bench_case *c = &bench->cases[i];
        if (c->state != NULL)
            c->bench->end(c->state);
    }
}

/* All rows of a group give the same figures: those of its first row. */
static void keep_results(const struct bench *first)
{
    const struct bench_figure *figures = figures_of(first);
    for (unsigned f = 0; figures[f].name != NULL; f++) {
        struct result *from = &bench->results[bench->result_count];
        for (unsigned i = 0; i < bench->case_count; i++)
            keep_result(&bench->cases[i], f);
        find_best_reference(from, &bench->results[bench->result_count],
                            figures[f].more_is_better);
    }
}

/* ---- The report ---- */

typedef unsigned long long ull;

static const struct bench_figure *figure_of(const struct result *result)
{
    return &figures_of(result->bench)[result->figure];
}

/* What the unit is called where one is named in any case. */
static const char *unit_of(const struct result *result)
{
    const char *unit = figure_of(result)->unit;
    return unit != NULL ? unit : bench->tick;
}

static bool has_ratio(const struct result *result)
{
    return result->best_reference != VOID && result->best_reference != 0;
}

static uint64_t ratio_of(const struct result *result)
{
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

/* The workload and the figure, as one name of so many columns or more. */
static void print_name(bench_print *print, const struct result *result,
                       int width)
{
    const char *workload = result->bench->workload;
    const char *figure = figure_of(result)->name;
    if (*figure == '\0') {
        print("%-*s", width, workload);
        return;
    }
    int rest = width - (int)strlen(workload) - 1;
    print("%s-%-*s", workload, rest > 0 ? rest : 0, figure);
}

static void print_hundredths(bench_print *print, unsigned width, uint64_t value)
{
    print(" %*llu.%02llu", (int)width, (ull)value / 100, (ull)value % 100);
}

/* In nanoseconds it is the host's; another unit is the same everywhere. */
static bool has_goals(const struct result *result)
{
    return bench->place == BENCH_HOST || figure_of(result)->unit != NULL;
}

static uint64_t target(uint64_t written)
{
    return written == BENCH_ZERO ? 0 : written;
}

static void print_met(bench_print *print, uint64_t value, uint64_t goal,
                      bool more_is_better, const char *unit)
{
    bool met = more_is_better ? value >= goal : value <= goal;
    print("  %s: goal %llu.%02llu %s", met ? "met" : "MISSED", (ull)goal / 100,
          (ull)goal % 100, unit);
}

static void print_goals(bench_print *print, const struct result *result)
{
    const struct bench *row = result->bench;
    if (row->ratio_goal != 0 && has_ratio(result))
        print_met(print, ratio_of(result), row->ratio_goal, false, "x");
    if (!has_goals(result))
        return;
    uint64_t goal = row->goal[result->figure];
    uint64_t known = row->known[result->figure];
    if (goal != 0)
        print_met(print, result->value, target(goal),
                  figure_of(result)->more_is_better, unit_of(result));
    if (known != 0)
        print(", best known %llu.%02llu", (ull)target(known) / 100,
              (ull)target(known) % 100);
}

static void print_row(bench_print *print, const struct result *result)
{
    const struct bench *row = result->bench;
    const char *unit = figure_of(result)->unit;
    print("%-6s ", row->suite);
    print_name(print, result, 20);
    print(" %-15s", result->subject);
    print_bytes(print, row->bytes);
    print(" %2u", threads_of(row));
    if (result->value == VOID) {
        print("  %s\n", result->cannot != NULL ? result->cannot : "failed");
        return;
    }
    print_hundredths(print, 11, result->value);
    if (unit != NULL)
        print(" %s", unit);
    else if (row->role == BENCH_SUBJECT && has_ratio(result))
        print_hundredths(print, 5, ratio_of(result));
    print_goals(print, result);
    print("\n");
}

static void print_field(bench_print *print, const char *name, bool there,
                        uint64_t value)
{
    if (there)
        print(", \"%s\": %llu.%02llu", name, (ull)value / 100,
              (ull)value % 100);
    else
        print(", \"%s\": null", name);
}

static void print_json(bench_print *print, const struct result *result)
{
    const struct bench *row = result->bench;
    if (result->value == VOID)
        return;
    print("{\"suite\": \"%s\", \"workload\": \"", row->suite);
    print_name(print, result, 0);
    print("\", \"subject\": \"%s\", \"threads\": %u, \"bytes\": %llu",
          result->subject, threads_of(row), (ull)row->bytes);
    print_field(print, unit_of(result), true, result->value);
    bool ratio = has_ratio(result);
    print_field(print, "best_reference", result->best_reference != VOID,
                result->best_reference);
    print_field(print, "ratio", ratio, ratio ? ratio_of(result) : 0);
    if (has_goals(result)) {
        uint64_t goal = row->goal[result->figure];
        uint64_t known = row->known[result->figure];
        print_field(print, "goal", goal != 0, target(goal));
        print_field(print, "best_known", known != 0, target(known));
    }
    print("}\n");
}

/* Runs the rows from this one on that are one group; returns the next one. */
static const struct bench *run_group(const struct bench *row,
                                     bench_print *table)
{
    const struct bench *first = row;
    unsigned first_result = bench->result_count;
    bench->case_count = 0;
    for (; same_group(first, row); row++)
        add_row(row);
    run_cases();
    keep_results(first);
    end_cases();
    for (unsigned i = first_result; i < bench->result_count; i++)
        print_row(table, &bench->results[i]);
    return row;
}

static bool is_asked_for(const struct bench *row, const char *name)
{
    return *name == '\0' || strcmp(row->suite, name) == 0 ||
           strcmp(row->workload, name) == 0;
}

static void run_suites(const char *name, bench_print *table)
{
    for (unsigned i = 0; bench_suites[i] != NULL; i++) {
        const struct bench *row = bench_suites[i];
        while (row->suite != NULL)
            row = is_asked_for(row, name) ? run_group(row, table) : row + 1;
    }
}

bool bench_run(enum bench_place place, const char *name, unsigned passes,
               const char *tick, bench_print *table, bench_print *json)
{
    bench = bench_take(sizeof(*bench));
    if (bench == NULL) {
        table("no memory for the benchmarks' results\n");
        return false;
    }
    bench->place = place;
    bench->passes = passes < PASSES_MAX ? passes : PASSES_MAX;
    bench->tick = tick;

    table("%-6s %-20s %-15s %6s %2s %14s %8s\n", "suite", "workload", "subject",
          "size", "th", tick, "ratio");
    run_suites(name, table);
    if (bench->dropped > 0)
        table("%u more had no place in the table\n", bench->dropped);
    for (unsigned i = 0; i < bench->result_count; i++)
        print_json(json, &bench->results[i]);
    bool any = bench->result_count > 0;
    bench_give(bench, sizeof(*bench));
    return any;
}
