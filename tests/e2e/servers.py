"""The two servers: ministack, which is most of AWS, and local-aws, which is ECR and Secrets Manager."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request

import boto3
from botocore.config import Config

from progress import NotSo

ACCOUNT, REGION = "123456789012", "eu-west-1"
HOST = "127.0.0.1"


def free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


class Server:
    """A process of ours that listens, with its output in a file. Whatever it starts ends with it."""

    def __init__(self, name, command, port, log, environment, ready, certificate=None):
        scheme = "https" if certificate else "http"
        self.name, self.endpoint, self.log, self.certificate = name, f"{scheme}://{HOST}:{port}", log, certificate
        with log.open("wb") as output:
            # A session of its own, so that the functions it starts can be ended with it.
            self.process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True)
        self.ready = ready

    def wait(self, seconds=60):
        deadline = time.monotonic() + seconds
        while True:
            if self.process.poll() is not None:
                raise NotSo(f"{self.name} ended with status {self.process.returncode}; see {self.log}")
            try:
                return self.get(self.ready)
            except (OSError, ssl.SSLError) as problem:
                if time.monotonic() > deadline:
                    raise NotSo(f"{self.name} did not answer within {seconds} s ({problem}); see {self.log}") from None
            time.sleep(0.1)

    def get(self, path):
        return self.send("GET", path)

    def send(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.endpoint}{path}", data=data, method=method)
        trust = ssl.create_default_context(cafile=self.certificate) if self.certificate else None
        with urllib.request.urlopen(request, timeout=10, context=trust) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def client(self, service, key=ACCOUNT, secret="e2e", region=REGION):
        """A real client. Twelve digits as the access key are the account's root user, to ministack."""
        return boto3.client(
            service, endpoint_url=self.endpoint, region_name=region, aws_access_key_id=key,
            aws_secret_access_key=secret, verify=self.certificate,
            config=Config(retries={"total_max_attempts": 1}, read_timeout=60))

    def stop(self):
        for number, seconds in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                break
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue


def clean_environment(folder):
    """What a server gets of this process's environment: no credentials, no proxies, nothing that changes an SDK."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {"TMPDIR": str(folder), "NO_PROXY": "*"}


def start_ministack(folder):
    """With IAM enforced: the function may do here what its role in the template allows, and no more. So it speaks TLS,
    without which the template's own bucket and queue policies deny everything."""
    port, temporary = free_port(), folder / "tmp"
    temporary.mkdir()
    certificate, key = (str(folder / name) for name in ("ministack.crt", "ministack.key"))
    make_certificate(certificate, key)
    environment = clean_environment(temporary) | {
        "GATEWAY_PORT": str(port), "MINISTACK_HOST": HOST, "BIND_HOST": HOST,
        "MINISTACK_ACCOUNT_ID": ACCOUNT, "MINISTACK_REGION": REGION,
        "AUTH": "true", "USE_SSL": "1", "MINISTACK_SSL_CERT": certificate, "MINISTACK_SSL_KEY": key,
        # Neither of these listens unless its optional library is there. Nor shall it then.
        "SFTP_ENABLED": "0", "IOT_MTLS_ENABLED": "0",
    }
    # Not by its own command, which with TLS listens on port 443 too.
    command = [sys.executable, "-m", "hypercorn", "--bind", f"{HOST}:{port}", "--certfile", certificate,
               "--keyfile", key, "ministack.app:app"]
    return Server("ministack", command, port, folder / "ministack.log", environment, "/_ministack/health", certificate)


def make_certificate(certificate, key):
    """For 127.0.0.1, and no CA: rustls takes no CA's certificate from a server."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=ministack",
         "-addext", "basicConstraints=critical,CA:FALSE", "-addext", f"subjectAltName=IP:{HOST}",
         "-keyout", key, "-out", certificate], check=True, capture_output=True)


def start_local_aws(binary, folder, account=ACCOUNT, region=REGION, name="local-aws"):
    port = free_port()
    command = [str(binary), "--port", str(port), "--region", region, "--account", account]
    environment = clean_environment(folder)
    return Server(name, command, port, folder / f"{name}.log", environment, "/_local-aws/events")
