from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from nba_engine.domain import Feature, Manifest
from nba_engine.errors import MistakesFound
from nba_engine.models import load_manifest, write_manifest

HEAD = 'name = "m"\nversion = "1"\nsignature = "row"\n'
AGE = '[[features]]\nname = "age"\nsource = "customer.age"\n'
MANIFEST = Manifest(
    name="m",
    version="1",
    signature="row",
    features=(Feature(name="age", source="customer.age"),),
)


def found(folder: Path, text: str) -> dict[str, str]:
    """Place → message of every mistake."""
    (folder / "manifest.toml").write_text(text)
    with pytest.raises(MistakesFound) as caught:
        load_manifest(folder)
    assert all(m.file == str(folder / "manifest.toml") for m in caught.value.mistakes)
    return {mistake.place: mistake.message for mistake in caught.value.mistakes}


def test_the_smallest_manifest_loads(tmp_path: Path) -> None:
    (tmp_path / "manifest.toml").write_text(HEAD + AGE)
    assert load_manifest(tmp_path) == MANIFEST


def test_what_a_model_was_trained_on_is_kept(tmp_path: Path) -> None:
    told = msgspec.structs.replace(MANIFEST, trained_on={"milk": 41_310, "rye.bread": 7})
    write_manifest(tmp_path, told)
    assert load_manifest(tmp_path) == told


def test_every_mistake_is_found_in_one_run(tmp_path: Path) -> None:
    text = f"""
    version = 3
    signature = "tall"
    colour = "red"
    {AGE}
    weight = 2
    [[features]]
    source = "customer.age"
    transform = "sqrt"
    [[features]]
    name = "b"
    source = "customers.age"
    """
    assert found(tmp_path, text) == {
        "name": "is missing",
        "version": "Expected `str`, got `int`",
        "signature": "Invalid enum value 'tall'",
        "colour": "unknown key",
        "features[0].weight": "unknown key",
        "features[1].name": "is missing",
        "features[1].transform": "Invalid enum value 'sqrt'",
        "features[2].source": "'customers.age' names no source",
    }


def test_no_file_no_toml_no_text_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(MistakesFound, match="cannot be read: No such file"):
        load_manifest(tmp_path)
    assert "not valid TOML" in found(tmp_path, "name = ")[""]
    (tmp_path / "manifest.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(MistakesFound, match="not UTF-8"):
        load_manifest(tmp_path)


@pytest.mark.parametrize(
    ("features", "place", "says"),
    [
        ("", "features", "declares no features"),
        ("features = 3", "features", "declares no features"),
        ("features = [3]", "features[0]", "is not a table"),
        (AGE + AGE, "features", "two features are called 'age'"),
        (AGE + 'key = "price"', "features[0].key", "names no key"),
        (
            '[[features]]\nname = "a"\nsource = "action.a"\nkey = "action.b"',
            "features[0].key",
            "only a map of the customer",
        ),
        (AGE + 'transform = "table"', "features[0].transform", "needs `table` and `key`"),
        (AGE + 'table = "t"', "features[0].table", "transform = 'table' only"),
        (AGE + 'transform = "equals"', "features[0].value", "goes with transform"),
        (AGE + 'value = "a"', "features[0].value", "goes with transform"),
        (AGE + 'transform = "element"', "features[0].value", "goes with transform"),
        (
            AGE + 'transform = "element"\nvalue = 3',
            "features[0].value",
            "must be the word of the map's element",
        ),
        (
            '[[features]]\nname = "a"\nsource = "action.a"\ntransform = "element"\nvalue = "b"',
            "features[0].transform",
            "element needs a map",
        ),
        (AGE + "default = nan", "features[0].default", "must be finite"),
        (AGE + "minimum = 2.0\nmaximum = 1.0", "features[0].minimum", "is above maximum"),
        (
            '[[features]]\nname = "a"\nsource = "action.a"\ntransform = "days_since"',
            "features[0].transform",
            "needs a time of the customer",
        ),
        ('[[features]]\nname = ""\nsource = "now"', "features[0].name", "is empty"),
    ],
)
def test_a_wrong_feature_is_named_with_its_place(
    tmp_path: Path, features: str, place: str, says: str
) -> None:
    assert says in found(tmp_path, HEAD + features)[place]


@pytest.mark.parametrize(
    ("lines", "place", "says"),
    [
        ('file = "../model.onnx"', "file", "not a plain file name"),
        ('linear = "/etc/weights.npz"', "linear", "not a plain file name"),
        ("tolerance = 0.0", "tolerance", "above 0"),
        ("tolerance = nan", "tolerance", "above 0"),
        ('input = ""', "input", "is empty"),
        ('outputs = ["a"]', "outputs", "belongs to the wide signature"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, lines: str, place: str, says: str) -> None:
    assert says in found(tmp_path, HEAD + lines + "\n" + AGE)[place]


def test_a_wide_manifest_needs_outputs_and_features_of_the_customer(tmp_path: Path) -> None:
    head = HEAD.replace("row", "wide")
    assert "is missing" in found(tmp_path, head + AGE)["outputs"]
    assert "twice" in found(tmp_path, head + 'outputs = ["a", "a"]\n' + AGE)["outputs"]
    linear = head + 'outputs = ["a"]\nlinear = "linear.npz"\n' + AGE
    assert "row signature" in found(tmp_path, linear)["linear"]
    price = '[[features]]\nname = "p"\nsource = "action.price"\n'
    wrong = found(tmp_path, head + 'outputs = ["a"]\n' + AGE + price)
    assert "depends on the action" in wrong["features[1]"]


def test_a_manifest_that_would_not_load_is_not_written(tmp_path: Path) -> None:
    wrong = msgspec.structs.replace(
        MANIFEST, tolerance=-1.0, features=(Feature(name="a", source="nowhere"),)
    )
    with pytest.raises(MistakesFound) as caught:
        write_manifest(tmp_path, wrong)
    assert {m.place for m in caught.value.mistakes} == {"tolerance", "features[0].source"}
    assert list(tmp_path.iterdir()) == []
