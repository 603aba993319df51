"""Proto to domain and back: the only room that sees both.

Each service is a class whose `table` lists its methods for the guard.
"""

from signer.service.access import AccessService
from signer.service.approvals import ApprovalsService
from signer.service.attest import AttestService
from signer.service.bundles import Bundles
from signer.service.keys import KeysService
from signer.service.ledger import LedgerService
from signer.service.message import MessageService
from signer.service.operator import OperatorService
from signer.service.publications import PublicationsService
from signer.service.pull import PullService
from signer.service.pull_counts import PullCountsService
from signer.service.signer import SignerService
from signer.service.storage import StorageService

__all__ = [
    "AccessService",
    "ApprovalsService",
    "AttestService",
    "Bundles",
    "KeysService",
    "LedgerService",
    "MessageService",
    "OperatorService",
    "PublicationsService",
    "PullCountsService",
    "PullService",
    "SignerService",
    "StorageService",
]
