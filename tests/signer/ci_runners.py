"""Stands in for what runs pipelines: it takes the script out of a recipe, and runs it by sh.

Only so much of YAML and Groovy is read as the page uses: a script is a block (`- |`, `run: |`, or
three quotation marks), a variable is `NAME: value` or `NAME = 'value'` on a line of its own.
"""

from __future__ import annotations

import os
import re
import subprocess
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.signer.asking import PATIENCE_S
from tests.signer.commands import ROOT, SEALBOOK

PAGE = ROOT / "CI.md"
_SECTION = re.compile(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```(yaml|groovy|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_YAML_SCRIPT = re.compile(r"^( *)(?:- \||run: \|)\n((?:\1 +.*\n|\n)+)", re.MULTILINE)
_YAML_VARIABLE = re.compile(r"^ +([A-Z][A-Z_]*): (\S.*)$", re.MULTILINE)
_GROOVY_SCRIPT = re.compile(r"sh '''\n(.*?)\n *'''", re.DOTALL)
_GROOVY_VARIABLE = re.compile(r"^ +([A-Z_]+) = '(.*)'$", re.MULTILINE)
# Says that it installed what it was told, and installs nothing: the command is here already.
_FAKE_PIP = '#!/bin/sh\necho "$@" > "$HOME/pip.told"\n'


class Recipe(NamedTuple):
    """What a section of the page has: one script, the variables beside it, and where it is.

    `settings` are the page's lines of sealbook.toml for it.
    """

    script: str
    variables: Mapping[str, str]
    settings: str


def recipe(title: str) -> Recipe:
    """Return the recipe of the section with this title."""
    [section] = [text for name, text in _SECTION.findall(PAGE.read_text()) if name == title]
    blocks = dict(_BLOCK.findall(section))
    code = blocks.get("yaml") or blocks["groovy"]
    if "yaml" in blocks:
        [script] = [text for _, text in _YAML_SCRIPT.findall(code)]
        variables = dict(_YAML_VARIABLE.findall(code.replace(script, "")))
    else:
        [script] = _GROOVY_SCRIPT.findall(code)
        assert "\\" not in script, "Groovy would read it as an escape"
        variables = dict(_GROOVY_VARIABLE.findall(code.replace(script, "")))
    return Recipe(textwrap.dedent(script), variables, blocks.get("toml", ""))


def settings() -> str:
    """Return all of the page's lines of sealbook.toml, in their order."""
    return "\n".join(text for kind, text in _BLOCK.findall(PAGE.read_text()) if kind == "toml")


class Runner:
    """A machine that has what the page asks for, and a working directory for each job.

    `words` are put in the place of what the page names.
    """

    def __init__(self, folder: Path, words: Mapping[str, str]) -> None:
        self.folder = folder
        self._words = words
        tools = folder / "tools"
        tools.mkdir(parents=True)
        pip = tools / "pip"
        pip.write_text(_FAKE_PIP)
        pip.chmod(0o755)
        self._path = f"{tools}:{SEALBOOK.parent}:{os.environ['PATH']}"

    def said(self, text: str) -> str:
        """Return what is on the page, in the words of this place."""
        for old, new in self._words.items():
            text = text.replace(old, new)
        return text

    def job(self, name: str) -> Path:
        """Return the working directory of a new job."""
        place = self.folder / name
        place.mkdir()
        return place

    def run(
        self, script: str, place: Path, variables: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run a script until it ends; nothing of this process's environment is in it."""
        here = dict.fromkeys(("HOME", "PWD", "TMPDIR"), str(place))  # what is left, is left there
        fixed = {**here, "PATH": self._path, "LC_ALL": "C.UTF-8"}
        return subprocess.run(
            ["sh", "-c", self.said(script)],
            cwd=place,
            env={**fixed, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
