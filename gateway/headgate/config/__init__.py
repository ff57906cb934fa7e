"""The documents: typed, strict, with errors that name file and line."""
