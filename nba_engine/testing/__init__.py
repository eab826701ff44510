"""What tests of plugins stand on: fakes, and one contract suite per protocol to inherit.

Install the extra ``testing``. A suite is a class whose fixtures your test class gives::

    class TestWeather(StageSuite):
        @pytest.fixture
        def factory(self) -> StageFactory[WeatherSettings]:
            return nba_weather.WEATHER

`nba_engine.testing.conformance` runs the same suites on installed plugins (`nba plugin check`).
"""

from nba_engine.testing.assertions import REWRITTEN
from nba_engine.testing.batch_suite import BatchEngineSuite
from nba_engine.testing.channel_suite import ChannelSuite
from nba_engine.testing.command_suite import CommandSuite
from nba_engine.testing.deciding import (
    FakeReads,
    FakeResources,
    FixedScorer,
    FixedTable,
    Outcome,
    PlainChannel,
    dropped,
    make_deciding,
    outcome,
    surviving,
)
from nba_engine.testing.engines import STAGES, make_engine
from nba_engine.testing.fake_store import FakeStore, FakeStores
from nba_engine.testing.function_suite import RuleFunctionSuite
from nba_engine.testing.memory import FixedClock, MemoryLog
from nba_engine.testing.model_suite import ModelSuite
from nba_engine.testing.profile_source_suite import ProfileSourceSuite
from nba_engine.testing.runtime_suite import ModelRuntimeSuite
from nba_engine.testing.samples import (
    make_customer,
    sample_context,
    sample_customers,
    sample_interactions,
)
from nba_engine.testing.sink_suite import SinkSuite, sample_records
from nba_engine.testing.source_suite import SourceSuite
from nba_engine.testing.stage_suite import StageSuite
from nba_engine.testing.store_suite import StoreSuite
from nba_engine.testing.world import NOW, make_catalog, shop

__all__ = [
    "NOW",
    "REWRITTEN",
    "STAGES",
    "BatchEngineSuite",
    "ChannelSuite",
    "CommandSuite",
    "FakeReads",
    "FakeResources",
    "FakeStore",
    "FakeStores",
    "FixedClock",
    "FixedScorer",
    "FixedTable",
    "MemoryLog",
    "ModelRuntimeSuite",
    "ModelSuite",
    "Outcome",
    "PlainChannel",
    "ProfileSourceSuite",
    "RuleFunctionSuite",
    "SinkSuite",
    "SourceSuite",
    "StageSuite",
    "StoreSuite",
    "dropped",
    "make_catalog",
    "make_customer",
    "make_deciding",
    "make_engine",
    "outcome",
    "sample_context",
    "sample_customers",
    "sample_interactions",
    "sample_records",
    "shop",
    "surviving",
]
