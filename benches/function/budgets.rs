//! What was promised, and what was measured. Ratios and counts, since machines differ.

use super::Runs;
use super::contender::Sizes;
use super::stage::Start;

/// One promise.
pub struct Budget {
    pub what: &'static str,
    pub limit: String,
    pub took: String,
    pub met: bool,
}

fn most(what: &'static str, limit: f64, took: f64, unit: &str) -> Budget {
    Budget {
        what,
        limit: format!("at most {limit}{unit}"),
        took: format!("{took:.1}{unit}"),
        met: took <= limit,
    }
}

fn least(what: &'static str, limit: f64, took: f64) -> Budget {
    Budget {
        what,
        limit: format!("at least {limit} times"),
        took: format!("{took:.1} times"),
        met: took >= limit,
    }
}

fn rounds(what: &'static str, limit: usize, took: usize) -> Budget {
    Budget {
        what,
        limit: format!("at most {limit}"),
        took: took.to_string(),
        met: took <= limit,
    }
}

/// All of them; those against Python only where it was measured.
pub fn of(ours: &Start, minimal: &Start, boto3: Option<&Start>, runs: &[Runs], many: f64) -> Vec<Budget> {
    let at = |registries: usize| {
        runs.iter()
            .find(|runs| runs.latency == 40 && runs.registries == registries)
            .expect("it was measured")
    };
    let (one, fifty) = (at(1), at(50));
    let mut all = vec![
        most(
            "start to first poll, against the minimal program",
            1.5,
            ours.poll / minimal.poll,
            " times",
        ),
        rounds(
            "round trips of a run over 50 registries with nothing to do",
            6,
            fifty.ours[1].rounds,
        ),
        rounds(
            "round trips of the first apply of 50 registries",
            40,
            fifty.ours[0].rounds,
        ),
        rounds("round trips of the first apply of one registry", 10, one.ours[0].rounds),
        most("peak memory with 50 registries", 40.0, fifty.our_peak, " MB"),
        most("peak memory with 10,000 repositories", 64.0, many, " MB"),
    ];
    // Where the machine does not tell the peak of a process, there is nothing to hold.
    all.retain(|budget| !budget.took.starts_with("NaN"));
    if let (Some(boto3), Some(theirs)) = (boto3, &fifty.theirs) {
        all.push(least(
            "faster than boto3 to the first poll",
            5.0,
            boto3.poll / ours.poll,
        ));
        all.push(least(
            "faster than boto3 to the end of the first run, 0 ms a call",
            5.0,
            boto3.run / ours.run,
        ));
        let faster = |n: usize| theirs[n].ms / fifty.ours[n].ms;
        all.push(least(
            "faster than boto3 at the first apply of 50 registries, 40 ms a call",
            8.0,
            faster(0),
        ));
        all.push(least(
            "faster than boto3 over 50 registries with nothing to do, 40 ms a call",
            8.0,
            faster(1),
        ));
    }
    all
}

/// Those of the file, which hold for what is deployed: this machine's architecture.
pub fn of_size(
    Sizes {
        file,
        zip,
        most,
        most_zipped,
    }: Sizes,
) -> [Budget; 2] {
    let bytes = |what: &'static str, most: u64, took: u64| Budget {
        what,
        limit: format!("at most {} bytes", grouped(most)),
        took: grouped(took),
        met: took <= most,
    };
    [bytes("the bootstrap", most, file), bytes("its zip", most_zipped, zip)]
}

/// With a comma between thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let commas = |(at, digit): (usize, char)| {
        let comma = (at > 0 && (digits.len() - at).is_multiple_of(3)).then_some(',');
        comma.into_iter().chain([digit])
    };
    digits.chars().enumerate().flat_map(commas).collect()
}
