//! The example program `market_data` as its users see it: arguments and files in, output and exit code out.

#[path = "market_data/bad_lines.rs"]
mod bad_lines;
mod common;
#[path = "market_data/program.rs"]
mod program;
#[path = "market_data/sample.rs"]
mod sample;

use std::io::{Write, stderr};
use std::path::{Path, PathBuf};

use program::{Facts, replay, run, run_into};
use sample::Saved;

const PLACEMENTS: [&str; 6] =
    ["auto", "per-worker", "threads=1", "threads=2", "inline=1", "inline=2"];

/// Whatever the placement and the capacity.
fn ways() -> impl Iterator<Item = String> {
    PLACEMENTS.into_iter().flat_map(|placement| {
        [1024, 1].map(|capacity| format!("--placement {placement} --capacity {capacity}"))
    })
}

mod the_recording {
    use super::*;

    /// The recording of a real exchange, which may not be here: it cannot be part of this project.
    pub(super) fn recording() -> Option<PathBuf> {
        if let Some(chosen) = std::env::var_os("RINGTRACT_RECORDING") {
            return Some(chosen.into());
        }
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/COINBASE.ws.28.0");
        if beside.exists() {
            return Some(beside);
        }
        // Past the test harness, which would hide it.
        let _ = writeln!(stderr(), "SKIPPED: no recording; RINGTRACT_RECORDING can name one");
        None
    }

    fn assert_known(facts: &Facts) {
        assert_eq!((facts.messages, facts.refused, facts.crossed), (9_946, 0, 0));
        let signals = [
            "1080 changes of best bid or ask, checksum 1cf199294dbe17ad",
            "100 of 107 tickers agree, the last 97 in a row",
        ];
        assert_eq!(facts.signals, signals);
    }

    #[test]
    fn gives_the_known_facts_in_every_way() {
        let Some(path) = recording() else { return };
        let first = replay(&path, "--speed max").facts();
        for way in ways() {
            let told = replay(&path, &format!("--speed max {way}"));
            assert_known(&told.facts());
            assert_eq!(told.facts(), first, "{way}");
            // A snapshot is one event for each of its 8,362 levels, and 10 more for the beginnings.
            assert_eq!(told.ledger("feed"), [9_952, 9_952, 0, 0]);
            assert_eq!(told.ledger("decode"), [9_952, 9_943 + 8_362, 9, 0]);
            assert_eq!(told.ledger("consumers/signal"), [1_187, 1_080, 107, 0]);
        }
    }

    #[test]
    fn gives_them_at_its_own_pace_too() {
        let Some(path) = recording() else { return };
        let told = replay(&path, "--speed 50");
        assert_known(&told.facts());
        // It was received within 30.7 s.
        assert!(told.took.as_millis() >= 30_700 / 50, "{:?}", told.took);
    }
}

#[cfg(feature = "json")]
mod the_report {
    use super::*;
    use serde_json::Value;

    /// The slowest requests of a run, from its JSON; checked, and how many of them went through these stages.
    fn slowest(report: &Value, way: &str) -> usize {
        let slowest = report["slowest"].as_array().expect("a list");
        let number = |value: &Value| value.as_u64().expect("a number");
        for slow in slowest {
            let hops = slow["hops"].as_array().expect("a list");
            let told =
                hops.iter().flat_map(|hop| ["wait", "blocked", "work"].map(|part| &hop[part]));
            let told: u64 = told.map(number).sum();
            assert_eq!(told + number(&slow["untold"]), number(&slow["took"]), "{way}: {slow}");
            assert_eq!(number(&slow["untold"]), 0, "{way}: {slow}");
            let names: Vec<&str> = hops.iter().filter_map(|hop| hop["stage"].as_str()).collect();
            let ways = [
                vec!["feed", "decode", "consumers/books", "consumers/signal"],
                vec!["feed", "decode", "consumers/statistics"],
            ];
            assert!(ways.contains(&names), "{way}: {names:?}");
        }
        slowest.len()
    }

    /// `None` where the program was made without the feature, because Cargo was told to make this test only.
    fn of(path: Option<&Path>, words: &str) -> Option<Value> {
        let file = std::env::temp_dir().join(format!("slowest-{}.json", std::process::id()));
        let words = format!("{words} --json {}", file.display());
        let told = path.map_or_else(|| run(&words), |path| replay(path, &words));
        if told.err.contains("needs a build with --features json") {
            let _ = writeln!(stderr(), "SKIPPED: the program was made without the feature `json`");
            return None;
        }
        assert_eq!(told.code, Some(0), "{}", told.err);
        let text = std::fs::read_to_string(&file).expect("a report was written");
        std::fs::remove_file(&file).expect("it is there");
        Some(serde_json::from_str(&text).expect("JSON"))
    }

    #[test]
    fn tells_of_each_slow_request_where_all_its_time_went() {
        let recording = the_recording::recording();
        for way in ways().chain(["--speed 30".to_owned()]) {
            if let Some(path) = &recording {
                let Some(report) = of(Some(path), &way) else { return };
                assert_eq!(slowest(&report, &way), 8);
            }
            let way = way.replace("--speed 30", "--speed 1000");
            let Some(report) = of(None, &format!("--messages 2000 {way}")) else { return };
            assert_eq!(slowest(&report, &way), 8);
        }
    }
}

mod the_simulator {
    use super::*;

    #[test]
    fn gives_the_same_for_the_same_seed_in_every_way() {
        let first = run("--messages 2000 --seed 7").facts();
        assert_eq!((first.messages, first.refused, first.crossed), (2_033, 0, 0));
        for way in ways() {
            assert_eq!(run(&format!("--messages 2000 --seed 7 {way}")).facts(), first, "{way}");
        }
    }

    #[test]
    fn gives_something_else_for_another_seed() {
        let [one, other] =
            [1, 2].map(|seed| run(&format!("--messages 2000 --seed {seed}")).facts());
        assert_eq!(one.messages, other.messages);
        assert_ne!(one.signals[0], other.signals[0]);
    }

    #[test]
    fn gives_the_same_at_any_pace() {
        let max = run("--messages 2000 --speed max").facts();
        for placement in PLACEMENTS {
            let paced = format!("--messages 2000 --speed 1000000 --placement {placement}");
            assert_eq!(run(&paced).facts(), max, "{placement}");
        }
    }

    #[test]
    fn may_have_nothing_but_its_opening_to_tell() {
        let facts = run("--messages 0").facts();
        assert_eq!((facts.messages, facts.last.len()), (33, 0));
    }
}

mod bad_options {
    use super::*;

    #[test]
    fn are_refused_in_one_line() {
        for (words, why) in [
            ("--sped 1", "--sped"),
            ("recording", "recording"),
            ("--input", "--input"),
            ("--speed 0", "--speed takes"),
            ("--speed fast", "--speed takes"),
            ("--seed -1", "--seed takes"),
            ("--messages 1.5", "--messages takes"),
            ("--capacity 0", "--capacity takes"),
            ("--capacity 1000000000", "capacity 1000000000"),
            ("--placement threads=0", "--placement takes"),
            ("--placement everywhere", "--placement takes"),
            ("--plan=no", "--plan"),
            ("--input somewhere --seed 1", "--input and --seed exclude each other"),
            ("--messages 1 --input somewhere", "--input and --messages exclude each other"),
        ] {
            run(words).assert_refused(why);
        }
    }

    #[test]
    fn are_refused_before_anything_is_read() {
        replay(Path::new("/no/such/file"), "--capacity 0").assert_refused("--capacity takes");
        replay(Path::new("/no/such/file"), "--seed 1").assert_refused("exclude each other");
    }
}

mod files_that_are_no_recordings {
    use super::*;

    #[test]
    fn are_refused_in_one_line_in_every_placement() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR"));
        let empty = Saved::new(b"");
        for placement in PLACEMENTS {
            let words = format!("--placement {placement}");
            let missing = Path::new("/no/such/file");
            replay(missing, &words).assert_refused("cannot open /no/such/file: ");
            replay(directory, &words).assert_refused("cannot ");
            replay(empty.path(), &words).assert_refused("the recording is empty");
        }
    }

    #[test]
    fn cost_their_lines_if_they_have_some() {
        let image = Saved::new(&(0..=u8::MAX).cycle().take(100_000).collect::<Vec<u8>>());
        let told = replay(image.path(), "");
        let facts = told.facts();
        let [lines, _, discarded, _] = told.ledger("decode");
        assert_eq!((facts.messages, discarded), (lines, 0));
        assert_eq!(facts.refused, lines);
    }
}

mod the_output {
    use super::*;

    #[test]
    fn is_only_a_plan_where_a_plan_is_asked_for() {
        // Were anything opened, this would be refused.
        let told = replay(Path::new("/no/such/file"), "--plan --placement threads=2 --capacity 7");
        assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
        assert!(told.out.starts_with("5 stages, 5 workers, 2 threads, 4 lanes"), "{}", told.out);
        for stage in ["feed", "decode", "consumers", "books", "signal", "statistics"] {
            assert!(told.out.contains(stage), "{stage} is not in\n{}", told.out);
        }
        assert!(!told.out.contains("ended after") && !told.out.contains("messages"));
    }

    #[test]
    fn has_every_option_in_its_help() {
        let told = run("--help");
        assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
        assert_eq!(told.out, run("-h --capacity 5").out);
        let parser = include_str!("../examples/market_data/cli.rs");
        let matched = parser.split("Long(\"").skip(1).filter_map(|rest| rest.split('"').next());
        let options: Vec<&str> = matched.collect();
        assert_eq!(options.len(), 12, "{options:?}");
        for option in options {
            assert!(told.out.contains(&format!(" --{option}")), "--{option} is not in the help");
        }
    }

    #[test]
    fn may_find_no_reader() {
        for words in ["--messages 10", "--plan", "--help"] {
            let (reader, writer) = std::io::pipe().expect("a pipe");
            drop(reader);
            let told = run_into(writer, words);
            assert_eq!((told.code, told.err.as_str()), (Some(0), ""), "{words}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn says_so_if_it_cannot_be_printed() {
        for words in ["--messages 10", "--plan", "--help"] {
            let full = std::fs::File::options().write(true).open("/dev/full").expect("a device");
            run_into(full, words).assert_refused("cannot print: ");
        }
    }
}
