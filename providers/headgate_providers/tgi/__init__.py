"""The backend for Hugging Face's Text Generation Inference (TGI)."""

from headgate_providers.tgi.backend import TgiBackend

__all__ = ["TgiBackend"]
