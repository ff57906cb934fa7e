"""What the families of models on Bedrock differ in, beside what Converse has in common.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

FamilyName: TypeAlias = Literal["anthropic", "nova", "cohere", "mistral", "openai", "other"]


@dataclass(frozen=True, slots=True)
class Family:
    """How a family is asked for what Converse has no member for.

    `top_k` is the path of that parameter in `additionalModelRequestFields`, empty where there is
    none. `thinking` tells whether thinking can be asked for. `cache_tools` and `cache_hour` tell
    where cache points may stand and whether they may last an hour (`caches`: at all). `thoughts`
    are the earlier thoughts that may be handed back: only the signed ones, all or none.
    """

    name: FamilyName
    top_k: tuple[str, ...] = ()
    thinking: bool = False
    caches: bool = False
    cache_tools: bool = False
    cache_hour: bool = False
    thoughts: Literal["signed", "all", "none"] = "none"


FAMILIES: Mapping[FamilyName, Family] = MappingProxyType(
    {
        family.name: family
        for family in (
            Family(
                "anthropic",
                top_k=("top_k",),
                thinking=True,
                caches=True,
                cache_tools=True,
                cache_hour=True,
                thoughts="signed",
            ),
            Family(
                "nova",
                top_k=("inferenceConfig", "topK"),
                thinking=True,
                caches=True,
                thoughts="all",
            ),
            Family("cohere", top_k=("k",)),
            Family("mistral", top_k=("top_k",)),
            Family("openai", thinking=True),
            Family("other"),
        )
    }
)

_MAKERS: Mapping[str, FamilyName] = MappingProxyType(
    {
        "anthropic.": "anthropic",
        "amazon.nova": "nova",
        "cohere.": "cohere",
        "mistral.": "mistral",
        "openai.": "openai",
    }
)
_MAKER = re.compile(r"(?:^|[./:])(" + "|".join(re.escape(name) for name in _MAKERS) + ")")
_CLAUDE = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")


def family_of(model: str) -> Family:
    """The family of a model id, an inference profile or the ARN of one.

    The ARN of an application's own profile does not tell; then it is `other`.

    >>> family_of("us.anthropic.claude-haiku-4-5-20251001-v1:0").name
    'anthropic'
    """
    found = _MAKER.search(model)
    return FAMILIES[_MAKERS[found[1]] if found else "other"]


def claude_version(model: str) -> tuple[int, int]:
    """The version in a Claude's name, never the date at its end; (0, 0) if there is none.

    >>> claude_version("us.anthropic.claude-sonnet-4-5-20250929-v1:0")
    (4, 5)
    """
    found = _CLAUDE.search(model)
    return (int(found[1]), int(found[2] or 0)) if found else (0, 0)
