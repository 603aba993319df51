"""All that a service reads and opens before it listens, and closes after it has stopped."""

from __future__ import annotations

from ledger.mirrored import Mirrored
from ledger.opening import OpenLedger, open_ledger
from signer.access.admitting import Admitting
from signer.access.oidc.issuers import Issuers
from signer.access.state import State
from signer.access.tokens import Tokens
from signer.approvals.opening import DualControl
from signer.at_rest.keeping import AtRest
from signer.audit_trail.opening import open_trail
from signer.audit_trail.syslog import Syslog
from signer.authority.opening import opened
from signer.config import Config
from signer.configuring.live import Live
from signer.configuring.reloading import LivePolicy
from signer.expiry import Expiry
from signer.forms.all import all_forms
from signer.life.keeping import KeyLife
from signer.own_keys import OwnKeys
from signer.publish.publications import Publications
from signer.publishing import asks
from signer.pulls.counting import Counting
from signer.service import PullService
from signer.status.keeping import StatusKeeper, read_status
from signer.tls import Tls
from signer.trust_files import Handed, LiveTrust
from verifier.trust import TrustRoot


class Prepared:
    """What one service has, whether it runs or not."""

    def __init__(self, config: Config) -> None:
        """Load keys and open the ledger.

        Raises:
            SealbookError: whatever keeps the service from starting, with its code.
        """
        self._config = config
        self._live_config = Live(lambda config: config, config)
        self._live = LiveTrust.read(config)
        self._own = OwnKeys.open(config, self._trust)
        self._authorities = opened(config, self._own, self._trust)
        self._forms = all_forms(config.origin, self._authorities.issuer)
        self._tokens = Tokens.read(config)
        self._admitting = Admitting(config, [self._tokens])
        self._tls = Tls(config)
        self._policy = LivePolicy(config, self._live)
        handed = Handed.of(config, self._live)
        status = read_status(handed.status, self._trust, config.origin)
        self._at_rest = AtRest.open(config.at_rest, config.base, config.home)
        self._opened: OpenLedger = open_ledger(
            config.home,
            self._own.ledger,
            asks=asks(config, self._trust),
            signs_late=config.mirror.synchronous,
            at_rest=self._at_rest.bodies if self._at_rest else None,
        )
        try:
            self._status = StatusKeeper(
                self._opened.ledger,
                self._own.status,
                handed,
                every_s=config.trust.status_every_s,
                previous=status,
            )
            ledger = self._opened.ledger
            self._life = KeyLife(config, self._forms, ledger, self._live, self._own)
            self.keys = self._life.ring
            self._dual = DualControl(
                config,
                ledger,
                lambda: self.keys.keys,
                lambda: (*self._life.publics, *self._trust.publics()),
            )
            self._expiry = Expiry(
                config, self.keys, self._opened.ledger, lambda: self._trust, lambda: self._tls.ends
            )
            self._syslog = Syslog(config.trail.syslog)
            self._trail = open_trail(config, self._opened.ledger, self._syslog)
            self._issuers = Issuers(config)
            sealing = self._at_rest.api_keys if self._at_rest else None
            self._state = State.open(config, ledger, sealing)
            in_force = self._status.in_force
            self._publications = Publications.over(config, ledger, in_force, self._trail, self.keys)
            self._counting = Counting.over(config)
        except BaseException:
            self._opened.close()
            raise
        state = self._state
        self._admitting.holders = (self._tokens, state.sessions, state.api_keys)
        self._admitting.bound = state.bindings
        self._mirrored = Mirrored()
        self._pulls = PullService(self._opened.ledger, self._mirrored)

    def refuse_example_keys(self) -> None:
        """Raise `ExampleKeyError` if a key is one of keys-example/."""
        for public in self._life.publics:
            public.refuse_example()
        self._dual.refuse_examples()

    @property
    def _trust(self) -> TrustRoot:
        """The trust file in force."""
        return self._live.root

    def close(self) -> None:
        """Close trail and ledger, give the lock back, and log out of the devices with keys."""
        self._counting.close()
        self._publications.close()
        self._state.close()
        self._trail.close()
        self._syslog.close()
        self._opened.close()
        self._own.close()
        self._life.close()
        if self._at_rest is not None:
            self._at_rest.close()
