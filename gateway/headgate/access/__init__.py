"""Who is calling: virtual keys, and the identities they stand for."""
