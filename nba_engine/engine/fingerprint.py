"""What a request id stands for: a digest of everything that can change the decision."""

from __future__ import annotations

import hashlib

import msgspec

from nba_engine.domain import DecisionRequest

__all__ = ["fingerprint_of"]

_encode = msgspec.msgpack.Encoder(order="deterministic").encode


def fingerprint_of(request: DecisionRequest) -> bytes:
    """16 bytes, the same after a restart and in every process.

    Identity, placements, context, time and seed; not how the answer is to be shown (the funnel).
    ``request`` is in its normal form: 7 is 7.0 where a double is declared.
    """
    body = (request.identity, request.placements, request.context, request.time, request.seed)
    return hashlib.blake2b(_encode(body), digest_size=16).digest()
