"""Model cards: the values that they accept, the card in an error, and the network that a card belongs to."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from oodbench.errors import ModelError, UnknownNameError, UsageError
from oodbench.planning.request import Request
from oodbench.planning.resolve import ModelSource, model_sources
from oodbench.registry import Registry
from oodbench.segmenters.model_card import (
    EXAMPLE_CARD,
    ModelCard,
    example_sections,
    identify_settings,
    read_card,
)
from oodbench.segmenters.onnx import OnnxAdapter
from tests.helpers.exported_networks import write_card, write_pointwise

PYTHON_CARD = 'CARD = {"input": {"channels": "rgb", "divide_by": 255}, "classes": {"set": "cityscapes-19"}}'


def sources(*models: str, cards: tuple[Path, ...]) -> list[ModelSource]:
    return model_sources(Request(models=models, model_cards=tuple(map(str, cards))), Registry())


def test_the_error_about_a_missing_card_contains_one(tmp_path: Path) -> None:
    path = write_pointwise(tmp_path / "net.onnx")
    with pytest.raises(ModelError, match=r"net\.toml: no such model card") as error:
        OnnxAdapter().open(str(path), None, "cpu")
    _, _, card = str(error.value).partition("\n\n")
    path.with_suffix(".toml").write_text(card)
    assert OnnxAdapter().open(str(path), None, "cpu").name == "My network"
    assert "docs/" not in str(error.value)


def test_sections_of_the_example_are_parts_of_a_card() -> None:
    whole = tomllib.loads(EXAMPLE_CARD)
    assert ModelCard.model_validate(whole).classes.set == "cityscapes-19"
    assert tomllib.loads(example_sections("classes", "input")) == {key: whole[key] for key in ("input", "classes")}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("size = [0, 64]", "input.size.0 is 0"),
        ("size = [64, -1]", "input.size.1 is -1"),
        ("size = [64.5, 64]", "input.size.0 is 64.5"),
        ("std = [1, 1, 0]", "input.std.2 is 0"),
        ("std = [1, -1, 1]", "input.std.1 is -1"),
        ("std = [1, nan, 1]", "input.std.1 is nan"),
        ("mean = [0, inf, 0]", "input.mean.1 is inf"),
        ("mean = [0, 0]", "input.mean.2 is missing"),
        ("multiple_of = 0", "input.multiple_of is 0: expected 1 or more, one number for both sides"),
        ("multiple_of = [32, 64]", "input.multiple_of is [32, 64]: expected 1 or more, one number for both sides"),
        ("multiple_of = -32", "input.multiple_of is -32"),
        ('layout = "chw"', "input.layout is 'chw'"),
        ("multiple = 32", "input.multiple is unknown; did you mean multiple_of?"),
    ],
)
def test_unusable_values_are_errors_that_name_the_field(tmp_path: Path, line: str, said: str) -> None:
    card = write_card(tmp_path / "net.toml", inputs=line)
    with pytest.raises(ModelError) as error:
        read_card(card)
    assert said in str(error.value)


def test_an_unknown_class_set_is_an_error_that_names_the_card(tmp_path: Path) -> None:
    card = write_card(tmp_path / "net.toml")
    card.write_text(card.read_text().replace("cityscapes-19", "cityscape-19"))
    with pytest.raises(UnknownNameError) as error:
        read_card(card)
    assert f"{card}: classes.set: unknown class set 'cityscape-19'. Did you mean 'cityscapes-19'?" in str(error.value)


@pytest.mark.parametrize("stride", ["[0, 32]", "[128, 32]"])
def test_windows_with_gaps_are_an_error_in_the_terms_of_the_card(tmp_path: Path, stride: str) -> None:
    card = write_card(tmp_path / "net.toml")
    card.write_text(f"{card.read_text()}\n[windows]\nsize = [64, 64]\nstride = {stride}\n")
    with pytest.raises(ModelError, match=r"size = \[768, 768\] and stride = \[512, 512\]") as error:
        read_card(card)
    assert "windows=(" not in str(error.value)


def test_settings_for_digests_omit_fields_that_change_nothing(tmp_path: Path) -> None:
    plain = identify_settings(read_card(write_card(tmp_path / "net.toml")), ("name",))
    assert plain["input"].keys() == {"name", "size", "resize", "channels", "divide_by", "mean", "std"}
    assert plain["classes"].keys() == {"set", "order"}
    assert "windows" not in plain
    windows = "[windows]\nsize = [8, 8]\nstride = [8, 8]\n"
    changed = identify_settings(
        read_card(
            write_card(
                tmp_path / "net.toml",
                inputs='multiple_of = 32\nlayout = "nhwc"',
                classes="ignore = [19]",
                outputs='layout = "nhwc"',
                more=windows,
            )
        )
    )
    assert (changed["input"]["multiple_of"], changed["input"]["layout"], changed["outputs"]["layout"]) == (
        32,
        "nhwc",
        "nhwc",
    )
    assert changed["classes"]["ignore"] == [19]
    assert changed["windows"] == {"size": [8, 8], "stride": [8, 8]}


@pytest.mark.parametrize("value", ["nan", "-0.1", "1.5", "inf"])
def test_an_expected_quality_is_a_fraction(tmp_path: Path, value: str) -> None:
    card = write_card(tmp_path / "net.toml", more=f"[expected]\nmiou = {value}\n")
    with pytest.raises(ModelError, match=r"expected\.miou is"):
        read_card(card)


def test_fewer_cards_than_networks_belong_to_those_without_a_card(tmp_path: Path) -> None:
    with_card, without = tmp_path / "with.onnx", tmp_path / "without.onnx"
    write_card(tmp_path / "with.toml")
    (tmp_path / "mine.py").write_text(PYTHON_CARD)
    (tmp_path / "bare.py").write_text("")
    card, other = tmp_path / "card.toml", tmp_path / "other.toml"
    models = (str(with_card), str(without), "streets-softmax", f"{tmp_path / 'mine.py'}:build")
    assert [source.card for source in sources(*models, cards=(card,))] == [None, str(card), None, None]
    models = (f"{tmp_path / 'bare.py'}:build", *models)
    assert [source.card for source in sources(*models, cards=(other, card))] == [
        str(other),
        None,
        str(card),
        None,
        None,
    ]
    with pytest.raises(UsageError, match="1 --model-card for 5 --model; expected one per --model"):
        sources(*models, cards=(card,))
    with pytest.raises(UsageError, match="2 --model-card for 1 --model; expected one per --model"):
        sources(str(without), cards=(card, other))


def test_one_card_per_network_is_used_in_order(tmp_path: Path) -> None:
    write_card(tmp_path / "first.toml")
    models = (str(tmp_path / "first.onnx"), str(tmp_path / "second.onnx"))
    cards = (tmp_path / "a.toml", tmp_path / "b.toml")
    assert [source.card for source in sources(*models, cards=cards)] == list(map(str, cards))
