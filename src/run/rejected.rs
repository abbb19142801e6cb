//! A file with errors changes nothing. The clock and rotations still have the credentials proven of the rules that carry our mark,
//! since a mistake in the file must not hide a lapsed token.

use super::changed_secret::{marked_rules, points_to};
use super::{Access, Pass, Run, RunRequest, results, warnings};
use crate::account::{Account, AwsError, Rule, Snapshot};
use crate::ownership::SECRET_PREFIX;
use crate::report::{ConfigReport, Outcome, Results};
use crate::trigger::Kind;
use crate::verify::Candidate;
use config::Rejected;

impl Run<'_> {
    pub(super) async fn rejected(
        &self,
        request: &RunRequest,
        config: ConfigReport,
        rejected: Rejected,
        snapshot: Result<Snapshot, AwsError>,
        nothing: Results,
    ) -> Pass {
        if let (Some(change), Ok(snapshot)) = (&request.secret, &snapshot)
            // Outside ECR's prefix it can only be a source, and which ones there are nobody knows without the file.
            && change.name.starts_with(SECRET_PREFIX)
            && !marked_rules(snapshot, self.deps.settings).any(|rule| points_to(rule, change))
        {
            return Pass::Ignored(format!("no rule of ours uses the secret {}", change.name));
        }
        let message = match rejected.errors.len() {
            1 => "the file has 1 error, and changes nothing".to_owned(),
            n => format!("the file has {n} errors, and changes nothing"),
        };
        let source = request
            .secret
            .as_ref()
            .filter(|change| !change.name.starts_with(SECRET_PREFIX));
        let message = match source {
            Some(change) => format!(
                "{message}: the secret {} is not copied before it is mended",
                change.name
            ),
            None => message,
        };
        let mut results = Results {
            outcome: Outcome::Rejected,
            message,
            errors: rejected.errors,
            warnings: rejected.warnings,
            ..nothing
        };
        results
            .warnings
            .extend(warnings::rotation_failed(request, &Account::default()));
        let proves =
            matches!(request.kind, Kind::Schedule | Kind::SecretRotation) || matches!(self.access, Access::Validate);
        if !proves {
            return Pass::finished(config, results, false);
        }
        let snapshot = match snapshot {
            Ok(snapshot) => snapshot,
            Err(error) => {
                let unread = "the account could not be read to prove its credentials";
                results.message = format!("{}; {unread}: {error}", results.message);
                results.blind = true;
                return Pass::finished(config, results, error.is_transient());
            }
        };
        let marked: Vec<&Rule> = marked_rules(&snapshot, self.deps.settings).collect();
        let with_credential = marked.iter().filter(|rule| rule.credential_arn.is_some());
        let proofs = self
            .prove(with_credential.map(|rule| Candidate::once(&rule.prefix)).collect())
            .await;
        let mut transient = false;
        for rule in marked {
            let (registry, may_go_better) = results::marked_rule(rule, &proofs, self.home);
            results.registries.insert(rule.prefix.clone(), registry);
            transient |= may_go_better;
        }
        Pass::finished(config, results, transient)
    }
}
