//! What was asked of the system, and what the report says it did: names, pins, priorities.

mod common;

use std::fs;

use common::within_a_minute;
use ringtract::{Error, Grant, Idle, Machine, NoInput, Placement, Report, Tract, source, worker};

fn cores() -> Vec<usize> {
    Machine::this().cores.iter().map(|core| core.id).collect()
}

fn stage(name: &str, size: usize) -> Tract<u64, u64> {
    worker(name, size, || |n: u64| n)
}

fn run(tract: &Tract<NoInput, u64>) -> Report {
    tract.setup().placement(Placement::PerWorker).run(drop).expect("starts")
}

/// What the kernel says of the thread that asks: a file in its folder.
#[cfg(target_os = "linux")]
fn own(file: &str) -> String {
    fs::read_to_string(format!("/proc/thread-self/{file}")).expect("Linux tells")
}

/// Runs a worker under this name, and returns what the kernel called its thread, and the report.
#[cfg(target_os = "linux")]
fn named(name: &str) -> (String, Report) {
    let tract = source("numbers", 1, || 0..1_u64)
        .then(worker(name, 1, || |_| own("comm").trim_end_matches('\n').to_owned()));
    let mut names = Vec::new();
    let setup = tract.setup().placement(Placement::PerWorker);
    let report = setup.run(|name| names.push(name)).expect("starts");
    (names.remove(0), report)
}

#[cfg(target_os = "linux")]
#[test]
fn threads_are_named_after_their_first_worker_and_long_names_keep_their_end() {
    within_a_minute(|| {
        for (name, shown) in [
            ("short", "short"),
            ("exactly fifteen", "exactly fifteen"),
            ("one more than 15", "~e more than 15"),
            ("orders/archive/slow disk", "~hive/slow disk"),
            ("nul\0inside", "nulinside"),
            // Cut between characters of two and of four bytes: 14 bytes are left, and 12.
            ("größte Käuferschicht", "~Käuferschicht"),
            ("🦀🦀🦀🦀🦀", "~🦀🦀🦀"),
        ] {
            let (comm, report) = named(name);
            assert_eq!(comm, shown, "{name}");
            assert_eq!(report.threads[1].name, name);
            assert_eq!(report.threads[1].shown_name.as_deref(), Some(shown));
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn the_workers_of_a_pool_can_be_told_apart() {
    within_a_minute(|| {
        let report = run(&source("numbers", 1, || 0..9_u64).then(stage("a rather long name", 12)));
        let shown: Vec<_> =
            report.threads[1..].iter().filter_map(|thread| thread.shown_name.as_deref()).collect();
        assert_eq!(shown.len(), 12);
        assert_eq!((shown[0], shown[11]), ("~r long name[0]", "~ long name[11]"));
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_pinned_worker_runs_where_the_report_says() {
    within_a_minute(|| {
        let cores = cores();
        let where_am_i = || {
            |_: u64| {
                let status = own("status");
                let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
                line.expect("Linux tells").trim().parse::<usize>().expect("a single core")
            }
        };
        let tract = source("numbers", 1, || 0..100_u64)
            .then(worker("pool", 2 * cores.len() + 1, where_am_i).on_cores(cores.clone()));
        let mut seen = Vec::new();
        let report = tract.run(|core| seen.push(core)).expect("starts");
        let asked: Vec<_> = report.threads.iter().filter_map(|thread| thread.core).collect();
        assert_eq!(asked, cores, "one thread for each");
        assert!(seen.iter().all(|core| cores.contains(core)), "{seen:?}");
        for thread in report.threads.iter().filter(|thread| thread.core.is_some()) {
            assert!(thread.pinned.is_granted(), "{report}");
        }
        let line = format!("thread pool[0]: pinned to core {}", cores[0]);
        assert!(report.to_string().contains(&line), "{report}");
    });
}

#[test]
fn nothing_is_granted_that_nobody_asked_for() {
    within_a_minute(|| {
        let report = run(&source("numbers", 1, || 0..9_u64));
        let [thread] = &report.threads[..] else { panic!("{report}") };
        assert_eq!((&thread.pinned, &thread.prioritised), (&Grant::NotAsked, &Grant::NotAsked));
        assert_eq!(thread.pinned.refusal(), None);
        assert_eq!(report.memory.locked, Grant::NotAsked);
        assert!(!report.to_string().contains("thread numbers"), "{report}");
    });
}

/// A worker that has itself moved is found out. It takes two cores to move between.
#[cfg(target_os = "linux")]
#[test]
fn a_pin_that_did_not_hold_is_told() {
    let cores = cores();
    let [here, there, ..] = cores[..] else { return };
    within_a_minute(move || {
        let moving = move |n: u64| {
            assert!(core_affinity::set_for_current(core_affinity::CoreId { id: there }));
            n
        };
        let moving = worker("restless", 1, move || moving).on_core(here);
        let tract = source("numbers", 1, || 0..3_u64).then(moving);
        let report = run(&tract);
        let reason = report.threads[1].pinned.refusal().expect("it moved");
        let expected = format!("the pin did not hold: the thread may run on cores [{there}]");
        assert_eq!(reason, expected);
        let line = format!("thread restless: asked to be pinned to core {here}, REFUSED: {reason}");
        assert!(report.to_string().contains(&line), "{report}");
    });
}

#[test]
fn no_cores_at_all_are_refused() {
    let refused = stage("pool", 2).on_cores([]).plan();
    let Err(error @ Error::NoCores { .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(error.to_string(), "stage `pool` asks for cores but names none: name at least 1");
}

#[test]
fn a_thousand_threads_are_asked_for_and_as_many_as_workers_are_got() {
    within_a_minute(|| {
        let tract = source("numbers", 1, || 0..100_u64).then(stage("pool", 6));
        let setup = tract.setup().placement(Placement::Threads(1_000));
        let report = setup.run(drop).expect("starts");
        assert_eq!(report.threads.len(), 7);
        assert!(
            report.to_string().contains("placement: Threads(1000) asked, 7 threads"),
            "{report}"
        );
    });
}

#[test]
fn stepping_down_is_told_with_its_reason() {
    within_a_minute(|| {
        let tract = source("numbers", 1, || 0..100_u64).then(stage("pool", 64)).idle(Idle::Spin);
        let report = run(&tract);
        let at_once = Machine::this().threads_at_once();
        let text = report.to_string();
        let reason = format!("Spin asked, but 65 threads where {at_once} can run at once");
        if at_once < 65 {
            assert!(report.threads.iter().all(|thread| thread.idle != Idle::Spin), "{text}");
            assert!(text.contains(&format!("thread numbers and 64 like it: {reason}")), "{text}");
        }
    });
}

#[cfg(feature = "priority")]
mod priority {
    use super::{cores, own, run, stage, within_a_minute};
    use ringtract::{Crowd, Error, Grant, Idle, Machine, Placement, Priority, source, worker};

    /// The scheduling policy and the real-time priority that the kernel has noted for the thread that asks.
    fn scheduling(_: u64) -> (u64, u64) {
        let stat = own("stat");
        let after_name = stat.rsplit_once(") ").expect("a name").1;
        let fields: Vec<_> = after_name.split(' ').collect();
        let number = |field: usize| fields[field - 3].parse().expect("a number");
        (number(41), number(40))
    }

    /// Whether or not this process may: the report says what the kernel says.
    #[test]
    fn a_priority_is_granted_or_refused_with_a_reason() {
        within_a_minute(|| {
            let tract = source("numbers", 1, || 0..1_u64)
                .then(worker("urgent", 1, || scheduling).priority(Priority::Fifo(7)));
            let mut seen = Vec::new();
            let setup = tract.setup().placement(Placement::PerWorker);
            let report = setup.run(|scheduling| seen.push(scheduling)).expect("starts");
            let thread = &report.threads[1];
            assert_eq!(thread.priority, Some(Priority::Fifo(7)));
            let text = report.to_string();
            match &thread.prioritised {
                Grant::Granted => {
                    assert_eq!(seen, [(1, 7)], "SCHED_FIFO is 1");
                    assert!(text.contains("thread urgent: under SCHED_FIFO 7"), "{text}");
                }
                Grant::Refused(reason) => {
                    assert_eq!(seen, [(0, 0)]);
                    assert!(reason.contains("os error"), "{reason}");
                    let line = "thread urgent: asked to be under SCHED_FIFO 7, REFUSED: ";
                    assert!(text.contains(line), "{text}");
                }
                Grant::NotAsked => panic!("{report}"),
            }
            assert_eq!(report.threads[0].prioritised, Grant::NotAsked);
        });
    }

    #[test]
    fn a_thread_has_the_highest_priority_of_its_stages_and_the_run_fills_in() {
        let tract = source("numbers", 1, || 0..1_u64)
            .then(stage("a", 1).priority(Priority::Fifo(3)).on_core(cores()[0]))
            .then(stage("b", 1).priority(Priority::Fifo(9)).on_core(cores()[0]));
        let setup = tract.setup().placement(Placement::PerWorker).priority(Priority::Fifo(5));
        let plan = setup.plan().expect("a plan");
        let priorities: Vec<_> = plan.threads.iter().map(|thread| thread.priority).collect();
        assert_eq!(priorities, [5, 9].map(|level| Some(Priority::Fifo(level))));
        assert!(plan.to_string().contains(", SCHED_FIFO 9, "), "{plan}");
        let inline = setup.placement(Placement::Inline { seed: 1 }).plan().expect("a plan");
        assert_eq!(inline.threads[0].priority, None, "the caller's thread is left alone");
    }

    #[test]
    fn urgent_threads_do_not_spin_on_every_core() {
        let cores = cores().len();
        let tract = source("numbers", cores, || 0..1_u64).idle(Idle::Spin);
        let setup = tract.setup().placement(Placement::PerWorker);
        let plan = setup.plan().expect("a plan");
        let fits = plan.threads.iter().all(|thread| thread.idle == Idle::Spin);
        assert!(fits || Machine::this().threads_at_once() < cores, "{plan}");
        let plan = setup.priority(Priority::Fifo(1)).plan().expect("a plan");
        for thread in &plan.threads {
            let down = thread.step_down.expect("it stepped down");
            if let Crowd::Urgent { threads, .. } = down.crowd {
                assert_eq!(threads, cores);
                let told = format!("{cores} real-time threads would leave none of {cores} cores");
                assert!(plan.to_string().contains(&told), "{plan}");
            }
        }
    }

    #[test]
    fn levels_that_do_not_exist_are_refused() {
        for level in [0, 100, 255] {
            let refused = stage("a", 1).priority(Priority::Fifo(level)).plan();
            let Err(error @ Error::NoSuchPriority { .. }) = refused else { panic!("{refused:?}") };
            let expected =
                format!("stage `a` asks for SCHED_FIFO {level}: choose a level from 1 to 99");
            assert_eq!(error.to_string(), expected);
            let tract = stage("a", 1);
            let refused = tract.setup().priority(Priority::Fifo(level)).plan();
            let Err(error @ Error::NoSuchPriority { .. }) = refused else { panic!("{refused:?}") };
            assert!(error.to_string().starts_with("a run asks for"), "{error}");
        }
    }

    #[cfg(feature = "json")]
    #[test]
    fn grants_are_json() {
        within_a_minute(|| {
            let urgent = stage("urgent", 1).priority(Priority::Fifo(1)).on_core(cores()[0]);
            let report = run(&source("numbers", 1, || 0..1_u64).then(urgent));
            let json: serde_json::Value = serde_json::from_str(&report.to_json()).expect("JSON");
            let thread = &json["threads"][1];
            assert_eq!(thread["pinned"], "Granted");
            assert_eq!(thread["priority"], serde_json::json!({ "Fifo": 1 }));
            let refusal = report.threads[1].prioritised.refusal();
            assert!(match refusal {
                None => thread["prioritised"] == "Granted",
                Some(reason) => thread["prioritised"]["Refused"] == reason,
            });
            assert_eq!(json["memory"]["locked"], "NotAsked");
        });
    }
}

#[test]
fn an_inline_run_asks_the_system_for_nothing() {
    within_a_minute(|| {
        let tract = source("numbers", 1, || 0..9_u64).then(stage("a", 1).on_core(cores()[0]));
        let setup = tract.setup().placement(Placement::Inline { seed: 1 }).pinned();
        let report = setup.run(drop).expect("starts");
        let [thread] = &report.threads[..] else { panic!("{report}") };
        assert_eq!((thread.core, &thread.pinned), (None, &Grant::NotAsked));
        assert_eq!(thread.shown_name, None);
    });
}
