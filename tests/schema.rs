//! The JSON Schema accepts and refuses what the reader does.
//!
//! That good files are accepted is asserted where they are, in `tests/good_files.rs`: `common::accepted` asks the
//! schema too. Here are the examples, the bad files, values of single fields, and every way in which fields go together.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says so when something is wrong"
)]

mod common;

use common::cases::tables;
use common::context;
use common::schema::{Judge, Verdict};
use ecr_pull_through_sync::config::{Context, read, schema};

/// What a schema cannot say: cases of `tests/bad_files/`, by their titles, and why. Those that are no YAML for an
/// editor either are not in here.
const BEYOND: &[(&str, &str)] = &[
    ("an unknown tag", "JSON has no tags"),
    ("a tag of the wrong kind", "JSON has no tags"),
    ("a SOPS file", "what is encrypted is not looked at"),
    ("our own registry", "the account and Region"),
    ("another account without a role", "the account"),
    ("another account's role", "the account"),
    ("an ARN in another Region", "the Region"),
    ("an ARN in another account", "the account"),
    ("a key in another Region", "the Region"),
    ("a secret that another registry writes", "across registries"),
    ("KMS and no template role {no-role}", "TEMPLATE_ROLE_ARN"),
    ("tags and no template role {no-role}", "TEMPLATE_ROLE_ARN"),
    ("RESOURCE_TAGS and no template role {no-role} {resource-tags}", "RESOURCE_TAGS"),
    ("RESOURCE_TAGS with AWS's prefix {bad-resource-tags}", "RESOURCE_TAGS"),
    ("the same priority twice", "across rules"),
    ("any is not last", "across rules"),
    ("any twice, untagged twice", "across rules"),
    ("the same list twice", "across rules"),
];

#[test]
fn the_schema_is_one_of_draft_7() {
    let draft = Judge::of(serde_json::json!({"$ref": "http://json-schema.org/draft-07/schema#"}));
    assert_eq!(draft.value(&schema()), Verdict::Accepted);
    assert_ne!(draft.value(&serde_json::json!({"type": "text"})), Verdict::Accepted);
    assert_eq!(schema()["$schema"], "http://json-schema.org/draft-07/schema#");
}

#[test]
fn the_examples_are_accepted() {
    let judge = Judge::new();
    for path in ["examples/registries.yaml", "examples/complete.yaml"] {
        assert_eq!(judge.file(&std::fs::read_to_string(path).unwrap()), Verdict::Accepted, "{path}");
    }
}

#[test]
fn the_bad_files_are_refused_but_for_what_a_schema_cannot_say() {
    let judge = Judge::new();
    let mut beyond = Vec::new();
    for (path, _, cases) in tables() {
        for case in cases {
            match judge.file(&case.yaml) {
                Verdict::Accepted => beyond.push(case.title),
                Verdict::Refused(_) => {}
                Verdict::NoYaml(error) => {
                    assert!(path.ends_with("1-text-and-yaml.txt"), "{}: {error}", case.title);
                }
            }
        }
    }
    beyond.sort();
    let mut listed: Vec<&str> = BEYOND.iter().map(|(title, _)| *title).collect();
    listed.sort_unstable();
    assert_eq!(beyond, listed, "accepted, and what is listed as beyond a schema");
}

#[test]
fn a_file_with_sops_s_metadata_is_not_looked_at_and_a_registry_named_sops_is() {
    let judge = Judge::new();
    let metadata = "sops: {mac: 'ENC[AES256_GCM,data:AA]', version: 3.9.0}";
    for file in [
        format!("hub: {{registry: 'ENC[AES256_GCM,data:AA]'}}\n{metadata}\n"),
        format!("registries: {{hub: {{registry: 'ENC[AES256_GCM,data:AA]'}}}}\n{metadata}\n"),
    ] {
        assert_eq!(judge.file(&file), Verdict::Accepted, "{file}");
    }
    assert!(agree(&judge, "sops: {registry: quay.io}\n"));
    assert!(!agree(&judge, "sops: {registry: quay.oi}\n"));
}

/// Whether a file is accepted, on which the reader and the schema must agree: for an account, and on somebody's desk.
fn agree(judge: &Judge, file: &str) -> bool {
    let desk = Context { account: None, region: None, ..context() };
    let at_home = read(file.as_bytes(), &desk);
    let read = read(file.as_bytes(), &context());
    assert_eq!(read.is_ok(), at_home.is_ok(), "{file}\nfor an account: {read:?}\non a desk: {at_home:?}");
    match (&read, judge.file(file)) {
        (Ok(_), Verdict::Accepted) => true,
        (Err(_), Verdict::Refused(_)) => false,
        (read, verdict) => panic!("{file}\nthe reader: {read:?}\nthe schema: {verdict:?}"),
    }
}

/// Values of single fields: where they stand, those that are good and those that are bad.
const VALUES: &[(&str, &[&str], &[&str])] = &[
    (
        "@: {registry: quay.io}",
        &["quay", "ROOT", "root", "a/b", "a.b_c__d---e", "12", "a23456789012345678901234567890", "x-y", "tags"],
        &["q", "a231567890123456789012345678901", "a/", "/a", "a//b", "a..b", "a___b", "-a", "A", "Root", "ä1", "a b"],
    ),
    (
        "hub: {registry: @, secret: ecr-pullthroughcache/x}",
        &["docker.io", "index.docker.io", "registry-1.docker.io", "ghcr.io", "cgr.dev", "a-1.azurecr.io"],
        &["registry.docker.io", "dhi.io", "azurecr.io", "a.b.azurecr.io", "-a.azurecr.io", "A.azurecr.io", "ghcr.io."],
    ),
    (
        "ecr: {registry: @}",
        &["111122223333.dkr.ecr.us-east-1.amazonaws.com", "111122223333.dkr.ecr.us-gov-west-1.amazonaws.com"],
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
        &["bob", "007", "1.50", "true", "0x1F", "a b", "\"é\"", "'null'", "'ENC'", "\"a\u{a0}b\""],
        &["' a'", "'a '", "''", "\"a\\nb\"", "\"\\ta\"", "\"a\u{a0}\"", "null", "[a]", "{a: b}", "\"a\\u0085b\""],
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
        &["[]", "latest", "[a b]", "['']", "[a/b]", "[null]", "[a, b, c, d, e, f]", "null", "[ä]"],
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
        &["arn:aws:iam::111122223333:role/pull", "arn:aws:iam::111122223333:role/a/b", "null"],
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
    ("quay: {registry: quay.io, take_over: @}", &["true", "false", "null", "True"], &["yes", "'true'", "1", "[]"]),
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
        &["{registry: quay.io}", "{registry: {registry: quay.io}}", "{registries: {registry: quay.io}}"],
        &["{}", "null", "[]", "quay.io", "{registry: null}", "{registry: []}", "{registry: 1}", "{quay: null}"],
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
        &["description: a", "description: 1", "description: ''", "description: null"],
        &["description: []", "descripton: a", "tagStatus: any"],
    ),
];

#[test]
fn values_are_good_for_both_or_bad_for_both() {
    let judge = Judge::new();
    for (place, good, bad) in VALUES {
        for value in *good {
            assert!(agree(&judge, &place.replacen('@', value, 1)), "{place}: {value}");
        }
        for value in *bad {
            assert!(!agree(&judge, &place.replacen('@', value, 1)), "{place}: {value}");
        }
    }
}

#[test]
fn lengths_end_where_they_end_for_the_reader() {
    let judge = Judge::new();
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
        assert!(agree(&judge, &place.replacen('@', &"a".repeat(most), 1)), "{place}");
        assert!(!agree(&judge, &place.replacen('@', &"a".repeat(most + 1), 1)), "{place}");
    }
    let registries = |count| (0..count).map(|n| format!("quay-{n}: {{registry: quay.io}}\n")).collect::<String>();
    assert!(agree(&judge, &registries(50)) && !agree(&judge, &registries(51)));
    let tags = |count| {
        let tags: Vec<String> = (0..count).map(|n| format!("t{n}: a")).collect();
        format!("quay: {{registry: quay.io, tags: {{{}}}}}\n", tags.join(", "))
    };
    assert!(agree(&judge, &tags(49)) && !agree(&judge, &tags(50)));
    let rules = |count| {
        let rule = |n| {
            format!(
                "{{rulePriority: {n}, selection: {{tagStatus: tagged, tagPrefixList: [a{n}], countType: imageCountMoreThan, countNumber: 1}}, action: {{type: expire}}}}"
            )
        };
        let rules: Vec<String> = (1..=count).map(rule).collect();
        format!("quay: {{registry: quay.io, lifecycle_policy: {{rules: [{}]}}}}\n", rules.join(", "))
    };
    assert!(agree(&judge, &rules(50)) && !agree(&judge, &rules(51)));
}

/// One of each column, in every way; empty ones are left out.
fn combinations(columns: &[&[&'static str]]) -> Vec<String> {
    let mut rows = vec![Vec::new()];
    for column in columns {
        rows = rows
            .iter()
            .flat_map(|row: &Vec<&str>| column.iter().map(|cell| [row.as_slice(), &[*cell]].concat()))
            .collect();
    }
    let joined = |row: Vec<&str>| row.into_iter().filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join(", ");
    rows.into_iter().map(joined).collect()
}

/// Every registry with every default, in the wrapped form, and without any in the flat one. How many were good and bad.
fn agree_on_all(name: &str, registries: &[String], defaults: &[String]) -> (usize, usize) {
    let judge = Judge::new();
    let flat = registries.iter().map(|fields| format!("{name}: {{{fields}}}\n"));
    let wrapped = registries.iter().flat_map(|fields| {
        defaults.iter().map(move |defaults| {
            format!(
                "{{registries: {{{name}: {{{fields}}}, other: {{registry: quay.io}}}}, defaults: {{{defaults}}}}}\n"
            )
        })
    });
    let (good, bad): (Vec<bool>, Vec<bool>) =
        flat.chain(wrapped).map(|file| agree(&judge, &file)).partition(|good| *good);
    (good.len(), bad.len())
}

/// So many were good and so many bad that both sides have been seen.
fn assert_both_seen((good, bad): (usize, usize), least: usize) {
    assert!(good >= least && bad >= least, "{good} good, {bad} bad");
}

#[test]
fn credentials_go_together_the_same_way() {
    let columns: [&[&str]; 3] = [
        &["", "username: bob", "username: null"],
        &["", "accessToken: x1"],
        &["", "secret: ecr-pullthroughcache/x", "secret: null"],
    ];
    let hosts: &[&str] = &[
        "registry: docker.io",
        "registry: quay.io",
        "registry: 111122223333.dkr.ecr.us-east-1.amazonaws.com",
        "registry: new.example.com, allow_unlisted_upstream: true",
    ];
    let registries = combinations(&[hosts, columns[0], columns[1], columns[2]]);
    assert_both_seen(agree_on_all("hub", &registries, &combinations(&columns)), 100);
}

#[test]
fn mutability_and_filters_go_together_the_same_way() {
    let columns: [&[&str]; 2] = [
        &[
            "",
            "image_tag_mutability: null",
            "image_tag_mutability: MUTABLE",
            "image_tag_mutability: IMMUTABLE",
            "image_tag_mutability: MUTABLE_WITH_EXCLUSION",
        ],
        &["", "image_tag_mutability_exclusion_filters: null", "image_tag_mutability_exclusion_filters: [latest]"],
    ];
    let registries = combinations(&[&["registry: quay.io"], columns[0], columns[1]]);
    // The other registry has no fields of its own, so it is bad wherever the defaults alone are.
    assert_both_seen(agree_on_all("quay", &registries, &combinations(&columns)), 40);
}

#[test]
fn unlisted_hosts_are_let_pass_the_same_way() {
    let allowed: &[&str] =
        &["", "allow_unlisted_upstream: null", "allow_unlisted_upstream: true", "allow_unlisted_upstream: false"];
    let registries = combinations(&[&["registry: quay.io", "registry: new.example.com"], allowed]);
    assert_both_seen(agree_on_all("new", &registries, &combinations(&[allowed])), 10);
}

#[test]
fn what_is_for_private_ecr_and_what_is_not_for_root_goes_together_the_same_way() {
    let columns: [&[&str]; 3] = [
        &["", "upstream_repository_prefix: base", "upstream_repository_prefix: null"],
        &["", "custom_role_arn: 'arn:aws:iam::111122223333:role/pull'"],
        &[
            "",
            "existing_repositories: null",
            "existing_repositories: true",
            "existing_repositories: false",
            "existing_repositories: {include: ['*']}",
            "existing_repositories: {include: []}",
            "existing_repositories: {apply: [tags]}",
        ],
    ];
    let hosts: &[&str] = &["registry: quay.io", "registry: 111122223333.dkr.ecr.us-east-1.amazonaws.com"];
    let registries = combinations(&[hosts, columns[0], columns[1], columns[2]]);
    let defaults = combinations(&columns);
    assert_both_seen(agree_on_all("ROOT", &registries, &defaults), 500);
    assert_both_seen(agree_on_all("ecr", &registries, &defaults), 500);
}

#[test]
fn lifecycle_rules_go_together_the_same_way() {
    let judge = Judge::new();
    let selections = combinations(&[
        &["tagStatus: tagged", "tagStatus: untagged", "tagStatus: any"],
        &["", "tagPatternList: ['v*']"],
        &["", "tagPrefixList: [v]", "tagPrefixList: null"],
        &["", "storageClass: standard", "storageClass: archive"],
        &[
            "countType: imageCountMoreThan",
            "countType: sinceImagePushed",
            "countType: sinceImagePulled",
            "countType: sinceImageTransitioned",
        ],
        &["", "countUnit: days"],
        &["countNumber: 1"],
    ]);
    let actions = combinations(&[
        &["type: expire", "type: transition"],
        &["", "targetStorageClass: standard", "targetStorageClass: archive", "targetStorageClass: null"],
    ]);
    let (mut good, mut bad) = (0, 0);
    for selection in &selections {
        for action in &actions {
            let rule = format!("{{rulePriority: 1, selection: {{{selection}}}, action: {{{action}}}}}");
            let file = format!("quay: {{registry: quay.io, lifecycle_policy: {{rules: [{rule}]}}}}\n");
            *(if agree(&judge, &file) { &mut good } else { &mut bad }) += 1;
        }
    }
    assert_both_seen((good, bad), 50);
}
