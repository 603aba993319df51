"""Every command that the pages name is there, with the options that they give it."""

from __future__ import annotations

import re
import shlex
import tomllib
from functools import cache
from pathlib import Path

import pytest

from signer import cli
from signer.config.access import BindingSection, IssuerSection
from signer.config.agreeing import GateSection, ProtectedSection
from signer.config.registries import RegistrySection
from tests.signer.commands import ROOT, sealbook
from verifier.pull.registry.reading import read_registries
from verifier.pull.settings import PullSettings

PAGES = (
    "README.md",
    "README.zh-CN.md",
    "SECURITY.md",
    "COMPLIANCE.zh-CN.md",
    "CI.md",
    "signer/README.md",
    "signer/access/README.md",
    "signer/attach/README.md",
    "signer/carry/README.md",
    "signer/plugins/README.md",
    "signer/registries/README.md",
    "verifier/pull/README.md",
    "ledger/README.md",
)
CONFIGURED = (
    "README.md",
    "README.zh-CN.md",
    "CI.md",
    "signer/access/README.md",
    "verifier/pull/README.md",
)
_BLOCK = re.compile(r"^```(?:console|sh|yaml|ini)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TOML = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:)([^)]+)\)")
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`(sealbook [^`]+)`")
_OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")
_OPERATOR = re.compile(r"[();<>|&]+")


def pieces(text: str) -> list[list[str]]:
    """Return the words of each `sealbook` in what a shell is given."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    found: list[list[str]] = []
    words: list[str] | None = None
    begins = True  # here a word is a command, and no argument
    for word in lexer:
        if _OPERATOR.fullmatch(word):
            words, begins = None, True
        elif begins and Path(word).name == "sealbook":
            words, begins = [], False
            found.append(words)
        elif words is not None:
            words.append(word)
        else:
            begins = begins and "=" in word  # as in NAME=VALUE sealbook ...
    return found


def commands(page: str) -> list[list[str]]:
    """Return the words of each command on a page, whether in a block or in a sentence."""
    text = (ROOT / page).read_text()
    told = []
    for block in _BLOCK.findall(text):
        lines = re.sub(r"\\\n", " ", block).splitlines()
        told += [line.removeprefix("$ ") for line in lines if "sealbook" in line]
    told += _SPAN.findall(_FENCE.sub("", text))
    found = []
    for line in told:
        try:
            found += pieces(line)
        except ValueError:  # a quotation that ends in a later line: what is before it counts
            found += pieces(line.partition("'")[0].partition('"')[0])
    return [words for words in found if words and re.fullmatch(r"[a-z-]+", words[0])]


@cache
def options(*command: str) -> frozenset[str]:
    """Return what a command takes, by its own help; nothing when there is no such command."""
    done = sealbook(*command, "--help")
    return frozenset(_OPTION.findall(done.stdout)) if done.returncode == 0 else frozenset()


def has_actions(command: str) -> bool:
    """Whether a command is a group of others."""
    return "ACTION" in sealbook(command, "--help").stdout.partition("\n")[0]


def amiss(words: list[str]) -> str:
    """Say what is wrong with a command as a page has it."""
    command, *more = words
    if command not in {*cli._COMMANDS, "verify"}:
        return f"no command {command}"
    named = [command]
    if has_actions(command):
        if not more or more[0].startswith("-"):
            return ""  # the group itself
        named.append(more[0])
        if not options(*named):
            return f"no action {more[0]} of {command}"
    taken = options(*named)
    given = [word.partition("=")[0] for word in more if re.match(r"--?[a-z]", word)]
    return ", ".join(
        f"no option {name} of {' '.join(named)}" for name in given if name not in taken
    )


@pytest.mark.parametrize("page", PAGES)
def test_commands(page: str) -> None:
    """
    Whatever command a page tells its reader to type is there, and takes the options given.
    """
    found = commands(page)

    assert found
    assert [] == [f"{wrong}: {' '.join(words)}" for words in found if (wrong := amiss(words))]


@pytest.mark.parametrize("page", CONFIGURED)
def test_configurations(page: str, tmp_path: Path) -> None:
    """
    Whatever a page shows of sealbook.toml, registries.toml or pull.toml can be said there.
    """
    count = 0
    for block in _TOML.findall((ROOT / page).read_text()):
        said = tomllib.loads(block)
        issuers = {
            name: IssuerSection.model_validate(section)
            for name, section in said.get("issuers", {}).items()
        }
        for section in said.get("bindings", []):
            BindingSection.model_validate(section).check_against(issuers)
        for section in said.get("gates", []):
            GateSection.model_validate(section)
        for section in said.get("protected", []):
            ProtectedSection.model_validate(section)
        for section in said.get("registries", []):
            RegistrySection.model_validate(section)
        if "registry" in said:
            (tmp_path / "registries.toml").write_text(block)
            assert read_registries(tmp_path / "registries.toml").configured
        if "sources" in said:
            (tmp_path / "pull.toml").write_text(block)
            assert PullSettings.load(str(tmp_path / "pull.toml")).sources
        sections = {"issuers", "gates", "protected", "registries", "registry", "sources"}
        count += len(sections & set(said))

    assert count


@pytest.mark.parametrize("page", PAGES)
def test_links(page: str) -> None:
    """
    Every link to another page leads to a file, and to a heading of it.
    """
    lost = []
    for link in _LINK.findall((ROOT / page).read_text()):
        file, _, anchor = link.partition("#")
        target = ((ROOT / page).parent / file).resolve() if file else ROOT / page
        if not target.exists() or (anchor and anchor not in _anchors(target.read_text())):
            lost.append(link)

    assert [] == lost


def _anchors(text: str) -> set[str]:
    """Return how the headings of a page are linked to."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}


def test_what_is_not_there_is_found() -> None:
    """
    A command, an action or an option that is not there is found, wherever it stands in a line.
    """
    line = (
        "cd x && sealbook sign sha256:… --repositry R | jq . ; sealbook key lost; sealbook sing &"
    )

    assert [
        "no option --repositry of sign",
        "no action lost of key",
        "no command sing",
    ] == [amiss(words) for words in pieces(line)]
