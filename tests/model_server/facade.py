"""TGI's API in front of a llama.cpp server.

https://github.com/huggingface/text-generation-inference/blob/main/docs/openapi.json
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.model_server.tokens import FINISH, TokenEvents
from tests.model_server.validation import (
    Refused,
    WrongShape,
    check_chat,
    check_grammar,
    check_length,
    check_lists,
    check_parameters,
    invalid,
)

Json = dict[str, Any]


@dataclass(frozen=True)
class Limits:
    """What the facade says of itself and keeps to."""

    model: str
    total_tokens_max: int
    concurrent_requests_max: int = 128
    key: str | None = None


def tgi_app(engine_url: str, limits: Limits) -> Starlette:
    """The application; `engine_url` is the base address of the server behind it."""
    facade = Facade(engine_url, limits)

    def posted(path: str, answer: Callable[[Json], Awaitable[Response]]) -> Route:
        return Route(path, facade.guarded(answer), methods=["POST"])

    return Starlette(
        routes=[
            Route("/info", facade.info),
            Route("/health", facade.health),
            Route("/metrics", facade.metrics),
            posted("/", facade.compatible),
            posted("/generate", facade.generate),
            posted("/generate_stream", facade.generate_stream),
            posted("/tokenize", facade.tokenize),
            posted("/chat_tokenize", facade.chat_tokenize),
            posted("/v1/chat/completions", facade.chat),
            posted("/v1/completions", facade.completions),
        ],
        lifespan=facade.lifespan,
    )


class Facade:
    """The endpoints."""

    def __init__(self, engine_url: str, limits: Limits) -> None:
        self._engine = httpx.AsyncClient(base_url=engine_url, timeout=60, trust_env=False)
        self._limits = limits
        self._busy = 0
        self._counts: Counter[str] = Counter()

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        async with self._engine:
            yield

    def guarded(
        self, answer: Callable[[Json], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint: the key, the body's shape, and refusals as TGI words them."""

        async def endpoint(request: Request) -> Response:
            key = self._limits.key
            if key is not None and request.headers.get("authorization") != f"Bearer {key}":
                return Response(status_code=401)
            self._counts["tgi_request_count"] += 1
            try:
                return await answer(await _body(request))
            except WrongShape as wrong:
                self._counts["tgi_request_failure"] += 1
                text = f"Failed to deserialize the JSON body into the target type: {wrong}"
                return PlainTextResponse(text, 422)
            except Refused as refused:
                self._counts["tgi_request_failure"] += 1
                return JSONResponse(_told(refused), refused.status)

        return endpoint

    async def info(self, request: Request) -> Response:
        total = self._limits.total_tokens_max
        return JSONResponse(
            {
                "model_id": self._limits.model,
                "model_sha": None,
                "model_pipeline_tag": "text-generation",
                "max_concurrent_requests": self._limits.concurrent_requests_max,
                "max_best_of": 1,
                "max_stop_sequences": 4,
                "max_input_tokens": total - 1,
                "max_total_tokens": total,
                "validation_workers": 1,
                "max_client_batch_size": 1,
                "router": "text-generation-router",
                "version": "3.3.7",
                "sha": None,
                "docker_label": None,
            }
        )

    async def health(self, request: Request) -> Response:
        answer = await self._engine.get("/health")
        if answer.status_code == 200:
            return Response()
        return JSONResponse(_told(Refused(503, "healthcheck", "unhealthy")), 503)

    async def metrics(self, request: Request) -> Response:
        names = ("tgi_request_count", "tgi_request_success", "tgi_request_failure")
        lines = [f"# TYPE {name} counter\n{name} {self._counts[name]}\n" for name in names]
        lines.append(f"# TYPE tgi_batch_current_size gauge\ntgi_batch_current_size {self._busy}\n")
        return PlainTextResponse("".join(lines))

    async def compatible(self, body: Json) -> Response:
        """The old endpoint: streams if the body says so, and wraps the reply in a list."""
        if body.get("stream"):
            return await self.generate_stream(body)
        done = await self._completed(body)
        return JSONResponse([_generation(body, done)])

    async def generate(self, body: Json) -> Response:
        started_s = time.perf_counter()
        done = await self._completed(body)
        headers = {
            "x-compute-type": "cpu",
            "x-total-time": str(int(1000 * (time.perf_counter() - started_s))),
            "x-prompt-tokens": str(done["tokens_evaluated"]),
            "x-generated-tokens": str(done["tokens_predicted"]),
        }
        return JSONResponse(_generation(body, done), headers=headers)

    async def generate_stream(self, body: Json) -> Response:
        """Refusals come as an event of a stream with status 200, as from the real one."""
        _inputs(body)
        return StreamingResponse(self._token_events(body), media_type="text/event-stream")

    async def tokenize(self, body: Json) -> Response:
        return JSONResponse(await self._tokens(_inputs(body)))

    async def chat_tokenize(self, body: Json) -> Response:
        check_chat(body)
        prompt = await self._templated(body)
        tokens = await self._tokens(prompt)
        return JSONResponse({"tokenize_response": tokens, "templated_text": prompt})

    async def chat(self, body: Json) -> Response:
        check_chat(body)
        schema = check_grammar(body.get("response_format"))
        forwarded = {**body, "model": self._limits.model}
        if schema is not None:
            envelope = {"type": "json_schema", "json_schema": {"name": "grammar", "schema": schema}}
            forwarded["response_format"] = envelope
        return await self._passed("/v1/chat/completions", forwarded, await self._templated(body))

    async def completions(self, body: Json) -> Response:
        prompt = body.get("prompt")
        if not isinstance(prompt, str):
            raise WrongShape("prompt: the engine behind this facade takes one string")
        check_lists(body)
        forwarded = {**body, "model": self._limits.model}
        return await self._passed("/v1/completions", forwarded, prompt)

    async def _passed(self, path: str, body: Json, prompt: str) -> Response:
        """The engine's own reply."""
        limit = body.get("max_tokens") or body.get("max_completion_tokens")
        if body.get("stream"):
            events = self._passed_events(path, body, prompt, limit)
            return StreamingResponse(events, media_type="text/event-stream")
        await self._check(body, prompt, limit)
        with self._permit():
            answer = await self._engine.post(path, json=body)
        return Response(answer.content, answer.status_code, media_type="application/json")

    async def _passed_events(
        self, path: str, body: Json, prompt: str, limit: int | None
    ) -> AsyncIterator[bytes]:
        """A refusal is an event, and always has status 422, as from the real one."""
        try:
            await self._check(body, prompt, limit)
            with self._permit():
                async with self._engine.stream("POST", path, json=body) as answer:
                    async for piece in answer.aiter_bytes():
                        yield piece
        except Refused as refused:
            yield _event({"error": {"message": refused.message, "http_status_code": 422}})
            yield b"data: [DONE]\n\n"

    async def _check(self, body: Json, prompt: str, limit: int | None) -> None:
        check_parameters({"top_p": body.get("top_p"), "max_new_tokens": limit})
        check_length(len(await self._tokens(prompt)), limit, self._limits.total_tokens_max)

    async def _completed(self, body: Json) -> Json:
        """The engine's whole answer."""
        asked = await self._engine_body(body)
        with self._permit():
            answer = await self._engine.post("/completion", json=asked)
        answer.raise_for_status()
        done: Json = answer.json()
        return done

    async def _token_events(self, body: Json) -> AsyncIterator[bytes]:
        try:
            asked = await self._engine_body(body)
            with self._permit():
                events = TokenEvents()
                async for chunk in self._chunks({**asked, "stream": True}):
                    for event in events.feed(chunk):
                        yield _event(event)
        except Refused as refused:
            yield _event(_told(refused))

    async def _chunks(self, asked: Json) -> AsyncIterator[Json]:
        async with self._engine.stream("POST", "/completion", json=asked) as answer:
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))

    async def _engine_body(self, body: Json) -> Json:
        """A request of `/generate` as llama.cpp takes it; raises `Refused`."""
        inputs = _inputs(body)
        if not inputs:
            raise invalid("`inputs` cannot be empty")
        asked = body.get("parameters") or {}
        check_parameters(asked)
        schema = check_grammar(asked.get("grammar"))
        length = len(await self._tokens(inputs))
        limit = asked.get("max_new_tokens")
        check_length(length, limit, self._limits.total_tokens_max)
        temperature = asked.get("temperature") or 1.0
        given = {
            "prompt": inputs,
            "n_predict": limit or self._limits.total_tokens_max - length,
            "temperature": temperature if asked.get("do_sample", not asked) else 0.0,
            "top_k": asked.get("top_k"),
            "top_p": asked.get("top_p"),
            "frequency_penalty": asked.get("frequency_penalty"),
            "stop": asked.get("stop"),
            "seed": asked.get("seed"),
            "json_schema": schema,
            "return_tokens": True,
        }
        return {name: value for name, value in given.items() if value is not None}

    async def _templated(self, body: Json) -> str:
        answer = await self._engine.post("/apply-template", json={"messages": body["messages"]})
        if answer.status_code != 200:
            raise Refused(422, "template_error", f"Template error: {answer.text}")
        prompt: str = answer.json()["prompt"]
        return prompt

    async def _tokens(self, text: str) -> list[Json]:
        asked = {"content": text, "with_pieces": True, "parse_special": True}
        answer = await self._engine.post("/tokenize", json=asked)
        return [{"id": row["id"], "text": row["piece"]} for row in answer.json()["tokens"]]

    @contextmanager
    def _permit(self) -> Iterator[None]:
        """A place among the requests served at once; raises `Refused`."""
        if self._busy >= self._limits.concurrent_requests_max:
            raise Refused(429, "overloaded", "Model is overloaded")
        self._busy += 1
        try:
            yield
            self._counts["tgi_request_success"] += 1
        finally:
            self._busy -= 1


async def _body(request: Request) -> Json:
    try:
        body = await request.json()
    except ValueError as error:
        raise WrongShape("the body is not JSON") from error
    if not isinstance(body, dict):
        raise WrongShape("the body is not an object")
    return body


def _inputs(body: Json) -> str:
    inputs = body.get("inputs")
    if not isinstance(inputs, str):
        raise WrongShape("missing field `inputs`")
    return inputs


def _generation(body: Json, done: Json) -> Json:
    """The engine's answer as a reply of `/generate`; details only if asked for."""
    reply = {"generated_text": done["content"] + done.get("stopping_word", "")}
    if not (body.get("parameters") or {}).get("details"):
        return reply
    details = {
        "finish_reason": FINISH[done["stop_type"]],
        "generated_tokens": done["tokens_predicted"],
        "seed": None,
        "prefill": [],
        "tokens": [],
    }
    return {**reply, "details": details}


def _told(refused: Refused) -> Json:
    return {"error": refused.message, "error_type": refused.error_type}


def _event(payload: Json) -> bytes:
    return b"data: " + json.dumps(payload).encode() + b"\n\n"
