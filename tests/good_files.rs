//! Files that are accepted, and what they are read as.

use std::collections::BTreeSet;

use crate::files::{accepted, context};
use config::{
    Code, Context, CredentialSource, EncryptionKind, LifecyclePolicy, Mutability, ReadAccess, Registry, Setting,
    SourceForm, SourceUsername, UpstreamKind, read, schema,
};

/// The only registry of a file.
fn one(text: &str) -> Registry {
    let mut file = accepted(text);
    assert_eq!(file.registries.len(), 1);
    file.registries.remove(0)
}

/// The messages of a file's warnings, with their places.
fn warnings(text: &str) -> Vec<(Option<String>, Option<usize>, String)> {
    accepted(text)
        .warnings
        .into_iter()
        .map(|warning| (warning.registry, warning.line, warning.message))
        .collect()
}

fn given(registry: &Registry) -> (&str, &str) {
    match &registry.credential {
        CredentialSource::Given(credential) => credential.expose(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_legacy_file_is_read_as_it_is() {
    let text = std::fs::read_to_string("examples/registries.yaml").unwrap();
    // Whoever comes from the Terraform module has neither tags nor a role for them.
    let mut context = context();
    context.template_role = false;
    let file = read(text.as_bytes(), &context).unwrap();
    let names: Vec<&str> = file.registries.iter().map(|registry| registry.name.as_str()).collect();
    assert_eq!(names, ["dockerhub", "gitlab", "public-ecr"]);
    assert_eq!(file.max_deletions, None);
    let [dockerhub, gitlab, public] = &file.registries[..] else {
        panic!()
    };

    assert_eq!(
        (dockerhub.upstream.host.as_str(), dockerhub.upstream.kind),
        ("registry-1.docker.io", UpstreamKind::DockerHub)
    );
    assert_eq!(given(dockerhub), ("acme-bot", "dckr_pat_example"));
    assert_eq!(
        dockerhub.read_access.principals,
        ["arn:aws:iam::111122223333:root", "arn:aws:iam::444455556666:root"]
    );
    assert_eq!(dockerhub.mutability, Mutability::Immutable);
    assert_eq!(
        dockerhub.lifecycle.as_ref().unwrap().to_json(),
        r#"{"rules":[{"rulePriority":1,"description":"Keep last 5 images","selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":5},"action":{"type":"expire"}}]}"#
    );
    assert_eq!((dockerhub.line, dockerhub.column), (3, 1));

    assert_eq!(given(gitlab), ("acme-bot", "glpat-example"));
    assert_eq!(gitlab.lifecycle, Some(LifecyclePolicy::default_policy()));
    assert_eq!(gitlab.mutability, Mutability::Mutable);
    assert!(matches!(public.credential, CredentialSource::None));
    assert!(public.read_access == ReadAccess::default() && public.tags.is_empty() && public.encryption.is_none());
    assert!(!public.take_over && public.existing_repositories.is_none());

    let lines: Vec<_> = file
        .warnings
        .iter()
        .map(|warning| (warning.registry.as_deref(), warning.line))
        .collect();
    assert_eq!(
        lines,
        [
            (Some("dockerhub"), Some(6)),
            (Some("dockerhub"), Some(10)),
            (Some("gitlab"), Some(24))
        ]
    );
}

#[test]
fn the_complete_example_is_accepted() {
    // For the account and Region of `make run`.
    let place = Context {
        account: Some("123456789012".into()),
        region: Some("eu-west-1".into()),
        ..context()
    };
    let file = read(&std::fs::read("examples/complete.yaml").unwrap(), &place).unwrap();
    assert_eq!(file.max_deletions, Some(1));
    let [hub, gitlab, github, k8s, base, charts, root] = &file.registries[..] else {
        panic!()
    };
    assert!(
        matches!(&hub.credential, CredentialSource::Secret(name) if name == "ecr-pullthroughcache/shared-docker-hub")
    );
    let source = github.credential.source().unwrap();
    assert_eq!(
        (source.name(), &source.form),
        (
            "team/github-token",
            &SourceForm::Json {
                username: SourceUsername::Text("acme-bot".into()),
                access_token_key: "token".into(),
            }
        )
    );
    assert_eq!(hub.mutability.as_str(), "IMMUTABLE_WITH_EXCLUSION");
    assert_eq!(hub.mutability.filters(), ["latest", "*-nightly"]);
    assert_eq!(hub.lifecycle.as_ref().unwrap().rules.len(), 3);
    assert_eq!(hub.tags["team"], "containers");
    assert_eq!(hub.tags["managed-by"], "ecr-pull-through-sync");
    assert!(hub.take_over);
    assert_eq!(
        hub.read_access.principals,
        ["arn:aws:iam::444455556666:root", "777788889999"]
    );
    let existing = hub.existing_repositories.as_ref().unwrap();
    assert_eq!(existing.apply.len(), 4);
    assert_eq!(
        (
            existing.include.len(),
            existing.exclude.len(),
            existing.max_expiring_images
        ),
        (1, 1, 0)
    );
    assert_eq!(gitlab.lifecycle, None);
    assert_eq!(gitlab.tags["team"], "platform");
    assert_eq!(k8s.encryption.as_ref().unwrap().kind, EncryptionKind::Kms);
    assert_eq!(base.upstream.kind, UpstreamKind::Ecr);
    assert_eq!(
        base.upstream.ecr_account_and_region(),
        Some(("444455556666", "eu-west-1"))
    );
    assert_eq!(base.upstream_repository_prefix.as_deref(), Some("base"));
    assert_eq!(
        base.custom_role_arn.as_deref(),
        Some("arn:aws:iam::123456789012:role/ecr-pull-through")
    );
    assert_eq!(charts.served_part(), Some("acme/charts"));
    assert_eq!(charts.read_access.organizations, ["o-abcdefghij"]);
    assert_eq!(charts.read_access.services, ["omics.amazonaws.com"]);
    assert_eq!((root.name.as_str(), root.upstream.kind), ("ROOT", UpstreamKind::Quay));
}

#[test]
fn every_field_of_the_reference_is_in_the_complete_example() {
    let text = std::fs::read_to_string("examples/complete.yaml").unwrap();
    let schema = schema();
    let fields = schema["definitions"]["eachRegistry"]["properties"].as_object().unwrap();
    assert!(fields.len() >= 15);
    let others = [
        "encryption_type",
        "kms_key",
        "max_deletions",
        "defaults",
        "description",
        "tagPatternList",
        "storageClass",
    ];
    for field in fields.keys().map(String::as_str).chain(others) {
        assert!(
            text.lines()
                .any(|line| line.trim_start_matches([' ', '-']).starts_with(&format!("{field}:"))),
            "{field}"
        );
    }
}

#[test]
fn a_null_field_is_an_absent_field() {
    let registry = one("quay:
  registry: quay.io
  username: null
  accessToken: ~
  secret:
  repository_read_access_arns: Null
  image_tag_mutability: NULL
  image_tag_mutability_exclusion_filters: null
  lifecycle_policy: null
  upstream_repository_prefix: null
  custom_role_arn: null
  encryption_configuration: null
  tags: null
  take_over: null
  allow_unlisted_upstream: null
  existing_repositories: null
");
    assert!(matches!(registry.credential, CredentialSource::None));
    assert_eq!(registry.lifecycle, Some(LifecyclePolicy::default_policy()));
    assert_eq!(registry.mutability, Mutability::Mutable);
}

#[test]
fn nulls_are_absent_at_every_depth() {
    let file = accepted(
        "registries:
  quay:
    registry: quay.io
    tags: {team: null, a: b}
    encryption_configuration: {encryption_type: AES256, kms_key: null}
    lifecycle_policy:
      rules:
        - rulePriority: 1
          description: null
          selection: {tagStatus: any, tagPrefixList: null, countType: imageCountMoreThan, countUnit: ~, countNumber: 1}
          action: {type: expire, targetStorageClass: null}
tags: null
defaults: ~
max_deletions:
",
    );
    assert_eq!(file.registries[0].tags.len(), 1);
    assert_eq!(
        file.registries[0].lifecycle.as_ref().unwrap().to_json(),
        r#"{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":1},"action":{"type":"expire"}}]}"#
    );
}

#[test]
fn numbers_and_booleans_are_taken_as_their_text() {
    for (written, read) in [
        ("007", "007"),
        ("1.50", "1.50"),
        ("true", "true"),
        ("0x1F", "0x1F"),
        ("1e3", "1e3"),
        ("'007'", "007"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("\"null\"", "null"),
        ("!!str null", "null"),
        ("yes", "yes"),
        ("a b", "a b"),
        ("'it''s'", "it's"),
        ("\"\\x41\"", "A"),
        ("2001-01-01", "2001-01-01"),
        (".inf", ".inf"),
        ("pass#word", "pass#word"),
        ("a:b", "a:b"),
        ("-1", "-1"),
        ("! x", "x"),
    ] {
        let registry = one(&format!(
            "hub:\n  registry: docker.io\n  username: {written}\n  accessToken: {written}\n"
        ));
        assert_eq!(given(&registry), (read, read), "{written}");
    }
}

#[test]
fn numbers_are_read_by_the_core_schema() {
    for (written, read) in [
        ("3", 3),
        ("0", 0),
        ("0x10", 16),
        ("0o17", 15),
        ("+3", 3),
        ("!!int '7'", 7),
    ] {
        let file = accepted(&format!(
            "max_deletions: {written}\nregistries: {{quay: {{registry: quay.io}}}}\n"
        ));
        assert_eq!(file.max_deletions, Some(read), "{written}");
    }
}

#[test]
fn docker_hub_s_other_names_are_normalised() {
    for host in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
        let registry = one(&format!(
            "hub: {{registry: {host}, username: bob, accessToken: abcdef}}\n"
        ));
        assert_eq!(registry.upstream.host, "registry-1.docker.io");
    }
}

#[test]
fn a_registry_may_be_named_registries() {
    let registry = one("registries:\n  registry: quay.io\n");
    assert_eq!(registry.name, "registries");
    let file = accepted("registries:\n  registry:\n    registry: quay.io\n  registries:\n    registry: quay.io\n");
    let names: Vec<&str> = file.registries.iter().map(|registry| registry.name.as_str()).collect();
    assert_eq!(names, ["registry", "registries"]);
}

#[test]
fn names_of_the_wrapped_form_are_free_in_the_flat_one() {
    let file = accepted(
        "tags: {registry: quay.io}\ndefaults: {registry: quay.io}\nx-y: {registry: quay.io}\nsops: {registry: quay.io}\nnull: {registry: quay.io}\n12345: {registry: quay.io}\n",
    );
    let names: Vec<&str> = file.registries.iter().map(|registry| registry.name.as_str()).collect();
    assert_eq!(names, ["tags", "defaults", "x-y", "sops", "null", "12345"]);
}

#[test]
fn defaults_are_for_what_a_registry_leaves_out() {
    let file = accepted("
defaults:
  username: bob
  accessToken: s3cr3t
  image_tag_mutability: IMMUTABLE_WITH_EXCLUSION
  image_tag_mutability_exclusion_filters: [latest]
  lifecycle_policy: none
  repository_read_access_arns: ['111122223333']
  take_over: true
  existing_repositories: true
  custom_role_arn: arn:aws:iam::111122223333:role/pull
  encryption_configuration: {encryption_type: KMS}
  tags: {a: default, b: default}
tags: {a: file, b: file, c: file}
registries:
  hub: {registry: docker.io}
  quay: {registry: quay.io, image_tag_mutability: MUTABLE, take_over: false, existing_repositories: false, lifecycle_policy: null, tags: {a: own}}
  ghcr: {registry: ghcr.io, secret: ecr-pullthroughcache/ghcr}
  gitlab: {registry: registry.gitlab.com, accessToken: other}
  ecr: {registry: 444455556666.dkr.ecr.us-east-1.amazonaws.com, encryption_configuration: {encryption_type: AES256}}
");
    let [hub, quay, ghcr, gitlab, ecr] = &file.registries[..] else {
        panic!()
    };
    assert_eq!(given(hub), ("bob", "s3cr3t"));
    assert_eq!(
        hub.mutability,
        Mutability::ImmutableWithExclusion(vec!["latest".to_owned()])
    );
    assert_eq!(hub.lifecycle, None);
    assert_eq!(hub.read_access.principals, ["111122223333"]);
    assert!(hub.take_over && hub.existing_repositories.is_some());
    assert_eq!(hub.custom_role_arn, None);
    assert_eq!(hub.encryption.as_ref().unwrap().kind, EncryptionKind::Kms);
    assert_eq!(
        (hub.tags["a"].as_str(), hub.tags["b"].as_str(), hub.tags["c"].as_str()),
        ("default", "default", "file")
    );

    assert!(matches!(quay.credential, CredentialSource::None));
    assert_eq!(quay.mutability, Mutability::Mutable);
    assert!(!quay.take_over && quay.existing_repositories.is_none());
    assert_eq!(quay.tags["a"], "own");
    assert!(matches!(&ghcr.credential, CredentialSource::Secret(_)));
    assert_eq!(given(gitlab), ("bob", "other"));
    assert!(matches!(ecr.credential, CredentialSource::None));
    assert!(ecr.custom_role_arn.is_some());
    assert_eq!(ecr.encryption.as_ref().unwrap().kind, EncryptionKind::Aes256);
}

#[test]
fn any_upstream_can_be_served_in_part() {
    let file = accepted(
        "
hub: {registry: docker.io, upstream_repository_prefix: library, secret: ecr-pullthroughcache/hub}
team: {registry: quay.io, upstream_repository_prefix: org/team}
all: {registry: quay.io, upstream_repository_prefix: ROOT}
ecr: {registry: 111122223333.dkr.ecr.us-east-1.amazonaws.com, upstream_repository_prefix: base}
",
    );
    let parts: Vec<Option<&str>> = file.registries.iter().map(|registry| registry.served_part()).collect();
    assert_eq!(parts, [Some("library"), Some("org/team"), None, Some("base")]);
    let warned = file
        .warnings
        .iter()
        .filter(|warning| warning.code == Code::UPSTREAM_PREFIX_UNDOCUMENTED);
    let warned: Vec<Option<&str>> = warned.map(|warning| warning.registry.as_deref()).collect();
    assert_eq!(warned, [Some("hub"), Some("team")]);
}

#[test]
fn organizations_and_services_may_pull() {
    let file = accepted(
        "
defaults:
  repository_read_access_arns: ['111122223333']
  repository_read_access: {organizations: [o-abcdefghij], services: [omics.amazonaws.com]}
registries:
  quay: {registry: quay.io}
  own: {registry: quay.io, repository_read_access: {services: [codebuild.amazonaws.com, omics.amazonaws.com.cn]}}
  none: {registry: quay.io, repository_read_access: {}}
  null: {registry: quay.io, repository_read_access: {organizations: null, services: []}}
",
    );
    let more = |name: &str| {
        let registry = file.registries.iter().find(|registry| registry.name == name).unwrap();
        assert_eq!(registry.read_access.principals, ["111122223333"]);
        (
            registry.read_access.organizations.clone(),
            registry.read_access.services.clone(),
        )
    };
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<String>>();
    assert_eq!(
        more("quay"),
        (words(&["o-abcdefghij"]), words(&["omics.amazonaws.com"]))
    );
    let services = words(&["codebuild.amazonaws.com", "omics.amazonaws.com.cn"]);
    assert_eq!(more("own"), (words(&[]), services));
    assert_eq!((more("none"), more("null")), Default::default());
}

#[test]
fn an_own_credential_wins_over_a_default_secret() {
    let file = accepted(
        "defaults: {secret: ecr-pullthroughcache/shared}\nregistries:\n  hub: {registry: docker.io}\n  ghcr: {registry: ghcr.io, username: bob, accessToken: s3cr3t}\n  quay: {registry: quay.io}\n",
    );
    assert!(
        matches!(&file.registries[0].credential, CredentialSource::Secret(name) if name == "ecr-pullthroughcache/shared")
    );
    assert_eq!(given(&file.registries[1]), ("bob", "s3cr3t"));
    assert!(matches!(&file.registries[2].credential, CredentialSource::None));
}

#[test]
fn resource_tags_come_last() {
    let mut context = context();
    context.resource_tags = [("a".to_owned(), "env".to_owned()), ("z".to_owned(), "env".to_owned())].into();
    let file = read(b"quay: {registry: quay.io, tags: {a: own, empty: ''}}", &context).unwrap();
    let tags = &file.registries[0].tags;
    assert_eq!(
        (tags["a"].as_str(), tags["z"].as_str(), tags["empty"].as_str()),
        ("own", "env", "")
    );
}

#[test]
fn anchors_aliases_and_merge_keys_work_everywhere() {
    let file = accepted(
        "
x-host: &host quay.io
x-a: &a {take_over: true, image_tag_mutability: MUTABLE_WITH_EXCLUSION}
x-b: &b {take_over: false, image_tag_mutability_exclusion_filters: [v1], registry: *host}
x-registries: &more
  extra: {registry: *host}
registries:
  <<: *more
  both: {<<: [*a, *b]}
  one: &one
    <<: *b
    take_over: true
    image_tag_mutability_exclusion_filters: ~
  two: *one
  three: {'<<': *a, registry: quay.io}
"
        .replace("  three: {'<<': *a, registry: quay.io}\n", "")
        .as_str(),
    );
    let find = |name: &str| file.registries.iter().find(|registry| registry.name == name).unwrap();
    assert_eq!(file.registries.len(), 4);
    assert!(find("both").take_over);
    assert_eq!(
        find("both").mutability,
        Mutability::MutableWithExclusion(vec!["v1".to_owned()])
    );
    assert!(find("one").take_over && find("two").take_over);
    assert_eq!(find("extra").upstream.host, "quay.io");
}

#[test]
fn a_merge_works_at_the_top_of_the_flat_form() {
    let file = accepted("<<: {quay: {registry: quay.io}}\nk8s: {registry: registry.k8s.io}\n");
    assert_eq!(file.registries.len(), 2);
}

#[test]
fn json_is_yaml() {
    assert_eq!(
        one(r#"{"quay": {"registry": "quay.io", "take_over": true}}"#)
            .upstream
            .host,
        "quay.io"
    );
}

#[test]
fn line_ends_boms_and_document_marks_do_not_matter() {
    for text in [
        "\u{feff}quay:\r\n  registry: quay.io\r\n",
        "quay:\r  registry: quay.io\r",
        "---\nquay:\n  registry: quay.io\n...\n",
        "%YAML 1.2\n---\nquay:\n  registry: quay.io\n",
        "# a comment\n\nquay:\n  registry: quay.io",
        "quay:\n  registry: quay.io\t# a tab before a comment\n",
        "quay: !!map\n  registry: !!str quay.io\n",
    ] {
        assert_eq!(one(text).upstream.host, "quay.io", "{text:?}");
    }
}

#[test]
fn existing_repositories_are_off_all_or_some() {
    let read = |value: &str| {
        one(&format!(
            "quay:\n  registry: quay.io\n  existing_repositories: {value}\n"
        ))
        .existing_repositories
    };
    assert_eq!(read("false"), None);
    assert_eq!(read("null"), None);
    let all = read("true").unwrap();
    assert_eq!(all, read("{}").unwrap());
    assert_eq!(all.apply.len(), 4);
    let some = read("{apply: [tags], max_expiring_images: 5, include: ['*/x', quay/y], exclude: ['*']}").unwrap();
    assert_eq!(some.apply, BTreeSet::from([Setting::Tags]));
    assert_eq!(some.max_expiring_images, 5);
}

#[test]
fn fifty_registries_are_allowed() {
    let text: String = (0..50).map(|n| format!("quay-{n}: {{registry: quay.io}}\n")).collect();
    assert_eq!(accepted(&text).registries.len(), 50);
}

#[test]
fn the_default_policy_is_what_the_terraform_module_wrote() {
    let json = LifecyclePolicy::default_policy().to_json();
    assert_eq!(
        json,
        r#"{"rules":[{"rulePriority":1,"description":"Keep last 3 images","selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":3},"action":{"type":"expire"}}]}"#
    );
    assert!(json.len() >= 100, "PutLifecyclePolicy takes no shorter one");
}

#[test]
fn lifecycle_policies_of_every_kind_are_accepted() {
    let policy = |rules: &str| {
        one(&format!(
            "quay:\n  registry: quay.io\n  lifecycle_policy:\n    rules: {rules}\n"
        ))
        .lifecycle
        .unwrap()
        .to_json()
    };
    // One `any` for each storage class, and priorities with gaps in any order.
    let json = policy(
        "[{rulePriority: 30, selection: {tagStatus: any, storageClass: archive, countType: sinceImageTransitioned, countUnit: days, countNumber: 365}, action: {type: expire}}, {rulePriority: 20, selection: {tagStatus: any, storageClass: standard, countType: sinceImagePulled, countUnit: days, countNumber: 90}, action: {type: transition, targetStorageClass: archive}}, {rulePriority: 10, selection: {tagStatus: tagged, tagPatternList: ['*a*b*c*'], countType: sinceImagePushed, countUnit: days, countNumber: 1}, action: {type: expire}}]",
    );
    assert!(json.contains(
        r#""storageClass":"archive","countType":"sinceImageTransitioned","countUnit":"days","countNumber":365"#
    ));
    assert!(json.contains(r#""action":{"type":"transition","targetStorageClass":"archive"}"#));
    policy(
        "[{rulePriority: 1, selection: {tagStatus: tagged, tagPrefixList: [a], countType: imageCountMoreThan, countNumber: 1}, action: {type: expire}}, {rulePriority: 2, selection: {tagStatus: tagged, tagPrefixList: [b], countType: imageCountMoreThan, countNumber: 1}, action: {type: expire}}]",
    );
}

#[test]
fn what_surprises_is_warned_about() {
    let found = warnings("
registries:
  hub: {registry: docker.io, username: bob, accessToken: s3cr3t}
  quay: {registry: quay.io, image_tag_mutability: IMMUTABLE, existing_repositories: true}
  k8s:
    registry: registry.k8s.io
    lifecycle_policy:
      rules: [{rulePriority: 1, selection: {tagStatus: untagged, countType: imageCountMoreThan, countNumber: 1}, action: {type: expire}}]
  ghcr:
    registry: quay.io
    lifecycle_policy: none
    existing_repositories: {apply: [lifecycle_policy]}
");
    let places: Vec<_> = found
        .iter()
        .map(|(registry, line, message)| {
            (
                registry.as_deref().unwrap(),
                line.unwrap(),
                message.split_whitespace().next().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        places,
        [
            ("hub", 3, "the"),
            ("quay", 4, "with"),
            ("k8s", 8, "a"),
            ("ghcr", 11, "with")
        ]
    );
    assert!(warnings("quay: {registry: quay.io}").is_empty());
}

#[test]
fn a_warning_about_a_default_comes_once() {
    let found = warnings(
        "
defaults: {username: bob, accessToken: s3cr3t, image_tag_mutability: IMMUTABLE}
registries:
  hub: {registry: docker.io}
  ghcr: {registry: ghcr.io}
",
    );
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(
        found
            .iter()
            .all(|(registry, line, _)| registry.is_none() && *line == Some(2))
    );
}

#[test]
fn a_region_without_the_feature_is_warned_about() {
    for (region, partition) in [
        ("cn-north-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
        ("us-iso-east-1", "aws-iso"),
    ] {
        let mut context = context();
        (context.region, context.partition) = (Some(region.to_owned()), partition.to_owned());
        let file = read(b"quay: {registry: quay.io}", &context).unwrap();
        assert!(file.warnings[0].message.contains(region), "{:?}", file.warnings);
    }
}

#[test]
fn nothing_printed_shows_a_credential() {
    let file = accepted("hub: {registry: docker.io, username: bob-the-user, accessToken: s3cr3t-token}\n");
    let printed = format!("{file:?} {:?}", file.registries[0].credential);
    assert!(
        !printed.contains("s3cr3t") && !printed.contains("bob-the-user"),
        "{printed}"
    );
}

#[test]
fn more_warm_tags_than_the_policy_keeps_are_a_warning() {
    let many = "[\"a:1\", \"a:2\", \"a:3\", \"a:4\", \"b:1\"]";
    let expires = |policy: &str| {
        let found = accepted(&format!("quay: {{registry: quay.io, warm: {many}{policy}}}\n"));
        found.warnings.iter().any(|warning| warning.code.to_string() == "PT148")
    };
    let policy = |selection: &str, action: &str| {
        format!(
            ", lifecycle_policy: {{rules: [{{rulePriority: 1, selection: {{{selection}}}, action: {{type: {action}}}}}]}}"
        )
    };
    assert!(expires(""), "the default keeps 3");
    assert!(!expires(", lifecycle_policy: none"));
    let count = |n: u32, of: &str| format!("{of}, countType: imageCountMoreThan, countNumber: {n}");
    assert!(!expires(&policy(&count(4, "tagStatus: any"), "expire")));
    assert!(expires(&policy(
        &count(1, "tagStatus: tagged, tagPatternList: [\"*\"]"),
        "expire"
    )));
    assert!(!expires(&policy(
        &count(1, "tagStatus: tagged, tagPrefixList: [v]"),
        "expire"
    )));
    assert!(!expires(&policy(&count(1, "tagStatus: untagged"), "expire")));
    let days = "tagStatus: any, countType: sinceImagePushed, countUnit: days, countNumber: 1";
    assert!(!expires(&policy(days, "expire")));
}

#[test]
fn a_source_is_read_with_its_defaults_and_a_registrys_own_credential_replaces_it_whole() {
    let of = |file: &str| one(file).credential;
    let source = of("gitlab: {registry: registry.gitlab.com, secret_from: {secret: prod/gitlab}}");
    let form = SourceForm::Json {
        username: SourceUsername::Key("username".into()),
        access_token_key: "accessToken".into(),
    };
    assert_eq!(source.source().unwrap().form, form);
    let text =
        "gitlab: {registry: registry.gitlab.com, secret_from: {secret: prod/gitlab, format: text, username: bot}}";
    assert_eq!(
        of(text).source().unwrap().form,
        SourceForm::Text { username: "bot".into() }
    );
    let file = "defaults: {secret_from: {secret: prod/all}}
registries:
  ghcr: {registry: ghcr.io}
  hub: {registry: docker.io, secret: ecr-pullthroughcache/ops}
  gitlab: {registry: registry.gitlab.com, username: bot, accessToken: canary}
  cgr: {registry: cgr.dev, secret_from: {secret: prod/cgr}}
  quay: {registry: quay.io}
";
    let file = accepted(file);
    let told = file.registries.iter().map(|registry| match &registry.credential {
        CredentialSource::None => "none",
        CredentialSource::Given(_) => "given",
        CredentialSource::Secret(name) => name,
        CredentialSource::From(from) => from.name(),
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        ["prod/all", "ecr-pullthroughcache/ops", "given", "prod/cgr", "none"]
    );
}
