"""Structured logs: one JSON object a line, never with prompt text, keys or credentials."""

from __future__ import annotations

import atexit
import logging
import sys
import threading
import time
from collections import deque
from typing import Any, BinaryIO, Literal, TypeAlias

import orjson
import structlog

LogFormat: TypeAlias = Literal["json", "console"]
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]

LINES_MAX = 10_000
GATHER_S = 0.02


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
        sink = LineWriter(sys.stdout.buffer)
    logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        sink, processors=processors, wrapper_class=structlog.make_filtering_bound_logger(minimum)
    )
    return logger


def flush(logger: structlog.typing.FilteringBoundLogger) -> None:
    """Write what the logger has gathered: a process that ends by a signal does not do it."""
    sink = getattr(logger, "_logger", None)
    if isinstance(sink, LineWriter):
        sink.flush()


class LineWriter:
    """A structlog sink that gathers lines for a moment and writes them in a thread.

    A slow disk or a full pipe delays no request. At most `LINES_MAX` lines wait; what comes on top
    is dropped and counted, and the next line that is written says how many.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lines: deque[bytes] = deque()
        self._dropped = 0
        self._wake = threading.Event()
        self._writing = threading.Lock()
        threading.Thread(target=self._run, name="headgate-log", daemon=True).start()
        atexit.register(self.flush)

    def msg(self, line: bytes) -> None:
        """Take one line; never waits."""
        if len(self._lines) >= LINES_MAX:
            self._dropped += 1
            return
        self._lines.append(line)
        if not self._wake.is_set():
            self._wake.set()

    log = debug = info = warning = warn = error = critical = exception = msg

    def _run(self) -> None:
        while True:
            self._wake.wait()
            time.sleep(GATHER_S)
            self._wake.clear()
            self.flush()

    def flush(self) -> None:
        """Write what has gathered."""
        with self._writing:
            lines = [self._lines.popleft() for _ in range(len(self._lines))]
            if self._dropped:
                lines.append(b'{"event":"log lines dropped","count":%d}' % self._dropped)
                self._dropped = 0
            if lines:
                try:
                    self._file.write(b"\n".join(lines) + b"\n")
                    self._file.flush()
                except (OSError, ValueError):
                    pass  # nobody reads the log any more; requests go on


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
