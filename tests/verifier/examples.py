"""Published examples, byte for byte, with the place that publishes each."""

from __future__ import annotations

# C2SP/C2SP, signed-note.md.
NOTE_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = """\
This is an example message.

\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
"""  # noqa: E501

# A Rekor v1 checkpoint, signed with ECDSA: transparency-dev/formats, note/.
ECDSA_VKEY = (
    "rekor.sigstore.dev+c0d23d6a+AjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNhtmPtrWm3U1eQXBogSMdGvXwBcK5"
    "AW5i0hrZLOC96l+smGNM7nwZ4QvFK/4sueRoVj//QP22Ni4Qt9DPfkWLc="
)
ECDSA_NOTE = """\
Rekor
798034
f+7CoKgXKE/tNys9TTXcr/ad6U/K3xvznmzew9y6SP0=

\u2014 rekor.sigstore.dev wNI9ajBEAiARInWIWyCdyG27CO6LPnPekyw20qO0YJfoaPaowGp/XgIgc+qEHS3+GKVClgqq20uDLet7MCoTURUCRdxwWBHHufk=
"""  # noqa: E501

# A witness of the public network: transparency-dev/formats, note/note_cosigv1_test.go.
WITNESS_VKEY = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"

# The test log of transparency-dev/tessera, testdata/build_log.sh; its key is public.
LOG_SKEY = (
    "PRIVATE+KEY+example.com/log/testdata+33d7b496+AeymY/SZAX0jZcJ8enZ5FY1Dz+wTML2yWSkK+9DSF3eg"
)
LOG_VKEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
LOG_ENTRIES = tuple(
    b"one two three four five six seven eit nain ten ileven twelf threeten fourten fivten".split()
)
LOG_ROOTS = (
    "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    "0Nc2CrefWKseHj/mStd+LqC8B+NrX0btIiPt2SmN+ek=",
    "T1X2GdkhUjV3iyufF9b0kVsWFxIU0VI4EpNml2Teci4=",
    "Wqx3HImawpLnS/Gv4ubjAvi1WIOy0b8Ze0amvqbavKk=",
    "zY1lN35vrXYAPixXSd59LsU29xUJtuW4o2dNNg5Y2Co=",
    "gy5gl3aksFyiCO95a/1vLXz88A3dRq+0l9Sxte8ZqZQ=",
    "a6sWvsc2eEzmj72vah7mZ5dwFltivehh2b11qwlp5Jg=",
    "IrSXADBqJ7EQoUODSDKROySgNveeL6CFhik2w/+fS7U=",
    "bC+VwvrJbalNVjfkdI8kUgs7mJoXrqiXCE7bgnD28pY=",
    "CvhHViE3S9E3htHLR+25mapWoGCJ3WckMq1UtC3VmEY=",
    "y8/gZsZCtitsMan09tY+k8I7Qpr7Y5fbO2tLi9GQnfU=",
    "Yok1cS5VdokGLBy73BC2I16b3atss6KBN9jnIi6Fz/A=",
    "uZo6M+IhVna+CLgWCrJs0xBPUHbozHkYTQASduHSLME=",
    "av0kLH0VkkVDrTuZzBGIx7d9z5G1l/GlKz/nAV/8woQ=",
    "SvCd38yNade7xEPY1a/aAc1M3A2AHYVF8lIiUnsH1ao=",
    "rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=",
)
PATH_7_OF_15 = (
    "2Q0P5jSR+TdkwdXWyx+GbBWX0KZbNZkWzCjyTPSozsw=",
    "ycRkkNklus5eMVRUvkD1pK321vMrA+jjOiZKU8aOcY4=",
    LOG_ROOTS[4],
    "5jLpqTgjsBDSEX6SgZiRnbTMdTuRd8bQ5tSsAOxe0Ks=",
)
PATH_14_OF_15 = (
    "GiUtVP0XhIaZ/fl7ReMLgw+9YUtjFAt8kaTdfOe2u/I=",
    "3cFRCtyHVxAUTugFyRgo30efbl+BVxdTQDIGg5H61SA=",
    LOG_ROOTS[8],
)
PATH_6_TO_15 = (
    PATH_7_OF_15[1],
    "nk9gCR+floFqznAPtqjjcnnV64dge2jQB95D5t164Hg=",
    LOG_ROOTS[4],
    PATH_7_OF_15[3],
)
PATH_8_TO_15 = (PATH_7_OF_15[3],)

# The same key as a witness, at 1700000000, under the checkpoint of 15 entries.
COSIGNER_VKEY = "example.com/witness+175d2001+BOHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
LOG_LINE = (
    "\u2014 example.com/log/testdata M9e0luh4jTG+UMBqOUo9/q+yAEvx1ilBEniMvjf1zfcBOhg+CKubMt53MvIt"
    "/uEWP6zdkdIQzd/fmwlM/dlPWF74ewI=\n"
)
COSIGNER_LINE = (
    "\u2014 example.com/witness F10gAQAAAABlU/EANCz2O6DkpPPrjow8GDWQhCIfSl+CWuwStBbRwtFJwePV9R8FtGg"
    "uCNEv+gni2+CPDLE0MEsl0fWoBGECRXoiAw==\n"
)
CHECKPOINT = f"example.com/log/testdata\n15\n{LOG_ROOTS[15]}\n"
COSIGNED = f"{CHECKPOINT}\n{LOG_LINE}{COSIGNER_LINE}"

TLOG_PROOF = "\n".join(["c2sp.org/tlog-proof@v1", "index 7", *PATH_7_OF_15, "", COSIGNED])
TLOG_PROOF_SHA256 = "46d3ee8917707161d48116d37dcbd2ff42cdd659592942d017a514ff5428ba7c"
