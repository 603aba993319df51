"""What Hypothesis draws from: good texts with small faults, and the parts of values.

Random text fails the first check of every parser. A good text with one letter
changed fails the last one, or passes it and should not.
"""

from __future__ import annotations

from hypothesis import strategies as st

from verifier.merkle import Hash

# Second spellings, separators that look like others, and ends of things.
_ODD = (
    *("\n", "\n\n", "\r", "\t", " ", "  ", "\0", "\x7f", "\u00a0", "\u2028", "\u3000", "\ud800"),
    *("0", "00", "1", "-", "+", "=", "==", "/", "//", ".", "..", ":", "_", "#", "A", "a", "Z", "~"),
    *("\uff11", "\u0661", "\u017f", "\u212a", "\u00e9", "\U0001f600", "\u2014 ", "\u2013 "),
    *('"', "\\", "\\u0061", "{", "}", "[", "]", ",", "null", "true", "1.0", "1e9", "9" * 20),
)


@st.composite
def spoiled(draw: st.DrawFn, *examples: str) -> str:
    """Draw one of `examples` with up to three small edits."""
    text = draw(st.sampled_from(examples))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(text)))
        stop = min(start + draw(st.sampled_from((0, 0, 1, 1, 2, 60))), len(text))
        here = text[start:stop]
        new = draw(st.sampled_from((*_ODD, "", here * 2, here.upper(), here.lower(), text[:start])))
        text = text[:start] + new + text[stop:]
    return text


def spoiled_bytes(*examples: bytes) -> st.SearchStrategy[bytes]:
    """Draw one of `examples`, which are UTF-8, with up to three small edits."""
    texts = spoiled(*(example.decode() for example in examples))
    return texts.map(lambda text: text.encode("utf-8", "surrogatepass"))


hashes = st.binary(min_size=32, max_size=32).map(Hash)
sizes = st.integers(1, 2**63 - 1)

# What may name a log: anything but spaces, controls and `+`.
names = st.text(
    st.characters(exclude_categories=("Z", "C"), exclude_characters="+"), min_size=1, max_size=60
)

# What a JSON document of ours can hold: no fractions, no NUL.
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.text(st.characters(exclude_characters="\0", codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc\u00e9"), inner, max_size=4)
    ),
)
json_objects = st.dictionaries(st.text("abc\u00e9"), json_values, max_size=4)
