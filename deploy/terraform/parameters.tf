# The parameters of template.yaml. Made from it by `BLESS=1 cargo test --locked --test all parameters::`, not by hand.

locals {
  # Null is the template's default.
  parameters = { for name, value in {
    ExistingConfigBucket    = var.existing_config_bucket
    ConfigKey               = var.config_key
    StatusPrefix            = var.status_prefix
    UploaderArns            = var.uploader_arns == null ? null : join(",", var.uploader_arns)
    BucketKmsKeyArn         = var.bucket_kms_key_arn
    OldVersionsDays         = tostring(var.old_versions_days)
    Owner                   = var.owner
    TakeOverFrom            = var.take_over_from == null ? null : join(",", var.take_over_from)
    MaxDeletions            = tostring(var.max_deletions)
    RollbackInvalidRotation = tostring(var.rollback_invalid_rotation)
    ResourceTags            = var.resource_tags
    AllowedUpstreams        = var.allowed_upstreams == null ? null : join(",", var.allowed_upstreams)
    AllowedReaders          = var.allowed_readers == null ? null : join(",", var.allowed_readers)
    ExistingRepositories    = var.existing_repositories == null ? null : join(",", var.existing_repositories)
    WarmImages              = var.warm_images == null ? null : join(",", var.warm_images)
    MaxExpiringImages       = tostring(var.max_expiring_images)
    RequireSops             = tostring(var.require_sops)
    SourceSecretNames       = var.source_secret_names == null ? null : join(",", var.source_secret_names)
    SourceKmsKeys           = var.source_kms_keys == null ? null : join(",", var.source_kms_keys)
    PassableRoles           = var.passable_roles == null ? null : join(",", var.passable_roles)
    TemplateKmsKeys         = var.template_kms_keys == null ? null : join(",", var.template_kms_keys)
    SopsKmsKeys             = var.sops_kms_keys == null ? null : join(",", var.sops_kms_keys)
    Architecture            = var.architecture
    Schedule                = var.schedule
    ReservedConcurrency     = var.reserved_concurrency
    Tracing                 = tostring(var.tracing)
    LogLevel                = var.log_level
    LogRetentionDays        = tostring(var.log_retention_days)
    LogKmsKeyArn            = var.log_kms_key_arn
    AlarmTopicArn           = var.alarm_topic_arn
    ExpiryWarningDays       = tostring(var.expiry_warning_days)
    Dashboard               = tostring(var.dashboard)
  } : name => value if value != null }
}

variable "existing_config_bucket" {
  description = "A bucket of this account and region to read the file from, with EventBridge notifications turned on. Empty: the stack makes one."
  type        = string
  default     = null
}

variable "config_key" {
  description = "Key of the file in the bucket."
  type        = string
  default     = null
}

variable "status_prefix" {
  description = "What the keys of the two status objects, <prefix><key of the file>.json and .md, begin with."
  type        = string
  default     = null
}

variable "uploader_arns" {
  description = "ARNs of the users and roles (a role's own ARN, not one of its sessions; * and ? are wildcards) that may read and write the file in the bucket the stack makes. Everybody else is denied it, administrators too, but for the function and the account's root user. Whoever may change this stack or the bucket's policy can undo that, so nobody is locked out for good. Empty: whoever IAM allows. An existing bucket is never changed."
  type        = list(string)
  default     = null
}

variable "bucket_kms_key_arn" {
  description = "ARN of an existing KMS key. The stack's bucket is encrypted with it, and the function may use it through S3, in the stack's bucket and in an existing one. Its key policy must allow that (docs/deploy.md). Empty: S3's own encryption."
  type        = string
  default     = null
}

variable "old_versions_days" {
  description = "After how many days old versions of file and status are deleted from the stack's bucket. They may hold tokens."
  type        = number
  default     = null
}

variable "owner" {
  description = "The name in the marks and tags on what this stack makes, and in its metrics. Empty is the name of the stack. To change it later, name the old one in TakeOverFrom."
  type        = string
  default     = null
}

variable "take_over_from" {
  description = "Former owners, separated by commas, whose marks count as this stack's own and are rewritten."
  type        = list(string)
  default     = null
}

variable "max_deletions" {
  description = "If a run would delete more registries than this, it deletes none and says so."
  type        = number
  default     = null
}

variable "rollback_invalid_rotation" {
  description = "Move AWSCURRENT of a secret back to the version before when the upstream refuses a rotated credential."
  type        = bool
  default     = null
}

variable "resource_tags" {
  description = "Tags for what every registry of the file makes, as key=value,key=value."
  type        = string
  default     = null
}

variable "allowed_upstreams" {
  description = "Upstream hosts that a file may name beside Docker Hub, ghcr.io, registry.gitlab.com, cgr.dev, public.ecr.aws, registry.k8s.io, quay.io and private ECR: each name.azurecr.io, and each host that the file lets pass with allow_unlisted_upstream. A file sends a credential to no other. Empty is none."
  type        = list(string)
  default     = null
}

variable "allowed_readers" {
  description = "Account ids and organization ids (o-...) that a file may let pull, beside this account. Empty is any."
  type        = list(string)
  default     = null
}

variable "existing_repositories" {
  description = "Repositories that a file may change with existing_repositories, as patterns over their whole names, such as dockerhub/*. Empty is none."
  type        = list(string)
  default     = null
}

variable "warm_images" {
  description = "Registries whose images a file may have in the cache before anybody pulls them (warm), by name, such as dockerhub. ROOT, alone, is all. Empty is none."
  type        = list(string)
  default     = null
}

variable "max_expiring_images" {
  description = "The greatest max_expiring_images of a file. A greater number in it counts as this one."
  type        = number
  default     = null
}

variable "require_sops" {
  description = "Whether a file that is not encrypted with SOPS is refused."
  type        = bool
  default     = null
}

variable "source_secret_names" {
  description = "Names of the secrets of this account and Region that a file may copy a credential from (secret_from), without the suffix that their ARNs have, and without wildcards. Empty is none."
  type        = list(string)
  default     = null
}

variable "source_kms_keys" {
  description = "ARNs of the customer keys that those secrets are encrypted with, without wildcards. Their key policies must allow that. Empty: none has one."
  type        = list(string)
  default     = null
}

variable "passable_roles" {
  description = "ARNs of the roles that a file may name as custom_role_arn (upstreams in another account's ECR), without wildcards. Empty: none."
  type        = list(string)
  default     = null
}

variable "template_kms_keys" {
  description = "ARNs of the KMS keys that a file may name in encryption_configuration, without wildcards. Empty is none."
  type        = list(string)
  default     = null
}

variable "sops_kms_keys" {
  description = "ARNs of the KMS keys that a file encrypted with SOPS is decrypted with; of any Region and account, no aliases. Their key policies must allow that (docs/sops.md). Empty is none."
  type        = list(string)
  default     = null
}

variable "architecture" {
  description = "What the function runs on. Must be what it was built for (ARCH=x86_64 sam build)."
  type        = string
  default     = null
}

variable "schedule" {
  description = "When to repair drift and to prove the credentials, as rate(...) or cron(...), at least once a day. Empty is never, and leaves out the alarm for a day without success."
  type        = string
  default     = null
}

variable "reserved_concurrency" {
  description = "How many invocations are reserved for the function, and allowed at once: at least 5, since the queues of existing repositories and of failed pulls use 2 each. Empty reserves none: new accounts have too few to reserve any."
  type        = string
  default     = null
}

variable "tracing" {
  description = "Whether Lambda traces invocations with X-Ray."
  type        = bool
  default     = null
}

variable "log_level" {
  description = "The least important log lines to keep. DEBUG and TRACE show no more than INFO."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "How long log lines are kept."
  type        = number
  default     = null
}

variable "log_kms_key_arn" {
  description = "ARN of an existing KMS key to encrypt the log with. Its key policy must allow that (docs/deploy.md). Empty: CloudWatch's own encryption."
  type        = string
  default     = null
}

variable "alarm_topic_arn" {
  description = "ARN of an existing SNS topic that alarms notify. Empty: the alarms are made, and notify nobody."
  type        = string
  default     = null
}

variable "expiry_warning_days" {
  description = "How many days before a credential lapses a warning and the alarm begin, where it is known when it does."
  type        = number
  default     = null
}

variable "dashboard" {
  description = "Whether to make a CloudWatch dashboard."
  type        = bool
  default     = null
}
