//! Metrics for user code: handlers, called on the workers' threads.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::throttle::Throttle;

/// What a [`Metric`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MetricKey {
    /// How long the worker waited for the request, with nothing to do.
    In,
    /// How long the request was in the worker.
    During,
    /// How long the worker waited for room to put the request. A worker looks for room before it takes a request, so this
    /// wait lies before the work.
    Out,
    /// From the request's start to the end of its life at the end of the tract.
    Tract,
}

/// A time that was measured of one request at one stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// What it is about.
    pub key: MetricKey,
    /// The time.
    pub value: Duration,
}

/// Takes what is measured at a stage. Given to [`Tract::metrics`](crate::Tract::metrics), or to
/// [`Setup::metrics`](crate::Setup::metrics) for all stages and the output.
///
/// It is asked and called on the threads of the workers, by all of them, so what it does costs latency.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
/// use std::sync::Arc;
/// use ringtract::{Metric, MetricKey, MetricsHandler, source, worker};
///
/// #[derive(Default)]
/// struct Busiest(AtomicU64);
///
/// impl MetricsHandler for Busiest {
///     fn handle(&self, metrics: &[Metric]) {
///         for metric in metrics.iter().filter(|metric| metric.key == MetricKey::During) {
///             self.0.fetch_max(metric.value.as_nanos() as u64, Relaxed);
///         }
///     }
/// }
///
/// let busiest = Arc::new(Busiest::default());
/// let square = worker("square", 2, || |n: u64| n * n).metrics(Arc::clone(&busiest));
/// source("numbers", 1, || 0..100).then(square).run(|_| ())?;
/// assert!(busiest.0.load(Relaxed) > 0);
/// # Ok::<(), ringtract::Error>(())
/// ```
pub trait MetricsHandler: Send + Sync {
    /// Asked once for each request that a worker takes: whether [`handle`](Self::handle) is to be called for it.
    fn wants(&self) -> bool {
        true
    }

    /// Called once for each request that was wanted, when the worker is done with it: with In, During and Out; without Out
    /// if the request was discarded or failed; and with Tract where the request has a start and ends its life here
    /// with success. Not called for a request in which the worker panicked.
    ///
    /// A request that became several is one; its Tract comes by itself, after the last of them.
    fn handle(&self, metrics: &[Metric]);
}

impl<H: MetricsHandler + ?Sized> MetricsHandler for Arc<H> {
    fn wants(&self) -> bool {
        (**self).wants()
    }

    fn handle(&self, metrics: &[Metric]) {
        (**self).handle(metrics);
    }
}

/// A handler that is asked through a [`Throttle`].
#[derive(Debug)]
pub struct Throttled<H> {
    throttle: Throttle,
    handler: H,
}

impl<H> Throttled<H> {
    /// Wants what the throttle lets through and the handler wants.
    pub const fn new(throttle: Throttle, handler: H) -> Self {
        Self { throttle, handler }
    }
}

impl<H: MetricsHandler> MetricsHandler for Throttled<H> {
    fn wants(&self) -> bool {
        self.throttle.asks() && self.handler.wants()
    }

    fn handle(&self, metrics: &[Metric]) {
        self.handler.handle(metrics);
    }
}

/// A handler, shared by those who call it.
#[derive(Clone)]
pub(crate) struct SharedHandler(pub(crate) Arc<dyn MetricsHandler>);

impl fmt::Debug for SharedHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedHandler")
    }
}
