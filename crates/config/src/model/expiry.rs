//! When a credential lapses, as people write it and as a token says it.

use aws_smithy_types::base64;
use jiff::Timestamp;
use jiff::civil::DateTime;
use serde::Deserialize;
use zeroize::Zeroizing;

/// What [`instant`] takes, for messages.
pub const FORM: &str = "a day such as `2027-05-01` (from 00:00 UTC on) or an instant such as `2027-05-01T12:00:00Z`";

/// The same as a pattern. That the day is in the calendar is left to [`instant`].
pub(crate) const PATTERN: &str =
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2}))?$";

/// Reads a day, which begins at 00:00 UTC, or an instant (RFC 3339). `None` for any other text.
#[must_use]
pub fn instant(text: &str) -> Option<Timestamp> {
    let day = text.get(..10)?;
    let shaped = |text: &str, shape: &str| {
        text.len() == shape.len()
            && text.bytes().zip(shape.bytes()).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                form => byte.eq_ignore_ascii_case(&form),
            })
    };
    if !shaped(day, "0000-00-00") {
        return None;
    }
    let time = text.get(10..)?;
    if time.is_empty() {
        return utc(&format!("{day}T00:00:00Z"));
    }
    // The parser knows more forms than RFC 3339: a space, no colons, a time zone in brackets.
    let (clock, rest) = time.split_at_checked(9)?;
    let fraction = rest
        .strip_prefix('.')
        .map_or(0, |digits| 1 + digits.bytes().take_while(u8::is_ascii_digit).count());
    let zone = rest.get(fraction..)?;
    let is_zone = ["z", "+00:00", "-00:00"].iter().any(|shape| shaped(zone, shape));
    let is_rfc_3339 = shaped(clock, "T00:00:00") && (fraction == 0 || (2..=10).contains(&fraction)) && is_zone;
    is_rfc_3339.then(|| utc(text)).flatten()
}

/// An instant of the calendar. The last two days of the year 9999 are past what [`Timestamp`] holds, and read as its end.
fn utc(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| {
        let local: DateTime = text.get(..19)?.parse().ok()?;
        (local.year() == 9999).then(end)
    })
}

fn end() -> Timestamp {
    Timestamp::from_second(Timestamp::MAX.as_second()).unwrap_or(Timestamp::MAX)
}

/// What is read of a JSON Web Token (RFC 7519): nothing else of it is of interest, and nothing of it is shown.
#[derive(Deserialize)]
struct Claims {
    exp: f64,
}

/// The header of a JSON Web Token, which tells it from other texts with two dots in them.
#[derive(Deserialize)]
struct Header {
    #[serde(rename = "alg")]
    _algorithm: serde::de::IgnoredAny,
}

/// The seconds from 1970 to the end of the year 9999.
const YEARS: std::ops::Range<f64> = 0.0..253_402_300_800.0;

/// The instant in the `exp` of a token that is a JSON Web Token. The signature is not looked at: who could forge one could
/// as well put another token in its place.
#[must_use]
pub fn of_token(token: &str) -> Option<Timestamp> {
    let mut parts = token.split('.');
    let (Some(header), Some(claims), Some(_signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    _ = object::<Header>(header)?;
    let Claims { exp } = object(claims)?;
    if !YEARS.contains(&exp) {
        return None;
    }
    #[allow(
        clippy::cast_possible_truncation,
        reason = "it is in range, and of a fraction of a second nobody can make use"
    )]
    Some(Timestamp::from_second(exp as i64).unwrap_or_else(|_| end()))
}

/// A part of a JSON Web Token, which is a map of JSON.
fn object<T: serde::de::DeserializeOwned>(part: &str) -> Option<T> {
    let json = decoded(part)?;
    // Serde takes lists for structs too.
    json.starts_with(b"{")
        .then(|| serde_json::from_slice(&json).ok())
        .flatten()
}

/// Base64 for URLs, without padding (RFC 7515, section 2).
fn decoded(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut standard = Zeroizing::new(String::with_capacity(text.len() + 3));
    for byte in text.bytes() {
        standard.push(match byte {
            b'-' => '+',
            b'_' => '/',
            byte if byte.is_ascii_alphanumeric() => char::from(byte),
            _ => return None,
        });
    }
    while !standard.len().is_multiple_of(4) {
        standard.push('=');
    }
    base64::decode(standard.as_str()).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_instants() {
        for (text, read) in [
            ("2027-05-01", Some("2027-05-01T00:00:00Z")),
            ("2027-05-01T12:30:00Z", Some("2027-05-01T12:30:00Z")),
            ("2027-05-01t12:30:00.5z", Some("2027-05-01T12:30:00.5Z")),
            ("2027-05-01T00:30:00+02:00", Some("2027-04-30T22:30:00Z")),
            ("0001-01-01", Some("0001-01-01T00:00:00Z")),
            ("9999-12-31", Some("9999-12-30T22:00:00Z")),
            ("9999-12-31T23:00:00Z", Some("9999-12-30T22:00:00Z")),
            ("9999-12-31T25:00:00Z", None),
            ("9999-12-32", None),
            ("2027-02-29", None),
            ("2027-13-01", None),
            ("2027-05-01T25:00:00Z", None),
            ("2027-05-01T12:30:00", None),
            ("2027-05-01 12:30:00Z", None),
            ("2027-05-01T12:30Z", None),
            ("2027-05-01T12:30:00Z[Europe/Berlin]", None),
            ("2027-05-01T12:30:00.Z", None),
            ("20270501", None),
            ("20270501T123000Z", None),
            ("+002027-05-01", None),
            ("99999-01-01", None),
            ("-2027-05-01", None),
            ("tomorrow", None),
            ("2027-05-0\u{661}", None),
            ("", None),
        ] {
            assert_eq!(instant(text).map(|time| time.to_string()).as_deref(), read, "{text}");
        }
    }

    fn jwt(header: &str, claims: &str) -> String {
        let encoded = |text: &str| {
            let text = base64::encode(text);
            text.trim_end_matches('=').replace('+', "-").replace('/', "_")
        };
        format!("{}.{}.c2ln", encoded(header), encoded(claims))
    }

    #[test]
    fn only_a_json_web_token_says_when_it_lapses() {
        const HEADER: &str = r#"{"alg":"RS256"}"#;
        let said = |claims: &str| of_token(&jwt(HEADER, claims)).map(|time| time.to_string());
        for (claims, time) in [
            (r#"{"exp":1809172800}"#, Some("2027-05-01T12:00:00Z")),
            (
                r#"{"sub":"größe?>","exp":1809172800.9,"aud":[{}]}"#,
                Some("2027-05-01T12:00:00Z"),
            ),
            (r#"{"exp":0}"#, Some("1970-01-01T00:00:00Z")),
            (r#"{"exp":253402300799}"#, Some("9999-12-30T22:00:00Z")),
            (r#"{"exp":253402300800}"#, None),
            (r#"{"exp":1e300}"#, None),
            (r#"{"exp":-1}"#, None),
            (r#"{"exp":"1809172800"}"#, None),
            (r#"{"exp":null}"#, None),
            (r#"{"exp":1,"exp":2}"#, None),
            ("{}", None),
            ("[1]", None),
            ("1809172800", None),
            (&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)), None),
            (&format!(r#"{{"a":"{}"}}"#, "x".repeat(1 << 20)), None),
        ] {
            assert_eq!(said(claims).as_deref(), time, "{}", &claims[..claims.len().min(60)]);
        }
        let good = jwt(HEADER, r#"{"exp":1809172800}"#);
        assert!(of_token(&good).is_some() && of_token(&jwt(r#"{"alg":"none"}"#, r#"{"exp":1809172800}"#)).is_some());
        for other in [
            format!("{good}.a.b"),
            good.replace(".c2ln", ""),
            jwt("{}", r#"{"exp":1809172800}"#),
            good.replacen('.', "!.", 1),
            "dckr_pat_abc".to_owned(),
            "..".to_owned(),
            String::new(),
        ] {
            assert_eq!(of_token(&other), None, "{other}");
        }
    }
}
