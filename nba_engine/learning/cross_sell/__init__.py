"""Which things go with which: the methods, how they are judged, and the table that serving reads."""

from nba_engine.learning.cross_sell.baskets import Baskets, baskets_of
from nba_engine.learning.cross_sell.choosing import Fit, Judged, fit_cross_sell
from nba_engine.learning.cross_sell.purchases import read_purchases, substitutes_of
from nba_engine.learning.cross_sell.weights import ease, log_lift, top_complements

__all__ = [
    "Baskets",
    "Fit",
    "Judged",
    "baskets_of",
    "ease",
    "fit_cross_sell",
    "log_lift",
    "read_purchases",
    "substitutes_of",
    "top_complements",
]
