"""What OpenAI's client dialects share: checks of members, readers of values, usage and errors.

A `Member` says what a known request member may hold and which feature it asks for; a dialect is a
table of them. Unknown members are never looked at, so they reach a target that speaks the dialect.
https://platform.openai.com/docs/api-reference
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias, TypeVar
from urllib.parse import unquote_to_bytes

import orjson

from headgate.errors import GatewayError, InvalidRequest
from headgate_providers.sdk import Document, Event, Feature, Image, Logprobs, TextDelta, Usage
from headgate_providers.sdk.types import CacheHint, JsonObject

CHOICES_MAX = 128
"""OpenAI's limit of `n`."""

T = TypeVar("T")
FeatureOf: TypeAlias = Callable[[Any], Feature | None]

STRING = (str,)
BOOLEAN = (bool,)
INTEGER = (int,)
NUMBER = (int, float)
LIST = (list,)
OBJECT = (dict,)

_WORDS: dict[type, str] = {
    str: "a string",
    bool: "true or false",
    int: "an integer",
    float: "a number",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


def refuse(at: str, wanted: str, value: object = None) -> NoReturn:
    """Raise `InvalidRequest`: the member `at` must be `wanted`, and `value` is not."""
    found = _WORDS.get(type(value), "something else")
    raise InvalidRequest(f"`{at}` must be {wanted}, not {found}.", at)


def refuse_untranslatable(at: str, what: str) -> NoReturn:
    """Raise `InvalidRequest` for what only a target of the client's own dialect understands."""
    raise InvalidRequest(
        f"{what} cannot be carried over to the target of this request, which speaks another "
        f"protocol: remove `{at}`, or ask for a model whose provider supports it.",
        at,
    )


# Members of a request


@dataclass(frozen=True, slots=True)
class Member:
    """A known request member: its JSON `types` (any if empty), its bounds, its deeper `shape`.

    `shape` is called with the value and the member's name and raises `InvalidRequest`. `feature`
    names what the value asks of a backend. `null` always means that the member is absent.
    """

    types: tuple[type, ...] = ()
    low: float | None = None
    high: float = float("inf")
    shape: Callable[[Any, str], None] | None = None
    feature: FeatureOf | None = None


def asks(feature: Feature, test: Callable[[Any], object] = bool) -> FeatureOf:
    """The feature, if the value passes the test (default: it is not empty, zero or false)."""
    return lambda value: feature if test(value) else None


def always(value: object) -> bool:
    """A test that any value passes: to name the member is to use it."""
    return True


def check_members(body: Mapping[str, Any], members: Mapping[str, Member]) -> set[Feature]:
    """Check every known member of a request; returns the features that they ask for."""
    features: set[Feature] = set()
    for name, value in body.items():
        member = members.get(name)
        if member is None or value is None:
            continue
        if member.types and type(value) not in member.types:
            refuse(name, _either(member.types), value)
        if member.low is not None and not member.low <= value <= member.high:
            raise InvalidRequest(f"`{name}` must be {_range(member)}; it is {value}.", name)
        if member.shape is not None:
            member.shape(value, name)
        if member.feature is not None and (feature := member.feature(value)) is not None:
            features.add(feature)
    return features


def _either(types: tuple[type, ...]) -> str:
    words = (_WORDS[kind] for kind in types if kind is not int or float not in types)
    return " or ".join(words)


def _range(member: Member) -> str:
    if member.high == float("inf"):
        return f"{member.low:g} or more"
    return f"between {member.low:g} and {member.high:g}"


def strings(value: Any, at: str) -> None:
    """The shape of a member that is a string or a list of strings."""
    if type(value) is list:
        for index, item in enumerate(value):
            if type(item) is not str:
                refuse(f"{at}[{index}]", "a string", item)


def biases(value: Any, at: str) -> None:
    """The shape of `logit_bias`: token id → number."""
    for token, bias in value.items():
        if type(bias) not in NUMBER:
            refuse(f"{at}.{token}", "a number", bias)


def stream_options(value: Any, at: str) -> None:
    """The shape of `stream_options`."""
    wanted = value.get("include_usage")
    if wanted is not None and type(wanted) is not bool:
        refuse(f"{at}.include_usage", "true or false", wanted)


SAMPLING: dict[str, Member] = {
    "model": Member(STRING),
    "stream": Member(BOOLEAN),
    "temperature": Member(NUMBER, 0, 2),
    "top_p": Member(NUMBER, 0, 1),
    "user": Member(STRING),
    "metadata": Member(OBJECT),
    "service_tier": Member(STRING),
    "safety_identifier": Member(STRING),
    "prompt_cache_key": Member(STRING),
}
"""Members of every dialect that generates text."""

CLASSIC_SAMPLING: dict[str, Member] = SAMPLING | {
    "n": Member(INTEGER, 1, CHOICES_MAX, feature=asks("n", lambda n: n > 1)),
    "stop": Member((str, list), shape=strings, feature=asks("stop")),
    "seed": Member(INTEGER, feature=asks("seed", always)),
    "frequency_penalty": Member(NUMBER, -2, 2, feature=asks("penalties")),
    "presence_penalty": Member(NUMBER, -2, 2, feature=asks("penalties")),
    "logit_bias": Member(OBJECT, shape=biases, feature=asks("logit_bias")),
    "top_k": Member(INTEGER, feature=asks("top_k", lambda k: k > 0)),
    "stream_options": Member(OBJECT, shape=stream_options),
}
"""Members of chat completions and completions. `top_k` is an extension most servers know."""


def model_of(body: Mapping[str, Any]) -> str:
    """The model asked for; raises `InvalidRequest` if there is none."""
    model = body.get("model")
    if type(model) is not str:
        refuse("model", "the name of a model", model)
    if not model:
        raise InvalidRequest("`model` is empty: give the name of a model or a route.", "model")
    return model


def usage_wanted(body: Mapping[str, Any]) -> bool:
    """Whether the client asked for a usage chunk at the end of the stream."""
    options = body.get("stream_options")
    return options is not None and options.get("include_usage") is True


def text_metadata(body: Mapping[str, Any]) -> dict[str, str]:
    """The entries of `metadata` that are text."""
    metadata = body.get("metadata")
    if not metadata:
        return {}
    return {key: value for key, value in metadata.items() if type(value) is str}


def measure(value: object, at: str) -> int:
    """The length of a schema or a tool list as JSON; refuses what is nested beyond use.

    The wrapping keeps a margin to the serialiser's depth limit, since replies echo some of it.
    """
    try:
        return len(orjson.dumps([[[[value]]]]))
    except orjson.JSONEncodeError:
        raise InvalidRequest(f"`{at}` is nested too deeply: flatten it.", at) from None


def reasoning_effort(value: Any) -> Feature | None:
    """An effort word asks for reasoning, unless it asks for none or next to none."""
    return "reasoning" if value not in (None, "none", "minimal") else None


# Reading values


def required(holder: Mapping[str, Any], key: str, kind: type[T], at: str) -> T:
    """The member `key` of the object at `at`, which must be there and of that type."""
    value = holder.get(key)
    if type(value) is not kind:
        refuse(f"{at}.{key}" if at else key, _WORDS[kind], value)
    return value


def optional(holder: Mapping[str, Any], key: str, kind: type[T], at: str) -> T | None:
    """The same for a member that may be absent or null."""
    return None if holder.get(key) is None else required(holder, key, kind, at)


def objects(values: Any, at: str) -> Iterable[tuple[str, dict[str, Any]]]:
    """The items of the list at `at`, each with its own path; every one must be an object."""
    if type(values) is not list:
        refuse(at, "a list", values)
    for index, item in enumerate(values):
        if type(item) is not dict:
            refuse(f"{at}[{index}]", "an object", item)
        yield f"{at}[{index}]", item


def stops(body: Mapping[str, Any]) -> tuple[str, ...]:
    """`stop` as a tuple; empty strings never stop anything."""
    stop = body.get("stop") or ()
    return tuple(word for word in ((stop,) if type(stop) is str else stop) if word)


def user_of(body: Mapping[str, Any]) -> str | None:
    """The end user, by the old name or the new one."""
    return body.get("user") or body.get("safety_identifier")


def cache_hint(holder: Mapping[str, Any]) -> CacheHint | None:
    """`cache_control`, which OpenRouter and LiteLLM clients put on parts and tools.

    https://openrouter.ai/docs/features/prompt-caching
    """
    control = holder.get("cache_control")
    if type(control) is not dict or control.get("type") != "ephemeral":
        return None
    return "1h" if control.get("ttl") == "1h" else "5m"


def split_data_url(url: str, at: str) -> tuple[str | None, str]:
    """The media type and the base64 of a `data:` address. https://www.rfc-editor.org/rfc/rfc2397"""
    head, comma, data = url[len("data:") :].partition(",")
    if not comma or not data:
        raise InvalidRequest(
            f"`{at}` is no complete data URL: write `data:<media type>;base64,<data>`.", at
        )
    media_type, *parameters = head.split(";")
    if "base64" not in parameters:
        data = base64.b64encode(unquote_to_bytes(data)).decode()
    return media_type.strip().lower() or None, data


def is_data_url(url: str) -> bool:
    """Whether the address holds its data itself."""
    return url[:5].lower() == "data:"


def image_of(url: str, at: str, detail: str | None, cache: CacheHint | None = None) -> Image:
    """A picture from its address."""
    if is_data_url(url):
        media_type, data = split_data_url(url, at)
        return Image(data=data, media_type=media_type, detail=detail, cache=cache)
    if not url.lower().startswith(("https://", "http://")):
        raise InvalidRequest(
            f"`{at}` must be an http(s) address or a data URL with the picture in base64.", at
        )
    return Image(url=url, detail=detail, cache=cache)


_MEDIA_TYPES = {
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}


def document_of(
    data: str, at: str, name: str | None = None, cache: CacheHint | None = None
) -> Document:
    """A file from a data URL, or from bare base64 whose type only its name can tell."""
    if is_data_url(data):
        media_type, data = split_data_url(data, at)
    else:
        media_type = _MEDIA_TYPES.get((name or "").rpartition(".")[2].lower())
    return Document(data=data, media_type=media_type, name=name, cache=cache)


# Writing replies


def to_json(value: object) -> bytes:
    """Compact JSON. Half a surrogate pair (some upstreams split characters) is sent as U+FFFD."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return orjson.dumps(_scrubbed(value))


def _scrubbed(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, Mapping):
        return {_scrubbed(key): _scrubbed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_scrubbed(item) for item in value]
    return value


DONE = b"data: [DONE]\n\n"
"""The regular end of a chat completion or completion stream."""

_TYPES: dict[int, str] = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


def error_object(error: GatewayError) -> dict[str, str | None]:
    """The inner error object. https://platform.openai.com/docs/guides/error-codes"""
    default = "invalid_request_error" if error.status < 500 else "server_error"
    return {
        "message": error.message,
        "type": _TYPES.get(error.status, default),
        "param": error.param,
        "code": error.code,
    }


def error_envelope(error: GatewayError) -> bytes:
    """The JSON body of an error reply."""
    return to_json({"error": error_object(error)})


def error_event(error: GatewayError) -> bytes:
    """The event that ends a broken stream in place of `[DONE]`."""
    return b"data: " + error_envelope(error) + b"\n\n"


def usage_object(usage: Usage) -> dict[str, Any]:
    """Usage as chat completions and completions state it."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens + usage.cache_write_1h_tokens,
            "audio_tokens": usage.audio_input_tokens,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": usage.audio_output_tokens,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


URL_CITATION = {"start_index": 0, "end_index": 0, "title": ""}
"""OpenAI demands these of a citation; not every vendor knows where in the text a source is used."""


def paired(events: Sequence[Event]) -> Iterable[tuple[Event, Sequence[JsonObject] | None]]:
    """Each event with the log probabilities that belong to it: those next to its text.

    Clients expect both in one chunk. Log probabilities without text come alone, as an event.
    """
    index = 0
    while index < len(events):
        event = events[index]
        after = events[index + 1] if index + 1 < len(events) else None
        match event, after:
            case (TextDelta() as text, Logprobs() as logprobs) | (
                Logprobs() as logprobs,
                TextDelta() as text,
            ) if text.choice == logprobs.choice:
                yield text, logprobs.content
                index += 2
            case _:
                yield event, None
                index += 1


def schema_beside(form: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The schema that some take beside `json_object`: TGI as `value`, llama.cpp as `schema`.

    huggingface_hub's client sends every JSON schema as the former.
    https://huggingface.co/docs/text-generation-inference/conceptual/guidance
    """
    if form.get("type") != "json_object":
        return None
    return next((form[name] for name in ("value", "schema") if type(form.get(name)) is dict), None)
