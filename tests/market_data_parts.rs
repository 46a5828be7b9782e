//! The parts of the example `market_data`, each by itself and all of them in a row, without a pipeline around
//! them.
//!
//! The facts of the real recording are checked where the recording is: at the path in `RINGTRACT_RECORDING`,
//! or else next to the project.

#![allow(dead_code, reason = "some parts are used by the example alone")]

#[path = "../examples/market_data/book.rs"]
mod book;
#[path = "../examples/market_data/cli.rs"]
mod cli;
#[path = "../examples/market_data/decode.rs"]
mod decode;
#[path = "../examples/market_data/encode.rs"]
mod encode;
#[path = "../examples/market_data/event.rs"]
mod event;
#[path = "../examples/market_data/exchange.rs"]
mod exchange;
#[path = "../examples/market_data/fixed.rs"]
mod fixed;
#[path = "../examples/market_data/line.rs"]
mod line;
#[path = "../examples/market_data/pace.rs"]
mod pace;
#[path = "../examples/market_data/recording.rs"]
mod recording;
#[path = "../examples/market_data/signal.rs"]
mod signal;
#[path = "../examples/market_data/simulator.rs"]
mod simulator;
#[path = "../examples/market_data/statistics.rs"]
mod statistics;
#[path = "../examples/market_data/wire.rs"]
mod wire;

use book::{Books, Finding, Observation};
use decode::{Decoded, Decoder, LineError, Reason};
use event::{Event, Kind, Price, Product, Side, Size};
use line::Line;
use recording::Recording;
use signal::{Signal, Signals};
use simulator::Simulator;
use statistics::Statistics;

fn text_line(number: u64, text: &str) -> Line {
    Line { number, bytes: text.into() }
}

fn price(text: &str) -> Price {
    Price(text.parse().unwrap())
}

fn size(text: &str) -> Size {
    Size(text.parse().unwrap())
}

fn product(name: &str) -> Product {
    name.parse().unwrap()
}

/// The events of a good line.
fn events(text: &str) -> Vec<Event> {
    let mut decoder = Decoder::new();
    assert_eq!(decoder.begin(&text_line(1, text)), Ok(Decoded::Events), "{text}");
    decoder.collect()
}

/// All parts in a row, and what came out of each.
struct Replay {
    decoder: Decoder,
    books: Books,
    signals: Signals,
    statistics: Statistics,
    lines: u64,
    skipped: u64,
    refused: Vec<LineError>,
    homeless: u64,
    observations: Vec<Observation>,
    made: Vec<Signal>,
    stamps: Vec<u64>,
}

impl Replay {
    fn of(lines: impl IntoIterator<Item = Line>) -> Replay {
        let mut replay = Replay {
            decoder: Decoder::new(),
            books: Books::new(),
            signals: Signals::new(),
            statistics: Statistics::new(),
            lines: 0,
            skipped: 0,
            refused: Vec::new(),
            homeless: 0,
            observations: Vec::new(),
            made: Vec::new(),
            stamps: Vec::new(),
        };
        lines.into_iter().for_each(|line| replay.line(&line));
        replay
    }

    fn line(&mut self, line: &Line) {
        self.lines += 1;
        self.stamps.extend(line.received());
        match self.decoder.begin(line) {
            Ok(Decoded::Events) => {}
            Ok(Decoded::Skip) => self.skipped += 1,
            Err(error) => self.refused.push(error),
        }
        for event in self.decoder.by_ref() {
            self.statistics.count(&event);
            match self.books.apply(&event) {
                Ok(None) => {}
                Ok(Some(observation)) => {
                    self.made.extend(self.signals.observe(&observation));
                    self.observations.push(observation);
                }
                Err(_) => self.homeless += 1,
            }
        }
    }

    /// The largest number of lines received within `micros`.
    fn busiest(&self, micros: u64) -> usize {
        let mut first = 0;
        let mut busiest = 0;
        for (index, &stamp) in self.stamps.iter().enumerate() {
            while stamp - self.stamps[first] >= micros {
                first += 1;
            }
            busiest = busiest.max(index + 1 - first);
        }
        busiest
    }

    fn lines_per_second(&self) -> u64 {
        let span = self.stamps.last().unwrap() - self.stamps.first().unwrap();
        self.stamps.len() as u64 * 1_000_000 / span
    }

    fn is_monotonic(&self) -> bool {
        self.stamps.is_sorted()
    }
}

mod decimals {
    use crate::fixed::{Fixed, FixedError};
    use proptest::prelude::*;

    #[test]
    fn are_exact() {
        for (text, units) in [
            ("0", 0),
            ("0.0", 0),
            ("1", 100_000_000),
            ("00001.50", 150_000_000),
            ("0.00000001", 1),
            ("0.29", 29_000_000),
            ("1.000000000000000000000000000000", 100_000_000),
            ("184467440737.09551615", u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(Fixed::from_units(units)), "{text}");
        }
    }

    #[test]
    fn that_do_not_fit_are_refused() {
        for (text, error) in [
            ("", FixedError::Empty),
            ("-1", FixedError::Negative),
            ("-0", FixedError::Negative),
            (".", FixedError::NotDecimal),
            (".5", FixedError::NotDecimal),
            ("5.", FixedError::NotDecimal),
            ("+5", FixedError::NotDecimal),
            ("1e5", FixedError::NotDecimal),
            ("1.2.3", FixedError::NotDecimal),
            ("1.00000000x", FixedError::NotDecimal),
            (" 1", FixedError::NotDecimal),
            ("NaN", FixedError::NotDecimal),
            ("١", FixedError::NotDecimal),
            ("0.000000001", FixedError::TooPrecise),
            ("0.00000000999999999999999999999999", FixedError::TooPrecise),
            ("184467440737.09551616", FixedError::TooLarge),
            ("184467440738", FixedError::TooLarge),
            ("99999999999999999999999999", FixedError::TooLarge),
        ] {
            assert_eq!(text.parse::<Fixed>(), Err(error), "{text}");
        }
    }

    #[test]
    fn print_with_a_chosen_number_of_decimals() {
        let number: Fixed = "12.3456".parse().unwrap();
        assert_eq!(
            format!("{number} {number:.0} {number:.2} {number:.9}"),
            "12.3456 12 12.34 12.34560000"
        );
        assert_eq!(Fixed::ONE.to_string(), "1");
    }

    proptest! {
        #[test]
        fn come_back_from_their_own_text(units: u64) {
            let number = Fixed::from_units(units);
            prop_assert_eq!(number.to_string().parse(), Ok(number));
            prop_assert_eq!(format!("{number:.8}").parse(), Ok(number));
        }

        #[test]
        fn never_panic(text in ".{0,40}") {
            let _ = text.parse::<Fixed>();
        }
    }
}

mod plain_data {
    use super::*;
    use event::ProductError;

    #[test]
    fn an_event_fits_in_a_cache_line() {
        assert_eq!(size_of::<Event>(), 64);
        assert_eq!(size_of::<Product>(), 16);
    }

    #[test]
    fn products_sort_and_print_like_their_names() {
        let mut names = ["SKL-USD", "A", "SKL", "AB-C", "ABCDEFGHIJKLMNO", "A-B"];
        let mut products = names.map(product);
        names.sort();
        products.sort();
        assert_eq!(products.map(|product| product.to_string()), names);
        assert_eq!(format!("{:>5}|{:<5}|", product("A-B"), product("A-B")), "  A-B|A-B  |");
    }

    #[test]
    fn a_product_needs_a_name_that_fits() {
        assert_eq!("".parse::<Product>(), Err(ProductError::Length(0)));
        assert_eq!("ABCDEFGHIJKLMNOP".parse::<Product>(), Err(ProductError::Length(16)));
        assert_eq!("A B".parse::<Product>(), Err(ProductError::Characters));
        assert_eq!("ÄÖ".parse::<Product>(), Err(ProductError::Characters));
    }
}

mod decoder {
    use super::*;
    use event::{ProductError, SideError};
    use fixed::FixedError;
    use proptest::prelude::*;
    use std::sync::LazyLock;

    const SNAPSHOT: &str = concat!(
        r#"5.000001: {"type":"snapshot","product_id":"A-B","#,
        r#""asks":[["2.5","1"],["3","4"]],"bids":[["2","7.5"]]}"#
    );
    const UPDATE: &str = concat!(
        r#"5.000001: {"type":"l2update","product_id":"A-B","#,
        r#""changes":[["sell","2.5","0.0"],["buy","2","8"]]}"#
    );
    const MATCH: &str =
        r#"5.0: {"type":"match","side":"sell","size":"0.5","price":"2.5","product_id":"A-B"}"#;
    const TICKER: &str = concat!(
        r#"5.0: {"type":"ticker","product_id":"A-B","price":"2.5","#,
        r#""best_bid":"2","best_ask":"2.5"}"#
    );

    fn kinds(text: &str) -> Vec<Kind> {
        events(text).into_iter().map(|event| event.kind).collect()
    }

    fn refused(text: &str) -> Reason {
        // After a good line, whose leftovers must not complete the bad one.
        let mut decoder = Decoder::new();
        decoder.begin(&text_line(1, MATCH)).unwrap();
        let error = decoder.begin(&text_line(2, text)).expect_err(text);
        assert_eq!(decoder.next(), None, "{text}");
        error.reason
    }

    #[test]
    fn gives_the_levels_of_a_snapshot() {
        let level = |side, at, of| Kind::Level { side, price: price(at), size: size(of) };
        assert_eq!(
            kinds(SNAPSHOT),
            [
                Kind::Snapshot,
                level(Side::Ask, "2.5", "1"),
                level(Side::Ask, "3", "4"),
                level(Side::Bid, "2", "7.5"),
            ]
        );
    }

    #[test]
    fn gives_the_changes_of_an_update() {
        let update = |side, at, of| Kind::Update { side, price: price(at), size: size(of) };
        assert_eq!(kinds(UPDATE), [update(Side::Ask, "2.5", "0"), update(Side::Bid, "2", "8")]);
    }

    #[test]
    fn gives_trades_and_tickers() {
        let (side, price, size) = (Side::Ask, price("2.5"), size("0.5"));
        assert_eq!(kinds(MATCH), [Kind::Trade { side, price, size }]);
        let last_match = MATCH.replace("match", "last_match");
        assert_eq!(kinds(&last_match), [Kind::LastTrade { side, price, size }]);
        assert_eq!(kinds(TICKER), [Kind::Ticker { bid: crate::price("2"), ask: price }]);
    }

    #[test]
    fn marks_the_last_event_of_a_message() {
        for text in [SNAPSHOT, UPDATE, MATCH, TICKER] {
            let mut events = events(text);
            assert!(events.pop().unwrap().last);
            assert!(events.iter().all(|event| !event.last));
        }
        let empty = r#"5.0: {"type":"snapshot","product_id":"A-B","asks":[],"bids":[]}"#;
        assert!(events(empty)[0].last);
    }

    #[test]
    fn tells_line_stamp_and_product() {
        let mut decoder = Decoder::new();
        decoder.begin(&text_line(17, SNAPSHOT)).unwrap();
        for event in decoder {
            assert_eq!((event.line, event.received), (17, 5_000_001));
            assert_eq!(event.product, product("A-B"));
        }
    }

    #[test]
    fn cuts_the_stamp_to_microseconds() {
        for (stamp, micros) in [("5", 5_000_000), ("5.1", 5_100_000), ("5.0618958", 5_061_895)] {
            let text = SNAPSHOT.replace("5.000001:", &format!("{stamp}:"));
            assert_eq!(events(&text)[0].received, micros);
        }
    }

    #[test]
    fn reads_fields_in_any_order_and_strings_with_escapes() {
        let text = concat!(
            r#"5.0: {"product_id":"A\u002dB","best_ask":"2\u002e5","new":{"a":[1]},"#,
            r#""best_bid":"2","type":"tick\u0065r"}"#
        );
        assert_eq!(kinds(text), kinds(TICKER));
    }

    #[test]
    fn skips_what_is_not_about_the_market() {
        for text in [
            "",
            "wss://host <-> 5.0",
            r#"wss://host <- 5.0: {"type":"subscribe"}"#,
            r#"5.0: {"type":"subscriptions","channels":[]}"#,
        ] {
            let mut decoder = Decoder::new();
            assert_eq!(decoder.begin(&text_line(1, text)), Ok(Decoded::Skip), "{text}");
            assert_eq!(decoder.next(), None);
        }
    }

    #[test]
    fn refuses_a_bad_line_with_its_reason() {
        let change = |with: &str| UPDATE.replace(r#"["buy","2","8"]"#, with);
        for (text, reason) in [
            ("5.000001".into(), Reason::NoStamp),
            ("5.000001:{}".into(), Reason::NoStamp),
            ("x.y: {}".into(), Reason::NoStamp),
            ("-5.0: {}".into(), Reason::NoStamp),
            ("{}".into(), Reason::NoStamp),
            ("ws".into(), Reason::NoStamp),
            ("5.0: ".into(), Reason::CutShort),
            (UPDATE[..UPDATE.len() / 2].into(), Reason::CutShort),
            (UPDATE[..UPDATE.len() - 1].into(), Reason::CutShort),
            ("5.0: what".into(), Reason::BadJson),
            (format!("{UPDATE}}}"), Reason::BadJson),
            (UPDATE.replace("[[", "[,["), Reason::BadJson),
            (format!("5.0: {}", "[".repeat(100_000)), Reason::Shape),
            (format!(r#"5.0: {{"new":{}"#, "[".repeat(100_000)), Reason::CutShort),
            ("5.0: 17".into(), Reason::Shape),
            ("5.0: {}".into(), Reason::Missing("type")),
            (r#"5.0: ["subscriptions"]"#.into(), Reason::Shape),
            (format!(r#"5.0: ["ticker","A"{},"1","2"]"#, ",null".repeat(6)), Reason::Shape),
            (r#"5.0: {"type":7}"#.into(), Reason::Shape),
            (r#"5.0: {"type":["ticker"]}"#.into(), Reason::Shape),
            (UPDATE.replace("[[", r#"{"a":[["#).replace("]]", "]]}"), Reason::Shape),
            (change(r#"["hold","2","8"]"#), Reason::Side(SideError)),
            (change(r#"["buy","2"]"#), Reason::Shape),
            // To serde_json one element too many is bad syntax.
            (change(r#"["buy","2","8","9"]"#), Reason::BadJson),
            (UPDATE.replace(r#""changes""#, r#""bids":[],"changes""#), Reason::Shape),
            (SNAPSHOT.replace(r#""asks""#, r#""changes":[],"asks""#), Reason::Shape),
            (TICKER.replace(r#""price""#, r#""bids":[["1","1"]],"price""#), Reason::Shape),
            (TICKER.replace(r#""price""#, r#""best_bid""#), Reason::Shape),
            (SNAPSHOT.replace("bids", "asks"), Reason::Shape),
            (change(r#"["buy",2,"8"]"#), Reason::Shape),
            (change("null"), Reason::Shape),
            (UPDATE.replace("l2update", "heartbeat"), Reason::UnknownType),
            (UPDATE.replace("changes", "chances"), Reason::Missing("changes")),
            (UPDATE.replace("product_id", "product"), Reason::Missing("product_id")),
            (SNAPSHOT.replace("bids", "bits"), Reason::Missing("bids")),
            (TICKER.replace("best_ask", "ask"), Reason::Missing("best_ask")),
            (MATCH.replace("side", "site"), Reason::Missing("side")),
            (r#"5.0: {"type":"l2update","product_id":"A","changes":[]}"#.into(), Reason::NoChanges),
            (UPDATE.replace("A-B", ""), Reason::Product(ProductError::Length(0))),
            (UPDATE.replace("A-B", "A\u{e9}B"), Reason::Product(ProductError::Characters)),
            (change(r#"["buy","2","-8"]"#), Reason::Size(FixedError::Negative)),
            (UPDATE.replace("0.0", "-1"), Reason::Size(FixedError::Negative)),
            (change(r#"["buy","2",""]"#), Reason::Size(FixedError::Empty)),
            (change(r#"["buy","two","8"]"#), Reason::Price(FixedError::NotDecimal)),
            (change(r#"["buy","0.000000001","8"]"#), Reason::Price(FixedError::TooPrecise)),
            (SNAPSHOT.replace("7.5", "999999999999"), Reason::Size(FixedError::TooLarge)),
            (TICKER.replace(r#""2""#, r#""-2""#), Reason::Price(FixedError::Negative)),
        ] {
            assert_eq!(refused(&text), reason, "{}", &text[..text.len().min(200)]);
        }
    }

    #[test]
    fn names_the_bad_line_in_one_short_line() {
        let text = format!("5.0: {{\n\t\u{1b}\"type\": {}", "x".repeat(10_000));
        let error = Decoder::new().begin(&text_line(17, &text)).unwrap_err().to_string();
        assert!(error.starts_with("line 17: bad JSON, begins with \"5.0: "), "{error}");
        assert!(error.len() < 160 && !error.contains(char::is_control), "{error}");
    }

    #[test]
    fn forgets_what_was_not_taken() {
        let mut decoder = Decoder::new();
        decoder.begin(&text_line(1, SNAPSHOT)).unwrap();
        decoder.next().unwrap();
        decoder.begin(&text_line(2, MATCH)).unwrap();
        assert_eq!(decoder.next().unwrap().line, 2);
        assert_eq!(decoder.next(), None);
        decoder.begin(&text_line(3, SNAPSHOT)).unwrap();
        decoder.begin(&text_line(4, "broken")).unwrap_err();
        assert_eq!(decoder.next(), None);
    }

    static LINES: LazyLock<Vec<Line>> = LazyLock::new(|| Simulator::new(3, 400).collect());

    #[derive(Clone, Debug)]
    enum Damage {
        Replace(prop::sample::Index, u8),
        Insert(prop::sample::Index, Vec<u8>),
        Remove(prop::sample::Index, usize),
        Cut(prop::sample::Index),
    }

    fn damage() -> impl Strategy<Value = Damage> {
        let at = any::<prop::sample::Index>;
        let mark = prop::sample::select(&b"\"{}[],:.-0e\\ \xff\n"[..]);
        prop_oneof![
            (at(), prop_oneof![mark, any::<u8>()]).prop_map(|(at, with)| Damage::Replace(at, with)),
            (at(), any::<Vec<u8>>()).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
            (at(), 1..20_usize).prop_map(|(at, count)| Damage::Remove(at, count)),
            at().prop_map(Damage::Cut),
        ]
    }

    fn apply(damage: Damage, bytes: &mut Vec<u8>) {
        // One more than there are bytes, so that the end is hit, too, and an empty line is not a special
        // case.
        let place = |at: prop::sample::Index, bytes: &Vec<u8>| at.index(bytes.len() + 1);
        match damage {
            Damage::Replace(at, with) => {
                let at = place(at, bytes);
                bytes.splice(at..bytes.len().min(at + 1), [with]);
            }
            Damage::Insert(at, new) => {
                let at = place(at, bytes);
                bytes.splice(at..at, new);
            }
            Damage::Remove(at, count) => {
                let at = place(at, bytes);
                bytes.drain(at..bytes.len().min(at + count));
            }
            Damage::Cut(at) => bytes.truncate(place(at, bytes)),
        }
    }

    /// Whatever the line: no panic, and all of a message or nothing.
    fn check(line: &Line) -> Result<(), TestCaseError> {
        let mut decoder = Decoder::new();
        let decoded = decoder.begin(line);
        let events: Vec<Event> = decoder.collect();
        if let Err(error) = &decoded {
            let error = error.to_string();
            prop_assert!(!error.contains(char::is_control), "{error}");
        }
        prop_assert_eq!(decoded == Ok(Decoded::Events), !events.is_empty());
        prop_assert_eq!(events.iter().filter(|event| event.last).count(), events.len().min(1));
        prop_assert!(events.last().is_none_or(|event| event.last));
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn survives_damaged_lines(
            which in any::<prop::sample::Index>(),
            damages in prop::collection::vec(damage(), 1..4),
        ) {
            let mut line = which.get(&LINES).clone();
            for damage in damages {
                apply(damage, &mut line.bytes);
            }
            check(&line)?;
        }

        #[test]
        fn survives_noise(bytes: Vec<u8>, stamped: bool) {
            let mut line = Line { number: 1, bytes: if stamped { b"5.0: ".to_vec() } else { vec![] } };
            line.bytes.extend(bytes);
            check(&line)?;
        }
    }
}

mod any_command_line {
    use crate::cli::{Command, Feed, Files, Options, Placement, parse};
    use crate::pace::Speed;
    use proptest::prelude::*;
    use std::num::{NonZeroU32, NonZeroUsize};

    fn options() -> impl Strategy<Value = Options> {
        let count = || (1..=usize::MAX).prop_map(|count| NonZeroUsize::new(count).unwrap());
        let feed = prop_oneof![
            "[^-\\x00-\\x20=]{1,12}".prop_map(|path| Feed::Recording(path.into())),
            any::<(u64, u64)>().prop_map(|(seed, messages)| Feed::Simulator { seed, messages }),
        ];
        let times = (1..=u32::MAX).prop_map(|times| Speed::Times(NonZeroU32::new(times).unwrap()));
        let placement = prop_oneof![
            Just(Placement::Auto),
            Just(Placement::PerWorker),
            count().prop_map(Placement::Threads),
            any::<u64>().prop_map(|seed| Placement::Inline { seed }),
        ];
        let report = prop::option::of("[a-z]{1,8}".prop_map(Into::into));
        let files = report.prop_map(|report| Files { report, ..Files::default() });
        (
            feed,
            prop_oneof![Just(Speed::Max), times],
            placement,
            count(),
            any::<(bool, bool)>(),
            files,
        )
            .prop_map(|(feed, speed, placement, capacity, (plan, watch), files)| Options {
                feed,
                speed,
                placement,
                capacity,
                plan,
                watch,
                files,
            })
    }

    /// What a user would write to get these.
    fn arguments(options: &Options) -> Vec<String> {
        let mut arguments = Vec::new();
        let mut option = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        match &options.feed {
            Feed::Recording(path) => option("--input", path.display().to_string()),
            Feed::Simulator { seed, messages } => {
                option("--seed", seed.to_string());
                option("--messages", messages.to_string());
            }
        }
        option(
            "--speed",
            match options.speed {
                Speed::Max => "max".to_owned(),
                Speed::Times(times) => times.to_string(),
            },
        );
        option(
            "--placement",
            match options.placement {
                Placement::Auto => "auto".to_owned(),
                Placement::PerWorker => "per-worker".to_owned(),
                Placement::Threads(count) => format!("threads={count}"),
                Placement::Inline { seed } => format!("inline={seed}"),
            },
        );
        option("--capacity", options.capacity.to_string());
        if let Some(path) = &options.files.report {
            option("--report", path.display().to_string());
        }
        let flags = [(options.plan, "--plan"), (options.watch, "--watch")];
        arguments.extend(flags.into_iter().filter(|(set, _)| *set).map(|(_, name)| name.into()));
        arguments
    }

    fn word() -> impl Strategy<Value = String> {
        let known = [
            "--input",
            "--messages",
            "--seed",
            "--speed",
            "--placement",
            "--capacity",
            "--plan",
            "--watch",
            "--report",
            "-h",
            "--",
            "-",
            "--seed=",
            "--speed=0",
            "max",
            "threads=0",
            "inline=",
            "inline=18446744073709551616",
            "0",
            "-1",
        ];
        prop_oneof![prop::sample::select(known.to_vec()).prop_map(str::to_owned), ".{0,12}"]
    }

    proptest! {
        #[test]
        fn comes_back_from_what_a_user_would_write(options in options()) {
            let parsed = parse(arguments(&options));
            prop_assert!(matches!(&parsed, Ok(Command::Run(run)) if *run == options), "{:?}", parsed);
        }

        #[test]
        fn noise_is_refused_in_one_line(words in prop::collection::vec(word(), 0..6)) {
            if let Err(error) = parse(words) {
                let error = error.to_string();
                prop_assert!(!error.is_empty() && !error.contains('\n'), "{error:?}");
            }
        }
    }
}

mod books {
    use super::*;
    use book::{Best, BookError, Level};

    fn snapshot(bids: &str, asks: &str) -> String {
        format!(r#"1.0: {{"type":"snapshot","product_id":"A-B","asks":[{asks}],"bids":[{bids}]}}"#)
    }

    fn update(changes: &str) -> String {
        format!(r#"2.0: {{"type":"l2update","product_id":"A-B","changes":[{changes}]}}"#)
    }

    fn ticker(bid: &str, ask: &str) -> String {
        format!(
            r#"3.0: {{"type":"ticker","product_id":"A-B","best_bid":"{bid}","best_ask":"{ask}"}}"#
        )
    }

    const BIDS: &str = r#"["2","5"],["1","6"]"#;
    const ASKS: &str = r#"["3","7"],["4","8"]"#;

    fn level(price: &str, size: &str) -> Option<Level> {
        Some(Level { price: crate::price(price), size: crate::size(size) })
    }

    fn findings(lines: &[String]) -> Vec<Finding> {
        let lines = lines.iter().map(|text| text_line(1, text));
        Replay::of(lines).observations.iter().map(|observation| observation.finding).collect()
    }

    #[test]
    fn announce_with_the_first_update_and_then_with_each_change() {
        let best = |bid, ask| Finding::BestChanged(Best { bid, ask });
        let found = findings(&[
            snapshot(BIDS, ASKS),
            update(r#"["buy","1","9"]"#),
            update(r#"["buy","1","2"]"#),
            update(r#"["buy","2","1"]"#),
            update(r#"["sell","2.5","1"]"#),
            update(r#"["buy","2","0"]"#),
            update(r#"["buy","2","0.000"]"#),
        ]);
        assert_eq!(
            found,
            [
                best(level("2", "5"), level("3", "7")),
                best(level("2", "1"), level("2.5", "1")),
                best(level("1", "2"), level("2.5", "1")),
            ]
        );
    }

    #[test]
    fn are_silent_in_the_middle_of_a_message() {
        let found = findings(&[
            snapshot(BIDS, ASKS),
            update(r#"["buy","1","9"]"#),
            update(r#"["buy","3","9"],["buy","3","0"]"#),
        ]);
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn begin_anew_with_a_snapshot() {
        let replay = Replay::of(
            [
                snapshot(BIDS, ASKS),
                update(r#"["buy","1","9"]"#),
                snapshot(r#"["1.5","1"]"#, ""),
                update(r#"["buy","1","9"]"#),
                update(r#"["buy","1.5","0"],["buy","1","0"]"#),
            ]
            .iter()
            .map(|text| text_line(1, text)),
        );
        let best = |bid, ask| Finding::BestChanged(Best { bid, ask });
        assert_eq!(replay.observations[1].finding, best(level("1.5", "1"), None));
        assert_eq!(replay.observations[2].finding, best(None, None));
        assert_eq!((replay.signals.changes, replay.made.len()), (3, 1));
    }

    #[test]
    fn count_messages_that_leave_them_crossed() {
        let lines = [
            snapshot(BIDS, ASKS),
            update(r#"["buy","3","1"],["sell","3","0"]"#),
            update(r#"["buy","4","1"]"#),
            update(r#"["buy","1","1"]"#),
            ticker("4", "4"),
            snapshot(ASKS, BIDS),
        ];
        let replay = Replay::of(lines.iter().map(|text| text_line(1, text)));
        assert_eq!(replay.books.crossed(), 3);
        assert_eq!((replay.signals.changes, replay.made.len()), (2, 1));
    }

    #[test]
    fn compare_tickers() {
        let found = findings(&[snapshot(BIDS, ASKS), ticker("2.0", "3"), ticker("2", "4")]);
        assert_eq!(found, [Finding::TickerAgrees, Finding::TickerDiffers]);
    }

    #[test]
    fn refuse_products_without_a_snapshot() {
        let mut books = Books::new();
        for text in [update(r#"["buy","1","9"]"#), ticker("2", "3")] {
            let error = BookError::UnknownProduct { line: 1, product: product("A-B") };
            assert_eq!(books.apply(&events(&text)[0]), Err(error));
            assert_eq!(error.to_string(), "line 1: no snapshot of A-B yet");
        }
        let trade =
            r#"5.0: {"type":"match","side":"sell","size":"1","price":"2","product_id":"A-B"}"#;
        assert_eq!(books.apply(&events(trade)[0]), Ok(None));
    }
}

mod signals {
    use super::*;
    use book::{Best, Level};

    fn observation(finding: Finding) -> Observation {
        Observation { line: 7, received: 9, product: product("A-B"), finding }
    }

    fn changed(bid: [&str; 2], ask: [&str; 2]) -> Observation {
        let level = |[at, of]: [&str; 2]| Some(Level { price: price(at), size: size(of) });
        observation(Finding::BestChanged(Best { bid: level(bid), ask: level(ask) }))
    }

    #[test]
    fn tell_mid_spread_and_imbalance() {
        let mut signals = Signals::new();
        let signal = signals.observe(&changed(["2", "3"], ["2.5", "1"])).unwrap();
        assert_eq!(
            (signal.mid, signal.spread, signal.imbalance),
            (price("2.25"), price("0.5"), 0.5)
        );
        assert_eq!(signal.to_string(), "line 7: A-B mid 2.25 spread 0.5 imbalance +0.500");
        assert_eq!(signals.observe(&changed(["2.5", "3"], ["2.5", "1"])), None);
        assert_eq!(signals.changes, 2);
    }

    #[test]
    fn keep_a_checksum_in_which_order_matters() {
        let (one, two) = (changed(["1", "1"], ["2", "1"]), changed(["1", "9"], ["3", "9"]));
        let checksum = |observations: [&Observation; 2]| {
            let mut signals = Signals::new();
            for observation in observations {
                signals.observe(observation);
            }
            signals.checksum
        };
        assert_ne!(checksum([&one, &two]), checksum([&two, &one]));
        assert_eq!(Signals::new().checksum, 0xcbf2_9ce4_8422_2325);
    }

    #[test]
    fn count_tickers_that_agree_in_a_row() {
        let mut signals = Signals::new();
        use Finding::{TickerAgrees, TickerDiffers};
        for finding in [TickerAgrees, TickerAgrees, TickerDiffers, TickerAgrees] {
            assert_eq!(signals.observe(&observation(finding)), None);
        }
        assert_eq!((signals.tickers, signals.agreeing, signals.agreeing_in_a_row), (4, 3, 1));
    }
}

mod statistics_table {
    use super::*;

    #[test]
    fn has_a_line_for_each_product_and_one_for_the_total() {
        let statistics = Replay::of(Simulator::new(1, 10_000)).statistics;
        let table = statistics.to_string();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 12);
        assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{table}");
        let total = statistics.total();
        assert_eq!(total.messages, 10_030);
        let messages: u64 = statistics.products().map(|(_, counts)| counts.messages).sum();
        assert_eq!(total.messages, messages);
        assert_eq!(
            total.messages,
            total.snapshots + total.updates + total.tickers + total.trades + total.last_trades
        );
    }
}

mod simulated_feed {
    use super::*;

    #[test]
    fn follows_from_its_seed() {
        let feed = |seed| Simulator::new(seed, 2_000).collect::<Vec<Line>>();
        assert_eq!(feed(1), feed(1));
        assert_ne!(feed(1), feed(2));
        // Numbers that were measured with a seed can only be compared with new ones as long as this holds.
        assert_eq!(Replay::of(feed(1)).signals.checksum, 0x1ae8_725f_52c1_b8a0);
    }

    #[test]
    fn is_one_that_an_exchange_could_have_sent() {
        for seed in 0..5 {
            let replay = Replay::of(Simulator::new(seed, 50_000));
            let total = replay.statistics.total();
            assert_eq!(replay.lines, 50_037);
            assert_eq!(replay.skipped, 7);
            assert_eq!(replay.refused, []);
            assert_eq!(replay.homeless, 0);
            assert_eq!(replay.books.crossed(), 0);
            assert_eq!((total.snapshots, total.last_trades), (10, 10));
            assert!(total.trades > 200);
            assert_eq!(replay.signals.tickers, total.tickers);
            assert_eq!(replay.signals.agreeing, total.tickers);
            assert!(replay.signals.changes > 2_000);
        }
    }

    #[test]
    fn has_the_size_and_the_pace_of_a_real_one() {
        let replay = Replay::of(Simulator::new(1, 100_000));
        let levels = |(_, counts): (_, statistics::Counts)| counts.levels;
        let largest = replay.statistics.products().map(levels).max().unwrap();
        assert!((1_900..2_300).contains(&largest), "{largest}");
        assert!((7_500..9_500).contains(&replay.statistics.total().levels));
        assert!(replay.is_monotonic());
        assert!((200..450).contains(&replay.lines_per_second()), "{}", replay.lines_per_second());
        assert!((30..100).contains(&replay.busiest(1_000)), "{}", replay.busiest(1_000));
        assert!((100..300).contains(&replay.busiest(100_000)), "{}", replay.busiest(100_000));
        assert!((500..900).contains(&replay.busiest(1_000_000)), "{}", replay.busiest(1_000_000));
        let longest = replay.stamps.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        assert!(longest > 200_000, "{longest}");
    }

    #[test]
    fn reads_like_a_recording() {
        let feed: Vec<String> =
            Simulator::new(1, 1_000).map(|line| String::from_utf8(line.bytes).unwrap()).collect();
        assert!(feed[0].starts_with("wss://feed.example.com <-> 1700000000."));
        assert!(feed[1].contains(r#": {"type":"subscribe","product_ids":["AAA-USD","AAA-BTC","#));
        assert!(feed[1].ends_with(r#"],"channels":["level2"]}"#));
        assert!(feed[4].contains(r#": {"type":"subscriptions","channels":[{"name":"level2","#));
        let fields = |kind: &str| {
            let is_kind = |line: &&String| line.contains(&format!(r#"{{"type":"{kind}""#));
            let json = feed.iter().find(is_kind).unwrap().split_once(": ").unwrap().1;
            let json: serde_json::Value = serde_json::from_str(json).unwrap();
            json.as_object().unwrap().keys().cloned().collect::<std::collections::BTreeSet<_>>()
        };
        let set = |names: &str| names.split(' ').map(String::from).collect();
        let trade = set(
            "type trade_id maker_order_id taker_order_id side size price product_id sequence time",
        );
        assert_eq!(fields("snapshot"), set("type product_id asks bids"));
        assert_eq!(fields("l2update"), set("type product_id changes time"));
        assert_eq!(fields("match"), trade);
        assert_eq!(fields("last_match"), trade);
        assert_eq!(
            fields("ticker"),
            set(
                "type sequence product_id price open_24h volume_24h low_24h high_24h volume_30d best_bid \
                 best_ask side time trade_id last_size"
            )
        );
    }

    #[test]
    fn dates_its_messages_in_any_year() {
        let time = |seconds: u64| {
            let listing = exchange::Listing {
                name: "A",
                mid: 0,
                price_decimals: 0,
                size_decimals: 0,
                levels: 0,
                share: 0,
            };
            let (side, price, size) = (Side::Bid, Price::default(), Size::default());
            let change = exchange::Change { side, price, size, traded: false };
            let mut out = Vec::new();
            encode::update(&mut out, seconds * 1_000_000 + 7, &listing, &change).unwrap();
            let text = String::from_utf8(out).unwrap();
            text[text.find("time").unwrap() + 7..][..27].to_owned()
        };
        assert_eq!(time(0), "1970-01-01T00:00:00.000007Z");
        assert_eq!(time(951_827_696), "2000-02-29T12:34:56.000007Z");
        assert_eq!(time(1_618_677_817), "2021-04-17T16:43:37.000007Z");
        assert_eq!(time(1_704_067_199), "2023-12-31T23:59:59.000007Z");
        assert_eq!(time(1_709_164_800), "2024-02-29T00:00:00.000007Z");
        assert_eq!(time(4_107_542_400), "2100-03-01T00:00:00.000007Z");
    }
}

mod recordings {
    use super::*;
    use recording::{MAX_LINE, RecordingError};
    use std::io::{self, BufReader, Read};
    use std::path::Path;

    fn lines(bytes: &[u8]) -> Vec<Line> {
        Recording::new(bytes).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn are_read_line_by_line() {
        let read: Vec<(u64, Vec<u8>)> = lines(b"a\r\n\nb\r\r\nlast")
            .into_iter()
            .map(|line| (line.number, line.bytes))
            .collect();
        let expected: [(u64, &[u8]); 4] = [(1, b"a"), (2, b""), (3, b"b\r"), (4, b"last")];
        assert_eq!(read, expected.map(|(number, bytes)| (number, bytes.to_vec())));
    }

    #[test]
    fn with_bytes_that_are_no_text_cost_one_line() {
        let good = r#"5.0: {"type":"subscriptions"}"#;
        let mut bytes = format!("{good}\n{good}\n{good}\n").into_bytes();
        bytes[good.len() + 10] = 0xff;
        let replay = Replay::of(lines(&bytes));
        let reasons: Vec<_> =
            replay.refused.iter().map(|error| (error.line, error.reason)).collect();
        assert_eq!((reasons, replay.skipped), (vec![(2, Reason::NotUtf8)], 2));
    }

    #[test]
    fn without_line_ends_do_not_fill_the_memory() {
        let mut bytes = b"5.0: {\"type\":\"".to_vec();
        bytes.resize(3 * MAX_LINE, b'x');
        bytes.extend(b"\nnext\n");
        let lines = lines(&bytes);
        assert_eq!(lines.iter().map(|line| line.bytes.len()).collect::<Vec<_>>(), [MAX_LINE, 4]);
        assert_eq!(Replay::of(lines).refused[0].reason, Reason::CutShort);
        let exact = [&vec![b'x'; MAX_LINE - 1][..], b"\nnext"].concat();
        assert_eq!(self::lines(&exact).len(), 2);
    }

    #[test]
    fn must_not_be_empty() {
        assert!(matches!(Recording::new(io::empty()), Err(RecordingError::Empty)));
        let missing = Recording::open(Path::new("/no/such/file")).err().unwrap();
        assert!(missing.to_string().starts_with("cannot open /no/such/file: "), "{missing}");
    }

    #[test]
    fn that_break_off_say_so_once() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the disk is gone"))
            }
        }
        let mut recording = Recording::new(BufReader::new(b"a\nb".chain(Broken))).unwrap();
        assert_eq!(recording.next().unwrap().unwrap().bytes, b"a");
        let error = recording.next().unwrap().unwrap_err();
        assert_eq!(error.to_string(), "cannot read line 2: the disk is gone");
        assert!(recording.next().is_none());
        assert!(matches!(
            Recording::new(BufReader::new(Broken)),
            Err(RecordingError::Read { line: 1, .. })
        ));
    }
}

mod command_line {
    use super::*;
    use cli::{CliError, Command, Feed, Options, Placement};
    use pace::Speed;

    fn parse(arguments: &str) -> Result<Command, CliError> {
        cli::parse(arguments.split_whitespace())
    }

    fn options(arguments: &str) -> Options {
        match parse(arguments).unwrap() {
            Command::Run(options) => options,
            Command::Help => panic!("help"),
        }
    }

    #[test]
    fn can_be_left_empty() {
        let feed = Feed::Simulator { seed: 1, messages: 2_000_000 };
        let (speed, placement) = (Speed::Max, Placement::Auto);
        let capacity = 1024.try_into().unwrap();
        let (plan, watch, files) = (false, false, cli::Files::default());
        let expected = Options { feed, speed, placement, capacity, plan, watch, files };
        assert_eq!(options(""), expected);
    }

    #[test]
    fn chooses_everything() {
        let all = options("--input a/b --speed 4 --placement threads=2 --capacity=1 --plan");
        assert_eq!(all.feed, Feed::Recording("a/b".into()));
        assert_eq!(all.speed, Speed::Times(4.try_into().unwrap()));
        assert_eq!(all.placement, Placement::Threads(2.try_into().unwrap()));
        assert_eq!((all.capacity.get(), all.plan), (1, true));
        let simulator = options("--messages 0 --seed 7 --speed max").feed;
        assert_eq!(simulator, Feed::Simulator { seed: 7, messages: 0 });
        for (text, placement) in [
            ("auto", Placement::Auto),
            ("per-worker", Placement::PerWorker),
            ("inline=9", Placement::Inline { seed: 9 }),
        ] {
            assert_eq!(options(&format!("--placement {text}")).placement, placement);
        }
        assert_eq!(parse("--plan --help").unwrap(), Command::Help);
        assert_eq!(parse("-h").unwrap(), Command::Help);
    }

    #[test]
    fn is_refused_in_one_line() {
        for (arguments, error) in [
            ("--sped 1", "invalid option '--sped'"),
            ("file", "unexpected argument \"file\""),
            ("--seed", "missing argument for option '--seed'"),
            ("--plan=yes", "unexpected argument for option '--plan': \"yes\""),
            ("--seed -1", "--seed takes a number, not \"-1\""),
            ("--messages many", "--messages takes a number, not \"many\""),
            ("--speed 0", "--speed takes a number from 1, or max, not \"0\""),
            ("--capacity 0", "--capacity takes a number from 1, not \"0\""),
            (
                "--placement threads=0",
                "--placement takes auto, per-worker, threads=N or inline=SEED, not \"threads=0\"",
            ),
            ("--input a --seed 1", "--input and --seed exclude each other"),
            ("--input a --messages 1", "--input and --messages exclude each other"),
        ] {
            assert_eq!(parse(arguments).unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn is_explained_in_full() {
        let help = cli::help();
        assert!(help.lines().all(|line| line.len() <= 80 && line.trim_end() == line), "{help}");
        let named = help.split_whitespace().filter(|word| word.starts_with("--"));
        let named: Vec<&str> = named.collect();
        let all = "input messages seed speed placement capacity plan watch report hlog json help";
        let all: Vec<&str> = all.split(' ').collect();
        assert_eq!(named.len(), all.len());
        assert!(
            named.iter().zip(all).all(|(named, name)| *named == format!("--{name}")),
            "{named:?}"
        );
        assert!(named.iter().all(|name| !matches!(
            parse(name),
            Err(CliError::Arguments(lexopt::Error::UnexpectedOption(_)))
        )));
    }
}

mod real_recording {
    use super::*;
    use std::env;
    use std::io::{Write, stderr};
    use std::path::{Path, PathBuf};

    fn recording() -> Option<PathBuf> {
        if let Some(chosen) = env::var_os("RINGTRACT_RECORDING") {
            return Some(chosen.into());
        }
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/COINBASE.ws.28.0");
        beside.exists().then_some(beside)
    }

    #[test]
    fn gives_the_known_facts() {
        let Some(path) = recording() else {
            // Past the test harness, which would hide it.
            let _ = writeln!(stderr(), "SKIPPED: no recording; RINGTRACT_RECORDING can name one");
            return;
        };
        let recording = Recording::open(&path).unwrap();
        let replay = Replay::of(recording.map(Result::unwrap));

        // Beside the 9,946 received frames: 4 connection lines and 2 blank ones at the end, and 3 of the
        // frames confirm subscriptions.
        assert_eq!((replay.lines, replay.stamps.len(), replay.skipped), (9_952, 9_946, 6 + 3));
        assert_eq!(replay.refused, []);
        assert_eq!(replay.homeless, 0);

        let total = replay.statistics.total();
        assert_eq!((total.snapshots, total.levels), (10, 8_362));
        assert_eq!((total.updates, total.tickers), (9_719, 107));
        assert_eq!((total.trades, total.last_trades), (97, 10));
        assert_eq!(total.messages, 9_946 - 3);
        assert_eq!(total.volume, "54901.547".parse().unwrap());
        let counts: Vec<_> = replay.statistics.products().collect();
        assert_eq!(counts.len(), 10);
        let updates =
            |name| counts.iter().find(|(found, _)| *found == product(name)).unwrap().1.updates;
        assert_eq!((updates("SKL-USD"), updates("NU-GBP")), (2_592, 76));
        assert_eq!(counts.iter().map(|(_, counts)| counts.updates).max(), Some(2_592));
        assert_eq!(counts.iter().map(|(_, counts)| counts.updates).min(), Some(76));
        assert_eq!(counts.iter().map(|(_, counts)| counts.levels).max(), Some(2_155));

        assert!(replay.is_monotonic());
        assert_eq!(replay.stamps[0] / 1_000_000, 1_618_677_817);
        let span = replay.stamps.last().unwrap() - replay.stamps[0];
        assert_eq!(span / 100_000, 307);
        assert_eq!(replay.lines_per_second(), 323);
        assert_eq!(replay.busiest(1_000_000), 677);
        assert_eq!(replay.busiest(100_000), 173);
        assert_eq!(replay.busiest(1_000), 64);

        assert_eq!(replay.books.crossed(), 0);
        assert_eq!(replay.signals.changes, 1_080);
        assert_eq!(replay.made.len(), 1_080);
        assert_eq!(replay.signals.checksum, 0x1cf1_9929_4dbe_17ad);
        assert_eq!((replay.signals.tickers, replay.signals.agreeing), (107, 107 - 7));
        assert_eq!(replay.signals.agreeing_in_a_row, 97);
    }
}
