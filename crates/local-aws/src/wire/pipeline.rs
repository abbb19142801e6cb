//! The way of one call: which service and operation it is, who signed it and what they may do, hooks, faults, the
//! account, the log.

use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

use super::auth::{self, Credential};
use super::{admin, query, rest};
use crate::api::{ApiError, SERVICES};
use crate::aws::{LocalAws, Moment};
use crate::calls::{self, Call};
use crate::fault::Fate;
use crate::http::{self, Ending};
use crate::state::State;
use crate::{iam, s3, sqs};

/// The JSON protocol of most services, and the older number that SQS has.
const JSON_1_1: &str = "application/x-amz-json-1.1";
const JSON_1_0: &str = "application/x-amz-json-1.0";

/// A call whose service and operation are known.
struct Named {
    service: &'static str,
    operation: String,
    subject: String,
    work: Work,
}

/// What the account has to do for a call.
enum Work {
    Json(Value),
    S3(s3::Request),
    /// It cannot be understood; the answer is settled.
    Refuse(ApiError),
}

pub(super) async fn run(aws: &LocalAws, http_request: &http::Request) -> Ending {
    if let Some(path) = http_request.path.strip_prefix("/_local-aws/") {
        return Ending::Answered(admin::answer(aws, http_request, path));
    }
    let began = aws.uptime();
    let credential = auth::credential(http_request);
    let region = credential.as_ref().map(|credential| credential.region.as_str());
    let other = region.filter(|region| *region != aws.options().region);
    if let Some(other) = other.and_then(|region| aws.of_region(region)) {
        return Box::pin(run(&other, http_request)).await;
    }
    let named = name(http_request);
    let signed = auth::check(credential.as_ref(), named.service, &aws.options().region);
    let passing = passing(http_request, &named, credential.as_ref());
    if let Err(error) = signed.and_then(|()| aws.authorize(passing)) {
        let response = refusal(named.service, &named.subject, &error);
        log(
            aws,
            &named,
            credential.as_ref(),
            began,
            (response.status, response.error.clone()),
        );
        return Ending::Answered(response);
    }
    aws.run_hooks(Moment::Before, named.service, &named.operation).await;
    let verdict = aws.judge(named.service, &named.operation, &named.subject);
    tokio::time::sleep(verdict.delay).await;
    aws.round_barrier().wait().await;
    let ending = match verdict.fate {
        Fate::Served => Ending::Answered(conceal(aws, &named, passing, work(aws, http_request, &named))),
        Fate::Refused(error) => Ending::Answered(refusal(named.service, &named.subject, &error)),
        Fate::Hangs => Ending::Hangs,
        Fate::Reset => Ending::Reset,
        Fate::ResetAfter => {
            work(aws, http_request, &named);
            Ending::Reset
        }
        Fate::Hollow => Ending::Answered(http::Response::new(200)),
        Fate::HollowAfter => {
            let response = work(aws, http_request, &named);
            // A refusal stays one.
            Ending::Answered(if response.status < 300 {
                http::Response::new(response.status)
            } else {
                response
            })
        }
        Fate::EndlessBody { bytes, every } => Ending::Endless { bytes, every },
        Fate::EndlessPages(tokens) => Ending::Answered(endless_page(aws, http_request, &named, tokens)),
    };
    let outcome = match &ending {
        Ending::Answered(response) => (response.status, response.error.clone()),
        Ending::Reset => (0, Some("local-aws:reset".to_owned())),
        Ending::Hangs => (0, Some("local-aws:timeout".to_owned())),
        Ending::Endless { .. } => (200, Some("local-aws:endless".to_owned())),
    };
    log(aws, &named, credential.as_ref(), began, outcome);
    aws.run_hooks(Moment::After, named.service, &named.operation).await;
    ending
}

/// Tells the JSON services by `X-Amz-Target`, STS, IAM and CloudFormation by their form and Lambda by its path; what is
/// neither is S3.
fn name(http_request: &http::Request) -> Named {
    let other = match http_request.header("x-amz-target") {
        None if query::is_query(http_request) => {
            let query = query::read(http_request);
            Some((query.service, query.call))
        }
        None if rest::is_rest(http_request) => Some(("lambda", rest::read(http_request))),
        _ => None,
    };
    if let Some((service, read)) = other {
        let (operation, subject, work) = match read {
            Ok((operation, input)) => (operation, calls::subject(&input), Work::Json(input)),
            Err(error) => ("Unknown".to_owned(), http_request.path.clone(), Work::Refuse(error)),
        };
        return Named {
            service,
            operation,
            subject,
            work,
        };
    }
    let Some(target) = http_request.header("x-amz-target") else {
        let request = s3::Request::read(http_request);
        let (operation, subject) = match &request {
            Ok(request) => (request.operation(), request.subject()),
            Err(_) => ("Unknown".to_owned(), http_request.path.clone()),
        };
        let work = request.map_or_else(Work::Refuse, Work::S3);
        return Named {
            service: "s3",
            operation,
            subject,
            work,
        };
    };
    let (prefix, operation) = target.split_once('.').unwrap_or((target, ""));
    let (service, content_type) = match prefix {
        "AmazonEC2ContainerRegistry_V20150921" => ("ecr", JSON_1_1),
        "secretsmanager" => ("secretsmanager", JSON_1_1),
        "AmazonSQS" => ("sqs", JSON_1_0),
        "TrentService" => ("kms", JSON_1_1),
        _ => (auth::UNKNOWN, JSON_1_1),
    };
    let input = serde_json::from_slice::<Value>(&http_request.body).unwrap_or(Value::Null);
    let subject = calls::subject(&input);
    let work = match (service, http_request.header("content-type"), input.is_object()) {
        (auth::UNKNOWN, ..) => Work::Refuse(ApiError {
            code: "UnknownOperationException".into(),
            message: format!("local-aws serves {SERVICES}; it does not know the target {target:?}"),
            status: 404,
        }),
        (_, Some(kind), true) if kind.starts_with(content_type) => Work::Json(input),
        (_, Some(kind), false) if kind.starts_with(content_type) => Work::Refuse(ApiError::client(
            "SerializationException",
            "The body is not a JSON object",
        )),
        _ => Work::Refuse(ApiError {
            code: "UnknownOperationException".into(),
            message: format!("The content type is not {content_type}"),
            status: 404,
        }),
    };
    Named {
        service,
        operation: operation.to_owned(),
        subject,
        work,
    }
}

/// The call as IAM looks at it.
fn passing<'a>(http_request: &http::Request, named: &'a Named, credential: Option<&'a Credential>) -> iam::Passing<'a> {
    iam::Passing {
        access_key: credential
            .map(|credential| credential.access_key.as_str())
            .unwrap_or_default(),
        service: named.service,
        operation: &named.operation,
        input: match &named.work {
            Work::Json(input) => Some(iam::Input::Json(input)),
            Work::S3(request) => Some(iam::Input::S3 {
                request,
                if_match: http_request.header("if-match").is_some(),
            }),
            Work::Refuse(_) => None,
        },
    }
}

/// Takes back the answer that an object is not there from those who must not know.
fn conceal(aws: &LocalAws, named: &Named, passing: iam::Passing<'_>, response: http::Response) -> http::Response {
    match &named.work {
        Work::S3(request) if !calls::is_write("s3", &named.operation) && response.status == 404 => {
            match aws.conceal(passing, request.bucket()) {
                Ok(()) => response,
                Err(error) => refusal(named.service, &named.subject, &error),
            }
        }
        _ => response,
    }
}

fn work(aws: &LocalAws, http_request: &http::Request, named: &Named) -> http::Response {
    let mut state = aws.state();
    let answer = match &named.work {
        Work::Refuse(error) => Err(error.clone()),
        Work::Json(input) => state
            .call(named.service, &named.operation, input)
            .map(|output| match named.service {
                "sts" | "iam" | "cloudformation" => {
                    query::response(named.service, &named.operation, &request_id(), &output)
                }
                service => json_reply(service, &output),
            }),
        Work::S3(request) => {
            let context = state.context();
            let State { s3, events, .. } = &mut *state;
            s3.serve(&context, request, http_request, events)
        }
    };
    match answer {
        Ok(response) if named.service == "s3" => response.header("x-amz-request-id", request_id()),
        Ok(response) => response,
        Err(error) => refusal(named.service, &named.subject, &error),
    }
}

/// The first page, whichever was asked for, and the token of another.
fn endless_page(aws: &LocalAws, http_request: &http::Request, named: &Named, tokens: u64) -> http::Response {
    const TOKEN: &str = "local-aws-round-";
    let member = match named.service {
        "ecr" => "nextToken",
        "secretsmanager" => "NextToken",
        service => {
            let message = format!("local-aws has no endless pages of {service}");
            let error = ApiError {
                code: "NotImplemented".to_owned(),
                message,
                status: 501,
            };
            return refusal(named.service, &named.subject, &error);
        }
    };
    let Work::Json(input) = &named.work else {
        return work(aws, http_request, named);
    };
    let mut input = input.clone();
    let token = input.as_object_mut().and_then(|input| input.remove(member));
    let round = token
        .as_ref()
        .and_then(Value::as_str)
        .and_then(|token| token.strip_prefix(TOKEN)?.parse::<u64>().ok());
    let next = round.map_or(0, |round| (round + 1) % tokens.max(1));
    let first = Named {
        service: named.service,
        operation: named.operation.clone(),
        subject: named.subject.clone(),
        work: Work::Json(input),
    };
    let mut response = work(aws, http_request, &first);
    if let Ok(Value::Object(mut page)) = serde_json::from_slice(&response.body)
        && response.status == 200
    {
        page.insert(member.to_owned(), format!("{TOKEN}{next}").into());
        response.body = Value::Object(page).to_string().into_bytes();
    }
    response
}

fn json_reply(service: &str, output: &Value) -> http::Response {
    let kind = match service {
        "lambda" => "application/json",
        "sqs" => JSON_1_0,
        _ => JSON_1_1,
    };
    http::Response::new(200)
        .body(kind, output.to_string())
        .header("x-amzn-requestid", Uuid::new_v4().to_string())
}

/// An error as its service writes it.
fn refusal(service: &str, subject: &str, error: &ApiError) -> http::Response {
    let response = match service {
        "s3" => s3::error_reply(subject, &request_id(), error),
        "sts" | "iam" | "cloudformation" => query::refusal(service, &request_id(), error),
        "lambda" => rest::refusal(&request_id(), error),
        // The services differ in the case of this member.
        "secretsmanager" => json_reply(service, &json!({"__type": error.code, "Message": error.message})),
        "sqs" => json_reply(
            service,
            &json!({"__type": sqs::type_of(&error.code), "message": error.message}),
        )
        .header("x-amzn-query-error", sqs::query_error(error)),
        _ => json_reply(service, &json!({"__type": error.code, "message": error.message})),
    };
    http::Response {
        status: error.status,
        error: Some(error.code.clone()),
        ..response
    }
}

fn request_id() -> String {
    Uuid::new_v4()
        .simple()
        .to_string()
        .to_uppercase()
        .chars()
        .take(16)
        .collect()
}

/// Logs a call that ends now, with its status and error.
fn log(
    aws: &LocalAws,
    named: &Named,
    credential: Option<&Credential>,
    began: Duration,
    (status, error): (u16, Option<String>),
) {
    aws.log(Call {
        n: 0,
        service: named.service.to_owned(),
        operation: named.operation.clone(),
        subject: named.subject.clone(),
        status,
        error,
        write: calls::is_write(named.service, &named.operation),
        at: aws.now(),
        began,
        ended: aws.uptime(),
        principal: credential
            .map(|credential| credential.access_key.clone())
            .unwrap_or_default(),
    });
}
