"""The clients: how each is set up with the kit's files, and how it pulls."""

import email
import shutil
import subprocess
import sys
from pathlib import Path

import grpc
import yaml

from registry import ECR, ECR_TOKEN

POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}'


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)


class NotPulled(Exception):
    """What the client said."""


def said(result):
    if result.returncode != 0:
        raise NotPulled(result.stderr + result.stdout)


class Kubelet:
    """The kubelet's part in a pull: it asks its credential provider by the image's host, and hands what that says to
    containerd, without the host (`BasicDockerKeyring` and the CRI's `AuthConfig`)."""

    def __init__(self, config):
        provider = yaml.safe_load(config.read_text(encoding="utf-8"))["providers"][0]
        self.patterns = [pattern.split(".") for pattern in provider["matchImages"]]

    def token(self, image):
        host = image.partition("/")[0].split(".")
        for pattern in self.patterns:
            if len(pattern) == len(host) and all(one in ("*", other) for one, other in zip(pattern, host)):
                return ECR_TOKEN
        return None


def user_data(kit):
    """The user data's script, and the `spec` of its NodeConfig."""
    message = email.message_from_string((kit / "kubelet/nodeadm-user-data.txt").read_text(encoding="utf-8"))
    script, node_config = (part.get_payload() for part in message.get_payload())
    return script, yaml.safe_load(node_config)["spec"]


class Containerd:
    """containerd, and the two ways in: the kubelet's, over the CRI, and ctr's."""

    def __init__(self, folder, kit):
        self.folder = folder / "containerd"
        self.folder.mkdir()
        self.socket = self.folder / "socket"
        config = self.folder / "config.toml"
        config.write_text(
            f"""version = 2
root = "{self.folder}/root"
state = "{self.folder}/state"
[grpc]
  address = "{self.socket}"
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "native"
{user_data(kit)[1]["containerd"]["config"]}
""",
            encoding="utf-8",
        )
        log = self.folder / "log"
        with log.open("w", encoding="utf-8") as written:
            self.process = subprocess.Popen(["containerd", "--config", config], stdout=written, stderr=written)
        self.kubelet = None
        channel = grpc.insecure_channel(f"unix://{self.socket}")
        try:
            grpc.channel_ready_future(channel).result(timeout=30)
        except grpc.FutureTimeoutError:
            self.stop()
            sys.exit(f"containerd did not start:\n{log.read_text(encoding='utf-8')}")
        self.pull_image = channel.unary_unary("/runtime.v1.ImageService/PullImage")

    def set_up(self, kit):
        """An EKS node: cloud-init runs the script of the user data, and the kubelet reads the file it is told of."""
        # The node's image has it.
        Path("/etc/eks/image-credential-provider").mkdir(parents=True, exist_ok=True)
        shutil.rmtree("/etc/containerd/certs.d", ignore_errors=True)
        script, spec = user_data(kit)
        subprocess.run(["bash", "-c", script], check=True)
        [flag] = spec["kubelet"]["flags"]
        self.kubelet = Kubelet(Path(flag.removeprefix("--image-credential-provider-config=")))

    @staticmethod
    def set_mirrors(mirrors):
        """Other mirrors for the same kubelet."""
        shutil.rmtree("/etc/containerd/certs.d")
        shutil.copytree(mirrors, "/etc/containerd/certs.d")

    def pull(self, image):
        # PullImageRequest: ImageSpec (its name) and AuthConfig (user name and password).
        request = field(1, field(1, image.encode()))
        if token := self.kubelet.token(image):
            request += field(2, field(1, b"AWS") + field(2, token.encode()))
        try:
            self.pull_image(request, timeout=60)
        except grpc.RpcError as problem:
            raise NotPulled(problem.details()) from problem

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=30)


def field(number, content):
    """A field of a protocol buffer that has a length."""
    length, size = b"", len(content)
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


class Ctr:
    """ctr, which has the mirrors as the kit's own files, and a credential for whoever asks."""

    def __init__(self, containerd):
        self.containerd, self.mirrors = containerd, None

    def set_up(self, kit):
        self.set_mirrors(kit / "containerd")

    def set_mirrors(self, mirrors):
        self.mirrors = mirrors

    def pull(self, image):
        pull = ["images", "pull", "--snapshotter", "native", "--hosts-dir", self.mirrors, "--user", f"AWS:{ECR_TOKEN}"]
        said(run("ctr", "--address", self.containerd.socket, *pull, image))


class Containers:
    """What Skopeo, Podman and Buildah have in common: `registries.conf`, and credentials by host."""

    def __init__(self, folder):
        self.folder, self.pulled = folder / type(self).__name__, 0
        self.folder.mkdir()
        self.auth = self.folder / "auth.json"

    @staticmethod
    def set_up(kit):
        conf = kit / "registries.conf"
        # Where its first line says.
        place = Path(conf.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# "))
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(conf, place)
        Path("/etc/containers/policy.json").write_text(POLICY, encoding="utf-8")

    def sign_in(self):
        said(run(*self.program(), "login", "--authfile", self.auth, "--username", "AWS", "--password-stdin", ECR, input=ECR_TOKEN))

    def program(self):
        storage = ["--root", self.folder / "root", "--runroot", self.folder / "run", "--storage-driver", "vfs"]
        return [type(self).__name__.lower(), *storage]

    def pull(self, image):
        said(run(*self.program(), "pull", "--authfile", self.auth, image))


class Podman(Containers):
    pass


class Buildah(Containers):
    pass


class Skopeo(Containers):
    def program(self):
        return ["skopeo"]

    def pull(self, image):
        self.pulled += 1
        said(run("skopeo", "copy", "--authfile", self.auth, f"docker://{image}", f"dir:{self.folder}/{self.pulled}"))
