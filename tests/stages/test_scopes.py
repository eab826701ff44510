from __future__ import annotations

import itertools
from typing import Any

import pytest

from nba_engine.stages.limits.accounts import Accounts
from tests.stages.making import NOW, catalog

WORDS = ("customer", "action", "group", "campaign", "channel")
SCOPES = [scope for size in range(6) for scope in itertools.combinations(WORDS, size)]
ACTIONS = """
[actions.milk]
group = "food"
campaign = "autumn"
[actions.bread]
group = "food"
campaign = "winter"
[actions.soap]
group = "care"
campaign = "autumn"
"""
TREATMENTS = """
[actions.{action}.treatments]
app = {{ channel = "app", content = {{ title = "x" }} }}
email = {{ channel = "email", content = {{ subject = "x" }} }}
"""


@pytest.mark.parametrize("scope", SCOPES, ids=lambda scope: "+".join(scope) or "everybody")
def test_two_contacts_share_an_account_when_all_of_the_scope_is_the_same(
    scope: tuple[str, ...],
) -> None:
    treatments = "".join(TREATMENTS.format(action=name) for name in ("milk", "bread", "soap"))
    limit = f'limits.x = {{ scope = {list(scope)}, measure = "contacts", amount = 1, window = "day" }}\n'
    shop = catalog(limit + ACTIONS + treatments)
    cells = Accounts(shop).limits[0]
    contacts: list[tuple[dict[str, Any], str]] = []
    for index, treatment in enumerate(shop.treatments):
        action = shop.actions[int(shop.action_of[index])]
        if action.kind == "nothing":
            assert cells.cell[index] == 0
            continue
        for customer in ("a|b", "a", "c"):
            values = {
                "customer": customer,
                "action": action.id,
                "group": action.group,
                "campaign": action.campaign,
                "channel": treatment.channel,
            }
            contacts.append((values, cells.account(int(cells.cell[index]), customer, NOW)))
    assert len(contacts) == 18
    for (one, account), (other, its) in itertools.product(contacts, contacts):
        assert (account == its) == all(one[word] == other[word] for word in scope)
