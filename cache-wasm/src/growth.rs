//! Tables that grow by a quarter, not to the double: WebAssembly memory that was once taken is never given back.

use alloc::vec::Vec;

/// The least that a table grows by, in elements.
const LEAST: usize = 64;

/// Adds an element to the end.
pub fn push<T>(table: &mut Vec<T>, element: T) {
    if table.len() == table.capacity() {
        table.reserve_exact((table.len() / 4).max(LEAST));
    }
    table.push(element);
}
