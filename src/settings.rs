//! The environment of the function -> checked settings. `template.yaml` sets every one of these variables.

use std::collections::{BTreeMap, BTreeSet};

use tracing::level_filters::LevelFilter;

use config::arn::{Arn, is_account, is_iam_name};
use config::{ROOT, is_host, is_prefix, is_repository_pattern};

/// What the stack's operator chose: the parameters of docs/deploy.md.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `CONFIG_BUCKET`: the bucket that holds the file and the status objects.
    pub config_bucket: String,
    /// `CONFIG_KEY`: the file's key.
    pub config_key: String,
    /// `STATUS_PREFIX`: what the status objects' keys begin with.
    pub status_prefix: String,
    /// `OWNER`: the name in the marks and tags of what this stack makes.
    pub owner: String,
    /// `TAKE_OVER_FROM`: former owners whose marks count as ours and are rewritten.
    pub take_over_from: Vec<String>,
    /// `TEMPLATE_ROLE_ARN`: the role ECR assumes to make repositories with tags or KMS keys.
    pub template_role_arn: Option<String>,
    /// `RESOURCE_TAGS`: tags for everything every registry makes.
    pub resource_tags: BTreeMap<String, String>,
    /// `MAX_DELETIONS`: how many registries one run may delete.
    pub max_deletions: u32,
    /// `ROLLBACK_INVALID_ROTATION`.
    pub rollback_invalid_rotation: bool,
    /// `EXPIRY_WARNING_DAYS`: how many days before a credential lapses a warning begins.
    pub expiry_warning_days: u32,
    /// What a file may do at most, whoever has written it.
    pub bounds: Bounds,
    /// `WORK_QUEUE_URL`: the queue that takes what one invocation cannot finish.
    pub work_queue_url: Option<String>,
    /// `LOG_LEVEL` of our own lines; libraries never log below their warnings.
    pub log_level: LevelFilter,
}

/// What a file may do at most, whoever has written it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// `ALLOWED_UPSTREAMS`: hosts that are one's own name at a provider, or unlisted, and may be upstreams. `None` is any.
    pub upstreams: Option<BTreeSet<String>>,
    /// `ALLOWED_READERS`: account and organization ids that may be let in to pull. `None` is any.
    pub readers: Option<BTreeSet<String>>,
    /// `EXISTING_REPOSITORIES`: wildcards over the names of repositories that may be changed.
    pub repositories: Vec<String>,
    /// `MAX_EXPIRING_IMAGES`: the greatest `max_expiring_images` that counts.
    pub max_expiring_images: u32,
    /// `WARM_IMAGES`: the prefixes under which images may be warmed; `ROOT` is all.
    pub warm: Vec<String>,
    /// `REQUIRE_SOPS`: whether a file that is not encrypted is refused.
    pub require_sops: bool,
    /// The variables among these that nobody has set, where the stack is not known: nothing is held to them.
    pub unknown: BTreeSet<&'static str>,
}

/// The variables of [`Bounds`].
pub const BOUNDS: [&str; 6] = [
    "ALLOWED_UPSTREAMS",
    "ALLOWED_READERS",
    "EXISTING_REPOSITORIES",
    "WARM_IMAGES",
    "MAX_EXPIRING_IMAGES",
    "REQUIRE_SOPS",
];

/// A variable with a value that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the environment variable {variable} {problem}")]
pub struct BadSetting {
    pub variable: &'static str,
    /// What is wrong, and what to write.
    pub problem: String,
}

fn bad(variable: &'static str, problem: impl Into<String>) -> BadSetting {
    BadSetting {
        variable,
        problem: problem.into(),
    }
}

impl Settings {
    /// Reads the settings of this process.
    ///
    /// # Errors
    /// The first variable whose value cannot be used.
    pub fn from_env() -> Result<Self, BadSetting> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// Reads the settings through `lookup`. An empty value is an absent one: CloudFormation cannot leave one out.
    ///
    /// # Errors
    /// The first variable whose value cannot be used.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, BadSetting> {
        // What the stack does not say is as the template has it by default.
        let settings =
            Self::from_env_for_cli(|name| lookup(name).or_else(|| BOUNDS.contains(&name).then(String::new)))?;
        if settings.config_bucket.is_empty() {
            return Err(bad(
                "CONFIG_BUCKET",
                "is not set; it names the S3 bucket that holds registries.yaml",
            ));
        }
        Ok(settings)
    }

    /// The same for a terminal: `config_bucket` may be empty, since the file is local. The stack is not known, so
    /// that of its bounds those hold that are set.
    ///
    /// # Errors
    /// The first variable whose value cannot be used.
    pub fn from_env_for_cli(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, BadSetting> {
        let get = |name: &str| lookup(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
        let config_bucket = get("CONFIG_BUCKET").unwrap_or_default();
        let named = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
        let sound = (3..=63).contains(&config_bucket.len()) && config_bucket.bytes().all(named);
        if !config_bucket.is_empty() && !sound {
            return Err(bad(
                "CONFIG_BUCKET",
                "must be the bucket's name alone, without s3:// and without a key",
            ));
        }
        let config_key = get("CONFIG_KEY").unwrap_or_else(|| "registries.yaml".into());
        object_key("CONFIG_KEY", &config_key)?;
        // Unlike the others this one may be empty on purpose: the status objects then stand beside the file.
        let status_prefix = lookup("STATUS_PREFIX").unwrap_or_else(|| "status/".into());
        object_key("STATUS_PREFIX", &status_prefix)?;
        let owner = get("OWNER")
            .or_else(|| get("AWS_LAMBDA_FUNCTION_NAME"))
            .unwrap_or_else(|| "ecr-pull-through-sync".into());
        owner_name("OWNER", &owner)?;
        let take_over_from = list(get("TAKE_OVER_FROM"));
        for former in &take_over_from {
            owner_name("TAKE_OVER_FROM", former)?;
        }
        let template_role_arn = get("TEMPLATE_ROLE_ARN");
        if let Some(arn) = &template_role_arn
            && !is_role(arn)
        {
            return Err(bad(
                "TEMPLATE_ROLE_ARN",
                "is not the ARN of an IAM role (arn:aws:iam::<account>:role/<name>)",
            ));
        }
        let rollback_invalid_rotation = flag("ROLLBACK_INVALID_ROTATION", get("ROLLBACK_INVALID_ROTATION"))?;
        let whole = |name: &'static str, otherwise: u32| {
            get(name).map_or(Ok(otherwise), |value| {
                value.parse().map_err(|_| bad(name, "must be a whole number from 0"))
            })
        };
        let log_level = get("LOG_LEVEL").map_or(Ok(LevelFilter::INFO), |v| v.parse());
        let log_level =
            log_level.map_err(|_| bad("LOG_LEVEL", "must be one of off, error, warn, info, debug, trace"))?;
        let work_queue_url = get("WORK_QUEUE_URL");
        if work_queue_url
            .as_ref()
            .is_some_and(|url| !url.starts_with("https://") && !url.starts_with("http://"))
        {
            return Err(bad("WORK_QUEUE_URL", "must be the queue's URL, not its name or ARN"));
        }
        Ok(Self {
            config_bucket,
            config_key,
            status_prefix,
            owner,
            take_over_from,
            template_role_arn,
            resource_tags: tags(get("RESOURCE_TAGS"))?,
            max_deletions: whole("MAX_DELETIONS", 1)?,
            rollback_invalid_rotation,
            expiry_warning_days: whole("EXPIRY_WARNING_DAYS", 30)?,
            bounds: Bounds::read(&lookup)?,
            work_queue_url,
            log_level,
        })
    }

    /// The key of the status object; the Markdown beside it ends in `.md`.
    pub fn status_key(&self) -> String {
        format!("{}{}.json", self.status_prefix, self.config_key)
    }
}

impl Bounds {
    fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, BadSetting> {
        let unknown: BTreeSet<&'static str> = BOUNDS.into_iter().filter(|name| lookup(name).is_none()).collect();
        let get = |name: &str| lookup(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
        let items = |name: &'static str, fits: fn(&str) -> bool, what: &str| {
            let items = list(get(name));
            match items.iter().find(|item| !fits(item)) {
                Some(odd) => Err(bad(name, format!("has {odd:?} in it, which is no {what}"))),
                None => Ok(items),
            }
        };
        let upstreams = items(
            "ALLOWED_UPSTREAMS",
            is_host,
            "host such as acme.azurecr.io, in lower case",
        )?;
        let reader = "account id of 12 digits and no organization id such as o-abcdefghij";
        let readers = items(
            "ALLOWED_READERS",
            |text| is_account(text) || is_organization(text),
            reader,
        )?;
        let mut repositories = items(
            "EXISTING_REPOSITORIES",
            is_repository_pattern,
            "pattern over names of repositories, such as hub/*",
        )?;
        if unknown.contains("EXISTING_REPOSITORIES") {
            repositories = vec!["*".to_owned()];
        }
        let mut warm = items(
            "WARM_IMAGES",
            is_prefix,
            "prefix of a registry, such as dockerhub, or ROOT",
        )?;
        if warm.len() > 1 && warm.iter().any(|prefix| prefix == ROOT) {
            return Err(bad(
                "WARM_IMAGES",
                "has ROOT, which is all, beside others: write ROOT alone",
            ));
        }
        if unknown.contains("WARM_IMAGES") {
            warm = vec![ROOT.to_owned()];
        }
        let most = if unknown.contains("MAX_EXPIRING_IMAGES") {
            u32::MAX
        } else {
            0
        };
        let max_expiring_images = get("MAX_EXPIRING_IMAGES").map_or(Ok(most), |v| v.parse());
        Ok(Self {
            upstreams: (!unknown.contains("ALLOWED_UPSTREAMS")).then(|| upstreams.into_iter().collect()),
            readers: Some(readers.into_iter().collect()).filter(|readers: &BTreeSet<String>| !readers.is_empty()),
            repositories,
            warm,
            max_expiring_images: max_expiring_images
                .map_err(|_| bad("MAX_EXPIRING_IMAGES", "must be a whole number from 0"))?,
            require_sops: flag("REQUIRE_SOPS", get("REQUIRE_SOPS"))?,
            unknown,
        })
    }
}

impl Bounds {
    /// Whether the images of a repository may be warmed.
    pub fn warms(&self, repository: &str) -> bool {
        let is_under = |prefix: &str| {
            repository
                .strip_prefix(prefix)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        self.warm.iter().any(|prefix| prefix == ROOT || is_under(prefix))
    }
}

fn flag(variable: &'static str, value: Option<String>) -> Result<bool, BadSetting> {
    match value.as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(bad(variable, "must be true or false")),
    }
}

fn is_organization(text: &str) -> bool {
    let id = text.strip_prefix("o-").unwrap_or_default();
    (10..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

fn list(value: Option<String>) -> Vec<String> {
    let items = value
        .into_iter()
        .flat_map(|v| v.split(',').map(|s| s.trim().to_owned()).collect::<Vec<_>>());
    items.filter(|s| !s.is_empty()).collect()
}

/// The owner stands in a template's description (255 characters with prefix and sentence) and in a tag.
fn owner_name(variable: &'static str, owner: &str) -> Result<(), BadSetting> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/@+=".contains(&b);
    if owner.len() <= 128 && owner.bytes().all(allowed) {
        Ok(())
    } else {
        Err(bad(
            variable,
            "must be at most 128 letters, digits and -_.:/@+= (the stack's name is a good value)",
        ))
    }
}

fn is_role(arn: &str) -> bool {
    Arn::parse(arn).is_some_and(|arn| {
        let name = arn.resource.strip_prefix("role/");
        arn.service == "iam" && arn.region.is_empty() && is_account(arn.account) && name.is_some_and(is_iam_name)
    })
}

fn object_key(variable: &'static str, key: &str) -> Result<(), BadSetting> {
    if key.len() > 1000 || key.chars().any(char::is_control) {
        return Err(bad(
            variable,
            "must be an S3 key of at most 1000 bytes without control characters",
        ));
    }
    Ok(())
}

fn tags(value: Option<String>) -> Result<BTreeMap<String, String>, BadSetting> {
    let mut tags = BTreeMap::new();
    for pair in list(value) {
        let (key, value) = pair.split_once('=').ok_or_else(|| {
            bad(
                "RESOURCE_TAGS",
                format!("has {pair:?} in it, which is not of the form key=value"),
            )
        })?;
        let (key, value) = (key.trim(), value.trim());
        if key.is_empty() {
            return Err(bad(
                "RESOURCE_TAGS",
                "has a tag without a key in it; write key=value,key=value",
            ));
        }
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(bad("RESOURCE_TAGS", format!("has the key {key:?} twice")));
        }
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, BadSetting> {
        let pairs: BTreeMap<&str, &str> = pairs.iter().copied().collect();
        Settings::from_lookup(|name| pairs.get(name).map(|v| (*v).to_owned()))
    }

    #[test]
    fn only_the_bucket_is_required() {
        let settings = read(&[
            ("CONFIG_BUCKET", "bucket"),
            ("RESOURCE_TAGS", ""),
            ("TEMPLATE_ROLE_ARN", ""),
        ]);
        let settings = settings.unwrap_or_else(|e| unreachable!("{e}"));
        assert_eq!(settings.status_key(), "status/registries.yaml.json");
        assert_eq!((settings.max_deletions, settings.template_role_arn), (1, None));
        assert_eq!(read(&[]).map(|_| ()).map_err(|e| e.variable), Err("CONFIG_BUCKET"));
    }

    #[test]
    fn a_bad_value_names_its_variable() {
        for (variable, value) in [
            ("CONFIG_BUCKET", "s3://bucket"),
            ("MAX_DELETIONS", "-1"),
            ("MAX_DELETIONS", "many"),
            ("ROLLBACK_INVALID_ROTATION", "yes"),
            ("LOG_LEVEL", "loud"),
            ("RESOURCE_TAGS", "team"),
            ("RESOURCE_TAGS", "a=1,a=2"),
            ("TEMPLATE_ROLE_ARN", "my-role"),
            ("TEMPLATE_ROLE_ARN", "arn:aws:iam::1:role/"),
            ("TEMPLATE_ROLE_ARN", "arn:aws:iam::111122223333:user/me"),
            ("WORK_QUEUE_URL", "my-queue"),
            ("OWNER", "a)b"),
            ("TAKE_OVER_FROM", "fine,not\nfine"),
            ("CONFIG_KEY", "a\u{0}b"),
            ("ALLOWED_UPSTREAMS", "acme.azurecr.io,*"),
            ("ALLOWED_UPSTREAMS", "https://acme.azurecr.io"),
            ("ALLOWED_UPSTREAMS", "*.azurecr.io"),
            ("ALLOWED_READERS", "*"),
            ("ALLOWED_READERS", "arn:aws:iam::444455556666:root"),
            ("ALLOWED_READERS", "o-short"),
            ("EXISTING_REPOSITORIES", "dockerhub/*,Quay/*"),
            ("MAX_EXPIRING_IMAGES", "-1"),
            ("MAX_EXPIRING_IMAGES", "4294967296"),
            ("REQUIRE_SOPS", "yes"),
        ] {
            let error = read(&[("CONFIG_BUCKET", "bucket"), (variable, value)]).map(|_| ());
            assert_eq!(error.map_err(|e| e.variable), Err(variable), "{value:?}");
        }
    }

    #[test]
    fn a_function_is_bound_where_nothing_is_said_and_a_desk_only_where_something_is() {
        let pairs = [
            ("CONFIG_BUCKET", "bucket"),
            ("ALLOWED_READERS", "444455556666, o-abcdefghij"),
        ];
        let bounds = read(&pairs).unwrap_or_else(|e| unreachable!("{e}")).bounds;
        let readers = ["444455556666", "o-abcdefghij"].map(str::to_owned);
        let strict = Bounds {
            upstreams: Some(BTreeSet::new()),
            readers: Some(readers.into()),
            repositories: Vec::new(),
            warm: Vec::new(),
            max_expiring_images: 0,
            require_sops: false,
            unknown: BTreeSet::new(),
        };
        assert_eq!(bounds, strict);
        let from_env_for_cli = |pairs: &[(&str, &str)]| {
            let pairs: BTreeMap<&str, &str> = pairs.iter().copied().collect();
            let settings = Settings::from_env_for_cli(|name| pairs.get(name).map(|v| (*v).to_owned()));
            settings.unwrap_or_else(|e| unreachable!("{e}")).bounds
        };
        let free = from_env_for_cli(&[]);
        assert_eq!(
            (free.upstreams, free.readers, free.max_expiring_images),
            (None, None, u32::MAX)
        );
        assert_eq!((free.repositories, free.unknown), (vec!["*".to_owned()], BOUNDS.into()));
        let given = from_env_for_cli(&[("ALLOWED_UPSTREAMS", ""), ("MAX_EXPIRING_IMAGES", "5")]);
        assert_eq!((given.upstreams, given.max_expiring_images), (Some(BTreeSet::new()), 5));
        assert_eq!(given.unknown.len(), 4);
    }

    #[test]
    fn tags_and_lists_are_split_at_commas() {
        let settings = read(&[
            ("CONFIG_BUCKET", "bucket"),
            ("RESOURCE_TAGS", "team = platform, cost=a=b"),
            ("TAKE_OVER_FROM", "old, older"),
        ]);
        let settings = settings.unwrap_or_else(|e| unreachable!("{e}"));
        assert_eq!(settings.resource_tags.get("cost").map(String::as_str), Some("a=b"));
        assert_eq!(settings.take_over_from, ["old", "older"]);
    }
}
