"""A webhook over real TLS: the application in a thread of this process, or the real command."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from signer.admission.tls import Tls
from signer.http.serving import Http
from tests.pull.papers import Authority
from verifier.pull.admission.asgi import Admission
from verifier.pull.admission.judging import Judged
from verifier.pull.admission.metrics import Metrics

UID = "705ab4f5-6393-11e8-b7cc-42010a800002"
_WAIT_S = 30


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def response(self) -> dict[str, Any]:
        """The `response` of the AdmissionReview that it is."""
        assert self.status == 200, self
        review = json.loads(self.body)
        assert (review["apiVersion"], review["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
        response: dict[str, Any] = review["response"]
        return response

    @property
    def message(self) -> str:
        """Why not."""
        assert self.response["allowed"] is False
        told: str = self.response["status"]["message"]
        return told


def review(*images: str, namespace: str = "shop", uid: str = UID, **more: Any) -> bytes:
    """Return the question whether a pod of these images may be made, as an API server writes it."""
    containers = [{"name": f"c{i}", "image": image} for i, image in enumerate(images)]
    request = {
        "uid": uid,
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "name": "web-1",
        "namespace": namespace,
        "operation": "CREATE",
        "object": {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "web-1", "namespace": namespace},
            "spec": {"containers": containers},
        },
        **more,
    }
    asked = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
    return json.dumps(asked).encode()


def yes(body: bytes) -> Judged:
    """Return a yes to whatever is asked, for judges that are none."""
    uid = json.loads(body)["request"]["uid"]
    answer = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": uid, "allowed": True},
    }
    return Judged(answer, allowed=True, uid=uid, namespace="shop", what="Pod shop/web-1")


class Client:
    """Asks as the API server does: over TLS, under one authority."""

    def __init__(self, port: int, ca: Path, certificate: tuple[Path, Path] | None = None) -> None:
        self.port = port
        self.context = ssl.create_default_context(cafile=str(ca))
        if certificate:
            self.context.load_cert_chain(*certificate)

    def ask(
        self,
        path: str,
        body: bytes | None = None,
        method: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return the answer, on a connection of its own."""
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=_WAIT_S, context=self.context
        )
        try:
            said = headers or {"content-type": "application/json"}
            connection.request(method or ("GET" if body is None else "POST"), path, body, said)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(), dict(answer.getheaders()))
        finally:
            connection.close()

    def connect(self) -> ssl.SSLSocket:
        """Return a connection on which nothing was said."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=_WAIT_S)
        return self.context.wrap_socket(plain, server_hostname="127.0.0.1")

    def serial(self) -> int:
        """Return the serial number of the certificate that a new connection is shown."""
        with self.connect() as connection:
            found = connection.getpeercert()
        assert found is not None
        return int(str(found["serialNumber"]), 16)

    def series(self) -> dict[str, float]:
        """Return what /metrics says, once it is seen to be Prometheus' format."""
        from prometheus_client.parser import text_string_to_metric_families

        answer = self.ask("/metrics")
        assert answer.status == 200
        return {
            sample.name
            + "".join(
                f" {key}={value}" for key, value in sorted(sample.labels.items())
            ): sample.value
            for family in text_string_to_metric_families(answer.body.decode())
            for sample in family.samples
        }


class Serving(Client):
    """An application of ours on loopback, by the server and TLS of the command."""

    def __init__(
        self,
        directory: Path,
        judge: Any,
        *,
        check_ready: Callable[[], None] = lambda: None,
        **more: Any,
    ) -> None:
        authority = Authority(directory)
        pair = authority.issue("webhook")
        pair.key.chmod(0o600)
        self.authority, self.pair = authority, pair
        self.tls = Tls(*pair, more.pop("client_ca", None))
        self.metrics = Metrics()
        self.app = Admission(judge, check_ready, self.metrics, **more)
        self._listener = socket.create_server(("127.0.0.1", 0))
        super().__init__(self._listener.getsockname()[1], authority.certificate)
        self._server = Http(self.app, lambda: self.tls.context, 512, 1)
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        await self._server.serve([self._listener])
        # Connections that say goodbye as TLS does it outlive the server by a moment.
        selector, end = asyncio.get_running_loop()._selector, time.monotonic() + _WAIT_S  # type: ignore[attr-defined]
        while len(selector.get_map()) > 1 and time.monotonic() < end:  # noqa: ASYNC110  none tells
            await asyncio.sleep(0.01)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(_WAIT_S)
        self.app.close()
        self._listener.close()


class Command:
    """`sealbook admission serve FILE`, a process of its own."""

    def __init__(self, settings: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "signer", "admission", "serve", settings],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(self._process.communicate()[1])
        self.port = int(line.strip().rpartition(":")[2])

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def stop(self) -> tuple[int, str]:
        """Tell it to stop; return its exit code and what it complained about."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        _, told = self._process.communicate(timeout=_WAIT_S)
        return self._process.returncode, told

    def terminate(self) -> None:
        """Tell it to stop, and do not wait."""
        self._process.send_signal(signal.SIGTERM)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def until(true: Callable[[], bool], seconds: float = _WAIT_S) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)
