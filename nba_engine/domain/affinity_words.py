"""Affinities in words, as explanations and commands say them."""

from __future__ import annotations

from nba_engine.domain.aggregates import AggregateSpec
from nba_engine.domain.catalog import CatalogView

__all__ = ["answers_code", "said_affinity", "said_code"]

_ALIKE = 0.05  # a difference to 1.0 that nobody needs to hear of


def answers_code(aggregate: str, word: str, times: float) -> str:
    """The reason code of a strong affinity: ``answers:channel_affinity:letter:2.1``."""
    return f"answers:{aggregate}:{word}:{times:.1f}"


def said_code(catalog: CatalogView, code: str) -> str:
    """What `answers_code` says to people; "" when the catalog does not have the aggregate any more."""
    aggregate, _, rest = code.partition(":")[2].partition(":")
    word, _, times = rest.rpartition(":")
    spec = catalog.aggregates.get(aggregate)
    try:
        return "" if spec is None else said_affinity(catalog, spec, word, float(times))
    except ValueError:
        return ""


def said_affinity(catalog: CatalogView, spec: AggregateSpec, word: str, times: float) -> str:
    """``this customer answers “Letter” 2.1 times as often as others``."""
    channel = catalog.channels.get(word) if spec.by == "channel" else None
    name = f"“{word if channel is None else channel.name}”"
    if spec.kind == "affinity":
        verb, much = f"answers {name}", "often"
    else:
        verb, much = f"takes {name}", "much"
    if abs(times - 1.0) < _ALIKE:
        return f"this customer {verb} as {much} as others"
    return f"this customer {verb} {times:.2g} times as {much} as others"
