//! The plan: what a run would consist of, as data, as a drawing, as a graph and as JSON.

mod common;

use common::probe::{Journal, Topology, run_to, topologies};
use common::within_a_minute;
use ringtract::{
    GroupKind, Idle, NoInput, OnPanic, Placement, Plan, PlanNode, Request, StageKind, Tract,
    collect, fan_out, feed, final_output, for_each, parallel, receiver, serial, source, worker,
};

fn stage(name: &str, size: usize) -> Tract<u64, u64> {
    worker(name, size, || |n: u64| n)
}

/// A tract with every kind of group and most options.
fn market() -> Tract<NoInput, u64> {
    let book = stage("book", 1).then(stage("signal", 2));
    let disks = [stage("fast disk", 2).blocking().capacity(8), stage("slow disk", 1).batch(4)];
    let consumers = fan_out("consumers", [book, parallel("archive", disks)]);
    source("feed", 1, || 0..10_u64).then(serial("decoding", stage("decode", 1))).then(consumers)
}

fn market_plan() -> Plan {
    let tract = market();
    let setup = tract.setup().capacity(4).placement(Placement::Threads(2)).idle(IDLE);
    setup.plan().expect("a plan")
}

/// The default is measured, and steps down where cores are few: a drawing wants one that is the same everywhere.
const IDLE: Idle = Idle::Backoff { spins: 128, yields: 4 };

#[test]
fn the_tree_shows_the_groups() {
    let group =
        |name: &str, kind, members| PlanNode::Group { name: name.to_owned(), kind, members };
    let [feed, decode, book, signal, fast, slow] = [0, 1, 2, 3, 4, 5].map(PlanNode::Stage);
    let expected = group(
        "",
        GroupKind::Serial,
        vec![
            feed,
            group("decoding", GroupKind::Serial, vec![decode]),
            group(
                "consumers",
                GroupKind::FanOut,
                vec![
                    group("", GroupKind::Serial, vec![book, signal]),
                    group("archive", GroupKind::Parallel, vec![fast, slow]),
                ],
            ),
        ],
    );
    assert_eq!(market_plan().tree, expected);
}

#[test]
fn stages_are_listed_in_the_order_written() {
    let plan = market_plan();
    let stages: Vec<_> = plan
        .stages
        .iter()
        .map(|stage| (stage.path.as_str(), stage.name.as_str(), stage.kind, stage.workers))
        .collect();
    let worker = StageKind::Worker;
    let expected = [
        ("feed", "feed", StageKind::Source, 1),
        ("decoding/decode", "decode", worker, 1),
        ("consumers/book", "book", worker, 1),
        ("consumers/signal", "signal", worker, 2),
        ("consumers/archive/fast disk", "fast disk", worker, 2),
        ("consumers/archive/slow disk", "slow disk", worker, 1),
    ];
    assert_eq!(stages, expected);
    assert_eq!(plan.workers(), 8);
    let slow_disk = &plan.stages[5];
    assert_eq!((slow_disk.batch, slow_disk.capacity), (4, 4));
    assert!(slow_disk.cores.is_empty());
    assert_eq!((slow_disk.idle, slow_disk.on_panic), (IDLE, OnPanic::Replace));
    assert!(plan.stages[4].blocking && !slow_disk.blocking);
}

#[test]
fn a_mesh_has_a_lane_for_every_pair_of_workers() {
    let plan = market_plan();
    let meshes: Vec<_> =
        plan.meshes.iter().map(|mesh| (mesh.from, mesh.to, mesh.lanes, mesh.capacity)).collect();
    let expected = [(0, 1, 1, 4), (1, 2, 1, 4), (1, 4, 2, 8), (1, 5, 1, 4), (2, 3, 2, 4)];
    assert_eq!(meshes, expected);
    assert_eq!(plan.lanes(), 7);
    let pools = source("many", 3, || 0..1_u64).then(stage("pool", 5)).plan().expect("a plan");
    assert_eq!(pools.lanes(), 15);
}

/// Bytes of a single lane of this capacity for values of this type.
fn lane_bytes<T: Send + 'static>(capacity: usize) -> usize {
    let tract = worker("from", 1, || |value: T| value).then(worker("to", 1, || |value: T| value));
    let plan = tract.setup().capacity(capacity).plan().expect("a plan");
    assert_eq!(plan.stages[1].request_bytes, size_of::<Request<T>>());
    assert_eq!(plan.meshes.len(), 1);
    plan.ring_bytes()
}

#[test]
fn rings_take_their_slots_and_a_header_each() {
    let header = lane_bytes::<()>(1) - size_of::<Request<()>>();
    assert!((64..=1024).contains(&header), "{header}");
    for capacity in [1, 2, 3, 64, 1 << 24] {
        assert_eq!(lane_bytes::<u8>(capacity), capacity * size_of::<Request<u8>>() + header);
        assert_eq!(
            lane_bytes::<[u64; 9]>(capacity),
            capacity * size_of::<Request<[u64; 9]>>() + header
        );
    }
    let plan = market_plan();
    for mesh in &plan.meshes {
        assert_eq!(mesh.bytes, mesh.lanes * (mesh.capacity * size_of::<Request<u64>>() + header));
    }
    assert_eq!(plan.ring_bytes(), plan.meshes.iter().map(|mesh| mesh.bytes).sum::<usize>());
}

#[test]
fn an_envelope_is_two_words_and_sources_have_no_lane_before_them() {
    assert_eq!(size_of::<Request<u64>>(), 3 * size_of::<u64>());
    assert_eq!(market_plan().stages[0].request_bytes, 0);
}

#[test]
fn the_ends_of_a_run_have_a_place_in_its_plan() {
    within_a_minute(|| {
        let tract = serial("middle", stage("a", 2));
        let (_feed, input) = feed(4);
        let (output, _receiver) = receiver();
        let ready = tract.setup().init_fed(input, output).expect("initialises");
        let plan = ready.plan();
        let kinds: Vec<_> = plan.stages.iter().map(|stage| stage.kind).collect();
        assert_eq!(kinds, [StageKind::Input, StageKind::Worker, StageKind::Receiver]);
        let meshes: Vec<_> =
            plan.meshes.iter().map(|mesh| (mesh.from, mesh.to, mesh.lanes)).collect();
        assert_eq!(meshes, [(0, 1, 2), (1, 2, 2)]);
        let run_by_threads: usize = plan.threads.iter().map(|thread| thread.workers.len()).sum();
        assert_eq!(run_by_threads, 3, "a receiver has no thread");
        let source = source("numbers", 1, || 0..1_u64);
        let ready = source.init(for_each(drop)).expect("initialises");
        assert_eq!(ready.plan().stages[1].kind, StageKind::Output);
        let ready = source.init(final_output()).expect("initialises");
        assert_eq!(*ready.plan(), source.plan().expect("a plan"), "the end of all has none");
    });
}

#[test]
fn what_is_planned_is_what_runs() {
    within_a_minute(|| {
        for way in common::EVERY_WAY {
            for Topology { name, tract, .. } in topologies(&Journal::default()) {
                let tract = source("numbers", 2, || 0..10_u64).then(tract);
                let plan = tract.setup().placement(way).plan().expect("a plan");
                let report = run_to(&tract, way, final_output()).expect("starts");
                assert_eq!(report.plan, plan, "{name}");
                assert_eq!(report.lanes.len(), plan.lanes(), "{name}");
                assert_eq!(report.threads.len(), plan.threads.len(), "{name}");
                for (ran, planned) in report.threads.iter().zip(&plan.threads) {
                    assert_eq!((&ran.name, &ran.workers), (&planned.name, &planned.workers));
                }
            }
        }
    });
}

#[test]
fn planning_gives_the_same_plan_again() {
    assert_eq!(market_plan(), market_plan());
}

#[test]
fn a_plan_is_drawn_as_a_tree() {
    let plan = market_plan();
    let bytes = plan.ring_bytes();
    assert!(bytes < 10 << 10, "shown in bytes");
    let expected = format!(
        "\
6 stages, 8 workers, 4 threads, 7 lanes, {bytes} B
serial
├─ feed                   1 source
├─ decoding (serial)
│  └─ decode              1 worker, 1 × 4 × 24 B in
└─ consumers (fan-out)
   ├─ serial
   │  ├─ book             1 worker, 1 × 4 × 24 B in
   │  └─ signal           2 workers, 2 × 4 × 24 B in
   └─ archive (parallel)
      ├─ fast disk        2 workers, 2 × 8 × 24 B in, blocking
      └─ slow disk        1 worker, 1 × 4 × 24 B in, batches of 4 out
"
    );
    let drawn = plan.to_string();
    assert_eq!(drawn.lines().take(12).collect::<Vec<_>>(), expected.lines().collect::<Vec<_>>());
    let threads: Vec<_> = drawn.lines().skip(12).collect();
    let idle = "any core, Backoff { spins: 128, yields: 4 }";
    let expected = [
        format!("thread 0, {idle}: feed, decoding/decode, consumers/book"),
        format!("thread 1, {idle}: consumers/signal[0..=1], consumers/archive/slow disk"),
        format!("thread 2, {idle}: consumers/archive/fast disk[0]"),
        format!("thread 3, {idle}: consumers/archive/fast disk[1]"),
    ];
    assert_eq!(threads, expected);
}

#[test]
fn a_single_stage_is_drawn_without_a_tree() {
    let tract = source("numbers", 1, || 0..3_u64);
    let setup = tract.setup().placement(Placement::Threads(1)).idle(IDLE);
    let plan = setup.plan().expect("a plan");
    let expected = "\
1 stage, 1 worker, 1 thread, 0 lanes, 0 B
numbers  1 source
thread 0, any core, Backoff { spins: 128, yields: 4 }: numbers
";
    assert_eq!(plan.to_string(), expected);
}

#[test]
fn ends_and_sources_are_drawn_by_their_kind() {
    within_a_minute(|| {
        let (_feed, input) = feed(4);
        let tract = stage("a", 1);
        let setup = tract.setup().placement(Placement::Threads(1)).capacity(500).idle(IDLE);
        let ready = setup.init_fed(input, collect().0).expect("initialises");
        let kib = ready.plan().ring_bytes() >> 10;
        let expected = format!(
            "\
3 stages, 3 workers, 1 thread, 2 lanes, {kib} KiB
serial
├─ input   input
├─ a       1 worker, 1 × 500 × 24 B in
└─ output  output, 1 × 500 × 24 B in
thread 0, any core, Backoff {{ spins: 128, yields: 4 }}: input, a, output
"
        );
        assert_eq!(ready.plan().to_string(), expected);
    });
}

#[test]
fn a_plan_is_a_graph_for_graphviz() {
    let expected = r#"digraph tract {
  rankdir=LR;
  node [shape=box, style=rounded];
  s0 [label="feed"];
  subgraph cluster_0 {
    label="decoding";
    s1 [label="decode"];
  }
  subgraph cluster_1 {
    label="consumers";
    s2 [label="book"];
    s3 [label="signal × 2"];
    subgraph cluster_2 {
      label="archive";
      s4 [label="fast disk × 2"];
      s5 [label="slow disk"];
    }
  }
  s0 -> s1 [label="1 lane of 4"];
  s1 -> s2 [label="1 lane of 4"];
  s1 -> s4 [label="2 lanes of 8"];
  s1 -> s5 [label="1 lane of 4"];
  s2 -> s3 [label="2 lanes of 4"];
}
"#;
    assert_eq!(market_plan().to_dot(), expected);
}

#[test]
fn names_are_quoted_in_a_graph() {
    let dot = stage("a \"quoted\"\\name\n", 1).plan().expect("a plan").to_dot();
    assert!(dot.contains(r#"s0 [label="a \"quoted\"\\name\n"];"#), "{dot}");
}

#[cfg(feature = "json")]
mod json {
    use super::{market, market_plan, within_a_minute};
    use ringtract::{Envelope, Placement, outcome, source, worker};
    use serde_json::{Value, json};

    #[test]
    fn a_plan_is_json() {
        let plan: Value = serde_json::from_str(&market_plan().to_json()).expect("JSON");
        assert_eq!(plan["stages"][5]["path"], "consumers/archive/slow disk");
        assert_eq!(plan["stages"][4]["blocking"], true);
        assert_eq!(plan["stages"][4]["idle"], json!({ "Backoff": { "spins": 128, "yields": 4 } }));
        assert_eq!(plan["stages"][0]["kind"], "Source");
        assert_eq!(plan["meshes"][2]["lanes"], 2);
        assert_eq!(plan["threads"][3]["workers"], json!([{ "stage": 4, "worker": 1 }]));
        assert_eq!(plan["tree"]["Group"]["members"][0], json!({ "Stage": 0 }));
        assert_eq!(plan["tree"]["Group"]["members"][2]["Group"]["kind"], "FanOut");
    }

    #[test]
    fn a_report_is_json() {
        within_a_minute(|| {
            let picky = worker("picky", 1, || {
                outcome(|n: u64, _: &mut Envelope| match n {
                    0 => ringtract::Outcome::fail("not zero"),
                    1 => ringtract::Outcome::Discard,
                    n => ringtract::Outcome::Emit(n),
                })
            });
            let tract = source("numbers", 1, || 0..5_u64).then(picky);
            let setup = tract.setup().placement(Placement::Inline { seed: 3 });
            let report: Value =
                serde_json::from_str(&setup.run(drop).expect("starts").to_json()).expect("JSON");
            assert_eq!(report["ending"], "Natural");
            let ledger = &report["stages"][1]["ledger"];
            let counts = ["taken", "emitted", "discarded", "failed", "dropped"];
            assert_eq!(counts.map(|count| ledger[count].as_u64()), [5, 3, 1, 1, 0].map(Some));
            assert_eq!(
                report["failures"],
                json!([{ "stage": "picky", "worker": 0, "kind": "Failed", "message": "not zero", "count": 1 }])
            );
            assert_eq!(report["lanes"][0]["put"], 5);
            assert_eq!(report["plan"]["stages"][1]["name"], "picky");
            assert_eq!(report["imbalances"], json!([]));
            assert!(report["elapsed"]["nanos"].is_u64());
        });
    }

    #[test]
    fn json_has_the_whole_report_of_any_tract() {
        within_a_minute(|| {
            let report = market().run(drop).expect("starts");
            let json: Value = serde_json::from_str(&report.to_json()).expect("JSON");
            let length = |field: &str| json[field].as_array().map(Vec::len);
            assert_eq!(length("stages"), Some(report.stages.len()));
            assert_eq!(length("lanes"), Some(report.lanes.len()));
            assert_eq!(length("threads"), Some(report.threads.len()));
        });
    }
}
