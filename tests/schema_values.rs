//! Values of single fields: the JSON Schema and the reader draw the line at the same place.

use crate::files::schema::{Validator, agree};

/// Values of single fields: where they stand, those that are good and those that are bad.
const VALUES: &[(&str, &[&str], &[&str])] = &[
    (
        "@: {registry: quay.io}",
        &[
            "quay",
            "ROOT",
            "root",
            "a/b",
            "a.b_c__d---e",
            "12",
            "a23456789012345678901234567890",
            "x-y",
            "tags",
        ],
        &[
            "q",
            "a231567890123456789012345678901",
            "a/",
            "/a",
            "a//b",
            "a..b",
            "a___b",
            "-a",
            "A",
            "Root",
            "ä1",
            "a b",
        ],
    ),
    (
        "hub: {registry: @, secret: ecr-pullthroughcache/x}",
        &[
            "docker.io",
            "index.docker.io",
            "registry-1.docker.io",
            "ghcr.io",
            "cgr.dev",
            "a-1.azurecr.io",
        ],
        &[
            "registry.docker.io",
            "dhi.io",
            "azurecr.io",
            "a.b.azurecr.io",
            "-a.azurecr.io",
            "A.azurecr.io",
            "ghcr.io.",
        ],
    ),
    (
        "ecr: {registry: @}",
        &[
            "111122223333.dkr.ecr.us-east-1.amazonaws.com",
            "111122223333.dkr.ecr.us-gov-west-1.amazonaws.com",
        ],
        &[
            "11112222333.dkr.ecr.us-east-1.amazonaws.com",
            "111122223333.dkr.ecr.us-east.amazonaws.com",
            "111122223333.dkr.ecr-fips.us-east-1.amazonaws.com",
            "111122223333.dkr.ecr.us-east-1.amazonaws.com.cn",
        ],
    ),
    (
        "new: {allow_unlisted_upstream: true, registry: @}",
        &["new.example.com", "a.b", "xn--a.example", "quay.io"],
        &[
            "new",
            "new.example.com:443",
            "https://new.example.com",
            "new_.example.com",
            "a..b",
            "'@b.c'",
            "''",
            "null",
            "[]",
        ],
    ),
    (
        "hub: {registry: docker.io, username: @, accessToken: x}",
        &[
            "bob",
            "007",
            "1.50",
            "true",
            "0x1F",
            "a b",
            "\"é\"",
            "'null'",
            "'ENC'",
            "\"a\u{a0}b\"",
        ],
        &[
            "' a'",
            "'a '",
            "''",
            "\"a\\nb\"",
            "\"\\ta\"",
            "\"a\u{a0}\"",
            "null",
            "[a]",
            "{a: b}",
            "\"a\\u0085b\"",
        ],
    ),
    (
        "hub: {registry: docker.io, secret: @}",
        &[
            "ecr-pullthroughcache/a",
            "ecr-pullthroughcache/a/b_+=.@-",
            "arn:aws:secretsmanager:eu-central-1:111122223333:secret:ecr-pullthroughcache/hub-AbCdEf",
        ],
        &[
            "hub",
            "ecr-pullthroughcache/",
            "ecr-pullthroughcache/a b",
            "ecr-pullthroughcache/ä",
            "arn:aws:secretsmanager:eu-central-1:111122223333:secret:ecr-pullthroughcache/hub",
            "arn:aws:secretsmanager:eu-central-1:111122223333:secret:ecr-pullthroughcache/-AbCdEf",
            "arn:aws:secretsmanager:eu-central-1:111122223333:secret:other/hub-AbCdEf",
            "arn:aws:ssm:eu-central-1:111122223333:parameter/x",
            "'arn:aws:secretsmanager:::secret:ecr-pullthroughcache/hub-AbCdEf'",
            "12",
            "true",
            "[]",
        ],
    ),
    (
        "quay: {registry: quay.io, repository_read_access_arns: [@]}",
        &[
            "",
            "111122223333",
            "'011122223333'",
            "arn:aws:iam::111122223333:root",
            "'arn:aws:iam::111122223333:role/a/b+=,.@_-'",
            "arn:aws:iam::111122223333:user/a",
            "arn:aws:sts::111122223333:assumed-role/a/b",
            "arn:aws:sts::111122223333:federated-user/a",
        ],
        &[
            "12345",
            "'*'",
            "o-abc",
            "null",
            "[]",
            "arn:aws:iam::111122223333:role",
            "arn:aws:iam::111122223333:role/",
            "arn:aws:iam::111122223333:role/a/",
            "arn:aws:iam::111122223333:role/*",
            "arn:aws:iam::111122223333:group/a",
            "arn:aws:iam:eu-central-1:111122223333:root",
            "arn:aws:iam::aws:root",
            "arn:aws:sts::111122223333:assumed-role/a",
            "arn:aws:s3:::bucket",
        ],
    ),
    (
        "quay: {registry: quay.io, image_tag_mutability: MUTABLE_WITH_EXCLUSION, image_tag_mutability_exclusion_filters: @}",
        &["[latest]", "[v1, 2, 3.1, true, '*']"],
        &[
            "[]",
            "latest",
            "[a b]",
            "['']",
            "[a/b]",
            "[null]",
            "[a, b, c, d, e, f]",
            "null",
            "[ä]",
        ],
    ),
    (
        "quay: {registry: quay.io, image_tag_mutability: @}",
        &["MUTABLE", "IMMUTABLE", "null"],
        &["mutable", "''", "true", "[]", "IMMUTABLE_WITH_EXCLUSION"],
    ),
    (
        "quay: {registry: quay.io, lifecycle_policy: @}",
        &["none", "null"],
        &["None", "false", "{}", "[]", "''", "{rules: []}", "{rules: null}"],
    ),
    (
        "ecr: {registry: 111122223333.dkr.ecr.us-east-1.amazonaws.com, upstream_repository_prefix: @}",
        &["base", "ROOT", "a/b", "null"],
        &["a", "Base", "a/", "''", "[a]"],
    ),
    (
        "ecr: {registry: 111122223333.dkr.ecr.us-east-1.amazonaws.com, custom_role_arn: @}",
        &[
            "arn:aws:iam::111122223333:role/pull",
            "arn:aws:iam::111122223333:role/a/b",
            "null",
        ],
        &[
            "pull",
            "arn:aws:iam::111122223333:role",
            "arn:aws:iam::111122223333:role/",
            "arn:aws:iam::111122223333:user/a",
            "arn:aws:iam::111122223333:role/a b",
            "arn:aws:iam::me:role/a",
            "''",
        ],
    ),
    (
        "quay: {registry: quay.io, encryption_configuration: @}",
        &[
            "null",
            "{encryption_type: AES256}",
            "{encryption_type: AES256, kms_key: null}",
            "{encryption_type: KMS}",
            "{encryption_type: KMS_DSSE, kms_key: 'arn:aws:kms:eu-central-1:111122223333:key/mrk-1a'}",
        ],
        &[
            "KMS",
            "{}",
            "{encryption_type: null}",
            "{encryption_type: aes256}",
            "{encryption_type: KMS, kms_key: alias/x}",
            "{encryption_type: KMS, kms_key: 'arn:aws:kms:eu-central-1:111122223333:key/A'}",
            "{encryption_type: KMS, kms_key: 'arn:aws:kms:eu-central-1:111122223333:alias/a'}",
            "{encryption_type: AES256, kms_key: 'arn:aws:kms:eu-central-1:111122223333:key/1a'}",
            "{encryption_type: KMS, kms_key: 'arn:aws:kms::111122223333:key/1a'}",
            "{encryption_type: KMS, key: a}",
        ],
    ),
    (
        "quay: {registry: quay.io, tags: @}",
        &[
            "{}",
            "null",
            "{a: b}",
            "{a: ''}",
            "{a: 1, b: true, c: null}",
            "{'ä ß_.:/=+-@': 'ä ß_.:/=+-@'}",
            "{awsome: x, 'aws': x}",
        ],
        &[
            "[]",
            "a",
            "{'aws:a': b}",
            "{'AWS:a': b}",
            "{'Ecr-Pull-through-sync:x': b}",
            "{'': a}",
            "{'a,b': c}",
            "{a: 'b,c'}",
            "{a: []}",
        ],
    ),
    (
        "quay: {registry: quay.io, take_over: @}",
        &["true", "false", "null", "True"],
        &["yes", "'true'", "1", "[]"],
    ),
    (
        "quay: {registry: quay.io, existing_repositories: @}",
        &[
            "true",
            "false",
            "null",
            "{}",
            "{apply: [tags, lifecycle_policy], max_expiring_images: 0, include: ['quay/*', '*'], exclude: [a/b, '1', 2]}",
            "{apply: null, max_expiring_images: null, include: null, exclude: null}",
            "{include: [], exclude: []}",
        ],
        &[
            "'true'",
            "[]",
            "1",
            "{apply: []}",
            "{apply: tags}",
            "{apply: [tag]}",
            "{apply: [tags, tags]}",
            "{apply: [null]}",
            "{max_expiring_images: -1}",
            "{max_expiring_images: 1.5}",
            "{max_expiring_images: '1'}",
            "{exclude: [A]}",
            // A hundred and one.
            "{exclude: [a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a]}",
            "{exclude: ['']}",
            "{exclude: [null]}",
            "{exclude: a}",
            "{all: true}",
        ],
    ),
    (
        "{registries: {quay: {registry: quay.io}}, max_deletions: @}",
        &["0", "4294967295", "null", "0x10"],
        &["-1", "4294967296", "1.5", "'1'", "true", "[]"],
    ),
    (
        "{registries: {quay: {registry: quay.io}}, @}",
        &[
            "tags: null",
            "tags: {a: b}",
            "defaults: null",
            "defaults: {}",
            "defaults: {registry: null}",
            "x-a: [1]",
            "x-: 1",
        ],
        &[
            "tag: {}",
            "tags: []",
            "defaults: []",
            "defaults: {registry: quay.io}",
            "defaults: {a: b}",
            "take_over: true",
        ],
    ),
    (
        "registries: @",
        &[
            "{registry: quay.io}",
            "{registry: {registry: quay.io}}",
            "{registries: {registry: quay.io}}",
        ],
        &[
            "{}",
            "null",
            "[]",
            "quay.io",
            "{registry: null}",
            "{registry: []}",
            "{registry: 1}",
            "{quay: null}",
        ],
    ),
    (
        "quay: {registry: quay.io, lifecycle_policy: {rules: [{rulePriority: 1, selection: {tagStatus: tagged, @, countType: imageCountMoreThan, countNumber: 1}, action: {type: expire}}]}}",
        &[
            "tagPatternList: ['v*']",
            "tagPatternList: ['*a*b*c*', 1, 1.5]",
            "tagPrefixList: [v, a-b_c.d, 1]",
            "tagPrefixList: [a, a]",
        ],
        &[
            "tagPatternList: ['*a*b*c*d*']",
            "tagPatternList: ['a b']",
            "tagPatternList: ['']",
            "tagPatternList: []",
            "tagPatternList: a",
            "tagPatternList: [null]",
            "tagPrefixList: ['v*']",
            "tagPrefixList: [ä]",
            "tagPrefixList: []",
        ],
    ),
    (
        "quay: {registry: quay.io, lifecycle_policy: {rules: [{rulePriority: 1, @, selection: {tagStatus: any, countType: imageCountMoreThan, countNumber: 1}, action: {type: expire}}]}}",
        &[
            "description: a",
            "description: 1",
            "description: ''",
            "description: null",
        ],
        &["description: []", "descripton: a", "tagStatus: any"],
    ),
];

#[test]
fn values_are_good_for_both_or_bad_for_both() {
    let validator = Validator::default();
    for (place, good, bad) in VALUES {
        for value in *good {
            assert!(agree(&validator, &place.replacen('@', value, 1)), "{place}: {value}");
        }
        for value in *bad {
            assert!(!agree(&validator, &place.replacen('@', value, 1)), "{place}: {value}");
        }
    }
}

#[test]
fn lengths_end_where_they_end_for_the_reader() {
    let validator = Validator::default();
    for (place, most) in [
        ("quay: {registry: quay.io, tags: {@: a}}", 128),
        ("quay: {registry: quay.io, tags: {a: @}}", 256),
        ("quay: {registry: quay.io, existing_repositories: {exclude: [@]}}", 256),
        ("hub: {registry: docker.io, username: @, accessToken: x}", 30_000),
        ("hub: {registry: docker.io, secret: ecr-pullthroughcache/@}", 512 - 21),
        (
            "hub: {registry: docker.io, secret: 'arn:aws:secretsmanager:eu-central-1:111122223333:secret:ecr-pullthroughcache/@-AbCdEf'}",
            512 - 21,
        ),
        (
            "quay: {registry: quay.io, image_tag_mutability: MUTABLE_WITH_EXCLUSION, image_tag_mutability_exclusion_filters: [@]}",
            128,
        ),
        (
            "ecr: {registry: 111122223333.dkr.ecr.us-east-1.amazonaws.com, custom_role_arn: 'arn:aws:iam::111122223333:role/@'}",
            2048 - 31,
        ),
    ] {
        assert!(agree(&validator, &place.replacen('@', &"a".repeat(most), 1)), "{place}");
        assert!(
            !agree(&validator, &place.replacen('@', &"a".repeat(most + 1), 1)),
            "{place}"
        );
    }
    let registries = |count| {
        (0..count)
            .map(|n| format!("quay-{n}: {{registry: quay.io}}\n"))
            .collect::<String>()
    };
    assert!(agree(&validator, &registries(50)) && !agree(&validator, &registries(51)));
    let wrapped = |count| format!("registries: {{{}}}\n", registries(count).replace('\n', ", "));
    assert!(agree(&validator, &wrapped(50)) && !agree(&validator, &wrapped(51)));
    // Of those that are for some stacks alone an editor counts none.
    for (own, below) in [
        ("", "only: {regions: [eu-west-1]}"),
        (", only: {regions: [eu-west-1]}", ""),
    ] {
        let registries: String = (0..60)
            .map(|n| format!("quay-{n}: {{registry: quay.io{own}}}, "))
            .collect();
        let file = format!("registries: {{{registries}}}\ndefaults: {{{below}}}\n");
        assert!(agree(&validator, &file), "{file}");
    }
    let tags = |count| {
        let tags: Vec<String> = (0..count).map(|n| format!("t{n}: a")).collect();
        format!("quay: {{registry: quay.io, tags: {{{}}}}}\n", tags.join(", "))
    };
    assert!(agree(&validator, &tags(49)) && !agree(&validator, &tags(50)));
    let rules = |count| {
        let rule = |n| {
            format!(
                "{{rulePriority: {n}, selection: {{tagStatus: tagged, tagPrefixList: [a{n}], countType: imageCountMoreThan, countNumber: 1}}, action: {{type: expire}}}}"
            )
        };
        let rules: Vec<String> = (1..=count).map(rule).collect();
        format!(
            "quay: {{registry: quay.io, lifecycle_policy: {{rules: [{}]}}}}\n",
            rules.join(", ")
        )
    };
    assert!(agree(&validator, &rules(50)) && !agree(&validator, &rules(51)));
}
