//! Measured placement: how busy a run's workers were, and the partition that balances them.

mod common;

use common::within_a_minute;
use ringtract::{
    Error, Layout, Measure, NoInput, Partition, Placement, Plan, Report, StagePlan, Tract, collect,
    feed, final_output, for_each, source, worker,
};

fn stage(name: &str, size: usize) -> Tract<u64, u64> {
    worker(name, size, || |n: u64| n)
}

fn chain() -> Tract<NoInput, u64> {
    source("numbers", 1, || 0..100_u64).then(stage("a", 1)).then(stage("b", 2)).then(stage("c", 1))
}

fn measured(tract: &Tract<NoInput, u64>) -> Report {
    tract.setup().measure(Measure::ALL).run(drop).expect("starts")
}

/// A report in which the source made nothing and the workers of the other stages were as busy as this, in seconds.
fn report_of(busy: &[&[f64]]) -> Report {
    let tract =
        busy.iter().enumerate().fold(source("nothing", 1, || 0..0_u64), |tract, (at, shares)| {
            tract.then(stage(&format!("stage {at}"), shares.len()))
        });
    let mut report = tract.setup().run(drop).expect("starts");
    report.elapsed = std::time::Duration::from_secs(1);
    for (stage, shares) in report.stages[1..].iter_mut().zip(busy) {
        stage.busy = Some(shares.to_vec());
    }
    report
}

/// The threads of a plan, as the workers of each in short: `a0 b0`.
fn crews(plan: &Plan) -> Vec<Vec<String>> {
    let name = |stage: &StagePlan, worker: usize| format!("{}{worker}", stage.name);
    let crews = plan.threads.iter().map(|thread| {
        let crew = thread.workers.iter();
        crew.map(|place| name(&plan.stages[place.stage], place.worker)).collect()
    });
    crews.collect()
}

fn planned(tract: &Tract<NoInput, u64>, partition: &Partition) -> Plan {
    tract.setup().placement(partition).plan().expect("a plan")
}

#[test]
fn a_report_knows_how_busy_each_worker_was() {
    within_a_minute(|| {
        let slow = |n: u64| {
            std::thread::sleep(std::time::Duration::from_micros(200));
            n
        };
        let tract = source("numbers", 1, || 0..200_u64).then(stage("quick", 1)).then(worker(
            "slow",
            1,
            move || slow,
        ));
        let report = tract
            .setup()
            .placement(Placement::PerWorker)
            .measure(Measure::ALL)
            .run(drop)
            .expect("starts");
        assert!(report.stages[0].busy.is_none(), "a source is not measured");
        let share = |name: &str| report.stage(name).and_then(|stage| stage.busy.clone());
        let (Some(quick), Some(slow)) = (share("quick"), share("slow")) else { panic!("{report}") };
        assert_eq!((quick.len(), slow.len()), (1, 1));
        assert!(slow[0] > quick[0] && slow[0] <= 1.01, "{slow:?} {quick:?}");
        // It slept for 40 ms at least; and the histogram tells 1 % apart.
        assert!(slow[0] * report.elapsed.as_secs_f64() >= 0.039, "{slow:?}");
        assert!(report.to_string().contains("busy"), "{report}");
    });
}

#[test]
fn the_share_is_shared_out_by_what_each_worker_took() {
    within_a_minute(|| {
        let report = measured(&chain());
        let pool = report.stage("b").expect("a stage");
        let busy = pool.busy.as_ref().expect("measured");
        let [first, second] = [0, 1].map(|worker| pool.workers[worker].taken as f64);
        let error = busy[0] * second - busy[1] * first;
        assert!(error.abs() < 1e-9, "{busy:?} for {first} and {second}");
    });
}

#[test]
fn without_measuring_there_is_neither_share_nor_partition() {
    within_a_minute(|| {
        let report = chain().setup().measure(Measure::Off).run(drop).expect("starts");
        assert!(report.stages.iter().all(|stage| stage.busy.is_none()));
        assert_eq!(report.placement_for(2), None);
    });
}

#[test]
fn the_heaviest_worker_has_a_thread_to_itself() {
    within_a_minute(|| {
        let report = report_of(&[&[0.1], &[0.1], &[0.9], &[0.1], &[0.1]]);
        let partition = report.placement_for(3).expect("measured");
        assert_eq!(partition.threads(), 3);
        let tract = report_tract(5);
        let expected = [
            vec!["nothing0", "stage 00", "stage 10"],
            vec!["stage 20"],
            vec!["stage 30", "stage 40"],
        ];
        assert_eq!(crews(&planned(&tract, &partition)), expected);
    });
}

fn report_tract(stages: usize) -> Tract<NoInput, u64> {
    (0..stages).fold(source("nothing", 1, || 0..0_u64), |tract, at| {
        tract.then(stage(&format!("stage {at}"), 1))
    })
}

#[test]
fn no_more_threads_than_balance_takes() {
    within_a_minute(|| {
        let report = report_of(&[&[1.0], &[0.2], &[0.2], &[0.2]]);
        assert_eq!(report.placement_for(4).map(|partition| partition.threads()), Some(2));
        assert_eq!(report.placement_for(1).map(|partition| partition.threads()), Some(1));
        assert_eq!(report.placement_for(0), report.placement_for(1));
        assert_eq!(report.placement_for(usize::MAX), report.placement_for(4));
    });
}

/// The smallest that the largest piece can be, by trying every way to cut.
fn best(costs: &[u64], count: usize) -> u64 {
    if count == 1 || costs.len() <= 1 {
        return costs.iter().sum();
    }
    let cuts = 1..=costs.len();
    cuts.map(|cut| costs[..cut].iter().sum::<u64>().max(best(&costs[cut..], count - 1)))
        .min()
        .unwrap_or(0)
}

#[test]
fn the_largest_piece_is_as_small_as_can_be() {
    within_a_minute(|| {
        let mut random = fastrand::Rng::with_seed(7);
        let mut balanced = 0;
        for _ in 0..100 {
            let sizes: Vec<usize> = (0..random.usize(1..5)).map(|_| random.usize(1..3)).collect();
            let busy: Vec<Vec<f64>> = sizes
                .iter()
                .map(|&size| (0..size).map(|_| f64::from(random.u32(0..100)) / 1e3).collect())
                .collect();
            let report = report_of(&busy.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let count = random.usize(1..5);
            let plan = report.plan.clone();
            let partition = report.placement_for(count).expect("measured");
            let tract = sizes
                .iter()
                .enumerate()
                .fold(source("nothing", 1, || 0..0_u64), |tract, (at, &size)| {
                    tract.then(stage(&format!("stage {at}"), size))
                });
            let cost = |stage: usize, worker: usize| match stage {
                0 => 0,
                stage => (busy[stage - 1][worker] * 1e9) as u64,
            };
            let costs: Vec<u64> = plan.stages[..=sizes.len()]
                .iter()
                .enumerate()
                .flat_map(|(at, stage)| (0..stage.workers).map(move |worker| cost(at, worker)))
                .collect();
            let pieces: Vec<u64> = planned(&tract, &partition)
                .threads
                .iter()
                .map(|thread| {
                    thread.workers.iter().map(|place| cost(place.stage, place.worker)).sum()
                })
                .collect();
            assert!(pieces.len() <= count);
            assert_eq!(pieces.iter().copied().max(), Some(best(&costs, count)), "{costs:?}");
            balanced += usize::from(pieces.len() > 1);
        }
        assert!(balanced > 30, "only {balanced} were cut at all");
    });
}

#[test]
fn a_partition_serves_the_next_run_and_gives_the_same_facts() {
    within_a_minute(|| {
        let tract = chain();
        let report = measured(&tract);
        for threads in [1, 2, 3, 100] {
            let partition = report.placement_for(threads).expect("measured");
            let mut sum = 0;
            let setup = tract.setup().placement(partition.clone());
            let again = setup.run(|n| sum += n).expect("starts");
            assert_eq!(sum, 99 * 100 / 2);
            assert!(again.is_complete(), "{again}");
            assert_eq!(again.plan.placement, Layout::Measured(partition.clone()));
            assert_eq!(again.threads.len(), partition.threads());
            assert!(again.to_string().contains("placement: a measured partition"), "{again}");
        }
    });
}

#[test]
fn the_ends_of_the_next_run_may_be_others() {
    within_a_minute(|| {
        let tract = chain();
        let partition = measured(&tract).placement_for(2).expect("measured");
        let setup = tract.setup().placement(&partition);
        for output in [final_output(), for_each(drop), collect().0] {
            let ready = setup.init(output).expect("initialises");
            let last = ready.plan().threads.last().expect("a thread").workers.last().copied();
            let last = last.expect("a worker").stage;
            assert_eq!(last, ready.plan().stages.len() - 1, "an output goes with the last worker");
        }
        let inner = stage("a", 1).then(stage("b", 1));
        let (output, _numbers) = collect();
        let (mut numbers, input) = feed(16);
        let running = inner.setup().measure(Measure::ALL).init_fed(input, output);
        let running = running.expect("initialises").start().expect("starts");
        (0..10).for_each(|n| numbers.send(n).expect("open"));
        drop(numbers);
        let partition = running.wait().placement_for(2).expect("measured");
        let (_numbers, input) = feed(16);
        let setup = inner.setup().placement(partition);
        let plan = setup.plan().expect("a plan without ends");
        assert_eq!(crews(&plan).concat(), ["a0", "b0"]);
        let ready = setup.init_fed(input, final_output()).expect("initialises");
        assert_eq!(crews(ready.plan()).concat(), ["input0", "a0", "b0"]);
    });
}

#[test]
fn stages_with_threads_of_their_own_are_left_out() {
    within_a_minute(|| {
        let tract = source("numbers", 1, || 0..100_u64)
            .then(stage("disk", 2).blocking())
            .then(stage("a", 1))
            .then(stage("b", 1));
        let partition = measured(&tract).placement_for(2).expect("measured");
        let plan = planned(&tract, &partition);
        let own: Vec<_> =
            crews(&plan).into_iter().filter(|crew| crew[0].starts_with("disk")).collect();
        assert_eq!(own, [["disk0"], ["disk1"]]);
        assert_eq!(plan.threads.len(), partition.threads() + 2);
    });
}

fn refused(tract: &Tract<NoInput, u64>, partition: &Partition) -> String {
    match tract.setup().placement(partition).plan() {
        Err(error @ Error::OtherTract { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_partition_for_another_tract_is_refused() {
    within_a_minute(|| {
        let partition = measured(&chain()).placement_for(2).expect("measured");
        let start = || source("numbers", 1, || 0..100_u64).then(stage("a", 1));
        let remedy = "measure this tract, or choose another placement";
        let larger = start().then(stage("b", 3)).then(stage("c", 1));
        assert_eq!(
            refused(&larger, &partition),
            format!(
                "a partition for another tract: it was measured with `b` with 2 workers, here is `b` with 3 workers: {remedy}"
            )
        );
        let shorter = start().then(stage("b", 2));
        assert_eq!(
            refused(&shorter, &partition),
            format!(
                "a partition for another tract: it was measured with `c` with 1 worker, here is no more stages: {remedy}"
            )
        );
        let longer = chain().then(stage("d", 1));
        assert!(refused(&longer, &partition).contains("with no more stages, here is `d`"));
        let blocking = start().then(stage("b", 2).blocking()).then(stage("c", 1));
        assert!(refused(&blocking, &partition).contains("`b` with 2 workers, here is `c`"));
    });
}

#[cfg(feature = "json")]
#[test]
fn shares_and_partitions_are_json() {
    within_a_minute(|| {
        let report = measured(&chain());
        let partition = report.placement_for(1).expect("measured");
        let json: serde_json::Value = serde_json::from_str(&report.to_json()).expect("JSON");
        assert!(json["stages"][0]["busy"].is_null());
        assert_eq!(json["stages"][2]["busy"].as_array().map(Vec::len), Some(2));
        let plan = planned(&chain(), &partition).to_json();
        let plan: serde_json::Value = serde_json::from_str(&plan).expect("JSON");
        let shares = &plan["placement"]["Measured"];
        assert_eq!(shares[2]["path"], "b");
        assert_eq!(shares[2]["threads"], serde_json::json!([0, 0]));
    });
}
