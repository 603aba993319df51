"""The HTTP side: what is served, to whom, and how a connection is kept in bounds.

`serving` and `connection` take what comes over the wire, `guard` lets it in or refuses it,
`application` and its parts answer.
"""
