//! The condition keys that calls carry and policies may ask for: what [`super::needs`] fills in, and what
//! [`super::policy`] accepts.

/// The condition keys that requests carry here, beside the tags of secrets. A policy with another one is refused.
const CONTEXT_KEYS: [&str; 14] = [
    "aws:PrincipalAccount",
    // Of whoever pulls, for the policies of repositories; the function's own calls carry none.
    "aws:PrincipalOrgID",
    "aws:RequestedRegion",
    "aws:ResourceAccount",
    "aws:SecureTransport",
    "aws:SourceAccount",
    // Of requests through a VPC endpoint, of which there are none here: what asks for it matches nothing.
    "aws:SourceVpce",
    "iam:AWSServiceName",
    "iam:PassedToService",
    // Of CreateGrant, which nothing here calls; ECR does, in the template role.
    "kms:GrantIsForAWSResource",
    // Of what a service does with a key for whoever calls it.
    "kms:ViaService",
    "secretsmanager:BlockPublicPolicy",
    "secretsmanager:ForceDeleteWithoutRecovery",
    "secretsmanager:RecoveryWindowInDays",
];

/// What the keys of tags begin with.
pub(super) const RESOURCE_TAG: &str = "aws:ResourceTag/";

/// Whether requests may carry this condition key, in whatever case it is written.
pub(super) fn is_context_key(key: &str) -> bool {
    let known = CONTEXT_KEYS.iter().any(|known| known.eq_ignore_ascii_case(key));
    known || (is_tag_key(key) && key.len() > RESOURCE_TAG.len())
}

/// Whether a condition key is about a tag.
pub(super) fn is_tag_key(key: &str) -> bool {
    key.get(..RESOURCE_TAG.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(RESOURCE_TAG))
}
