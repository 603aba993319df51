"""The service: signs what it parsed and authorised, logs it, and answers with the proof.

`signer.signing.Signing` is the main flow.
"""

__version__ = "0.1.0"
