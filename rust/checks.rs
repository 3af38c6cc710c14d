//! The collections of `alloc`, one check each.
//!
//! A check leaves nothing behind: whoever runs it counts the live blocks.
use alloc::alloc::{alloc, dealloc, Layout};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BinaryHeap, VecDeque};
use alloc::rc::{Rc, Weak};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::ffi::c_char;
use core::fmt::Write;
use core::hint::black_box;

/// What did not hold, ending with 0.
type Outcome = Result<(), &'static str>;

macro_rules! expect {
    ($condition:expr) => {
        if !$condition {
            return Err(concat!(file!(), ": ", stringify!($condition), "\0"));
        }
    };
}

/// Pseudo-random; the multiplier of Knuth's MMIX.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) % limit
    }
}

/// Grows by realloc, element by element, and shrinks to what is left.
fn check_vec() -> Outcome {
    let mut squares = Vec::new();
    for i in 0..10_000u64 {
        squares.push(i * i);
    }
    expect!(squares
        .iter()
        .enumerate()
        .all(|(i, &square)| square == (i * i) as u64));
    squares.retain(|square| square % 2 == 0);
    squares.shrink_to_fit();
    expect!(squares.len() == 5_000 && squares[2_500] == 25_000_000);

    let zeros = vec![0u8; 300_000];
    expect!(zeros.iter().all(|&byte| byte == 0));
    Ok(())
}

#[repr(align(64))]
struct CacheLine([u8; 64]);

#[repr(align(4096))]
struct Page([u8; 4096]);

/// Alignments that the size alone would not give.
fn check_box() -> Outcome {
    #[repr(align(64))]
    struct Sparse(u8);

    let sparse: Vec<_> = (0..100u8).map(|i| Box::new(Sparse(i))).collect();
    let line = Box::new(CacheLine([7; 64]));
    let page = Box::new(Page([9; 4096]));
    expect!(sparse.iter().all(|boxed| address(&**boxed) % 64 == 0));
    expect!(sparse
        .iter()
        .enumerate()
        .all(|(i, boxed)| boxed.0 as usize == i));
    expect!(address(&*line) % 64 == 0 && line.0.iter().all(|&byte| byte == 7));
    expect!(
        address(&*page) % 4096 == 0 && page.0.iter().all(|&byte| byte == 9)
    );
    Ok(())
}

fn address<T>(value: &T) -> usize {
    value as *const T as usize
}

fn check_string() -> Outcome {
    let mut text = String::new();
    for i in 0..1_000 {
        let _ = write!(text, "{i:>4} frames, ");
    }
    expect!(text.len() == 13 * 1_000);
    expect!(
        text.starts_with("   0 frames,") && text.ends_with(" 999 frames, ")
    );
    let words: Vec<String> = text.split(", ").map(String::from).collect();
    expect!(words.len() == 1_001 && words[500] == " 500 frames");
    expect!(words.concat().len() == 11 * 1_000);
    Ok(())
}

/// The block goes back with the last strong reference or, where there are weak
/// ones, with the last of those.
fn check_rc() -> Outcome {
    let tree = Rc::new(vec![1u32, 2, 3]);
    let copies: Vec<Rc<Vec<u32>>> =
        (0..500).map(|_| Rc::clone(&tree)).collect();
    let weak: Weak<Vec<u32>> = Rc::downgrade(&tree);
    expect!(Rc::strong_count(&tree) == 501 && copies[499][2] == 3);
    drop(copies);
    expect!(Rc::strong_count(&tree) == 1 && weak.upgrade().is_some());
    drop(tree);
    expect!(weak.upgrade().is_none());
    Ok(())
}

/// Wraps around its buffer, and grows while it is wrapped.
fn check_vec_deque() -> Outcome {
    let mut queue = VecDeque::new();
    let (mut put, mut taken) = (0u64, 0u64);
    for round in 0..2_000 {
        for _ in 0..1 + round % 7 {
            queue.push_back(put);
            put += 1;
        }
        for _ in 0..round % 5 {
            if let Some(front) = queue.pop_front() {
                expect!(front == taken);
                taken += 1;
            }
        }
    }
    expect!(queue.len() as u64 == put - taken && queue.len() > 1_000);
    queue.push_front(u64::MAX);
    expect!(queue[0] == u64::MAX && queue.back() == Some(&(put - 1)));
    Ok(())
}

/// Against a table that cannot be wrong.
fn check_btree_map() -> Outcome {
    const KEYS: usize = 1_000;
    let mut random = Random(1);
    let mut map = BTreeMap::new();
    let mut table = vec![None; KEYS];
    for step in 0..10_000u64 {
        let key = random.below(KEYS as u64);
        let expected = if random.below(3) > 0 {
            let text = Box::new(step);
            (map.insert(key, text), table[key as usize].replace(step))
        } else {
            (map.remove(&key), table[key as usize].take())
        };
        expect!(expected.0.map(|boxed| *boxed) == expected.1);
    }
    expect!(map.len() == table.iter().flatten().count());
    let pairs = table
        .iter()
        .enumerate()
        .filter_map(|(key, value)| value.map(|v| (key as u64, v)));
    expect!(pairs.eq(map.iter().map(|(&key, boxed)| (key, **boxed))));
    Ok(())
}

fn check_binary_heap() -> Outcome {
    let mut random = Random(2);
    let mut heap = BinaryHeap::new();
    for _ in 0..5_000 {
        heap.push(Reverse(random.below(1_000_000)));
    }
    let mut last = 0;
    while let Some(Reverse(least)) = heap.pop() {
        expect!(least >= last);
        last = least;
    }
    expect!(last > 900_000);
    Ok(())
}

/// A refusal is an error value, and the heap goes on.
fn check_refusal() -> Outcome {
    let mut bytes: Vec<u8> = vec![1, 2, 3];
    expect!(bytes.try_reserve(isize::MAX as usize / 2).is_err());
    expect!(bytes == [1, 2, 3] && bytes.try_reserve(100).is_ok());

    let layout = Layout::from_size_align(isize::MAX as usize / 2, 16).unwrap();
    // Hidden, for the compiler may leave out an allocation that nobody uses.
    // SAFETY: the size is not 0, and what is given back was got.
    let block = black_box(unsafe { alloc(layout) });
    let refused = block.is_null();
    if !refused {
        unsafe { dealloc(block, layout) };
    }
    expect!(refused);
    Ok(())
}

/// Makes checks callable from C: NULL, or what did not hold.
macro_rules! export {
    ($($name:literal => $check:ident),* $(,)?) => {
        $(const _: () = {
            #[export_name = $name]
            extern "C" fn run() -> *const c_char {
                match $check() {
                    Ok(()) => core::ptr::null(),
                    Err(text) => text.as_ptr().cast(),
                }
            }
        };)*
    };
}

export! {
    "rust_check_vec" => check_vec,
    "rust_check_box" => check_box,
    "rust_check_string" => check_string,
    "rust_check_rc" => check_rc,
    "rust_check_vec_deque" => check_vec_deque,
    "rust_check_btree_map" => check_btree_map,
    "rust_check_binary_heap" => check_binary_heap,
    "rust_check_refusal" => check_refusal,
}

/// For fault=rust-panic: an index past the end.
#[no_mangle]
pub extern "C" fn rust_panic_on_purpose() -> *const c_char {
    let trees = vec![3u8; 3];
    black_box(trees[black_box(5)]);
    core::ptr::null()
}
