//! Words of somebody else's text that could be a token are masked: of what AWS, an upstream or a rotation function quotes,
//! this run has not read everything.
//!
//! The rule is the other way round from a search for tokens: a word stays if it is plain (letters, as of a sentence or an error
//! code), a short number, a status, an ARN, or a host of AWS or of a registry that ECR knows. Everything else goes, so a token goes
//! whole, cut, in base64, in a URL and in JSON. A password of plain letters alone cannot be told from a word: it goes where its
//! name stands before it, where the run knows it (see [`Credential::redact`](config::Credential::redact)), and
//! where it is longer than words are.

use config::looks_like_a_token;

/// What stands in place of a word.
pub const MASK: &str = "[redacted]";

/// Words are no longer than that: `unauthenticated` has 15 letters, `misconfiguration` 16.
const LONGEST_WORD: usize = 18;

/// Words that are not plain and harmless.
const KNOWN: [&str; 29] = [
    "HTTP/1.1",
    "HTTP/2",
    "HTTP/2.0",
    "IPv4",
    "IPv6",
    "OAuth2",
    "access_denied",
    "ecr-pullthroughcache",
    "insufficient_scope",
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_token",
    "local-aws",
    "non-existent",
    "oauth2",
    "pull-through",
    "rate-limit",
    "rate-limited",
    "read-only",
    "sha256",
    "time-out",
    "unauthorized_client",
    "utf-8",
    "UTF-8",
    "well-formed",
    "EC2ThrottledException",
    "X.509",
    "x509",
];

/// What `identity-based`, `service-linked` and their like end in.
const ENDS_COMPOUND: [&str; 4] = ["based", "linked", "account", "region"];

/// The hosts of AWS, and of what ECR pulls from.
const HOSTS: [&str; 14] = [
    "amazonaws.com",
    "amazonaws.com.cn",
    "api.aws",
    "amazonaws.eu",
    "public.ecr.aws",
    "azurecr.io",
    "cgr.dev",
    "docker.com",
    "docker.io",
    "ghcr.io",
    "github.com",
    "gitlab.com",
    "k8s.io",
    "quay.io",
];

/// After these and a `:` or `=` stands a secret.
const NAMES_A_SECRET: [&str; 10] = [
    "accesstoken",
    "access_token",
    "apikey",
    "authorization",
    "passphrase",
    "passwd",
    "password",
    "pat",
    "secret",
    "token",
];

/// After these, a secret stands without either.
const CARRIES_A_SECRET: [&str; 2] = ["basic", "bearer"];

/// After the name of a secret these are what is said of it.
const SAID_OF_A_SECRET: [&str; 33] = [
    "access",
    "an",
    "authentication",
    "bad",
    "basic",
    "bearer",
    "cannot",
    "could",
    "denied",
    "does",
    "error",
    "expired",
    "failed",
    "forbidden",
    "http",
    "incorrect",
    "invalid",
    "is",
    "malformed",
    "missing",
    "not",
    "realm",
    "redacted",
    "refused",
    "required",
    "revoked",
    "server",
    "the",
    "unable",
    "unauthorized",
    "unknown",
    "was",
    "wrong",
];

/// Before a quoted name of a repository, a prefix or a template.
const BEFORE_A_NAME: [&str; 6] = ["name", "named", "prefix", "repository", "rule", "template"];

/// Masks every word of a text that could be a token.
pub fn mask(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = Before::default();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word = is_of_word(first);
        let end = rest.find(|c| is_of_word(c) != is_word).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        if is_word {
            before.add(part, &mut out);
        } else {
            before.between(part);
            out.push_str(part);
        }
        rest = after;
    }
    out
}

/// Brackets, quotes, commas and white space part words; anything else may be in a token.
fn is_of_word(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !"\"'`“”‘’()[]{}<>,;|\\".contains(c)
}

/// What stands before a word, as far as it tells what the word is.
#[derive(Default)]
struct Before {
    /// The last word, in small letters.
    word: String,
    /// The name of a secret, and whether a `:` or `=` came after it.
    secret: Option<bool>,
    quoted: bool,
}

impl Before {
    /// What parts two words.
    fn between(&mut self, part: &str) {
        self.quoted = part.ends_with(['\'', '"', '`']);
    }

    /// A word, which may be several with `:`, `=` and `&` between.
    fn add(&mut self, part: &str, out: &mut String) {
        if self.is_name(part) || is_arn(part) {
            out.push_str(part);
            self.take(part);
            return;
        }
        if let Some((scheme, address)) = part.split_once("://")
            && is_plain(scheme)
        {
            out.push_str(scheme);
            out.push_str("://");
            address_of(address, out);
            self.take(scheme);
            return;
        }
        // Not where it may be the padding of base64, or a part of a password.
        let trimmed = part.trim_end_matches([':', '=', '.', '!', '?']);
        let end = part.get(trimmed.len()..).unwrap_or_default();
        let begin = trimmed.len() - trimmed.trim_start_matches([':', '=', '.', '#']).len();
        let (begin, middle) = trimmed.split_at(begin);
        if begin.contains([':', '=']) {
            self.secret = self.secret.map(|_| true);
        }
        out.push_str(begin);
        let mut pieces = middle.split_inclusive([':', '=', '&']).peekable();
        while let Some(piece) = pieces.next() {
            let word = piece.trim_end_matches([':', '=', '&']);
            if word.is_empty() {
                self.secret = self.secret.map(|_| true);
                out.push_str(piece);
                continue;
            }
            let lower = word.to_lowercase();
            let is_secret =
                self.secret == Some(true) && lower.chars().count() > 3 && !SAID_OF_A_SECRET.contains(&lower.as_str());
            out.push_str(if is_secret || !is_harmless(word) { MASK } else { word });
            out.push_str(piece.get(word.len()..).unwrap_or_default());
            self.take(word);
            if pieces.peek().is_some() || piece.len() > word.len() {
                self.secret = self.secret.map(|_| true);
            }
        }
        out.push_str(end);
        if end.contains([':', '=']) {
            self.secret = self.secret.map(|_| true);
        }
    }

    fn take(&mut self, word: &str) {
        self.word = word.to_lowercase();
        let names = NAMES_A_SECRET.contains(&self.word.as_str());
        let carries = CARRIES_A_SECRET.contains(&self.word.as_str());
        self.secret = (names || carries).then_some(carries);
    }

    /// Whether it is a quoted name of a repository or a prefix.
    fn is_name(&self, part: &str) -> bool {
        let is_of_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-/".contains(c);
        self.quoted
            && BEFORE_A_NAME.contains(&self.word.as_str())
            && part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.chars().all(is_of_name)
            && !looks_like_a_token(part)
    }
}

/// An address without its scheme: user and password go, and what is asked for.
fn address_of(address: &str, out: &mut String) {
    let (path, query) = address.split_at(address.find(['?', '#']).unwrap_or(address.len()));
    let (host, path) = path.split_at(path.find('/').unwrap_or(path.len()));
    let (user, host) = match host.rsplit_once('@') {
        Some((_, host)) => (Some(MASK), host),
        None => (None, host),
    };
    if let Some(user) = user {
        out.push_str(user);
        out.push('@');
    }
    let (name, port) = host.split_at(host.rfind(':').unwrap_or(host.len()));
    out.push_str(if is_harmless(name) { name } else { MASK });
    out.push_str(if is_number(port.trim_start_matches(':')) || port.is_empty() {
        port
    } else {
        MASK
    });
    let end = path.trim_end_matches([':', '.', '/', '!']);
    out.push_str(if end.is_empty() || end.get(1..).is_some_and(is_harmless) {
        end
    } else {
        MASK
    });
    out.push_str(path.get(end.len()..).unwrap_or_default());
    if !query.is_empty() {
        out.push('?');
        out.push_str(MASK);
    }
}

/// Whether a word, without `:`, `=` and `&`, can be no token.
fn is_harmless(word: &str) -> bool {
    KNOWN.contains(&word) || is_date(word) || word.split('/').all(is_harmless_part)
}

/// The same of what stands between two slashes.
fn is_harmless_part(part: &str) -> bool {
    part.chars().count() <= 3 || KNOWN.contains(&part) || is_host(part) || is_region(part) || is_compound(part) || {
        is_constant(part)
            || is_number(part)
            || part
                .split('.')
                .all(|piece| is_plain(piece) || piece.chars().count() <= 3)
    }
}

/// A word of a sentence, an abbreviation, or a name as programs have them: `PullThroughCacheRule`, `isValid`, `AWSKMS`.
fn is_plain(word: &str) -> bool {
    if !word.chars().all(char::is_alphabetic) {
        return false;
    }
    let letters: Vec<char> = word.chars().collect();
    let is_lower = letters.iter().skip(1).all(|c| !c.is_uppercase());
    if letters.len() <= 5 || is_lower {
        return letters.len() <= LONGEST_WORD;
    }
    if letters.iter().all(|c| c.is_uppercase()) {
        return letters.len() <= LONGEST_WORD;
    }
    is_camel_case(&letters)
}

/// Words in one, each with a capital, of three letters on average: letters at random change case more often.
fn is_camel_case(letters: &[char]) -> bool {
    let begins_word = |pair: &[char]| matches!(pair, [a, b] if a.is_uppercase() && b.is_lowercase());
    let acronym = letters
        .iter()
        .take_while(|c| c.is_uppercase())
        .count()
        .saturating_sub(1);
    let after = letters.get(acronym..).unwrap_or_default();
    let begun = after.windows(2).filter(|pair| begins_word(pair)).count();
    let starts_small = after.first().is_some_and(|c| c.is_lowercase());
    let words = begun + usize::from(starts_small);
    let capitals = after.iter().filter(|c| c.is_uppercase()).count();
    let longest = after
        .split(|c| c.is_uppercase())
        .map(<[char]>::len)
        .max()
        .unwrap_or_default();
    let fits = after.len() >= 3 * words && longest < LONGEST_WORD;
    acronym <= 5 && letters.len() <= 64 && words > 0 && capitals == begun && fits
}

/// `PULL_THROUGH_CACHE`.
fn is_constant(word: &str) -> bool {
    word.len() <= 40
        && word
            .split('_')
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_uppercase()))
}

/// `identity-based`.
fn is_compound(word: &str) -> bool {
    word.split_once('-')
        .is_some_and(|(first, last)| is_plain(first) && ENDS_COMPOUND.contains(&last))
}

/// A status, a count, a port, an address of four numbers, or an account.
fn is_number(word: &str) -> bool {
    let is_account = word.len() == 12 && word.bytes().all(|b| b.is_ascii_digit());
    let pieces = word.trim_end_matches('%').split('.');
    is_account
        || pieces.clone().count() <= 4
            && pieces
                .into_iter()
                .all(|p| !p.is_empty() && p.len() <= 5 && p.bytes().all(|b| b.is_ascii_digit()))
}

/// `2026-11-28`, alone or with a time.
fn is_date(word: &str) -> bool {
    let date = word.split_once('T').map_or(word, |(date, _)| date);
    let parts: Vec<usize> = date.split('-').map(str::len).collect();
    let time = word.get(date.len()..).unwrap_or_default();
    parts == [4, 2, 2] && date.bytes().all(|b| b == b'-' || b.is_ascii_digit()) && time.len() <= 3
}

/// `eu-west-1`.
fn is_region(word: &str) -> bool {
    let parts: Vec<&str> = word.split('-').collect();
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
        return false;
    };
    let small = |part: &&str| part.len() <= 9 && part.bytes().all(|b| b.is_ascii_lowercase());
    let middle = parts.get(1..parts.len().saturating_sub(1)).unwrap_or_default();
    first.len() == 2 && small(first) && (1..=2).contains(&middle.len()) && middle.iter().all(small) && {
        last.len() == 1 && last.bytes().all(|b| b.is_ascii_digit())
    }
}

/// A host under a domain of [`HOSTS`].
fn is_host(word: &str) -> bool {
    let of = |domain: &str| {
        let before = word.strip_suffix(domain);
        before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    let is_of_host = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    HOSTS.iter().any(|domain| of(domain))
        && word.bytes().all(is_of_host)
        && word.split('.').all(|label| label.len() <= 50)
}

/// An ARN. What is named in it may have digits and capitals, but is not as long and mixed as a token.
fn is_arn(word: &str) -> bool {
    let parts: Vec<&str> = word.splitn(6, ':').collect();
    let [arn, partition, service, region, account, resource] = *parts else {
        return false;
    };
    let small = |text: &str| {
        text.len() <= 30
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let is_account = account.is_empty() || account == "aws" || (account.len() == 12 && is_number(account));
    let names = resource.split(['/', ':']).map(|name| name.trim_end_matches('.'));
    let is_mixed = |name: &str| {
        let has = |is: fn(&char) -> bool| name.chars().any(|c| is(&c));
        name.len() >= 20 && has(char::is_ascii_digit) && has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase)
    };
    arn == "arn"
        && (partition == "aws" || partition.starts_with("aws-"))
        && small(partition)
        && small(service)
        && (region.is_empty() || is_region(region))
        && is_account
        && names
            .into_iter()
            .all(|name| name.len() <= 128 && !is_mixed(name) && !looks_like_a_token(name))
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn what_could_be_a_token_goes() {
        for (text, left) in [
            (
                "denied for ghp_16C7e42F292c6912E7710c838347Ae178B4a",
                "denied for [redacted]",
            ),
            (
                "token dckr_pat_AbCdEfGhIjKlMnOpQrStUvWxYz0 is bad",
                "token [redacted] is bad",
            ),
            ("glpat-AbCdEfGhIjKlMnOpQrSt", "[redacted]"),
            ("bad token canary-docker-1", "bad token [redacted]"),
            ("bad token 'canary-docker-1'.", "bad token '[redacted]'."),
            (
                "user acme-bot, password canary-docker-1: 401 Unauthorized",
                "user [redacted], password [redacted]: 401 Unauthorized",
            ),
            // Cut.
            ("bad token canary-doc…", "bad token [redacted]"),
            ("bad token canary-", "bad token [redacted]"),
            ("bad token …7710c838347Ae178B4a", "bad token [redacted]"),
            ("bad token CANARY-DOCKER-1", "bad token [redacted]"),
            // base64, with padding and without, and for URLs.
            ("Basic YWNtZS1ib3Q6Y2FuYXJ5LWRvY2tlci0x", "Basic [redacted]"),
            (
                "Authorization: Basic YWNtZS1ib3Q6Y2E=",
                "Authorization: Basic [redacted]=",
            ),
            ("sent YWNtZS1ib3Q6Y2FuYXJ5LWRvY2tlci0x==", "sent [redacted]=="),
            ("sent YW+tZS/ib3Q", "sent [redacted]"),
            ("sent YW-tZS_ib3Q", "sent [redacted]"),
            ("sent ZZtopQWErtyUIop", "sent [redacted]"),
            // A JWT, and in pieces.
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmN", "[redacted]"),
            // URLs.
            (
                "GET https://acme-bot:canary-docker-1@registry-1.docker.io/v2/",
                "GET https://[redacted]@registry-1.docker.io/v2/",
            ),
            (
                "https://ghcr.io/token?service=ghcr.io&token=canary",
                "https://ghcr.io/token?[redacted]",
            ),
            ("https://ghcr.io/canary-docker-1/x", "https://ghcr.io[redacted]"),
            ("sent canary%2Ddocker%2D1", "sent [redacted]"),
            ("user=acme&password=hunter", "user=acme&password=[redacted]"),
            // JSON, also in JSON.
            (
                r#"{"username":"acme-bot","accessToken":"hunter"}"#,
                r#"{"username":"[redacted]","accessToken":"[redacted]"}"#,
            ),
            (r#"{\"accessToken\":\"hunter\"}"#, r#"{\"accessToken\":\"[redacted]\"}"#),
            (r"can\u0061ry-docker-1", r"can\[redacted]"),
            // Where its name stands before it.
            ("password: hunter", "password: [redacted]"),
            ("token=hunter", "token=[redacted]"),
            ("Bearer hunter", "Bearer [redacted]"),
            ("p@ssword!", "[redacted]!"),
            ("12345678", "[redacted]"),
            ("correcthorsebatterystaple", "[redacted]"),
            ("aVeryLongpasswordofoneword", "[redacted]"),
            (
                "arn:aws:iam::123456789012:user/ghp_16C7e42F292c6912E7710c838347Ae178B4a",
                "arn:aws:iam::123456789012:[redacted]",
            ),
        ] {
            assert_eq!(mask(text), left, "{text}");
        }
    }

    #[test]
    fn what_helps_stays() {
        for text in [
            "",
            "401 Unauthorized",
            "The upstream registry registry-1.docker.io refused the credentials: 401 Unauthorized.",
            "User: arn:aws:sts::123456789012:assumed-role/local-aws/local-aws is not authorized to perform: \
             ecr:CreatePullThroughCacheRule on resource: arn:aws:ecr:eu-west-1:123456789012:repository/team-a1/app because no \
             identity-based policy allows the ecr:CreatePullThroughCacheRule action",
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:ecr-pullthroughcache/dockerhub-AbCdEf",
            "arn:aws-cn:kms:cn-north-1:123456789012:key/(id)",
            "denied (Service: AWSKMS; Request ID: (id))",
            "The repository with name 'team-a1/app-2' does not exist in the registry with id '123456789012'",
            "The pull through cache rule with prefix 'docker-hub' exists already (PullThroughCacheRuleAlreadyExistsException)",
            "Rate exceeded: 10 requests in 1.5 s, HTTP/1.1 429 Too Many Requests",
            "unauthorized: incorrect username or password",
            "the token has expired",
            "invalid token: expired",
            "UnableToGetUpstreamImageException: the image library/nginx:1.27 was not found",
            "appliedFor must be one of PULL_THROUGH_CACHE, REPLICATION",
            "dial tcp 10.0.0.1:443: connect: connection refused",
            "lookup corp-1.azurecr.io in eu-west-1: no such host",
            "KMS.ThrottlingException",
            "Value at 'upstreamRegistryUrl' failed to satisfy constraint: Member must not be null",
            "instance failed to match exactly one (oneOf) schema, at #/rules/0/selection",
            "see https://docs.aws.amazon.com.",
            "error=invalid_token, scope missing",
            "(RequestTimeTooSkewed) 2026-11-28",
            "can’t be decrypted – ask GitHub",
        ] {
            assert_eq!(mask(text), text);
        }
    }

    #[test]
    fn a_masked_text_is_masked_no_further() {
        let once = mask("password: hunter, ghp_16C7e42F292c6912 and p@ss");
        assert_eq!(mask(&once), once);
    }
}
