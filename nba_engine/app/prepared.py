"""Channels as the engine uses them: each treatment is prepared once, and a failure is a mistake."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nba_engine.domain import Channel, Renderer, Treatment
from nba_engine.errors import Mistake, MistakesFound

__all__ = ["PreparedChannel"]


class PreparedChannel:
    """A channel that prepares each treatment once, however many pipelines are built over it.

    Without a channel, because it could not be built, everything renders as nothing: what stands
    on it is looked at all the same, and nothing of it is ever served.
    """

    def __init__(
        self,
        channel: Channel | None,
        who: str,
        name: Callable[[Sequence[Mistake]], list[Mistake]],
    ) -> None:
        """``who`` is the channel in words; ``name`` turns its mistakes into what users see."""
        self._channel = channel
        self._who = who
        self._name = name
        self._prepared: dict[str, Renderer | MistakesFound] = {}

    def prepare(self, treatment: Treatment) -> Renderer:
        """The renderer of this treatment. Raises `MistakesFound`, the same ones each time."""
        prepared = self._prepared.get(treatment.id)
        if prepared is None:
            prepared = self._prepared[treatment.id] = self._prepare(treatment)
        if isinstance(prepared, MistakesFound):
            raise prepared
        return prepared

    def _prepare(self, treatment: Treatment) -> Renderer | MistakesFound:
        if self._channel is None:
            return _nothing
        try:
            return self._channel.prepare(treatment)
        except MistakesFound as found:
            return MistakesFound(self._name(found.mistakes))
        except (Exception, SystemExit) as error:
            message = (
                f"{self._who} could not prepare {treatment.id!r}: {type(error).__name__}: {error}"
            )
            place = treatment.place or f"treatments.{treatment.id}"
            mistake = Mistake(file=treatment.file or "catalog", place=place, message=message)
            return MistakesFound(self._name([mistake]))


def _nothing(_seen: Mapping[str, Any]) -> dict[str, str]:
    return {}
