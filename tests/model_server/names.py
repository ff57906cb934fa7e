"""Names that the parts of the server share."""

from __future__ import annotations

NAME = "tiny-bigram"
"""The model's usual name."""

END = "<|im_end|>"
"""The token that ends a turn."""
