//! Writing templates, and reading back what ECR made of it.

use super::{Applier, Slot, StepError};
use crate::account::{AwsError, Template};
use crate::cause::{Cause, Reason};
use crate::plan::template_differences;

/// The code of a creation that finds a template of that name.
const EXISTS: &str = "TemplateAlreadyExistsException";

impl Applier<'_> {
    pub(super) async fn create_template(&self, template: &Template) -> Result<(), StepError> {
        match self
            .patiently(Slot::Template, &template.prefix, || {
                self.writer.create_template(template)
            })
            .await
        {
            // A repeated creation that finds the very template has met its own success.
            Err(error) if error.repeated && error.is(EXISTS) && self.stayed(template).await?.0.is_empty() => Ok(()),
            created => created.map_err(raced(EXISTS)),
        }
    }

    /// Whether an empty text clears a field is nowhere promised. So what was written is read back, and if something
    /// stayed the template is deleted and made again: templates act only when a repository is made.
    pub(super) async fn update_template(&self, template: &Template) -> Result<(), StepError> {
        let missing = raced("TemplateNotFoundException");
        self.patiently(Slot::Template, &template.prefix, || {
            self.writer.update_template(template)
        })
        .await
        .map_err(missing)?;
        let (stayed, shown) = self.stayed(template).await?;
        if stayed.is_empty() {
            return Ok(());
        }
        if self.deadline.is_near() {
            let reason = format!(
                "ECR shows another {} than was written, and time is short",
                stayed.join(", ")
            );
            return Err(StepError::Failed(Cause::for_now(Reason::DEADLINE, reason)));
        }
        self.call(Slot::Template, self.writer.delete_template(&template.prefix))
            .await?;
        if let Err(trouble) = self.create_template(template).await {
            // The mark must not be lost: the template as it was shown goes back, with the seconds kept for this.
            let back = self.deadline.at_last(self.writer.create_template(&shown)).await;
            return Err(match (trouble, back) {
                (StepError::Failed(cause), None | Some(Err(_))) => StepError::Failed(Cause {
                    transient: true,
                    ..cause
                }),
                (trouble, _) => trouble,
            });
        }
        let (stayed, _) = self.stayed(template).await?;
        if stayed.is_empty() {
            return Ok(());
        }
        let reason = format!(
            "ECR took the template, but shows another {} than was written; pulls get what it shows",
            stayed.join(", ")
        );
        Err(StepError::Failed(Cause::new(Reason::NOT_TAKEN, reason)))
    }

    /// What ECR shows otherwise than it was written, once it has had a moment, and all that it shows.
    async fn stayed(&self, template: &Template) -> Result<(Vec<&'static str>, Template), StepError> {
        let mut waits = self.timing.waits().take(4);
        loop {
            let gone = || StepError::LookAgain("the template was deleted by somebody else".into());
            let have = self
                .call(Slot::Read, self.reader.template(&template.prefix))
                .await?
                .ok_or_else(gone)?;
            let stayed = template_differences(&template.spec, &have.spec, &self.scope.home.partition);
            let waited = match waits.next() {
                Some(wait) if !stayed.is_empty() => self.deadline.wait(wait).await,
                _ => false,
            };
            if !waited {
                return Ok((stayed, have));
            }
        }
    }
}

fn raced(code: &'static str) -> impl Fn(AwsError) -> StepError {
    move |error| {
        if error.is(code) {
            StepError::LookAgain(error.to_string())
        } else {
            error.into()
        }
    }
}
