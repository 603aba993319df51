"""The parts that the page is put together from: headings, tables, numbers and bars."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.report.markup import Html, joined, tag, text, verbatim


def heading(said: str, count: int | None = None) -> Html:
    """Return a heading, with how many there are below it."""
    return tag("h2", text(said), *(() if count is None else (tag("small", number(count)),)))


def table(
    heads: Sequence[str],
    rows: Sequence[Html],
    total: int,
    *,
    number: Sequence[int] = (),
    cls: str = "",
) -> Html:
    """Return a table of `rows`, out of `total`; columns of `number` stand on the right."""
    if not rows:
        return tag("p", text("None."), cls="note")
    head = tag(
        "tr", *(tag("th", text(h), cls="n" if i in number else "") for i, h in enumerate(heads))
    )
    made = tag("div", tag("table", tag("thead", head), tag("tbody", *rows), cls=cls), cls="wide")
    if total <= len(rows):
        return made
    left = f"{total - len(rows):,} more are in the JSON of this report."
    return joined((made, tag("p", text(left), cls="note")))


def number(n: int) -> Html:
    """Return a number; its cell stands on the right."""
    return tag("span", text(f"{n:,}"), cls="n")


def share(n: int, most: int, total: int) -> Html:
    """Draw a number beside the largest one, as a bar."""
    percent = f"{100 * n / total:.1f} %" if total else ""
    return verbatim(
        f'<div class="share" title="{percent}"><i style="width:{100 * n / most:.1f}%"></i></div>'
    )


def spread(spread: Sequence[int]) -> Html:
    """Draw where along the part the signatures are, as bars."""
    most = max(spread, default=0) or 1
    bars = "".join(
        f'<rect x="{4 * i}" y="{20 - height:.1f}" width="3" height="{height:.1f}"/>'
        for i, n in enumerate(spread)
        if (height := max(20 * n / most, 1.5 if n else 0))
    )
    width = 4 * len(spread) - 1
    return verbatim(
        f'<svg viewBox="0 0 {width} 20" preserveAspectRatio="none" role="img" '
        f'aria-label="signatures along the part">'
        f'<rect x="0" y="19.6" width="{width}" height=".4"/>{bars}</svg>'
    )
