//! The compiled function as a process: its environment, what it prints, and its end.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::invocation_queue::InvocationQueue;
use crate::aws::LocalAws;
use crate::lambda_control::FUNCTION_NAME;
use crate::lock::lock;

/// How often a process is asked whether it has ended.
const PULSE: Duration = Duration::from_millis(5);

/// Counts all functions of this process, so that each signs with a key of its own.
static STARTED: AtomicUsize = AtomicUsize::new(0);

/// A running function. Of the caller's environment it gets nothing but `PATH`; it is killed when this is dropped.
#[derive(Debug)]
pub struct Function {
    shared: Arc<Shared>,
    principal: String,
}

#[derive(Debug)]
struct Shared {
    child: Arc<Mutex<Child>>,
    queue: Arc<InvocationQueue>,
    /// What it prints goes straight into a file without a name: a line that was written before an answer was given can be
    /// read as soon as the answer is there.
    output: File,
    exited: AtomicBool,
}

impl Function {
    pub(super) fn start(
        aws: &LocalAws,
        queue: &Arc<InvocationQueue>,
        runtime_api: &str,
        bootstrap: &Path,
        env: &[(&str, &str)],
    ) -> std::io::Result<Self> {
        if queue.is_taken() {
            let why = "this runtime API has a running function; take another from LocalAws::lambda()";
            return Err(std::io::Error::new(std::io::ErrorKind::AlreadyExists, why));
        }
        let principal = format!("ASIALOCALAWS{:08}", STARTED.fetch_add(1, Ordering::Relaxed) + 1);
        queue.starts();
        let output = tempfile::tempfile()?;
        let child = Command::new(bootstrap)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .envs(environment(aws, runtime_api, &principal))
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output.try_clone()?)
            .spawn()?;
        let child = Arc::new(Mutex::new(child));
        queue.born(&child);
        let shared = Arc::new(Shared {
            child,
            queue: Arc::clone(queue),
            output,
            exited: AtomicBool::new(false),
        });
        let watched = Arc::clone(&shared);
        thread::spawn(move || {
            while !watched.look() {
                thread::sleep(PULSE);
            }
        });
        Ok(Self { shared, principal })
    }

    /// All it has printed so far, on stdout and stderr.
    #[must_use]
    pub fn output(&self) -> String {
        // The place in the file is the process's, which goes on writing there: this reads from the beginning without it.
        let mut output = Vec::new();
        let mut buffer = [0; 8192];
        while let Ok(n @ 1..) = self.shared.output.read_at(&mut buffer, output.len() as u64) {
            output.extend(buffer.iter().take(n));
        }
        String::from_utf8_lossy(&output).into_owned()
    }

    #[must_use]
    pub fn id(&self) -> u32 {
        lock(&self.shared.child).id()
    }

    /// How long it took from its start until it first asked for an event: what Lambda calls the init phase. `None` until it
    /// has.
    #[must_use]
    pub fn first_poll(&self) -> Option<Duration> {
        self.shared.queue.first_poll()
    }

    /// Whether the process has ended.
    #[must_use]
    pub fn exited(&self) -> bool {
        self.shared.look()
    }

    /// The access key id that its calls carry: see [`Call::principal`](crate::Call::principal).
    #[must_use]
    pub fn principal(&self) -> &str {
        &self.principal
    }

    /// Kills it, with no time to clean up, and waits until it is gone.
    pub fn kill(&self) {
        let ended = {
            let mut child = lock(&self.shared.child);
            // It fails only when the process has ended already.
            let _ = child.kill();
            child.wait()
        };
        if let Ok(status) = ended {
            self.shared.ended(status);
        }
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Shared {
    /// Looks whether the process has ended, and reports it the first time.
    fn look(&self) -> bool {
        let status = lock(&self.child).try_wait();
        if let Ok(Some(status)) = status {
            self.ended(status);
        }
        self.exited.load(Ordering::Acquire)
    }

    fn ended(&self, status: ExitStatus) {
        if !self.exited.swap(true, Ordering::AcqRel) {
            self.queue.died(describe(status));
        }
    }
}

/// The end of a process in Lambda's words.
fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(9)) => "signal: killed".to_owned(),
        (None, Some(6)) => "signal: aborted".to_owned(),
        (None, signal) => format!("signal: {}", signal.unwrap_or_default()),
    }
}

/// The variables that Lambda sets for a custom runtime, and the endpoint of the stand-in.
fn environment(aws: &LocalAws, runtime_api: &str, principal: &str) -> Vec<(&'static str, String)> {
    let region = &aws.options().region;
    vec![
        ("AWS_LAMBDA_RUNTIME_API", runtime_api.to_owned()),
        ("AWS_LAMBDA_FUNCTION_NAME", FUNCTION_NAME.to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{FUNCTION_NAME}")),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "local-aws".to_owned()),
        ("AWS_LAMBDA_LOG_FORMAT", "JSON".to_owned()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_REGION", region.clone()),
        ("AWS_DEFAULT_REGION", region.clone()),
        ("AWS_ACCESS_KEY_ID", principal.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "local-aws".to_owned()),
        ("AWS_SESSION_TOKEN", "local-aws".to_owned()),
        ("AWS_ENDPOINT_URL", aws.endpoint()),
        ("LANG", "en_US.UTF-8".to_owned()),
        ("TZ", ":UTC".to_owned()),
    ]
}
