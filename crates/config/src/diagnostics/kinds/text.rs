//! The bytes, and YAML.

super::table! {
    1 FILE_TOO_LARGE Error "The file has more than 1 MiB" {
        why: "Files above 1 MiB are not read. Fifty registries with everything there is to say take a small part of that, so the file is probably another one, or has something in it that does not belong there.",
        fix: "Check that it is the right file. Take out what is not about registries, or shorten lists of tags and descriptions.",
    }
    2 NOT_TEXT Error "The file is not UTF-8 text" {
        why: "A YAML file is UTF-8 text without control characters. Bytes in another encoding, UTF-16, a compressed file, a NUL byte or a byte order mark in the middle would be read as something else than what the editor shows.",
        fix: "Save the file as UTF-8 in your editor, and remove the character that the message names. Upload the YAML itself, not an archive of it.",
    }
    3 INVALID_YAML Error "The file is not valid YAML" {
        why: "The parser stopped here: indentation, quotes, brackets or colons do not fit. Nothing after this place was read, so there may be more errors.",
        fix: "Look at this line and the one before it. Indent with spaces. Put texts in quotes that begin with `@`, `*`, `&`, `!`, `%`, a backquote or a bracket, or that have `: ` in them.",
        bad: "dockerhub:\n  registry: docker.io\n  username: bot\n  accessToken: @my-token\n",
        good: "dockerhub:\n  registry: docker.io\n  username: bot\n  accessToken: \"@my-token\"\n",
    }
    4 SEVERAL_DOCUMENTS Error "The file has more than one YAML document" {
        why: "A line `---` begins another document. Which of them should hold would be a guess, so none does.",
        fix: "Put all registries into one document: remove the `---` between them.",
        bad: "quay:\n  registry: quay.io\n---\nk8s:\n  registry: registry.k8s.io\n",
        good: "quay:\n  registry: quay.io\nk8s:\n  registry: registry.k8s.io\n",
    }
    5 YAML_TAG Error "A YAML tag has no meaning here" {
        why: "A word that begins with `!` is a tag in YAML, as in CloudFormation's `!Ref`. None of them means anything in this file.",
        fix: "Remove it. If it is the beginning of a text, such as a token, put the text in quotes.",
        bad: "quay:\n  registry: !Sub quay.io\n",
        good: "quay:\n  registry: quay.io\n",
    }
    6 NOT_A_KEY Error "Something other than a name stands in front of a colon" {
        why: "Keys are plain names. A list, a map or nothing at all in front of a colon is nearly always a template such as `{{ token }}` that was not filled in, or a stray colon.",
        fix: "Write a name in front of the colon, fill the template in, or put the text in quotes.",
        bad: "quay:\n  registry: quay.io\n  : MUTABLE\n",
        good: "quay:\n  registry: quay.io\n  image_tag_mutability: MUTABLE\n",
    }
    7 DUPLICATE_KEY Error "A key stands twice in the same map" {
        why: "YAML forbids it, and many readers silently keep one of the two. Which one would be a guess.",
        fix: "Keep one of the two. The message says where the first one stands. Two `<<` become one with a list: `<<: [*a, *b]`.",
        bad: "quay:\n  registry: quay.io\nquay:\n  registry: registry.k8s.io\n",
        good: "quay:\n  registry: quay.io\nk8s:\n  registry: registry.k8s.io\n",
    }
    8 BAD_ALIAS Error "An alias or a merge key cannot be followed" {
        why: "An alias inside the very value that it names would never end, and `<<` can merge maps alone.",
        fix: "Let `<<` name the anchor of a map, and no alias the map that it stands in.",
        bad: "quay:\n  registry: quay.io\n  <<: quay.io\n",
        good: "x-shared: &shared\n  registry: quay.io\nregistries:\n  quay:\n    <<: *shared\n",
    }
    9 TOO_COMPLEX Error "The file is nested too deep, or too large with its aliases expanded" {
        why: "Limits far above every meaningful file keep a hostile one from taking all memory: a depth of 32, and 200,000 values with aliases counted as often as they are used.",
        fix: "Use fewer aliases, and remove the brackets that no field needs.",
    }
    10 UNREADABLE_FILE Error "The file cannot be read" {
        why: "`ptc` could not open it: it is missing, a folder, or not readable for you.",
        fix: "Check the path and the permissions.",
    }
    11 MORE_ERRORS Error "There are more errors than are shown" {
        why: "A hundred errors are shown. More of them usually have one cause, such as a lost indentation.",
        fix: "Mend the first ones, and check again.",
    }
}
