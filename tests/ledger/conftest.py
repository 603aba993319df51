"""A fresh ledger for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.opening import Home, create
from ledger.seal import empty_head
from ledger.store import Store
from ledger.store.sqlite import SqliteStore
from tests.ledger.making import (
    GENESIS,
    KEYS,
    ORIGIN,
    FailingStore,
    GatedStore,
    home_in,
    memory_store,
)
from tests.ledger.sequencing import Service


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A ledger that holds its genesis entry and is closed."""
    home = home_in(tmp_path)
    create(home, KEYS, GENESIS)
    return home


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each kind: a test that takes this runs once for each."""
    if request.param == "memory":
        yield memory_store()
        return
    made = SqliteStore.create(tmp_path / "ledger.db", ORIGIN, empty_head(ORIGIN, KEYS.seal))
    yield made
    made.close()


@pytest.fixture
def gated() -> Iterator[Service]:
    """A service whose commits wait for the gate."""
    service = Service(GatedStore(memory_store()))
    yield service
    service.store.gate.set()
    service.sequencer.stop()


@pytest.fixture
def failing() -> Iterator[Service]:
    """A service whose commits can be broken."""
    service = Service(FailingStore(memory_store()))
    yield service
    service.sequencer.stop()
