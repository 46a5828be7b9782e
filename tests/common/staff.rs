//! Workers and sources that are counted.

use ringtract::{BoxError, Envelope, Factory, Input, Next, Outcome, Worker};

use super::Count;

/// Counts what happens to the workers and sources of one stage, or of several.
#[derive(Debug, Clone, Default)]
pub struct Staff {
    pub made: Count,
    pub worked: Count,
    pub closed: Count,
    pub factories_closed: Count,
}

impl Staff {
    /// A factory of counted clones of this worker or source.
    pub fn of<T: Clone>(&self, prototype: T) -> Staffed<T> {
        Staffed { prototype, staff: self.clone() }
    }

    /// Made, worked, closed, factories closed.
    pub fn counts(&self) -> [u64; 4] {
        [&self.made, &self.worked, &self.closed, &self.factories_closed].map(Count::get)
    }
}

/// The factory made by [`Staff::of`].
#[derive(Debug)]
pub struct Staffed<T> {
    prototype: T,
    staff: Staff,
}

impl<T: Clone + Send + 'static> Factory for Staffed<T> {
    type Product = Member<T>;

    fn make(&mut self) -> Result<Member<T>, BoxError> {
        self.staff.made.up();
        Ok(Member { inner: self.prototype.clone(), staff: self.staff.clone() })
    }

    fn close(&mut self) {
        self.staff.factories_closed.up();
    }
}

/// A counted worker or source.
#[derive(Debug)]
pub struct Member<T> {
    inner: T,
    staff: Staff,
}

impl<I, W: Worker<I>> Worker<I> for Member<W> {
    type Out = W::Out;

    fn work(&mut self, value: I, request: &mut Envelope) -> Outcome<W::Out> {
        self.staff.worked.up();
        self.inner.work(value, request)
    }

    fn next(&mut self) -> Option<W::Out> {
        self.inner.next()
    }

    fn close(&mut self) {
        self.staff.closed.up();
        self.inner.close();
    }
}

impl<S: Input> Input for Member<S> {
    type Item = S::Item;

    fn poll(&mut self, request: &mut Envelope) -> Next<S::Item> {
        let next = self.inner.poll(request);
        if matches!(next, Next::Value(_)) {
            self.staff.worked.up();
        }
        next
    }

    fn stop(&mut self) -> bool {
        self.inner.stop()
    }

    fn idle(&mut self) {
        self.inner.idle();
    }

    fn close(&mut self) {
        self.staff.closed.up();
        self.inner.close();
    }
}
