//! "Did you mean": the known word nearest to an unknown one.

/// What people write who come from Terraform, CloudFormation, the AWS CLI or Docker, and what it is called here.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("password", "accessToken"),
    ("passwd", "accessToken"),
    ("token", "accessToken"),
    ("user", "username"),
    ("login", "username"),
    ("host", "registry"),
    ("url", "registry"),
    ("upstream", "registry"),
    ("upstreamregistry", "registry"),
    ("upstreamregistryurl", "registry"),
    ("registryurl", "registry"),
    ("credentialarn", "secret"),
    ("secretarn", "secret"),
    ("secretname", "secret"),
    ("lifecyclepolicyrules", "lifecycle_policy"),
    ("lifecyclerules", "lifecycle_policy"),
    ("lifecycle", "lifecycle_policy"),
    ("tagmutability", "image_tag_mutability"),
    ("mutability", "image_tag_mutability"),
    ("exclusionfilters", "image_tag_mutability_exclusion_filters"),
    ("readaccessarns", "repository_read_access_arns"),
    ("encryption", "encryption_configuration"),
    ("rolearn", "custom_role_arn"),
    ("role", "custom_role_arn"),
    ("upstreamprefix", "upstream_repository_prefix"),
    ("resourcetags", "tags"),
    ("priority", "rulePriority"),
    ("prefixes", "tagPrefixList"),
    ("patterns", "tagPatternList"),
    ("unit", "countUnit"),
    ("number", "countNumber"),
    ("count", "countNumber"),
    ("kmskeyarn", "kms_key"),
    ("kmskeyid", "kms_key"),
    ("key", "kms_key"),
    ("sincepushed", "sinceImagePushed"),
    ("delete", "expire"),
    ("archive", "transition"),
    ("day", "days"),
];

/// The nearest of the known words, if one is near enough: case and punctuation do not count, and a third of the letters may differ.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    // Nobody misspells a word into a page of text, and the comparison below is quadratic.
    if word.len() > 80 {
        return None;
    }
    let bare = squeezed(word);
    if bare.is_empty() {
        return None;
    }
    if let Some(same) = known.iter().find(|candidate| squeezed(candidate) == bare) {
        return Some(same);
    }
    if let Some((_, name)) = OTHER_NAMES
        .iter()
        .find(|(other, name)| *other == bare && known.contains(name))
    {
        return known.iter().find(|candidate| *candidate == name).copied();
    }
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(&bare, &squeezed(candidate)), *candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len().min(bare.len()) / 3).min(4))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The end of a message: `; did you mean ...?`, or nothing.
pub(crate) fn did_you_mean(word: &str, known: &[&str]) -> Option<String> {
    nearest(word, known).map(|near| format!("did you mean `{near}`?"))
}

/// A word without case, underscores and whatever else is no letter or digit.
fn squeezed(word: &str) -> String {
    word.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &[
        "registry",
        "username",
        "accessToken",
        "lifecycle_policy",
        "tags",
        "secret",
    ];

    #[test]
    fn near_words_are_found() {
        for (word, expected) in [
            ("regisrty", Some("registry")),
            ("Registry", Some("registry")),
            ("access_token", Some("accessToken")),
            ("accesstoken", Some("accessToken")),
            ("lifecyclePolicy", Some("lifecycle_policy")),
            ("lifecycle_policy_rules", Some("lifecycle_policy")),
            ("password", Some("accessToken")),
            ("tag", Some("tags")),
            ("\u{a0}tags", Some("tags")),
            ("zebra", None),
            ("", None),
            ("___", None),
        ] {
            assert_eq!(nearest(word, KNOWN), expected, "{word}");
        }
    }

    #[test]
    fn another_name_is_only_suggested_where_it_is_known() {
        assert_eq!(nearest("password", &["tags"]), None);
        assert_eq!(nearest(&"a".repeat(1000), KNOWN), None);
    }
}
