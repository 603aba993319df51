"""What docker-registry does while a blob's link is written anew, and how it is lived with."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.registries.fake_referrers import Asked, FakeReferrersRegistry, Refusal
from verifier.pull.images import EMPTY_CONTENT, IMAGE, Descriptor
from verifier.pull.registry.client import Registry
from verifier.pull.registry.settings import Registries
from verifier.repository import Repository

MANY = 8


class FakeWritingRegistry(FakeReferrersRegistry):
    """Refuses a manifest at first, as docker-registry does that reads a half-written link."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.left = times

    def refuses(self, asked: Asked) -> Refusal | None:
        if asked.method != "PUT" or asked.kind != "manifests" or not self.left:
            return None
        self.left -= 1
        return Refusal(400, "DIGEST_INVALID", "provided digest did not match uploaded content")


def repository(registry: FakeReferrersRegistry) -> Registry:
    return Registry(Repository(f"{registry.address}/team/app"), Registries(docker=False))


def test_a_blob_is_put_once() -> None:
    """
    Of those who put the same blob into one repository at once, one sends it, and all find it.
    """
    empty = Descriptor.of(IMAGE, EMPTY_CONTENT)
    with FakeReferrersRegistry() as registry:
        each = [repository(registry) for _ in range(MANY)]
        with ThreadPoolExecutor(MANY) as threads:
            list(threads.map(lambda one: one.put_blob(empty, [EMPTY_CONTENT]), each))

        sent = [line for line in registry.requests if line.startswith("PUT ")]

        assert 1 == len(sent)
        assert all(one.has_blob(empty.digest) for one in each)


def test_a_manifest_is_put_again() -> None:
    """
    A manifest that the registry took for another one is put again, and is there.
    """
    content = b'{"schemaVersion":2,"mediaType":"%s","layers":[]}' % IMAGE.encode()
    with FakeWritingRegistry(times=2) as registry, repository(registry) as images:
        images.put_manifest(content, IMAGE, "1.0")

        assert content == images.manifest("1.0").content
