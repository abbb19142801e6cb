# What `sam package` does: the template with the place of the function's code in it.

locals {
  code       = "\n      CodeUri: .\n"
  source     = file("${path.module}/../../template.yaml")
  zip_key    = "${var.stack_name}/${filesha256(var.function_zip)}.zip"
  packaged   = replace(local.source, local.code, "\n      CodeUri: s3://${var.artifact_bucket}/${local.zip_key}\n")
  packed_key = "${var.stack_name}/${sha256(local.packaged)}.template"
}
