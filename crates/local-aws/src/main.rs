//! `local-aws --port N`: the stand-in as a server, for the AWS CLI, boto3, or two processes that share one account.

use local_aws::{LocalAws, Options};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

const USAGE: &str = "\
usage: local-aws [flags]

Serves S3, Secrets Manager, ECR (pull-through cache and what belongs to it) SQS (standard queues)
and KMS (Encrypt and Decrypt) on 127.0.0.1.
A ReceiveMessage answers at once, whatever WaitTimeSeconds says; visibility timeouts follow POST /_local-aws/advance.
  --port N        TCP port; any free one without it
  --region R      the only region it serves (eu-west-1)
  --account A     twelve digits (123456789012)
  --partition P   aws, aws-cn or aws-us-gov (aws)
  --page-size N   at most N items on any page
  --rule-quota N  pull-through cache rules that fit into the account (50)
  --secret-visible-after S   seconds until ECR sees a new secret (0)
  --list-lag S    seconds until ListSecrets sees a new secret (0)
  --put-moves-current true   PutSecretValue moves AWSCURRENT whatever labels it is given (false)";

fn main() -> ExitCode {
    let options = match read(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            eprintln!("local-aws: {why}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("local-aws: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> std::io::Result<()> {
    let (port, region) = (options.port, options.region.clone());
    let aws = LocalAws::start_blocking(options)
        .map_err(|why| std::io::Error::new(why.kind(), format!("cannot listen on 127.0.0.1:{port}: {why}")))?;
    println!("{}", greeting(&aws.endpoint(), &region));
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(tokio::signal::ctrl_c())?;
    aws.shutdown();
    Ok(())
}

/// Where it is, and a command to use it with. Version 1 of the AWS CLI reads AWS_DEFAULT_REGION alone.
fn greeting(endpoint: &str, region: &str) -> String {
    format!(
        "local-aws serves {endpoint}; use it with: AWS_ENDPOINT_URL={endpoint} AWS_REGION={region} \
         AWS_DEFAULT_REGION={region} AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local \
         aws ecr describe-pull-through-cache-rules"
    )
}

const FLAGS: [&str; 9] = [
    "--port",
    "--region",
    "--account",
    "--partition",
    "--page-size",
    "--rule-quota",
    "--secret-visible-after",
    "--list-lag",
    "--put-moves-current",
];

fn number<T: FromStr>(flag: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("{flag} {value:?} is not a number that fits"))
}

/// Reads the flags; `None` asks for help.
fn read(mut args: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options::default();
    while let Some(arg) = args.next() {
        let (flag, value) = match arg.split_once('=') {
            Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
            None => (arg, None),
        };
        if matches!(flag.as_str(), "-h" | "--help") {
            return Ok(None);
        }
        if !FLAGS.contains(&flag.as_str()) {
            return Err(format!("unknown flag {flag:?}"));
        }
        let value = value
            .or_else(|| args.next())
            .ok_or_else(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--port" => options.port = number(&flag, &value)?,
            "--page-size" => options.page_size = Some(number(&flag, &value)?),
            "--rule-quota" => options.rule_quota = number(&flag, &value)?,
            "--secret-visible-after" => options.secret_visible_after = Duration::from_secs(number(&flag, &value)?),
            "--list-lag" => options.list_lag = Duration::from_secs(number(&flag, &value)?),
            "--put-moves-current" => {
                options.put_moves_current = value
                    .parse()
                    .map_err(|_| format!("{flag} is true or false, not {value:?}"))?;
            }
            "--account" if value.len() == 12 && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                options.account = value
            }
            "--account" => return Err(format!("--account {value:?} is not twelve digits")),
            "--partition" if ["aws", "aws-cn", "aws-us-gov"].contains(&value.as_str()) => options.partition = value,
            "--partition" => return Err(format!("--partition {value:?} is none of aws, aws-cn, aws-us-gov")),
            _ => options.region = value,
        }
    }
    Ok(Some(options))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(line: &str) -> Result<Option<Options>, String> {
        read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn flags_are_read_in_both_forms() {
        let read = flags("--port 4566 --region=us-east-1 --account 999999999999")
            .ok()
            .flatten();
        let read = read.map(|options| (options.port, options.region, options.account));
        assert_eq!(read, Some((4566, "us-east-1".to_owned(), "999999999999".to_owned())));
    }

    #[test]
    fn a_bad_flag_is_named() {
        let why = |line| flags(line).err().unwrap_or_default();
        assert!(why("--prot 1").contains("--prot"));
        assert!(why("--port").contains("needs a value"));
        assert!(why("--port x").contains("\"x\""));
        assert!(why("--account 12").contains("twelve digits"));
    }

    #[test]
    fn both_versions_of_the_aws_cli_are_told_the_region() {
        let greeting = greeting("http://127.0.0.1:4566", "eu-west-1");
        for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
            assert!(greeting.contains(&format!(" {name}=eu-west-1 ")), "{greeting}");
        }
    }

    #[test]
    fn help_is_no_error() {
        assert!(matches!(flags("--help"), Ok(None)));
    }
}
