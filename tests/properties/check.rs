//! What is asked of a run after it: its events against the model's, its books against its events.

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use ringtract::{FailureKind, Ledger, Report, StageKind};

use super::journal::{Cleanup, Event, Place, made};
use super::labor::Site;
use super::model::predict;
use super::tree::{Mark, Tree};

/// Everything that was made came to what the model says, and the books say so too.
pub fn whole(tree: &Tree, site: &Site, report: &Report) -> TestCaseResult {
    let events = site.journal.events();
    let predicted = predict(tree, &made(&events));
    prop_assert!(report.is_complete(), "{}", report);
    let missing = minus(&predicted.events, &events);
    let unforeseen = minus(&events, &predicted.events);
    prop_assert!(
        missing.is_empty() && unforeseen.is_empty(),
        "missing {:?}, unforeseen {:?}\n{}",
        missing,
        unforeseen,
        report
    );
    for (number, ledger) in predicted.ledgers.iter().enumerate() {
        prop_assert_eq!(ledger_of(report, number), *ledger, "pool {} in\n{}", number, report);
    }
    failures(&predicted.ledgers, report)?;
    staff(site, report)?;
    books(site, report)
}

/// Failures and panics are told, all of them.
fn failures(ledgers: &[Ledger], report: &Report) -> TestCaseResult {
    let told = |kind| -> u64 {
        let failures = report.failures.iter().filter(|failure| failure.kind == kind);
        failures.map(|failure| failure.count).sum()
    };
    let failed: u64 = ledgers.iter().map(|ledger| ledger.failed).sum();
    let panics: u64 = ledgers.iter().map(|ledger| ledger.panics).sum();
    prop_assert_eq!(told(FailureKind::Panicked), panics);
    prop_assert_eq!(told(FailureKind::Failed), failed - panics);
    Ok(())
}

/// Every worker was made and closed, with one more for each panic.
fn staff(site: &Site, report: &Report) -> TestCaseResult {
    let stages = report.plan.stages.iter();
    let planned: usize = stages
        .filter(|stage| matches!(stage.kind, StageKind::Source | StageKind::Worker))
        .map(|stage| stage.workers)
        .sum();
    let panics: u64 = report.stages.iter().map(|stage| stage.ledger.panics).sum();
    prop_assert_eq!(site.staff.made.get(), planned as u64 + panics);
    prop_assert_eq!(site.staff.closed.get(), planned as u64 + panics);
    Ok(())
}

/// Every request, and all it became, was delivered, discarded, failed or dropped.
pub fn books(site: &Site, report: &Report) -> TestCaseResult {
    prop_assert!(report.imbalances.is_empty(), "{}", report);
    let events = site.journal.events();
    let delivered = events.iter().filter(|event| matches!(event, Event::Delivered { .. })).count();
    let stages: Vec<_> =
        report.stages.iter().filter(|stage| stage.kind != StageKind::Output).collect();
    let sum = |field: fn(&Ledger) -> u64| -> u64 {
        stages.iter().map(|stage| field(&stage.ledger)).sum()
    };
    // A fan-out is given one and puts several.
    let copies = report.lanes.iter().map(|lane| lane.put).sum::<u64>() - sum(|l| l.emitted);
    let began = made(&events).len() as u64 + sum(|l| l.extra) + copies;
    let dropped = sum(|l| l.dropped) + report.dropped_in_lanes();
    let ended = delivered as u64 + sum(|l| l.discarded) + sum(|l| l.failed) + dropped;
    prop_assert_eq!(began, ended, "{}", report);
    Ok(())
}

/// What was made has ended, each once, and nothing came of it that the model does not know.
pub fn given_up(tree: &Tree, site: &Site) -> TestCaseResult {
    let events = site.journal.events();
    let predicted = predict(tree, &made(&events));
    let fate_open = |event: &Event| matches!(event, Event::Ended { success: false, .. });
    let certain: Vec<Event> = events.iter().copied().filter(|event| !fate_open(event)).collect();
    let unforeseen = minus(&certain, &predicted.events);
    prop_assert!(unforeseen.is_empty(), "unforeseen {:?}", unforeseen);
    let (added, ran) = cleanups(tree, &events, Mark::Once);
    prop_assert_eq!(added, ran, "clean-ups once per request");
    let (mut added, mut ran) = cleanups(tree, &events, Mark::Each);
    // How many copies there were is not known.
    added.dedup();
    ran.dedup();
    prop_assert_eq!(added, ran, "clean-ups once per copy");
    Ok(())
}

/// The clean-ups of this kind that were added and those that ran, in order of place and value.
fn cleanups(tree: &Tree, events: &[Event], mark: Mark) -> (Vec<Cleanup>, Vec<Cleanup>) {
    let marks = tree.marks();
    let is_meant = |&(place, _): &Cleanup| match place {
        Place::Source => mark == Mark::Once,
        Place::Pool(number) => marks[number] == mark,
    };
    let added = events.iter().filter_map(|event| match *event {
        Event::Made { value } => Some((Place::Source, value)),
        Event::Taken { pool, value } => Some((Place::Pool(pool), value)),
        _ => None,
    });
    let ran = events.iter().filter_map(|event| match *event {
        Event::Ended { place, value, .. } => Some((place, value)),
        _ => None,
    });
    (sorted(added.filter(is_meant)), sorted(ran.filter(is_meant)))
}

/// The first few of these events that are not among those, each as often as it is more often here.
fn minus(these: &[Event], those: &[Event]) -> Vec<Event> {
    let mut those = sorted(those.iter().copied()).into_iter().peekable();
    let left = sorted(these.iter().copied()).into_iter().filter(|event| {
        while those.next_if(|other| other < event).is_some() {}
        those.next_if_eq(event).is_none()
    });
    left.take(5).collect()
}

/// The ledger of a pool, in all members of its parallel group.
fn ledger_of(report: &Report, number: usize) -> Ledger {
    let name = number.to_string();
    let stages = report.plan.stages.iter().zip(&report.stages);
    let mut total = Ledger::default();
    for (_, stage) in stages.filter(|(planned, _)| planned.name == name) {
        total.taken += stage.ledger.taken;
        total.emitted += stage.ledger.emitted;
        total.extra += stage.ledger.extra;
        total.discarded += stage.ledger.discarded;
        total.failed += stage.ledger.failed;
        total.dropped += stage.ledger.dropped;
        total.panics += stage.ledger.panics;
        total.cleanup_panics += stage.ledger.cleanup_panics;
    }
    total
}

fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.collect();
    items.sort_unstable();
    items
}
