//! `local-aws --port N`: the stand-in as a server, for the AWS CLI, boto3, or two processes that share one account.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use local_aws::{LocalAws, Options};

/// Serves S3, Secrets Manager, ECR (pull-through cache and what belongs to it), SQS (standard queues) and KMS (Encrypt and
/// Decrypt) on 127.0.0.1.
///
/// A ReceiveMessage answers at once, whatever WaitTimeSeconds says; visibility timeouts follow POST /_local-aws/advance.
#[derive(Debug, Parser)]
#[command(name = "local-aws")]
struct Flags {
    /// TCP port; 0 is any free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The only region it serves.
    #[arg(long, default_value = "eu-west-1")]
    region: String,
    /// Twelve digits.
    #[arg(long, default_value = "123456789012", value_parser = account)]
    account: String,
    #[arg(long, default_value = "aws", value_parser = ["aws", "aws-cn", "aws-us-gov"])]
    partition: String,
    /// At most so many items on any page.
    #[arg(long)]
    page_size: Option<usize>,
    /// Pull-through cache rules that fit into the account.
    #[arg(long, default_value_t = 50)]
    rule_quota: usize,
    /// Seconds until ECR sees a new secret.
    #[arg(long, default_value_t = 0)]
    secret_visible_after: u64,
    /// Seconds until ListSecrets sees a new secret.
    #[arg(long, default_value_t = 0)]
    list_lag: u64,
    /// Whether PutSecretValue moves AWSCURRENT whatever labels it is given.
    #[arg(long, default_value_t = false, action = clap::ArgAction::Set)]
    put_moves_current: bool,
}

fn account(text: &str) -> Result<String, String> {
    let good = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    good.then(|| text.to_owned())
        .ok_or_else(|| "it is not twelve digits".to_owned())
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    match run(Options {
        account: flags.account,
        region: flags.region,
        partition: flags.partition,
        secret_visible_after: Duration::from_secs(flags.secret_visible_after),
        list_lag: Duration::from_secs(flags.list_lag),
        put_moves_current: flags.put_moves_current,
        page_size: flags.page_size,
        port: flags.port,
        rule_quota: flags.rule_quota,
    }) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_flag_is_named() {
        for (line, part) in [
            ("--prot 1", "--prot"),
            ("--port", "--port <PORT>"),
            ("--account 12", "twelve digits"),
            ("--partition aws-x", "aws-us-gov"),
            ("--put-moves-current", "--put-moves-current"),
        ] {
            let read = Flags::try_parse_from(["local-aws"].into_iter().chain(line.split(' ')));
            let why = read.map(|flags| format!("{flags:?}")).unwrap_err().to_string();
            assert!(why.contains(part), "{why}");
        }
    }

    #[test]
    fn both_versions_of_the_aws_cli_are_told_the_region() {
        let greeting = greeting("http://127.0.0.1:4566", "eu-west-1");
        for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
            assert!(greeting.contains(&format!(" {name}=eu-west-1 ")), "{greeting}");
        }
    }
}
