//! Files that are refused: each with all its errors, each error with its place. The table is in `tests/bad_files/`.

use std::fmt::Write as _;
use std::fs;

use crate::files::cases::{Case, context_of, tables};
use crate::files::{context, refused};
use config::{MAX_BYTES, Problem, Severity, kind, read};

#[test]
fn every_bad_file_is_refused_with_all_its_errors() {
    let bless = std::env::var_os("BLESS").is_some();
    let (mut count, mut wrong) = (0, String::new());
    for (path, preamble, cases) in tables() {
        let mut blessed = preamble;
        for case in cases {
            count += 1;
            let Err(rejected) = read(case.yaml.as_bytes(), &context_of(&case.title)) else {
                panic!("{}: {} was accepted", path.display(), case.title);
            };
            let found: Vec<String> = rejected.errors.iter().map(line_of).collect();
            check_place(&case, &rejected.errors);
            write!(blessed, "\n## {}\n{}", case.title, case.yaml).unwrap();
            for line in &found {
                writeln!(blessed, ">> {line}").unwrap();
            }
            if found != case.expected {
                writeln!(
                    wrong,
                    "{}: {}\n  expected {:#?}\n  found {found:#?}",
                    path.display(),
                    case.title,
                    case.expected
                )
                .unwrap();
            }
        }
        if bless {
            fs::write(&path, blessed).unwrap();
        }
    }
    assert!(bless || wrong.is_empty(), "{wrong}");
    assert!(count >= 110, "only {count} cases");
}

/// Each error stands in the file, but for those about the environment, and shows no token.
fn check_place(case: &Case, errors: &[Problem]) {
    assert!(!errors.is_empty(), "{}", case.title);
    let lines: Vec<&str> = case.yaml.split('\n').collect();
    for error in errors {
        let kind = kind(error.code).unwrap_or_else(|| panic!("{}: {error} has no kind", case.title));
        assert_eq!(kind.severity, Severity::Error, "{}: {error}", case.title);
        assert!(!error.message.contains("s3cr3t"), "{}: {error}", case.title);
        assert!(
            !error.message.is_empty() && error.message.len() < 700,
            "{}: {error}",
            case.title
        );
        let (Some(line), Some(column)) = (error.line, error.column) else {
            assert!(error.message.starts_with("RESOURCE_TAGS"), "{}: {error}", case.title);
            continue;
        };
        let width = lines
            .get(line - 1)
            .unwrap_or_else(|| panic!("{}: {error}", case.title))
            .chars()
            .count();
        assert!((1..=width + 1).contains(&column), "{}: {error}", case.title);
    }
}

fn line_of(problem: &Problem) -> String {
    let place = match (problem.line, problem.column) {
        (Some(line), Some(column)) => format!("{line}:{column}"),
        _ => "-".to_owned(),
    };
    format!(
        "{place} {} [{}] {}",
        problem.code,
        problem.registry.as_deref().unwrap_or_default(),
        problem.message
    )
}

/// One error of this kind, which says this, at this place.
fn assert_refused(bytes: &[u8], code: &str, line: usize, column: usize, part: &str) {
    let errors = refused(bytes);
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert_eq!(
        (errors[0].line, errors[0].column),
        (Some(line), Some(column)),
        "{errors:#?}"
    );
    assert_eq!(errors[0].code.to_string(), code, "{errors:#?}");
    assert!(errors[0].message.contains(part), "{errors:#?}");
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    assert_refused(b"quay:\n  registry: quay.io\0\n", "PT002", 2, 20, "NUL byte");
    assert_refused(
        b"quay:\n  registry: qu\xe4y.io\n",
        "PT002",
        2,
        15,
        "0xE4 here is not UTF-8",
    );
    assert_refused(b"\xff\xfeq\0u\0a\0y\0", "PT002", 1, 1, "UTF-16");
    assert_refused(b"\xfe\xff\0q\0u\0a\0y", "PT002", 1, 1, "UTF-16");
    assert_refused(b"q\0u\0a\0y\0:\0", "PT002", 1, 2, "looks like UTF-16");
    assert_refused(b"\x1f\x8b\x08\0\0\0", "PT002", 1, 1, "compressed");
    assert_refused(b"quay:\n  registry: \x1b[31mquay.io\n", "PT002", 2, 13, "U+001B");
    assert_refused(
        "quay:\n\u{feff}  registry: quay.io\n".as_bytes(),
        "PT002",
        2,
        1,
        "byte order mark",
    );
}

#[test]
fn a_file_over_one_mebibyte_is_refused() {
    let errors = refused(&vec![b'#'; MAX_BYTES + 1]);
    assert_eq!(errors[0].code.to_string(), "PT001");
    assert!(
        errors[0].message.contains("more than 1048576 bytes (1 MiB)"),
        "{errors:#?}"
    );
    assert!(refused(&vec![b'#'; MAX_BYTES])[0].message.contains("empty"));
}

#[test]
fn crlf_and_a_bom_do_not_move_positions() {
    assert_refused(
        "\u{feff}quay:\r\n  registry: quay.oi\r\n".as_bytes(),
        "PT031",
        2,
        13,
        "did you mean `quay.io`",
    );
    assert_refused("\u{feff}quay: quay.io\r\n".as_bytes(), "PT021", 1, 7, "is a map");
}

#[test]
fn more_than_fifty_registries_are_refused_at_the_first_too_many() {
    let mut yaml = String::new();
    for n in 0..52 {
        writeln!(yaml, "quay-{n}:\n  registry: quay.io").unwrap();
    }
    assert_refused(yaml.as_bytes(), "PT029", 101, 1, "registry 51 of 52");
}

#[test]
fn more_than_fifty_rules_are_refused() {
    let mut yaml = "quay:\n  registry: quay.io\n  lifecycle_policy:\n    rules:\n".to_owned();
    for n in 1..=51 {
        writeln!(yaml, "      - {{rulePriority: {n}, selection: {{tagStatus: tagged, tagPrefixList: [a{n}], countType: imageCountMoreThan, countNumber: 1}}, action: {{type: expire}}}}").unwrap();
    }
    assert_refused(yaml.as_bytes(), "PT060", 55, 9, "rule 51 of 51");
}

#[test]
fn a_lifecycle_policy_that_is_too_long_is_refused() {
    let yaml = format!(
        "quay:\n  registry: quay.io\n  lifecycle_policy:\n    rules:\n      - {{rulePriority: 1, description: {}, selection: {{tagStatus: any, countType: imageCountMoreThan, countNumber: 1}}, action: {{type: expire}}}}\n",
        "x".repeat(30_720)
    );
    assert_refused(yaml.as_bytes(), "PT060", 3, 3, "ECR allows 30720");
}

#[test]
fn too_many_tags_are_refused() {
    let mut yaml = "quay:\n  registry: quay.io\n  tags:\n".to_owned();
    for n in 0..50 {
        writeln!(yaml, "    tag-{n}: a").unwrap();
    }
    assert_refused(yaml.as_bytes(), "PT054", 3, 3, "write at most 49");
}

#[test]
fn too_many_readers_are_refused() {
    let mut yaml = "quay:\n  registry: quay.io\n  repository_read_access_arns:\n".to_owned();
    for n in 0..400 {
        writeln!(yaml, "    - arn:aws:iam::{n:012}:root").unwrap();
    }
    assert_refused(yaml.as_bytes(), "PT050", 4, 5, "10240 characters");
}

#[test]
fn too_many_images_are_refused() {
    let images = |many: usize| {
        (0..many)
            .map(|n| format!("\"app-{n}:1\""))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let file = |first, second| {
        let (first, second) = (images(first), images(second));
        format!("quay: {{registry: quay.io, warm: [{first}]}}\nk8s: {{registry: registry.k8s.io, warm: [{second}]}}\n")
    };
    assert!(read(file(150, 50).as_bytes(), &context()).is_ok());
    assert_refused(
        file(201, 0).as_bytes(),
        "PT147",
        1,
        33,
        "has 201 images; a stack takes 200",
    );
    assert_refused(file(150, 51).as_bytes(), "PT147", 2, 40, "there are 201 images");
}

#[test]
fn a_flood_of_errors_is_cut() {
    let yaml = (0..5000).fold("quay:\n  registry: quay.io\n".to_owned(), |yaml, n| {
        format!("{yaml}  zebra-{n}: 1\n")
    });
    let errors = refused(yaml.as_bytes());
    assert_eq!(errors.len(), 101);
    assert_eq!(errors[100].message, "4900 more errors are not shown");
    assert_eq!(errors[100].code.to_string(), "PT011");
}

#[test]
fn hostile_shapes_end() {
    let chain = (1..20_000).fold("a0: &a0 [x]\n".to_owned(), |mut yaml, n| {
        writeln!(yaml, "a{n}: &a{n} [*a{}]", n - 1).unwrap();
        yaml
    });
    let merges = (1..20_000).fold("a0: &a0 {k0: v}\n".to_owned(), |mut yaml, n| {
        writeln!(yaml, "a{n}: &a{n} {{<<: *a{}, k{n}: v}}", n - 1).unwrap();
        yaml
    });
    for yaml in [
        "[".repeat(500_000),
        "{".repeat(500_000),
        "- ".repeat(500_000),
        "? ".repeat(500_000),
        "a: {".repeat(100_000),
        "&a ".repeat(300_000),
        "!".repeat(500_000),
        "\"".repeat(500_001),
        "a: b\n".repeat(200_000),
        (0..100_000).map(|n| format!("a{n}:\n")).collect(),
        (0..90_000).map(|n| format!("a{n}: {{}}\n")).collect(),
        format!("[{}]", "a,".repeat(500_000)),
        format!("a: {}", "9".repeat(1_000_000)),
        format!(
            "a: &x {{{}}}",
            (0..45_000).map(|n| format!("token{n}: tok{n},")).collect::<String>()
        ),
        chain,
        merges,
    ] {
        assert!(!refused(yaml.as_bytes()).is_empty());
    }
}

#[test]
fn a_rejection_reads_well() {
    let Err(rejected) = read(b"quay:\n  registry: quay.oi\nHub:\n  registry: quay.io\n", &context()) else {
        panic!("accepted");
    };
    let text = rejected.to_string();
    assert!(
        text.starts_with("the file has 2 errors\nPT031 2:13: quay: ECR cannot cache"),
        "{text}"
    );
}
