"""What every store must do with catalogs: keep them, and put them in force one after the other."""

from __future__ import annotations

import threading

import msgspec
import pytest

from nba_engine.domain import CatalogFiles, Publication, Store
from nba_engine.errors import FailedPrecondition
from nba_engine.testing.customers_suite import NOW, MakeStore

__all__ = ["CatalogsSuite"]

FILES = {"shop.toml": "[catalog]\n# Grüße\n", "tables/wine.csv": "a,b\n1,2\n"}


def publish(
    store: Store, version: str, *, follows: str = "", **parts: object
) -> tuple[Publication, bool]:
    """Publish the same files under any version, at any time."""
    wanted = msgspec.structs.replace(
        Publication(version=version, time=NOW, switch_time=NOW + 1), **parts
    )
    catalog = CatalogFiles(version=version, files={**FILES, "name.toml": version})
    return store.publish_catalog(catalog, wanted, follows=follows)


class CatalogsSuite:
    """Versions, publications, and the restart after them."""

    def test_a_catalog_comes_back_as_it_was_stored(self, make_store: MakeStore) -> None:
        store = make_store()
        assert store.catalog_files("a1") is None
        store.keep_catalog(CatalogFiles(version="a1", files=FILES))
        store.keep_catalog(CatalogFiles(version="a1", files=FILES))
        assert store.catalog_files("a1") == FILES
        assert list(store.publications()) == []

    def test_publications_are_counted_and_told_in_order(self, make_store: MakeStore) -> None:
        store = make_store()
        first, new = publish(store, "a1", models={"propensity": "m1"}, author="ada", comment="go")
        assert new
        assert first == Publication(
            sequence=1,
            version="a1",
            models={"propensity": "m1"},
            author="ada",
            comment="go",
            time=NOW,
            switch_time=NOW + 1,
        )
        second, _ = publish(store, "b2", origin="files")
        third, _ = publish(store, "a1", origin="rollback")
        assert [first, second, third] == list(store.publications())
        assert list(store.publications(after=2)) == [third]
        assert store.catalog_files("b2") == {**FILES, "name.toml": "b2"}

    def test_what_was_published_last_is_not_published_again(self, make_store: MakeStore) -> None:
        store = make_store()
        first, _ = publish(store, "a1")
        again = publish(store, "a1", time=NOW + 9, switch_time=NOW + 10, follows="something else")
        assert again == (first, False)
        assert list(store.publications()) == [first]

    def test_other_models_are_another_publication(self, make_store: MakeStore) -> None:
        store = make_store()
        publish(store, "a1", models={"propensity": "m1"})
        _, new = publish(store, "a1", models={"propensity": "m2"})
        assert new
        assert [one.models["propensity"] for one in store.publications()] == ["m1", "m2"]

    def test_a_publication_that_expects_another_one_before_it_changes_nothing(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        publish(store, "a1")
        with pytest.raises(FailedPrecondition) as refused:
            publish(store, "b2", follows="c3")
        assert refused.value.reason == "CATALOG_VERSION_MISMATCH"
        assert refused.value.metadata == {"catalog_version": "a1", "expected_version": "c3"}
        assert [one.version for one in store.publications()] == ["a1"]
        assert store.catalog_files("b2") is None
        assert publish(store, "b2", follows="a1")[1]

    def test_switch_times_never_go_back(self, make_store: MakeStore) -> None:
        store = make_store()
        publish(store, "a1", switch_time=NOW + 60)
        second, _ = publish(store, "b2", switch_time=NOW + 2)
        assert second.switch_time == NOW + 60

    def test_the_folder_is_remembered_until_it_is_looked_at_again(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        publish(store, "a1", folder="a1")
        publish(store, "b2", origin="files")
        assert store.publications()[-1].folder == "a1"
        same, new = publish(store, "b2", folder="b2")
        assert (same.origin, same.folder, new) == ("files", "b2", False)
        assert store.publications()[-1].folder == "b2"

    def test_publications_survive_a_restart(self, make_store: MakeStore) -> None:
        store = make_store()
        publish(store, "a1")
        publish(store, "b2", folder="f")
        before = list(store.publications())
        store.close()
        again = make_store()
        assert list(again.publications()) == before
        assert again.catalog_files("a1") == {**FILES, "name.toml": "a1"}

    def test_of_two_that_follow_the_same_one_is_refused(self, make_store: MakeStore) -> None:
        store = make_store()
        publish(store, "a0")
        ended: list[str] = []

        def contend(version: str) -> None:
            try:
                publish(store, version, follows="a0")
            except FailedPrecondition:
                ended.append("refused")
            else:
                ended.append("published")

        threads = [threading.Thread(target=contend, args=(f"c{n}",)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(ended) == ["published"] + ["refused"] * 7
        assert len(store.publications()) == 2
