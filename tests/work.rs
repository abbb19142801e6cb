//! Work on repositories that one invocation cannot finish: handed over to the queue, and done from there.

mod again;
mod hand_over;
mod newer_file;
mod refused;

use crate::existing;
use crate::work_queue::WorkQueue;

const REPOSITORIES: usize = 220;

/// How many repositories have the tag with this value.
fn tagged(queue: &WorkQueue, value: &str) -> usize {
    existing::tagged(&queue.aws, REPOSITORIES, value)
}

/// Every message of the queue, as it comes to the function.
fn events(queue: &WorkQueue) -> Vec<serde_json::Value> {
    std::iter::from_fn(|| queue.aws.take_work(&queue.url, 1)).collect()
}
