"""The life of a configuration: made, checked, logged, in force, loaded again, looked back at.

What a file may say is `signer.config`'s.
"""
