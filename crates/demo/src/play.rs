//! `make play`: the stand-in stays, its events invoke the function as the stack's rules would, and what the function logs and
//! reports is printed.

use std::path::Path;
use std::pin::pin;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::interval;

use crate::Outcome;
use crate::file::ROTATED;
use crate::show;
use crate::stage::{Stage, beside_this_program};

/// How often it is looked for new events and log lines.
const PULSE: Duration = Duration::from_millis(100);

/// Until Ctrl-C. The function ends with it.
pub async fn play(file: &str) -> Outcome<()> {
    let stage = Stage::open(Path::new(file), "info").await?;
    println!("{}", invitation(&stage, file)?);
    tokio::select! {
        failed = attend(&stage) => failed,
        stopped = stop() => stopped,
    }
}

/// Delivers every event that a rule of the stack lets through, one after the other, and each line from the keyboard as the
/// schedule's. Never ends by itself.
async fn attend(stage: &Stage) -> Outcome<()> {
    let rules = stage.event_rules()?;
    let mut keys = lines_typed();
    let mut log = Log::default();
    let mut seen = 0;
    let mut pulse = interval(PULSE);
    loop {
        pulse.tick().await;
        log.show(stage);
        if keys.try_recv().is_ok() {
            deliver(stage, stage.schedule(), &mut log).await;
        }
        let events = stage.aws.events();
        for event in events.get(seen..).unwrap_or_default() {
            if rules.iter().any(|rule| rule.matches(event)) {
                deliver(stage, event.clone(), &mut log).await;
            }
        }
        seen = events.len();
    }
}

async fn deliver(stage: &Stage, event: Value, log: &mut Log) {
    let of = ["/detail/object/key", "/detail/name"]
        .iter()
        .find_map(|place| event.pointer(place)?.as_str());
    show::title(&format!(
        "{} {}",
        event["detail-type"].as_str().unwrap_or_default(),
        of.unwrap_or_default()
    ));
    let begun = Instant::now();
    let mut invocation = pin!(stage.invoke(event));
    let mut pulse = interval(PULSE);
    let done = loop {
        tokio::select! {
            done = &mut invocation => break done,
            _ = pulse.tick() => log.show(stage),
        }
    };
    log.show(stage);
    println!();
    match done.result {
        Ok(report) => show::report(&report, begun.elapsed()),
        Err(error) => println!("the invocation failed; Lambda would try again: {error}"),
    }
}

/// The function's log, as far as it has been printed.
#[derive(Default)]
struct Log {
    shown: usize,
}

impl Log {
    fn show(&mut self, stage: &Stage) {
        let log = stage.log();
        // The last line may still be written.
        for line in log
            .split_inclusive('\n')
            .skip(self.shown)
            .filter(|line| line.ends_with('\n'))
        {
            self.shown += 1;
            // Metrics are for CloudWatch.
            if !line.contains("\"_aws\":") {
                print!("{line}");
            }
        }
    }
}

/// What to copy into another terminal. Version 1 of the AWS CLI reads AWS_DEFAULT_REGION alone.
fn invitation(stage: &Stage, file: &str) -> Outcome<String> {
    let (endpoint, options) = (stage.aws.endpoint(), stage.aws.options());
    let (account, region) = (&options.account, &options.region);
    let ptc = beside_this_program("ptc")?;
    let here = std::env::current_dir().unwrap_or_default();
    let ptc = quoted(&ptc.strip_prefix(here).unwrap_or(&ptc).to_string_lossy());
    let file = quoted(file);
    let mut text = format!(
        "local-aws is account {account} in {region}, on {endpoint}. The function waits for its events.\n\
         Copy these into another terminal, in this folder. The AWS CLI may be version 1 or 2.\n\n\
         \x20 export AWS_ENDPOINT_URL={endpoint} AWS_REGION={region} AWS_DEFAULT_REGION={region} \
         AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local\n\
         \x20 {ptc} upload {file}\n\
         \x20 {ptc} status\n\
         \x20 {ptc} plan {file}\n"
    );
    if let Some(one) = stage.prepared.rotatable.first() {
        let value = serde_json::json!({"username": one.username, "accessToken": ROTATED}).to_string();
        text += &format!(
            "  aws secretsmanager put-secret-value --secret-id {} --secret-string {}\n",
            quoted(&one.secret),
            quoted(&value)
        );
    }
    Ok(text
        + "\nThe last one rotates a token; any other accessToken is refused by the upstream.\n\
           Here: Enter is the schedule, Ctrl-C the end.\n")
}

/// A word for the shell.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-:@".contains(&byte);
    if text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// One message for each line from the keyboard. A thread of its own waits there: it ends with the program.
fn lines_typed() -> mpsc::UnboundedReceiver<()> {
    let (typed, keys) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            if line.is_err() || typed.send(()).is_err() {
                return;
            }
        }
    });
    keys
}

/// Ctrl-C, or somebody else's wish that this ends.
async fn stop() -> Outcome<()> {
    let listen = |kind| signal(kind).map_err(|e| format!("signals cannot be received: {e}"));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let (mut terminate, mut hang_up) = (listen(SignalKind::terminate())?, listen(SignalKind::hangup())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
    Ok(())
}
