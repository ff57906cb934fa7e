"""What the document types allow at a place: read from their annotations, for better messages."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, PlainValidator, WrapValidator
from pydantic.fields import FieldInfo

_CUSTOM = (BeforeValidator, PlainValidator, WrapValidator)


def alternatives(annotation: Any) -> Iterator[tuple[Any, bool]]:
    """The members of a union, and whether a validator of its own reads the raw value first."""
    origin = get_origin(annotation)
    if origin is Annotated:
        custom = any(isinstance(item, _CUSTOM) for item in annotation.__metadata__)
        for inner, also in alternatives(annotation.__origin__):
            yield inner, custom or also
    elif origin in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from alternatives(member)
    elif hasattr(annotation, "__value__"):
        yield from alternatives(annotation.__value__)
    else:
        yield annotation, False


def is_model(shape: Any) -> bool:
    """Whether it is a document type or a part of one."""
    return isinstance(shape, type) and issubclass(shape, BaseModel)


def _named(model: type[BaseModel], key: str) -> FieldInfo | None:
    fields = model.model_fields
    found = (info for name, info in fields.items() if key == (info.alias or name))
    return next(found, None)


def _annotation(info: FieldInfo) -> Any:
    if not info.metadata:
        return info.annotation
    return Annotated[(info.annotation, *info.metadata)]


def below(shape: Any, key: str | int) -> Any | None:
    """The annotation of a member or an item of `shape`; `None` if it has none of that name."""
    if is_model(shape):
        info = _named(shape, key) if isinstance(key, str) else None
        return _annotation(info) if info else None
    origin, arguments = get_origin(shape), get_args(shape)
    if not isinstance(origin, type) or not arguments:
        return None
    if issubclass(origin, Mapping):
        return arguments[-1] if isinstance(key, str) else None
    if issubclass(origin, Sequence) and isinstance(key, int):
        several = len(arguments) > key and Ellipsis not in arguments
        return arguments[key] if several else arguments[0]
    return None


def at(root: Any, path: Iterable[str | int]) -> list[Any]:
    """All types a value at `path` may have."""
    shapes = [shape for shape, _ in alternatives(root)]
    for key in path:
        nexts = [found for shape in shapes if (found := below(shape, key)) is not None]
        shapes = [shape for found in nexts for shape, _ in alternatives(found)]
    return shapes


def keys_of(shapes: Iterable[Any]) -> list[str]:
    """The keys that these types know."""
    models = [shape for shape in shapes if is_model(shape)]
    return [info.alias or name for model in models for name, info in model.model_fields.items()]
