//! The compiled `ptc`, run over an account of `local-aws` as a person would run it.
//!
//! Nothing of the surroundings gets in: no configuration, no credentials, no variables but those a test gives. Every
//! token in these tests contains the word `canary`, and whatever `ptc` prints is searched for it.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use local_aws::LocalAws;
use local_aws::iam::Policy;

use crate::stack::{BUCKET, ROLE, Report, TestStack, USUAL};

/// How a program that waits for the network is set up.
pub struct Ptc {
    env: Vec<(String, String)>,
    directory: Option<PathBuf>,
    input: Option<Vec<u8>>,
}

/// What it came to.
#[derive(Debug)]
pub struct Output {
    /// The exit status.
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ptc {
    /// Over this account, with the key `PTC` in its Region.
    pub fn new(aws: &LocalAws) -> Self {
        Self::alone()
            .env("AWS_ENDPOINT_URL", &aws.endpoint())
            .env("AWS_REGION", &aws.options().region)
            .env("AWS_ACCESS_KEY_ID", "PTC")
            .env("AWS_SECRET_ACCESS_KEY", "test")
    }

    /// Without any account.
    pub fn alone() -> Self {
        Self {
            env: Vec::new(),
            directory: None,
            input: None,
        }
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    }

    /// With a variable. An empty value is a variable too.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without a variable.
    pub fn without(mut self, name: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self
    }

    /// In a directory.
    pub fn within(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// With something on standard input, which is empty otherwise.
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    /// Runs it to its end.
    pub async fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Output {
        let command = self.command(args);
        let input = self.input.clone();
        let finished = tokio::task::spawn_blocking(move || finish(start(command, input.is_some()), input));
        Output::of(finished.await.unwrap())
    }

    /// Runs it while `meanwhile` is handed its process id.
    pub async fn run_with<A: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
        meanwhile: impl FnOnce(u32),
    ) -> Output {
        let child = start(self.command(args), false);
        meanwhile(child.id());
        let finished = tokio::task::spawn_blocking(move || finish(child, None));
        Output::of(finished.await.unwrap())
    }

    /// The program as it will be run, for a test that watches it.
    pub fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ptc"));
        command
            .args(args)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)));
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command
    }

    /// Runs it with standard output on a terminal of so many columns, and the rest as without one.
    pub async fn shown<A: AsRef<OsStr>>(&self, columns: u16, args: impl IntoIterator<Item = A>) -> Output {
        on_terminal(
            columns,
            self.command(args),
            |command| command.stdin(Stdio::null()).stderr(Stdio::null()),
            &[],
        )
        .await
    }

    /// Runs it on a terminal, where each answer is typed when its question is there. The output is what the terminal was sent,
    /// with all that moves its cursor.
    pub async fn asked<A: AsRef<OsStr>>(
        &self,
        columns: u16,
        args: impl IntoIterator<Item = A>,
        answers: &[(&str, &str)],
    ) -> Output {
        on_terminal(columns, self.command(args), |command| command, answers).await
    }
}

async fn on_terminal(
    columns: u16,
    command: Command,
    redirected: fn(pty_process::blocking::Command) -> pty_process::blocking::Command,
    answers: &[(&str, &str)],
) -> Output {
    let answers: Vec<(String, String)> = answers
        .iter()
        .map(|(question, answer)| ((*question).to_owned(), (*answer).to_owned()))
        .collect();
    let work = move || {
        use std::io::{Read as _, Write as _};
        let (mut terminal, end) = pty_process::blocking::open().unwrap();
        terminal.resize(pty_process::Size::new(50, columns)).unwrap();
        let mut child = redirected(command.into()).spawn(end).unwrap();
        let (mut bytes, mut seen, mut answers) = (Vec::new(), 0, answers.into_iter().peekable());
        let mut buffer = [0; 4096];
        // On Linux the end of what is printed is an error.
        while let Ok(n @ 1..) = terminal.read(&mut buffer) {
            bytes.extend_from_slice(&buffer[..n]);
            while let Some((question, answer)) = answers.peek() {
                let Some(at) = String::from_utf8_lossy(&bytes[seen..]).find(question.as_str()) else {
                    break;
                };
                seen += at + question.len();
                terminal.write_all(answer.as_bytes()).unwrap();
                answers.next();
            }
        }
        assert_eq!(answers.next(), None, "{}", String::from_utf8_lossy(&bytes));
        (child.wait().unwrap(), bytes)
    };
    let (status, bytes) = tokio::task::spawn_blocking(work).await.unwrap();
    let output = Output {
        status: status.code().unwrap_or_else(|| panic!("ptc was killed: {status}")),
        stdout: String::from_utf8(bytes).unwrap().replace("\r\n", "\n"),
        stderr: String::new(),
    };
    output.without_tokens()
}

impl Output {
    fn of(finished: std::process::Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let status = finished.status.code();
        let output = Self {
            status: status.unwrap_or_else(|| panic!("ptc was killed: {}", finished.status)),
            stdout: text(finished.stdout),
            stderr: text(finished.stderr),
        };
        output.without_tokens()
    }

    #[track_caller]
    fn without_tokens(self) -> Self {
        assert!(
            !self.stdout.contains("canary"),
            "a token on standard output:\n{}",
            self.stdout
        );
        assert!(
            !self.stderr.contains("canary"),
            "a token on standard error:\n{}",
            self.stderr
        );
        self
    }

    /// Standard output as the report of a run.
    pub fn report(&self) -> Report {
        serde_json::from_str(&self.stdout).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }

    /// Standard output as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }

    /// Holds the exit status against what is expected, and shows what was printed where it is another.
    #[track_caller]
    pub fn ends(self, status: i32) -> Self {
        assert_eq!(
            self.status, status,
            "standard output:\n{}\nstandard error:\n{}",
            self.stdout, self.stderr
        );
        self
    }
}

/// Deploys a stack with its function, under a name as CloudFormation makes up.
pub fn deploy(aws: &LocalAws, stack: &str, bucket: &str, more: &[(&str, &str)]) {
    let function = format!("{stack}-SyncFunction-1");
    let variables = [
        ("CONFIG_BUCKET", bucket),
        ("OWNER", "stack"),
        ("TEMPLATE_ROLE_ARN", ROLE),
    ];
    aws.deploy_function(&function, &[&variables[..], &USUAL, more].concat());
    aws.put_stack(stack, "CREATE_COMPLETE", &[("FunctionName", &function)])
        .unwrap();
}

/// Holds what was printed against the file of this path below the crate; `BLESS=1` writes it anew.
#[track_caller]
pub fn golden(path: &str, actual: &str) {
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(actual, expected, "{path}: BLESS=1 writes it anew");
}

/// The first policy in the documentation after these words of a page.
pub fn documented_policy(page: &str, section: &str) -> Policy {
    let page = std::fs::read_to_string(format!("../../docs/{page}")).unwrap();
    let (_, section) = page.split_once(section).unwrap();
    let json = section.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let json = json.replace("<bucket>", BUCKET).replace("<account>", "123456789012");
    let json = json.replace("<region>", "eu-west-1");
    Policy::read("reader", &[("P".to_owned(), serde_json::from_str(&json).unwrap())]).unwrap()
}

/// The stack that `ptc` goes by where nobody names one, deployed, and `ptc` in a folder with a file for it.
pub struct Terminal {
    pub stack: TestStack,
    pub folder: PathBuf,
}

impl Terminal {
    pub async fn new(name: &str) -> Self {
        let stack = TestStack::new().await;
        deploy(&stack.aws, "ecr-pull-through-sync", BUCKET, &[]);
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("terminal-{name}"));
        std::fs::create_dir_all(&folder).unwrap();
        Self { stack, folder }
    }

    pub fn write(&self, yaml: &str) {
        std::fs::write(self.folder.join("registries.yaml"), yaml).unwrap();
    }

    pub fn ptc(&self) -> Ptc {
        Ptc::new(&self.stack.aws).within(&self.folder)
    }

    pub async fn run(&self, arguments: &[&str]) -> Output {
        self.stack.aws.clear_calls();
        let [command, rest @ ..] = arguments else {
            panic!("no command")
        };
        let whole = [&[*command, "registries.yaml"], rest].concat();
        self.ptc().run(whole).await
    }

    pub fn writes(&self) -> Vec<String> {
        self.stack
            .aws
            .calls()
            .iter()
            .filter(|call| call.write)
            .map(|call| call.operation.clone())
            .collect()
    }
}

fn start(mut command: Command, has_input: bool) -> Child {
    let input = if has_input { Stdio::piped() } else { Stdio::null() };
    let command = command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn finish(mut child: Child, input: Option<Vec<u8>>) -> std::process::Output {
    use std::io::Write as _;
    if let (Some(bytes), Some(mut pipe)) = (input, child.stdin.take()) {
        // On a thread, since a program that answers while it reads would block both sides. One that stops reading is no
        // fault of the test.
        std::thread::spawn(move || _ = pipe.write_all(&bytes));
    }
    child.wait_with_output().unwrap()
}
