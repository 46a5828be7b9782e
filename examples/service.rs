//! A tract that is called: square roots, one by one and from an executor; then order risk under eight threads and tokio.
//!
//! `cargo run --release --example service`

use std::thread;
use std::time::Instant;

use hdrhistogram::Histogram;
use ringtract::{
    BoxError, CallError, Service, Ticket, Unanswered, fan_out, try_map, worker, workers,
};

const CALLERS: u32 = 8;
const CALLS: u32 = 2_000;

fn main() -> Result<(), BoxError> {
    square_roots()?;
    order_risk()
}

fn square_roots() -> Result<(), BoxError> {
    let root = worker("square root", 2, || {
        try_map(|n: f64| if n < 0.0 { Err("a root of less than nothing") } else { Ok(n.sqrt()) })
    });
    let mut service = root.into_service()?;
    println!("The root of 9 is {}.", service.call(9.0)?);
    if let Err(CallError::Unanswered(Unanswered::Failed(why))) = service.call(-1.0) {
        println!("The root of -1: {why}.");
    }
    let tickets = (0..=10).map(|n| service.submit(f64::from(n * n)));
    let tickets: Vec<Ticket<f64>> = tickets.collect::<Result<_, _>>()?;
    let roots = tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
        let mut roots = Vec::new();
        for ticket in tickets {
            roots.push(ticket.await?);
        }
        Ok::<_, Unanswered>(roots)
    })?;
    println!("In a future: {roots:?}.");
    Ok(())
}

#[derive(Debug, Clone, Copy)]
struct Order {
    account: u32,
    size: u32,
    price: u32,
}

/// The margin of an order, or why it is refused: its limits are looked up in one tract, and its exposures beside each
/// other in another that workers of the first call.
fn risk() -> Result<Service<Order, u64>, ringtract::Error> {
    let exposures = fan_out(
        "exposures",
        [
            worker("position", 1, || |order: Order| u64::from(order.size) * u64::from(order.price)),
            worker("account", 1, || |order: Order| u64::from(order.account % 7) * 1_000),
        ],
    );
    let limits = worker("limits", 2, || {
        try_map(|order: Order| match order.size {
            0..=500 => Ok(order),
            size => Err(format!("an order of {size} is over the limit of 500")),
        })
    });
    let start = move || exposures.setup().service().all().start();
    let margin = worker("exposure", 2, workers(start)).blocking();
    let sum = worker("margin", 1, || |exposures: Vec<u64>| exposures.iter().sum::<u64>() / 10);
    limits.then(margin).then(sum).into_service()
}

fn order(n: u32) -> Order {
    Order { account: n, size: n % 512, price: 100 + n % 50 }
}

/// How long calls took, and how many were refused.
struct Tally {
    latencies: Histogram<u64>,
    refused: u32,
}

impl Tally {
    fn new() -> Result<Self, BoxError> {
        Ok(Self { latencies: Histogram::new(3)?, refused: 0 })
    }

    fn add(&mut self, start: Instant, answer: Result<u64, Unanswered>) -> Result<(), BoxError> {
        self.latencies.record(u64::try_from(start.elapsed().as_nanos())?)?;
        self.refused += u32::from(matches!(answer, Err(Unanswered::Failed(_))));
        Ok(())
    }

    fn print(&self, who: &str) {
        let us = |quantile| self.latencies.value_at_quantile(quantile) / 1_000;
        let (calls, refused) = (self.latencies.len(), self.refused);
        println!("{who}: {calls} calls, {refused} refused");
        println!("  p50 {} us, p99 {} us, p99.9 {} us", us(0.5), us(0.99), us(0.999));
    }
}

fn order_risk() -> Result<(), BoxError> {
    let service = risk()?;
    let mut all = Tally::new()?;
    let tallies = thread::scope(|scope| {
        let callers = (0..CALLERS).map(|caller| {
            let service = service.clone();
            scope.spawn(move || call(service, caller))
        });
        let callers: Vec<_> = callers.collect();
        callers.into_iter().map(|caller| caller.join().expect("no panic")).collect::<Vec<_>>()
    });
    for tally in tallies {
        let tally = tally?;
        all.latencies.add(&tally.latencies)?;
        all.refused += tally.refused;
    }
    all.print("from 8 threads");

    let mut tally = Tally::new()?;
    let mut handle = service.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        for n in 0..CALLS {
            let start = Instant::now();
            let answer = handle.submit(order(n)).map_err(|error| error.to_string())?.await;
            tally.add(start, answer)?;
        }
        Ok::<_, BoxError>(())
    })?;
    tally.print("from tokio");
    print!("\n{}", service.close().expect("closed once"));
    Ok(())
}

fn call(mut service: Service<Order, u64>, caller: u32) -> Result<Tally, BoxError> {
    let mut tally = Tally::new()?;
    for n in 0..CALLS {
        let start = Instant::now();
        let answer = match service.call(order(caller * CALLS + n)) {
            Ok(margin) => Ok(margin),
            Err(CallError::Unanswered(why)) => Err(why),
            Err(error) => return Err(error.to_string().into()),
        };
        tally.add(start, answer)?;
    }
    Ok(tally)
}
