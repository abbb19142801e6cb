//! Writing templates, and reading back what ECR made of it.

use super::{Applier, Trouble};
use crate::account::{AwsError, Template};
use crate::plan::template_differences;

impl Applier<'_> {
    pub(super) async fn create_template(&self, template: &Template) -> Result<(), Trouble> {
        self.patiently(|| self.writer.create_template(template)).await.map_err(raced("TemplateAlreadyExistsException"))
    }

    /// Whether an empty text clears a field is nowhere promised. So what was written is read back, and if something
    /// stayed the template is deleted and made again: templates act only when a repository is made.
    pub(super) async fn update_template(&self, template: &Template) -> Result<(), Trouble> {
        let missing = raced("TemplateNotFoundException");
        self.patiently(|| self.writer.update_template(template)).await.map_err(missing)?;
        if self.stayed(template).await?.is_empty() {
            return Ok(());
        }
        self.writer.delete_template(&template.prefix).await?;
        self.create_template(template).await?;
        let stayed = self.stayed(template).await?;
        if stayed.is_empty() {
            return Ok(());
        }
        let reason = format!(
            "ECR took the template, but shows another {} than was written; pulls get what it shows",
            stayed.join(", ")
        );
        Err(Trouble::Failed { reason, transient: false })
    }

    async fn stayed(&self, template: &Template) -> Result<Vec<&'static str>, Trouble> {
        let have = self.reader.template(&template.prefix).await?.ok_or(Trouble::LookAgain)?;
        Ok(template_differences(&template.spec, &have.spec, &self.home.partition))
    }
}

fn raced(code: &'static str) -> impl Fn(AwsError) -> Trouble {
    move |error| if error.is(code) { Trouble::LookAgain } else { error.into() }
}
