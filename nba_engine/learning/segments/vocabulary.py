"""What people call customers by their behavior: a word for much of it, and one for little."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Kind", "kind_of", "tokens_of"]


class Kind(NamedTuple):
    """A kind of behavior. ``much``, ``little``: (adjective, who they are); "" where there is no word.

    ``trait``: its words say how customers are rather than what they do, and stand before another's.
    """

    name: str
    much: tuple[str, str]
    little: tuple[str, str]
    trait: bool = False


_RECENCY = Kind("recency", ("lapsed", "lapsed_customers"), ("active", "active_customers"), True)
_TENURE = Kind("tenure", ("longtime", "longtime_customers"), ("new", "newcomers"), True)
_TIMES = ("morning", "lunch", "evening", "night", "weekend", "weekday")
_PLACES = ("online", "web", "app", "mobile", "store", "phone")

# the first whose words a name has
_KINDS: tuple[tuple[Kind, frozenset[str]], ...] = (
    (
        Kind("returns", ("returning", "returners"), ("", "")),
        frozenset({"return", "returned", "refund"}),
    ),
    (
        Kind(
            "discounts",
            ("bargain_hunting", "bargain_hunters"),
            ("full_price", "full_price_buyers"),
        ),
        frozenset({"discount", "coupon", "voucher", "promo", "promotion", "markdown", "bargain"}),
    ),
    (
        Kind("price", ("premium", "premium_buyers"), ("thrifty", "thrifty_buyers")),
        frozenset({"price"}),
    ),
    (
        Kind(
            "basket", ("big_basket", "big_basket_buyers"), ("small_basket", "small_basket_buyers")
        ),
        frozenset({"basket", "cart", "aov"}),
    ),
    *((Kind(word, (word, f"{word}_shoppers"), ("", "")), frozenset({word})) for word in _TIMES),
    *((Kind(word, (word, f"{word}_customers"), ("", "")), frozenset({word})) for word in _PLACES),
    (
        Kind("money", ("high_spending", "big_spenders"), ("low_spending", "small_spenders")),
        frozenset(
            {
                "spend",
                "spent",
                "spending",
                "monetary",
                "revenue",
                "turnover",
                "sales",
                "amount",
                "paid",
                "value",
                "worth",
            }
        ),
    ),
    (
        Kind("frequency", ("frequent", "regulars"), ("occasional", "occasional_customers")),
        frozenset({"frequency", "visit", "purchase", "order", "trip", "session", "bought"}),
    ),
    (
        Kind("variety", ("versatile", "all_rounders"), ("specialized", "specialists")),
        frozenset({"variety", "breadth", "diversity", "assortment"}),
    ),
    (
        Kind("age", ("older", "older_customers"), ("younger", "younger_customers"), True),
        frozenset({"age"}),
    ),
    (_TENURE, frozenset({"tenure", "membership"})),
)
_ASIDE = frozenset(
    {
        "recency",
        "last",
        "latest",
        "since",
        "days",
        "day",
        "weeks",
        "week",
        "time",
        "ago",
        "of",
        "the",
        "at",
        "date",
        "lately",
    }
)
_TOUCH = frozenset(
    {
        "visit",
        "purchase",
        "order",
        "seen",
        "active",
        "activity",
        "login",
        "session",
        "contact",
        "bought",
    }
)
_BEGIN = frozenset(
    {
        "signup",
        "registration",
        "registered",
        "joined",
        "join",
        "created",
        "first",
        "member",
        "customer",
    }
)


def tokens_of(name: str) -> list[str]:
    """The words of a column's name, in the singular: ``lastVisits`` is ``last``, ``visit``."""
    apart = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name).lower()
    return [_singular(word) for word in re.split(r"[\W_]+", apart) if word]


def kind_of(name: str, *, since: bool = False) -> Kind | None:
    """The kind of behavior that a name tells; None: no word is known for it.

    ``since``: it counts the days since something, which a name that begins with ``last`` or holds
    ``since`` or ``recency`` says, too.
    """
    words = tokens_of(name)
    if since or {"recency", "since"} & set(words) or words[:1] == ["last"]:
        what = [word for word in words if word not in _ASIDE]
        if set(what) & _BEGIN:
            return _TENURE
        return _RECENCY if set(what) <= _TOUCH else None
    return next((kind for kind, known in _KINDS if known & set(words)), None)


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us")) else word
