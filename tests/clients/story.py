"""What is shown, inside the namespace: images come through the mirror, and nobody but ECR is given its token."""

import itertools
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from pullers import Buildah, Containerd, Ctr, NotPulled, Podman, Skopeo, run
from registry import ECR, NAMES, STORE, UPSTREAMS, Registries, digest
from world import enter

HERE = Path(__file__).parent
# An image of each host as people write it, and the repository of ECR that it comes from.
ON_NODES = {
    "docker.io/library/nginx": "dockerhub/library/nginx",
    "docker.io/grafana/grafana": "dockerhub/grafana/grafana",
    "registry.gitlab.com/acme/app": "gitlab/acme/app",
    "quay.io/prometheus/prometheus": "quay/prometheus/prometheus",
    "registry.k8s.io/pause": "k8s/pause",
    "acme.azurecr.io/app": "k8s/ingress-nginx/app",
}
ELSEWHERE = {**ON_NODES, "public.ecr.aws/nginx/nginx": "public/nginx/nginx"}
# ECR would take it from another upstream.
HIDDEN = "registry.k8s.io/ingress-nginx/controller"
REFUSALS = (404, 403, 401)
GIVEN_AWAY = "the ECR token was given to somebody else"

tags = (f"v{number}" for number in itertools.count(1))


class Clients(unittest.TestCase):
    """Each test has a kit of its own, and pulls tags that nobody has pulled."""

    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="clients-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.kits = {}
        for name, option in (("kit", []), ("fallback", ["--fallback"])):
            cls.kits[name] = cls.folder / name
            home = ["--account", ECR.partition(".")[0], "--region", ECR.split(".")[3]]
            command = [PTC, "kit", HERE / "registries.yaml", *home, *option, "--output", cls.kits[name]]
            subprocess.run(command, check=True, capture_output=True)
        cls.registries = Registries(*enter(cls.folder, NAMES))
        cls.containerd = Containerd(cls.folder, cls.kits["kit"])
        cls.addClassCleanup(cls.containerd.stop)
        cls.of_containerd = [cls.containerd, Ctr(cls.containerd)]
        cls.by_host = [kind(cls.folder) for kind in (Skopeo, Podman, Buildah) if shutil.which(kind.__name__.lower())]
        for client in cls.by_host:
            client.set_up(cls.kits["kit"])
            client.sign_in()
        for program in ["containerd", *(type(client).__name__.lower() for client in cls.by_host)]:
            print(run(program, "--version").stdout.strip(), flush=True)

    def setUp(self):
        for client in [*self.of_containerd, *self.by_host]:
            client.set_up(self.kits["kit"])

    def pull(self, client, name):
        """Pulls a tag of an image. Returns the tag, what the client said if it was refused, and what was asked of whom."""
        tag, problem = next(tags), None
        self.registries.asked.clear()
        try:
            client.pull(f"{name}:{tag}")
        except NotPulled as refused:
            problem = str(refused)
        return tag, problem, list(self.registries.asked)

    def each(self):
        """Each client with each image that its kit has a mirror for."""
        on_nodes = itertools.product(self.of_containerd, ON_NODES)
        return itertools.chain(on_nodes, itertools.product(self.by_host, ELSEWHERE))

    def case(self, client, image, refusal=None):
        """One pull of a test: the others go on where it fails."""
        self.registries.refusal = refusal
        return self.subTest(client=type(client).__name__, image=image, refusal=refusal)

    def assert_nobody_else_has_the_token(self, asked):
        shown = [str(request) for request in asked if request.host != ECR and request.has_the_token()]
        self.assertEqual(shown, [], GIVEN_AWAY)

    def assert_ecr_alone(self, asked):
        self.assert_nobody_else_has_the_token(asked)
        others = [str(request) for request in asked if request.host not in (ECR, STORE)]
        self.assertEqual(others, [], "somebody else was asked")

    def test_images_come_from_ecr(self):
        for client, image in self.each():
            with self.case(client, image):
                tag, problem, asked = self.pull(client, image)
                self.assertIsNone(problem)
                self.assert_ecr_alone(asked)
                repository = ELSEWHERE[image]
                layer = self.registries.image(ECR, repository, tag).layer
                fetched = [request.path.partition("?")[0] for request in asked if request.host == STORE]
                self.assertIn(f"/{repository}/{digest(layer)}", fetched)

    def test_what_ecr_refuses_is_asked_of_nobody_else(self):
        for refusal, (client, image) in itertools.product(REFUSALS, self.each()):
            with self.case(client, image, refusal):
                _, problem, asked = self.pull(client, image)
                self.assertIsNotNone(problem, "pulled all the same")
                self.assertTrue(asked, "ECR was not asked")
                self.assert_ecr_alone(asked)

    def test_a_node_that_is_not_signed_in_asks_nobody_else_either(self):
        self.containerd.kubelet.patterns = []
        for image in ON_NODES:
            with self.case(self.containerd, image):
                _, problem, asked = self.pull(self.containerd, image)
                self.assertIn("401", problem)
                self.assert_ecr_alone(asked)

    def test_a_name_that_hides_another_is_blocked(self):
        for client in self.by_host:
            with self.case(client, HIDDEN):
                _, problem, asked = self.pull(client, HIDDEN)
                self.assertIn("blocked", problem)
                self.assertEqual(asked, [])

    # What follows shows that the tests above would see a token leave, and that the caveats are true.

    def test_with_the_fallback_containerd_gives_the_token_away(self):
        for client in self.of_containerd:
            client.set_mirrors(self.kits["fallback"] / "containerd")
        for client, image in itertools.product(self.of_containerd, ON_NODES):
            with self.case(client, image, 404):
                _, problem, asked = self.pull(client, image)
                self.assertIsNotNone(problem, "something is gained")
                with self.assertRaisesRegex(AssertionError, GIVEN_AWAY):
                    self.assert_ecr_alone(asked)

    def test_signed_in_for_a_host_without_its_mirror_containerd_gives_the_token_away(self):
        nothing, broken = self.folder / "nothing", self.folder / "broken"
        nothing.mkdir()
        shutil.copytree(self.kits["kit"] / "containerd", broken)
        for mirror in broken.glob("*/hosts.toml"):
            mirror.write_text(mirror.read_text(encoding="utf-8") + "server", encoding="utf-8")
        for mirrors, client in itertools.product((nothing, broken), self.of_containerd):
            client.set_mirrors(mirrors)
            for image in ON_NODES:
                with self.case(client, image):
                    _, problem, asked = self.pull(client, image)
                    self.assertIsNotNone(problem)
                    with self.assertRaisesRegex(AssertionError, GIVEN_AWAY):
                        self.assert_ecr_alone(asked)

    def test_with_the_fallback_the_others_ask_the_upstream_without_the_token(self):
        for client in self.by_host:
            client.set_up(self.kits["fallback"])
        for refusal, client, image in itertools.product(REFUSALS, self.by_host, [*ELSEWHERE, HIDDEN]):
            with self.case(client, image, refusal):
                _, problem, asked = self.pull(client, image)
                self.assertIsNone(problem)
                self.assert_nobody_else_has_the_token(asked)
                upstream = UPSTREAMS[image.partition("/")[0]]
                self.assertIn(upstream, [request.host for request in asked])


if __name__ == "__main__":
    PTC = Path(sys.argv.pop(1))
    unittest.main(verbosity=2)
