/* What the CPUs have of the locks that cpu_order.h puts in order. */
#include "mm/cpu/cpu_order.h"

struct cpu_order cpu_orders[PLATFORM_CPUS_MAX];

bool (*cpu_order_inside)(void);
