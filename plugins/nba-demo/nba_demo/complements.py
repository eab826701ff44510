"""Which categories go with which: EASE on baskets, cut down to the table that the engine serves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nba_demo.actions import Offer
from nba_demo.panel import Panel
from nba_engine.domain import FloatArray
from nba_engine.learning import ease, top_complements
from nba_engine.models import CsrTable

__all__ = ["complements", "matrix_of"]

PENALTY = 1000.0
TOP = 40


def complements(panel: Panel, offers: Sequence[Offer], until: float) -> CsrTable:
    """The strongest positive EASE weights from the baskets before ``until``, by category."""
    from scipy import sparse

    past = panel.span(-np.inf, until)
    basket, offer = panel.basket[past], panel.cell[past] % panel.offers
    shape = (int(basket.max(initial=0)) + 1, panel.offers)
    baskets = sparse.csr_matrix((np.ones(len(offer), np.float32), (basket, offer)), shape=shape)
    weights = ease(baskets, PENALTY)
    return top_complements(weights, [one.category for one in offers], m=TOP)


def matrix_of(table: CsrTable) -> FloatArray:
    """The table as (A, A): row item, column complement."""
    width = len(table.items)
    matrix = np.zeros((width, width))
    rows = np.repeat(np.arange(width), np.diff(table.indptr))
    matrix[rows, table.indices] = table.strength
    return matrix
