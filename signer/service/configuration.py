"""`Operator.ReloadConfig`."""

from __future__ import annotations

from signer.access import Principal
from signer.configuring.reloading import Reloading
from signer.guard import Method
from signer.v1 import operator_pb2


class ConfigurationService:
    """What an operator may do with the configuration, besides changing its file."""

    def __init__(self, reloading: Reloading) -> None:
        """Load it again by `reloading`."""
        self._reloading = reloading

    def table(self) -> dict[str, Method]:
        """Return the methods, by full name."""
        name = "/sealbook.v1.Operator/ReloadConfig"
        return {name: Method(operator_pb2.ReloadConfigRequest, self.reload)}

    async def reload(
        self, _: Principal, __: operator_pb2.ReloadConfigRequest
    ) -> operator_pb2.ReloadConfigResponse:
        """Put in force what the file says now, or nothing of it."""
        done = await self._reloading.reload()
        return operator_pb2.ReloadConfigResponse(
            changed=bool(done.changed), index=done.index, sections=done.changed
        )
