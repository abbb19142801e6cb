//! The operations on repository creation templates.

use serde_json::{Value, json};

use super::paging::{self, Page};
use super::rules::{key, wanted};
use super::template::{Input, Template};
use super::{Ecr, TEMPLATES, required, seconds};
use crate::api::{Answer, ApiError, CallContext};

fn not_found(prefix: &str) -> ApiError {
    ApiError::client(
        "TemplateNotFoundException",
        format!(
            "The specified repository creation template can't be found: '{prefix}'. Verify the registry ID and prefix and try again."
        ),
    )
}

fn answer(context: &CallContext, template: &Template) -> Value {
    json!({"registryId": context.account, "repositoryCreationTemplate": template})
}

impl Ecr {
    pub(super) fn create_template(&mut self, context: &CallContext, input: Input) -> Answer {
        let key = key(&input.prefix).to_owned();
        if self.templates.contains_key(&key) {
            return Err(ApiError::client(
                "TemplateAlreadyExistsException",
                "The repository creation template already exists. Specify a unique prefix and try again.",
            ));
        }
        let mut template = Template::new(context, &input.prefix);
        self.fill(context, &mut template, input)?;
        let shown = answer(context, &template);
        self.linked_roles.insert(TEMPLATES);
        self.templates.insert(key, template);
        Ok(shown)
    }

    pub(super) fn update_template(&mut self, context: &CallContext, input: Input) -> Answer {
        let key = key(&input.prefix).to_owned();
        // Worked on a copy, so that a refused update changes nothing.
        let mut template = self
            .templates
            .get(&key)
            .ok_or_else(|| not_found(&input.prefix))?
            .clone();
        self.fill(context, &mut template, input)?;
        template.updated_at = seconds(context.now);
        let shown = answer(context, &template);
        self.templates.insert(key, template);
        Ok(shown)
    }

    pub(super) fn describe_templates(&self, context: &CallContext, input: &Value) -> Answer {
        // Not modelled, but Terraform and ACK both meet a not-found error here.
        let wanted = wanted(input, "prefixes", |prefix| {
            self.templates
                .contains_key(prefix)
                .then_some(())
                .ok_or_else(|| not_found(prefix))
        })?
        .filter(|prefixes| !prefixes.is_empty());
        let asked = |key: &str| {
            wanted
                .as_ref()
                .is_none_or(|wanted| wanted.iter().any(|wanted| wanted == key))
        };
        let page = paging::cut("DescribeRepositoryCreationTemplates", input, self.page_cap, |after| {
            paging::rest(&self.templates, after).filter(|(key, _)| asked(key))
        })?;
        let shown = json!({"registryId": context.account, "repositoryCreationTemplates": page.items});
        Ok(Page::<Value>::sign(page.next, shown))
    }

    pub(super) fn delete_template(&mut self, context: &CallContext, input: &Value) -> Answer {
        let prefix = required(input, "prefix");
        let template = self.templates.remove(key(prefix)).ok_or_else(|| not_found(prefix))?;
        Ok(answer(context, &template))
    }
}
