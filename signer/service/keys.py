"""`sealbook.v1.Operator`: the calls about keys and trust files."""

from __future__ import annotations

from signer.access import Principal
from signer.guard import Method
from signer.life.announcing import Published
from signer.life.keeping import KeyFlows
from signer.life.listing import Shown
from signer.life.versions import Changed, Version
from signer.life.wanting import Wanted
from signer.v1 import operator_pb2 as pb


class KeysService:
    """What an operator does with keys, on the admin socket."""

    def __init__(self, flows: KeyFlows) -> None:
        """Do it by `flows`."""
        self._flows = flows

    def table(self) -> dict[str, Method]:
        """Return the methods, by full name."""
        prefix = "/sealbook.v1.Operator/"
        return {
            prefix + "ListKeys": Method(pb.ListKeysRequest, self.list_keys),
            prefix + "CreateKey": Method(pb.CreateKeyRequest, self.create),
            prefix + "RotateKey": Method(pb.RotateKeyRequest, self.rotate),
            prefix + "ImportKey": Method(pb.ImportKeyRequest, self.import_),
            prefix + "SwitchKey": Method(pb.SwitchKeyRequest, self.switch),
            prefix + "RetireKey": Method(pb.RetireKeyRequest, self.retire),
            prefix + "InstallTrust": Method(pb.InstallTrustRequest, self.install),
        }

    async def list_keys(self, _: Principal, request: pb.ListKeysRequest) -> pb.ListKeysResponse:
        """Say what became of every version."""
        return pb.ListKeysResponse(
            keys=[_version(one) for one in await self._flows.listing.all(request.name)]
        )

    async def create(self, _: Principal, request: pb.CreateKeyRequest) -> pb.AnnounceKeyResponse:
        """Make a key under a new name."""
        wanted = Wanted(
            "key-create",
            request.name,
            request.uri,
            request.algorithm,
            request.purpose,
            tuple(request.scope),
            tuple(request.forms),
            rotates=False,
            requester=request.requester,
        )
        return await self._announced(wanted)

    async def rotate(self, _: Principal, request: pb.RotateKeyRequest) -> pb.AnnounceKeyResponse:
        """Make the next version of a key."""
        wanted = Wanted(
            "key-rotate",
            request.name,
            request.uri,
            request.algorithm,
            rotates=True,
            lost=request.lost,
            requester=request.requester,
        )
        return await self._announced(wanted)

    async def import_(self, _: Principal, request: pb.ImportKeyRequest) -> pb.AnnounceKeyResponse:
        """Announce a key that is there."""
        wanted = Wanted(
            "key-import",
            request.name,
            request.uri,
            "",
            request.purpose,
            tuple(request.scope),
            tuple(request.forms),
            made=False,
            lost=request.lost,
            requester=request.requester,
        )
        return await self._announced(wanted)

    async def switch(self, _: Principal, request: pb.SwitchKeyRequest) -> pb.ChangeKeyResponse:
        """Let a version sign."""
        changed = await self._flows.switching.switch(
            request.name, request.version, request.requester, now=request.now
        )
        return self._changed(changed)

    async def retire(self, _: Principal, request: pb.RetireKeyRequest) -> pb.ChangeKeyResponse:
        """End a version."""
        changed = await self._flows.retiring.retire(
            request.name,
            request.version,
            request.reason,
            request.requester,
            active_too=request.active_too,
        )
        return self._changed(changed)

    async def install(
        self, _: Principal, request: pb.InstallTrustRequest
    ) -> pb.InstallTrustResponse:
        """Put a trust file in force."""
        installed = await self._flows.installing.install(request.trust, request.requester)
        return pb.InstallTrustResponse(
            version=installed.trust.version, known=installed.known, index=installed.index
        )

    async def _announced(self, wanted: Wanted) -> pb.AnnounceKeyResponse:
        found: Published = await self._flows.announcing.announce(wanted)
        said = found.announced.announcement
        version = Version(said.name, said.version, said.public, said.purpose)
        return pb.AnnounceKeyResponse(
            key=_version(self._flows.listing.one(version)),
            index=found.event.record.index,
            note=found.event.published.note,
            draft=found.draft,
        )

    def _changed(self, changed: Changed) -> pb.ChangeKeyResponse:
        return pb.ChangeKeyResponse(
            key=_version(self._flows.listing.one(changed.version)),
            index=changed.event.record.index,
            note=changed.event.published.note,
            known=changed.known,
            draft=changed.draft,
        )


def _version(shown: Shown) -> pb.SigningKeyVersion:
    public = shown.version.public
    return pb.SigningKeyVersion(
        name=shown.version.name,
        version=shown.version.version,
        purpose=shown.version.purpose,
        scope=shown.scope,
        algorithm=public.algorithm.name,
        fingerprint=public.fingerprint,
        spki=public.spki,
        standing=shown.standing,
        trusted=shown.trusted,
        valid_from_tree_size=shown.start,
        valid_through_tree_size=shown.end,
        announced_at=shown.announced_at,
        uri=shown.uri,
        forms=shown.forms,
        attributes=dict(shown.attributes),
        healthy=shown.healthy,
        available=shown.available,
    )
