"""Gemini on Vertex AI as a backend: the same protocol, other addresses and credentials.

https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar
from urllib.parse import quote

from pydantic import BaseModel

from headgate_providers.google.account import ServiceAccount
from headgate_providers.google.backend import GenerateContentBackend, GoogleOptions
from headgate_providers.google.embeddings import vertex_body
from headgate_providers.sdk import BackendError, EmbeddingRequest, HttpRequest, Target, Transport

DEFAULT_REGION = "global"


class VertexOptions(GoogleOptions):
    """Options of a deployment on Vertex AI: the `project` it belongs to.

    A service account brings its own project, which then need not be named.
    """

    project: str | None = None


class VertexBackend(GenerateContentBackend):
    """Google's models on Vertex AI.

    The secret is an OAuth access token, or a service account's key as JSON, with which tokens are
    fetched and renewed. A model name without a publisher is one of Google's.
    """

    Options: ClassVar[type[BaseModel]] = VertexOptions

    def __init__(self, target: Target, transport: Transport) -> None:
        super().__init__(target, transport)
        self._account = ServiceAccount.parse(target.secret or "")
        self._tokens: Any = None

    def url(self, model: str, method: str) -> str:
        """See `GenerateContentBackend.url`; raises `BackendError` if no project is known."""
        project = self.options.project or (self._account and self._account.project)
        if not project:
            raise BackendError(
                "auth", "This deployment has no Google Cloud project: set its option `project`."
            )
        region = self.target.region or DEFAULT_REGION
        base = (self.target.url or _base(region)).rstrip("/")
        name = model if "/" in model else f"publishers/google/models/{model}"
        resource = quote(f"projects/{project}/locations/{region}/{name}", safe="/@")
        return f"{base}/{resource}:{method}"

    def embeddings(self, request: EmbeddingRequest) -> tuple[str, dict[str, Any]]:
        """See `GenerateContentBackend.embeddings`."""
        return "predict", vertex_body(request)

    def tier(self, tier: str) -> tuple[dict[str, str], dict[str, Any]]:
        """See `GenerateContentBackend.tier`."""
        return {
            "x-vertex-ai-llm-request-type": "shared",
            "x-vertex-ai-llm-shared-request-type": tier,
        }, {}

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> BackendError:
        """See `HttpBackend.refusal`; a token that is refused is not used again."""
        if status == 401 and self._tokens is not None:
            self._tokens.forget()
        return super().refusal(status, headers, body)

    async def sign(self, request: HttpRequest) -> HttpRequest:
        """Add the access token; raises `BackendError` if none is to be had."""
        token = self.target.secret
        if self._account is not None:
            token = await self._source(self._account).token()
        if not token:
            return request
        headers = {**request.headers, "authorization": f"Bearer {token}"}
        return HttpRequest(request.method, request.url, headers, request.body)

    async def probe(self) -> None:
        """See `Backend.probe`: counts one word; free, and it asks project, region and model."""
        body = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
        await self.ask(self.post(self.url(self.target.model, "countTokens"), body))

    async def aclose(self) -> None:
        """Close the connection to the token endpoint."""
        if self._tokens is not None:
            await self._tokens.aclose()

    def _source(self, account: ServiceAccount) -> Any:
        """The source of tokens; what it needs is imported only where a service account is used."""
        if self._tokens is None:
            try:
                oauth = import_module("headgate_providers.google.oauth")
            except ModuleNotFoundError as error:
                raise BackendError(
                    "auth",
                    "Signing in with a service account needs the package joserfc: install "
                    "`headgate-providers[vertex]`, or give an access token as the secret.",
                ) from error
            self._tokens = oauth.TokenSource(account)
        return self._tokens


def _base(region: str) -> str:
    host = "aiplatform" if region == "global" else f"{region}-aiplatform"
    return f"https://{host}.googleapis.com/v1"
