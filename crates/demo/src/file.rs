//! What a stand-in must be and hold for a file: account and Region, credentials that are accepted, secrets that exist.

use config::arn::Arn;
use config::{Context, CredentialSource, Registry, SecretFrom, SourceForm, SourceUsername, UpstreamKind};
use local_aws::{LocalAws, Options};
use serde_json::json;

/// The token that every registry's upstream takes beside the one of the file.
pub const ROTATED: &str = "rotated-by-hand";
/// What a secret holds that the file only names.
const STORED: (&str, &str) = ("demo", "demo-token");

/// A secret of which a rotation can be shown.
pub struct Rotatable {
    pub registry: String,
    pub secret: String,
    pub username: String,
}

/// What is known of a file. Of one with mistakes in it that is nothing: the function will say what is wrong.
#[derive(Default)]
pub struct Prepared {
    pub names: Vec<String>,
    pub tokens: Vec<String>,
    pub rotatable: Vec<Rotatable>,
    /// Roles that the stack would be deployed with.
    pub roles: Vec<String>,
    /// Secrets to copy from that the stack would be deployed with.
    pub sources: Vec<String>,
    /// Hosts that the stack would be deployed with.
    pub hosts: Vec<String>,
}

/// The account and Region that a file is for, as its ARNs say: ECR reads secrets of the account and Region it is in, takes
/// roles of its account, and keys of its Region. What no ARN says is the stand-in's own.
pub fn options(file: &[u8]) -> Options {
    let text = String::from_utf8_lossy(file);
    let mentioned = |partition: &&str| text.contains(&format!("arn:{partition}:"));
    let partition = ["aws-cn", "aws-us-gov"].into_iter().find(mentioned).unwrap_or("aws");
    let mut options = Options {
        partition: partition.into(),
        ..Options::default()
    };
    for registry in registries(file, None, partition).iter().rev() {
        let secret = match &registry.credential {
            CredentialSource::Secret(id) => Some(id),
            _ => None,
        };
        let key = registry
            .encryption
            .as_ref()
            .and_then(|encryption| encryption.kms_key.as_ref());
        for (arn, own_account) in [(key, false), (registry.custom_role_arn.as_ref(), true), (secret, true)] {
            let Some(arn) = arn.and_then(|arn| Arn::parse(arn)) else {
                continue;
            };
            if own_account {
                options.account = arn.account.to_owned();
            }
            if !arn.region.is_empty() {
                options.region = arn.region.to_owned();
            }
        }
    }
    options
}

/// Makes the account such that the file's credentials are valid and the secrets that it names exist.
pub fn prepare(aws: &LocalAws, file: &[u8]) -> Prepared {
    let mut prepared = Prepared::default();
    for registry in registries(file, Some(aws.options()), &aws.options().partition) {
        let host = registry.upstream.host;
        let (secret, username) = match &registry.credential {
            CredentialSource::Given(credential) => {
                let (username, token) = credential.expose();
                aws.accept_upstream(&host, username, token);
                prepared.tokens.push(token.to_owned());
                (format!("ecr-pullthroughcache/{}", registry.name), username.to_owned())
            }
            CredentialSource::Secret(id) => {
                seed(aws, id);
                aws.accept_upstream(&host, STORED.0, STORED.1);
                (id.clone(), STORED.0.to_owned())
            }
            CredentialSource::From(from) => {
                let username = make_source(aws, from, &host);
                aws.accept_upstream(&host, &username, STORED.1);
                prepared.sources.push(from.name().to_owned());
                Default::default()
            }
            CredentialSource::None => Default::default(),
        };
        if !secret.is_empty() {
            aws.accept_upstream(&host, &username, ROTATED);
            prepared.rotatable.push(Rotatable {
                registry: registry.name.clone(),
                secret,
                username,
            });
        }
        if matches!(registry.upstream.kind, UpstreamKind::Azure | UpstreamKind::Unlisted) {
            prepared.hosts.push(host);
        }
        prepared.roles.extend(registry.custom_role_arn);
        prepared.names.push(registry.name);
    }
    prepared.tokens.extend([ROTATED.to_owned(), STORED.1.to_owned()]);
    prepared
}

/// Makes the secret that a registry copies from, in the form that the file says; gives the user name.
fn make_source(aws: &LocalAws, from: &SecretFrom, host: &str) -> String {
    let (value, username) = match &from.form {
        SourceForm::Text { username } => (STORED.1.to_owned(), username.clone()),
        SourceForm::Json {
            username,
            access_token_key,
        } => {
            let mut value = json!({ access_token_key: STORED.1 });
            let username = match username {
                SourceUsername::Text(username) => username.clone(),
                SourceUsername::Key(key) => {
                    value
                        .as_object_mut()
                        .map(|fields| fields.insert(key.clone(), STORED.0.into()));
                    STORED.0.to_owned()
                }
            };
            (value.to_string(), username)
        }
    };
    let tags = json!([{"Key": "ecr-pull-through-sync:upstream", "Value": host}]);
    let input = json!({"Name": from.name(), "SecretString": value, "Tags": tags});
    // A second registry may name the same one.
    drop(aws.call("secretsmanager", "CreateSecret", input));
    username
}

fn seed(aws: &LocalAws, id: &str) {
    let value = json!({"username": STORED.0, "accessToken": STORED.1}).to_string();
    let made = if id.starts_with("arn:") {
        aws.seed_secret(id, &value)
    } else {
        aws.call(
            "secretsmanager",
            "CreateSecret",
            json!({"Name": id, "SecretString": value}),
        )
    };
    // A second registry may name the same one.
    drop(made);
}

/// Of an account, or of none: then nothing is said of what depends on it.
fn registries(file: &[u8], options: Option<&Options>, partition: &str) -> Vec<Registry> {
    let context = Context {
        account: options.map(|options| options.account.clone()),
        region: options.map(|options| options.region.clone()),
        partition: partition.to_owned(),
        ..Context::default()
    };
    config::read(file, &context)
        .map(|file| file.registries)
        .unwrap_or_default()
}
