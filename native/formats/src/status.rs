//! The error of every module, and the guard that turns a panic into one.

use std::cell::{Cell, RefCell};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Once;

/// Values equal `cr_status` in `crossrank_formats.h`.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Ok = 0,
    InvalidArgument = 1,
    InvalidUtf8 = 2,
    Malformed = 3,
    Unsupported = 4,
    Encode = 5,
    Panic = 6,
}

#[derive(Clone, Debug)]
pub struct Failure {
    pub status: Status,
    /// Which text of a batch failed.
    pub index: Option<u64>,
    pub message: String,
}

impl Failure {
    pub fn new(status: Status, message: impl Into<String>) -> Self {
        Self {
            status,
            index: None,
            message: message.into(),
        }
    }

    pub fn at(mut self, index: usize) -> Self {
        self.index = Some(index as u64);
        self
    }
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    static PANIC_MESSAGE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps a guarded panic's message instead of printing it; other panics (of tests) print as always.
/// The static library has its own copy of std, so no hook of the host process is replaced.
fn install_panic_hook() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if GUARDED.try_with(Cell::get).unwrap_or(false) {
                let _ = PANIC_MESSAGE.try_with(|message| *message.borrow_mut() = info.to_string());
            } else {
                previous(info);
            }
        }));
    });
}

/// Runs `work`; a panic becomes `Status::Panic`.
pub fn guard<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    install_panic_hook();
    let _ = GUARDED.try_with(|guarded| guarded.set(true));
    let outcome = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        // A payload's own drop may panic too.
        let _ = catch_unwind(AssertUnwindSafe(move || drop(payload)));
        let message = PANIC_MESSAGE
            .try_with(|message| std::mem::take(&mut *message.borrow_mut()))
            .unwrap_or_default();
        Err(Failure::new(
            Status::Panic,
            format!("the parser failed on this input: {message}"),
        ))
    });
    let _ = GUARDED.try_with(|guarded| guarded.set(false));
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_status_with_its_message() {
        let failure = guard::<()>(|| panic!("probe {}", 1)).unwrap_err();
        assert_eq!(failure.status, Status::Panic);
        assert!(failure.message.contains("probe 1"), "{}", failure.message);
        assert_eq!(guard(|| Ok(7)).unwrap(), 7);
    }

    #[test]
    fn a_payload_that_panics_when_dropped_is_contained() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("bomb");
            }
        }
        let failure = guard::<()>(|| std::panic::panic_any(Bomb)).unwrap_err();
        assert_eq!(failure.status, Status::Panic);
    }
}
