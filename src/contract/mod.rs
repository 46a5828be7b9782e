//! What users write and hold: workers, factories, inputs, outputs, requests.

pub(crate) mod answer;
pub(crate) mod cleanup;
pub(crate) mod factory;
pub(crate) mod failure;
pub(crate) mod input;
pub(crate) mod output;
pub(crate) mod pace;
pub(crate) mod paced;
pub(crate) mod request;
pub(crate) mod worker;
