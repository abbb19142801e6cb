//! How this crate takes its locks.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes a lock, also after a panic elsewhere: a test that failed must not make all others fail.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
