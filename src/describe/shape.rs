//! The shape of a tract: plain data, for the passes that lower, draw and wire it.

use std::sync::Arc;

use super::kit::Kit;
use super::options::Options;
use crate::lane::fork::Cloner;

/// A tract without its types.
pub(crate) struct Shape {
    /// `None` for a chain that was never named.
    pub(crate) name: Option<String>,
    pub(crate) options: Options,
    pub(crate) form: Form,
}

pub(crate) enum Form {
    /// A pool of workers or sources.
    Stage { size: usize, kit: Arc<dyn Kit> },
    /// One after the other.
    Serial(Vec<Shape>),
    /// Each request to exactly one.
    Parallel(Vec<Shape>),
    /// Each request to every one.
    FanOut(Vec<Shape>, Cloner),
}

impl Shape {
    pub(crate) fn new(name: Option<String>, form: Form) -> Self {
        Self { name, options: Options::default(), form }
    }

    /// Its name; for an unnamed chain the names of its members.
    pub(crate) fn name(&self) -> String {
        match (&self.name, &self.form) {
            (Some(name), _) => name.clone(),
            (None, Form::Serial(members)) => {
                members.iter().map(Self::name).collect::<Vec<_>>().join(" > ")
            }
            (None, _) => String::new(),
        }
    }

    /// Every stage in it, in the order written, depth first.
    pub(crate) fn kits(&self) -> Vec<Arc<dyn Kit>> {
        match &self.form {
            Form::Stage { kit, .. } => vec![Arc::clone(kit)],
            Form::Serial(members) | Form::Parallel(members) | Form::FanOut(members, _) => {
                members.iter().flat_map(Self::kits).collect()
            }
        }
    }
}
