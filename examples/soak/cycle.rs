//! One cycle: a tract is drawn, and is run once or several times, each time to another end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use ringtract::{
    BoxError, CallError, Error, Feed, Idle, Measure, Output, OutputEnd, Phase, Placement, Ready,
    Report, Request, Room, Running, SendError, Service, Setup, StageKind, Tract, TrySendError,
    feed, output, receiver,
};

use crate::account::{Account, balances};
use crate::scene::{MEANT, Scene};

/// Runs the cycle of this seed; how many requests it made, or what is wrong.
pub(crate) fn run(seed: u64) -> Result<u64, String> {
    let mut random = Rng::with_seed(seed);
    match random.u8(0..16) {
        0..=8 => from_sources(&mut random),
        9..=10 => inline(&mut random),
        11..=13 => from_senders(&mut random),
        _ => called(&mut random),
    }
}

/// How a run is brought to its end.
#[derive(Debug, Clone, Copy)]
enum End {
    /// It is never started.
    Unstarted,
    /// Its sources end.
    Natural,
    /// It is asked to stop, or to stop by a deadline, or dropped, once so many requests were made.
    Stop(u64),
    StopWithin(u64, Duration),
    Drop(u64),
    /// A worker is stuck when the deadline passes.
    Stuck,
}

impl End {
    fn draw(random: &mut Rng) -> Self {
        let moment = some(random, 10_000);
        match random.u8(0..32) {
            0 => Self::Unstarted,
            1 => Self::Stuck,
            2..=11 => Self::Natural,
            12..=18 => Self::Stop(moment),
            19..=25 => Self::StopWithin(moment, Duration::from_micros(some(random, 2_000))),
            _ => Self::Drop(moment),
        }
    }

    /// Whether all goes well until then.
    fn is_fair(self) -> bool {
        !matches!(self, Self::Stuck)
    }
}

/// A number below the limit, small ones as likely as large ones.
fn some(random: &mut Rng, limit: u64) -> u64 {
    let bits = random.u32(0..=limit.ilog2());
    random.u64(0..=1 << bits).min(limit)
}

/// A setup in which every choice is drawn.
fn setup<'a, I: Send + 'static>(random: &mut Rng, tract: &'a Tract<I, u64>) -> Setup<'a, I, u64> {
    let placement = match random.u8(0..5) {
        0 => Placement::Auto,
        1 => Placement::PerWorker,
        _ => Placement::Threads(random.usize(1..=3)),
    };
    // `Idle::Spin` is for a thread that has its core to itself, and none has here: others feed, read and watch.
    let idle = match random.u8(0..5) {
        0 => Idle::Park,
        1 => Idle::Yield,
        2 => Idle::Backoff { spins: 1_000, yields: 0 },
        _ => Idle::default(),
    };
    let measure = match random.u8(0..3) {
        0 => Measure::Off,
        1 => Measure::ALL,
        _ => Measure::default(),
    };
    tract.setup().placement(placement).idle(idle).measure(measure).capacity(1 << random.u8(0..7))
}

/// At which make a factory fails, in one run of eight: as the workers are made, or as one is replaced.
fn failing_make(random: &mut Rng, workers: usize) -> Option<u16> {
    let makes = u16::try_from(2 * workers).unwrap_or(u16::MAX);
    (random.u8(0..8) == 0).then(|| random.u16(0..makes))
}

fn from_sources(random: &mut Rng) -> Result<u64, String> {
    let (account, end) = (Arc::<Account>::default(), End::draw(random));
    let scene = Scene::draw(random, &account);
    let requests = match end {
        End::Natural => some(random, 200_000) / scene.growth,
        _ => u64::MAX,
    };
    let sources = random.usize(1..=3);
    let (tract, workers) = scene.behind_sources(sources, requests, &account);
    let mut made = 0;
    for _ in 0..random.u8(1..=3) {
        let failing = failing_make(random, workers).filter(|_| end.is_fair());
        account.open(failing);
        let (sink, reader) = if random.u8(0..4) == 0 && end.is_fair() {
            let (sink, reader) = reader(random, &account);
            (sink, Some(reader))
        } else {
            (Sink::draw(random, &account, end.is_fair()), None)
        };
        let ready = setup(random, &tract).init(sink);
        let ran = started(ready, end, failing.is_some(), &account);
        reader.map(thread::JoinHandle::join);
        if let Some(report) = ran? {
            account.agrees(&report)?;
        }
        account.closes()?;
        made += account.born.get();
    }
    Ok(made)
}

/// Brings a run to its end; its report, unless it has none whose counts are final.
fn started(
    ready: Result<Ready, Error>,
    end: End,
    may_fail: bool,
    account: &Account,
) -> Result<Option<Report>, String> {
    let ready = match ready {
        Ok(ready) => ready,
        Err(Error::FactoryFailed { .. }) if may_fail => return Ok(None),
        Err(error) => return Err(format!("it was not made: {error}")),
    };
    if matches!(end, End::Unstarted) {
        return Ok(None);
    }
    if matches!(end, End::Stuck) {
        account.jam.arm();
    }
    let running = ready.start().map_err(|error| format!("it did not start: {error}"))?;
    ended(running, end, account)
}

/// A run that takes longer than this, with lanes of one request on cores that others use too, is stopped.
const LONG_ENOUGH: Duration = Duration::from_secs(1);

fn ended(running: Running, end: End, account: &Account) -> Result<Option<Report>, String> {
    let start = Instant::now();
    let until = |running: &Running, moment| {
        let over = || running.is_finished() || start.elapsed() > LONG_ENOUGH;
        while account.born.get() < moment && !over() {
            // Not a yield: on few cores that would take half of one from those it waits for.
            thread::sleep(Duration::from_micros(20));
        }
    };
    match end {
        End::Unstarted | End::Natural => {
            until(&running, u64::MAX);
            if !running.is_finished() {
                running.stop();
            }
            Ok(Some(running.wait()))
        }
        End::Stop(moment) => {
            until(&running, moment);
            running.stop();
            Ok(Some(running.wait()))
        }
        End::StopWithin(moment, limit) => {
            until(&running, moment);
            match running.stop_within(limit) {
                Ok(report) => Ok(Some(report)),
                Err(overdue) if overdue.report.unfinished.is_empty() => Ok(Some(*overdue.report)),
                // The system let a thread wait for longer than the time it has to drop everything.
                Err(_) => left_behind(account),
            }
        }
        End::Drop(moment) => {
            until(&running, moment);
            drop(running);
            Ok(None)
        }
        End::Stuck => {
            account.jam.await_stuck();
            let stopped = running.stop_within(Duration::from_millis(1));
            account.jam.free();
            let Err(overdue) = stopped else { return Err("a stuck worker was waited for".into()) };
            let late = &overdue.report.unfinished;
            if !late.iter().any(|late| late.stage.contains("pool") && late.phase == Phase::Working)
            {
                return Err(format!("a stuck worker was not named: {overdue}"));
            }
            left_behind(account)
        }
    }
}

/// Waits for threads that a deadline left behind.
fn left_behind(account: &Account) -> Result<Option<Report>, String> {
    let start = Instant::now();
    while account.closes().is_err() && start.elapsed() < Duration::from_secs(20) {
        thread::yield_now();
    }
    account.closes().map(|()| None)
}

fn inline(random: &mut Rng) -> Result<u64, String> {
    let account = Arc::<Account>::default();
    let scene = Scene::draw(random, &account);
    let requests = some(random, 20_000) / scene.growth;
    let (tract, workers) = scene.behind_sources(2, requests, &account);
    let mut made = 0;
    for _ in 0..random.u8(1..=3) {
        let failing = failing_make(random, workers);
        account.open(failing);
        let placement = Placement::Inline { seed: random.u64(..) };
        let sink = Sink::draw(random, &account, true);
        match setup(random, &tract).placement(placement).init_inline(sink) {
            Ok(mut run) => {
                for _ in 0..some(random, 200) {
                    run.turn();
                }
                match random.u8(0..3) {
                    0 => drop(run),
                    1 => account.agrees(&run.finish())?,
                    _ => {
                        run.stop();
                        account.agrees(&run.finish())?;
                    }
                }
            }
            Err(Error::FactoryFailed { .. }) if failing.is_some() => {}
            Err(error) => return Err(format!("it was not made: {error}")),
        }
        account.closes()?;
        made += account.born.get();
    }
    Ok(made)
}

fn from_senders(random: &mut Rng) -> Result<u64, String> {
    let account = Arc::<Account>::default();
    let scene = Scene::draw(random, &account);
    let mut made = 0;
    for _ in 0..random.u8(1..=3) {
        let failing = failing_make(random, scene.workers);
        account.open(failing);
        let (feed, input) = feed(1 << random.u8(0..7));
        let end = match End::draw(random) {
            End::Stuck => End::Natural,
            end => end,
        };
        let accepted = Arc::<AtomicU64>::default();
        let senders: Vec<_> = (0..random.u8(1..=3))
            .map(|_| {
                let (feed, count, seed) = (feed.clone(), some(random, 5_000), random.u64(..));
                let (account, accepted) = (Arc::clone(&account), Arc::clone(&accepted));
                thread::spawn(move || send(feed, count / scene.growth, seed, &account, &accepted))
            })
            .collect();
        drop(feed);
        let sink = Sink::draw(random, &account, true);
        let ready = setup(random, &scene.tract).init_fed(input, sink);
        let ran = started(ready, end, failing.is_some(), &account);
        senders.into_iter().for_each(|sender| drop(sender.join()));
        if let Some(report) = ran? {
            account.agrees(&report)?;
            let taken = taken_from_input(&report);
            let accepted = accepted.load(Ordering::Relaxed);
            if taken != accepted {
                return Err(format!("{accepted} requests were accepted, {taken} were taken"));
            }
        }
        account.closes()?;
        made += account.born.get();
    }
    Ok(made)
}

/// Sends so many requests, waiting for room in every way there is.
fn send(mut feed: Feed<u64>, count: u64, seed: u64, account: &Arc<Account>, accepted: &AtomicU64) {
    let mut random = Rng::with_seed(seed);
    for value in 0..count {
        let mut request = Request::new(value);
        account.watch(request.envelope_mut());
        let sent = match random.u8(0..3) {
            0 => feed.send(request).map_err(|SendError(_)| true),
            1 => feed
                .send_timeout(request, Duration::from_micros(50))
                .map_err(|error| matches!(error, TrySendError::Closed(_))),
            _ => feed.try_send(request).map_err(|error| matches!(error, TrySendError::Closed(_))),
        };
        match sent {
            Ok(()) => drop(accepted.fetch_add(1, Ordering::Relaxed)),
            Err(true) => return,
            Err(false) => thread::yield_now(),
        }
    }
}

fn called(random: &mut Rng) -> Result<u64, String> {
    let account = Arc::<Account>::default();
    let scene = Scene::draw(random, &account);
    let mut made = 0;
    for _ in 0..random.u8(1..=2) {
        account.open(None);
        let serving = setup(random, &scene.tract).service().all().window(1 << random.u8(0..5));
        let service = serving.start().map_err(|error| format!("no service: {error}"))?;
        let callers: Vec<_> = (0..random.u8(1..=3))
            .map(|_| {
                let (service, count, seed) = (service.clone(), some(random, 500), random.u64(..));
                thread::spawn(move || call(service, count, seed))
            })
            .collect();
        if random.bool() {
            thread::sleep(Duration::from_micros(some(random, 2_000)));
        }
        let early = random.bool().then(|| service.close());
        let got_in =
            callers.into_iter().map(|caller| caller.join().map_err(|_| "a caller panicked"));
        let got_in = got_in.sum::<Result<u64, _>>()?;
        let report =
            early.unwrap_or_else(|| service.close()).ok_or("a first close has a report")?;
        let delivered = report.stages.iter().filter(|stage| stage.kind == StageKind::Output);
        balances(&report, delivered.map(|stage| stage.ledger.emitted).sum())?;
        account.closes()?;
        let taken = taken_from_input(&report);
        if taken != got_in {
            return Err(format!("{got_in} calls got in, {taken} were taken"));
        }
        made += got_in;
    }
    Ok(made)
}

/// Calls, in every way there is; how many calls got in.
fn call(mut service: Service<u64, Vec<u64>>, count: u64, seed: u64) -> u64 {
    let mut random = Rng::with_seed(seed);
    let mut got_in = 0;
    for value in 0..count {
        let limit = Duration::from_micros(20);
        let refused = match random.u8(0..5) {
            0 | 1 => service.call(value).err(),
            2 => service.call_within(value, limit).err(),
            3 => service.submit(value).map(drop).err(),
            _ => service.submit(value).map(|ticket| drop(ticket.wait())).err(),
        };
        match refused {
            None | Some(CallError::Unanswered(_)) => got_in += 1,
            Some(CallError::Busy(_)) => thread::yield_now(),
            Some(CallError::Closed(_)) => break,
        }
    }
    got_in
}

fn taken_from_input(report: &Report) -> u64 {
    let inputs = report.stages.iter().filter(|stage| stage.kind == StageKind::Input);
    inputs.map(|stage| stage.ledger.taken).sum()
}

/// A receiver and the thread that reads it, to the end or until it has had enough.
fn reader(random: &mut Rng, account: &Arc<Account>) -> (OutputEnd<u64>, thread::JoinHandle<()>) {
    let (sink, receiver) = receiver();
    let enough = if random.bool() { usize::MAX } else { random.usize(0..2_000) };
    let account = Arc::clone(account);
    let reader = thread::spawn(move || {
        receiver.take(enough).for_each(|request| {
            account.delivered.up();
            drop(request);
        });
    });
    (sink, reader)
}

/// An output with moods.
struct Sink {
    /// Values until it closes.
    left: u64,
    /// Asked so many times, it has no room once.
    reluctance: u64,
    asked: u64,
    /// Whether now and then a put panics.
    panics: bool,
    account: Arc<Account>,
}

impl Sink {
    fn draw(random: &mut Rng, account: &Arc<Account>, may_close: bool) -> OutputEnd<u64> {
        let left = match random.u8(0..4) {
            0 if may_close => some(random, 2_000),
            _ => u64::MAX,
        };
        let reluctance = if random.bool() { random.u64(2..50) } else { u64::MAX };
        let (panics, account) = (random.bool(), Arc::clone(account));
        output(move || Ok::<_, BoxError>(Self { left, reluctance, asked: 0, panics, account }))
    }
}

impl Output<u64> for Sink {
    fn room(&mut self) -> Room {
        self.asked += 1;
        match self.asked % self.reluctance {
            _ if self.left == 0 => Room::Closed,
            0 if self.asked.is_multiple_of(2) => Room::Absent,
            0 => Room::Full,
            _ => Room::Free,
        }
    }

    fn put(&mut self, request: Request<u64>) {
        assert!(!self.panics || !request.is_multiple_of(256), "{MEANT}an output panics");
        self.left -= 1;
        self.account.delivered.up();
    }
}
