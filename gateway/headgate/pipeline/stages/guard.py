"""Guards: plugins review the text that goes in and the text that comes out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from headgate.errors import GatewayError
from headgate.pipeline.context import Exchange
from headgate.pipeline.texts import map_texts, texts_of
from headgate.telemetry.metrics import Metrics
from headgate_plugins.sdk import Block, Blocked, Context, Modify, Plugin, ReplyReviewer
from headgate_providers.sdk import (
    Event,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
)

Batches = AsyncIterator[Sequence[Event]]
_Direction = Literal["input", "output"]
Chosen = tuple[Plugin, str]
"""A plugin and what its findings lead to: `redact` or `block`."""
_Stream = tuple[int, str, int]
"""A kind of text of one choice: (choice, kind, index of the tool call)."""


class Guard:
    """Runs the plugins of the whole gateway, then those of the route.

    A plugin that raises is a broken guard: the request is refused (`guard_unavailable`), because a
    guard that cannot look must not be taken for one that found nothing.
    """

    def __init__(
        self, plugins: Mapping[str, Plugin], everywhere: Sequence[str], metrics: Metrics
    ) -> None:
        self.plugins = plugins
        self._everywhere = tuple(everywhere)
        self._metrics = metrics

    async def review_request(self, exchange: Exchange) -> None:
        """Let the plugins see every text; raises `GatewayError` 400 `content_blocked`."""
        plugins = [(p, a) for p, a in self._chosen(exchange, "input") if p.reviews_requests]
        if not plugins:
            return
        texts = texts_of(exchange.body)
        context = _context(exchange)
        changed = False
        for plugin, action in plugins:
            try:
                verdict = await plugin.review_request(texts, context)
            except Exception as error:
                raise _unavailable(plugin) from error
            self._metrics.guard_verdict(guard=plugin.name, verdict=type(verdict).__name__.lower())
            match verdict:
                case Block(finding):
                    raise _blocked(plugin.name, finding)
                case Modify(_, finding) if action == "block":
                    raise _blocked(plugin.name, finding)
                case Modify(replaced, _):
                    texts = list(replaced)
                    changed = True
        if changed:
            remaining = iter(texts)
            exchange.body = map_texts(exchange.body, lambda _: next(remaining))

    def reviews_reply(self, exchange: Exchange) -> bool:
        """Whether any plugin wants to see the reply, so that it cannot be relayed."""
        return any(plugin.reviews_replies for plugin, _ in self._chosen(exchange, "output"))

    def review_reply(self, exchange: Exchange, batches: Batches) -> Batches:
        """The reply as the plugins let it through."""
        plugins = [(p, a) for p, a in self._chosen(exchange, "output") if p.reviews_replies]
        return (
            _reviewed(batches, plugins, _context(exchange), self._metrics) if plugins else batches
        )

    def _chosen(self, exchange: Exchange, direction: _Direction) -> list[Chosen]:
        """Plugins of the gateway redact what they find, unless the route says `block`."""
        actions: dict[str, str] = dict.fromkeys(self._everywhere, "redact")
        if exchange.decision is not None and exchange.decision.contract is not None:
            guards = exchange.decision.contract.guards
            named = guards.input if direction == "input" else guards.output
            actions.update((guard.use, guard.action) for guard in named)
        return [(self.plugins[name], action) for name, action in actions.items()]


class _Reviewers:
    """The reviewers of one reply, one chain per kind of text."""

    def __init__(self, plugins: Sequence[Chosen], context: Context, metrics: Metrics) -> None:
        self._plugins = plugins
        self._context = context
        self._metrics = metrics
        self._chains: dict[_Stream, list[_Link]] = {}

    def review(self, events: Iterable[Event]) -> list[Event]:
        """The events with their text reviewed; a finish releases what its choice held back."""
        out: list[Event] = []
        for event in events:
            stream = _stream(event)
            if stream is None:
                if isinstance(event, Finish):
                    out += self.release(event.choice)
                out.append(event)
                continue
            text = self._feed(stream, _text(event))
            if text or not _text(event) or isinstance(event, ToolCallDelta):
                out.append(_with_text(event, text))
        return out

    def release(self, choice: int | None = None) -> list[Event]:
        """The text still held back, of one choice or of all."""
        out: list[Event] = []
        for stream in [s for s in self._chains if choice is None or s[0] == choice]:
            rest = ""
            for link in self._chains.pop(stream):
                rest = link.feed(rest) + link.close()
                verdict = "modify" if link.reviewer.findings else "allow"
                self._metrics.guard_verdict(guard=link.plugin.name, verdict=verdict)
            if rest:
                out.append(_delta(stream, rest))
        return out

    def _feed(self, stream: _Stream, text: str) -> str:
        chain = self._chains.get(stream)
        if chain is None:
            chain = self._chains[stream] = [
                _Link(plugin, action, plugin.review_reply(self._context))
                for plugin, action in self._plugins
            ]
        for link in chain:
            text = link.feed(text)
        return text


@dataclass(slots=True)
class _Link:
    """One plugin's reviewer in the chain of a text."""

    plugin: Plugin
    action: str
    reviewer: ReplyReviewer

    def feed(self, text: str) -> str:
        """See `ReplyReviewer.feed`; a finding stops the reply where the action is `block`."""
        return self._checked(lambda: self.reviewer.feed(text))

    def close(self) -> str:
        """See `ReplyReviewer.close`."""
        return self._checked(self.reviewer.close)

    def _checked(self, review: Callable[[], str]) -> str:
        try:
            released = review()
        except Blocked as blocked:
            raise _Stopped(self.plugin.name, blocked.finding) from None
        except Exception as error:
            raise _unavailable(self.plugin) from error
        if self.action == "block" and self.reviewer.findings:
            raise _Stopped(self.plugin.name, "the reply holds what it must not say")
        return released


async def _reviewed(
    batches: Batches, plugins: Sequence[Chosen], context: Context, metrics: Metrics
) -> Batches:
    reviewers = _Reviewers(plugins, context, metrics)
    try:
        async for batch in batches:
            events = reviewers.review(batch)
            if events:
                yield events
        rest = reviewers.release()
        if rest:
            yield rest
    except _Stopped as stop:
        metrics.guard_verdict(guard=stop.guard, verdict="block")
        raise _blocked(stop.guard, stop.finding) from None


class _Stopped(Exception):
    def __init__(self, guard: str, finding: str) -> None:
        super().__init__(finding)
        self.guard = guard
        self.finding = finding


def _stream(event: Event) -> _Stream | None:
    match event:
        case TextDelta():
            return event.choice, "text", 0
        case ReasoningDelta():
            return event.choice, "reasoning", 0
        case RefusalDelta():
            return event.choice, "refusal", 0
        case ToolCallDelta():
            return event.choice, "arguments", event.index
    return None


def _text(event: Event) -> str:
    return event.arguments if isinstance(event, ToolCallDelta) else event.text  # type: ignore[union-attr]


def _with_text(event: Event, text: str) -> Event:
    if isinstance(event, ToolCallDelta):
        event.arguments = text
    elif isinstance(event, TextDelta | ReasoningDelta | RefusalDelta):
        event.text = text
    return event


def _delta(stream: _Stream, text: str) -> Event:
    choice, kind, index = stream
    match kind:
        case "reasoning":
            return ReasoningDelta(text, choice=choice)
        case "refusal":
            return RefusalDelta(text, choice)
        case "arguments":
            return ToolCallDelta(index, arguments=text, choice=choice)
    return TextDelta(text, choice)


def _context(exchange: Exchange) -> Context:
    return Context(
        request_id=exchange.id,
        team=exchange.identity.team,
        route=exchange.route_name,
        model=exchange.summary.model,
        operation=exchange.dialect.operation,
    )


def _blocked(guard: str, finding: str) -> GatewayError:
    return GatewayError(400, "content_blocked", f"Blocked by the guard {guard!r}: {finding}")


def _unavailable(plugin: Plugin) -> GatewayError:
    return GatewayError(
        503,
        "guard_unavailable",
        f"The guard {plugin.name!r} could not review the text, so nothing was sent; try again.",
    )
