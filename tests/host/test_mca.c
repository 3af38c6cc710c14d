/* drivers/mca.c: what the bits of a machine-check bank mean. */
/* sources: drivers/mca.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "drivers/mca.h"

static const struct mca_cpu amd = {.is_amd = true, .paddr_bits = 40};
static const struct mca_cpu intel = {.paddr_bits = 40};
static const struct mca_cpu server = {.can_recover = true, .paddr_bits = 40};

/* AMD64 manual 2, section 9.3.2.1: bits from the top. */
#define VALID    (UINT64_C(1) << 63)
#define OVER     (UINT64_C(1) << 62)
#define UC       (UINT64_C(1) << 61)
#define MISCV    (UINT64_C(1) << 59)
#define ADDRV    (UINT64_C(1) << 58)
#define PCC      (UINT64_C(1) << 57)
#define AR       (UINT64_C(1) << 55)
#define DEFERRED (UINT64_C(1) << 44)

static enum mca_severity severity(const struct mca_cpu *cpu, uint64_t status)
{
    return mca_decode(cpu, &(struct mca_bank){.status = status}).severity;
}

static void severities(void **state)
{
    static const struct {
        const struct mca_cpu *cpu;
        uint64_t status;
        enum mca_severity severity;
    } rows[] = {
        {&amd, 0, MCA_NOTHING},
        {&amd, ~VALID, MCA_NOTHING},
        {&amd, VALID, MCA_CORRECTED},
        {&amd, VALID | OVER, MCA_CORRECTED},
        {&amd, VALID | DEFERRED, MCA_DEFERRED},
        {&intel, VALID | DEFERRED, MCA_CORRECTED}, /* a count */
        {&amd, VALID | UC, MCA_UNCORRECTED},
        {&amd, VALID | UC | DEFERRED, MCA_UNCORRECTED},
        {&amd, VALID | UC | PCC, MCA_FATAL},
        {&intel, VALID | UC | OVER, MCA_FATAL},
        {&intel, VALID | UC | AR, MCA_UNCORRECTED}, /* no meaning there */
        {&server, VALID | UC | AR, MCA_FATAL},
        {&server, VALID | UC, MCA_UNCORRECTED},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (severity(rows[i].cpu, rows[i].status) != rows[i].severity)
            fail_msg("row %u: %s", i,
                     mca_severity_name(severity(rows[i].cpu, rows[i].status)));
}

static void addresses(void **state)
{
    static const struct {
        const struct mca_cpu *cpu;
        struct mca_bank bank;
        bool has_address;
        paddr_t paddr;
    } rows[] = {
        {&amd, {VALID | UC | ADDRV, 0x12345678, 0}, true, 0x12345000},
        {&amd, {VALID | UC, 0x12345678, 0}, false, 0},
        {&amd, {ADDRV, 0x12345678, 0}, false, 0}, /* no error at all */
        {&amd, {VALID | UC | ADDRV, UINT64_C(1) << 40, 0}, false, 0},
        {&amd,
         {VALID | UC | ADDRV, (UINT64_C(1) << 40) - 1, 0},
         true,
         (UINT64_C(1) << 40) - 4096},
        /* physical, to the cache line; to the page; to more than a page */
        {&server, {VALID | ADDRV | MISCV, 0x5040, 0x86}, true, 0x5000},
        {&server, {VALID | ADDRV | MISCV, 0x5040, 0x8c}, true, 0x5000},
        {&server, {VALID | ADDRV | MISCV, 0x5040, 0x8d}, false, 0},
        {&server,
         {VALID | ADDRV | MISCV, 0x5040, 0x06},
         false,
         0}, /* segment */
        {&server, {VALID | ADDRV, 0x5040, 0x06}, true, 0x5000},
        {&intel, {VALID | ADDRV | MISCV, 0x5040, 0x06}, true, 0x5000},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mca_error error = mca_decode(rows[i].cpu, &rows[i].bank);
        if (error.has_address != rows[i].has_address ||
            error.paddr != rows[i].paddr)
            fail_msg("row %u: %d, 0x%llx", i, error.has_address,
                     (unsigned long long)error.paddr);
    }
}

static void kinds(void **state)
{
    static const struct {
        uint16_t code;
        const char *kind;
    } rows[] = {
        {0x009f, "memory controller"},
        {0x109f, "memory controller"},
        {0x0135, "cache"},
        {0x000e, "cache"},
        {0x0014, "TLB"},
        {0x0e0b, "bus"},
        {0x0001, "other"},
        {0x0000, "other"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mca_bank bank = {.status = VALID | rows[i].code};
        assert_string_equal(mca_decode(&amd, &bank).kind, rows[i].kind);
    }
    assert_false(mca_decode(&amd, &(struct mca_bank){VALID, 0, 0}).overflow);
    assert_true(
        mca_decode(&amd, &(struct mca_bank){VALID | OVER, 0, 0}).overflow);
}

static void each_severity_has_a_name(void **state)
{
    (void)state;
    for (unsigned i = MCA_NOTHING; i <= MCA_FATAL; i++)
        assert_true(strlen(mca_severity_name(i)) >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(severities),
        cmocka_unit_test(addresses),
        cmocka_unit_test(kinds),
        cmocka_unit_test(each_severity_has_a_name),
    };
    return cmocka_run_group_tests_name("mca", tests, NULL, NULL);
}
