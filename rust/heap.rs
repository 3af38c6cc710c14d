//! The kernel-wide heap as Rust's global allocator.
//!
//! The contract of mm/heap.h is that of `GlobalAlloc`, so each operation is one
//! call, and nothing is added or checked here.
use core::alloc::{GlobalAlloc, Layout};

/// `struct layout` of mm/heap.h.
#[repr(C)]
struct CLayout {
    size: usize,
    align: usize,
}

extern "C" {
    fn heap_alloc(layout: CLayout) -> *mut u8;
    fn heap_alloc_zeroed(layout: CLayout) -> *mut u8;
    fn heap_dealloc(block: *mut u8, layout: CLayout);
    fn heap_realloc(
        block: *mut u8,
        layout: CLayout,
        new_size: usize,
    ) -> *mut u8;
}

impl From<Layout> for CLayout {
    fn from(layout: Layout) -> Self {
        CLayout {
            size: layout.size(),
            align: layout.align(),
        }
    }
}

struct KernelHeap;

// SAFETY: each function keeps the contract of its namesake; see mm/heap.h.
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        heap_alloc(layout.into())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        heap_alloc_zeroed(layout.into())
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        heap_dealloc(block, layout.into())
    }

    unsafe fn realloc(
        &self,
        block: *mut u8,
        layout: Layout,
        new_size: usize,
    ) -> *mut u8 {
        heap_realloc(block, layout.into(), new_size)
    }
}

#[global_allocator]
static HEAP: KernelHeap = KernelHeap;
