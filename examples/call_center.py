"""A call center: who is calling, what to offer, why, and how it went.

    nba serve -s nba.toml
    python examples/call_center.py crm:42 --target 127.0.0.1:50051 --placement phone

What the desktop of an agent would do, with the sync client. The decision has a request id: if the
answer is lost on its way, the agent's click is repeated and gets the same answer, with one
reservation of the limits and not two. The customer's answer is recorded with its recommendation,
which confirms or releases what was reserved.
"""

from __future__ import annotations

import argparse
import sys
from uuid import uuid4

from nba_engine.client import (
    Client,
    Decision,
    FailedPrecondition,
    Interaction,
    NbaClientError,
    NotFound,
    Recommendation,
)


def look_up(client: Client, customer: str) -> None:
    """Show the agent who is calling."""
    try:
        profile = client.get_profile(customer)
    except NotFound:
        print(f"{customer} is new to us.")
        return
    print(f"{customer} is customer {profile.customer_id}:")
    for name, value in sorted({**profile.attributes, **profile.aggregates}.items()):
        print(f"  {name}: {value}")
    for consent in profile.consents:
        given = "agreed to" if consent.granted else "declined"
        print(f"  {given} {consent.purpose} by {consent.channel}")


def why(client: Client, decision: Decision, recommendation: Recommendation) -> str:
    """Why this one, in the words of the engine."""
    try:
        explanation = client.explain_decision(
            decision.decision_id, treatments=[recommendation.treatment], timeout=5.0
        )
    except FailedPrecondition as error:  # another catalog is in force by now
        return error.message
    for candidate in explanation.candidates:
        if candidate.placement == recommendation.placement:
            return candidate.text
    return " ".join(explanation.sentences)


def record(client: Client, customer: str, recommendation: Recommendation, answer: str) -> None:
    """Tell the engine what the customer said; durable when this returns."""
    said = Interaction(
        identity=customer, type=answer, recommendation_id=recommendation.recommendation_id
    )
    (result,) = client.record_interactions([said], timeout=10.0)
    held = result.reservation in ("confirmed", "released")  # not everything counts against a limit
    print(f"{answer}: {result.status}" + (f", reservation {result.reservation}" if held else ""))


def serve_call(client: Client, customer: str, placement: str, answer: str) -> None:
    """One call, from the first ring to the record."""
    look_up(client, customer)
    decision = client.decide(customer, [placement], request_id=str(uuid4()), timeout=5.0)
    offers = [one for one in decision.recommendations if one.content]
    if not offers:
        print("Nothing to offer today: just be kind.")
        return
    for number, offer in enumerate(offers, 1):
        text = " ".join(offer.content.values())
        print(f"{number}. {text} (worth {offer.score:.2f} {decision.currency_code})")
    print(f"Why: {why(client, decision, offers[0])}")
    record(client, customer, offers[0], answer)


def main() -> int:
    """One call; 1 when the engine could not help."""
    parser = argparse.ArgumentParser(description="an agent of a call center takes a call")
    parser.add_argument("customer", help="an identity, such as crm:42")
    parser.add_argument("--target", default="127.0.0.1:50051")
    parser.add_argument("--placement", default="phone")
    parser.add_argument("--answer", choices=["accept", "reject"], default="accept")
    given = parser.parse_args()
    try:
        with Client(given.target) as client:
            serve_call(client, given.customer, given.placement, given.answer)
    except NbaClientError as error:
        print(f"The engine cannot help: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
