"""Everything that is held about a customer, an entry at a time: for whoever asks what it is.

`nba export` and ExportProfile give the same entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from nba_engine.domain import (
    CatalogView,
    CustomerState,
    DecisionLog,
    DecisionRecord,
    Fetched,
    Identities,
    Interaction,
    Reservation,
    Store,
)
from nba_engine.domain.algebra import state_for, value_of
from nba_engine.engine.limits import usage_of_customer

__all__ = ["Exported", "export_customer"]

_PAGE = 1_000
_LATEST = 253_402_300_799.0  # the last second that has a date

_decode_state = msgspec.msgpack.Decoder(CustomerState).decode
_encode = msgspec.json.Encoder().encode


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """An entry: ``kind`` says what it is (docs/privacy.md lists them), ``content`` is plain values.

    Times have a name that ends in "time" or begins with "window", and are ISO 8601 in UTC.
    """

    kind: str
    content: Mapping[str, Any]

    def json(self) -> bytes:
        """The entry as one JSON object, with its ``kind``, in one line."""
        return _encode({"kind": self.kind, **self.content})


def export_customer(
    identities: Identities,
    state: CustomerState,
    catalog: CatalogView,
    store: Store,
    log: DecisionLog,
    *,
    now: float,
) -> Iterator[Exported]:
    """The customer, what sources said, then links, consents, interactions, reservations, limits, decisions.

    Each kind in the order of time. What happens while it is read may be in it or not.
    """
    identity = identities.identities[0]
    yield Exported(kind="customer", content=_customer(identities, state, catalog, now))
    for one in state.fetched:
        yield Exported(kind="fetched", content=_fetched(one, catalog))
    for link in identities.links:
        told = {**msgspec.to_builtins(link), "time": _time(link.time)}
        yield Exported(kind="link", content=told)
    for said in identities.consents:
        told = {**msgspec.to_builtins(said), "time": _time(said.time)}
        yield Exported(kind="consent", content=told)
    reservations: Iterable[Reservation] = ()
    after = 0
    while page := store.holdings(identity, after=after):
        reservations = reservations or page.reservations
        for interaction in page.interactions:
            yield Exported(kind="interaction", content=_interaction(interaction))
        after = page.more
        if not after:
            break
    for reservation in reservations:
        told = {**msgspec.to_builtins(reservation), "expire_time": _time(reservation.expires)}
        del told["expires"]
        yield Exported(kind="reservation", content=told)
    yield from _limits(catalog, store, state.customer_id, None if store.simulated else now)
    gone = {customer for link in identities.links for customer in link.merged}
    for record in log.decisions_of({identities.customer_id, *identities.identities, *gone}):
        yield Exported(kind="decision", content=_decision(record))


def _customer(
    identities: Identities, state: CustomerState, catalog: CatalogView, now: float
) -> dict[str, Any]:
    """Aggregates as rules see them, and the state behind them as it is stored."""
    attributes = {}
    for name, value in state.attributes.items():
        stamp = identities.stamps.get(name)
        attributes[name] = {
            "value": _value(name, value, catalog),
            "set_time": _time(stamp[0] if isinstance(stamp, list) else stamp),
        }
    aggregates = {}
    for name in sorted({*state.aggregates, *catalog.aggregates}):
        spec = catalog.aggregates.get(name)
        kept = state.aggregates.get(name)
        aggregates[name] = {
            "value": None
            if spec is None
            else value_of(
                spec,
                state_for(spec, state.aggregates),
                now,
                segment=state.attributes.get(spec.segment, ""),
            ),
            "state": kept,
        }
    return {
        "customer_id": state.customer_id,
        "version": state.version,
        "identities": identities.identities,
        "attributes": attributes,
        "aggregates": aggregates,
        "consents": {
            word: {"granted": one.granted, "time": _time(one.time), "source": one.source}
            for word, one in sorted(state.consents.items())
        },
    }


def _fetched(one: Fetched, catalog: CatalogView) -> dict[str, Any]:
    """What a profile source last said, as far as this process still has it."""
    attributes = {name: _value(name, value, catalog) for name, value in one.attributes.items()}
    return {"source": one.source, "fetch_time": _time(one.time), "attributes": attributes}


def _value(name: str, value: Any, catalog: CatalogView) -> Any:
    """An attribute's value; a time in words."""
    declared = catalog.attributes.get(name)
    return _time(value) if declared is not None and declared.type == "timestamp" else value


def _interaction(interaction: Interaction) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(interaction)
    told["time"] = _time(interaction.time)
    return told


def _limits(
    catalog: CatalogView, store: Store, customer_id: str, now: float | None
) -> Iterator[Exported]:
    """What was used of the limits that count per customer, account by account."""
    for position, limit in enumerate(catalog.limits):
        if "customer" not in limit.scope:
            continue
        after = ""
        while found := usage_of_customer(
            catalog, position, store, customer_id, now=now, after=after, most=_PAGE
        ):
            for one in found:
                told = msgspec.to_builtins(one.usage)
                told |= {
                    "measure": limit.measure,
                    "window_start": _time(one.start),
                    "window_end": _time(one.end),
                }
                yield Exported(kind="limit", content=told)
            after = found[-1].usage.account


def _decision(record: DecisionRecord) -> dict[str, Any]:
    """A decision as it is logged, with the profile it read in words; columns stay in base64."""
    told: dict[str, Any] = msgspec.to_builtins(record)
    told["time"] = _time(record.time)
    told["profile"] = msgspec.to_builtins(_decode_state(record.profile)) if record.profile else None
    return told


def _time(moment: Any) -> str | None:
    """ISO 8601, UTC; None: not known. What has no date stays a number, in words."""
    if not moment:
        return None
    if not isinstance(moment, int | float) or not 0 < moment < _LATEST:
        return str(moment)
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds")
