//! For which stacks a registry is.

super::table! {
    135 ONLY_OF_NONE Error "`only` names no stack" {
        why: "`only` says for which accounts and Regions a registry is. With an empty list, or with neither of the two, it would be for none, which looks like a slip.",
        fix: "Name some, or write `only: all`. To remove the registry everywhere, remove it from the file.",
        bad: "quay:\n  registry: quay.io\n  only: {accounts: []}\n",
        good: "quay:\n  registry: quay.io\n  only: {accounts: [\"111122223333\"]}\n",
    }
    136 BAD_ACCOUNT Error "An account id does not have 12 digits" {
        why: "The id of an AWS account has 12 digits. Programs that take it for a number lose the zeros in front of it.",
        fix: "Write all 12 digits in quotes, without hyphens.",
        bad: "quay:\n  registry: quay.io\n  only: {accounts: [1111-2222-3333]}\n",
        good: "quay:\n  registry: quay.io\n  only: {accounts: [\"111122223333\"]}\n",
    }
    137 BAD_REGION Error "A name is not of the form of a Region" {
        why: "Regions are named like `eu-west-1`, in lower case. A zone (`eu-west-1a`) is a part of one, and wildcards are not taken.",
        fix: "Write the name of each Region as AWS writes it.",
        bad: "quay:\n  registry: quay.io\n  only: {regions: [Ireland]}\n",
        good: "quay:\n  registry: quay.io\n  only: {regions: [eu-west-1]}\n",
    }
    138 UNKNOWN_REGION Warning "This release knows no such Region" {
        why: "The name has the form of a Region, but is not among those that AWS had when this release was made. With a slip in it the registry is for no stack there.",
        fix: "Look at the spelling. If AWS has opened the Region since, nothing has to be done.",
        bad: "quay:\n  registry: quay.io\n  only: {regions: [eu-wets-1, eu-central-1]}\n",
        good: "quay:\n  registry: quay.io\n  only: {regions: [eu-west-1, eu-central-1]}\n",
    }
}
