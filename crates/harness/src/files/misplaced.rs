//! Tokens in places that are not theirs.

/// None begins as a known issuer's do: an Azure token, a UUID, hexadecimal digits, one of mixed letters, a password.
pub const TOKENS: [&str; 5] = [
    "7qTf3BbZ9cXkP1nLr8wEyUoJ2sVhGd5mAaQx4KtN+ACRDpqR0Zx2",
    "d3b07384-d9a0-4e9b-8a0d-0a1b2c3d4e5f",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
    "x7Gq2mZpL9sVtR4wKdYc",
    "Tr0ub4dor3-h0rse",
];

/// Files with a token where `@` stands, none of which may be accepted.
pub const PLACES: &[&str] = &[
    "hub: {registry: @}",
    "hub: {registry: \"@\"}",
    "hub: {registry: 'https://@'}",
    "hub: {registry: 'bot:@@ghcr.io'}",
    "hub: {registry: 'ghcr.io/@'}",
    "hub: {registry: '@.example'}",
    "hub: {registry: docker.io, image_tag_mutability: @}",
    "hub: {registry: quay.io, image_tag_mutability: 'MUTABLE @'}",
    "hub: {registry: quay.io, image_tag_mutability: MUTABLE_WITH_EXCLUSION, image_tag_mutability_exclusion_filters: ['a b', '@!']}",
    "X@: {registry: docker.io}",
    "hub: {registry: docker.io, @: x}",
    "hub: {registry: docker.io, accesTok: @}",
    "hub: {registry: docker.io, username: @}",
    "hub: {registry: docker.io, secret: @}",
    "hub: {registry: docker.io, secret: 'arn:@'}",
    "hub: {registry: quay.io, take_over: @}",
    "hub: {registry: quay.io, lifecycle_policy: @}",
    "hub: {registry: quay.io, lifecycle_policy: {rules: [{rulePriority: 1, selection: {tagStatus: @}}]}}",
    "hub: {registry: quay.io, repository_read_access_arns: ['@']}",
    "hub: {registry: quay.io, custom_role_arn: @}",
    "hub: {registry: quay.io, upstream_repository_prefix: 'X@'}",
    "hub: {registry: quay.io, encryption_configuration: {encryption_type: @}}",
    "hub: {registry: quay.io, encryption_configuration: {encryption_type: KMS, kms_key: @}}",
    "hub: {registry: quay.io, only: @}",
    "hub: {registry: quay.io, only: {@: x}}",
    "hub: {registry: quay.io, only: {accounts: [@]}}",
    "hub: {registry: quay.io, only: {accounts: ['arn:aws:iam:@:111122223333:root']}}",
    "hub: {registry: quay.io, only: {regions: [@]}}",
    "hub: {registry: quay.io, only: {regions: ['@*']}}",
    "hub: {registry: quay.io, existing_repositories: @}",
    "hub: {registry: quay.io, existing_repositories: {apply: [@]}}",
    "hub: {registry: quay.io, existing_repositories: {include: ['X@']}}",
    "hub: {registry: quay.io, tags: {'aws:@': x}}",
    "hub: {registry: quay.io, tags: {a: '@?'}}",
    "hub:\n  registry: docker.io\n  accessToken\n  @\n",
    "hub:\n  registry: docker.io\n    @\n",
    "hub:\n  registry: docker.io\n  username: bot\n  accessToken: @\n  registri: x\n",
    "hub: @",
    "@",
    "registries: {hub: {registry: quay.oi}}\nmax_deletions: @\n",
    "registries: {hub: {registry: quay.oi}}\ndefaults: {@: x}\n",
    "registries: {hub: {registry: quay.oi}}\n@: x\n",
];

/// A file with a token in a place.
pub fn file(place: &str, token: &str) -> String {
    // The credential in front of a host is followed by an `@` of its own.
    place.replacen('@', token, 1)
}

/// Whether a text tells so much of a token that it helps: eight characters of it, in letters of any case.
pub fn tells(text: &str, token: &str) -> bool {
    let (text, token) = (text.to_lowercase(), token.to_lowercase());
    (0..=token.len() - 8).any(|n| text.contains(&token[n..n + 8]))
}
