"""Builds `prices.json` from two independent sources and our own overrides. Not used at run time.

    uv run --all-packages --group prices --extra litellm python -m headgate.ledger.price_build

Sources: the package `genai-prices`, and the price file inside the package `litellm` (read, never
imported), both at the version of the lock file; then `price_overrides.json`.

Rules: an override wins. Then genai-prices wins, because it knows price changes with their dates and
prices by time of day. Where both name a model and disagree today, the other's rates stand beside
ours as `other`, so that the difference is seen; where they agree, `from` has both. A model that
genai-prices only covers by a pattern (`*amazon.nova-pro`), or as another seller's, and litellm by
its very name at another price (`eu.amazon.nova-pro-v1:0`), gets a row of its own.
Only what this ledger can count is kept: tokens by class, and a fee per request.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from headgate.ledger.price_book import Finder, in_force

HERE = Path(__file__).parent

GENAI_PROVIDERS = {
    "anthropic": "anthropic",
    "aws": "bedrock",
    "azure": "azure",
    "cerebras": "cerebras",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "fireworks": "fireworks",
    "google": "google",
    "groq": "groq",
    "mistral": "mistral",
    "moonshotai": "moonshot",
    "openai": "openai",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "together": "together",
    "voyageai": "voyage",
    "x-ai": "xai",
}
"""genai-prices' provider → ours. The partners behind Hugging Face's router are added by name."""

LITELLM_PROVIDERS = {
    "anthropic": "anthropic",
    "azure": "azure",
    "azure_ai": "azure",
    "azure_text": "azure",
    "bedrock": "bedrock",
    "bedrock_converse": "bedrock",
    "bedrock_mantle": "bedrock",
    "cerebras": "cerebras",
    "cohere": "cohere",
    "cohere_chat": "cohere",
    "dashscope": "alibaba",
    "deepseek": "deepseek",
    "fireworks_ai": "fireworks",
    "fireworks_ai-embedding-models": "fireworks",
    "gemini": "google",
    "groq": "groq",
    "mistral": "mistral",
    "moonshot": "moonshot",
    "openai": "openai",
    "perplexity": "perplexity",
    "text-completion-openai": "openai",
    "together_ai": "together",
    "voyage": "voyage",
    "xai": "xai",
}
LITELLM_PREFIXES = ("azure_ai/", "bedrock_mantle/", "bedrock/", "fireworks_ai/", "together_ai/")
LITELLM_MODES = {"chat", "completion", "embedding", "responses"}

FALLBACKS = {"vertex": ["google", "anthropic"]}
"""Where else to look; beside those that genai-prices states."""

GENAI_CLASSES = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "output_reasoning_mtok": "reasoning",
    "input_audio_mtok": "audio_input",
    "output_audio_mtok": "audio_output",
    "input_image_mtok": "image_input",
    "output_image_mtok": "image_output",
}
LITELLM_CLASSES = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "output_cost_per_reasoning_token": "reasoning",
    "input_cost_per_audio_token": "audio_input",
    "output_cost_per_audio_token": "audio_output",
    "input_cost_per_image_token": "image_input",
    "output_cost_per_image_token": "image_output",
}
LITELLM_TIERS_K = (32, 100, 128, 200, 256, 272, 512)

Entry = dict[str, Any]


def text(amount: Decimal) -> str:
    """A plain decimal without trailing zeros."""
    plain = format(amount, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


# --- genai-prices ---------------------------------------------------------------------------


def genai_entries() -> Iterator[tuple[str, Entry]]:
    """(our provider, entry) of every model that can be priced by tokens."""
    from genai_prices.data import providers

    for provider in providers:
        partner = provider.id.removeprefix("huggingface_")
        name = GENAI_PROVIDERS.get(provider.id)
        if name is None and partner == provider.id:
            continue
        for model in provider.models:
            prices = list(genai_prices_of(model))
            if not any("input" in row for row in prices):
                continue
            match = rules_of(model.match)
            if name is None:
                match = [f"{rule}:{partner}" for rule in match if isinstance(rule, str)]
            yield (
                name or "huggingface",
                {"id": model.id, "match": match, "prices": prices, "from": ["genai-prices"]},
            )


def genai_fallbacks() -> dict[str, list[str]]:
    """Our provider → our providers whose models it also sells."""
    from genai_prices.data import providers

    return {
        GENAI_PROVIDERS[provider.id]: [
            GENAI_PROVIDERS[other]
            for other in provider.fallback_model_providers
            if other in GENAI_PROVIDERS
        ]
        for provider in providers
        if provider.id in GENAI_PROVIDERS and provider.fallback_model_providers
    }


def genai_prices_of(model: Any) -> Iterator[Entry]:
    """Its prices, the base first; a later row that is in force takes precedence."""
    rows = model.prices if isinstance(model.prices, list) else [model.prices]
    for row in rows:
        constraint: Any = getattr(row, "constraint", None)
        entry = genai_rates(getattr(row, "prices", row))
        if hasattr(constraint, "start_date"):
            entry["from"] = constraint.start_date.isoformat()
        elif constraint is not None:
            entry["hours"] = [constraint.start_time.strftime("%H:%M")]
            entry["hours"].append(constraint.end_time.strftime("%H:%M"))
        yield entry


def genai_rates(prices: Any) -> Entry:
    """The classes we count, tiers, and the fee per request."""
    entry: Entry = {}
    tiers: dict[int, Entry] = {}
    for key, name in GENAI_CLASSES.items():
        value = getattr(prices, key, None)
        if value is None:
            continue
        entry[name] = text(getattr(value, "base", value))
        for tier in getattr(value, "tiers", ()):
            tiers.setdefault(tier.start, {})[name] = text(tier.price)
    if prices.requests_kcount is not None:
        entry["request"] = text(prices.requests_kcount.scaleb(-3))
    if tiers:
        entry["tiers"] = [{"above": above, **tiers[above]} for above in sorted(tiers)]
    return entry


SIGNS = {"equals": "=", "starts_with": "^", "ends_with": "$", "contains": "*", "regex": "~"}


def rules_of(clause: Any) -> list[Any]:
    """A matching clause as a list of rules, any of which suffices; a list inside: all of it."""
    if hasattr(clause, "or_"):
        return [rule for inner in clause.or_ for rule in rules_of(inner)]
    if hasattr(clause, "and_"):
        return [[rule for inner in clause.and_ for rule in rules_of(inner)]]
    name = next(iter(vars(clause)))
    value = getattr(clause, name)
    return [SIGNS[name] + (value if name == "regex" else value.lower())]


# --- litellm --------------------------------------------------------------------------------


def litellm_entries(path: Path) -> Iterator[tuple[str, Entry]]:
    """(our provider, entry) of every model with a price per token."""
    models = json.loads(path.read_text(), parse_float=Decimal, parse_int=Decimal)
    for name, row in sorted(models.items()):
        if not isinstance(row, dict) or row.get("mode") not in LITELLM_MODES:
            continue
        seller = str(row.get("litellm_provider", ""))
        provider = "vertex" if seller.startswith("vertex_ai") else LITELLM_PROVIDERS.get(seller)
        prices = litellm_rates(row)
        if provider is None or "input" not in prices:
            continue
        model = litellm_model(name, seller)
        if "*" not in model and not _is_regional(provider, model):
            match = [f"={model.lower()}"]
            yield (
                provider,
                {"id": model, "match": match, "prices": [prices], "from": ["litellm"]},
            )


def litellm_model(name: str, seller: str) -> str:
    """The model name as the vendor's API knows it."""
    for prefix in (f"{seller.split('-')[0]}/", *LITELLM_PREFIXES):
        name = name.removeprefix(prefix)
    return name


def _is_regional(provider: str, model: str) -> bool:
    """Bedrock rows by region (`us-east-1/…`) name what no API call names."""
    return provider == "bedrock" and "/" in model


def litellm_rates(row: Mapping[str, Any]) -> Entry:
    """Its rates per million tokens. Rows without `per token` prices give an empty entry."""
    entry: Entry = {}
    tiers: list[Entry] = []
    for key, name in LITELLM_CLASSES.items():
        if isinstance(row.get(key), Decimal):
            entry[name] = text(row[key].scaleb(6))
    for above in LITELLM_TIERS_K:
        tier = {
            name: text(row[f"{key}_above_{above}k_tokens"].scaleb(6))
            for key, name in LITELLM_CLASSES.items()
            if isinstance(row.get(f"{key}_above_{above}k_tokens"), Decimal)
        }
        if tier:
            tiers.append({"above": above * 1000, **tier})
    tiers = tiers or list(_ranged(row.get("tiered_pricing"), entry))
    if tiers:
        entry["tiers"] = tiers
    if row.get("mode") == "embedding" or not row.get("output_cost_per_token", True):
        entry.pop("output", None) if entry.get("output") == "0" and entry.get("input") != "0" else 0
    if isinstance(row.get("input_cost_per_request"), Decimal):
        entry["request"] = text(row["input_cost_per_request"])
    return entry


def _ranged(ranges: Any, entry: Entry) -> Iterator[Entry]:
    """Tiers given as ranges; the first one is the base."""
    for row in ranges if isinstance(ranges, list) else ():
        start = int(row["range"][0]) if isinstance(row.get("range"), list) else 0
        rates = {
            name: text(row[key].scaleb(6))
            for key, name in LITELLM_CLASSES.items()
            if isinstance(row.get(key), Decimal)
        }
        if start == 0:
            entry.update(rates)
        elif rates:
            yield {"above": start, **rates}


# --- putting them together ------------------------------------------------------------------


def merged(
    primary: Iterable[tuple[str, Entry]],
    second: Iterable[tuple[str, Entry]],
    overrides: Mapping[str, list[Entry]],
    fallbacks: Mapping[str, list[str]],
    now: datetime,
) -> dict[str, Any]:
    """The providers of the file, by the rules at the top of this module."""
    providers: dict[str, Any] = {}
    for provider, entry in primary:
        providers.setdefault(provider, {"models": []})["models"].append(entry)
    for provider, others in fallbacks.items():
        providers.setdefault(provider, {"models": []})["fallback"] = others
    additions: list[tuple[str, Entry]] = []
    finder = Finder(providers)
    additions = []
    for provider, entry in second:
        found = finder.find(provider, entry["id"])
        if found is None:
            additions.append((provider, entry))
        elif found[0] == provider and _same_name(found[1], entry):
            compare(found[1], entry, now)
        elif differing(found[1], entry, now):
            additions.append((provider, entry))
    for provider, entry in additions:
        models = providers.setdefault(provider, {"models": []})["models"]
        if not any(entry["match"] == known["match"] for known in models):
            models.append(entry)
    for provider, entries in overrides.items():
        rows = [{**entry, "from": ["headgate"]} for entry in entries]
        providers.setdefault(provider, {"models": []})["models"][:0] = rows
    return dict(sorted(providers.items()))


def _same_name(known: Any, entry: Entry) -> bool:
    """Whether the first source names that very model, and not only a pattern around it."""
    return bool(entry["match"][0] in known["match"] or entry["id"].lower() == known["id"].lower())


def compare(known: Any, entry: Entry, now: datetime) -> None:
    """Mark what the second source confirms, keep what it says differently, by its name."""
    rates = differing(known, entry, now)
    if rates:
        known.setdefault("other", {})[f"litellm:{entry['id']}"] = rates
    elif "litellm" not in known["from"]:
        known["from"].append("litellm")


def differing(known: Any, entry: Entry, now: datetime) -> Entry:
    """The rates of `entry` that are not today's rates of `known`, of the classes both have."""
    ours, theirs = in_force(known["prices"], now), entry["prices"][0]
    shared = [name for name in GENAI_CLASSES.values() if name in ours and name in theirs]
    return {name: theirs[name] for name in shared if ours[name] != theirs[name]}


def main() -> None:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--litellm", type=Path, help="its price file, if it is not installed")
    parser.add_argument("--version", default=datetime.now(UTC).date().isoformat())
    parser.add_argument("--output", type=Path, default=HERE / "prices.json")
    options = parser.parse_args()
    path, version = litellm_source(options.litellm)
    data = {
        "version": options.version,
        "sources": {
            "genai-prices": importlib.metadata.version("genai-prices"),
            "litellm": version,
        },
        **build(path, options.version),
    }
    options.output.write_text(dump(data))


def litellm_source(path: Path | None) -> tuple[Path, str]:
    """Where litellm's price file is, and its version; found without importing it."""
    if path is None:
        spec = importlib.util.find_spec("litellm")
        if spec is None or spec.origin is None:
            raise SystemExit("Give litellm's price file with --litellm PATH, or install litellm.")
        path = Path(spec.origin).parent / "model_prices_and_context_window_backup.json"
    found = list(path.parents[1].glob("litellm-*.dist-info"))
    return path, found[0].name.split("-")[1].removesuffix(".dist") if found else "unknown"


def build(litellm: Path, version: str) -> dict[str, Any]:
    """The content of the file beside its header, as of the day `version`."""
    overrides = json.loads((HERE / "price_overrides.json").read_text())
    fallbacks = {**genai_fallbacks(), **FALLBACKS}
    now = datetime.fromisoformat(version).replace(hour=12, tzinfo=UTC)
    providers = merged(
        genai_entries(), litellm_entries(litellm), overrides["providers"], fallbacks, now
    )
    return {"providers": providers}


def dump(data: Mapping[str, Any]) -> str:
    """One model a line, so that a change of price is one changed line."""
    lines = []
    for provider, row in data["providers"].items():
        models = ",\n".join(json.dumps(model, separators=(",", ":")) for model in row["models"])
        head = {name: value for name, value in row.items() if name != "models"}
        opening = json.dumps({**head, "models": []}, separators=(",", ":"))[:-2]
        lines.append(f"{json.dumps(provider)}:{opening}\n{models}\n]}}")
    head = {name: value for name, value in data.items() if name != "providers"}
    return f'{json.dumps(head)[:-1]}, "providers": {{\n' + ",\n".join(lines) + "\n}}\n"


if __name__ == "__main__":
    main()
