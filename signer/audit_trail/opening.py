"""The trail of a service, as configured."""

from __future__ import annotations

from ledger.ledger import Ledger
from signer import __version__
from signer.audit_trail import anchoring
from signer.audit_trail.folder import Folder
from signer.audit_trail.syslog import Syslog
from signer.audit_trail.trail import Trail
from signer.config import Config


def open_trail(config: Config, ledger: Ledger, syslog: Syslog) -> Trail:
    """Open the trail that `config` names, of what comes into `ledger`; `syslog` gets each line.

    Raises:
        TrailError: it cannot be read or written.
        DamagedError: what the ledger tells of it cannot be read.
    """
    folder = Folder(config.path(config.trail.directory))
    logged = anchoring.logged(ledger)
    return Trail.open(folder, ledger, logged, version=__version__, forward=syslog)
