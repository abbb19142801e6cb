//! `ptc doctor`: why does this pull fail?

use std::process::ExitCode;

use clap::Args as ClapArgs;
use jiff::Timestamp;

use crate::commands::status::Status;
use crate::doctor::{Client, Diagnosis, Image, Question, RoleArn, look, page};
use crate::session::SessionArgs;
use crate::ui::{FAILED, Failure, Ui};

const EXAMPLES: &str = r#"Examples:
  ptc doctor docker.io/library/nginx:1.27
  ptc doctor docker.io/library/nginx:1.27 --role arn:aws:iam::123456789012:role/node
  ptc doctor 123456789012.dkr.ecr.eu-west-1.amazonaws.com/dockerhub/library/nginx:1.27
  ptc doctor dockerhub/library/nginx:1.27 --pull"#;

/// Say why a pull fails: from the image's name to its layers. Reads only, but for --pull.
///
/// Ends with status 0 where nothing is wrong, and 1 where a cause was found, or not enough could be seen.
#[derive(ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The image, as in a Dockerfile or as in the cache: `docker.io/library/nginx:1.27`, `nginx`,
    /// `123456789012.dkr.ecr.eu-west-1.amazonaws.com/dockerhub/library/nginx:1.27`.
    image: String,
    /// Whose rights to look at: the ARN of the role (or user) that pulls.
    #[arg(long, value_name = "ARN")]
    role: Option<RoleArn>,
    /// Ask ECR for the image, with your own credentials. Where it is not cached, this caches it.
    #[arg(long)]
    pull: bool,
    #[command(flatten)]
    session: SessionArgs,
}

pub async fn run(args: Args, ui: &Ui) -> Result<ExitCode, Failure> {
    let diagnosis = match Image::read(&args.image) {
        Err(malformed) => Diagnosis::of_malformed(&args.image, &malformed),
        Ok(image) => {
            let session = args.session.open(ui).await?;
            let status = ui.waiting("reading the status", Status::read(&session)).await;
            let status = status
                .map(|status| status.report)
                .map_err(|failure| failure.to_string());
            let client = Client::new(&session.config);
            let asked = Question {
                image,
                role: args.role,
                pull: args.pull,
                home: session.home,
                status,
                now: Timestamp::now(),
                warning_days: session.settings.expiry_warning_days,
            };
            let seen = ui
                .waiting("looking at the pull", look(&session.reader, &client, &asked))
                .await;
            Diagnosis::of(&asked, seen.as_ref())
        }
    };
    if ui.json {
        ui.value(&diagnosis)?;
    } else {
        ui.raw(page(&diagnosis, ui.color).as_bytes())?;
    }
    Ok(match diagnosis.explained_by {
        None => ExitCode::SUCCESS,
        Some(_) => FAILED,
    })
}
