"""Google's models: the Gemini API and Vertex AI."""

from headgate_providers.google.backend import GoogleBackend
from headgate_providers.google.vertex import VertexBackend

__all__ = ["GoogleBackend", "VertexBackend"]
