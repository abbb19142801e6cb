output "outputs" {
  description = "The outputs of the stack, by their names: PullerPolicyArn, ConfigBucket, StatusCommand and so on."
  value       = aws_cloudformation_stack.sync.outputs
}
