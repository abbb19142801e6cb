//! The environment of the function -> checked settings. `template.yaml` sets every one of these variables.

use std::collections::BTreeMap;

use tracing::level_filters::LevelFilter;

use crate::config::arn::{Arn, is_account, is_iam_name};

/// What the stack's operator chose. See the README's table of settings.
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
    /// `WORK_QUEUE_URL`: the queue that takes what one invocation cannot finish.
    pub work_queue_url: Option<String>,
    /// `LOG_LEVEL` of our own lines; libraries never log below their warnings.
    pub log_level: LevelFilter,
}

/// A variable with a value that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the environment variable {variable} {problem}")]
pub struct BadSetting {
    /// Its name.
    pub variable: &'static str,
    /// What is wrong, and what to write.
    pub problem: String,
}

fn bad(variable: &'static str, problem: impl Into<String>) -> BadSetting {
    BadSetting { variable, problem: problem.into() }
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
        let settings = Self::at_a_desk(lookup)?;
        if settings.config_bucket.is_empty() {
            return Err(bad("CONFIG_BUCKET", "is not set; it names the S3 bucket that holds registries.yaml"));
        }
        Ok(settings)
    }

    /// The same where the file is at hand, and no bucket is needed: `config_bucket` may be empty.
    ///
    /// # Errors
    /// The first variable whose value cannot be used.
    pub fn at_a_desk(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, BadSetting> {
        let get = |name: &str| lookup(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
        let config_bucket = get("CONFIG_BUCKET").unwrap_or_default();
        let named = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
        let sound = (3..=63).contains(&config_bucket.len()) && config_bucket.bytes().all(named);
        if !config_bucket.is_empty() && !sound {
            return Err(bad("CONFIG_BUCKET", "must be the bucket's name alone, without s3:// and without a key"));
        }
        let config_key = get("CONFIG_KEY").unwrap_or_else(|| "registries.yaml".into());
        object_key("CONFIG_KEY", &config_key)?;
        // Unlike the others this one may be empty on purpose: the status objects then stand beside the file.
        let status_prefix = lookup("STATUS_PREFIX").unwrap_or_else(|| "status/".into());
        object_key("STATUS_PREFIX", &status_prefix)?;
        let owner =
            get("OWNER").or_else(|| get("AWS_LAMBDA_FUNCTION_NAME")).unwrap_or_else(|| "ecr-pull-through-sync".into());
        owner_name("OWNER", &owner)?;
        let take_over_from = list(get("TAKE_OVER_FROM"));
        for former in &take_over_from {
            owner_name("TAKE_OVER_FROM", former)?;
        }
        let template_role_arn = get("TEMPLATE_ROLE_ARN");
        if let Some(arn) = &template_role_arn
            && !is_role(arn)
        {
            return Err(bad("TEMPLATE_ROLE_ARN", "is not the ARN of an IAM role (arn:aws:iam::<account>:role/<name>)"));
        }
        let rollback_invalid_rotation = match get("ROLLBACK_INVALID_ROTATION").as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(bad("ROLLBACK_INVALID_ROTATION", "must be true or false")),
        };
        let max_deletions = get("MAX_DELETIONS").map_or(Ok(1), |v| v.parse());
        let max_deletions = max_deletions.map_err(|_| bad("MAX_DELETIONS", "must be a whole number from 0"))?;
        let log_level = get("LOG_LEVEL").map_or(Ok(LevelFilter::INFO), |v| v.parse());
        let log_level =
            log_level.map_err(|_| bad("LOG_LEVEL", "must be one of off, error, warn, info, debug, trace"))?;
        let work_queue_url = get("WORK_QUEUE_URL");
        if work_queue_url.as_ref().is_some_and(|url| !url.starts_with("https://") && !url.starts_with("http://")) {
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
            max_deletions,
            rollback_invalid_rotation,
            work_queue_url,
            log_level,
        })
    }

    /// The key of the status object; the Markdown beside it ends in `.md`.
    pub fn status_key(&self) -> String {
        format!("{}{}.json", self.status_prefix, self.config_key)
    }
}

fn list(value: Option<String>) -> Vec<String> {
    let items = value.into_iter().flat_map(|v| v.split(',').map(|s| s.trim().to_owned()).collect::<Vec<_>>());
    items.filter(|s| !s.is_empty()).collect()
}

/// The owner stands in a template's description (255 characters with prefix and sentence) and in a tag.
fn owner_name(variable: &'static str, owner: &str) -> Result<(), BadSetting> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/@+=".contains(&b);
    if owner.len() <= 128 && owner.bytes().all(allowed) {
        Ok(())
    } else {
        Err(bad(variable, "must be at most 128 letters, digits and -_.:/@+= (the stack's name is a good value)"))
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
        return Err(bad(variable, "must be an S3 key of at most 1000 bytes without control characters"));
    }
    Ok(())
}

fn tags(value: Option<String>) -> Result<BTreeMap<String, String>, BadSetting> {
    let mut tags = BTreeMap::new();
    for pair in list(value) {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| bad("RESOURCE_TAGS", format!("has {pair:?} in it, which is not of the form key=value")))?;
        let (key, value) = (key.trim(), value.trim());
        if key.is_empty() {
            return Err(bad("RESOURCE_TAGS", "has a tag without a key in it; write key=value,key=value"));
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
        let settings = read(&[("CONFIG_BUCKET", "bucket"), ("RESOURCE_TAGS", ""), ("TEMPLATE_ROLE_ARN", "")]);
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
        ] {
            let error = read(&[("CONFIG_BUCKET", "bucket"), (variable, value)]).map(|_| ());
            assert_eq!(error.map_err(|e| e.variable), Err(variable), "{value:?}");
        }
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
