//! Who signed a call: SigV4 in the `Authorization` header or in the query. The signature itself is not verified, since
//! there is no secret to verify it with; its presence, its scope and its form are.

use crate::api::ApiError;
use crate::http;

/// Stands for a service that the stand-in has not: it says so itself, whoever it is signed for.
pub(super) const UNKNOWN: &str = "unknown";

/// The credential scope of a signature.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Credential {
    pub(super) access_key: String,
    pub(super) region: String,
    service: String,
}

/// Reads the credential of a request.
pub(super) fn credential(http_request: &http::Request) -> Option<Credential> {
    let scope = match http_request.header("authorization") {
        Some(header) => {
            let fields = header.strip_prefix("AWS4-HMAC-SHA256 ")?;
            let field = |name: &str| {
                fields
                    .split(',')
                    .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
            };
            field("SignedHeaders").filter(|value| !value.is_empty())?;
            field("Signature").filter(|value| value.len() == 64)?;
            field("Credential")?.to_owned()
        }
        None => {
            let value = http_request
                .query
                .split('&')
                .find_map(|pair| pair.strip_prefix("X-Amz-Credential="))?;
            percent_encoding::percent_decode_str(value)
                .decode_utf8()
                .ok()?
                .into_owned()
        }
    };
    let mut parts = scope.split('/');
    let mut next = || parts.next().filter(|part| !part.is_empty()).map(str::to_owned);
    let (access_key, _date, region, service) = (next()?, next()?, next()?, next()?);
    (next().as_deref() == Some("aws4_request")).then_some(Credential {
        access_key,
        region,
        service,
    })
}

/// Checks that a call is signed, for this service and this region.
pub(super) fn check(credential: Option<&Credential>, service: &str, region: &str) -> Result<(), ApiError> {
    let s3 = service == "s3";
    let Some(credential) = credential else {
        return Err(match s3 {
            true => ApiError {
                code: "AccessDenied".into(),
                message: "Access Denied".into(),
                status: 403,
            },
            false => ApiError {
                code: "MissingAuthenticationTokenException".into(),
                message: "Missing Authentication Token".into(),
                status: 403,
            },
        });
    };
    // IAM is in no Region: it is signed for us-east-1, or for the Region of a client that was given an endpoint by hand.
    let global = service == "iam" && credential.region == "us-east-1";
    let wrong = if credential.region != region && !global {
        format!(
            "Credential should be scoped to a valid region, not '{}'.",
            credential.region
        )
    } else if credential.service != service && service != UNKNOWN {
        format!("Credential should be scoped to correct service: '{service}'.")
    } else {
        return Ok(());
    };
    Err(match s3 {
        true => ApiError {
            code: "AuthorizationHeaderMalformed".into(),
            message: format!("The authorization header is malformed; {wrong} Expecting '{region}'"),
            status: 400,
        },
        false => ApiError {
            code: "InvalidSignatureException".into(),
            message: wrong,
            status: 403,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::{HeaderMap, Method};

    fn http_request(authorization: Option<String>, query: &str) -> http::Request {
        let mut headers = HeaderMap::new();
        if let Some(Ok(value)) = authorization.map(|text| text.parse()) {
            headers.insert("authorization", value);
        }
        http::Request {
            method: Method::POST,
            path: "/".into(),
            query: query.into(),
            headers,
            body: "".into(),
        }
    }

    fn signed(scope: &str) -> Option<Credential> {
        let signature = "a".repeat(64);
        let header =
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature={signature}");
        credential(&http_request(Some(header), ""))
    }

    #[test]
    fn reads_the_scope_of_a_signature() {
        let found = signed("AKID/20261123/eu-west-1/ecr/aws4_request");
        assert_eq!(
            found.as_ref().map(|credential| credential.access_key.as_str()),
            Some("AKID")
        );
        assert_eq!(check(found.as_ref(), "ecr", "eu-west-1"), Ok(()));
    }

    #[test]
    fn reads_a_presigned_query() {
        let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20261123%2Feu-west-1%2Fs3%2Faws4_request";
        assert_eq!(
            check(credential(&http_request(None, query)).as_ref(), "s3", "eu-west-1"),
            Ok(())
        );
    }

    #[test]
    fn refuses_what_is_unsigned_or_signed_for_elsewhere() {
        let code = |found: Option<Credential>, service: &str| {
            check(found.as_ref(), service, "eu-west-1")
                .err()
                .map(|error| error.code)
        };
        assert_eq!(
            code(None, "ecr").as_deref(),
            Some("MissingAuthenticationTokenException")
        );
        assert_eq!(code(signed("AKID/20261123"), "s3").as_deref(), Some("AccessDenied"));
        let elsewhere = signed("AKID/20261123/us-east-1/ecr/aws4_request");
        assert_eq!(code(elsewhere, "ecr").as_deref(), Some("InvalidSignatureException"));
        let other = signed("AKID/20261123/eu-west-1/sts/aws4_request");
        assert_eq!(code(other, "ecr").as_deref(), Some("InvalidSignatureException"));
    }
}
