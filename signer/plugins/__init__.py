"""Programs that cosign and notation start, so that existing pipelines sign with our keys.

They hand the whole message to the service, which reads it before it signs. A key is
called NAME, or NAME/REPOSITORY: neither cosign's statement nor notation's payload
names a repository, so whoever may not sign everywhere has to.
"""
