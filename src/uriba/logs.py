"""Structured logs: one line for each event, as JSON in production."""

from __future__ import annotations

import logging
import sys
from uuid import uuid4

import structlog

from uriba.config import Settings

TRACEBACK_RENDERER = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)
"""Renders tracebacks without the values of variables, which may be personal data or keys."""


def configure(settings: Settings) -> None:
    """Set up structlog, and send the logs of libraries through it."""
    as_json = settings.production if settings.log_json is None else settings.log_json
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderers: list[structlog.typing.Processor] = (
        [TRACEBACK_RENDERER, structlog.processors.JSONRenderer()]
        if as_json
        else [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    )
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    structlog.configure(
        processors=[*shared, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def log_fault(error: Exception) -> str:
    """Log a fault with its traceback; return the reference by which the caller can name it."""
    reference = uuid4().hex
    structlog.get_logger().error("fault", reference=reference, exc_info=error)
    return reference
