//! Files that are encrypted with SOPS.

super::table! {
    70 NOT_DECRYPTED Error "The file is encrypted, and was not decrypted" {
        why: "The values of the file are encrypted with SOPS, and what reads it here has no key for it.",
        fix: "Use `ptc check`, `ptc plan` or `ptc apply`, which decrypt with age or KMS, or the function, which decrypts with KMS.",
    }
    71 SOPS_MAP_MISSING Error "The map `sops` is missing" {
        why: "SOPS keeps who can decrypt the file, and the code that authenticates its values, in a map `sops`. Without it nothing can be decrypted or trusted.",
        fix: "Restore the encrypted original.",
        bad: "quay:\n  registry: ENC[AES256_GCM,data:abc=,iv:abc=,tag:abc=,type:str]\n",
        good: "quay:\n  registry: quay.io\n",
    }
    72 BAD_SOPS_MAP Error "The map `sops` is damaged" {
        why: "A field of it is missing, or is not of the form that SOPS writes. The file was changed without SOPS.",
        fix: "Restore the encrypted original, and edit it with `sops`.",
    }
    73 SOPS_UNSUPPORTED Error "The file uses a part of SOPS that is not supported" {
        why: "Key groups, rules over comments, other major versions, fields that are not known, and expressions that are too large could change what is encrypted. They are refused instead of guessed.",
        fix: "Encrypt the file with a current SOPS and a plain rule, such as `sops encrypt --encrypted-regex`.",
    }
    74 SOPS_MAC Error "The file was changed since it was encrypted" {
        why: "SOPS authenticates all values together (`mac`). They do not fit any more: one of them was changed, added, removed or moved without SOPS.",
        fix: "Restore the encrypted original, and edit it with `sops`.",
    }
    75 SOPS_VALUE Error "A value is not encrypted as the file says" {
        why: "By the file's own rule a value should be encrypted and is not, or the other way round; or it does not decrypt at its place. SOPS writes neither.",
        fix: "Edit the file with `sops` alone.",
    }
    76 CANNOT_DECRYPT Error "The file cannot be decrypted" {
        why: "None of its recipients can be used here, or KMS refused.",
        fix: "Add a recipient that is there (`.sops.yaml`, then `sops updatekeys`), or grant `kms:Decrypt`. For the function, name the key in the stack's parameter SopsKmsKeys.",
    }
    77 NOT_ENCRYPTED Error "The stack takes encrypted files alone" {
        why: "Whoever deployed the stack set RequireSops, so that no token stands in the bucket in plain text.",
        fix: "Encrypt the file: `sops encrypt --in-place registries.yaml`.",
    }
}
