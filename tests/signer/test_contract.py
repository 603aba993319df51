"""The contract: generated code is fresh, nothing breaks clients, every field is documented."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

from tests.signer.asking import PATIENCE_S
from tests.signer.commands import ROOT

PROTO = ROOT / "proto"


def load(directory: Path) -> ModuleType:
    """Load contract.py from a directory, as it is a program and no package."""
    spec = importlib.util.spec_from_file_location("contract", directory / "contract.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CONTRACT = load(PROTO)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of everything that the contract is made of."""
    shutil.copytree(PROTO, tmp_path / "proto")
    shutil.copytree(ROOT / "signer" / "v1", tmp_path / "signer" / "v1")
    return tmp_path


def check(root: Path) -> subprocess.CompletedProcess[str]:
    """Run the check of the tree at `root`."""
    return subprocess.run(
        [sys.executable, "proto/contract.py", "check"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_check() -> None:
    """
    The contract of this tree holds.
    """
    done = check(ROOT)

    assert (0, "") == (done.returncode, done.stderr)
    assert "nothing breaks clients" in done.stdout


def test_stale(copy: Path) -> None:
    """
    Generated code that was edited, is missing, or is left over is found, each file by its name.
    """
    generated = copy / "signer" / "v1"
    with (generated / "record_pb2.py").open("a") as file:
        file.write("\n")
    (generated / "ledger_pb2.pyi").unlink()
    (generated / "attest_pb2.py").write_text("")
    done = check(copy)

    assert 1 == done.returncode
    assert [
        "stale: signer/v1/attest_pb2.py; run `make proto`",
        "stale: signer/v1/ledger_pb2.pyi; run `make proto`",
        "stale: signer/v1/record_pb2.py; run `make proto`",
    ] == done.stdout.splitlines()


def test_changed_proto(copy: Path) -> None:
    """
    A .proto file that was changed makes its generated code stale, and shows what it breaks.
    """
    proto = copy / "proto" / "signer" / "v1" / "record.proto"
    proto.write_text(proto.read_text().replace("bytes entry = 3;", "string entry = 3;"))
    done = check(copy)

    assert 1 == done.returncode
    assert "stale: signer/v1/record_pb2.py" in done.stdout
    assert "breaking: field sealbook.v1.Record.3: was 'entry LABEL_OPTIONAL TYPE_BYTES'" in (
        done.stdout
    )


def test_accept(copy: Path) -> None:
    """
    A change that is meant is accepted by a command, and holds from then on.
    """
    proto = copy / "proto" / "signer" / "v1" / "record.proto"
    proto.write_text(proto.read_text().replace("string form = 2;", "string shape = 2;"))
    contract = load(copy / "proto")
    held = contract.HELD.read_bytes()

    assert contract.breaking(held, contract.described())
    assert 0 == contract.main(["accept"])
    assert held != contract.HELD.read_bytes()
    assert [] == contract.breaking(contract.HELD.read_bytes(), contract.described())
    assert 2 == contract.main([])


def message(files: FileDescriptorSet, name: str) -> DescriptorProto:
    """Return a message by its name."""
    for file in files.file:
        for found in file.message_type:
            if found.name == name:
                return found
    raise AssertionError(name)


def service(files: FileDescriptorSet, name: str) -> FileDescriptorProto:
    """Return the file of a service by its name."""
    return next(f for f in files.file if any(s.name == name for s in f.service))


BREAKING: list[Callable[[FileDescriptorSet], None]] = []


def breaking(change: Callable[[FileDescriptorSet], None]) -> Callable[[FileDescriptorSet], None]:
    """Add a change to the list of those that break clients."""
    BREAKING.append(change)
    return change


@breaking
def remove_field(files: FileDescriptorSet) -> None:
    del message(files, "SignRequest").field[3]


@breaking
def change_number(files: FileDescriptorSet) -> None:
    message(files, "SignRequest").field[3].number = 99


@breaking
def change_type(files: FileDescriptorSet) -> None:
    message(files, "SignRequest").field[1].type = FieldDescriptorProto.TYPE_INT64


@breaking
def change_message_type(files: FileDescriptorSet) -> None:
    message(files, "SignResponse").field[0].type_name = ".sealbook.v1.Record"


@breaking
def change_cardinality(files: FileDescriptorSet) -> None:
    message(files, "SignRequest").field[0].label = FieldDescriptorProto.LABEL_REPEATED


@breaking
def change_name(files: FileDescriptorSet) -> None:
    message(files, "SignRequest").field[0].name = "hash"


@breaking
def swap_fields(files: FileDescriptorSet) -> None:
    fields = message(files, "SignRequest").field
    fields[0].number, fields[2].number = fields[2].number, fields[0].number


@breaking
def remove_message(files: FileDescriptorSet) -> None:
    file = next(f for f in files.file if any(m.name == "Refusal" for m in f.message_type))
    del file.message_type[[m.name for m in file.message_type].index("Refusal")]


@breaking
def remove_nested_field(files: FileDescriptorSet) -> None:
    del message(files, "SignBatchRequest").nested_type[0].field[0]


@breaking
def rename_package(files: FileDescriptorSet) -> None:
    service(files, "Signer").package = "sealbook.v2"


@breaking
def remove_service(files: FileDescriptorSet) -> None:
    del service(files, "Ledger").service[:]


@breaking
def remove_rpc(files: FileDescriptorSet) -> None:
    del service(files, "Signer").service[0].method[0]


@breaking
def change_request(files: FileDescriptorSet) -> None:
    service(files, "Signer").service[0].method[0].input_type = ".sealbook.v1.SignBatchRequest"


@breaking
def change_response(files: FileDescriptorSet) -> None:
    service(files, "Signer").service[0].method[0].output_type = ".sealbook.v1.Record"


@breaking
def stop_streaming(files: FileDescriptorSet) -> None:
    service(files, "Signer").service[0].method[1].server_streaming = False


@breaking
def start_streaming(files: FileDescriptorSet) -> None:
    service(files, "Signer").service[0].method[0].client_streaming = True


@breaking
def change_presence(files: FileDescriptorSet) -> None:
    message(files, "SignRequest").field[1].proto3_optional = True


@breaking
def into_a_oneof(files: FileDescriptorSet) -> None:
    found = message(files, "SignResponse")
    found.oneof_decl.add(name="either")
    for field in found.field:
        if field.label != FieldDescriptorProto.LABEL_REPEATED:
            field.oneof_index = 0


@pytest.mark.parametrize("change", BREAKING, ids=lambda change: change.__name__)
def test_breaking(change: Callable[[FileDescriptorSet], None]) -> None:
    """
    Whatever takes something from clients, or gives it another meaning, is found.
    """
    held = CONTRACT.HELD.read_bytes()
    files = FileDescriptorSet.FromString(held)
    change(files)

    assert CONTRACT.breaking(held, files.SerializeToString())


def test_enums() -> None:
    """
    A value that an enum loses, or that gets another number, is found, wherever the enum is.
    """
    files = FileDescriptorSet.FromString(CONTRACT.HELD.read_bytes())
    for enum in (
        service(files, "Signer").enum_type.add(name="Colour"),
        message(files, "SignRequest").enum_type.add(name="Shape"),
    ):
        enum.value.add(name="NONE", number=0)
        enum.value.add(name="SOME", number=1)
        held = files.SerializeToString()
        assert [] == CONTRACT.breaking(held, held)
        del enum.value[1]
        assert CONTRACT.breaking(held, files.SerializeToString())
        enum.value.add(name="SOME", number=2)
        assert CONTRACT.breaking(held, files.SerializeToString())
        enum.value[1].number = 1
        enum.value[1].name = "OTHER"

        assert CONTRACT.breaking(held, files.SerializeToString())


def test_not_breaking() -> None:
    """
    What only adds breaks nobody.
    """
    held = CONTRACT.HELD.read_bytes()
    files = FileDescriptorSet.FromString(held)
    message(files, "SignRequest").field.add(
        name="more", number=99, label=1, type=FieldDescriptorProto.TYPE_STRING
    )
    service(files, "Signer").message_type.add(name="Further")
    service(files, "Signer").service[0].method.add(
        name="Further", input_type=".sealbook.v1.Further", output_type=".sealbook.v1.Further"
    )

    assert [] == CONTRACT.breaking(held, files.SerializeToString())
    assert [] == CONTRACT.breaking(held, held)
