#include "bench/reference_buddy.h"

#include <stddef.h>

#include "mm/platform.h"

#define ORDER_2M 9

/* A batch of Linux's on a machine of more than 1 GiB, in blocks; and how many
 * make a stack too high. */
static const struct stack_kind {
    unsigned order, batch, high;
} stack_kinds[BUDDY_STACKS] = {
    [BUDDY_STACK_4K] = {0, 63, 6 * 63},
    [BUDDY_STACK_2M] = {ORDER_2M, 2, 8},
};

/* ---- Lists ---- */

static void list_init(struct buddy_link *head)
{
    head->next = head->previous = head;
}

static void list_push(struct buddy_link *head, struct buddy_link *link)
{
    link->next = head->next;
    link->previous = head;
    head->next->previous = link;
    head->next = link;
}

static void list_remove(struct buddy_link *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
}

static struct buddy_page *page_of(struct buddy_link *link)
{
    return (struct buddy_page *)((char *)link -
                                 offsetof(struct buddy_page, link));
}

static uint32_t number_of(const struct reference_buddy *buddy,
                          const struct buddy_page *page)
{
    return (uint32_t)(page - buddy->pages);
}

/* ---- Blocks, under the lock ---- */

static void add_block(struct reference_buddy *buddy, uint32_t frame,
                      unsigned order)
{
    struct buddy_page *page = &buddy->pages[frame];
    page->order = order;
    page->is_free = true;
    list_push(&buddy->free[order], &page->link);
    buddy->free_blocks[order]++;
}

static void remove_block(struct reference_buddy *buddy, struct buddy_page *page)
{
    list_remove(&page->link);
    buddy->free_blocks[page->order]--;
    page->is_free = false;
}

static uint32_t alloc_block(struct reference_buddy *buddy, unsigned order)
{
    unsigned from = order;
    while (from < BUDDY_ORDERS && buddy->free_blocks[from] == 0)
        from++;
    if (from == BUDDY_ORDERS)
        return BUDDY_NONE;
    struct buddy_page *page = page_of(buddy->free[from].next);
    uint32_t frame = number_of(buddy, page);
    remove_block(buddy, page);
    while (from > order) {
        from--;
        add_block(buddy, frame + (1u << from), from);
    }
    return frame;
}

static bool is_free_block(const struct reference_buddy *buddy, uint32_t frame,
                          unsigned order)
{
    return frame < buddy->frame_count && buddy->pages[frame].is_free &&
           buddy->pages[frame].order == order;
}

static void free_block(struct reference_buddy *buddy, uint32_t frame,
                       unsigned order)
{
    while (order < BUDDY_ORDERS - 1) {
        uint32_t other = frame ^ 1u << order;
        if (!is_free_block(buddy, other, order))
            break;
        remove_block(buddy, &buddy->pages[other]);
        frame &= ~(1u << order);
        order++;
    }
    add_block(buddy, frame, order);
}

/* ---- Stacks ---- */

static void fill_stack(struct reference_buddy *buddy, struct buddy_stack *stack,
                       const struct stack_kind *kind)
{
    spinlock_lock(&buddy->lock);
    while (stack->count < kind->batch) {
        uint32_t frame = alloc_block(buddy, kind->order);
        if (frame == BUDDY_NONE)
            break;
        /* at the bottom, so that they are handed out in this order */
        list_push(stack->blocks.previous, &buddy->pages[frame].link);
        stack->count++;
    }
    spinlock_unlock(&buddy->lock);
}

static void lower_stack(struct reference_buddy *buddy,
                        struct buddy_stack *stack,
                        const struct stack_kind *kind)
{
    spinlock_lock(&buddy->lock);
    for (unsigned i = 0; i < kind->batch; i++) {
        struct buddy_page *page = page_of(stack->blocks.previous);
        list_remove(&page->link);
        free_block(buddy, number_of(buddy, page), kind->order);
    }
    stack->count -= kind->batch;
    spinlock_unlock(&buddy->lock);
}

static uint32_t pop(struct reference_buddy *buddy, enum buddy_stacks which)
{
    const struct stack_kind *kind = &stack_kinds[which];
    struct buddy_stack *stack = &buddy->stack[platform_cpu()][which];
    if (stack->count == 0)
        fill_stack(buddy, stack, kind);
    if (stack->count == 0)
        return BUDDY_NONE;
    struct buddy_page *page = page_of(stack->blocks.next);
    list_remove(&page->link);
    stack->count--;
    return number_of(buddy, page);
}

static void push(struct reference_buddy *buddy, enum buddy_stacks which,
                 uint32_t frame)
{
    const struct stack_kind *kind = &stack_kinds[which];
    struct buddy_stack *stack = &buddy->stack[platform_cpu()][which];
    list_push(&stack->blocks, &buddy->pages[frame].link);
    stack->count++;
    if (stack->count >= kind->high)
        lower_stack(buddy, stack, kind);
}

/* The stacks that blocks of this order go through, or BUDDY_STACKS. */
static inline enum buddy_stacks stacks_of(const struct reference_buddy *buddy,
                                          unsigned order)
{
    if (!buddy->with_stacks)
        return BUDDY_STACKS;
    return order == 0          ? BUDDY_STACK_4K
           : order == ORDER_2M ? BUDDY_STACK_2M
                               : BUDDY_STACKS;
}

/* ---- Use ---- */

void reference_buddy_init(struct reference_buddy *buddy,
                          struct buddy_page *pages, uint32_t frame_count,
                          bool with_stacks)
{
    *buddy = (struct reference_buddy){
        .pages = pages, .frame_count = frame_count, .with_stacks = with_stacks};
    for (unsigned order = 0; order < BUDDY_ORDERS; order++)
        list_init(&buddy->free[order]);
    for (unsigned i = 0; i < BUDDY_CPUS; i++)
        for (unsigned which = 0; which < BUDDY_STACKS; which++)
            list_init(&buddy->stack[i][which].blocks);
    for (uint32_t i = 0; i < frame_count; i++)
        pages[i] = (struct buddy_page){0};

    /* From the top, so that the lowest block is the first one of its list. */
    uint32_t end = frame_count;
    while (end > 0) {
        unsigned order = (unsigned)__builtin_ctz(end);
        if (order >= BUDDY_ORDERS)
            order = BUDDY_ORDERS - 1;
        end -= 1u << order;
        add_block(buddy, end, order);
    }
}

uint32_t reference_buddy_alloc(struct reference_buddy *buddy, unsigned order)
{
    enum buddy_stacks which = stacks_of(buddy, order);
    if (which != BUDDY_STACKS)
        return pop(buddy, which);
    spinlock_lock(&buddy->lock);
    uint32_t frame = alloc_block(buddy, order);
    spinlock_unlock(&buddy->lock);
    return frame;
}

void reference_buddy_free(struct reference_buddy *buddy, uint32_t frame,
                          unsigned order)
{
    enum buddy_stacks which = stacks_of(buddy, order);
    if (which != BUDDY_STACKS) {
        push(buddy, which, frame);
        return;
    }
    spinlock_lock(&buddy->lock);
    free_block(buddy, frame, order);
    spinlock_unlock(&buddy->lock);
}

uint32_t reference_buddy_count_2m(const struct reference_buddy *buddy)
{
    uint32_t count = 0;
    for (unsigned order = ORDER_2M; order < BUDDY_ORDERS; order++)
        count += buddy->free_blocks[order] << (order - ORDER_2M);
    return count;
}
