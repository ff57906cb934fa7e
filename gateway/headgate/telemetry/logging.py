"""Structured logs: one JSON object a line, never with prompt text, keys or credentials."""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal, TypeAlias

import orjson
import structlog

LogFormat: TypeAlias = Literal["json", "console"]
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]


def new_logger(level: LogLevel, format: LogFormat) -> structlog.typing.FilteringBoundLogger:
    """The gateway's logger, writing to standard output; nothing global is configured."""
    minimum = logging.getLevelNamesMapping()[level.upper()]
    processors: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    if format == "console":
        processors.append(structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty()))
        sink: Any = structlog.PrintLogger(sys.stdout)
    else:
        processors.append(structlog.processors.JSONRenderer(serializer=_dumps))
        sink = structlog.BytesLogger(sys.stdout.buffer)
    logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        sink, processors=processors, wrapper_class=structlog.make_filtering_bound_logger(minimum)
    )
    return logger


def _dumps(event: Any, **_: Any) -> bytes:
    return orjson.dumps(event, default=str)


class ForwardingHandler(logging.Handler):
    """Sends records of the standard library's loggers (the HTTP server's) through ours."""

    def __init__(self, logger: structlog.typing.FilteringBoundLogger) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Forward one record."""
        self._logger.log(
            record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info
        )
