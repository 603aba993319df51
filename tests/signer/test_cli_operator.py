"""Where commands of operators go: to the admin socket, or elsewhere by a certificate."""

from __future__ import annotations

from signer.access.first_authority import FirstAuthority, Issued
from tests.signer.asking import ORIGIN
from tests.signer.commands import Done, check_refused, one, sealbook
from tests.signer.running import running
from tests.signer.world import World

_OLGA = "spiffe://bank.example/people/olga"
_TLS = 'tls_certificate = "server.pem"\ntls_key = "server.key"\nclient_ca = "clients.pem"\n'
_BOUND = f"""
[[bindings]]
role = "operator"
certificate = "{_OLGA}"
people = true
"""


def _write(world: World, name: str, issued: Issued) -> None:
    (world.directory / f"{name}.pem").write_bytes(issued.certificate)
    path = world.directory / f"{name}.key"
    path.touch(0o600)
    path.write_bytes(issued.key)


def _secure(world: World) -> None:
    """Have a service ask for certificates, and make one for Olga and for Oscar, who is nobody."""
    clients, servers = FirstAuthority.make("clients", 1), FirstAuthority.make("servers", 1)
    for_clients = FirstAuthority.load(clients.certificate, clients.key)
    for_servers = FirstAuthority.load(servers.certificate, servers.key)
    _write(world, "clients", clients)
    _write(world, "servers", servers)
    _write(world, "server", for_servers.server(["127.0.0.1"], 1))
    _write(world, "olga", for_clients.client(_OLGA, 1))
    _write(world, "oscar", for_clients.client(_OLGA.replace("olga", "oscar"), 1))
    world.edit("[listen]\n", f"[listen]\n{_TLS}")
    with world.config.open("a") as file:
        file.write(_BOUND)


def test_elsewhere(world: World) -> None:
    """
    Whoever has a certificate that is bound to the role operates from elsewhere, and nobody else.
    """
    _secure(world)
    with running(world) as service:

        def ask(who: str, *words: str) -> Done:
            shown = ("--client-certificate", f"{who}.pem", "--client-key", f"{who}.key")
            place = ("--service", service.addresses.grpc, "--ca", "servers.pem")
            return sealbook(*words, *place, *shown, "--config", "none", cwd=world.directory)

        told = one(ask("olga", "status", "--json"))
        made = one(ask("olga", "key", "rotate", "release", "--json"))
        frozen = ask("olga", "ledger", "freeze", "--origin", "other.example", "--reason", "no")
        check_refused(ask("oscar", "status"), "permission-denied")
        bare = sealbook("status", "--service", service.addresses.grpc, cwd=world.directory)

    assert ORIGIN == told["origin"]
    assert 2 == made["version"]
    check_refused(frozen, "foreign-ledger")
    check_refused(bare, "config")
