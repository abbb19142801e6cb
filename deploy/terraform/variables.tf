# What is not a parameter of the template; those are in parameters.tf.

variable "artifact_bucket" {
  description = "A bucket of this Region for the function's zip and the template, which CloudFormation and Lambda read from there."
  type        = string
}

variable "function_zip" {
  description = "Path to the zip of a release, ecr-pull-through-sync-arm64.zip, or one with the bootstrap of `make build`. For x86_64 set `architecture`, too."
  type        = string
}

variable "stack_name" {
  description = "Name of the stack, and of the owner in all marks unless `owner` says another: a stack with another name is another owner."
  type        = string
  default     = "ecr-pull-through-sync"
}

variable "file" {
  description = "Path to registries.yaml. Null: it is uploaded otherwise, as by `ptc upload`."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of the stack, which CloudFormation puts on what is in it. For what registries make there is `resource_tags`."
  type        = map(string)
  default     = {}
}
