from __future__ import annotations

import pytest

from nba_engine.errors import MistakesFound
from nba_engine.testing import make_engine


def test_a_plan_is_followed_before_prices_are_charged_or_not_at_all() -> None:
    late = ("profile", "value", "arbitration", "contact_plan", "slate")
    with pytest.raises(MistakesFound) as found:
        make_engine(pipeline=late)

    (mistake,) = found.value.mistakes
    assert mistake.message == "the stage contact_plan comes after arbitration"

    make_engine(pipeline=("profile", "value", "contact_plan", "arbitration", "slate"))
