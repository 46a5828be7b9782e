//! Models of ringtract's protocols, for the model checker loom.
//!
//! The product's own code is what is modelled: built with `--cfg loom`, its `sync` module names loom's atomics and, in
//! place of `rtrb`, the ring in `ring.rs`. The models themselves are in `models.rs`, which is compiled into
//! ringtract so that it sees what is private there; `tests/models.rs` runs them. Without `--cfg loom` all of this is
//! empty.
//!
//! ```text
//! cargo run -p loom-tests    # builds and runs them all, and mutants of the protocols: `bin/prove`, which also runs sanitizers
//! RUSTFLAGS="--cfg loom" cargo test -p loom-tests --release --target-dir target/loom -- NAME
//! ```
