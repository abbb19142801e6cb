//! What a run finds in the account. The file is taken all the same.

super::table! {
    90 ROTATION_FAILED Warning "The rotation of a secret failed" {
        why: "Secrets Manager reported it. The secret has the value from before, which goes on serving.",
        fix: "Look at the log of the secret's rotation function.",
    }
    91 STRAY_SECRET Warning "A secret has this stack's tag, but nothing shows that it is ours" {
        why: "No rule uses it, and neither a registry of the file nor a template of this stack has its name. People clone secrets with their tags, so it is not deleted.",
        fix: "Delete it by hand, if nobody needs it. The message has the command.",
    }
    92 SECRETS_NOT_LISTED Warning "Unused secrets could not be looked for" {
        why: "ListSecrets was refused or failed. Nothing is cleaned up, and all else is done.",
        fix: "Grant `secretsmanager:ListSecrets`, or wait for the next run.",
    }
    93 SECRET_WITHOUT_HOST Warning "Nothing says which host a secret is for" {
        why: "A secret that `secret` names has no tag with its host, and no rule uses it yet. Any registry of the file could have it sent to a host of its own choice.",
        fix: "Tag the secret with its host. The message has the command.",
    }
    94 CUSTOMER_KEY Warning "A secret is encrypted with a customer key" {
        why: "With a key other than the default `aws/secretsmanager`, which alone is documented, ECR may be unable to read the secret.",
        fix: "If ECR cannot read it, set the default key. The message has the command.",
    }
    95 FILE_DIFFERS Warning "The file at hand is not the one that is uploaded" {
        why: "The function follows the object in the bucket. What is applied from another file, its next run takes back.",
        fix: "Upload the file.",
    }
    96 FOREIGN_RULE_REFUSED Warning "The credential of a rule outside the file is refused" {
        why: "A secret was changed that a rule uses which the file does not name. The upstream refuses it.",
        fix: "Mend the secret, or tell whoever owns the rule.",
    }
    97 REPOSITORIES_LEFT Warning "Existing repositories were left to do" {
        why: "Settings could not be put on all existing repositories in this run, and there is no queue to take the rest.",
        fix: "Run again. The message has the first reason.",
    }
    98 BOUNDS_NOT_CHECKED Warning "What the stack allows was not checked" {
        why: "A stack can bound which upstreams, readers and repositories a file may name. `ptc` does not know the stack here, so it could not check the bounds that this file may go beyond.",
        fix: "Name the stack or its function, as the message says.",
    }
    99 CREDENTIAL_LAPSES Warning "A credential lapses soon, or has lapsed" {
        why: "The token itself, a tag of its secret, or `expires_at` says when. After that day the upstream refuses it: what is cached is still served, and nothing new comes.",
        fix: "Get a new token from the upstream, and write it into the file or the secret. How many days before it is told is the stack's parameter ExpiryWarningDays.",
    }
    100 BAD_EXPIRY_TAG Warning "The tag that says when a secret lapses is no date" {
        why: "The tag `ecr-pull-through-sync:expires-at` has the forms of `expires_at`. This one has neither, so it is passed over.",
        fix: "Write a day such as `2027-05-01`, or an instant.",
    }
    101 ROTATION_OVERDUE Warning "The rotation of a secret is overdue" {
        why: "Rotation is turned on, and its next day is more than a day past. The credential goes on serving until it lapses.",
        fix: "Look at the secret's rotation in Secrets Manager, and at the log of its rotation function.",
    }
    102 STACK_NOT_DEPLOYED Warning "The stack is not deployed" {
        why: "`ptc plan` found no stack of that name in the account and Region, so it goes by the defaults of the template. What is deployed later may be set up otherwise.",
        fix: "Deploy the stack, or name another one with `--stack`, `--region` or `--profile`.",
    }
    149 WARM_NOT_ALLOWED Warning "The stack lets no images of a registry be warmed" {
        why: "The function may pull images only under the prefixes that whoever deploys the stack has named.",
        fix: "Name the registry in the stack's parameter WarmImages (WARM_IMAGES), or take `warm` out.",
    }
    150 WARM_MISMATCH Warning "A warm image is another one than the file names" {
        why: "The tag has moved upstream, or ECR has not looked again: it does once in 24 hours, and never where tags are immutable.",
        fix: "Write the digest that the tag should have now, or delete the cached image, so that the next run pulls it anew.",
    }
}
