"""One file for an organisation: three stacks in two accounts and two Regions, and `ptc` over all of them side by side."""

import json
import subprocess

from account import USER
from servers import clean_environment
from stack import Stack, replace_once, rewritten, zip_of
from story import variables

# Account and Region of each stack, by the profile of a person who works with all of them.
PLACES = {
    "prod-eu": ("111122223333", "eu-west-1"),
    "prod-us": ("111122223333", "us-east-1"),
    "dev-eu": ("444455556666", "eu-west-1"),
}
NAME = "ecr-pull-through-sync"
TOKEN = "dckr_pat_fleet"
FILE = f"""
registries:
  public-ecr: {{registry: public.ecr.aws}}
  dockerhub:
    registry: docker.io
    username: {USER}
    accessToken: {TOKEN}
    only: {{accounts: ["111122223333"]}}
  k8s: {{registry: registry.k8s.io, only: {{accounts: ["111122223333"], regions: [us-east-1]}}}}
"""
# What each stack makes of it.
HERE = {
    "prod-eu": {"public-ecr", "dockerhub"}, "prod-us": {"public-ecr", "dockerhub", "k8s"}, "dev-eu": {"public-ecr"},
}
ALL = {"public-ecr", "dockerhub", "k8s"}


class Fleet:
    def __init__(self, progress, ministack, local_aws, options, root, folder, architecture):
        self.progress, self.ministack, self.local_aws, self.options = progress, ministack, local_aws, options
        self.template, self.folder = (root / "template.yaml").read_text(), folder
        self.parameters = {"Architecture": architecture}

    def tell(self):
        chapter = self.progress.chapter
        if chapter("9. The same template in three stacks, of two accounts and two Regions", self.deploy):
            chapter("10. One file with `only` goes to all three, side by side", self.upload)
            chapter("11. A file that has nothing for a stack deletes nothing there", self.nothing_left)

    def deploy(self):
        zipped, (template, _) = zip_of(self.options.bootstrap), rewritten(self.template)
        heading = "\n      Description: What the function may do, call by call.\n"
        named = "\n      RoleName: !Sub ${AWS::StackName}-function-${AWS::Region}"
        template = replace_once(template, heading, named + heading)
        self.progress.note("put into the template: a name of the function's role. Roles of two Regions are in one account, and "
                           "ministack makes up the same name for both")
        for profile, (account, region) in PLACES.items():
            stack = Stack(self.ministack, NAME, account, region)
            stack.package(template, zipped, variables(self.ministack, self.local_aws[profile]))
            stack.deploy(self.parameters, "CREATE", "CAPABILITY_NAMED_IAM")
            bucket = stack.outputs()["ConfigBucket"]
            self.progress.check(f"{NAME} is in account {account}, {region}, and has a bucket: {bucket}", bucket)
        self.profiles()

    def profiles(self):
        """A profile for each stack. ECR and secrets are another server than the rest."""
        config, credentials = [], []
        for profile, (account, region) in PLACES.items():
            ecr = self.local_aws[profile].endpoint
            config += [f"[profile {profile}]", f"region = {region}", f"endpoint_url = {self.ministack.endpoint}",
                       f"services = {profile}", f"[services {profile}]", "ecr =", f"  endpoint_url = {ecr}",
                       "secrets_manager =", f"  endpoint_url = {ecr}"]
            credentials += [f"[{profile}]", f"aws_access_key_id = {account}", "aws_secret_access_key = e2e"]
        for name, lines in (("config", config), ("credentials", credentials)):
            (self.folder / name).write_text("\n".join(lines) + "\n")

    def ptc(self, *arguments):
        """Runs it over all three; gives its exit status and what each of them said."""
        environment = clean_environment(self.folder) | {
            "AWS_CONFIG_FILE": str(self.folder / "config"), "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_SHARED_CREDENTIALS_FILE": str(self.folder / "credentials"), "SSL_CERT_FILE": self.ministack.certificate,
        }
        profiles = [word for profile in PLACES for word in ("--profile", profile)]
        command = [str(self.options.ptc.resolve()), "--json", *arguments, *profiles]
        done = subprocess.run(command, env=environment, cwd=self.folder, capture_output=True, text=True, timeout=120)
        self.progress.check("no token in what ptc says", TOKEN not in done.stdout + done.stderr)
        try:
            rows = {row["profile"]: row for row in json.loads(done.stdout)["targets"]}
        except (ValueError, LookupError):
            rows = {}
        what = f"ptc {' '.join(arguments)} over three profiles tells of each"
        self.progress.check(what, set(rows) == set(PLACES), done.stdout[-400:] + done.stderr[-400:])
        return done.returncode, rows

    def rules(self, profile):
        account, region = PLACES[profile]
        ecr = self.local_aws[profile].client("ecr", region=region)
        return {rule["ecrRepositoryPrefix"] for rule in ecr.describe_pull_through_cache_rules()["pullThroughCacheRules"]}

    def upload(self):
        check = self.progress.check
        for server in self.local_aws.values():
            server.send("POST", "/_local-aws/upstreams", {"host": "registry-1.docker.io", "username": USER, "token": TOKEN})
        (self.folder / "registries.yaml").write_text(FILE)
        status, rows = self.ptc("plan", "registries.yaml")
        elsewhere = {profile: set(row["report"]["elsewhere"]) for profile, row in rows.items()}
        check("each plan names what is for other stacks", elsewhere == {p: ALL - HERE[p] for p in PLACES}, elsewhere)
        check("and there is something to do", status == 2, status)
        status, rows = self.ptc("upload", "registries.yaml", "--wait", "--timeout", "60")
        outcomes = {profile: row.get("report", row).get("outcome") for profile, row in rows.items()}
        check("every function followed the upload", set(outcomes.values()) == {"changed"} and status == 0, rows)
        rules = {profile: self.rules(profile) for profile in PLACES}
        check("each account and Region has the rules that are for it", rules == HERE, rules)
        status, rows = self.ptc("status")
        ready = {profile: set(row["report"]["registries"]) for profile, row in rows.items()}
        check("the statuses say the same", status == 0 and ready == HERE, ready)

    def nothing_left(self):
        check = self.progress.check
        prod = FILE.replace("{registry: public.ecr.aws}", '{registry: public.ecr.aws, only: {accounts: ["111122223333"]}}')
        (self.folder / "registries.yaml").write_text(prod)
        status, rows = self.ptc("upload", "registries.yaml", "--wait", "--timeout", "60")
        outcomes = {profile: row["report"]["outcome"] for profile, row in rows.items()}
        wanted = {"prod-eu": "converged", "prod-us": "converged", "dev-eu": "partial"}
        check("the one for which nothing is left says so, and the others have nothing to do", outcomes == wanted, outcomes)
        check("the worst status counts", status == 1, status)
        held = rows["dev-eu"]["report"]["registries"]["public-ecr"]
        check("it holds its registry", (held["state"], held["reason"]) == ("held", "limit"), held)
        check("and its rule is there", self.rules("dev-eu") == {"public-ecr"}, self.rules("dev-eu"))
