/* sources: mm/page/table.c mm/page/walk.c mm/error.c lib/format.c */
/* sources: tests/host/page_machine.c */
/* mm/page_table against a flat model, one word a page, by random operations:
 * leaves of all sizes mixed, ranges that end anywhere, tables that run out of
 * frames, a CPU that reads along. */
#include "tests/host/page_machine.h"

#include <string.h>

/* Four windows, at the ends of both halves, of one word a page:
 *   paddr | MAPPED | level << 9 | flags, with accessed and dirty
 */
#define WINDOWS      4
#define WINDOW_BYTES (2 * SIZE_1G)
#define WINDOW_PAGES (WINDOW_BYTES / SIZE_4K)
#define MAPPED       (UINT64_C(1) << 11)
#define LEVEL_OF(w)  ((unsigned)((w) >> 9) & 3)
#define NOTED        (PAGE_ACCESSED | PAGE_DIRTY)

static const vaddr_t window_start[WINDOWS] = {
    0,
    UINT64_C(0x0000800000000000) - WINDOW_BYTES,
    UINT64_C(0xffff800000000000),
    -WINDOW_BYTES,
};

static uint64_t model[WINDOWS][WINDOW_PAGES];
static uint64_t model_pages;

/* A range of one window, in pages; and the whole of the leaf of a page. */
struct range {
    unsigned window;
    uint64_t first, count;
};

static vaddr_t vaddr_of(unsigned window, uint64_t page)
{
    return window_start[window] + page * PAGE_SIZE;
}

static uint64_t level_pages(unsigned level)
{
    return UINT64_C(1) << (9 * level);
}

static unsigned top_level(void)
{
    return host_has_1g_pages ? 2 : 1;
}

static bool all_mapped(struct range range, bool mapped)
{
    for (uint64_t i = 0; i < range.count; i++)
        if (((model[range.window][range.first + i] & MAPPED) != 0) != mapped)
            return false;
    return true;
}

static void model_map(struct range range, paddr_t paddr, unsigned flags)
{
    unsigned top = flags & PAGE_SMALL ? 0 : top_level();
    uint64_t *pages = &model[range.window][range.first];

    model_pages += range.count;
    for (uint64_t i = 0; i < range.count;) {
        unsigned level = top;
        while (level > 0 &&
               ((range.first + i) % level_pages(level) != 0 ||
                (paddr / PAGE_SIZE + i) % level_pages(level) != 0 ||
                range.count - i < level_pages(level)))
            level--;
        for (uint64_t end = i + level_pages(level); i < end; i++)
            pages[i] = (paddr + i * PAGE_SIZE) | MAPPED | level << 9 |
                       (flags & ~(unsigned)PAGE_SMALL);
    }
}

static void model_split_at(unsigned window, uint64_t page)
{
    uint64_t *pages = model[window];

    if (page >= WINDOW_PAGES || !(pages[page] & MAPPED))
        return;
    while (page % level_pages(LEVEL_OF(pages[page])) != 0) {
        unsigned level = LEVEL_OF(pages[page]);
        uint64_t first = page & ~(level_pages(level) - 1);
        for (uint64_t i = first; i < first + level_pages(level); i++)
            pages[i] -= 1 << 9;
    }
}

static void model_unmap(struct range range)
{
    model_split_at(range.window, range.first);
    model_split_at(range.window, range.first + range.count);
    memset(&model[range.window][range.first], 0,
           range.count * sizeof(uint64_t));
    model_pages -= range.count;
}

static void model_protect(struct range range, unsigned flags)
{
    model_split_at(range.window, range.first);
    model_split_at(range.window, range.first + range.count);
    for (uint64_t i = range.first; i < range.first + range.count; i++)
        model[range.window][i] =
            (model[range.window][i] & ~(uint64_t)PAGE_FLAGS_PROTECT) | flags;
}

static void model_join_block(uint64_t *pages, unsigned level)
{
    uint64_t noted = 0, count = level_pages(level);

    if (LEVEL_OF(pages[0]) != level - 1 || !(pages[0] & MAPPED) ||
        (pages[0] & PAGE_EXECUTE) || pages[0] / PAGE_SIZE % count != 0)
        return;
    for (uint64_t i = 0; i < count; i++) {
        noted |= pages[i] & NOTED;
        if ((pages[i] & ~(uint64_t)NOTED) !=
            (pages[0] & ~(uint64_t)NOTED) + i * PAGE_SIZE)
            return;
    }
    for (uint64_t i = 0; i < count; i++)
        pages[i] = (pages[i] + (1 << 9)) | noted;
}

static void model_join(struct range range)
{
    for (unsigned level = 1; level <= top_level(); level++) {
        uint64_t count = level_pages(level);
        for (uint64_t i = (range.first + count - 1) / count * count;
             i + count <= range.first + range.count; i += count)
            model_join_block(&model[range.window][i], level);
    }
}

/* Notes an access on the whole leaf. */
static void model_note(unsigned window, uint64_t page, unsigned bits, bool set)
{
    uint64_t *pages = model[window];
    uint64_t count = level_pages(LEVEL_OF(pages[page]));

    if (set && (pages[page] & bits) == bits)
        return;
    page &= ~(count - 1);
    for (uint64_t i = page; i < page + count; i++)
        pages[i] = set ? pages[i] | bits : pages[i] & ~(uint64_t)bits;
}

/* One page, looked at from all sides. */
static void check_page(unsigned window, uint64_t page)
{
    if (page >= WINDOW_PAGES)
        return;
    uint64_t word = model[window][page];
    vaddr_t vaddr = vaddr_of(window, page);
    struct page_walk walk;
    enum mm_error error = page_walk(&pt, vaddr, &walk);

    if (!(word & MAPPED)) {
        CHECK(error == MM_NOT_MAPPED, "%#llx: %s", (ull)vaddr,
              mm_error_name(error));
        CHECK(page_translate(&pt, vaddr) == PADDR_NONE, "%#llx", (ull)vaddr);
        return;
    }
    CHECK(error == MM_OK && walk.paddr == (word & ~UINT64_C(0xfff)) &&
              walk.last == LEVEL_OF(word) && walk.leaf.flags == (word & 0x1ff),
          "%#llx: model %#llx, walk %s paddr %#llx level %u flags %#x",
          (ull)vaddr, (ull)word, mm_error_name(error), (ull)walk.paddr,
          walk.last, walk.leaf.flags);
    CHECK(page_translate(&pt, vaddr + 123) == walk.paddr + 123, "%#llx",
          (ull)vaddr);
}

/* What the CPU remembers of this page must be what the model says. */
static void check_remembered(const struct translation *held, unsigned window,
                             uint64_t page)
{
    vaddr_t vaddr = vaddr_of(window, page);

    if (page >= WINDOW_PAGES || vaddr - held->vaddr >= held->bytes)
        return;
    uint64_t word = model[window][page];
    unsigned flags = word & PAGE_FLAGS_PROTECT;
    uint64_t leaf = page_leaf(held->paddr,
                              held->bytes == SIZE_4K   ? 0
                              : held->bytes == SIZE_2M ? 1
                                                       : 2,
                              flags);
    CHECK((word & MAPPED) != 0 && held->leaf == leaf &&
              held->paddr + (vaddr - held->vaddr) == (word & ~UINT64_C(0xfff)),
          "stale: %#llx is remembered as %#llx of %#llx bytes, model %#llx",
          (ull)vaddr, (ull)held->leaf, (ull)held->bytes, (ull)word);
}

static void check_tlb(struct range range)
{
    for (unsigned i = 0; i < TLB_SIZE; i++) {
        if (!tlb[i].valid)
            continue;
        for (unsigned window = 0; window < WINDOWS; window++) {
            uint64_t first = (tlb[i].vaddr - window_start[window]) / PAGE_SIZE;
            uint64_t count = tlb[i].bytes / PAGE_SIZE;
            if (first >= WINDOW_PAGES)
                continue;
            check_remembered(&tlb[i], window, first);
            check_remembered(&tlb[i], window, first + count - 1);
            check_remembered(&tlb[i], window, first + random_below(count));
        }
        check_remembered(&tlb[i], range.window, range.first);
        check_remembered(&tlb[i], range.window, range.first + range.count - 1);
        check_remembered(&tlb[i], range.window,
                         range.first + random_below(range.count));
    }
}

static bool see_modelled(void *context, const struct page_leaf *leaf)
{
    uint64_t *pages_seen = context;
    unsigned window = 0;

    while (leaf->vaddr - window_start[window] >= WINDOW_BYTES) {
        window++;
        CHECK(window < WINDOWS, "a leaf at %#llx", (ull)leaf->vaddr);
    }
    uint64_t page = (leaf->vaddr - window_start[window]) / PAGE_SIZE;
    uint64_t count = leaf->bytes / PAGE_SIZE;
    unsigned level = count == 1 ? 0 : count == 512 ? 1 : 2;
    uint64_t want = leaf->paddr | MAPPED | level << 9 | leaf->flags;
    for (uint64_t i = 0; i < count; i++, want += PAGE_SIZE)
        CHECK(model[window][page + i] == want,
              "%#llx: model %#llx, visited %#llx",
              (ull)vaddr_of(window, page + i), (ull)model[window][page + i],
              (ull)want);
    *pages_seen += count;
    return true;
}

static void check_everything(void)
{
    uint64_t pages_seen = 0;

    assert_true(page_table_visit(&pt, see_modelled, &pages_seen));
    assert_int_equal(pages_seen, model_pages);
    check_invariants();
}

/* Mostly near the middle of a window, where a 1G boundary is; of a length that
 * is often a few pages off that of a leaf. */
static struct range random_range(void)
{
    struct range range = {.window = (unsigned)random_below(WINDOWS)};
    uint64_t kind = random_below(100);
    unsigned level = kind < 55 ? 0 : kind < 97 ? 1 : 2;
    uint64_t unit = level_pages(level);

    range.first = random_below(4) != 0
                      ? WINDOW_PAGES / 2 - 4 * 512 + random_below(8 * 512)
                      : random_below(WINDOW_PAGES);
    if (random_below(2) != 0)
        range.first &= ~(unit - 1);
    range.count = unit * (1 + random_below(level == 2 ? 2 : 6));
    if (random_below(2) != 0)
        range.count += random_below(5);
    if (range.count > 3 && random_below(2) != 0)
        range.count -= random_below(3);
    if (range.count > WINDOW_PAGES - range.first)
        range.count = WINDOW_PAGES - range.first;
    return range;
}

/* Mostly cut to where the state changes, so that most calls succeed. */
static void trim(struct range *range, bool mapped)
{
    if (random_below(10) == 0)
        return;
    uint64_t count = 0;
    const uint64_t *pages = &model[range->window][range->first];
    while (count < range->count && ((pages[count] & MAPPED) != 0) == mapped)
        count++;
    if (count > 0)
        range->count = count;
}

static unsigned random_flags(void)
{
    static const unsigned some[] = {
        PAGE_READ,  PAGE_WRITE,
        PAGE_WRITE, PAGE_EXECUTE,
        PAGE_WRITE, PAGE_WRITE | PAGE_WRITE_COMBINING | PAGE_GLOBAL,
    };
    return some[random_below(COUNT(some))];
}

/* How often each operation ended in each way: a run in which something never
 * happened would prove little. */
enum { MAPPING, UNMAPPING, PROTECTING, OPERATIONS };
static unsigned outcomes[OPERATIONS][3];

static void count_outcome(unsigned operation, enum mm_error error)
{
    outcomes[operation][error == MM_OK              ? 0
                        : error == MM_OUT_OF_MEMORY ? 1
                                                    : 2]++;
}

static void random_map(struct range range)
{
    trim(&range, false);
    paddr_t paddr = (16 + 4 * range.window) * SIZE_1G + range.first * PAGE_SIZE;
    uint64_t shift = random_below(16);
    paddr += shift == 0 ? SIZE_4K : shift == 1 ? SIZE_2M : 0;
    unsigned flags = random_flags();
    if (random_below(10) == 0)
        flags |= PAGE_SMALL;

    unsigned failed = frames_refused;
    enum mm_error error = page_map(&pt, vaddr_of(range.window, range.first),
                                   paddr, range.count * PAGE_SIZE, flags);
    if (error == MM_OUT_OF_MEMORY)
        assert_int_equal(frames_refused, failed + 1);
    else
        assert_int_equal(error,
                         all_mapped(range, false) ? MM_OK : MM_ALREADY_MAPPED);
    if (error == MM_OK)
        model_map(range, paddr, flags);
    count_outcome(MAPPING, error);
}

/* Whether a border lies inside of a large leaf that is executable. */
static bool cuts_code_at(uint64_t word, uint64_t border)
{
    return (word & MAPPED) && (word & PAGE_EXECUTE) &&
           border % level_pages(LEVEL_OF(word)) != 0;
}

static bool cuts_code(struct range range)
{
    const uint64_t *pages = &model[range.window][range.first];
    return cuts_code_at(pages[0], range.first) ||
           cuts_code_at(pages[range.count - 1], range.first + range.count);
}

static void random_unmap_or_protect(struct range range, bool protect)
{
    trim(&range, true);
    unsigned flags = random_flags();
    unsigned failed = frames_refused;
    vaddr_t vaddr = vaddr_of(range.window, range.first);
    uint64_t bytes = range.count * PAGE_SIZE;
    enum mm_error error = protect ? page_protect(&pt, vaddr, bytes, flags)
                                  : page_unmap(&pt, vaddr, bytes);

    if (error == MM_OUT_OF_MEMORY)
        assert_int_equal(frames_refused, failed + 1);
    else if (!all_mapped(range, true))
        assert_int_equal(error, MM_NOT_MAPPED);
    else
        assert_int_equal(error, cuts_code(range) ? MM_BAD_ARGUMENT : MM_OK);
    if (error == MM_OK && protect)
        model_protect(range, flags);
    else if (error == MM_OK)
        model_unmap(range);
    count_outcome(protect ? PROTECTING : UNMAPPING, error);
}

static void random_test_and_clear(struct range range)
{
    unsigned bits = (unsigned)random_below(4) * PAGE_ACCESSED;
    uint64_t word = model[range.window][range.first];
    unsigned was;
    enum mm_error error = page_test_and_clear(
        &pt, vaddr_of(range.window, range.first), bits, &was);

    assert_int_equal(error, word & MAPPED ? MM_OK : MM_NOT_MAPPED);
    if (error == MM_OK) {
        assert_int_equal(was, word & bits);
        model_note(range.window, range.first, bits, false);
    }
}

static void random_access(unsigned window, uint64_t page)
{
    bool write = random_below(2) != 0;
    uint64_t word = model[window][page];
    bool allowed = (word & MAPPED) != 0 && (!write || (word & PAGE_WRITE));

    CHECK(cpu_access(vaddr_of(window, page), write) == allowed,
          "access of %#llx, model %#llx", (ull)vaddr_of(window, page),
          (ull)word);
    if (allowed)
        model_note(window, page, write ? NOTED : PAGE_ACCESSED, true);
}

static void random_join(struct range range)
{
    vaddr_t vaddr = vaddr_of(range.window, range.first);

    assert_int_equal(page_join(&pt, vaddr, range.count * PAGE_SIZE), MM_OK);
    model_join(range);
}

/* Half a window anew, as large as it gets. */
static void renew(unsigned window)
{
    const uint64_t half = WINDOW_PAGES / 2;
    const uint64_t start = random_below(2) * half;
    struct range range = {.window = window};

    frames_left = -1;
    for (range.first = start; range.first < start + half;
         range.first += range.count) {
        bool mapped = (model[window][range.first] & MAPPED) != 0;
        range.count = start + half - range.first;
        trim(&range, mapped);
        if (mapped && all_mapped(range, true))
            random_unmap_or_protect(range, false);
    }
    if (all_mapped((struct range){window, start, half}, false))
        random_map((struct range){window, start, half});
}

static vaddr_t peeked[2];

/* The CPU looks around while an operation is under way. */
static void peek(void)
{
    cpu_peek(peeked[0]);
    cpu_peek(peeked[1]);
}

static void random_step(void)
{
    struct range range = random_range();
    uint64_t what = random_below(100);

    for (unsigned i = 0; i < 4; i++)
        random_access(range.window, range.first + random_below(range.count));
    random_access(range.window, range.first);
    random_access(range.window, range.first + range.count - 1);
    peeked[0] = vaddr_of(range.window, range.first);
    peeked[1] = vaddr_of(range.window, range.first + range.count / 2);
    frames_left = random_below(4) == 0 ? (int)random_below(3) : -1;

    bool mapped = (model[range.window][range.first] & MAPPED) != 0;
    if (what < 4)
        renew(range.window);
    else if (what < 70 && mapped != (what < 11))
        random_unmap_or_protect(range, what % 2 != 0);
    else if (what < 70)
        random_map(range);
    else if (what < 85)
        random_test_and_clear(range);
    else
        random_join(range);

    check_tlb(range);
    check_page(range.window, range.first - 1);
    check_page(range.window, range.first);
    check_page(range.window, range.first + random_below(range.count));
    check_page(range.window, range.first + range.count - 1);
    check_page(range.window, range.first + range.count);
}

static void random_run(int with_1g_pages, uint64_t seed)
{
    machine_stop();
    machine_start(with_1g_pages);
    page_table_load(&pt);
    memset(model, 0, sizeof(model));
    model_pages = 0;
    random_state = seed;
    on_take_frame = peek;
    memset(outcomes, 0, sizeof(outcomes));
    for (unsigned step = 1; step <= 20000; step++) {
        random_step();
        if (step % 1000 == 0)
            check_everything();
    }
    for (unsigned operation = 0; operation < OPERATIONS; operation++)
        for (unsigned outcome = 0; outcome < COUNT(outcomes[0]); outcome++)
            assert_in_range(outcomes[operation][outcome], 20, UINT32_MAX);
    frames_left = -1;
    on_take_frame = NULL;
    for (unsigned window = 0; window < WINDOWS; window++)
        random_join((struct range){window, 0, WINDOW_PAGES});
    check_everything();
}

static void test_random_operations_with_1g_pages(void **state)
{
    (void)state;
    random_run(1, UINT64_C(0x123456789abcdef));
}

static void test_random_operations_without_1g_pages(void **state)
{
    (void)state;
    random_run(0, UINT64_C(0xfedcba987654321));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TABLE(test_random_operations_with_1g_pages),
        WITH_TABLE(test_random_operations_without_1g_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
