//! One suite over `rtrb`, which the product uses, and over the model of it that the models use.

#![cfg(loom)]

use ringtract::models::conformance;

macro_rules! suite {
    ($($case:ident)*) => {
        mod real {
            $(#[test]
            fn $case() {
                super::conformance::$case::<super::conformance::Real>();
            })*
        }

        mod model {
            $(#[test]
            fn $case() {
                super::conformance::$case::<super::conformance::Model>();
            })*
        }
    };
}

suite! {
    order
    capacity
    peek
    chunks
    abandonment
    left_values
    cached_indices
    panicking_fill
}

#[test]
fn both_show_the_same_on_random_walks() {
    conformance::agreement();
}
