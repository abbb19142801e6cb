//! `make bench`: the compiled function beside the least that a Rust function can be, and beside the same job in
//! straightforward Python, on local-aws. Prints its tables, and writes the budgets into docs/performance.md.
//!
//! `BOOTSTRAP=path` measures that binary, as `make build` makes it, instead of the one of cargo's bench profile, and
//! `MINIMAL=path` is then the minimal program of the same build. `PYTHON=path` is the interpreter with
//! benches/boto3/requirements.txt; without it that column is left out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark fails by panicking"
)]

mod budgets;
mod contender;
mod page;
mod stage;

use std::process::ExitCode;
use std::time::Duration;

use contender::Contender;
use page::Page;
use stage::{Run, Stage, Start, Starts};

/// As one inside a Region may take, and none at all: what is left then is our own time.
const LATENCIES: [u64; 2] = [0, 40];
const REGISTRIES: [usize; 3] = [1, 10, 50];
const STARTS: usize = 25;

/// What was measured of one size at one latency.
struct Runs {
    latency: u64,
    registries: usize,
    ours: [Run; 3],
    theirs: Option<[Run; 3]>,
    our_peak: f64,
    their_peak: Option<f64>,
}

const KINDS: [&str; 3] = ["first apply", "nothing to do", "one registry changed"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let ours = Contender::function();
    let minimal = Contender::minimal();
    let boto3 = Contender::boto3();
    let (our_start, minimal_start, boto3_start) = starts(&ours, &minimal, boto3.as_ref()).await;
    let mut all = Vec::new();
    for latency in LATENCIES {
        for registries in REGISTRIES {
            let (ours, our_peak) = runs(&ours, registries, latency).await;
            let (theirs, their_peak) = match &boto3 {
                Some(boto3) => {
                    let (runs, peak) = runs(boto3, registries, latency).await;
                    (Some(runs), Some(peak))
                }
                None => (None, None),
            };
            eprintln!("measured: {registries} registries at {latency} ms");
            all.push(Runs {
                latency,
                registries,
                ours,
                theirs,
                our_peak,
                their_peak,
            });
        }
    }
    let throttled = stage::throttled(&ours).await;
    let many = stage::many_repositories(&ours).await;
    let mut page = Page::default();
    let sizes = ours.sizes();
    page.starts(
        [sizes, minimal.sizes()],
        [Some(&our_start), Some(&minimal_start), boto3_start.as_ref()],
    );
    page.runs(&all);
    page.others(throttled, many);
    let mut promised = budgets::of(&our_start, &minimal_start, boto3_start.as_ref(), &all, many);
    if contender::is_released() {
        promised.extend(budgets::of_size(sizes));
    }
    page.budgets(&promised);
    println!("{}", page.text());
    page.write();
    // The budgets are those of what is deployed.
    if contender::is_released() && !promised.iter().all(|budget| budget.met) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// How each starts, in turn: what else the machine does meanwhile then falls on all of them.
async fn starts(ours: &Contender, minimal: &Contender, boto3: Option<&Contender>) -> (Start, Start, Option<Start>) {
    let (mut of_ours, mut of_minimal, mut of_boto3) = (Starts::default(), Starts::default(), Starts::default());
    for n in 0..STARTS {
        of_ours.add(ours, true).await;
        of_minimal.add(minimal, false).await;
        if let Some(boto3) = boto3.filter(|_| n % 5 == 0) {
            of_boto3.add(boto3, true).await;
        }
    }
    (
        of_ours.medians(),
        of_minimal.medians(),
        boto3.map(|_| of_boto3.medians()),
    )
}

/// First apply, nothing to do, and a change of one registry, by one process; and its peak memory in the end.
async fn runs(contender: &Contender, registries: usize, latency: u64) -> ([Run; 3], f64) {
    let mut stage = Stage::open(contender, Duration::from_millis(latency)).await;
    stage.upload(registries, "MUTABLE");
    let first = stage.run("changed").await;
    let nothing = stage.run("converged").await;
    stage.upload(registries, "IMMUTABLE");
    let one = stage.run("changed").await;
    ([first, nothing, one], stage.peak())
}
