# A thin shell around the stack: what it makes, and how it is updated and rolled back, is CloudFormation's business.

data "aws_s3_bucket" "artifacts" {
  bucket = var.artifact_bucket
}

# The old objects go after the stack's update, so that a rollback finds them.
resource "aws_s3_object" "function" {
  bucket = data.aws_s3_bucket.artifacts.id
  key    = local.zip_key
  source = var.function_zip

  lifecycle {
    create_before_destroy = true
  }
}

# It is too long to be sent along.
resource "aws_s3_object" "template" {
  bucket  = data.aws_s3_bucket.artifacts.id
  key     = local.packed_key
  content = local.packaged

  lifecycle {
    create_before_destroy = true

    precondition {
      condition     = length(split(local.code, local.source)) == 2
      error_message = "template.yaml does not name its code once: module and template are of different releases."
    }
  }
}

resource "aws_cloudformation_stack" "sync" {
  name         = var.stack_name
  template_url = "https://${data.aws_s3_bucket.artifacts.bucket_regional_domain_name}/${aws_s3_object.template.key}"
  parameters   = local.parameters
  tags         = var.tags

  # The template's roles, and SAM's transform, which CreateStack asks for by this name.
  capabilities = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]

  depends_on = [aws_s3_object.function]
}

# After the stack, so that the upload's event reaches it. `source` keeps what is in the file out of the state; a hash of it is there.
resource "aws_s3_object" "file" {
  count = var.file == null ? 0 : 1

  bucket      = aws_cloudformation_stack.sync.outputs["ConfigBucket"]
  key         = coalesce(var.config_key, "registries.yaml")
  source      = var.file
  source_hash = filesha256(var.file)
}
