"""The Rekor personality: other people's tools use the ledger as their log.

    POST /api/v2/log/entries    hashedrekord 0.0.2        cosign 3, sigstore clients
    POST /api/v1/log/entries    hashedrekord, dsse 0.0.1  cosign before 3

Only those who hold a token append, and who holds the append token does nothing
else. What they upload has no body here: it is *opaque*, a hash that somebody
signed. Reading needs no token: v1's is in `signer.rekor.reading`, checkpoint and
tiles in `signer.http.tiles`.

Spec: github.com/sigstore/rekor-tiles, api/proto/rekor/v2 and CLIENTS.md; for v1
github.com/sigstore/rekor, openapi.yaml.
"""
