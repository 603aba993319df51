"""Kubernetes asks before it runs an image: AdmissionReview v1, answered in time, always."""
