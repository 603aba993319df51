"""Registries: OCI distribution 1.1 over HTTP, with limits on everything that is read."""
