"""Contacts and responses as they happened: each contact with all that was known before it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba_engine.domain import AggregateSpec, Values
from nba_engine.domain.algebra import matches
from nba_engine.domain.values import BoolArray, FloatArray, IntArray
from nba_engine.learning.interactions import Interactions

__all__ = ["Contacts", "Events", "contacts_of", "events_of", "known_before", "read_fields"]

_TREATMENT = "treatment"


class Events(NamedTuple):
    """What one aggregate counts: one element per interaction and word, customers together, by time.

    ``customer``, ``word`` (counts ``words``), ``time`` in seconds and ``positive``, (n,).
    """

    customers: int
    words: tuple[str, ...]
    customer: IntArray
    word: IntArray
    time: FloatArray
    positive: BoolArray

    def before(self, moment: float) -> Events:
        """Those before a moment."""
        mask = self.time < moment
        return Events(
            self.customers,
            self.words,
            self.customer[mask],
            self.word[mask],
            self.time[mask],
            self.positive[mask],
        )


class Contacts(NamedTuple):
    """Contacts of one customer, of one word, at one moment; and what was known before them.

    ``number`` of contacts and how many were ``answered`` until the next one of that kind, (n,).
    Before, faded to this moment: contacts by word ``seen`` (n, words), responses by word ``heard``
    (n, words).
    """

    words: tuple[str, ...]
    customer: IntArray
    word: IntArray
    time: FloatArray
    number: FloatArray
    answered: FloatArray
    seen: FloatArray
    heard: FloatArray

    def where(self, mask: BoolArray) -> Contacts:
        """Some of them."""
        return Contacts(
            self.words,
            self.customer[mask],
            self.word[mask],
            self.time[mask],
            self.number[mask],
            self.answered[mask],
            self.seen[mask],
            self.heard[mask],
        )


def events_of(
    found: Interactions, spec: AggregateSpec, facts: Mapping[str, Values] | None = None
) -> Events:
    """What ``spec`` counts of these interactions, which must hold its types and properties.

    ``facts``: what a treatment has (tags, texts) that interactions of earlier times may lack.
    """
    wanted = {*spec.types, *spec.positive}
    kinds = np.array([name in wanted for name in found.types], dtype=np.bool_)
    positive = np.array([name in spec.positive for name in found.types], dtype=np.bool_)
    values = found.fields[spec.by]
    treatments = found.fields.get(_TREATMENT)
    where = [(name, found.fields[name]) for name in spec.where]
    rows: list[int] = []
    words: list[str] = []
    for row in np.flatnonzero(kinds[found.type]).tolist() if len(found.type) else ():
        value = values[row]
        if value is None and facts is not None and treatments is not None:
            value = facts.get(str(treatments[row]), {}).get(spec.by)
        if where and not matches(spec, {name: column[row] for name, column in where}):
            continue
        for word in dict.fromkeys(value if isinstance(value, list) else (value,)):
            if isinstance(word, str):
                rows.append(row)
                words.append(word)
    names, codes = np.unique(np.array(words, dtype=np.object_), return_inverse=True)
    at = np.array(rows, dtype=np.intp)
    return Events(
        len(found.customer_ids),
        tuple(names.tolist()),
        found.customer[at],
        codes.reshape(-1).astype(np.intp),
        found.time[at],
        positive[found.type[at]] if len(at) else np.zeros(0, dtype=np.bool_),
    )


def contacts_of(events: Events, half_life: float) -> Contacts:
    """Every contact, with what the online counters said right before it.

    A response counts for the last contact of its word before it, at most once per contact;
    responses without a contact count as known all the same, as they do online.
    """
    width = len(events.words)
    rows: list[tuple[int, int, float]] = []
    number: list[float] = []
    answered: list[float] = []
    before: list[NDArray[np.float32]] = []
    state = np.zeros((2, width))
    opened: dict[int, int] = {}  # word → its last row
    latest, who = -math.inf, -1
    columns = (events.customer, events.time, events.word, events.positive)
    order = np.lexsort((events.positive, events.time, events.customer))
    for customer, time, word, positive in zip(*(c[order].tolist() for c in columns), strict=True):
        if customer != who:
            state, opened, who = np.zeros((2, width)), {}, customer
        elif time > latest:
            state *= math.exp2((latest - time) / half_life)
        latest = time
        row = opened.get(word, -1)
        if positive:
            if row >= 0 and answered[row] < number[row]:
                answered[row] += 1.0
            state[1, word] += 1.0
            continue
        if row >= 0 and rows[row][2] == time:
            number[row] += 1.0
        else:
            opened[word] = len(rows)
            rows.append((customer, word, time))
            number.append(1.0)
            answered.append(0.0)
            before.append(state.astype(np.float32))
        state[0, word] += 1.0
    known = np.array(before, dtype=np.float64).reshape(len(rows), 2, width)
    return Contacts(
        events.words,
        np.array([one[0] for one in rows], dtype=np.intp),
        np.array([one[1] for one in rows], dtype=np.intp),
        np.array([one[2] for one in rows], dtype=np.float64),
        np.array(number, dtype=np.float64),
        np.array(answered, dtype=np.float64),
        known[:, 0],
        np.minimum(known[:, 1], known[:, 0]),
    )


def known_before(contacts: Contacts) -> tuple[FloatArray, FloatArray]:
    """Of each row's own word: contacts and responses before, faded."""
    at = np.arange(len(contacts.word))
    return contacts.seen[at, contacts.word], contacts.heard[at, contacts.word]


def read_fields(specs: Sequence[AggregateSpec]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The interaction types and properties that these aggregates count."""
    types: dict[str, Any] = {}
    fields: dict[str, Any] = {_TREATMENT: None}
    for spec in specs:
        types |= dict.fromkeys((*spec.types, *spec.positive))
        fields |= dict.fromkeys((spec.by, *spec.where))
    return tuple(types), tuple(fields)
