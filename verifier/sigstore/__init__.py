"""Bundles of others: Sigstore's formats of every version, and whom its clients trust.

The judge of images reads one shape of bundle (`verifier.bundle`) and one trust file. Here is
what else there is in the world, for `sealbook verify-bundle`: nothing of it is imported when
an image is judged. Certificates themselves are left to PyPI's sigstore
(`verifier.pull.keyless`); log entries, proofs, promises and signatures are judged here.
"""
