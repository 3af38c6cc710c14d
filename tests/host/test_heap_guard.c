/* sources: mm/cpu/ */
/* sources: mm/heap/count.c */
/* sources: mm/heap/heap.c mm/heap/backend.c mm/heap/simple.c mm/heap/guard.c */
/* sources: mm/heap/failing.c mm/error.c lib/format.c */
/* sources: mm/heap/bins.c mm/heap/buddy.c mm/heap/bump.c mm/heap/list.c */
/* sources: mm/heap/slab/ */
/* heapcheck=full over every back-end: writes past either end and after the
 * free, found to the byte; what the reports tell; leaks.  And heapcheck=off,
 * and allocations that are made to fail. */
#include "tests/host/platform_host.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/bits.h"
#include "mm/heap/backend.h"

#define ARRAY_BYTES (256 * KIB)
#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static alignas(4096) unsigned char array[ARRAY_BYTES];
static struct heap heap;
static bool made;

static const struct layout layout = {100, 32};
static unsigned char *block;

static void make_heap(const struct heap_backend *backend,
                      enum heap_checks checks)
{
    memset(array, 0xdd, sizeof(array));
    heap_set_checks(checks);
    assert_int_equal(
        heap_init(&heap, backend, heap_region_array(array, sizeof(array))),
        MM_OK);
    made = true;
}

static void end_heap(void)
{
    assert_null(heap_check(&heap).what);
    made = false;
    heap_fini(&heap);
}

static int tear_down(void **state)
{
    (void)state;
    heap_set_checks(HEAP_CHECKS_BASIC);
    if (made)
        heap_fini(&heap);
    made = false;
    return 0;
}

static void get_block(void)
{
    block = heap_alloc_in(&heap, layout);
    assert_non_null(block);
    memset(block, 0, layout.size);
}

static void free_block(void)
{
    heap_dealloc_in(&heap, block, layout);
}

/* Whether the report of the assertion that just failed has this text. */
static void assert_report(const char *format, ...)
{
    char text[128];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (!strstr(global_last_failed_assert, text))
        fail_msg("'%s' is not in '%s'", text, global_last_failed_assert);
}

/* Every byte that a write past an end can hit first is found on free and by the
 * walk, and the block is as good as before once it is put right. */
static void find_write_at(ptrdiff_t offset, const char *fault, bool to_the_byte)
{
    unsigned char saved = block[offset];

    block[offset] ^= 0x5a;
    struct heap_flaw flaw = heap_check(&heap);
    assert_non_null(flaw.place);
    if (to_the_byte)
        assert_ptr_equal(flaw.place, block + offset);
    expect_assert_failure(free_block());
    assert_report("%s: heap %s: ", fault, heap.backend->name);
    if (to_the_byte) {
        assert_report("block %p of 100 bytes aligned to 32", (void *)block);
        assert_report(", byte %td of it is 0x%02x, allocated by 0x", offset,
                      saved ^ 0x5a);
    }
    assert_report(", called from 0x");
    block[offset] = saved;
    assert_null(heap_check(&heap).what);
}

static void test_writes_past_either_end(void **state)
{
    (void)state;
    for (volatile size_t i = 0; heap_backends[i]; i++) {
        make_heap(heap_backends[i], HEAP_CHECKS_FULL);
        void *front = heap_alloc_in(&heap, layout);
        get_block();
        void *behind = heap_alloc_in(&heap, layout);

        /* 112 is 100 rounded up: 16 more are zone for certain */
        for (volatile ptrdiff_t at = 100; at < 112 + 16; at++)
            find_write_at(at, "HEAP_OVERRUN", true);
        for (volatile ptrdiff_t at = -16; at < 0; at++)
            find_write_at(at, "HEAP_UNDERRUN", true);
        /* and from there on it meets what the heap notes of the block */
        for (volatile ptrdiff_t at = -96; at < -16; at++)
            find_write_at(at, "HEAP_HEADER", false);
        heap_free_in(&heap, front);
        heap_free_in(&heap, behind);
        free_block();
        end_heap();
    }
}

/* A zone is left behind a block that became larger or smaller. */
static void test_a_resized_block_has_its_zone(void **state)
{
    (void)state;
    for (size_t i = 0; heap_backends[i]; i++) {
        make_heap(heap_backends[i], HEAP_CHECKS_FULL);
        for (size_t size = 60; size < 200; size++) {
            get_block();
            unsigned char *now = heap_realloc_in(&heap, block, layout, size);
            for (size_t at = size; at < size + 16; at++) {
                now[at] ^= 0x5a;
                assert_ptr_equal(heap_check(&heap).place, now + at);
                now[at] ^= 0x5a;
            }
            heap_dealloc_in(&heap, now, (struct layout){size, layout.align});
        }
        end_heap();
    }
}

/* All of a block is the owner's, and its size the one that was asked for. */
static void test_no_byte_too_many(void **state)
{
    (void)state;
    for (size_t i = 0; heap_backends[i]; i++) {
        make_heap(heap_backends[i], HEAP_CHECKS_FULL);
        for (size_t size = 1; size < 200; size++) {
            unsigned char *at = heap_alloc_in(&heap, (struct layout){size, 1});

            assert_int_equal(heap_usable_size_in(&heap, at), size);
            memset(at, 0, size);
            at = heap_realloc_in(&heap, at, (struct layout){size, 1},
                                 size / 2 + 1);
            memset(at, 0, size / 2 + 1);
            assert_null(heap_check(&heap).what);
            heap_dealloc_in(&heap, at, (struct layout){size / 2 + 1, 1});
        }
        end_heap();
    }
}

/* So much is freed that the quarantine gives back all that was in it. */
static void fill_quarantine(void)
{
    for (size_t i = 0; i < 64; i++) {
        const struct layout some = {ARRAY_BYTES / 128, 16};

        heap_dealloc_in(&heap, heap_alloc_in(&heap, some), some);
    }
}

static void want_too_much(void)
{
    assert_null(heap_alloc_in(&heap, (struct layout){ARRAY_BYTES, 16}));
}

static void trim(void)
{
    heap_trim(&heap);
}

static void test_writes_after_the_free(void **state)
{
    /* whatever makes the heap look at the block again */
    static void (*const looks[])(void) = {fill_quarantine, want_too_much, trim};

    (void)state;
    for (volatile size_t i = 0; heap_backends[i]; i++)
        for (volatile size_t look = 0; look < COUNT_OF(looks); look++)
            for (volatile ptrdiff_t at = -16; at < 112; at++) {
                make_heap(heap_backends[i], HEAP_CHECKS_FULL);
                get_block();
                free_block();
                assert_null(heap_check(&heap).what);
                block[at] = 0x11;
                assert_ptr_equal(heap_check(&heap).place, block + at);
                expect_assert_failure(looks[look]());
                assert_report("HEAP_USE_AFTER_FREE: heap %s",
                              heap.backend->name);
                assert_report("block %p of 100 bytes aligned to 32, byte %td "
                              "of it is 0x11, allocated by 0x",
                              (void *)block, (ptrdiff_t)at);
                assert_report(", freed by 0x");
                /* it is told once, and the heap is sound again */
                looks[look]();
                assert_int_equal(heap_stats(&heap).blocks, 0);
                end_heap();
            }
}

/* A header that was written over while its block waited. */
static void test_a_damaged_quarantine(void **state)
{
    (void)state;
    for (volatile size_t i = 0; heap_backends[i]; i++) {
        make_heap(heap_backends[i], HEAP_CHECKS_FULL);
        get_block();
        free_block();
        block[-40] ^= 1;
        assert_non_null(heap_check(&heap).place);
        expect_assert_failure(want_too_much());
        assert_report("HEAP_HEADER: heap %s", heap.backend->name);
        block[-40] ^= 1;
        want_too_much();
        end_heap();
    }
}

static void test_a_second_free_tells_of_the_first(void **state)
{
    (void)state;
    for (volatile size_t i = 0; heap_backends[i]; i++) {
        make_heap(heap_backends[i], HEAP_CHECKS_FULL);
        get_block();
        free_block();
        expect_assert_failure(free_block());
        assert_report("HEAP_DOUBLE_FREE: ");
        assert_report("block %p of 100 bytes aligned to 32, allocated by 0x",
                      (void *)block);
        assert_report(", freed by 0x");
        end_heap();
    }
}

/* What a pointer is not, with neighbours on both sides. */
static void free_inside(void)
{
    heap_free_in(&heap, block + 48);
}

static void free_in_front(void)
{
    heap_free_in(&heap, block - 16);
}

static void test_pointers_into_a_block(void **state)
{
    (void)state;
    for (volatile size_t i = 0; heap_backends[i]; i++) {
        make_heap(heap_backends[i], HEAP_CHECKS_FULL);
        get_block();
        expect_assert_failure(free_inside());
        assert_report("HEAP_NOT_A_START: ");
        assert_report("block %p of 100 bytes", (void *)block);
        expect_assert_failure(free_in_front());
        assert_report("HEAP_NOT_A_START: ");
        assert_report("block %p of 100 bytes", (void *)block);
        free_block();
        end_heap();
    }
}

static void test_a_block_that_moved(void **state)
{
    (void)state;
    for (volatile size_t i = 0; heap_backends[i]; i++) {
        make_heap(heap_backends[i], HEAP_CHECKS_FULL);
        get_block();
        memset(block, 0x37, 100);
        unsigned char *moved = heap_realloc_in(&heap, block, layout, 1000);
        assert_ptr_not_equal(moved, block);
        for (size_t j = 0; j < 100; j++)
            assert_int_equal(moved[j], 0x37);
        /* who kept the old pointer is found out */
        expect_assert_failure(free_block());
        assert_report("HEAP_DOUBLE_FREE: ");
        block[3] = 0;
        assert_ptr_equal(heap_check(&heap).place, block + 3);
        block[3] = 0x6b;
        heap_dealloc_in(&heap, moved, (struct layout){1000, 32});
        end_heap();
    }
}

/* ---- Leaks ---- */

static char printed[1024];
static unsigned lines;

static int print(const char *format, ...)
{
    size_t length = strlen(printed);
    va_list arguments;

    va_start(arguments, format);
    int count = vsnprintf(printed + length, sizeof(printed) - length, format,
                          arguments);
    va_end(arguments);
    lines++;
    return count;
}

/* The compiler must not make a jump of the call, as it may if nothing comes
 * after it: then the caller's own place would be the call site. */
#define AFTER_THE_CALL() __asm__ volatile("" ::: "memory")

__attribute__((noinline)) static void *get_here(size_t size)
{
    void *got = heap_alloc_in(&heap, (struct layout){size, 8});

    AFTER_THE_CALL();
    return got;
}

__attribute__((noinline)) static void *get_there(size_t size)
{
    void *got = heap_alloc_zeroed_in(&heap, (struct layout){size, 8});

    AFTER_THE_CALL();
    return got;
}

static void test_leaks_by_call_site(void **state)
{
    (void)state;
    for (size_t i = 0; heap_backends[i]; i++) {
        make_heap(heap_backends[i], HEAP_CHECKS_FULL);
        printed[0] = '\0';
        lines = 0;
        assert_int_equal(heap_report_leaks(&heap, print), 0);
        assert_int_equal(lines, 0);

        void *blocks[] = {get_here(10), get_there(5), get_here(200),
                          get_here(1)};
        heap_free_in(&heap, blocks[2]);
        assert_int_equal(heap_report_leaks(&heap, print), 3);
        assert_int_equal(lines, 2);
        assert_non_null(strstr(printed, "2 blocks           11 bytes  0x"));
        assert_non_null(strstr(printed, "1 blocks            5 bytes  0x"));
        heap_free_in(&heap, blocks[0]);
        heap_free_in(&heap, blocks[1]);
        heap_free_in(&heap, blocks[3]);
        assert_int_equal(heap_report_leaks(&heap, print), 0);
        end_heap();

        /* a heap that does not know */
        make_heap(heap_backends[i], HEAP_CHECKS_BASIC);
        block = get_here(10);
        assert_int_equal(heap_report_leaks(&heap, print), 0);
        heap_free_in(&heap, block);
        assert_int_equal(lines, 2);
        end_heap();
    }
}

/* ---- The layer itself ---- */

static void test_a_region_too_small_for_it(void **state)
{
    (void)state;
    for (size_t i = 0; heap_backends[i]; i++) {
        heap_set_checks(HEAP_CHECKS_FULL);
        assert_int_equal(
            heap_init(&heap, heap_backends[i], heap_region_array(array, 2048)),
            MM_TOO_SMALL);
        assert_non_null(strstr(host_log_last, heap_backends[i]->name));
        /* it left no trace */
        make_heap(heap_backends[i], HEAP_CHECKS_FULL);
        end_heap();
    }
}

/* A freed block's memory comes back late, but it does come back. */
static void test_the_quarantine_is_bounded(void **state)
{
    (void)state;
    for (size_t i = 0; heap_backends[i]; i++) {
        make_heap(heap_backends[i], HEAP_CHECKS_FULL);
        void *first = heap_alloc_in(&heap, layout), *next;
        heap_free_in(&heap, first);
        size_t others = 0;
        for (; others < 1000; others++) {
            next = heap_alloc_in(&heap, layout);
            heap_free_in(&heap, next);
            if (next == first)
                break;
        }
        assert_true(others >= 16 && others < 1000);
        assert_int_equal(heap_stats(&heap).held, 0);
        end_heap();
    }
}

/* ---- off ---- */

static void test_off_trusts_what_is_freed(void **state)
{
    (void)state;
    for (size_t i = 0; heap_backends[i]; i++) {
        make_heap(heap_backends[i], HEAP_CHECKS_OFF);
        get_block();
        heap_dealloc_in(&heap, block, (struct layout){7, 8});
        assert_int_equal(heap_stats(&heap).blocks, 0);
        assert_int_equal(heap_stats(&heap).requested, 0);
        assert_int_equal(heap_stats(&heap).held, 0);
        end_heap();
    }
}

static void test_names_of_the_tiers(void **state)
{
    static const char *const names[] = {"off", "basic", "full"};
    enum heap_checks checks;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(heap_checks_name((enum heap_checks)i), names[i]);
        assert_true(heap_checks_find(names[i], &checks));
        assert_int_equal(checks, i);
    }
    assert_null(heap_checks_name((enum heap_checks)3));
    assert_false(heap_checks_find("ful", &checks));
    assert_false(heap_checks_find("", &checks));
}

/* ---- Allocations that fail ---- */

/* Five calls that may need memory, each of which copes; returns how many could
 * not have any. */
static unsigned use_memory(void)
{
    unsigned char *a = heap_alloc_in(&heap, layout);
    unsigned char *b = heap_alloc_zeroed_in(&heap, layout);
    unsigned char *c = heap_alloc_back_in(&heap, layout);
    unsigned failed = (unsigned)(!a + !b + !c);

    if (a) {
        memset(a, 0x21, 100);
        unsigned char *grown = heap_realloc_in(&heap, a, layout, 500);

        failed += grown == NULL;
        assert_int_equal((grown ? grown : a)[99], 0x21);
        heap_dealloc_in(&heap, grown ? grown : a,
                        (struct layout){grown ? 500 : 100, 32});
    }
    void *d = heap_alloc_in(&heap, layout);
    failed += d == NULL;
    assert_true(!failed || heap_error_in(&heap) == MM_OUT_OF_MEMORY);
    void *const blocks[] = {b, c, d};
    for (size_t i = 0; i < 3; i++)
        heap_free_in(&heap, blocks[i]);
    return failed;
}

static void test_each_allocation_can_be_made_to_fail(void **state)
{
    (void)state;
    for (size_t i = 0; heap_backends[i]; i++)
        for (enum heap_checks checks = HEAP_CHECKS_OFF;
             checks <= HEAP_CHECKS_FULL; checks++) {
            make_heap(heap_backends[i], checks);
            for (uint64_t number = 1; number <= 6; number++) {
                uint64_t failures = heap_stats(&heap).failures;
                const struct heap_calls *table = heap.table;

                heap_fail_allocation(&heap, number);
                unsigned failed = use_memory();
                /* the layer is gone when it has done its work */
                assert_true((heap.table == table) == (number < 6));
                heap_fail_allocation(&heap, 0);
                assert_ptr_equal(heap.table, table);
                assert_ptr_equal(heap.calls.alloc, table->alloc);
                assert_int_equal(failed, number < 6);
                assert_int_equal(heap_stats(&heap).failures, failures + failed);
                assert_int_equal(heap_stats(&heap).held, 0);
                assert_null(heap_check(&heap).what);
            }
            heap_fail_allocation(&heap, 3);
            heap_fail_allocation(&heap, 0);
            assert_int_equal(use_memory(), 0);
            end_heap();
        }
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_writes_past_either_end),
        TEST(test_a_resized_block_has_its_zone),
        TEST(test_no_byte_too_many),
        TEST(test_writes_after_the_free),
        TEST(test_a_damaged_quarantine),
        TEST(test_a_second_free_tells_of_the_first),
        TEST(test_pointers_into_a_block),
        TEST(test_a_block_that_moved),
        TEST(test_leaks_by_call_site),
        TEST(test_a_region_too_small_for_it),
        TEST(test_the_quarantine_is_bounded),
        TEST(test_off_trusts_what_is_freed),
        TEST(test_names_of_the_tiers),
        TEST(test_each_allocation_can_be_made_to_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
