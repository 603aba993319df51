"""A report for people: one page that needs nothing from elsewhere, to read and to print.

No script, no font, no picture from outside; the policy in its head has a browser
refuse them. Every text goes through `markup.text` or is a number.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from ledger.audit.bounds import utc
from ledger.report.as_json import days
from ledger.report.markup import Html, cells, definitions, joined, tag, text, verbatim
from ledger.report.model import Account, Boundary, Counted, Group, Range, Ranges
from ledger.report.parts import heading, number, share, spread, table
from ledger.report.style import CSS

_MOST_ROWS = 500  # of a table; the JSON has all
_MOST_RANGES = 30
_TITLES = {
    "repository": ("Repositories", "Repository"),
    "key": ("Keys", "Key"),
    "requester": ("Requesters", "Who asked, as issuer#subject"),
    "predicate_type": ("What was stated", "Predicate type"),
    "form": ("Forms", "Form"),
}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def render(account: Account) -> bytes:
    """Return the page, in UTF-8."""
    title = text(f"Ledger report: {account.origin}")
    head = verbatim(
        '<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{CSS}</style>\n"
    )
    body = tag("main", joined(_sections(account)))
    page = (
        f'<!doctype html>\n<html lang="en">\n<head>\n{head}</head>\n'
        f"<body>\n{body}</body>\n</html>\n"
    )
    return page.encode()


def _sections(account: Account) -> Iterable[Html]:
    yield tag("header", tag("p", text("Ledger report")), tag("h1", text(account.origin)))
    yield _verdict(account)
    counted = account.counted
    if counted:
        yield _facts(counted)
    yield _about(account)
    if account.findings:
        yield from _findings(account)
    if counted:
        for name, (title, column) in _TITLES.items():
            yield from _groups(title, column, counted.by[name], counted.signatures)
        yield from _events(counted)
        yield from _gaps(counted)
    yield from _witnesses(account)
    yield from _how_to_check(account)
    by = f" for {account.made_by}" if account.made_by else ""
    yield tag("footer", text(f"Made {utc(account.made_at)} by {account.program}{by}."))


def _verdict(account: Account) -> Html:
    if account.counted and not account.findings:
        said = (
            f"Nothing was found: the ledger only grew, all {account.checked:,} entries are in its "
            "tree, and no entry of its keys is hidden."
        )
        return tag("p", text(said), cls="verdict")
    count = len(account.findings)
    said = f"{count} finding{'' if count == 1 else 's'}."
    if not account.counted:
        said += " The tree cannot be believed, so nothing in it was counted."
    return tag("p", text(said), cls="verdict bad")


def _facts(counted: Counted) -> Html:
    facts = [
        (counted.entries, "entries"),
        (counted.signatures, "signatures"),
        (len(counted.by["repository"]), "repositories"),
        (len(counted.by["key"]), "keys"),
        (len(counted.by["requester"]), "requesters"),
        (len(counted.events), "events"),
    ]
    return tag(
        "div",
        *(tag("div", tag("b", text(f"{n:,}")), tag("span", text(what))) for n, what in facts),
        cls="facts",
    )


def _about(account: Account) -> Html:
    tree, counted = account.tree, account.counted
    rows: list[tuple[str, Html]] = []
    if counted:
        last = f"{account.start.index:,} to before {account.stop.index:,}"
        rows.append(("Entries", text(last)))
        rows += [
            (label, text(_boundary(boundary)))
            for label, boundary in (("From", account.start), ("To", account.stop))
            if boundary.asked
        ]
        if counted.times:
            first, latest = map(utc, counted.times)
            rows.append(("Logged", text(f"{first} to {latest}, by the service's word")))
    if tree:
        rows.append(("Tree size", text(f"{tree.tree_size:,} entries")))
        rows.append(("Root", tag("code", text(tree.root))))
        if tree.signed_at is not None:
            rows.append(("Signed", text(f"{utc(tree.signed_at)}, by the log's own word")))
        stood = sum(w.cosigned_at is not None for w in tree.witnesses)
        rows.append(("Witnesses", text(f"{stood} of {len(tree.witnesses)}")))
    checked = f"entries {account.checked_from:,} to before {account.checked:,}"
    if account.checked_from:
        checked += "; those before, an earlier audit had checked"
    rows.append(("Audited", text(checked)))
    rows.append(("Read from", text(account.source)))
    return definitions(rows)


def _boundary(boundary: Boundary) -> str:
    by = f" (entry {boundary.index:,}, by {boundary.by})" if boundary.by else ""
    return boundary.asked + by


def _findings(account: Account) -> Iterable[Html]:
    yield heading("Findings", len(account.findings))
    rows = [
        cells(
            tag("code", text(f.code), cls="t"),
            number(f.index) if f.index is not None else text(""),
            text(f.expected),
            text(f.found),
            cls="bad",
        )
        for f in account.findings[:_MOST_ROWS]
    ]
    yield table(("Code", "Entry", "Expected", "Found"), rows, len(account.findings), number=(1,))


def _groups(title: str, column: str, groups: Sequence[Group], total: int) -> Iterable[Html]:
    yield heading(title, len(groups))
    most = max((g.signatures for g in groups), default=1)
    rows = []
    for group in groups[:_MOST_ROWS]:
        value = text(group.value or "not said")
        if group.name:
            value = joined((text(group.name), tag("small", tag("code", value))))
        elif column == "Key":
            value = joined((text("not in the trust file"), tag("small", tag("code", value))))
        rows.append(
            cells(
                value,
                number(group.signatures),
                share(group.signatures, most, total),
                number(group.first),
                number(group.last),
                spread(group.spread),
            )
        )
    heads = (column, "Signatures", "", "First", "Last", "Along the part")
    yield table(heads, rows, len(groups), number=(1, 3, 4), cls="groups")


def _events(counted: Counted) -> Iterable[Html]:
    yield heading("Events", len(counted.events))
    dated = counted.times is not None
    rows = [
        cells(
            number(e.index),
            joined((text(e.kind), tag("small", text(e.key_name or "key not in the trust file")))),
            tag("code", text(e.summary)),
            *((text("" if e.time is None else utc(e.time)),) if dated else ()),
        )
        for e in counted.events[:_MOST_ROWS]
    ]
    heads = ("Entry", "Kind and key", "Predicate", *(("Time, by the service",) if dated else ()))
    yield table(heads, rows, len(counted.events), number=(0,))


def _gaps(counted: Counted) -> Iterable[Html]:
    yield heading("Gaps")
    rows = [
        ("Opaque", counted.opaque, "foreign entries without a body: nobody here can say what"),
        ("Deleted bodies", counted.deleted, "a logged statement says that they were taken away"),
        ("Missing bodies", counted.missing, "our own entries, and nothing says why"),
        ("Unreadable", counted.unreadable, "the body is not what the entry says"),
        ("Without a signature", counted.quiet, "events and all of the above"),
    ]
    lines = [
        cells(
            joined((text(what), tag("small", text(why)))),
            number(found.entries),
            text(_positions(found)),
        )
        for what, found, why in rows
    ]
    if counted.quiet_days is not None:
        silent = counted.quiet_days
        count = sum(r.last - r.first + 1 for r in silent)
        said = ", ".join(" to ".join(dict.fromkeys(days(r))) for r in silent[:_MOST_RANGES])
        said += _more(len(silent) - _MOST_RANGES)
        label = joined(
            (text("Days without a signature"), tag("small", text("by the service's word")))
        )
        lines.append(cells(label, number(count), text(said or "none")))
    yield table(("What", "How many", "Where"), lines, len(lines), number=(1,))


def _positions(found: Ranges) -> str:
    said = ", ".join(_range(r) for r in found.ranges[:_MOST_RANGES])
    return said + _more(len(found.ranges) - _MOST_RANGES + found.left_out) if said else "none"


def _range(r: Range) -> str:
    return f"{r.first:,}" if r.first == r.last else f"{r.first:,} to {r.last:,}"


def _more(count: int) -> str:
    return f", and {count:,} more" if count > 0 else ""


def _witnesses(account: Account) -> Iterable[Html]:
    if account.tree is None:
        return
    tree = account.tree
    yield heading("Witnesses", len(tree.witnesses))
    if not tree.witnesses:
        yield tag(
            "p", text("The trust file names none: only the log vouches for its time."), cls="note"
        )
        return
    note = f"Who has seen this checkpoint and that it grew; the quorum is {tree.quorum}."
    yield tag("p", text(note), cls="note")
    rows = [
        cells(
            text(w.name),
            text(w.url),
            text("did not cosign" if w.cosigned_at is None else utc(w.cosigned_at)),
        )
        for w in tree.witnesses
    ]
    yield table(("Witness", "Address", "Cosigned"), rows, len(rows))


def _how_to_check(account: Account) -> Iterable[Html]:
    yield heading("How to check this")
    note = (
        "Nobody has to believe this page. With the trust file, which you get from whoever runs "
        "the ledger, anyone can audit it, count again, and take the proof of any one entry along."
    )
    yield tag("p", text(note), cls="note")
    where = account.source if account.source.startswith("--") else shlex.quote(account.source)
    if account.source.startswith(("--", "http://", "https://")):
        where += " --token-file token"
    start, stop = account.start.index, account.stop.index
    lines = (
        f"sealbook audit {where} --trust trust.json --full",
        f"sealbook report {where} --trust trust.json --from {start} --to {stop} --format json",
        f"sealbook evidence {where} --trust trust.json --entry {start}",
    )
    yield tag("pre", tag("code", joined(joined((text(line), verbatim("\n"))) for line in lines)))
