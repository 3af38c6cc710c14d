/* Arithmetic on powers of two and on single words.
 *
 * Compilers skip comments that begin with @: above a function, one says what
 * the function does, in a form that is proved (docs/proof.md).
 */
#ifndef LIB_BITS_H
#define LIB_BITS_H

#include <stdbool.h>
#include <stdint.h>

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define TIB (UINT64_C(1) << 40)

static inline bool is_power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

/* Round down and up to a multiple of alignment, which is a power of two, 1 <<
 * k: the low k bits of the result are 0. */
/*@ requires \exists integer k; 0 <= k < 64 && alignment == 1 << k;
    assigns  \nothing;
    ensures  \forall integer k; 0 <= k < 64 && alignment == 1 << k ==>
        (\result >> k) == (value >> k);
    ensures  \forall integer k; 0 <= k < 64 && alignment == 1 << k ==>
        (\result & (uint64_t)(alignment - 1)) == 0; */
static inline uint64_t align_down(uint64_t value, uint64_t alignment)
{
    return value & ~(alignment - 1);
}

/* Wraps to 0 if the next multiple lies past the last 64-bit value.  A caller
 * with such values must check first. */
/*@ requires \exists integer k; 0 <= k < 64 && alignment == 1 << k;
    assigns  \nothing;
    ensures  \forall integer k; 0 <= k < 64 && alignment == 1 << k ==>
        (\result >> k) == ((uint64_t)(value + (alignment - 1)) >> k);
    ensures  \forall integer k; 0 <= k < 64 && alignment == 1 << k ==>
        (\result & (uint64_t)(alignment - 1)) == 0; */
static inline uint64_t align_up(uint64_t value, uint64_t alignment)
{
    return align_down(value + (alignment - 1), alignment);
}

/*@ assigns \nothing;
    ensures \result <==> (value & (uint64_t)(alignment - 1)) == 0; */
static inline bool is_aligned(uint64_t value, uint64_t alignment)
{
    return (value & (alignment - 1)) == 0;
}

#endif
