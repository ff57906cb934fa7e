"""llama.cpp's own HTTP server, inside this process, on loopback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import xllamacpp

from tests.model_server.names import NAME

SLOTS = 4
SLOT_TOKENS = 4096
"""The context of one request."""
EMBEDDING_TOKENS = 512
"""The longest text that is embedded."""


def start_engine(
    model: Path,
    *,
    port: int = 0,
    name: str = NAME,
    key: str | None = None,
    embeddings: bool = False,
) -> Any:
    """A running server; it ends with the process. `listening_address` is its base address.

    It speaks OpenAI's chat, completions and responses and Anthropic's messages, or with
    `embeddings` the embeddings alone: a bag of the tokens.
    """
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model)
    parameters.model_alias = {name}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    parameters.n_parallel = SLOTS
    parameters.n_ctx = SLOTS * SLOT_TOKENS
    parameters.n_threads_http = 4 * SLOTS
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    parameters.endpoint_metrics = parameters.endpoint_slots = parameters.endpoint_props = True
    parameters.verbosity = 1
    if key is not None:
        parameters.api_keys = [key]
    if embeddings:
        parameters.embedding = True
        parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
        parameters.n_ctx = SLOTS * EMBEDDING_TOKENS
        parameters.n_batch = parameters.n_ubatch = EMBEDDING_TOKENS
    return xllamacpp.Server(parameters)
