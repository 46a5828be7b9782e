//! Breaks each protocol on purpose and runs the models that must notice.
//!
//! A mutant is a change of the text of one source file, in a copy of the workspace under `target/mutants`; the product
//! knows nothing of it. A model that fails, by an assertion or by a deadlock, has killed it.

#[path = "../../../../tests/common/copied.rs"]
mod copied;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::models;

struct Mutant {
    name: &'static str,
    file: &'static str,
    old: &'static str,
    new: &'static str,
    /// The test in `tests/models.rs`, or in `tests/conformance.rs`, that must fail.
    model: &'static str,
}

const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "no light fence",
        file: "src/wait/fence.rs",
        old: "        } else {\n            fence(Ordering::SeqCst);\n        }",
        new: "        }",
        model: "no_wake_up_is_lost_when_both_ends_park",
    },
    Mutant {
        name: "no heavy fence",
        file: "src/wait/fence.rs",
        old: "        fence(Ordering::SeqCst);\n        true",
        new: "        true",
        model: "no_wake_up_is_lost_when_both_ends_park",
    },
    Mutant {
        name: "no ring after a put",
        file: "src/lane/ring_lane.rs",
        old: "            bury(request);\n        }\n        self.consumer.ring();",
        new: "            bury(request);\n        }",
        model: "no_wake_up_is_lost_when_both_ends_park",
    },
    Mutant {
        name: "no ring when an end is dropped",
        file: "src/wait/doorbell.rs",
        old: "    fn drop(&mut self) {\n        self.ring();",
        new: "    fn drop(&mut self) {",
        model: "a_lane_that_closes_while_its_consumer_parks_is_seen",
    },
    Mutant {
        name: "no second look after arming",
        file: "src/wait/sleeper.rs",
        old: "if let Some(answer) = ask() {\n                self.bell.disarm();",
        new: "if let Some(answer) = None {\n                self.bell.disarm();",
        model: "a_stop_reaches_everybody_who_is_parked",
    },
    Mutant {
        name: "no second look at an abandoned lane",
        file: "src/lane/ring_lane.rs",
        old: "if self.ring.is_abandoned() && self.ring.slots() == 0 {",
        new: "if self.ring.is_abandoned() {",
        model: "the_last_push_before_a_drop_is_not_lost",
    },
    Mutant {
        name: "no fence in a send",
        file: "src/lane/feed.rs",
        old: "        fence(Ordering::SeqCst);\n        let result",
        new: "        let result",
        model: "a_send_that_was_accepted_is_delivered_despite_a_stop",
    },
    Mutant {
        name: "a copy's failure is not noted",
        file: "src/contract/cleanup.rs",
        old: "shared.failed.store(true, Ordering::Relaxed);",
        new: "",
        model: "a_clean_up_behind_a_fan_out_runs_once_with_the_last_copy",
    },
    Mutant {
        name: "a stop that rings nobody",
        file: "src/step/control.rs",
        old: "        self.doorbells.iter().for_each(|doorbell| doorbell.ring());\n",
        new: "",
        model: "a_stop_reaches_everybody_who_is_parked",
    },
    Mutant {
        name: "no second round after arming",
        file: "src/run/thread.rs",
        old: "let Some(recall) = round(seats, at, &mut Looks::once()) else {",
        new: "let Some(recall) = Some(Recall::WhenRung) else {",
        model: "a_stop_while_lanes_are_full_drains_what_was_given",
    },
    Mutant {
        name: "a step that is left without a worker goes on",
        file: "src/step/work.rs",
        old: "        if !hands.have_worker() {\n            return self.end_early();\n        }\n",
        new: "",
        model: "a_worker_that_panics_releases_both_its_neighbours",
    },
    Mutant {
        name: "a worker that is not replaced stops nobody",
        file: "src/step/hands.rs",
        old: "        if self.worker.is_none() {\n            self.post.control.stop();\n        }\n",
        new: "",
        model: "a_worker_that_panics_releases_both_its_neighbours",
    },
    Mutant {
        name: "a fan-out is closed with its first branch",
        file: "src/lane/outlet.rs",
        old: "broadcast.branches.iter().all(Self::is_closed)",
        new: "broadcast.branches.iter().any(Self::is_closed)",
        model: "a_fan_out_serves_the_branch_that_is_left",
    },
    Mutant {
        name: "an inlet is closed with its last lane but one",
        file: "src/lane/inlet.rs",
        old: "if lanes.is_empty() { Drained::Closed }",
        new: "if lanes.len() <= 1 { Drained::Closed }",
        model: "two_producers_of_one_inlet_close_in_either_order",
    },
    Mutant {
        name: "a merged end before the last branch's",
        file: "src/lane/inlet.rs",
        old: "if lanes.is_empty() { Drained::Closed }",
        new: "if lanes.len() <= 1 { Drained::Closed }",
        model: "a_fan_out_ends_after_all_its_branches",
    },
    Mutant {
        name: "an envelope fetched after its value",
        file: "src/lane/track.rs",
        old: "let envelope = fetch(letters, number);\n                values.pop().ok().map(|value| Request { value, envelope })",
        new: "let value = values.pop().ok()?;\n                Some(Request { value, envelope: fetch(letters, number) })",
        model: "an_envelope_that_travels_apart_finds_its_value",
    },
    Mutant {
        name: "what is left is left to the ring",
        file: "src/lane/remains.rs",
        old: "let _ = ring.bury_all(&mut next);",
        new: "let _ = (&mut ring, &mut next);",
        model: "what_is_put_beside_a_consumer_that_leaves_dies_once",
    },
    Mutant {
        name: "a producer that goes without a word",
        file: "src/lane/ring_lane.rs",
        old: "        self.flush();\n        self.remains.leave();",
        new: "        self.flush();",
        model: "what_is_put_beside_a_consumer_that_leaves_dies_once",
    },
    Mutant {
        name: "a consumer that goes before it has left its ring",
        file: "src/lane/remains.rs",
        old: "*lock(&self.ring) = Some(Rest { ring, next });\n        self.leave();",
        new: "self.leave();\n        *lock(&self.ring) = Some(Rest { ring, next });",
        model: "what_is_put_beside_a_consumer_that_leaves_dies_once",
    },
    Mutant {
        name: "a relaxed word of who goes",
        file: "src/lane/remains.rs",
        old: "self.left.swap(true, Ordering::AcqRel)",
        new: "self.left.swap(true, Ordering::Relaxed)",
        model: "what_is_put_beside_a_consumer_that_leaves_dies_once",
    },
    Mutant {
        name: "room is counted without what is staged",
        file: "src/lane/ring_lane.rs",
        old: "self.ring.cached_slots() > staged || self.ring.slots() > staged",
        new: "self.ring.cached_slots() + 1 > staged || self.ring.slots() > staged",
        model: "a_batch_for_which_there_was_room_is_published_whole",
    },
    Mutant {
        name: "a whole batch where there is less room",
        file: "src/lane/ring_lane.rs",
        old: "let wanted = free.min(self.batch - self.ring.staged());",
        new: "let wanted = self.batch - self.ring.staged();",
        model: "a_batch_that_its_maker_fills_is_published_whole",
    },
    Mutant {
        name: "no wake-up after a send",
        file: "src/lane/feed.rs",
        old: "self.sending.store(false, Ordering::Release);\n        self.hub.wake_input();",
        new: "self.sending.store(false, Ordering::Release);",
        model: "a_parked_input_is_woken_by_a_send",
    },
    Mutant {
        name: "a relaxed look at who is sending",
        file: "src/lane/feed.rs",
        old: "!self.sending.load(Ordering::Acquire)",
        new: "!self.sending.load(Ordering::Relaxed)",
        model: "a_send_that_was_accepted_is_delivered_despite_a_stop",
    },
    Mutant {
        name: "no wake-up after the last drop",
        file: "src/lane/feed.rs",
        old: "self.hub.handles.fetch_sub(1, Ordering::Release);\n        self.hub.wake_input();",
        new: "self.hub.handles.fetch_sub(1, Ordering::Release);",
        model: "a_parked_input_is_woken_by_the_last_drop",
    },
    Mutant {
        name: "empty before abandoned",
        file: "src/lane/ring_lane.rs",
        old: "fn is_closed(&self) -> bool {\n        self.ring.is_abandoned() && self.ring.slots() == 0",
        new: "fn is_closed(&self) -> bool {\n        self.ring.slots() == 0 && self.ring.is_abandoned()",
        model: "an_envelope_that_travels_apart_finds_its_value",
    },
    Mutant {
        name: "no ring after a take",
        file: "src/lane/ring_lane.rs",
        old: "self.tally.consumer.taken.set(self.taken);\n        self.producer.ring();",
        new: "self.tally.consumer.taken.set(self.taken);",
        model: "no_wake_up_is_lost_when_both_ends_park",
    },
    Mutant {
        name: "a sleep that trusts the token",
        file: "src/wait/doorbell.rs",
        old: "        // Acquire: pairs with the release of the swap in `wake`.\n",
        new: "        thread::park_timeout(WATCHDOG);\n",
        model: "a_stolen_token_does_not_lose_a_ring",
    },
    Mutant {
        name: "the model ring reads an index anew",
        file: "loom-tests/src/ring.rs",
        old: "fn is_empty(&self) -> bool {\n        self.cached_slots() == 0 && ",
        new: "fn is_empty(&self) -> bool {\n        ",
        model: "both_show_the_same_on_random_walks",
    },
    Mutant {
        name: "a start that waits for nobody's word",
        file: "src/run/gate.rs",
        old: "|state| state.open || state.shut",
        new: "|_| true",
        model: "nobody_runs_before_the_start_and_all_do_after_it",
    },
    Mutant {
        name: "a gate that opens without a word",
        file: "src/run/gate.rs",
        old: "state.open = true;\n        self.changed.notify_all();",
        new: "state.open = true;",
        model: "nobody_runs_before_the_start_and_all_do_after_it",
    },
    Mutant {
        name: "a failure leaves the gate as it is",
        file: "src/run/gate.rs",
        old: "state.shut = true;\n                state.error.get_or_insert(error);",
        new: "state.made += 1;\n                state.error.get_or_insert(error);",
        model: "the_first_failure_is_told_and_nobody_runs",
    },
    Mutant {
        name: "a writer does not say that it wrote",
        file: "src/measure/pages.rs",
        old: "set.blank = false;",
        new: "",
        model: "histograms_taken_while_they_are_written_hold_everything_once",
    },
];

/// The workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

impl Mutant {
    /// The broken text; `None` if the place is not there, or more than once.
    fn apply(&self, text: &str) -> Option<String> {
        (text.matches(self.old).count() == 1).then(|| text.replacen(self.old, self.new, 1))
    }

    /// What became of it in this copy of the workspace, which is whole again afterwards.
    fn fate(&self, copy: &Path) -> io::Result<Fate> {
        let file = copy.join(self.file);
        let text = fs::read_to_string(&file)?;
        let Some(broken) = self.apply(&text) else { return Ok(Fate::Stale) };
        fs::write(&file, broken)?;
        let fate = try_model(copy, self.model);
        fs::write(&file, text)?;
        fate
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Killed,
    Survived,
    NotBuilt,
    Stale,
}

/// Builds the models of this copy, and runs this one. Why one does not build is printed.
fn try_model(copy: &Path, model: &str) -> io::Result<Fate> {
    let cargo = |arguments: &[&str]| {
        // A target of their own: cargo does not tell a copy of a workspace from the workspace, and would take the last
        // mutant for the product the next time that the models run.
        models::cargo(copy, &root().join("target/mutants/build")).args(arguments).output()
    };
    let built = cargo(&["--no-run"])?;
    if !built.status.success() {
        println!("{}", models::text(&built));
        return Ok(Fate::NotBuilt);
    }
    let passed = cargo(&["--", "--exact", model])?.status.success();
    Ok(if passed { Fate::Survived } else { Fate::Killed })
}

/// A fresh copy of what the models are built from.
fn copy_workspace() -> io::Result<PathBuf> {
    let copy = root().join("target/mutants/copy");
    copied::copy_workspace(&root(), &copy)?;
    // This program: every mutant would build it anew.
    fs::remove_dir_all(copy.join("loom-tests/src/bin"))?;
    Ok(copy)
}

/// What became of the mutants.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    killed: usize,
    survived: usize,
    /// Mutants that say nothing: they do not build, or their place in the text is gone.
    void: usize,
}

impl Survey {
    /// Whether every mutant was killed.
    pub(crate) fn is_clean(&self) -> bool {
        self.survived == 0 && self.void == 0
    }

    fn count(&mut self, fate: &Fate) {
        *match fate {
            Fate::Killed => &mut self.killed,
            Fate::Survived => &mut self.survived,
            Fate::NotBuilt | Fate::Stale => &mut self.void,
        } += 1;
    }
}

impl fmt::Display for Survey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} mutants killed, {} survived", self.killed, self.survived)?;
        if self.void > 0 {
            write!(f, ", {} void", self.void)?;
        }
        Ok(())
    }
}

/// Tries every mutant, and prints the fate of each as it comes.
pub(crate) fn try_all() -> io::Result<Survey> {
    let copy = copy_workspace()?;
    let mut survey = Survey::default();
    for mutant in MUTANTS {
        let fate = mutant.fate(&copy)?;
        println!("{:<46} {fate:?} ({})", mutant.name, mutant.model);
        survey.count(&fate);
    }
    println!();
    Ok(survey)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mutant_applies_and_names_a_model() {
        let read = |file| fs::read_to_string(root().join(file)).expect("a file");
        let models =
            ["loom-tests/tests/models.rs", "loom-tests/tests/conformance.rs"].map(read).concat();
        for mutant in MUTANTS {
            let text = read(mutant.file);
            assert!(mutant.apply(&text).is_some(), "{} does not apply", mutant.name);
            assert!(models.contains(&format!("fn {}()", mutant.model)), "{}", mutant.model);
        }
    }

    #[test]
    fn only_a_survey_without_survivors_is_clean() {
        let mut survey = Survey::default();
        survey.count(&Fate::Killed);
        assert!(survey.is_clean());
        assert_eq!(survey.to_string(), "1 mutants killed, 0 survived");
        survey.count(&Fate::Stale);
        assert!(!survey.is_clean());
        assert_eq!(survey.to_string(), "1 mutants killed, 0 survived, 1 void");
    }
}
