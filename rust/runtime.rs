//! What Rust's own libraries ask of their surroundings.
//!
//! A panic is a panic of the kernel, with Rust's message.  Nothing unwinds
//! (`-C panic=abort`), but the libraries come compiled for unwinding and for a C
//! library, and may name functions of both.
use core::ffi::{c_char, c_int, c_void};
use core::fmt::{self, Write};
use core::panic::PanicInfo;

extern "C" {
    /// kernel/trap/panic.h
    #[link_name = "panic"]
    fn kernel_panic(format: *const c_char, ...) -> !;
}

const MESSAGE_MAX: usize = 256;

/// A C string of limited length; what is too much is cut off.
struct Message {
    text: [u8; MESSAGE_MAX],
    length: usize,
}

impl Write for Message {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for &byte in s.as_bytes().iter().take(MESSAGE_MAX - 1 - self.length) {
            self.text[self.length] = byte;
            self.length += 1;
        }
        Ok(())
    }
}

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    let mut message = Message {
        text: [0; MESSAGE_MAX],
        length: 0,
    };
    let _ = write!(message, "Rust {info}");
    // SAFETY: the text ends with 0, for the last byte is never written.
    unsafe { kernel_panic(b"%s\0".as_ptr().cast(), message.text.as_ptr()) }
}

fn unwinds() -> ! {
    panic!("nothing here unwinds")
}

#[no_mangle]
extern "C" fn rust_eh_personality() -> c_int {
    unwinds()
}

#[no_mangle]
extern "C" fn _Unwind_Resume() -> ! {
    unwinds()
}

extern "C" {
    /// lib/string.h
    fn memcmp(a: *const c_void, b: *const c_void, bytes: usize) -> c_int;
}

/// As memcmp, where only equal or not counts.
#[no_mangle]
unsafe extern "C" fn bcmp(
    a: *const c_void,
    b: *const c_void,
    bytes: usize,
) -> c_int {
    memcmp(a, b, bytes)
}
