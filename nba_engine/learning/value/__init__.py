"""What customers will buy, whether they still do, and what they spend. See docs/value.md."""

from nba_engine.learning.value.buyers import Buyers, Purchases, buyers_of, counted
from nba_engine.learning.value.choice import Choice, HeldOut, Model, Slipping, choose
from nba_engine.learning.value.dropout import BetaGeometric, ModifiedBetaGeometric
from nba_engine.learning.value.fit import SpendHeldOut, ValueFit, fit_value, read_purchases
from nba_engine.learning.value.rate import PurchaseRate, RecentRate
from nba_engine.learning.value.returns import Returns, settle_returns
from nba_engine.learning.value.spend import GammaGamma, spend_correlation

__all__ = [
    "BetaGeometric",
    "Buyers",
    "Choice",
    "GammaGamma",
    "HeldOut",
    "Model",
    "ModifiedBetaGeometric",
    "PurchaseRate",
    "Purchases",
    "RecentRate",
    "Returns",
    "Slipping",
    "SpendHeldOut",
    "ValueFit",
    "buyers_of",
    "choose",
    "counted",
    "fit_value",
    "read_purchases",
    "settle_returns",
    "spend_correlation",
]
