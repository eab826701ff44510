"""Win-back by night: what to write to those who slipped away, for the channel that writes.

    nba value slipped --since 1d --out who.csv
    nba serve -s nba.toml
    python examples/win_back.py who.csv --target 127.0.0.1:50051 --placement newsletter > out.jsonl

Everybody is decided for like anybody else: consent, eligibility, limits, budgets and control groups
hold, and who is better left alone is. A line comes out for each message to send; `message_id` stays the
same however often this runs in a day, as does the decision, so that a channel that knows it sends
nothing twice.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from nba_engine.client import Client, DecideRequest, Interaction, NbaClientError, Recommendation

BATCH = 256  # decisions of one call


def requests_of(file: Path, placement: str) -> Iterator[DecideRequest]:
    """One for each line that has an identity; the same all day."""
    day = datetime.now(UTC).date().isoformat()
    with file.open(newline="") as lines:
        for row in csv.DictReader(lines):
            if row["identity"]:
                name = f"win-back/{day}/{placement}/{row['identity']}"
                yield DecideRequest(
                    identity=row["identity"],
                    placements=[placement],
                    request_id=str(uuid5(NAMESPACE_URL, name)),
                )


def send(identity: str, one: Recommendation) -> Interaction:
    """Hand a message over; what happened, for the engine. Here the outbound channel reads lines."""
    print(
        json.dumps(
            {
                "message_id": one.recommendation_id,
                "to": identity,
                "treatment": one.treatment,
                "content": dict(one.content),
            }
        )
    )
    return Interaction(
        interaction_id=f"{one.recommendation_id}/delivery",
        identity=identity,
        type="delivery",
        recommendation_id=one.recommendation_id,
    )


def write_to_all(client: Client, requests: list[DecideRequest]) -> tuple[int, int]:
    """How many messages went out, and how many decisions failed."""
    sent = failed = 0
    for start in range(0, len(requests), BATCH):
        happened: list[Interaction] = []
        for result in client.batch_decide(requests[start : start + BATCH], timeout=60.0):
            if result.error is not None:
                print(f"{result.request.identity}: {result.error}", file=sys.stderr)
                failed += 1
                continue
            offers = [one for one in result.get().recommendations if one.content]
            happened += [send(result.request.identity, one) for one in offers]
        if happened:  # confirms what was reserved of limits and budgets
            client.record_interactions(happened, timeout=30.0)
            sent += len(happened)
    return sent, failed


def main() -> int:
    """Write to all of a file; 1 when the engine could not help with all of them."""
    parser = argparse.ArgumentParser(description="what to write to those who slipped away")
    parser.add_argument("file", type=Path, help="of nba value slipped --out")
    parser.add_argument("--target", default="127.0.0.1:50051")
    parser.add_argument("--placement", default="newsletter")
    given = parser.parse_args()
    requests = list(requests_of(given.file, given.placement))
    try:
        with Client(given.target) as client:
            sent, failed = write_to_all(client, requests)
    except NbaClientError as error:
        print(f"The engine cannot help: {error}", file=sys.stderr)
        return 1
    print(f"{len(requests)} slipped away, {sent} are written to", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
