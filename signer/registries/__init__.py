"""Registries as they are: what they let signatures do, and what is signed in them."""
