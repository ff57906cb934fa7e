"""Headgate: a multi-vendor LLM gateway."""
