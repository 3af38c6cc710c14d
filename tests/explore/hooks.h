/* In front of each source that is explored: its atomic operations go through
 * the explorer, which may let another CPU go on at any of them.  The sources do
 * not know. */
#ifndef TESTS_EXPLORE_HOOKS_H
#define TESTS_EXPLORE_HOOKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint64_t explore_load(const volatile void *at, size_t size);
void explore_store(volatile void *at, uint64_t value, size_t size);
bool explore_swap(volatile void *at, void *expected, uint64_t value,
                  size_t size);
uint64_t explore_exchange(volatile void *at, uint64_t value, size_t size);
uint64_t explore_or(volatile void *at, uint64_t bits, size_t size);
uint64_t explore_and(volatile void *at, uint64_t bits, size_t size);

/* Acquire and release need nothing of their own on x86-64: stores come to
 * memory in their order, and loads are made in theirs. */
#define __atomic_load_n(at, order)                                             \
    ((__typeof__(*(at)))explore_load((at), sizeof(*(at))))
#define __atomic_store_n(at, value, order)                                     \
    explore_store((at), (uint64_t)(value), sizeof(*(at)))
#define __atomic_compare_exchange_n(at, expected, value, weak, yes, no)        \
    explore_swap((at), (expected), (uint64_t)(value), sizeof(*(at)))
#define __atomic_exchange_n(at, value, order)                                  \
    ((__typeof__(*(at)))explore_exchange((at), (uint64_t)(value),              \
                                         sizeof(*(at))))
#define __atomic_fetch_or(at, value, order)                                    \
    ((__typeof__(*(at)))explore_or((at), (uint64_t)(value), sizeof(*(at))))
#define __atomic_fetch_and(at, value, order)                                   \
    ((__typeof__(*(at)))explore_and((at), (uint64_t)(value), sizeof(*(at))))

#endif
