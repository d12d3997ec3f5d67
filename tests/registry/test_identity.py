"""An edit of a plugin, or of a module that it imports, changes the digests, and `verify` reports it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oodbench.contracts import Roots
from oodbench.errors import RunFolderError
from oodbench.planning.resolve import ModelSource
from oodbench.registry import Registry
from oodbench.runs.load import load
from oodbench.runs.run import Run
from oodbench.runs.verify import verify
from tests.helpers.fake_benchmarks import numbers, small_run
from tests.helpers.files import photograph, save
from tests.helpers.plugin_folder import edit, write_plugins


@pytest.fixture
def plugins(tmp_path: Path) -> dict[str, Path]:
    return write_plugins(tmp_path / "plugins")


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    (tmp_path / "tiny.seed").write_text("7")
    return tmp_path / "tiny.seed"


def find_mismatches(folder: Path) -> dict[str, str]:
    return {
        check.what: check.said for check in verify(load(folder, trust=True), recompute=0) if check.verdict == "wrong"
    }


def test_an_edited_module_changes_the_digest_of_a_method(
    network_file: Path, road_anomaly: Path, tmp_path: Path, plugins: dict[str, Path]
) -> None:
    def go(**options: Any) -> Run:
        given = {"methods": ["mine", "msp"], "plugins": [plugins["methods"]], **options}
        return small_run(network_file, road_anomaly, tmp_path / "run", **given)

    first = go()
    mine, msp = numbers(first)
    key = first.record.scorers[0].key
    assert find_mismatches(first.folder) == {}
    assert numbers(go()) == [mine, msp]
    edit(tmp_path / "plugins" / "helper.py", "amax", "amin")
    assert list(find_mismatches(first.folder)) == ["code of Mine"]
    with pytest.raises(RunFolderError, match=r"code of plugin methods: Mine [0-9a-f]{8} there, Mine [0-9a-f]{8} here"):
        go()
    again = go(if_exists="reuse")
    assert again.record.scorers[0].key != key
    assert numbers(again)[0] != mine
    assert numbers(again)[1] == msp
    assert find_mismatches(again.folder) == {}
    fresh = small_run(
        network_file, road_anomaly, tmp_path / "fresh", methods=["mine", "msp"], plugins=[plugins["methods"]]
    )
    assert numbers(fresh) == numbers(again)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [("adapter.py", "/ 255", "/ 32 - 3"), ("nets/tiny.py", "GAIN * torch", "GAIN + torch"), ("nets/gain.py", "3", "9")],
)
def test_an_edited_network_changes_the_digest(
    road_anomaly: Path, tmp_path: Path, plugins: dict[str, Path], seed: Path, name: str, old: str, new: str
) -> None:
    passes = tmp_path / "plugins" / "passes"

    def go(**options: Any) -> Run:
        return small_run(
            seed, road_anomaly, tmp_path / "run", methods=["energy"], plugins=[plugins["models"]], **options
        )

    first = go()
    before = numbers(first)
    assert passes.read_text().count("one") == 3
    assert find_mismatches(first.folder) == {}
    assert numbers(go()) == before
    assert passes.read_text().count("one") == 3
    edit(tmp_path / "plugins" / name, old, new)
    (found,) = find_mismatches(first.folder).items()
    assert found[0] == "network tiny"
    assert found[1].startswith("weights, card and code have the digest")
    with pytest.raises(RunFolderError, match="networks: tiny"):
        go()
    after = numbers(go(if_exists="reuse"))
    assert passes.read_text().count("one") == 6
    assert after[0][-1] != before[0][-1]
    assert find_mismatches(first.folder) == {}


def test_an_edited_label_rule_changes_the_digest_of_a_benchmark(
    network_file: Path, tmp_path: Path, plugins: dict[str, Path]
) -> None:
    for index in range(2):
        save(tmp_path / "data" / "images" / f"{index}.png", photograph(index))
        mask = np.zeros((48, 96), np.uint8)
        mask[4:20, 10:40], mask[30:40, 50:80] = 1, 2
        save(tmp_path / "data" / "masks" / f"{index}.png", mask)

    def go(out: str) -> Run:
        given = {"benchmarks": ["cargo"], "plugins": [plugins["benchmarks"]], "methods": ["msp"]}
        return small_run(network_file, tmp_path / "data", tmp_path / out, **given)

    first = go("first")
    anomalous = first.results[0].counts["anomaly_pixels"]
    assert find_mismatches(first.folder) == {}
    assert numbers(go("again")) == numbers(first)
    edit(tmp_path / "plugins" / "label_rule.py", "2: VOID", "2: ANOMALY")
    (found,) = find_mismatches(first.folder).items()
    assert found[0] == "frames of cargo"
    assert found[1].startswith("2 of 2 differ from the run, in image, labels or the plugin's code")
    edited = go("edited")
    assert edited.results[0].counts["anomaly_pixels"] == anomalous + 2 * 10 * 30
    assert edited.results[0].metrics != first.results[0].metrics
    assert edited.record.digest != first.record.digest


def test_an_edited_image_reader_changes_the_digest(
    network_file: Path, tmp_path: Path, plugins: dict[str, Path]
) -> None:
    """The image file is unchanged, but the plugin reads other pixels from it."""
    for index in range(2):
        save(tmp_path / "data" / "images" / f"{index}.png", photograph(index))
        save(tmp_path / "data" / "masks" / f"{index}.png", np.indices((48, 96))[0].astype(np.uint8) // 24)
    old = "file_frame(name, name, image, mask, RULE)"
    new = f"darken({old})"
    edit(plugins["benchmarks"], old, new)
    plugins["benchmarks"].write_text(
        plugins["benchmarks"].read_text()
        + "\n\ndef darken(frame):\n    from dataclasses import replace\n"
        + "    return replace(frame, read_image=lambda: frame.read_image() // 2)\n"
    )

    def keys() -> list[str]:
        given = {"benchmarks": ["cargo"], "plugins": [plugins["benchmarks"]], "methods": ["msp"]}
        run = small_run(network_file, tmp_path / "data", tmp_path / "run", if_exists="reuse", **given)
        return [frame.key for frame in run.record.benchmarks[0].frames] + [run.results[0].digests["scores"]]

    first = keys()
    assert keys() == first
    edit(plugins["benchmarks"], "// 2", "// 3")
    assert not set(keys()) & set(first)


def test_the_plugins_of_this_package_have_no_code_digest() -> None:
    registry = Registry()
    assert {registry.source_digest("methods", name) for name in registry.names("methods")} == {None}
    frames = registry.benchmark("streets-anomaly").open(Roots()).frames
    assert {frame.reader_digest for frame in frames} == {""}


def test_the_digest_depends_on_the_texts_of_the_files(tmp_path: Path) -> None:
    """The digest covers every module, but neither the folder nor the order of imports."""
    texts = {}
    for folder in ("here", "there"):
        file = write_plugins(tmp_path / folder)["models"]
        texts[folder] = Registry([file]).source_digest("models", "seeded")
    assert texts["here"] == texts["there"]
    (tmp_path / "there" / "helper.py").write_text("# of the method, not of the adapter\n")
    assert Registry([tmp_path / "there" / "adapter.py"]).source_digest("models", "seeded") == texts["here"]
    (tmp_path / "there" / "nets" / "__init__.py").write_text("# a package's own file\n")
    assert Registry([tmp_path / "there" / "adapter.py"]).source_digest("models", "seeded") != texts["here"]


def test_a_loaded_run_finds_its_plugins(
    road_anomaly: Path, tmp_path: Path, plugins: dict[str, Path], seed: Path
) -> None:
    run = small_run(
        seed,
        road_anomaly,
        tmp_path / "run",
        methods=["mine"],
        plugins=[plugins["methods"], plugins["models"]],
    )
    scorer = load(run.folder).record.scorers[0]
    assert scorer.source_digest == Registry([plugins["methods"]]).source_digest("methods", "mine")


def test_a_renamed_copy_of_the_plugins_of_a_run_has_their_digests(
    road_anomaly: Path, tmp_path: Path, plugins: dict[str, Path], seed: Path
) -> None:
    given = [plugins["methods"], plugins["models"]]
    folder = small_run(seed, road_anomaly, tmp_path / "run", methods=["mine"], plugins=given).folder
    copies = write_plugins(tmp_path / "copies")
    renamed = [copies[kind].rename(copies[kind].with_name(f"my_{kind}.py")) for kind in ("methods", "models")]

    def find_verdicts() -> set[str]:
        checks = verify(load(folder, plugins=renamed, trust=True), recompute=0)
        return {check.verdict for check in checks if check.what in ("code of Mine", "network tiny", "method Mine")}

    assert find_verdicts() == {"right"}
    plugins["methods"].unlink()
    assert find_verdicts() == {"right"}
    edit(renamed[0], "band.logits", "2 * band.logits")
    assert find_verdicts() == {"right", "wrong"}


def test_an_edited_head_changes_the_digest(tmp_path: Path, plugins: dict[str, Path], seed: Path) -> None:
    """A network with the head of another plugin also depends on the code of that plugin."""
    head = tmp_path / "heads" / "flat.py"
    head.parent.mkdir()
    head.write_text(
        """
from oodbench.contracts import Head, HeadCard

PLUGINS = {"heads": {"flat": ("Flat", "for a test")}}


class Flat(Head):
    card = HeadCard(name="flat", title="Flat", paper="none", url="none")

    def extras(self):
        return ()

    def loss(self, output, labels):
        return {}

    def build(self, channels, classes):
        return None
"""
    )
    edit(plugins["models"], "return Network", 'self.find_head("flat", {})\n        return Network')

    def digest() -> str:
        return ModelSource(str(seed)).open(Registry([plugins["models"], head]), "cpu").digest

    first = digest()
    assert digest() == first
    edit(head, "return None", "return 1")
    assert digest() != first
