"""Cohere's own API: chat and embeddings, version 2."""

from headgate_providers.cohere.backend import CohereBackend

__all__ = ["CohereBackend"]
