//! [`LocalAws`]: the handle of one account, and the levers that tests pull. `wire` serves it, `lambda` runs functions on it.

use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use crate::api::{Answer, ApiError};
use crate::calls::{Call, rounds};
use crate::ecr::{Ecr, Pulled};
use crate::fault::{self, Fault, Verdict, matches_name};
use crate::iam::{self, Guard, Passing, Policy};
use crate::lock::lock;
use crate::options::Options;
use crate::round_barrier::RoundBarrier;
use crate::sqs::Sqs;
use crate::state::State;

/// A stand-in account with its server. Clones share it; the server stops with the last clone.
#[derive(Clone)]
pub struct LocalAws {
    inner: Arc<Inner>,
}

/// A reference that does not keep the account alive, for the server's own tasks.
#[derive(Clone)]
pub(crate) struct WeakAws(Weak<Inner>);

struct Inner {
    options: Options,
    address: SocketAddr,
    started: Instant,
    state: Mutex<State>,
    faults: Mutex<Vec<Fault>>,
    hooks: Mutex<Vec<Hook>>,
    calls: Mutex<CallLog>,
    connections: AtomicUsize,
    guard: Mutex<Guard>,
    round_barrier: RoundBarrier,
    runtime: Handle,
    stop: watch::Sender<bool>,
    server: Mutex<Option<JoinHandle<()>>>,
    /// Accounts of other Regions that are served here as well.
    others: Mutex<Vec<WeakAws>>,
}

#[derive(Default)]
struct CallLog {
    so_far: usize,
    calls: Vec<Call>,
    counts: BTreeMap<String, usize>,
    counts_only: bool,
}

/// Something to run just before or just after a certain call.
struct Hook {
    moment: Moment,
    service: String,
    operation: String,
    left: usize,
    run: Run,
}

type Run = Box<dyn FnOnce(&LocalAws) + Send>;

/// Which side of a call a hook runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    Before,
    After,
}

impl LocalAws {
    /// A new account for a server at `address`. `runtime` is the server's, and `stop` tells the server to stop.
    pub(crate) fn new(options: Options, address: SocketAddr, runtime: Handle, stop: watch::Sender<bool>) -> Self {
        Self {
            inner: Arc::new(Inner {
                address,
                started: Instant::now(),
                state: Mutex::new(State::new(&options, &format!("http://{address}"))),
                options,
                faults: Mutex::default(),
                hooks: Mutex::default(),
                calls: Mutex::default(),
                connections: AtomicUsize::new(0),
                guard: Mutex::default(),
                round_barrier: RoundBarrier::default(),
                runtime,
                stop,
                server: Mutex::default(),
                others: Mutex::default(),
            }),
        }
    }

    /// Keeps the server's thread, for [`LocalAws::shutdown`] to wait for.
    pub(crate) fn served_by(&self, server: JoinHandle<()>) {
        *lock(&self.inner.server) = Some(server);
    }

    pub(crate) fn downgrade(&self) -> WeakAws {
        WeakAws(Arc::downgrade(&self.inner))
    }

    /// `http://127.0.0.1:PORT`, for `AWS_ENDPOINT_URL`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.inner.address)
    }

    /// One call of `ecr`, `secretsmanager`, `sqs`, `kms`, `iam`, `cloudformation` or `lambda` in AWS's own JSON, past HTTP, faults, hooks and the call log: this is how
    /// tests prepare and inspect the account. A missing `ClientRequestToken` is filled in, as SDKs do.
    ///
    /// # Errors
    /// AWS's error.
    pub fn call(&self, service: &str, operation: &str, input: Value) -> Answer {
        let mut input = input;
        let takes_token = matches!(operation, "CreateSecret" | "PutSecretValue" | "UpdateSecret");
        if let (true, "secretsmanager", Some(members)) = (takes_token, service, input.as_object_mut()) {
            members
                .entry("ClientRequestToken")
                .or_insert_with(|| json!(Uuid::new_v4().to_string()));
        }
        self.state().call(service, operation, &input)
    }

    /// Makes an S3 bucket; one that exists keeps its objects and takes the versioning, which `false` suspends where there was
    /// any.
    pub fn create_bucket(&self, name: &str, versioned: bool) {
        self.state().s3.create_bucket(name, versioned);
    }

    /// Puts an object, making the bucket if need be, and answers its version id if the bucket is versioned.
    pub fn put_object(&self, bucket: &str, key: &str, body: impl Into<Vec<u8>>) -> Option<String> {
        let mut state = self.state();
        let (context, body) = (state.context(), body.into());
        let State { s3, events, .. } = &mut *state;
        s3.put_plainly(&context, bucket, key, body, events)
    }

    /// The newest version of an object, if it is not deleted.
    #[must_use]
    pub fn object(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        self.state().s3.body(bucket, key)
    }

    /// The keys of a bucket, in order.
    #[must_use]
    pub fn objects(&self, bucket: &str) -> Vec<String> {
        self.state().s3.keys(bucket)
    }

    /// Makes a KMS key of this material, or changes the one that has this id, and answers its ARN. What another stand-in
    /// has encrypted under the same id and material can be decrypted here.
    pub fn import_key(&self, id: &str, material: [u8; 32], enabled: bool) -> String {
        let mut state = self.state();
        let context = state.context();
        state.kms.import(&context, id, material, enabled)
    }

    /// Makes a role with these policy documents, each with its name, for SimulatePrincipalPolicy to look at; gives its ARN.
    /// Nothing is held against it: that is [`LocalAws::enforce`].
    ///
    /// # Errors
    /// The first thing in the documents that is not understood.
    pub fn put_role(&self, name: &str, documents: &[(String, Value)]) -> Result<String, String> {
        let mut state = self.state();
        let context = state.context();
        state.roles.put(&context, name, documents)
    }

    /// Adds a fault; those added first speak first.
    pub fn fault(&self, fault: Fault) {
        lock(&self.inner.faults).push(fault);
    }

    /// Takes all faults away.
    pub fn clear_faults(&self) {
        lock(&self.inner.faults).clear();
    }

    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.inner.calls).calls.clone()
    }

    /// How many connections have been opened to this account since it was made.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.inner.connections.load(Ordering::Relaxed)
    }

    pub(crate) fn connected(&self) {
        self.inner.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// How many sequential round trips the calls in the log come to: see [`rounds`].
    #[must_use]
    pub fn rounds(&self) -> usize {
        rounds(&lock(&self.inner.calls).calls)
    }

    /// From now on answers leave together, once no call has come for `quiet`, which has to be longer than a client takes
    /// from one call to the next that waits for no answer. Then [`LocalAws::rounds`] does not vary with the machine.
    /// `None`, or a reset, ends that.
    pub fn answer_in_rounds(&self, quiet: Option<Duration>) {
        self.inner.round_barrier.set(quiet);
    }

    /// How many calls there were of each operation, by `service:Operation`; throttled ones have an entry of their own,
    /// `ecr:PutLifecyclePolicy!ThrottlingException`, and are in no other. Since the log was cleared last.
    #[must_use]
    pub fn call_counts(&self) -> BTreeMap<String, usize> {
        lock(&self.inner.calls).counts.clone()
    }

    /// Whether to keep only [`LocalAws::call_counts`] from now on and no [`LocalAws::calls`], for runs of a hundred
    /// thousand calls. A reset turns it off.
    pub fn count_calls_only(&self, only: bool) {
        lock(&self.inner.calls).counts_only = only;
    }

    /// Empties the call log.
    pub fn clear_calls(&self) {
        let mut log = lock(&self.inner.calls);
        log.calls.clear();
        log.counts.clear();
    }

    /// From now on calls over HTTP that are signed with this access key are held against a policy, as those of a role
    /// are. Calls with other keys, and [`LocalAws::call`], may do anything.
    pub fn enforce(&self, access_key: &str, policy: Policy) {
        self.guard().enforce(access_key, policy);
    }

    /// What the policies have refused, oldest first: call, action and resource.
    #[must_use]
    pub fn denied(&self) -> Vec<String> {
        self.guard().denied()
    }

    /// What the policies have allowed: the sid of the statement, and its action and resource as they are written there.
    #[must_use]
    pub fn used_statements(&self) -> BTreeSet<(String, String, String)> {
        self.guard().used()
    }

    /// The EventBridge events that writes have raised, oldest first: "Object Created", "Secret Label Updated" and "ECR Pull
    /// Through Cache Action".
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        self.state().events.clone()
    }

    /// Runs something just before the `nth` next such call (1 is the next) is processed, for example another person's
    /// edit. `*` is any name. The call has arrived already, so it is processed even if the hook kills its sender; a crash
    /// *before* the call is a kill and a fault: `function.kill(); aws.fault(Fault::on("*", "*").times(1).reset())`.
    pub fn before(&self, service: &str, operation: &str, nth: usize, hook: impl FnOnce(&LocalAws) + Send + 'static) {
        self.add_hook(Moment::Before, service, operation, nth, Box::new(hook));
    }

    /// Runs something just after the `nth` next such call was processed (or refused, or lost), before its answer is sent.
    pub fn after(&self, service: &str, operation: &str, nth: usize, hook: impl FnOnce(&LocalAws) + Send + 'static) {
        self.add_hook(Moment::After, service, operation, nth, Box::new(hook));
    }

    /// From now on the upstream at `host` accepts this credential.
    pub fn accept_upstream(&self, host: &str, username: &str, token: &str) {
        self.state().ecr.upstreams().accept(host, username, token);
    }

    /// From now on the upstream at `host` refuses this credential.
    pub fn refuse_upstream(&self, host: &str, username: &str, token: &str) {
        self.state().ecr.upstreams().refuse(host, username, token);
    }

    /// From now on every sign-in at `host` fails with this text, which ECR passes on, whatever the credential; with `None`
    /// no more.
    pub fn upstream_says(&self, host: &str, text: Option<&str>) {
        self.state().ecr.upstreams().say(host, text);
    }

    /// From now on the upstream at `host` does not give this image (`library/nginx:1.27`), for what ECR calls this: of
    /// `ImageFailureCode`, for example `ImageNotFound` or `UpstreamTooManyRequests`. It gives all others.
    pub fn fail_upstream_image(&self, host: &str, image: &str, code: &str) {
        self.state().ecr.upstreams().fail(host, image, code);
    }

    /// The tag of this image (`library/nginx:1.27`) moves at its upstream, which gives another image from now on.
    pub fn move_upstream_tag(&self, host: &str, image: &str) {
        self.state().ecr.upstreams().move_tag(host, image);
    }

    /// Every credential that an upstream was shown, by a proof or a pull: host, user, token.
    #[must_use]
    pub fn shown_credentials(&self) -> std::collections::BTreeSet<[String; 3]> {
        self.state().ecr.upstreams().shown()
    }

    /// Pulls an image, named without the registry host (`dockerhub/library/nginx:1.27`), through the account's rules.
    ///
    /// # Errors
    /// Why the pull would fail.
    pub fn pull(&self, image: &str) -> Result<Pulled, ApiError> {
        self.state().pull(image)
    }

    /// The ECR registry itself, for its rarer levers: principals that IAM does not know yet, previews that fail, and
    /// what AWS is not known to do either way.
    pub fn with_ecr<T>(&self, change: impl FnOnce(&mut Ecr) -> T) -> T {
        change(&mut self.state().ecr)
    }

    /// The queues themselves, for the levers of what standard queues do not promise: order, and delivery only once.
    pub fn with_sqs<T>(&self, change: impl FnOnce(&mut Sqs) -> T) -> T {
        change(&mut self.state().sqs)
    }

    /// Makes a queue and its dead-letter queue, `<name>-dlq`, and answers their URLs. Queues that exist keep their
    /// messages.
    pub fn create_queue_pair(&self, name: &str, max_receive_count: u64) -> (String, String) {
        let mut state = self.state();
        let context = state.context();
        state.sqs.create_pair(&context, name, max_receive_count)
    }

    /// What Lambda's poller does before it calls a function: receives up to `most` visible messages, which counts as a
    /// receive and hides them for the queue's visibility timeout, and gives the function's event. `None` where no message
    /// is visible, or no queue has this URL. Not in the call log, and past all faults: the poller's calls are not ours.
    #[must_use]
    pub fn take_work(&self, queue_url: &str, most: usize) -> Option<Value> {
        let mut state = self.state();
        let context = state.context();
        state.sqs.take_work(&context, queue_url, most)
    }

    /// What Lambda's poller does after the function: deletes the messages of the event (`done`), or makes them visible
    /// again at once. The latter is for tests that do not want to wait: real Lambda lets their visibility timeout run out.
    /// An event with some of its records finishes just these, as a partial batch response does.
    pub fn finish_work(&self, event: &Value, done: bool) {
        let mut state = self.state();
        let context = state.context();
        state.sqs.finish_work(&context, event, done);
    }

    /// All messages of a queue without receiving them, oldest first: `messageId`, `body`, `attributes` and
    /// `messageAttributes` as Lambda writes them, `receiveCount`, and whether it is `visible`.
    #[must_use]
    pub fn messages(&self, queue_url: &str) -> Vec<Value> {
        let state = self.state();
        state.sqs.messages(&state.context(), queue_url)
    }

    /// Makes repositories, each with as many tagged images: `v1`, `v2` and so on, pushed one a day, the last one now.
    /// Made for ten thousand of them; those that are there already stay as they are.
    pub fn seed_repositories(&self, names: impl IntoIterator<Item = String>, images_each: usize) {
        let mut state = self.state();
        let context = state.context();
        state.ecr.seed_repositories(&context, names, images_each);
    }

    /// Makes a secret with this very ARN, random end and all, and a first value.
    ///
    /// # Errors
    /// When it is not a full ARN of this account and region, or CreateSecret would refuse it.
    pub fn seed_secret(&self, arn: &str, value: &str) -> Answer {
        let mut state = self.state();
        let context = state.context();
        let input = json!({"SecretString": value, "ClientRequestToken": Uuid::new_v4().to_string()});
        let State { secrets, events, .. } = &mut *state;
        secrets.seed(&context, arn, &input, events)
    }

    /// Rotates a secret to this value, as its rotation function and Secrets Manager do together.
    ///
    /// # Errors
    /// When one of their calls would be refused.
    pub fn rotate(&self, id: &str, value: &str) -> Answer {
        let mut state = self.state();
        let context = state.context();
        let State { secrets, events, .. } = &mut *state;
        secrets.rotate(&context, id, value, events)
    }

    /// Turns a secret's rotation on: it is due by `next`. Nothing rotates it but [`LocalAws::rotate`].
    ///
    /// # Errors
    /// When there is no such secret.
    pub fn turn_rotation_on(&self, id: &str, next: Timestamp) -> Result<(), ApiError> {
        let mut state = self.state();
        let context = state.context();
        state.secrets.turn_rotation_on(&context, id, next)
    }

    /// Registers a function as deployed, with the variables of its environment, for those who look it up; gives its ARN.
    /// Nothing runs: what runs a function is [`LocalAws::lambda`].
    pub fn deploy_function(&self, name: &str, variables: &[(&str, &str)]) -> String {
        let variables = variables
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let mut state = self.state();
        let context = state.context();
        state.functions.deploy(&context, name, variables)
    }

    /// Registers a stack with its status and outputs, for those who look it up, or gives one that is there new ones; gives its
    /// id. Nothing is deployed by it.
    ///
    /// # Errors
    /// When the name or the status is none that AWS has.
    pub fn put_stack(&self, name: &str, status: &str, outputs: &[(&str, &str)]) -> Answer {
        let outputs = outputs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let mut state = self.state();
        let context = state.context();
        state.stacks.put(&context, name, status, outputs)
    }

    /// Lets this account's server take the calls for another Region too, as the one endpoint of a client would: what is signed
    /// for the Region of `other` is answered, logged and refused by `other`.
    pub fn serve_too(&self, other: &LocalAws) {
        lock(&self.inner.others).push(other.downgrade());
    }

    /// The account that answers for a Region, where this one does not.
    pub(crate) fn of_region(&self, region: &str) -> Option<LocalAws> {
        let others = lock(&self.inner.others);
        let mut others = others.iter().filter_map(WeakAws::upgrade);
        others.find(|other| other.options().region == region)
    }

    /// Moves the account's clock on.
    pub fn advance(&self, by: Duration) {
        self.state().advance(by);
    }

    /// The account's time: real time plus all that [`LocalAws::advance`] added.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.state().now()
    }

    /// A new, empty account at the same address: state, faults, hooks, calls and events are gone. Policies stay.
    pub fn reset(&self) {
        *self.state() = State::new(&self.inner.options, &self.endpoint());
        self.clear_faults();
        lock(&self.inner.hooks).clear();
        self.clear_calls();
        self.count_calls_only(false);
        self.answer_in_rounds(None);
        self.guard().forget();
    }

    /// Stops the server. Calls that wait for an answer see their connection close.
    pub fn shutdown(&self) {
        self.inner.stop.send_replace(true);
        let server = lock(&self.inner.server).take();
        if let Some(server) = server.filter(|server| server.thread().id() != thread::current().id()) {
            // It ends with () or by a panic that has been printed already.
            let _ = server.join();
        }
    }

    /// What it was started with.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.inner.state)
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.inner.runtime
    }

    fn guard(&self) -> MutexGuard<'_, Guard> {
        lock(&self.inner.guard)
    }

    pub(crate) fn authorize(&self, call: Passing<'_>) -> Result<(), ApiError> {
        let Some(input) = call.input.filter(|_| self.guard().holds(call.access_key)) else {
            return Ok(());
        };
        let needs = iam::needs(&self.state(), call.service, call.operation, input);
        self.guard().authorize(&self.inner.options, call, needs)
    }

    /// An object that is not there is a refusal to those who may not list the bucket: they must not learn it.
    pub(crate) fn conceal(&self, call: Passing<'_>, bucket: &str) -> Result<(), ApiError> {
        let need = iam::need_of_a_missing_object(&self.state(), bucket);
        self.guard().authorize(&self.inner.options, call, Some(vec![need]))
    }

    /// The time since the account was started, by a clock that never jumps.
    pub(crate) fn uptime(&self) -> Duration {
        self.inner.started.elapsed()
    }

    pub(crate) fn round_barrier(&self) -> &RoundBarrier {
        &self.inner.round_barrier
    }

    pub(crate) fn judge(&self, service: &str, operation: &str, subject: &str) -> Verdict {
        fault::judge(
            &mut lock(&self.inner.faults),
            Instant::now(),
            service,
            operation,
            subject,
        )
    }

    pub(crate) fn log(&self, mut call: Call) {
        let mut log = lock(&self.inner.calls);
        log.so_far += 1;
        call.n = log.so_far;
        *log.counts.entry(call.kind()).or_default() += 1;
        if !log.counts_only {
            log.calls.push(call);
        }
    }

    /// Runs the hooks that are due at this moment of a call. They may block, so they get threads of their own.
    pub(crate) async fn run_hooks(&self, moment: Moment, service: &str, operation: &str) {
        for run in self.due(moment, service, operation) {
            let aws = self.clone();
            // A hook that panics has printed why; its test fails by what the hook did not do.
            let _ = tokio::task::spawn_blocking(move || run(&aws)).await;
        }
    }

    fn due(&self, moment: Moment, service: &str, operation: &str) -> Vec<Run> {
        let mut hooks = lock(&self.inner.hooks);
        let mut due = Vec::new();
        for mut hook in std::mem::take(&mut *hooks) {
            if hook.moment == moment && matches_name(&hook.service, service) && matches_name(&hook.operation, operation)
            {
                hook.left = hook.left.saturating_sub(1);
            }
            if hook.left == 0 {
                due.push(hook.run);
            } else {
                hooks.push(hook);
            }
        }
        due
    }

    fn add_hook(&self, moment: Moment, service: &str, operation: &str, nth: usize, run: Run) {
        let (service, operation) = (service.to_owned(), operation.to_owned());
        lock(&self.inner.hooks).push(Hook {
            moment,
            service,
            operation,
            left: nth.max(1),
            run,
        });
    }
}

impl std::fmt::Debug for LocalAws {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalAws")
            .field("endpoint", &self.endpoint())
            .finish_non_exhaustive()
    }
}

impl WeakAws {
    /// The account, unless its last user has let go of it.
    pub(crate) fn upgrade(&self) -> Option<LocalAws> {
        self.0.upgrade().map(|inner| LocalAws { inner })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}
