//! The stack's parameters as somebody meets them who deploys it: in two groups, and with nothing that has to be answered.

use std::collections::BTreeSet;
use std::fs;

use serde_yaml::{Mapping, Value};

/// As many as fit into one look.
const MOST_IN_FIRST_GROUP: usize = 7;

fn template() -> Mapping {
    serde_yaml::from_str(&fs::read_to_string("template.yaml").unwrap()).unwrap()
}

/// The parameters of each group, in order.
fn groups(template: &Mapping) -> Vec<Vec<String>> {
    let interface = &template["Metadata"]["AWS::CloudFormation::Interface"];
    let groups = interface["ParameterGroups"].as_sequence().unwrap();
    let names = |group: &Value| serde_yaml::from_value(group["Parameters"].clone()).unwrap();
    groups.iter().map(names).collect()
}

#[test]
fn the_first_of_two_groups_is_short_and_every_parameter_is_in_one_of_them() {
    let template = template();
    let groups = groups(&template);
    assert_eq!(groups.len(), 2);
    assert!(groups[0].len() <= MOST_IN_FIRST_GROUP, "{:?}", groups[0]);
    let grouped = groups.concat();
    let parameters = template["Parameters"].as_mapping().unwrap();
    let all: BTreeSet<&str> = parameters.keys().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(grouped.iter().map(String::as_str).collect::<BTreeSet<_>>(), all);
    assert_eq!(grouped.len(), all.len(), "one is in two groups");
    let labels = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterLabels"].as_mapping();
    let labelled: BTreeSet<&str> = labels.unwrap().keys().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(labelled, all);
}

#[test]
fn the_table_of_parameters_begins_with_the_first_group() {
    let page = fs::read_to_string("docs/deploy.md").unwrap();
    let section = page
        .split("\n## Parameters\n")
        .nth(1)
        .unwrap()
        .split("\n## ")
        .next()
        .unwrap();
    let rows = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let rows: Vec<&str> = rows.map(|(name, _)| name).collect();
    let first = &groups(&template())[0];
    assert_eq!(rows.get(..first.len()).unwrap(), first);
}

/// SAM asks for what `samconfig.toml` and the defaults leave open, with `--guided` alone; without it, it fails.
#[test]
fn sam_deploy_needs_no_answers() {
    for (name, parameter) in template()["Parameters"].as_mapping().unwrap() {
        assert!(parameter.get("Default").is_some(), "{name:?} has no default");
    }
    let settings = fs::read_to_string("samconfig.toml").unwrap();
    for setting in ["stack_name = ", "capabilities = ", "resolve_s3 = true"] {
        assert!(settings.lines().any(|line| line.starts_with(setting)), "{setting}");
    }
    for page in ["README.md", "docs/deploy.md"] {
        let text = fs::read_to_string(page).unwrap();
        assert!(!text.contains("--guided"), "{page}");
    }
    assert!(fs::read_to_string("README.md").unwrap().contains("\nsam deploy"));
}

/// The page of variables that the Terraform module has for the template's parameters. `BLESS=1` writes it.
#[test]
fn the_terraform_module_has_a_variable_for_each_parameter() {
    let path = "deploy/terraform/parameters.tf";
    let made = terraform(&template());
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, &made).unwrap();
    }
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == made,
        "{path} is not in step with template.yaml; BLESS=1 writes it"
    );
}

/// What the module says of the file's place, and of what CloudFormation asks, holds for this template.
#[test]
fn the_terraform_module_fits_the_template() {
    let text = fs::read_to_string("template.yaml").unwrap();
    assert_eq!(text.matches("\n      CodeUri: .\n").count(), 1);
    let (template, module) = (template(), |name: &str| {
        fs::read_to_string(format!("deploy/terraform/{name}.tf")).unwrap()
    });
    let key = template["Parameters"]["ConfigKey"]["Default"].as_str().unwrap();
    let main = module("main");
    assert!(main.contains(&format!("coalesce(var.config_key, \"{key}\")")), "{main}");
    let name = template["Metadata"]["AWS::ServerlessRepo::Application"]["Name"]
        .as_str()
        .unwrap();
    assert!(module("variables").contains(&format!("default     = \"{name}\"")));
    let outputs = template["Outputs"].as_mapping().unwrap();
    let words = [main, module("outputs")].concat();
    for output in ["ConfigBucket", "PullerPolicyArn", "StatusCommand"] {
        assert!(words.contains(output) && outputs.contains_key(output), "{output}");
    }
}

fn terraform(template: &Mapping) -> String {
    let parameters = template["Parameters"].as_mapping().unwrap();
    let names: Vec<&str> = parameters.keys().map(|name| name.as_str().unwrap()).collect();
    let width = names.iter().map(|name| name.len()).max().unwrap();
    let mut out = String::from(
        "# The parameters of template.yaml. Made from it by `BLESS=1 cargo test --locked --test all parameters::`, not by hand.\n\n\
         locals {\n  # Null is the template's default.\n  parameters = { for name, value in {\n",
    );
    for name in names {
        let variable = snake_case(name);
        let value = match kind(&parameters[name]) {
            "list(string)" => format!("var.{variable} == null ? null : join(\",\", var.{variable})"),
            "string" => format!("var.{variable}"),
            _ => format!("tostring(var.{variable})"),
        };
        out.push_str(&format!("    {name:width$} = {value}\n"));
    }
    out.push_str("  } : name => value if value != null }\n}\n");
    for (name, parameter) in parameters {
        let description = parameter["Description"].as_str().unwrap();
        out.push_str(&format!(
            "\nvariable \"{}\" {{\n  description = {}\n  type        = {}\n  default     = null\n}}\n",
            snake_case(name.as_str().unwrap()),
            // What Terraform would fill in is text here.
            serde_json::to_string(description)
                .unwrap()
                .replace("${", "$${")
                .replace("%{", "%%{"),
            kind(parameter)
        ));
    }
    out
}

/// What Terraform calls the type of a parameter.
fn kind(parameter: &Value) -> &'static str {
    let is_flag = |words: &Value| {
        words
            .as_sequence()
            .is_some_and(|words| words.iter().all(|word| word == "true" || word == "false"))
    };
    match parameter["Type"].as_str().unwrap() {
        "Number" => "number",
        "CommaDelimitedList" => "list(string)",
        "String" if parameter.get("AllowedValues").is_some_and(is_flag) => "bool",
        "String" => "string",
        other => panic!("{other} has no type in Terraform yet"),
    }
}

/// `MaxDeletions` as `max_deletions`.
fn snake_case(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}
