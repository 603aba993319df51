"""What can go wrong while a host is set up."""

from __future__ import annotations

from verifier.pull.errors import PullError


class InstallError(PullError):
    """The host cannot be set up like this; nothing was written."""

    code = "not-installed"


class EditedFileError(InstallError):
    """A file is there that we did not write, or that somebody edited since."""

    code = "edited-file"
    hint = "see what would change with --dry-run; --force replaces it and keeps a copy"
