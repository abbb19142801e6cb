//! Whether a text of ECR's tells of a credential that was refused, or of an upstream that could not answer.
//!
//! ECR gives one free text for both, and documents none. A refusal can take a value back, so what reads like an outage is
//! not one.

/// What a text tells of.
#[derive(Clone, Copy, PartialEq)]
enum Sign {
    Refusal,
    Outage,
}

/// Words that name an outage or a limit. In a row, or as one word, as in `TooManyRequests`.
const OUTAGE: [&[&str]; 31] = [
    &["service", "unavailable"],
    &["unavailable"],
    &["bad", "gateway"],
    &["gateway", "timeout"],
    &["internal", "server", "error"],
    &["internal", "error"],
    &["internal", "failure"],
    &["server", "error"],
    &["timeout"],
    &["time", "out"],
    &["timed", "out"],
    &["deadline", "exceeded"],
    &["too", "many"],
    &["too", "many", "requests"],
    &["rate", "limit"],
    &["rate", "limited"],
    &["rate", "exceeded"],
    &["limit", "exceeded"],
    &["pull", "limit"],
    &["throttled"],
    &["throttling"],
    &["try", "again"],
    &["slow", "down"],
    &["overloaded"],
    &["maintenance"],
    &["connection", "refused"],
    &["connection", "reset"],
    &["connection", "closed"],
    &["no", "such", "host"],
    &["unreachable"],
    &["to", "connect"],
];

/// Words that name a refusal beyond doubt.
const REFUSAL: [&[&str]; 6] = [
    &["unauthorized"],
    &["incorrect", "username"],
    &["incorrect", "password"],
    &["invalid", "credentials"],
    &["invalid", "username"],
    &["bad", "credentials"],
];

/// Words before a number that make it an HTTP status. Any other number is an id, a port or a count.
const BEFORE_STATUS: [&str; 15] = [
    "status",
    "code",
    "http",
    "http/2",
    "error",
    "returned",
    "returns",
    "responded",
    "response",
    "with",
    "received",
    "got",
    "answered",
    "answer",
    "a",
];

/// Words after a number that make it an HTTP status.
const AFTER_STATUS: [&str; 9] = [
    "service", "bad", "gateway", "internal", "too", "request", "server", "error", "response",
];

/// Whether a text reads like an outage: a 5xx, a time-out, a limit, a connection that failed. The first such sign in the text
/// decides, so that a 401 whose request id ends in 503 stays a refusal. Without any sign it is one too.
pub(super) fn reads_like_an_outage(text: &str) -> bool {
    let text = text
        .to_lowercase()
        .replace("http/1.1", "http")
        .replace("http/2.0", "http");
    let words = text
        .split(|c: char| !c.is_alphanumeric() && !"/_-".contains(c))
        .filter(|word| !word.is_empty());
    let words: Vec<&str> = words.collect();
    (0..words.len()).find_map(|at| sign(&words, at)) == Some(Sign::Outage)
}

/// The sign that begins at a word.
fn sign(words: &[&str], at: usize) -> Option<Sign> {
    let rest = words.get(at..)?;
    let word = *rest.first()?;
    if let Some(status) = status(word) {
        let before = at.checked_sub(1).and_then(|before| words.get(before));
        let is_one = before.is_none_or(|before| BEFORE_STATUS.contains(before))
            || rest.get(1).is_some_and(|after| AFTER_STATUS.contains(after));
        return is_one.then_some(status).flatten();
    }
    let begins = |phrase: &[&str]| says(rest, phrase);
    if REFUSAL.iter().any(|phrase| begins(phrase)) {
        return Some(Sign::Refusal);
    }
    OUTAGE.iter().any(|phrase| begins(phrase)).then_some(Sign::Outage)
}

/// Whether the words begin with a phrase, be it apart, with hyphens (`time-out`), or in one (`ServiceUnavailableException`).
fn says(words: &[&str], phrase: &[&str]) -> bool {
    let Some(first) = words.first() else { return false };
    let name = first.strip_suffix("exception").unwrap_or(first);
    let in_one = |between: &str| *name == *phrase.join(between);
    in_one("")
        || in_one("-")
        || in_one("_")
        || (words.len() >= phrase.len() && words.iter().zip(phrase).all(|(a, b)| a == b))
}

/// What a number of three digits means as an HTTP status. One that says nothing of either is `Some(None)`.
fn status(word: &str) -> Option<Option<Sign>> {
    if word.len() != 3 {
        return None;
    }
    match word.parse::<u16>().ok()? {
        401 => Some(Some(Sign::Refusal)),
        408 | 429 | 500..=599 => Some(Some(Sign::Outage)),
        _ => Some(None),
    }
}

#[cfg(test)]
mod tests {
    use super::reads_like_an_outage;

    #[test]
    fn what_reads_like_an_outage_is_no_refusal() {
        for text in [
            "503 Service Unavailable",
            "The upstream registry registry-1.docker.io could not be reached: 503 Service Unavailable.",
            "received unexpected HTTP status: 502 Bad Gateway",
            "failed to authorize: failed to fetch oauth token: unexpected status: 500 Internal Server Error",
            "HTTP/1.1 504 Gateway Time-out",
            "upstream returned 500",
            "status code 521",
            "{\"status\":503,\"error\":\"\"}",
            "status=429",
            "429 Too Many Requests",
            "toomanyrequests: You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit",
            "TooManyRequestsException",
            "ThrottlingException: Rate exceeded",
            "403 Forbidden: API rate limit exceeded for user ID 12345",
            "denied: rate-limit reached",
            "too many failed login attempts for username or IP address",
            "The upstream registry is temporarily unavailable, please try again later",
            "UNAVAILABLE",
            "ServiceUnavailable",
            "net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)",
            "read: operation timed out",
            "Request time-out",
            "context deadline exceeded",
            "dial tcp 1.2.3.4:443: connect: connection refused",
            "connection reset by peer",
            "dial tcp: lookup registry.gitlab.com: no such host",
            "Authentication failed: connection timed out",
            "GitLab is down for maintenance",
            "unable to connect to the upstream",
        ] {
            assert!(reads_like_an_outage(text), "{text}");
        }
    }

    #[test]
    fn a_refusal_stays_one_whatever_numbers_it_mentions() {
        for text in [
            "",
            "401 Unauthorized",
            "The upstream registry registry-1.docker.io refused the credentials: 401 Unauthorized.",
            "401 Unauthorized (request 503-7f)",
            "401 Unauthorized, request id 503",
            "request 503: 401 Unauthorized",
            "id 0e3e-503: unauthorized: incorrect username or password",
            "trace=503 unauthorized: authentication required",
            "HTTP 401 after 500 ms",
            "HTTP 401: try again with another token",
            "403 Forbidden",
            "denied: requested access to the resource is denied",
            "unauthorized: HTTP Basic: Access denied",
            "Bad credentials (port 502)",
            "the user timeout-bot is not known",
            "the token has expired",
            "UnableToAccessSecretException: the secret could not be read",
            "The secret could not be found.",
            "code 5030",
        ] {
            assert!(!reads_like_an_outage(text), "{text}");
        }
    }
}
