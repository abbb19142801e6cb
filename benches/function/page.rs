//! The tables on the terminal. The budgets go between two marks in docs/performance.md, too.

use std::fmt::Write;
use std::process::Command;

use super::budgets::{Budget, grouped};
use super::contender::{Sizes, is_released, root};
use super::stage::{Run, Start};
use super::{KINDS, Runs};

const PAGE: &str = "docs/performance.md";
const BEGIN: &str = "<!-- make bench begins: what stands up to its end is written by it -->";
const END: &str = "<!-- make bench ends -->";
const BUDGETS: &str = "### Budgets\n";

/// What is to be written.
#[derive(Default)]
pub struct Page(String);

macro_rules! line {
    ($page:expr, $($text:tt)*) => { writeln!($page.0, $($text)*).unwrap() };
}

impl Page {
    pub fn starts(&mut self, [ours, minimal]: [Sizes; 2], starts: [Option<&Start>; 3]) {
        let profile = if is_released() {
            "as `make build` makes it"
        } else {
            "of cargo's bench profile"
        };
        line!(
            self,
            "Measured on {}, at {} with the function {profile}.\n",
            machine(),
            commit()
        );
        line!(self, "### Start\n");
        line!(self, "| | function | minimal program | boto3 |");
        line!(self, "| --- | ---: | ---: | ---: |");
        let row = |of: &dyn Fn(&Start) -> f64| {
            starts.map(|start| {
                start
                    .map(of)
                    .filter(|n| !n.is_nan())
                    .map_or_else(|| "-".into(), |n| format!("{n:.1}"))
            })
        };
        let rows: [(&str, [String; 3]); 5] = [
            ("start of the process to its first poll, ms", row(&|s| s.poll)),
            (
                "start of the process to the end of its first run, over one registry, ms",
                row(&|s| s.run),
            ),
            ("first invocation, ms", row(&|s| s.first)),
            ("warm invocation, ms", row(&|s| s.warm)),
            ("peak memory by then, MB", row(&|s| s.peak)),
        ];
        for (what, [a, b, c]) in rows {
            line!(self, "| {what} | {a} | {b} | {c} |");
        }
        line!(
            self,
            "| binary, bytes | {} | {} | - |",
            grouped(ours.file),
            grouped(minimal.file)
        );
        line!(
            self,
            "| zipped, bytes | {} | {} | - |",
            grouped(ours.zip),
            grouped(minimal.zip)
        );
        line!(
            self,
            "\nThe two invocations are of an event that is not the function's, so no AWS call is in them; the first makes the"
        );
        line!(
            self,
            "clients. Python makes them before its first poll, and does one whole run over one registry. The minimal"
        );
        line!(self, "program has no runs.\n");
    }

    pub fn runs(&mut self, all: &[Runs]) {
        line!(self, "### Runs\n");
        line!(
            self,
            "Every second registry has a credential. Each line of three is one process: the first apply has cold connections."
        );
        line!(
            self,
            "Rounds are sequential round trips; without latency calls hardly overlap, and they say nothing.\n"
        );
        line!(
            self,
            "| ms a call | registries | run | ms | calls | rounds | peak MB | boto3: ms | calls | rounds | peak MB | faster |"
        );
        line!(
            self,
            "| ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
        );
        for runs in all {
            for (n, kind) in KINDS.iter().enumerate() {
                let cells = |run: &Run, peak: f64| {
                    let rounds = if runs.latency == 0 {
                        "-".to_owned()
                    } else {
                        run.rounds.to_string()
                    };
                    format!("{:.0} | {} | {rounds} | {peak:.1}", run.ms, run.calls)
                };
                let ours = cells(&runs.ours[n], runs.our_peak);
                let theirs = match (&runs.theirs, runs.their_peak) {
                    (Some(theirs), Some(peak)) => {
                        format!(
                            "{} | {:.1} times",
                            cells(&theirs[n], peak),
                            theirs[n].ms / runs.ours[n].ms
                        )
                    }
                    _ => "- | - | - | - | -".to_owned(),
                };
                line!(
                    self,
                    "| {} | {} | {kind} | {ours} | {theirs} |",
                    runs.latency,
                    runs.registries
                );
            }
        }
        line!(self, "");
    }

    pub fn others(&mut self, (seconds, throttled): (f64, usize), many: f64) {
        line!(
            self,
            "An account that takes ten calls a second of each of ECR's operations: the first apply of 50 registries ends in"
        );
        line!(
            self,
            "{seconds:.1} s, {throttled} of its calls throttled and made again. 10,000 repositories that exist already, each looked at"
        );
        line!(self, "and tagged: {many:.1} MB at the peak.\n");
    }

    pub fn budgets(&mut self, budgets: &[Budget]) {
        line!(self, "{BUDGETS}");
        line!(self, "| what | budget | measured | |");
        line!(self, "| --- | --- | ---: | --- |");
        for Budget { what, limit, took, met } in budgets {
            line!(
                self,
                "| {what} | {limit} | {took} | {} |",
                if *met { "met" } else { "**not met**" }
            );
        }
    }

    pub fn text(&self) -> &str {
        &self.0
    }

    /// Puts between the marks on what it was measured, and the budgets.
    pub fn write(&self) {
        let (measured, tables) = self.0.split_once("\n\n").expect("a first line");
        let (_, budgets) = tables.split_once(BUDGETS).expect("the budgets");
        let path = root().join(PAGE);
        let page = std::fs::read_to_string(&path).unwrap();
        let (before, rest) = page.split_once(BEGIN).expect("the mark where it begins");
        let (_, after) = rest.split_once(END).expect("the mark where it ends");
        std::fs::write(&path, format!("{before}{BEGIN}\n\n{measured}\n{budgets}\n{END}{after}")).unwrap();
        eprintln!("written to {PAGE}");
    }
}

/// The processor, how many of them, and how busy they were with other things.
fn machine() -> String {
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unnamed processor", |(_, model)| model);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    format!("{cpus} x {model} ({}, load {load})", std::env::consts::ARCH)
}

/// Date and commit.
fn commit() -> String {
    let git = Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .current_dir(root())
        .output()
        .ok();
    let commit = git
        .map(|done| String::from_utf8_lossy(&done.stdout).trim().to_owned())
        .unwrap_or_default();
    let today = jiff::Timestamp::now().to_string();
    format!("{commit}, {}", today.split('T').next().unwrap_or_default())
}
