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
