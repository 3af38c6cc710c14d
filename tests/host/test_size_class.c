/* sources: mm/cpu/ */
/* sources: mm/heap/slab/size_class.c */
/* Size classes against what they are to be: the smallest that hold a size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mm/heap/slab/size_class.h"

static void the_smallest_that_holds_a_size(void **state)
{
    unsigned class = 1;

    (void)state;
    for (size_t size = 1; size <= SIZE_CLASS_BYTES_MAX; size++) {
        class += size_class_bytes(class) < size;
        assert_int_equal(size_class(size), class);
        if (size <= SIZE_CLASS_TABLE_BYTES)
            assert_int_equal(size_class_in_table(size), class);
    }
    assert_int_equal(class, SIZE_CLASSES - 1);
    assert_int_equal(size_class_in_table(0), 0);
    assert_int_equal(size_class(SIZE_CLASS_SMALL_BYTES), SIZE_CLASS_SMALL);
}

static void a_block_wastes_a_fifth_at_most(void **state)
{
    (void)state;
    for (unsigned class = 5; class < SIZE_CLASSES; class++)
        assert_true(size_class_bytes(class) - size_class_bytes(class - 1) <=
                    size_class_bytes(class) / 5);
}

static void powers_of_two_are_classes(void **state)
{
    (void)state;
    for (size_t size = HEAP_GRANULE; size <= SIZE_CLASS_BYTES_MAX; size *= 2)
        assert_int_equal(size_class_bytes(size_class(size)), size);
}

static void a_layout_has_an_aligned_class(void **state)
{
    (void)state;
    for (size_t align = HEAP_GRANULE; align <= SIZE_CLASS_ALIGN_MAX; align *= 2)
        for (size_t size = 1; size <= SIZE_CLASS_BYTES_MAX; size += 7) {
            size_t need = size_class_need((struct layout){size, align});
            if (need <= SIZE_CLASS_BYTES_MAX)
                assert_int_equal(size_class_bytes(size_class(need)) % align, 0);
        }
}

static void slabs_waste_a_sixteenth_at_most(void **state)
{
    (void)state;
    for (unsigned class = 1; class < SIZE_CLASSES; class++) {
        struct size_class_shape shape = size_class_shape(class);
        size_t total = shape.pages * PAGE_SIZE;

        assert_true(shape.slots >= 1);
        assert_in_range(shape.slots * size_class_bytes(class),
                        total - total / 16, total);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_that_holds_a_size),
        cmocka_unit_test(a_block_wastes_a_fifth_at_most),
        cmocka_unit_test(powers_of_two_are_classes),
        cmocka_unit_test(a_layout_has_an_aligned_class),
        cmocka_unit_test(slabs_waste_a_sixteenth_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
