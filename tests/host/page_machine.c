/* Frames, a CPU and a page table for tests. */
#include "tests/host/page_machine.h"

#include <string.h>

uint64_t random_state = 1;

/* xorshift64 (Marsaglia 2003) */
uint64_t random_below(uint64_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (random_state >> 11) % limit;
}

/* Tables that a second CPU knows too.  It is idle: it forgets when it must, and
 * no earlier. */
static paddr_t idle_tables[TABLES_CACHED_MAX];
static unsigned idle_count;

/* ---- Frames for tables ---- */

#define FRAMES (HOST_MEMORY_BYTES / PAGE_SIZE)

bool frames[FRAMES]; /* whether each is held */
unsigned frames_held, frames_refused;
int frames_left;
void (*on_take_frame)(void);

paddr_t take_frame(void *context)
{
    static uint64_t next;

    assert_ptr_equal(context, frames);
    if (on_take_frame != NULL)
        on_take_frame();
    if (frames_left == 0) {
        frames_refused++;
        return PADDR_NONE;
    }
    if (frames_left > 0)
        frames_left--;
    while (frames[next])
        next = (next + 1) % FRAMES;
    frames[next] = true;
    frames_held++;
    /* what nobody cleared must not matter */
    memset(phys_to_virt(next * PAGE_SIZE), 0xa5, PAGE_SIZE);
    return next * PAGE_SIZE;
}

void give_frame(void *context, paddr_t frame)
{
    assert_ptr_equal(context, frames);
    CHECK(frame % PAGE_SIZE == 0 && frame < HOST_MEMORY_BYTES &&
              frames[frame / PAGE_SIZE],
          "freed a frame that is not held: %#llx", (ull)frame);
    for (unsigned i = 0; i < tables_cached_count; i++)
        CHECK(tables_cached[i] != frame, "frame %#llx is still walked",
              (ull)frame);
    for (unsigned i = 0; i < idle_count; i++)
        CHECK(idle_tables[i] != frame, "frame %#llx is walked by an idle CPU",
              (ull)frame);
    frames[frame / PAGE_SIZE] = false;
    frames_held--;
    memset(phys_to_virt(frame), 0x5a, PAGE_SIZE);
}

/* ---- The CPU ---- */

struct translation tlb[TLB_SIZE];
paddr_t tables_cached[TABLES_CACHED_MAX];
unsigned tables_cached_count;

static void cpu_invalidate(vaddr_t page)
{
    CHECK(page % PAGE_SIZE == 0, "invalidates %#llx", (ull)page);
    for (unsigned i = 0; i < TLB_SIZE; i++)
        if (page - tlb[i].vaddr < tlb[i].bytes)
            tlb[i].valid = false;
    tables_cached_count = 0;
    if (host_tlb_what == PLATFORM_TLB_TABLES)
        idle_count = 0;
}

void cpu_flush(void)
{
    memset(tlb, 0, sizeof(tlb));
    tables_cached_count = idle_count = 0;
}

static void cpu_flush_as_asked(void)
{
    unsigned idle = idle_count;
    cpu_flush();
    if (host_tlb_what != PLATFORM_TLB_TABLES)
        idle_count = idle;
}

static void remember_in(paddr_t *list, unsigned *count, paddr_t frame)
{
    for (unsigned i = 0; i < *count; i++)
        if (list[i] == frame)
            return;
    CHECK(*count < TABLES_CACHED_MAX, "too many tables");
    list[(*count)++] = frame;
}

static void cpu_remember_table(paddr_t frame)
{
    remember_in(tables_cached, &tables_cached_count, frame);
    remember_in(idle_tables, &idle_count, frame);
}

uint64_t *raw_table(paddr_t frame)
{
    CHECK(frame < HOST_MEMORY_BYTES && frames[frame / PAGE_SIZE],
          "a table at %#llx that is no held frame", (ull)frame);
    return phys_to_virt(frame);
}

static uint64_t *walk_raw(vaddr_t vaddr, unsigned *shift, bool remember)
{
    paddr_t frame = pt.root;

    for (*shift = 39;; *shift -= 9) {
        uint64_t *slot = raw_table(frame) + (vaddr >> *shift) % 512;
        if ((*slot & 1) == 0)
            return NULL;
        if (*shift == 12 || (*slot & 0x80) != 0)
            return slot;
        frame = *slot & 0x000ffffffffff000;
        if (remember)
            cpu_remember_table(frame);
    }
}

uint64_t *raw_leaf(vaddr_t vaddr)
{
    unsigned shift;
    return walk_raw(vaddr, &shift, false);
}

static void cpu_remember(vaddr_t vaddr, uint64_t entry, unsigned shift,
                         bool accessed)
{
    uint64_t low = (UINT64_C(1) << shift) - 1;

    tlb[random_below(TLB_SIZE)] = (struct translation){
        .valid = true,
        .accessed = accessed,
        .writable = (entry & 2) != 0,
        .dirty = (entry & 0x40) != 0,
        .vaddr = vaddr & ~low,
        .paddr = entry & 0x000ffffffffff000 & ~low,
        .bytes = low + 1,
        .leaf = entry & ~UINT64_C(0x60),
    };
}

bool cpu_access(vaddr_t vaddr, bool write)
{
    unsigned shift;

    for (unsigned i = 0; i < TLB_SIZE; i++)
        if (tlb[i].valid && tlb[i].accessed &&
            vaddr - tlb[i].vaddr < tlb[i].bytes &&
            (!write || (tlb[i].writable && tlb[i].dirty)))
            return true;
    uint64_t *slot = walk_raw(vaddr, &shift, true);
    if (slot == NULL || (write && (*slot & 2) == 0))
        return false;
    *slot |= write ? 0x60 : 0x20;
    cpu_remember(vaddr, *slot, shift, true);
    return true;
}

void cpu_peek(vaddr_t vaddr)
{
    unsigned shift;
    const uint64_t *slot = walk_raw(vaddr, &shift, true);

    if (slot != NULL)
        cpu_remember(vaddr, *slot, shift, false);
}

/* ---- The page table of the CPU ---- */

struct page_table pt;

void machine_start(int with_1g_pages)
{
    host_has_1g_pages = with_1g_pages;
    host_paddr_bits = 40;
    host_on_invalidate = cpu_invalidate;
    host_on_flush = cpu_flush_as_asked;
    host_tlb_invalidations = host_tlb_flushes = 0;
    memset(frames, 0, sizeof(frames));
    frames_held = 0;
    frames_left = -1;
    on_take_frame = NULL;
    cpu_flush();
    assert_int_equal(page_table_init(&pt, take_frame, give_frame, frames),
                     MM_OK);
    assert_int_equal(frames_held, 1);
}

void machine_stop(void)
{
    cpu_flush();
    pt.live = false;
    page_table_destroy(&pt);
    assert_int_equal(frames_held, 0);
}

int set_up(void **state)
{
    (void)state;
    machine_start(1);
    return 0;
}

int tear_down(void **state)
{
    (void)state;
    machine_stop();
    return 0;
}

void must_map(vaddr_t vaddr, paddr_t paddr, uint64_t bytes, unsigned flags)
{
    assert_int_equal(page_map(&pt, vaddr, paddr, bytes, flags), MM_OK);
}

static void check_leaf(uint64_t entry, unsigned shift)
{
    uint64_t pat = shift == 12 ? 0 : 0x1000;
    uint64_t low = (UINT64_C(1) << shift) - 1;

    CHECK(shift <= 30, "a leaf in the PML4: %#llx", (ull)entry);
    CHECK((entry & 0x000ffffffffff000 & low & ~pat) == 0 &&
              (entry & 0x7ff0000000000e00) == 0,
          "reserved bits in leaf %#llx", (ull)entry);
}

/* Returns the number of tables from this one down, and its entries in use. */
static unsigned check_tables(paddr_t frame, unsigned shift, unsigned *used)
{
    const uint64_t *entries = raw_table(frame);
    unsigned tables = 1, below;

    *used = 0;
    for (unsigned i = 0; i < 512; i++) {
        uint64_t entry = entries[i];
        if (entry == 0)
            continue;
        ++*used;
        CHECK((entry & 1) != 0, "%#llx is neither 0 nor present", (ull)entry);
        if (shift == 12 || (entry & 0x80) != 0) {
            check_leaf(entry, shift);
            continue;
        }
        tables += check_tables(entry & 0x000ffffffffff000, shift - 9, &below);
        CHECK(below > 0, "an empty table below %#llx", (ull)entry);
        CHECK(entry >> 52 == below, "%#llx counts %u", (ull)entry, below);
    }
    return tables;
}

void check_invariants(void)
{
    unsigned used;
    assert_int_equal(check_tables(pt.root, 39, &used), frames_held);
}
