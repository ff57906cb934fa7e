"""A language model made on the spot: an exact Markov chain in the shape of a llama.

Embeddings are one-hot, attention and feed-forward layers are zero, and the output matrix holds
log P(next token | token), counted over the documentation that comes with Python. It speaks
readable nonsense and ends by itself; what it says depends on the last token of the prompt only.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import gguf
import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from tests.model_server.names import END, NAME

CONTEXT_TOKENS = 8192
VOCABULARY = 1024
PARAGRAPHS_MAX = 1500
HEADS = 8
FEED_FORWARD = 32

SPECIAL = ("<|endoftext|>", "<|im_start|>", END)

CHAT_TEMPLATE = """\
{%- for message in messages %}<|im_start|>{{ message.role }}
{{ message.content or '' }}<|im_end|>
{% endfor %}{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


def cached_model() -> Path:
    """The model's file, built at first use; a change of this module makes a new one."""
    digest = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    path = Path(tempfile.gettempdir()) / "headgate-model-server" / f"{NAME}-{digest}.gguf"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        half_done = path.with_suffix(f".{os.getpid()}")
        write_model(half_done)
        half_done.replace(path)
    return path


def write_model(path: Path) -> None:
    """Count, and write the GGUF; about a second."""
    texts = paragraphs()
    vocabulary = train(texts)
    write(path, vocabulary, transitions(texts, vocabulary))


@dataclass(frozen=True)
class Vocabulary:
    """A byte-level BPE vocabulary; `tokens` are in order of their ids."""

    tokenizer: Tokenizer
    tokens: list[str]
    merges: list[str]

    @property
    def end(self) -> int:
        """The id of the token that ends an answer."""
        return self.tokens.index(END)


def paragraphs() -> list[str]:
    """Paragraphs of prose from Python's own help texts."""
    pieces = re.split(r"\n\s*\n", "\n".join(topics.values()))
    prose = (re.sub(r"\s+", " ", piece).strip() for piece in pieces)
    found = [text for text in prose if len(text) > 80 and re.match(r"[A-Z][a-z ]", text)]
    return found[:PARAGRAPHS_MAX]


def train(texts: list[str]) -> Vocabulary:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    return Vocabulary(tokenizer, tokens, merges)


def transitions(texts: list[str], vocabulary: Vocabulary) -> Any:
    """log P(next | token) as a matrix, smoothed and centred by row.

    An answer starts after the line feed of `assistant`, so every paragraph is counted from one.
    """
    size = len(vocabulary.tokens)
    counts = np.zeros((size, size))
    for encoding in vocabulary.tokenizer.encode_batch(["\n" + text for text in texts]):
        ids = np.array([*encoding.ids, vocabulary.end])
        np.add.at(counts, (ids[:-1], ids[1:]), 1)
    smoothed = counts + 1e-4 * counts.sum(0, keepdims=True) / counts.sum() + 1e-9
    logits = np.log(smoothed / smoothed.sum(1, keepdims=True))
    return logits - logits.mean(1, keepdims=True)


def write(path: Path, vocabulary: Vocabulary, logits: Any) -> None:
    writer = gguf.GGUFWriter(str(path), "llama")
    add_shape(writer, len(vocabulary.tokens))
    add_vocabulary(writer, vocabulary)
    add_weights(writer, logits)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_shape(writer: gguf.GGUFWriter, size: int) -> None:
    writer.add_name(NAME)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_context_length(CONTEXT_TOKENS)
    writer.add_embedding_length(size)
    writer.add_block_count(1)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_dimension_count(size // HEADS)
    writer.add_vocab_size(size)


def add_vocabulary(writer: gguf.GGUFWriter, vocabulary: Vocabulary) -> None:
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_merges(vocabulary.merges)
    writer.add_token_types([control if t in SPECIAL else normal for t in vocabulary.tokens])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(vocabulary.end)
    writer.add_pad_token_id(0)
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def add_weights(writer: gguf.GGUFWriter, logits: Any) -> None:
    """The norm scales a one-hot row by the root of its length; the output takes that back."""
    size = len(logits)
    scale = np.sqrt(size)
    head = size // HEADS
    zeros: dict[str, tuple[int, int]] = {
        "attn_q": (size, size),
        "attn_k": (head, size),
        "attn_v": (head, size),
        "attn_output": (size, size),
        "ffn_gate": (FEED_FORWARD, size),
        "ffn_up": (FEED_FORWARD, size),
        "ffn_down": (size, FEED_FORWARD),
    }
    writer.add_tensor("token_embd.weight", (np.eye(size) * scale).astype(np.float16))
    writer.add_tensor("output.weight", (logits.T / scale).astype(np.float16))
    writer.add_tensor("output_norm.weight", np.ones(size, np.float32))
    for norm in ("attn_norm", "ffn_norm"):
        writer.add_tensor(f"blk.0.{norm}.weight", np.ones(size, np.float32))
    for name, shape in zeros.items():
        writer.add_tensor(f"blk.0.{name}.weight", np.zeros(shape, np.float16))
