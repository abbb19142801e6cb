//! Credentials that lapse: foretold by the token, a tag or the file, in the report, the page, the metrics and warnings.

use crate::support::{Bench, STATUS_PAGE, credential, hub, metrics, scheduled};
use local_aws::Options;
use serde_json::{Value, json};

const SECRET: &str = "ecr-pullthroughcache/dockerhub";
const TAG: &str = "ecr-pull-through-sync:expires-at";

/// A JSON Web Token that lapses on 2027-03-01 and names its host. The test's clock stands at 2027-02-01, noon.
const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjE4MDM4NTkyMDB9.canary-docker-jwt";

async fn bench(env: &[(&str, &str)]) -> Bench {
    let mut bench = Bench::with(Options::default(), env).await;
    bench.aws.accept_upstream("registry-1.docker.io", "acme-bot", JWT);
    bench.app.timing.now = || "2027-02-01T12:00:00Z".parse().unwrap();
    bench
}

fn lapsing(token: &str, day: &str) -> String {
    hub(token).replace('}', &format!(", expires_at: {day}}}"))
}

fn tag(bench: &Bench, id: &str, value: &str) {
    let input = json!({"SecretId": id, "Tags": [{"Key": TAG, "Value": value}]});
    bench.aws.call("secretsmanager", "TagResource", input).unwrap();
}

/// When Docker Hub's credential lapses, by what, in how many days.
fn told(report: &Value) -> String {
    match &report["registries"]["dockerhub"]["expires"] {
        Value::Null => "unknown".to_owned(),
        expires => format!(
            "{} {} {}",
            expires["at"].as_str().unwrap(),
            expires["from"].as_str().unwrap(),
            expires["days"]
        ),
    }
}

fn warnings(report: &Value) -> Vec<&str> {
    let all = report["warnings"].as_array().unwrap().iter();
    let all = all.map(|warning| warning["message"].as_str().unwrap());
    all.filter(|message| !message.contains("in plain text")).collect()
}

#[tokio::test(start_paused = true)]
async fn the_token_goes_first_then_the_tag_then_the_file() {
    let bench = bench(&[]).await;
    let report = bench.follow(&hub("canary-docker-1")).await;
    assert_eq!((told(&report).as_str(), warnings(&report)), ("unknown", vec![]));
    let report = bench.follow(&lapsing("canary-docker-1", "2027-05-01")).await;
    assert_eq!(told(&report), "2027-05-01T00:00:00Z file 88");
    tag(&bench, SECRET, "2027-04-01T10:00:00+02:00");
    let report = bench.send(scheduled()).await.unwrap();
    assert_eq!(told(&report), "2027-04-01T08:00:00Z tag 58");
    let report = bench.follow(&lapsing(JWT, "2027-05-01")).await;
    assert_eq!(told(&report), "2027-03-01T00:00:00Z token 27");
    assert_eq!(bench.status()["registries"]["dockerhub"]["expires"]["days"], 27);
    let page = String::from_utf8(bench.aws.object(crate::support::BUCKET, STATUS_PAGE).unwrap()).unwrap();
    assert!(page.contains("| valid, until 2027-03-01 |"), "{page}");
}

#[tokio::test(start_paused = true)]
async fn what_the_file_says_counts_while_its_value_is_the_current_one() {
    let bench = bench(&[]).await;
    // A plan tells of what will be.
    bench.upload(&lapsing("canary-docker-1", "2027-05-01"));
    assert_eq!(told(&bench.act("plan").await), "2027-05-01T00:00:00Z file 88");
    bench.act("apply").await;
    bench.rotate(SECRET, "canary-docker-2");
    let report = bench.send(bench.newest_rotation()).await.unwrap();
    assert_eq!(told(&report), "unknown", "nobody said it of the new one");
    tag(&bench, SECRET, "2027-06-01");
    assert_eq!(told(&bench.act("validate").await), "2027-06-01T00:00:00Z tag 119");
    // The file speaks again, with a token that says it itself.
    let report = bench.follow(&hub(JWT)).await;
    assert_eq!(told(&report), "2027-03-01T00:00:00Z token 27");
    assert_eq!(told(&bench.act("plan").await), "2027-03-01T00:00:00Z token 27");
}

#[tokio::test(start_paused = true)]
async fn a_value_of_the_file_that_is_put_back_says_nothing() {
    let bench = bench(&[]).await;
    bench.follow(&hub("canary-docker-1")).await;
    bench.aws.refuse_upstream("registry-1.docker.io", "acme-bot", JWT);
    let report = bench.follow(&lapsing(JWT, "2027-05-01")).await;
    assert_eq!(report["registries"]["dockerhub"]["credential"], "invalid");
    assert_eq!(bench.token(SECRET, "AWSCURRENT").as_deref(), Some("canary-docker-1"));
    assert_eq!(told(&report), "unknown");
    assert_eq!(told(&bench.send(scheduled()).await.unwrap()), "unknown");
}

#[tokio::test(start_paused = true)]
async fn a_rotation_that_is_rolled_back_lets_the_file_speak_again() {
    let bench = bench(&[("ROLLBACK_INVALID_ROTATION", "true")]).await;
    bench.follow(&lapsing("canary-docker-1", "2027-05-01")).await;
    bench.rotate(SECRET, "canary-docker-wrong");
    let report = bench.send(bench.newest_rotation()).await.unwrap();
    assert_eq!(report["outcome"], "changed", "{report:#}");
    assert_eq!(told(&report), "2027-05-01T00:00:00Z file 88");
}

#[tokio::test(start_paused = true)]
async fn a_warning_begins_in_time_and_changes_no_outcome() {
    let bench = bench(&[("EXPIRY_WARNING_DAYS", "14")]).await;
    for (day, days, warning) in [
        ("2027-02-17", 15, None),
        ("2027-02-16T11:59:59Z", 14, Some("lapses on 2027-02-16, in 14 days")),
        ("2027-02-03", 1, Some("lapses on 2027-02-03, in a day")),
        (
            "2027-02-01T12:00:00Z",
            0,
            Some("lapses on 2027-02-01, in less than a day"),
        ),
        ("2027-02-01T11:59:59Z", -1, Some("lapsed on 2027-02-01")),
        ("2026-02-01", -366, Some("lapsed on 2026-02-01")),
        ("0001-01-01", -740_013, Some("lapsed on 0001-01-01")),
        ("9999-12-31", 2_912_045, None),
    ] {
        let report = bench.follow(&lapsing("canary-docker-1", day)).await;
        assert_eq!(report["registries"]["dockerhub"]["expires"]["days"], days, "{day}");
        assert_eq!(report["registries"]["dockerhub"]["state"], "ready", "{day}");
        assert!(
            ["changed", "converged"].contains(&report["outcome"].as_str().unwrap()),
            "{day}"
        );
        let said = warnings(&report);
        assert_eq!(said.len(), usize::from(warning.is_some()), "{day}: {said:?}");
        assert!(
            said.iter().all(|said| said.contains(warning.unwrap())),
            "{day}: {said:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_referenced_secret_has_its_tag_and_the_file() {
    let bench = bench(&[]).await;
    let id = "ecr-pullthroughcache/team";
    bench.make_secret(id, &credential("canary-docker-1"), json!([]));
    let file = format!("dockerhub: {{registry: docker.io, secret: {id}, expires_at: 2027-05-01}}\n");
    assert_eq!(told(&bench.follow(&file).await), "2027-05-01T00:00:00Z file 88");
    bench.rotate(id, "canary-docker-2");
    let report = bench.send(bench.newest_rotation()).await.unwrap();
    assert_eq!(
        told(&report),
        "2027-05-01T00:00:00Z file 88",
        "the file speaks of the secret, whatever is in it"
    );
    tag(&bench, id, "2027-02-20");
    let report = bench.send(scheduled()).await.unwrap();
    assert_eq!(told(&report), "2027-02-20T00:00:00Z tag 18");
    let warning = report["warnings"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&warning["registry"], &warning["line"]),
        (&json!("dockerhub"), &json!(1))
    );
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_is_no_date_and_a_rotation_that_is_overdue_are_warnings() {
    let bench = bench(&[]).await;
    bench.follow(&lapsing("canary-docker-1", "2027-05-01")).await;
    for text in ["soon", "2027-02-30", "20270501", "-1", "99999-01-01", "2027-05-01 ", ""] {
        tag(&bench, SECRET, text);
        let report = bench.send(scheduled()).await.unwrap();
        assert_eq!(told(&report), "2027-05-01T00:00:00Z file 88", "{text}");
        let said = warnings(&report);
        assert!(
            said.len() == 1 && said[0].contains(TAG) && said[0].contains("is no date"),
            "{said:?}"
        );
    }
    tag(&bench, SECRET, "2027-05-02");
    for (due, is_overdue) in [
        ("2027-01-31T12:00:00Z", false),
        ("2027-01-31T11:59:58Z", true),
        ("2027-03-01T00:00:00Z", false),
    ] {
        bench.aws.turn_rotation_on(SECRET, due.parse().unwrap()).unwrap();
        let report = bench.send(scheduled()).await.unwrap();
        let said = warnings(&report);
        let tells = said
            .iter()
            .any(|said| said.contains("was to be rotated by 2027-01-31, and was not"));
        assert_eq!(
            (tells, said.len()),
            (is_overdue, usize::from(is_overdue)),
            "{due}: {said:?}"
        );
        assert_eq!(report["outcome"], "converged");
    }
}

#[tokio::test(start_paused = true)]
async fn the_days_are_a_metric_of_each_registry_and_the_least_of_the_stack() {
    let bench = bench(&[("OWNER", "expiry-metrics")]).await;
    let file = format!(
        "{}gitlab: {{registry: registry.gitlab.com, username: acme-bot, accessToken: canary-gitlab-1, expires_at: 2027-01-01}}\nquay: {{registry: quay.io}}\n",
        lapsing("canary-docker-1", "2027-05-01")
    );
    bench.follow(&file).await;
    let lines: Vec<Value> = metrics("expiry-metrics")
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let days = lines.iter().filter(|line| !line["DaysToExpiry"].is_null());
    let days: Vec<(Option<&str>, i64)> = days
        .map(|line| (line["Registry"].as_str(), line["DaysToExpiry"].as_i64().unwrap()))
        .collect();
    assert_eq!(days, [(None, -32), (Some("dockerhub"), 88), (Some("gitlab"), -32)]);
}

#[tokio::test(start_paused = true)]
async fn where_nothing_is_known_there_is_no_metric() {
    let bench = bench(&[("OWNER", "expiry-unknown")]).await;
    bench.follow(&hub("canary-docker-1")).await;
    assert!(
        metrics("expiry-unknown")
            .iter()
            .all(|line| !line.contains("DaysToExpiry"))
    );
}
