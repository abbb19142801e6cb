//! IAM's wildcards: `*` for any text, `?` for any one character.

/// Whether the whole text matches.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where the last star stood, and how far into the text it reaches so far.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match (pattern.get(p), text.get(t)) {
            (Some('*'), _) => {
                star = Some((p, t));
                p += 1;
            }
            (Some(one), Some(other)) if *one == '?' || one == other => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, reach)) => {
                    star = Some((at, reach + 1));
                    p = at + 1;
                    t = reach + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|left| *left == '*')
}

/// Whether an ARN matches, segment by segment: a wildcard does not reach over the colons before the resource.
pub(super) fn matches_arn(pattern: &str, arn: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let (pattern, arn): (Vec<&str>, Vec<&str>) = (pattern.splitn(6, ':').collect(), arn.splitn(6, ':').collect());
    pattern.len() == arn.len() && pattern.iter().zip(&arn).all(|(pattern, text)| matches(pattern, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        let table = [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "a/b:c", true),
            ("a*", "a", true),
            ("a*c", "abbc", true),
            ("a*c", "abbcd", false),
            ("*b*b", "abab", true),
            ("*b*b", "aba", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a", "A", false),
        ];
        for (pattern, text, fits) in table {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn arns_match_segment_by_segment() {
        let secret = "arn:aws:secretsmanager:eu-west-1:1:secret:ecr-pullthroughcache/a-AbCdEf";
        let table = [
            ("*", secret, true),
            (
                "arn:aws:secretsmanager:eu-west-1:1:secret:ecr-pullthroughcache/*",
                secret,
                true,
            ),
            ("arn:aws:secretsmanager:*:*:secret:*", secret, true),
            ("arn:aws:secretsmanager:*", secret, false),
            ("arn:aws:secretsmanager:eu-west-1:2:*", secret, false),
            ("arn:aws:s3:::b/*", "arn:aws:s3:::b/k", true),
            ("arn:aws:s3:::b/*", "arn:aws:s3:::b", false),
            ("arn:aws:s3:::b", "*", false),
        ];
        for (pattern, arn, fits) in table {
            assert_eq!(matches_arn(pattern, arn), fits, "{pattern} {arn}");
        }
    }
}
