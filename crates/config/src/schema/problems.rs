//! The page of every problem, in Markdown, as docs/problems.md has it.

use crate::diagnostics::kinds::{Kind, Severity, kinds};

const HEAD: &str = "# Problems

Every error and warning has a code. It stays the same, whatever the words around it: look it up here, or with `ptc explain PT017`.
An error keeps the whole file from being taken. A warning does not, and `--allow` silences one
([ptc.md](ptc.md#check)). This page is made from the table in `crates/config`.
";

/// The page: a table of all codes, then each by itself.
#[must_use]
pub fn problems_page() -> String {
    let mut page = HEAD.to_owned();
    for (severity, title) in [(Severity::Error, "Errors"), (Severity::Warning, "Warnings")] {
        page.push_str(&format!(
            "\n## {title}\n\n| code | what is the matter |\n| --- | --- |\n"
        ));
        for kind in kinds().filter(|kind| kind.severity == severity) {
            let code = kind.code.to_string();
            page.push_str(&format!("| [{code}](#{}) | {} |\n", code.to_lowercase(), kind.title));
        }
    }
    for kind in kinds() {
        page.push_str(&format!("\n## {}\n\n{}", kind.code, kind.markdown()));
    }
    page
}

impl Kind {
    /// Its explanation without the code, in Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "**{}** ({}, `{}`)\n\n{}\n\n{}\n",
            self.title,
            self.severity.as_str(),
            self.slug(),
            self.why,
            self.fix
        );
        for (word, file) in self.examples() {
            text.push_str(&format!("\n{word}:\n\n```yaml\n{file}```\n"));
        }
        text
    }

    /// A file that gives it and the same without it, where there are such.
    pub fn examples(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        [("Not", self.bad), ("But", self.good)]
            .into_iter()
            .filter(|(_, file)| !file.is_empty())
    }
}
