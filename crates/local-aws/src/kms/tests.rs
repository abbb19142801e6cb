use super::*;
use jiff::Timestamp;

const ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
const OTHER: &str = "other";

fn cx() -> CallContext {
    CallContext {
        account: "123456789012".into(),
        region: "eu-west-1".into(),
        partition: "aws".into(),
        now: Timestamp::UNIX_EPOCH,
    }
}

fn kms() -> Kms {
    let mut kms = Kms::default();
    kms.import(&cx(), ID, [1; 32], true);
    kms.import(&cx(), OTHER, [2; 32], true);
    kms
}

fn call(kms: &Kms, op: &str, input: Value) -> Answer {
    kms.call(&cx(), op, &input)
}

fn code(answer: Answer) -> String {
    answer.err().map(|error| error.code).unwrap_or_default()
}

/// A ciphertext of `secret` under the first key.
fn blob(kms: &Kms, context: Value) -> String {
    let plain = BASE64_STANDARD.encode("secret");
    let input = json!({"KeyId": arn(&cx(), ID), "Plaintext": plain, "EncryptionContext": context});
    call(kms, "Encrypt", input).unwrap()["CiphertextBlob"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn what_was_encrypted_comes_back_under_the_same_context() {
    let kms = kms();
    let blob = blob(&kms, json!({"a": "1", "b": "2"}));
    let answer = call(
        &kms,
        "Decrypt",
        json!({"CiphertextBlob": blob, "EncryptionContext": {"b": "2", "a": "1"}}),
    )
    .unwrap();
    assert_eq!(answer["Plaintext"], BASE64_STANDARD.encode("secret"));
    assert_eq!(answer["KeyId"], arn(&cx(), ID));
    for context in [json!({}), json!({"a": "1"}), json!({"a": "2", "b": "1"})] {
        let input = json!({"CiphertextBlob": blob, "EncryptionContext": context});
        assert_eq!(
            code(call(&kms, "Decrypt", input)),
            "InvalidCiphertextException",
            "{context}"
        );
    }
}

#[test]
fn another_stand_in_with_the_same_key_decrypts_it() {
    let blob = blob(&kms(), json!({}));
    assert!(call(&kms(), "Decrypt", json!({"CiphertextBlob": blob})).is_ok());
    let mut stranger = Kms::default();
    assert_eq!(
        code(call(&stranger, "Decrypt", json!({"CiphertextBlob": blob}))),
        "NotFoundException"
    );
    stranger.import(&cx(), ID, [3; 32], true);
    assert_eq!(
        code(call(&stranger, "Decrypt", json!({"CiphertextBlob": blob}))),
        "InvalidCiphertextException"
    );
}

#[test]
fn a_ciphertext_that_was_changed_is_none() {
    let kms = kms();
    let whole = BASE64_STANDARD.decode(blob(&kms, json!({}))).unwrap();
    for n in [0, 1, 5, 40, 50, whole.len() - 1] {
        let mut changed = whole.clone();
        changed[n] ^= 1;
        let code = code(call(
            &kms,
            "Decrypt",
            json!({"CiphertextBlob": BASE64_STANDARD.encode(changed)}),
        ));
        assert!(
            ["InvalidCiphertextException", "NotFoundException"].contains(&code.as_str()),
            "{n}: {code}"
        );
    }
    let cut = BASE64_STANDARD.encode(&whole[..20]);
    assert_eq!(
        code(call(&kms, "Decrypt", json!({"CiphertextBlob": cut}))),
        "InvalidCiphertextException"
    );
}

#[test]
fn a_key_must_be_the_right_one_and_be_enabled() {
    let mut kms = kms();
    let blob = blob(&kms, json!({}));
    let with = |key: &str| json!({"CiphertextBlob": blob, "KeyId": key});
    for (key, expected) in [
        (ID, ""),
        (
            "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "",
        ),
        (OTHER, "IncorrectKeyException"),
        ("missing", "NotFoundException"),
        ("alias/it", "NotFoundException"),
        ("arn:aws:kms:us-east-1:123456789012:key/other", "NotFoundException"),
        ("arn:aws:kms:eu-west-1:999999999999:key/other", "AccessDeniedException"),
    ] {
        assert_eq!(code(call(&kms, "Decrypt", with(key))), expected, "{key}");
    }
    kms.import(&cx(), ID, [1; 32], false);
    assert_eq!(code(call(&kms, "Decrypt", with(ID))), "DisabledException");
    let plain = json!({"KeyId": ID, "Plaintext": "AAAA"});
    assert_eq!(code(call(&kms, "Encrypt", plain)), "DisabledException");
}

#[test]
fn what_is_not_implemented_is_refused_by_name() {
    let kms = kms();
    let input = json!({"CiphertextBlob": blob(&kms, json!({})), "DryRun": true});
    assert_eq!(code(call(&kms, "Decrypt", input)), "NotImplemented");
    assert_eq!(
        code(call(&kms, "GenerateDataKey", json!({}))),
        "UnknownOperationException"
    );
    assert_eq!(code(call(&kms, "Decrypt", json!({}))), "ValidationException");
    let algorithm = json!({"CiphertextBlob": blob(&kms, json!({})), "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"});
    assert_eq!(code(call(&kms, "Decrypt", algorithm)), "InvalidKeyUsageException");
}
