"""Extensions that exist only here, so that these tests depend on no vendor."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from headgate.config.extensions import Extensions


class Simulated(BaseModel):
    model_config = ConfigDict(extra="forbid")
    reply: str | None = None
    first_token_ms: float = Field(default=0, ge=0)


class Needy(BaseModel):
    deployment_id: str


class Secrets(BaseModel):
    model_config = ConfigDict(extra="forbid")
    action: str = "redact"


class NoOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Shelf:
    """A `Lookup` over a mapping; a sentence in the place of a schema cannot be loaded."""

    def __init__(self, schemas: Mapping[str, type[BaseModel] | str]) -> None:
        self._schemas = schemas

    def names(self) -> list[str]:
        return list(self._schemas)

    def options(self, name: str) -> type[BaseModel]:
        schema = self._schemas[name]
        if isinstance(schema, str):
            raise LookupError(schema)
        return schema


_VENDORS = (
    *("tgi", "vllm", "openai", "anthropic", "google", "groq", "mistral", "deepseek", "xai"),
    *("cohere", "together", "openrouter", "perplexity"),
)

EXTENSIONS = Extensions(
    providers=Shelf(
        {
            **dict.fromkeys(_VENDORS, NoOptions),
            "simulated": Simulated,
            "needy": Needy,
            "broken": "Provider 'broken' needs the package 'x': install y[x].",
        }
    ),
    plugins=Shelf({"secrets": Secrets}),
)
