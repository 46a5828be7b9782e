//! Lines that cannot be used are told by number, and every good line around them counts as before.

use crate::program::{Facts, assert_begin, replay};
use crate::sample::{Sample, Saved, ZAG, ZIG};
use crate::ways;

/// Lines of every bad kind, each with what is said of it.
fn bad_lines() -> Vec<(Vec<u8>, &'static str)> {
    let good = r#"1000.1: {"type":"l2update","product_id":"ZIG-USD","changes":[["buy","9.99","5"],["buy","9.98","5"]]}"#;
    let spoilt = |from, to| good.replacen(from, to, 1).into_bytes();
    let long = format!("{}{}", &good[..good.len() - 1], " ".repeat(3 << 20));
    vec![
        (good[..good.len() / 2].into(), "cut short"),
        (long.into(), "cut short"),
        (spoilt("1000.1: ", ""), "no receive stamp"),
        (spoilt("1000.1: ", "-1000.1: "), "no receive stamp"),
        (spoilt("1000.1: ", "soon: "), "no receive stamp"),
        (vec![0; 300], "no receive stamp"),
        (b"\xff\xfe\x00".into(), "no receive stamp"),
        (b"1000.1: {\"type\":\"l2update\xff\"}".into(), "not UTF-8"),
        (b"1000.1: hello".into(), "bad JSON"),
        (format!("{good}{good}").into(), "bad JSON"),
        (b"1000.1: [1, 2, 3]".into(), "JSON of another shape"),
        (b"1000.1: \"l2update\"".into(), "JSON of another shape"),
        (spoilt(r#""ZIG-USD""#, "7"), "JSON of another shape"),
        (spoilt(r#""9.98""#, "9.98"), "JSON of another shape"),
        (spoilt(r#","5"]"#, "]"), "JSON of another shape"),
        (spoilt(r#""changes""#, r#""bids":[],"changes""#), "JSON of another shape"),
        (spoilt("l2update", "l3update"), "unknown message type"),
        (spoilt("type", "kind"), "no type"),
        (spoilt("product_id", "product"), "no product_id"),
        (spoilt("changes", "exchanges"), "no changes"),
        (spoilt("ZIG-USD", "A name that is far too long"), "the product is 27 bytes long"),
        (spoilt("ZIG-USD", ""), "the product is 0 bytes long"),
        (spoilt(r#"["buy","9.98""#, r#"["hold","9.98""#), "a side is neither buy nor sell"),
        (spoilt("9.98", "-9.98"), "a price is negative"),
        (spoilt("9.98", "9.123456789"), "a price has more than eight decimals"),
        (spoilt("9.98", "1e3"), "a price is not a decimal number"),
        (spoilt(r#"9.98","5"#, r#"9.98","-5"#), "a size is negative"),
        (spoilt(r#"9.98","5"#, r#"9.98","999999999999"#), "a size is too large"),
        (spoilt(r#"9.98","5""#, r#"9.98","""#), "a size is empty"),
    ]
}

/// What the sample gives as it is.
fn clean() -> Facts {
    let sample = Sample::new();
    let told = replay(sample.save().path(), "");
    let facts = told.facts();
    assert_eq!(told.ledger("feed")[0], sample.lines.len() as u64);
    assert_eq!((facts.refused, facts.last.len()), (0, 2), "{facts:?}");
    assert!(!facts.signals[0].starts_with("0 changes"), "{facts:?}");
    facts
}

#[test]
fn are_told_by_number_and_change_nothing_else() {
    let clean = clean();
    for (line, why) in bad_lines() {
        let sample = Sample::new();
        let number = sample.blank[20];
        let told = replay(sample.with(number, line).save().path(), "");
        let facts = told.facts();
        assert_begin(&facts.list, &[format!("line {number}: {why}")]);
        let (messages, refused, list) = (clean.messages + 1, 1, facts.list.clone());
        assert_eq!(facts, Facts { messages, refused, list, ..clean.clone() });
        assert_eq!(told.ledger("decode")[3], 1);
    }
}

#[test]
fn are_told_all_together_in_every_way() {
    let bad = bad_lines();
    let mut sample = Sample::new();
    let numbers = sample.blank.clone();
    for ((line, _), &number) in bad.iter().zip(&numbers) {
        sample = sample.with(number, line.clone());
    }
    let (recording, clean) = (sample.save(), clean());
    let first = replay(recording.path(), "").facts();
    let count = bad.len() as u64;
    let expected = Facts {
        messages: clean.messages + count,
        refused: count,
        list: first.list.clone(),
        ..clean
    };
    // One of each reason in full, and the others by number: each line is in the list, once.
    let mut told: Vec<usize> = first
        .list
        .iter()
        .filter_map(|line| match line.strip_prefix("line ") {
            Some(line) => line.split_once(':').map(|(number, _)| number),
            None => line.split_once("more like it: ").map(|(_, numbers)| numbers),
        })
        .flat_map(|numbers| numbers.split(", ").filter_map(|number| number.parse().ok()))
        .collect();
    told.sort_unstable();
    assert_eq!(told, numbers[..bad.len()]);
    for way in ways() {
        assert_eq!(replay(recording.path(), &way).facts(), expected, "{way}");
    }
}

#[test]
fn of_one_kind_fill_no_screen() {
    let mut sample = Sample::new();
    let first = sample.lines.len() + 1;
    sample.lines.extend(std::iter::repeat_n(b"1000.9: {".to_vec(), 10_000));
    let (facts, clean) = (replay(sample.save().path(), "").facts(), clean());
    let [next, last] = [first + 1, first + 7];
    let numbers: Vec<String> = (next..=last).map(|number| number.to_string()).collect();
    let others = format!("  and 9999 more like it: {}, ...", numbers.join(", "));
    assert_begin(&facts.list, &[format!("line {first}: cut short"), others]);
    let (messages, list) = (clean.messages + 10_000, facts.list.clone());
    assert_eq!(facts, Facts { messages, refused: 10_000, list, ..clean });
}

#[test]
fn of_countless_kinds_fill_none_either() {
    let mut sample = Sample::new();
    for length in 100..200 {
        let name = "X".repeat(length);
        let json = r#"{"type":"ticker","best_bid":"1","best_ask":"2","product_id":""#;
        sample.lines.push(format!("1000.9: {json}{name}\"}}").into_bytes());
    }
    let facts = replay(sample.save().path(), "").facts();
    assert_eq!((facts.refused, facts.list.len()), (100, 33));
    assert_eq!(facts.list[32], "and 68 for other reasons");
}

#[test]
fn about_an_unknown_product_leave_the_others_alone() {
    let clean = clean();
    let sample = Sample::new();
    let number = sample.blank[20];
    let json = r#"{"type":"l2update","product_id":"ZUG-GBP","changes":[["buy","1","2"],["sell","3","4"]]}"#;
    let told = replay(sample.with(number, format!("1000.1: {json}")).save().path(), "");
    let facts = told.facts();
    assert_eq!((facts.messages, facts.refused), (clean.messages + 1, 1));
    assert_eq!(facts.list, [format!("line {number}: no snapshot of ZUG-GBP yet")]);
    // It is one line, but two of its changes have nowhere to go.
    assert_eq!(told.ledger("consumers/books")[3], 2);
    assert_eq!(facts.signals, clean.signals);
    assert_eq!([ZIG, ZAG].map(|name| facts.of(name)), [ZIG, ZAG].map(|name| clean.of(name)));
}

#[test]
fn that_were_a_snapshot_cost_one_product() {
    let clean = clean();
    let sample = Sample::new();
    let number = sample.snapshot_of(ZIG);
    let half = sample.lines[number - 1][..60].to_vec();
    let told = replay(sample.with(number, half).save().path(), "");
    let facts = told.facts();
    assert_eq!((facts.messages, facts.of(ZAG)), (clean.messages, clean.of(ZAG)));
    // Of the 40 rounds every other one is about this product, and 4 of those have a ticker.
    assert_eq!(facts.refused, 1 + 20 + 4);
    let beginnings = [
        format!("line {number}: cut short"),
        "line 6: no snapshot of ZIG-USD yet".into(),
        "  and 23 more like it: ".into(),
    ];
    assert_begin(&facts.list, &beginnings);
}

#[test]
fn are_not_those_that_end_in_crlf_or_not_at_all() {
    let clean = clean();
    let sample = Sample::new();
    assert_eq!(replay(sample.save_with_ends("\r\n").path(), "").facts(), clean);
    let unfinished = Saved::new(&sample.lines.join(&b'\n'));
    assert_eq!(replay(unfinished.path(), "").facts(), clean);
}

#[test]
fn with_a_damaged_stamp_do_not_stall_a_replay() {
    let clean = clean();
    for stamp in ["99999999999.5", "184467440737.09551615", "0.5"] {
        for blank in [0, 20, 39] {
            let sample = Sample::new();
            let (number, span) = (sample.blank[blank], sample.span);
            let line = format!(r#"{stamp}: {{"type":"subscriptions"}}"#);
            let told = replay(sample.with(number, line).save().path(), "--speed 1");
            let messages = clean.messages + 1;
            assert_eq!(told.facts(), Facts { messages, ..clean.clone() });
            // All the rest is replayed as before, but for the gap in which the stamp was.
            assert!(told.took > span * 9 / 10, "{:?} for {span:?}", told.took);
        }
    }
}
