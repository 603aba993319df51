"""A registry with the referrers API, in this process: a double, for no real one can be had here.

It imitates what the OCI distribution specification 1.1 asks for: manifests, blobs, tags, pages,
`GET referrers` with its filter, `OCI-Subject` at a PUT, deleting; everything in memory, plain
HTTP on loopback, nobody is asked who they are. As real ones do, it refuses a manifest whose
blobs or children are missing. It is no proof that a real registry does the same.

Without `referrers_api` it is the other half of the world, where clients keep an index under a
tag. Tests derive from it and override `refuses` for rules that are somebody's own.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, quote, urlsplit

INDEX = "application/vnd.oci.image.index.v1+json"
OCTETS = "application/octet-stream"
MOST_MANIFEST = 4 << 20
_PATH = re.compile(
    r"/v2/(?P<name>[a-z0-9._/-]+?)/(?P<kind>manifests|blobs|tags|referrers)/(?P<rest>.+)"
)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


class Refusal(NamedTuple):
    """An answer of the distribution specification's own form."""

    status: int
    code: str
    message: str = ""


class Answer(NamedTuple):
    status: int
    content: bytes = b""
    headers: Mapping[str, str] = {}


class Asked(NamedTuple):
    """One request: `kind` is manifests, blobs, tags or referrers; `rest` what follows it."""

    method: str
    name: str
    kind: str
    rest: str
    query: Mapping[str, str]
    content: bytes
    media_type: str


class Kept:
    """One repository: contents by digest, manifests' media types, tags."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.tags: dict[str, str] = {}
        self.uploads: dict[str, bytes] = {}


class FakeReferrersRegistry:
    """Serves while it is entered, at `address`. `requests` are all that came, in their order.

    `page`: how many tags or referrers go into one page when nobody says; 0: all.
    """

    def __init__(self, *, referrers_api: bool = True, page: int = 0) -> None:
        self.referrers_api = referrers_api
        self.page = page
        self.repositories: dict[str, Kept] = {}
        self.requests: list[str] = []
        self._lock = threading.RLock()
        self._uploads = 0
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.hang_up()

    def kept(self, name: str) -> Kept:
        """Return what a repository holds, for tests that look or spoil."""
        return self.repositories.setdefault(name, Kept())

    def refuses(self, asked: Asked) -> Refusal | None:
        """Return how a request is refused by rules of somebody's own; called under a lock."""

    def answer(self, asked: Asked) -> Answer:
        """Answer one request, one at a time."""
        with self._lock:
            refusal = self.refuses(asked)
            if refusal is not None:
                return refused(*refusal)
            if asked.kind == "catalog":
                return self._paged(sorted(self.repositories), "repositories", asked)
            if asked.name not in self.repositories and asked.method not in ("POST", "PUT"):
                return refused(404, "NAME_UNKNOWN")
            kept = self.kept(asked.name)
            if asked.kind == "tags":
                return self._paged(sorted(kept.tags), "tags", asked)
            kinds = {"manifests": self._manifest, "blobs": self._blob}
            return kinds.get(asked.kind, self._referrers)(kept, asked)

    def _manifest(self, kept: Kept, asked: Asked) -> Answer:
        digest = asked.rest if ":" in asked.rest else kept.tags.get(asked.rest, "")
        if asked.method == "PUT":
            return self._put_manifest(kept, asked)
        if digest not in kept.manifests:
            return refused(404, "MANIFEST_UNKNOWN")
        if asked.method == "DELETE":
            return self.deleted(kept, asked.rest, digest)
        media_type, content = kept.manifests[digest]
        said = {"Content-Type": media_type, "Docker-Content-Digest": digest}
        return Answer(200, content, said)

    def deleted(self, kept: Kept, reference: str, digest: str) -> Answer:
        """Delete a tag alone, or a manifest with its tags."""
        if ":" in reference:
            del kept.manifests[digest]
            kept.tags = {tag: of for tag, of in kept.tags.items() if of != digest}
        else:
            del kept.tags[reference]
        return Answer(202)

    def _put_manifest(self, kept: Kept, asked: Asked) -> Answer:
        digest = _digest(asked.content)
        if wrong := _wrong(kept, asked, digest):
            return refused(*wrong)
        kept.manifests[digest] = (asked.media_type, asked.content)
        if ":" not in asked.rest:
            kept.tags[asked.rest] = digest
        said = {"Docker-Content-Digest": digest, "Location": f"/v2/{asked.name}/manifests/{digest}"}
        subject = json.loads(asked.content).get("subject")
        if self.referrers_api and subject:
            said["OCI-Subject"] = subject["digest"]
        return Answer(201, b"", said)

    def _blob(self, kept: Kept, asked: Asked) -> Answer:
        if asked.rest.startswith("uploads"):
            return self._upload(kept, asked)
        if asked.rest not in kept.blobs:
            return refused(404, "BLOB_UNKNOWN")
        if asked.method == "DELETE":
            del kept.blobs[asked.rest]
            return Answer(202)
        content = kept.blobs[asked.rest]
        said = {"Content-Type": OCTETS, "Docker-Content-Digest": asked.rest}
        return Answer(200, content, said)

    def _upload(self, kept: Kept, asked: Asked) -> Answer:
        id_ = asked.rest.removeprefix("uploads").strip("/")
        if asked.method == "POST":
            source = self.repositories.get(asked.query.get("from", ""))
            mounted = asked.query.get("mount", "")
            if source is not None and mounted in source.blobs:
                kept.blobs[mounted] = source.blobs[mounted]
                return _created(asked.name, mounted)
            if "digest" in asked.query:
                return self._finished(kept, asked, asked.content)
            self._uploads += 1
            id_ = f"u{self._uploads}"
            kept.uploads[id_] = b""
        elif id_ not in kept.uploads:
            return refused(404, "BLOB_UPLOAD_UNKNOWN")
        kept.uploads[id_] += asked.content
        if asked.method == "PUT":
            return self._finished(kept, asked, kept.uploads.pop(id_))
        if asked.method == "DELETE":
            del kept.uploads[id_]
            return Answer(204)
        size = len(kept.uploads[id_])
        said = {"Location": f"/v2/{asked.name}/blobs/uploads/{id_}", "Range": f"0-{size - 1}"}
        return Answer(204 if asked.method == "GET" else 202, b"", said)

    def _finished(self, kept: Kept, asked: Asked, content: bytes) -> Answer:
        if _digest(content) != asked.query.get("digest"):
            return refused(400, "DIGEST_INVALID")
        kept.blobs[_digest(content)] = content
        return _created(asked.name, _digest(content))

    def _referrers(self, kept: Kept, asked: Asked) -> Answer:
        if not self.referrers_api:
            return refused(404, "NOT_FOUND", "page not found")
        listed = list(self.referring(kept, asked.rest))
        said = {"Content-Type": INDEX}
        wanted = asked.query.get("artifactType")
        if wanted:
            listed = [one for one in listed if one["artifactType"] == wanted]
            said["OCI-Filters-Applied"] = "artifactType"
        start, size = int(asked.query.get("start", 0)), self.page or len(listed)
        if start + size < len(listed):
            kind = f"&artifactType={quote(wanted, safe='')}" if wanted else ""
            where = f"/v2/{asked.name}/referrers/{asked.rest}?start={start + size}{kind}"
            said["Link"] = f'<{where}>; rel="next"'
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed[start : start + size]}
        return Answer(200, json.dumps(index).encode(), said)

    def referring(self, kept: Kept, digest: str) -> Iterator[dict[str, Any]]:
        """Yield the descriptors of all manifests whose subject is `digest`."""
        for own, (media_type, content) in kept.manifests.items():
            value = json.loads(content)
            if (value.get("subject") or {}).get("digest") != digest:
                continue
            kind = value.get("artifactType") or value.get("config", {}).get("mediaType", "")
            said = {"mediaType": media_type, "digest": own, "size": len(content)}
            yield {**said, "annotations": value.get("annotations", {}), "artifactType": kind}

    def _paged(self, names: list[str], field: str, asked: Asked) -> Answer:
        after = [name for name in names if name > asked.query.get("last", "")]
        size = int(asked.query.get("n", self.page)) or len(after)
        said = {"Content-Type": "application/json"}
        if size < len(after):
            path = "_catalog" if asked.kind == "catalog" else f"{asked.name}/tags/list"
            where = f"/v2/{path}?n={size}&last={quote(after[size - 1])}"
            said["Link"] = f'<{where}>; rel="next"'
        own = {"name": asked.name} if asked.name else {}
        return Answer(200, json.dumps({**own, field: after[:size]}).encode(), said)


def refused(status: int, code: str, message: str = "") -> Answer:
    """Say no, as the specification wants it said."""
    said = {"errors": [{"code": code, "message": message or code.lower()}]}
    return Answer(status, json.dumps(said).encode(), {"Content-Type": "application/json"})


def _wrong(kept: Kept, asked: Asked, digest: str) -> Refusal | None:
    """Return why a manifest is not taken."""
    if len(asked.content) > MOST_MANIFEST:
        return Refusal(413, "MANIFEST_INVALID", "too large")
    try:
        value = json.loads(asked.content)
    except ValueError:
        return Refusal(400, "MANIFEST_INVALID", "not JSON")
    if ":" in asked.rest and asked.rest != digest:
        return Refusal(400, "DIGEST_INVALID")
    if ":" not in asked.rest and not _TAG.fullmatch(asked.rest):
        return Refusal(400, "TAG_INVALID")
    missing = [one for one in _needed(value) if not _has(kept, one)]
    return Refusal(400, "MANIFEST_BLOB_UNKNOWN", ", ".join(missing)) if missing else None


def _created(name: str, digest: str) -> Answer:
    said = {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest}
    return Answer(201, b"", said)


def _needed(value: Mapping[str, Any]) -> Iterator[str]:
    """Yield the digests that have to be there before a manifest is; its subject need not."""
    for one in (*value.get("layers", ()), *value.get("manifests", ())):
        if "urls" not in one:
            yield one["digest"]
    if value.get("config"):
        yield value["config"]["digest"]


def _has(kept: Kept, digest: str) -> bool:
    return digest in kept.blobs or digest in kept.manifests


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True
    block_on_close = False

    def __init__(self, registry: FakeReferrersRegistry) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.registry = registry
        self._connections: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().close_request(request)

    def hang_up(self) -> None:
        """End the connections of those who go on asking, as a process's end does."""
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of who hung up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: _Server

    def _serve(self) -> None:
        content = self._content()
        self.server.registry.requests.append(f"{self.command} {self.path}")
        self._send(self._answered(content))

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815

    def _answered(self, content: bytes) -> Answer:
        registry, parts = self.server.registry, urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if parts.path in ("/v2", "/v2/"):
            return Answer(200, b"{}", {"Content-Type": "application/json"})
        if parts.path == "/v2/_catalog":
            return registry.answer(Asked(self.command, "", "catalog", "", query, b"", ""))
        found = _PATH.fullmatch(parts.path)
        if found is None:
            return refused(404, "NOT_FOUND", "page not found")
        media_type = self.headers.get("Content-Type", "")
        named = (found["name"], found["kind"], found["rest"])
        return registry.answer(Asked(self.command, *named, query, content, media_type))

    def _content(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(pieces)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.content)

    def log_message(self, *_: object) -> None:
        """Say nothing: `requests` has it all."""
