"""Messages become plain values; what a server does not tell yet is empty."""

from __future__ import annotations

from nba_engine._gen.nba.v1 import catalog_pb2, catalog_service_pb2, decision_pb2
from nba_engine._gen.nba.v1.decision_service_pb2 import ExplainDecisionResponse
from nba_engine._gen.nba.v1.value_pb2 import Value
from nba_engine.client.catalogs import ControlGroup, read_action, read_catalog
from nba_engine.client.decisions import read_decision
from nba_engine.client.explanations import read_explanation


def test_what_an_action_is_valued_by_and_who_never_gets_it() -> None:
    action = read_action(
        catalog_pb2.Action(
            id="wine",
            objective=catalog_pb2.OBJECTIVE_UPLIFT,
            reorder=True,
            treatments=[catalog_pb2.Treatment(id="wine.app", control_groups=["held"])],
        )
    )
    assert (action.objective, action.reorder) == ("uplift", True)
    assert action.treatments[0].control_groups == ("held",)
    older = read_action(catalog_pb2.Action(id="wine"))
    assert (older.objective, older.reorder) == ("", False)


def test_the_control_groups_of_a_catalog() -> None:
    group = catalog_pb2.ControlGroup(id="held", name="Held back", share=0.1)
    answer = catalog_service_pb2.GetCatalogResponse(
        catalog=catalog_pb2.Catalog(control_groups=[group])
    )
    assert read_catalog(answer).control_groups == (
        ControlGroup(id="held", name="Held back", share=0.1),
    )


def test_which_model_decided_and_the_customers_control_groups() -> None:
    message = decision_pb2.Decision(decided_by="boosted", control_groups=["held", "*"])
    decision = read_decision(message)
    assert (decision.decided_by, decision.control_groups) == ("boosted", ("held", "*"))
    older = read_decision(decision_pb2.Decision())
    assert (older.decided_by, older.control_groups) == ("", ())


def test_what_the_customer_was_worth() -> None:
    page = ExplainDecisionResponse(customer_value={"p_alive": Value(double_value=0.75)})
    assert read_explanation([page]).customer_value == {"p_alive": 0.75}
