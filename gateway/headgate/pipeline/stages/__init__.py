"""One stage per file; their order stands in `pipeline/engine.py`."""
