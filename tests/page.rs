//! The page of a report in a real browser: headless Chromium, where it is installed.
//!
//! `RINGTRACT_CHROMIUM` can name one. Each page is opened as it is, for its document, its console and its requests, and
//! once more with a probe in it that measures what a reader would see: whether labels overlap or leave their drawing, and
//! whether text stands out from its background.

use std::fs;
use std::io::{BufRead, BufReader, Write, stderr};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ringtract::{
    Aspect, Measure, Pace, Placement, Report, StageKind, Timeline, fan_out, final_output, paced,
    parallel, source, worker,
};

/// A browser with a folder of its own, and a proxy that hears whatever it asks of a network.
struct Browser {
    program: PathBuf,
    folder: PathBuf,
    proxy: String,
    asked: Arc<Mutex<Vec<String>>>,
}

/// What a page came to.
struct Opened {
    document: String,
    console: Vec<String>,
    asked: Vec<String>,
}

impl Browser {
    /// None if there is none, which is said past the test harness, since that would hide it.
    fn find(test: &str) -> Option<Self> {
        let named = std::env::var_os("RINGTRACT_CHROMIUM").map(PathBuf::from);
        let folders = std::env::var_os("PATH").unwrap_or_default();
        let known = std::env::split_paths(&folders).flat_map(|folder| {
            ["chromium", "chromium-browser", "google-chrome"].map(|name| folder.join(name))
        });
        let Some(program) = named.into_iter().chain(known).find(|path| path.is_file()) else {
            let _ =
                writeln!(stderr(), "SKIPPED: {test}: no Chromium; RINGTRACT_CHROMIUM can name one");
            return None;
        };
        let folder = std::env::temp_dir().join(format!("ringtract-{test}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let proxy = listener.local_addr().expect("an address").to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        // It ends with the process.
        std::thread::spawn(move || {
            for peer in listener.incoming().flatten() {
                let mut line = String::new();
                // The browser asks its maker for the time and for updates, whatever it is told.
                let own = |line: &str| line.contains("google");
                if BufReader::new(peer).read_line(&mut line).is_ok() && !own(&line) {
                    heard.lock().unwrap().push(line.trim().to_owned());
                }
            }
        });
        Some(Self { program, folder, proxy, asked })
    }

    fn open(&self, page: &str, width: usize, dark: bool) -> Opened {
        let path = self.folder.join("page.html");
        fs::write(&path, page).expect("a file");
        self.asked.lock().unwrap().clear();
        let output = Command::new(&self.program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
            .args(["--no-first-run", "--disable-background-networking", "--disable-sync"])
            .args(["--disable-component-update", "--disable-default-apps", "--disable-extensions"])
            .args(["--enable-logging=stderr", "--proxy-bypass-list=<-loopback>"])
            .arg(format!("--proxy-server=http://{}", self.proxy))
            .arg(format!("--user-data-dir={}", self.folder.join("profile").display()))
            .arg(format!("--window-size={width},2000"))
            .arg(format!("--blink-settings=preferredColorScheme={}", i32::from(!dark)))
            .arg(format!("file://{}", path.display()))
            .output()
            .expect("a browser that starts");
        assert!(output.status.success(), "{output:?}");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let console = errors.lines().filter(|line| line.contains("CONSOLE"));
        Opened {
            document: String::from_utf8(output.stdout).expect("text"),
            console: console.map(str::to_owned).collect(),
            asked: self.asked.lock().unwrap().clone(),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A run at 20,000 requests a second for a fifth of a second, every one of them measured.
fn run() -> (Report, Timeline) {
    let work =
        |rounds: u32| move || move |n: u64| (0..rounds).fold(n, |n, _| std::hint::black_box(n ^ 1));
    let pace = || paced(0..4_000_u64, Pace::even(20_000, Duration::from_secs(1)));
    let tract = source("feed", 1, pace).then(worker("decode & check", 2, work(10))).then(fan_out(
        "consumers",
        [
            worker("books", 1, work(50)).then(worker("signal", 1, work(5))),
            parallel(
                "archive",
                [worker("fast disk", 3, work(5)), worker("slow disk", 2, work(90))],
            ),
            worker("a stage whose name is longer than any box could hold", 1, work(1)),
        ],
    ));
    let setup = tract.setup().placement(Placement::Threads(2)).measure(Measure::ALL);
    let running = setup.init(final_output()).unwrap().start().unwrap();
    let mut timeline = Timeline::new(Duration::from_millis(5));
    while !running.is_finished() {
        std::thread::sleep(timeline.pace());
        timeline.push(&running.snapshot());
    }
    (running.wait(), timeline)
}

/// The part of a page from a section's beginning to its end.
fn section<'a>(document: &'a str, id: &str) -> &'a str {
    let start = document.find(&format!("<section id=\"{id}\">"));
    let rest = &document[start.unwrap_or_else(|| panic!("no section {id}"))..];
    &rest[..rest.find("</section>").expect("its end")]
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[test]
fn a_page_opens_from_disk_with_all_that_the_report_has() {
    let Some(browser) = Browser::find("page") else { return };
    let (report, timeline) = run();
    let opened = browser.open(&report.to_html(&timeline), 1_200, false);
    assert_eq!((opened.console, opened.asked), (Vec::new(), Vec::new()));
    let document = &opened.document;
    assert!(document.contains(&escaped(&report.verdict.to_string())));

    let topology = section(document, "topology");
    assert_eq!(topology.matches("class=\"box\"").count(), report.stages.len());
    assert_eq!(topology.matches("class=\"edge\"").count(), report.plan.meshes.len());
    for stage in &report.stages {
        let title = format!("<title>{}</title>", escaped(&stage.path));
        assert!(topology.contains(&title), "{title}");
    }

    let ledger = section(document, "ledger");
    for stage in report.stages.iter().filter(|stage| stage.kind != StageKind::Receiver) {
        let counts = &stage.ledger;
        let cells = [
            escaped(&stage.path),
            stage.workers.len().to_string(),
            counts.taken.to_string(),
            counts.extra.to_string(),
            counts.emitted.to_string(),
            counts.discarded.to_string(),
            counts.failed.to_string(),
            counts.dropped.to_string(),
        ];
        let row = cells.map(|cell| format!("<td>{cell}</td>")).concat();
        assert!(ledger.contains(&row), "{row} is not in {ledger}");
    }

    for (id, aspect) in [("age", Aspect::Age), ("work", Aspect::Work)] {
        let chart = section(document, id);
        let measured =
            (0..report.stages.len()).filter(|&at| report.histogram(at, aspect).is_some());
        assert_eq!(chart.matches("<polyline").count(), measured.count(), "{id}: one per stage");
        assert!(chart.matches("<text").count() >= 5, "{id}: ticks and what they are of");
    }
    let slowest = section(document, "slowest-requests");
    assert!(!report.slowest.is_empty());
    let drawn: Vec<&str> = slowest.split("<g class=\"request\">").skip(1).collect();
    assert_eq!(drawn.len(), report.slowest.len());
    for (drawn, slow) in drawn.iter().zip(&report.slowest) {
        let parts = slow.hops.iter().flat_map(|hop| [hop.wait, hop.blocked, hop.work]);
        let parts = parts.chain([slow.untold]).filter(|nanos| *nanos > 0).count();
        assert_eq!(drawn.matches("<rect").count(), parts, "{slow:?}");
        let widths = drawn.split("width=\"").skip(1).filter_map(|rest| rest.split('"').next());
        let width: f64 = widths.map(|width| width.parse::<f64>().expect("a number")).sum();
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let share = slow.took as f64 / report.slowest[0].took as f64;
        assert!((width - 770.0 * share).abs() < 0.5, "{width} for {share} of the longest");
    }
    let over_time = section(document, "over-time");
    assert_eq!(over_time.matches("<polyline").count(), 3, "p50, p99, max");
    let line = over_time.split("points=\"").nth(1).expect("a line");
    let points = line.split('"').next().expect("its points").split_whitespace().count();
    assert!(points >= timeline.intervals().len() / 2, "{points} points");
}

#[test]
fn the_checks_can_fail() {
    let Some(browser) = Browser::find("page-control") else { return };
    let fetching =
        "<html><img src=\"http://ringtract.invalid/picture\"><script>console.error('no')</script>";
    let opened = browser.open(fetching, 800, false);
    assert!(
        opened.asked.iter().any(|line| line.contains("ringtract.invalid")),
        "{:?}",
        opened.asked
    );
    assert!(!opened.console.is_empty(), "the console was heard");

    // Whatever gets into the page, the browser does not fetch it.
    let (report, timeline) = run();
    let page = report.to_html(&timeline);
    let spoilt = page.replace("<h1>", "<img src=\"http://ringtract.invalid/picture\"><h1>");
    let opened = browser.open(&spoilt, 800, false);
    assert_eq!(opened.asked, Vec::<String>::new());
    assert!(opened.console.iter().any(|line| line.contains("Content Security Policy")));

    let overlapping = "<html><body><svg width=300 height=90><text x=9 y=20>one</text><text x=12 y=22>two</text>\
        <text x=250 y=60 fill=\"#eee\">out of the drawing</text></svg></body></html>";
    let told = probe(&browser, overlapping, 800, false);
    for flaw in ["overlaps", "leaves its drawing", "contrast"] {
        assert!(told.iter().any(|line| line.contains(flaw)), "{flaw} is not in {told:?}");
    }
}

#[test]
fn it_is_legible_in_light_and_dark_and_in_narrow_windows() {
    let Some(browser) = Browser::find("page-legible") else { return };
    let (report, timeline) = run();
    let page = report.to_html(&timeline);
    for (width, dark) in [(1_200, false), (1_200, true), (420, false), (420, true)] {
        let told = probe(&browser, &page, width, dark);
        let shade = if dark { "dark" } else { "light" };
        assert_eq!(told, [format!("shade {shade}")], "at {width}");
    }
}

/// What the probe tells of a page, line by line.
fn probe(browser: &Browser, page: &str, width: usize, dark: bool) -> Vec<String> {
    // A page may run no script of its own, so it is let out of its policy.
    let page = page.replace("http-equiv=\"Content-Security-Policy\"", "name=\"policy\"");
    let script =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/probe.js"));
    let page = page.replace("</html>", &format!("<script>{}</script></html>", script.unwrap()));
    let document = browser.open(&page, width, dark).document;
    let start = document.find("<pre id=\"probe\">").expect("the probe ran") + 16;
    let rest = &document[start..];
    let told = &rest[..rest.find("</pre>").expect("its end")];
    told.lines().map(str::to_owned).filter(|line| !line.is_empty()).collect()
}
