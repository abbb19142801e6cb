"""`make e2e`: template.yaml and the zip, in a cloud on this machine.

ministack is the cloud: S3, EventBridge, Lambda, SQS, Scheduler, CloudFormation, IAM and the log. local-aws is ECR with
its pull-through cache, which ministack lacks, and Secrets Manager, which ECR reads. docs/e2e.md says what this shows.
"""

import argparse
import platform
import shutil
import signal
import sys
from importlib.metadata import version
from pathlib import Path

from account import Account
from fleet import PLACES, Fleet
from progress import Progress
from servers import ACCOUNT, REGION, start_local_aws, start_ministack
from stack import Stack
from story import Story

ROOT = Path(__file__).resolve().parents[2]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--bootstrap", type=Path, required=True, help="the program that is zipped and deployed")
    options.add_argument("--built", required=True, help="how it was built, for the output")
    options.add_argument("--local-aws", type=Path, required=True, help="the server")
    options.add_argument("--ptc", type=Path, required=True, help="the program for people")
    options = options.parse_args()
    # So that what was started is stopped too when somebody stops this.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))

    progress, folder, servers = Progress(), ROOT / "target" / "e2e", []
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    print(f"the bootstrap: {options.bootstrap} ({options.built}, {options.bootstrap.stat().st_size:,} bytes)")

    def start():
        servers.append(start_ministack(folder))
        servers.append(start_local_aws(options.local_aws, folder))
        for profile, (account, region) in PLACES.items():
            servers.append(start_local_aws(options.local_aws, folder, account, region, f"local-aws-{profile}"))
        for server in servers:
            server.wait()
            progress.note(f"{server.name} on {server.endpoint}, its log in {server.log.relative_to(ROOT)}")

    try:
        title = f"0. ministack {version('ministack')} and local-aws start (account {ACCOUNT}, {REGION}, IAM enforced)"
        if progress.chapter(title, start):
            ministack, local_aws, *others = servers
            architecture = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
            account = Account(ministack, local_aws)
            Story(progress, Stack(ministack), account, options.bootstrap, ROOT, architecture).tell()
            Fleet(progress, ministack, dict(zip(PLACES, others)), options, ROOT, folder, architecture).tell()
    finally:
        for server in servers:
            server.stop()
    return progress.close()


if __name__ == "__main__":
    sys.exit(main())
