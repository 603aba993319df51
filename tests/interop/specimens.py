"""Good bundles of every kind that the service has a hand in, and who judges each here.

A specimen is judged by our own verifier as a program would ask it, and by a foreign one that
is told the same: the keys by their hints, or the identity of a certificate.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from tests.interop.edits import encoded
from tests.interop.image import TAG, Image
from tests.interop.product import sealbook
from tests.signer.uploading import V2, Hand, hashed, pae
from tests.verifier.making import IMAGE, Signer, World, policy, witnesses
from verifier import Digest, Repository, TrustRoot, Verifier, limits
from verifier.bundle import MEDIA_TYPE, Bundle
from verifier.dsse import IN_TOTO
from verifier.publickey import PublicKey
from verifier.pull.keyless import SigstoreJudge
from verifier.repository import Scope
from verifier.sigstore.artifact import Artifact
from verifier.sigstore.bundle import ForeignBundle
from verifier.sigstore.trusted_root import TrustedRoot
from verifier.sigstore.verify import judge
from verifier.statement import approval
from verifier.trust.listed import TrustedKey, keys_by_hint
from verifier.trusted_root import trusted_root

REPOSITORY = Repository("registry.example/team/app")
MESSAGE = b"a release\n"
FAR = 253_402_300_799
OURS, FOREIGN, CERTIFICATES = "Verifier", "verify-bundle --key", "SigstoreJudge"


class Specimen(NamedTuple):
    """A good bundle; `judge` is ours and raises unless it is good, `told` is for the other.

    `by` is which of our judges that is.
    """

    name: str
    by: str
    bundle: bytes
    judge: Callable[[bytes], object]
    told: Mapping[str, object]


def specimens(config: Path, image: Image, scratch: Path) -> list[Specimen]:
    """Return one of every kind: what the service signs, and what it logs for others.

    The service of `config` must be running.
    """
    return [*_signed(config, image, scratch), *_uploaded(config.parent), *_made()]


def _signed(config: Path, image: Image, scratch: Path) -> list[Specimen]:
    """What `sealbook sign` and `sealbook attest` leave behind."""
    home = config.parent
    trust = TrustRoot.parse((home / "trust.json").read_bytes())
    root = (home / "trusted_root.json").read_bytes()
    told = _told(root, trust, timestamps=1)
    verifier = Verifier(trust)
    found = []
    where = ("--config", config, "--out", scratch, "--json")
    forms = (
        "--form",
        "bundle",
        "--form",
        "certificate",
        "-a",
        "env=prod",
        "-a",
        "size=gr\u00f6\u00dfe",
    )
    said = sealbook("sign", f"oci:{image.layout}:{TAG}", "--repository", REPOSITORY, *forms, *where)
    issuer = f"https://{trust.logs[0].origin}"
    who = {**told, "keys": {}, "identity": f"{issuer}/keys/release", "issuer": issuer}
    certificates = SigstoreJudge(root)
    for line in map(json.loads, said.splitlines()):
        made = {one["form"]: Path(one["file"]).read_bytes() for one in line["signatures"]}
        approved = _approved(verifier, Digest(line["digest"]), REPOSITORY)
        found.append(Specimen("approval", OURS, made["bundle"], approved, told))
        certified = made["certificate"]
        found.append(Specimen("certificate", CERTIFICATES, certified, certificates.certified, who))
    predicate = scratch / "predicate.json"
    predicate.write_text('{"passed": 12, "share": 0.50}')
    what = ("--type", "custom", "--predicate", predicate, "--repository", REPOSITORY)
    said = sealbook("attest", f"oci:{image.layout}:{TAG}", *what, *where)
    attestation = Path(json.loads(said)["bundle"]).read_bytes()
    found.append(Specimen("attestation", OURS, attestation, _attested(verifier), told))
    return found


def _uploaded(home: Path) -> list[Specimen]:
    """What clients of Rekor put together from their signature and our entry."""
    config = tomllib.loads((home / "sealbook.toml").read_text())
    token = (home / "append-token").read_text().strip()
    trust = TrustRoot.parse((home / "trust.json").read_bytes())
    root = (home / "trusted_root.json").read_bytes()
    found = []
    with httpx.Client(base_url=f"http://{config['listen']['http']}", auth=("append", token)) as log:
        for kind in ("ecdsa-p256", "rsa-2048"):
            hand = Hand.of(kind)
            key = PublicKey(hand.spki)
            mine = TrustedKey("mine", "approve", key, (Scope("*"),))
            known = trust._replace(keys=keys_by_hint([*trust.keys.values(), mine]))
            told = _told(root, known, timestamps=0)
            payload = approval(REPOSITORY, IMAGE, {})
            signature, entry = _logged(log, hand, pae(payload))
            envelope = {
                "payload": encoded(payload),
                "payloadType": IN_TOTO,
                "signatures": [{"sig": encoded(signature)}],
            }
            bundle = _bundle(key, entry, {"dsseEnvelope": envelope})
            approved = _approved(Verifier(known), IMAGE, REPOSITORY)
            found.append(Specimen(f"uploaded envelope, {kind}", OURS, bundle, approved, told))
            signature, entry = _logged(log, hand, MESSAGE)
            digest = {"algorithm": "SHA2_256", "digest": encoded(hand.digest(MESSAGE))}
            message = {"messageDigest": digest, "signature": encoded(signature)}
            bundle = _bundle(key, entry, {"messageSignature": message})
            about = {**told, "key": hand.pem.decode(), "artifact": encoded(MESSAGE)}
            asked = _under_key(key, root)
            found.append(Specimen(f"uploaded message, {kind}", FOREIGN, bundle, asked, about))
    return found


def _made() -> list[Specimen]:
    """What the service makes with keys that it has in hardware only, and under witnesses."""
    worlds = {
        "RSA": World(signer=Signer("rsa-2048"), expires=FAR),
        "witnesses": World(expires=FAR, witnesses=witnesses(3), index=6),
        "one leaf": World(expires=FAR, index=0, leaves=1),
    }
    cosigners = worlds["witnesses"].witnesses
    worlds["witnesses"].quorum = policy(2, cosigners)
    return [made(f"made, {name}", world) for name, world in worlds.items()]


def made(name: str, world: World) -> Specimen:
    """Return the bundle of a world, judged at its own time under its own trust root."""
    trust = world.trust
    told = _told(trusted_root(trust), trust, timestamps=0)
    verifier = Verifier(trust, lambda: world.now)
    approved = _approved(verifier, world.digest, world.repository)
    return Specimen(name, OURS, world.bundle.json(), approved, told)


def _told(root: bytes, trust: TrustRoot, *, timestamps: int) -> dict[str, object]:
    keys = {
        hint: key.public.pem().decode()
        for hint, key in trust.keys.items()
        if key.purpose in {"approve", "attest"}
    }
    return {"root": json.loads(root), "keys": keys, "timestamps": timestamps}


def _approved(
    verifier: Verifier, digest: Digest, repository: Repository | None
) -> Callable[[bytes], object]:
    return lambda data: verifier.verify(data, digest, repository)


def _attested(verifier: Verifier) -> Callable[[bytes], object]:
    return lambda data: verifier.logged(Bundle.parse(data, limits.ATTESTATION))


def _under_key(key: PublicKey, root: bytes) -> Callable[[bytes], object]:
    artifact, trusted = Artifact(Digest.of(MESSAGE), lambda: MESSAGE), TrustedRoot.parse(root)

    def asked(data: bytes) -> object:
        return judge(ForeignBundle.parse(data), key, trusted, artifact, now=FAR)

    return asked


def _logged(log: httpx.Client, hand: Hand, message: bytes) -> tuple[bytes, dict[str, Any]]:
    """Sign a message and upload that; return the signature and what is put into a bundle."""
    signature = hand.sign(message)
    answer = log.post(V2, json=hashed(hand, message, content=signature))
    entry = answer.raise_for_status().json()
    for unsaid in ("integratedTime", "inclusionPromise"):  # as cosign leaves out what is empty
        entry.pop(unsaid, None)
    return signature, entry


def _bundle(key: PublicKey, entry: dict[str, Any], signed: dict[str, Any]) -> bytes:
    material = {"publicKey": {"hint": key.hint}, "tlogEntries": [entry]}
    bundle = {"mediaType": MEDIA_TYPE, "verificationMaterial": material, **signed}
    return json.dumps(bundle, separators=(",", ":")).encode()
