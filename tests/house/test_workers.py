"""Tests that share what is expensive to build stay on one worker of `make unit`."""

from __future__ import annotations

import pytest


@pytest.mark.xdist_group("house")
def test_a_group_is_more_than_a_mark(request: pytest.FixtureRequest) -> None:
    grouping = bool(getattr(request.config.option, "loadgroup", False))  # set in workers alone
    # what the scheduler reads; a pytest that keeps ids elsewhere makes it ignore every group
    assert request.node.nodeid.endswith("@house") is grouping
