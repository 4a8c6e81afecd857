//! One byte budget over all categories: who gives when the whole is over.

use crate::category::Category;

/// The category that gives next: the one with the most bytes among those with something to give.
pub fn donor(categories: &[Category]) -> Option<usize> {
    categories
        .iter()
        .enumerate()
        .filter(|(_, category)| !category.members.is_empty())
        .max_by_key(|(_, category)| category.bytes)
        .map(|(index, _)| index)
}

/// Bytes over all categories.
pub fn total(categories: &[Category]) -> u64 {
    categories.iter().map(|category| category.bytes).sum()
}
