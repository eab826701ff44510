"""A stage, a channel kind and a model: all that a plugin of nba-engine needs to be."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from string import Template
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine import domain as nba
from nba_engine.errors import Mistake, MistakesFound, RenderFailed
from nba_engine.plugin import hookimpl

nba_plugin_api = "1.0"


class WeekendSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table `settings` of the stage in nba.toml."""

    tag: str = "weekend"
    boost: float = 1.5


class Weekend:
    """Stage: what carries a tag counts more on Saturdays and Sundays."""

    def __init__(self, settings: WeekendSettings, resources: nba.Resources) -> None:
        catalog = resources.catalog
        tagged = [settings.tag in catalog.actions[action].tags for action in catalog.action_of]
        self._boost = np.where(tagged, settings.boost, 1.0)  # one number per treatment
        self._zone = ZoneInfo(catalog.time_zone)

    def apply(self, deciding: nba.Deciding) -> None:
        """Raise the column `weight`. The time is the decision's own, so that it can be replayed."""
        if datetime.fromtimestamp(deciding.now, self._zone).weekday() >= 5:
            candidates = deciding.candidates
            boost = self._boost.take(candidates.index)  # one number per candidate that is left
            candidates["weight"] = boost * candidates["weight"] if "weight" in candidates else boost


class Sms:
    """Channel kind: a plain text of at most 160 characters; `$first_name` is an attribute."""

    def __init__(self, _settings: object, _catalog: nba.CatalogView) -> None:
        pass

    def prepare(self, treatment: nba.Treatment) -> nba.Renderer:
        """Read a treatment's content when the catalog is loaded."""
        template = Template(treatment.content.get("text", ""))
        if not template.is_valid():
            wrong = Mistake(file=treatment.file, place=treatment.place, message="a $ without name")
            raise MistakesFound([wrong])

        def render(seen: Mapping[str, Any]) -> dict[str, str]:
            try:
                text = template.substitute(seen["customer"])
            except KeyError as missing:
                raise RenderFailed(f"{treatment.id}: the customer has no {missing}") from missing
            if len(text) > 160:
                raise RenderFailed(f"{treatment.id} is longer than 160 characters")
            return {"text": text}

        return render


class Habit:
    """Model: the share of a customer's purchases that are of the action's category.

    The action's prior counts as ten more purchases: P = (10 · prior + bought) / (10 + purchases).
    """

    version = "1"
    feature_names = ("prior", "bought", "purchases")

    def __init__(self, catalog: nba.CatalogView) -> None:
        self._prior = catalog.prior  # (T,) one per treatment, as is everything of the catalog
        words = [str(catalog.actions[a].attributes.get("category", "")) for a in catalog.action_of]
        self._categories, self._category = np.unique(words, return_inverse=True)

    def features(
        self, index: nba.IntArray, customer: nba.Values, context: nba.Values, now: float
    ) -> NDArray[np.float32]:
        """One row per candidate; `index` says which treatments they are."""
        counts = customer.get("purchases") or {}
        bought = np.array([counts.get(word, 0) for word in self._categories.tolist()])
        purchases = np.full(len(index), sum(counts.values()))
        columns = [self._prior[index], bought[self._category[index]], purchases]
        return np.column_stack(columns).astype(np.float32)

    def propensities(
        self, index: nba.IntArray, customer: nba.Values, context: nba.Values, now: float
    ) -> nba.FloatArray:
        """One probability per candidate."""
        prior, bought, purchases = self.features(index, customer, context, now).T.astype(float)
        return np.asarray((10.0 * prior + bought) / (10.0 + purchases), dtype=np.float64)


@hookimpl
def nba_stages() -> Mapping[str, nba.StageFactory[WeekendSettings]]:
    """[[pipeline]] stage = "weekend"."""
    return {"weekend": nba.StageFactory(build=Weekend, settings=WeekendSettings, on_error="ignore")}


@hookimpl
def nba_channels() -> Mapping[str, nba.ChannelFactory]:
    """[channels.text_message] kind = "sms"."""
    return {"sms": nba.ChannelFactory(build=Sms)}


@hookimpl
def nba_models() -> Mapping[str, nba.ModelFactory]:
    """[models] propensity = "plugin:habit"."""
    return {"habit": nba.ModelFactory(build=Habit)}
