"""One request is one straight path through a few stages."""
