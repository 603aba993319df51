"""Holds the contract: generated code is what the .proto files say, and nothing breaks clients.

    python proto/contract.py check     fail on stale code or a breaking change
    python proto/contract.py accept    take today's contract as the one to hold

`contract.binpb` is the descriptor set that clients rely on. A change is breaking
when it takes something away or gives it another meaning: a message, field, enum
value, service or method that is gone; another number, type, cardinality or name.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorSet,
)

HERE = Path(__file__).parent
HELD = HERE / "contract.binpb"


def described() -> bytes:
    """Return the descriptor set of today's .proto files, without comments."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "set"
        protos = sorted(str(p.relative_to(HERE)) for p in HERE.rglob("*.proto"))
        subprocess.run(  # noqa: S603  our own arguments
            [sys.executable, "-m", "grpc_tools.protoc", "-I.", f"-o{out}", *protos],
            cwd=HERE,
            check=True,
        )
        return out.read_bytes()


def facts(files: FileDescriptorSet) -> Iterator[tuple[str, str]]:
    """Yield everything that a client may rely on, as (what, how it is)."""
    for file in files.file:
        for message in file.message_type:
            yield from _message(f"{file.package}.{message.name}", message)
        for enum in file.enum_type:
            yield from _enum(f"{file.package}.{enum.name}", enum)
        for service in file.service:
            for m in service.method:
                streams = f"{m.client_streaming}->{m.server_streaming}"
                yield (
                    f"rpc {file.package}.{service.name}/{m.name}",
                    f"{m.input_type} {m.output_type} {streams}",
                )


def _message(name: str, message: DescriptorProto) -> Iterator[tuple[str, str]]:
    yield f"message {name}", ""
    for field in message.field:
        kind = FieldDescriptorProto.Type.Name(field.type)
        label = FieldDescriptorProto.Label.Name(field.label)
        yield (
            f"field {name}.{field.number}",
            f"{field.name} {label} {kind} {field.type_name} {_presence(field)}".strip(),
        )
    for enum in message.enum_type:
        yield from _enum(f"{name}.{enum.name}", enum)
    for nested in message.nested_type:
        yield from _message(f"{name}.{nested.name}", nested)


def _enum(name: str, enum: EnumDescriptorProto) -> Iterator[tuple[str, str]]:
    yield f"enum {name}", ""
    for value in enum.value:
        yield f"value {name}.{value.number}", value.name


def _presence(field: FieldDescriptorProto) -> str:
    """Say what a missing field means: a oneof is another choice, an optional one is unset."""
    if field.proto3_optional:
        return "optional"
    return f"oneof {field.oneof_index}" if field.HasField("oneof_index") else ""


def breaking(held: bytes, today: bytes) -> list[str]:
    """Return what `today` breaks of `held`, a line each."""
    now = dict(facts(FileDescriptorSet.FromString(today)))
    return [
        f"{what}: was {how!r}, is {now.get(what, 'gone')!r}"
        for what, how in facts(FileDescriptorSet.FromString(held))
        if now.get(what) != how
    ]


def stale(root: Path) -> list[str]:
    """Return the generated files under `root` that the .proto files would print otherwise."""
    with tempfile.TemporaryDirectory() as scratch:
        environment = os.environ | {"PYTHON": sys.executable}
        subprocess.run([HERE / "generate.sh", scratch], check=True, env=environment)  # noqa: S603
        fresh = {p.name: p.read_bytes() for p in (Path(scratch) / "signer/v1").iterdir()}
    kept = {p.name: p.read_bytes() for p in (root / "signer/v1").glob("*_pb2*")}
    return sorted(name for name in fresh | kept if fresh.get(name) != kept.get(name))


def main(argv: list[str]) -> int:
    """Check or accept; exit code 0 only when all is well."""
    if argv == ["accept"]:
        HELD.write_bytes(described())
        return 0
    if argv != ["check"]:
        print(__doc__)
        return 2
    findings = [f"stale: signer/v1/{name}; run `make proto`" for name in stale(HERE.parent)]
    findings += [f"breaking: {line}" for line in breaking(HELD.read_bytes(), described())]
    print("\n".join(findings) or "contract: generated code is fresh, nothing breaks clients")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
