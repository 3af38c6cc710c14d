//! Rust on Copse's heap: what a kernel in Rust would bring along to use it.
//!
//! A `no_std` library for the kernel to link: the heap's four operations as
//! the global allocator (heap.rs), a panic handler that ends in the kernel's
//! panic (runtime.rs), and checks that run the collections of `alloc` on it
//! (checks.rs).  kernel/rust.h is the same door seen from C.
#![no_std]

extern crate alloc;

mod checks;
mod heap;
mod runtime;
