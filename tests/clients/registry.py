"""A TLS server that is every registry: ECR, the store behind it, and all upstreams. It writes down what it is asked.

Each name and tag has an image of its own, which says who served it, so that no client has any of it already.
"""

import base64
import gzip
import hashlib
import io
import json
import platform
import ssl
import tarfile
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ECR = "111122223333.dkr.ecr.eu-central-1.amazonaws.com"
# Where ECR's layers really come from: it answers with a redirect.
STORE = "prod-eu-central-1-starport-layer-bucket.s3.eu-central-1.amazonaws.com"
# What images are called, and who answers for it.
UPSTREAMS = {
    "docker.io": "registry-1.docker.io",
    "registry.gitlab.com": "registry.gitlab.com",
    "quay.io": "quay.io",
    "registry.k8s.io": "registry.k8s.io",
    "acme.azurecr.io": "acme.azurecr.io",
    "public.ecr.aws": "public.ecr.aws",
}
# The endpoint that upstreams send clients to for a token.
TOKENS = "auth.upstream.example"
NAMES = [ECR, STORE, TOKENS, *sorted({*UPSTREAMS, *UPSTREAMS.values()})]

# A text that is nowhere else.
ECR_TOKEN = base64.b64encode(b"ecr-token-of-the-node" * 8).decode()
SIGNED_IN = "Basic " + base64.b64encode(f"AWS:{ECR_TOKEN}".encode()).decode()

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
ARCHITECTURE = "arm64" if platform.machine() in ("aarch64", "arm64") else "amd64"


def digest(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def described(kind, content, **more):
    return {"mediaType": kind, "digest": digest(content), "size": len(content), **more}


class Image:
    """An index over one manifest, one config and one layer, which holds the image's name."""

    def __init__(self, name):
        layer = io.BytesIO()
        with tarfile.open(fileobj=layer, mode="w") as tar:
            member = tarfile.TarInfo("name")
            member.size = len(name)
            tar.addfile(member, io.BytesIO(name.encode()))
        rootfs = {"type": "layers", "diff_ids": [digest(layer.getvalue())]}
        self.layer = gzip.compress(layer.getvalue(), mtime=0)
        about = {"architecture": ARCHITECTURE, "os": "linux", "config": {}, "rootfs": rootfs}
        config = json.dumps(about).encode()
        parts = {"config": described(CONFIG, config), "layers": [described(LAYER, self.layer)]}
        manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, **parts}).encode()
        platforms = [described(MANIFEST, manifest, platform={"architecture": ARCHITECTURE, "os": "linux"})]
        index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": platforms}).encode()
        self.manifests = {digest(manifest): (MANIFEST, manifest), digest(index): (INDEX, index)}
        self.blobs = {digest(content): content for content in (config, self.layer)}
        self.top = digest(index)


@dataclass
class Request:
    """What a client asked."""

    host: str
    method: str
    path: str
    headers: str
    body: str

    def has_the_token(self):
        text = "\n".join([self.path, self.headers, self.body])
        # A form has it percent-encoded, but for its letters and digits.
        return SIGNED_IN.removeprefix("Basic ") in text or ECR_TOKEN.rstrip("=") in text

    def __str__(self):
        return f"{self.method} https://{self.host}{self.path}{' with the ECR token' if self.has_the_token() else ''}"


class Registries:
    """All of them, and what they were asked."""

    def __init__(self, certificate, key):
        self.asked, self.refusal, self.images, self.lock = [], None, {}, threading.Lock()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        handler = type("Handler", (Handler,), {"registries": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 443), handler)
        self.server.daemon_threads = True
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def image(self, host, repository, tag):
        """The image of that name, which is there before it is asked for."""
        with self.lock:
            return self.images.setdefault((host, repository, tag), Image(f"{host}/{repository}:{tag}"))

    def find(self, host, repository, reference):
        """The image that has that tag, or a manifest or blob of that digest."""
        if not reference.startswith("sha256:"):
            return self.image(host, repository, reference)
        with self.lock:
            of_repository = [image for key, image in self.images.items() if key[:2] == (host, repository)]
        return next((image for image in of_repository if reference in image.manifests | image.blobs), None)


class Handler(BaseHTTPRequestHandler):
    registries: Registries
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def take(self):
        self.host = self.headers["Host"].removesuffix(":443")
        body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
        request = Request(self.host, self.command, self.path, str(self.headers), body)
        with self.registries.lock:
            self.registries.asked.append(request)
        path = self.path.partition("?")[0]
        if self.host == STORE:
            self.store(path)
        elif self.host == TOKENS:
            self.token(request)
        elif self.host == ECR:
            self.ecr(path)
        else:
            self.upstream(path)

    do_GET = do_HEAD = do_POST = take

    def answer(self, status, content=b"", kind="application/json", **headers):
        self.send_response(status)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def refuse(self, status, code, **headers):
        self.answer(status, json.dumps({"errors": [{"code": code, "message": f"refused with {code}"}]}).encode(), **headers)

    def ecr(self, path):
        sign_in = {"WWW_Authenticate": f'Basic realm="https://{ECR}/",service="ecr.amazonaws.com"'}
        if self.headers["Authorization"] != SIGNED_IN:
            self.refuse(401, "UNAUTHORIZED", **sign_in)
        elif path == "/v2/":
            self.answer(200)
        elif self.registries.refusal == 404:
            self.refuse(404, "NAME_UNKNOWN")
        elif self.registries.refusal == 403:
            self.refuse(403, "DENIED")
        elif self.registries.refusal == 401:
            self.refuse(401, "UNAUTHORIZED", **sign_in)
        else:
            self.serve(path, redirect=True)

    def upstream(self, path):
        if self.headers["Authorization"] == "Bearer anybody" and path != "/v2/":
            self.serve(path, redirect=False)
        else:
            scope = f"repository:{path.removeprefix('/v2/').partition('/manifests/')[0]}:pull"
            sign_in = f'Bearer realm="https://{TOKENS}/token",service="{self.host}",scope="{scope}"'
            self.refuse(401, "UNAUTHORIZED", WWW_Authenticate=sign_in)

    def token(self, request):
        """Anybody gets one, but not with a credential that is not theirs."""
        if self.headers["Authorization"] or "password" in request.body:
            self.refuse(401, "UNAUTHORIZED")
        else:
            self.answer(200, b'{"token": "anybody", "access_token": "anybody", "expires_in": 300}')

    def serve(self, path, redirect):
        for kind in ("manifests", "blobs"):
            repository, found, reference = path.removeprefix("/v2/").partition(f"/{kind}/")
            image = self.registries.find(self.host, repository, reference) if found else None
            if not image:
                continue
            if kind == "manifests":
                of = reference if reference.startswith("sha256:") else image.top
                media_type, content = image.manifests[of]
                return self.answer(200, content, media_type, Docker_Content_Digest=of)
            if redirect:
                location = f"https://{STORE}/{repository}/{reference}?X-Amz-Signature=signed"
                return self.answer(307, Location=location)
            return self.answer(200, image.blobs[reference], "application/octet-stream")
        return self.refuse(404, "MANIFEST_UNKNOWN")

    def store(self, path):
        repository, _, reference = path.removeprefix("/").rpartition("/")
        image = self.registries.find(ECR, repository, reference)
        if self.headers["Authorization"]:
            # One authorization is in the address already.
            self.answer(400, b"<Error><Code>InvalidArgument</Code></Error>", "application/xml")
        else:
            self.answer(200, image.blobs[reference], "application/octet-stream")
