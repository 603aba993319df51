"""HTML that cannot be broken out of: what is not `Html` cannot get into a page.

`text` is the only way in for foreign words, and escapes whatever a browser, a
terminal or a reader would obey rather than show.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import NewType

from verifier.errors import printable

Html = NewType("Html", str)


def text(said: str) -> Html:
    """Return `said` as text, good within elements and quoted attributes alike."""
    return Html(html.escape(printable(said), quote=True))


def verbatim(markup: str) -> Html:
    """Take `markup`, which this program made, as it is; never with foreign words in it."""
    return Html(markup)


def joined(parts: Iterable[Html]) -> Html:
    """Return `parts`, one after the other."""
    return Html("".join(parts))


def tag(name: str, *inner: Html, cls: str = "") -> Html:
    """Return an element; `name` and `cls` are this program's own words."""
    known = f' class="{cls}"' if cls else ""
    return Html(f"<{name}{known}>{''.join(inner)}</{name}>")


def cells(*inner: Html, cls: str = "") -> Html:
    """Return a row of a table; a cell that is a number stands on the right."""
    row = (
        tag("td", cell, cls="n" if cell.startswith('<span class="n">') else "") for cell in inner
    )
    return Html(tag("tr", *row, cls=cls) + "\n")


def definitions(rows: Iterable[tuple[str, Html]]) -> Html:
    """Return words with what they stand for here."""
    return tag("dl", *(joined((tag("dt", text(word)), tag("dd", said))) for word, said in rows))
