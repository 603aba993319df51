"""Serving admission: settings, TLS, alerts, fresh trust, and the cluster's files for it."""
