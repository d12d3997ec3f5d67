"""What the docs say is so: code runs, options exist, fields are the fields."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
from fnmatch import fnmatch
from pathlib import Path
from types import NoneType
from typing import Any, get_args

import numpy as np
import pytest
import typer.main
from pydantic import BaseModel

import oodbench
from oodbench.baseline import accept
from oodbench.baseline.records import BASELINE_SCHEMA
from oodbench.cli.exit_codes import ExitCode
from oodbench.cli.main import app
from oodbench.contracts import (
    METRICS,
    Breakdown,
    BreakdownGroup,
    BreakdownThreshold,
    ClassFalseAlarms,
    FailedBenchmark,
    Needs,
    Result,
    ResultsFile,
    default_tolerances,
)
from oodbench.contracts.breakdown import BREAKDOWN_SCHEMA
from oodbench.contracts.result import RESULT_SCHEMA, RESULTS_FILE_SCHEMA
from oodbench.metrics import PROTOCOLS
from oodbench.metrics.resampling.sketches import SKETCH_VERSION
from oodbench.planning.records import PLAN_SCHEMA
from oodbench.registry import Registry
from oodbench.segmenters.model_card import EXAMPLE_CARD, ModelCard, ModuleCard, read_card
from oodbench.segmenters.published_networks import published_networks
from oodbench.segmenters.torch_modules.segmenter import TorchSegmenter
from oodbench.storage.keys import Key, Kind
from oodbench.storage.local import LocalStore
from oodbench.workflows.submit import SUBMISSION_SCHEMA
from tests.helpers.docstrings import attributes
from tests.helpers.files import photograph, save
from tests.helpers.results import row, write_result

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
GUIDES = [page for page in PAGES if page.parent.name in ("getting-started", "how-to")]
PUBLIC_MODULES = {"oodbench"} | {
    f"oodbench.{name}" for name in ("contracts", "data", "errors", "metrics", "numerics", "testing", "types")
}


def code(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)


def deep_imports(program: str) -> list[str]:
    """Return what a program imports of the package that is not public."""
    found = []
    for node in ast.walk(ast.parse(program)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name not in PUBLIC_MODULES]
        elif isinstance(node, ast.ImportFrom) and node.module in PUBLIC_MODULES:
            module = importlib.import_module(node.module)
            public = getattr(module, "__all__", [name for name in vars(module) if not name.startswith("_")])
            found += [f"{node.module}.{alias.name}" for alias in node.names if alias.name not in public]
        elif isinstance(node, ast.ImportFrom):
            found.append(node.module or "")
    return [name for name in found if name.partition(".")[0] == "oodbench"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_pages_import_public_names_only(page: Path) -> None:
    assert [name for program in code(page) for name in deep_imports(program)] == []


def test_a_deep_import_is_found() -> None:
    program = (
        "import oodbench.runs.run\nfrom oodbench.stages import fit\nfrom oodbench.types import Frame\nimport numpy\n"
    )
    assert deep_imports(program) == ["oodbench.runs.run", "oodbench.stages"]
    program = "def late():\n    from oodbench import TorchSegmenter, runs\n    from oodbench.metrics import curves\n"
    assert deep_imports(program) == ["oodbench.runs", "oodbench.metrics.curves"]


def test_the_readme_s_five_lines_run(place: Path) -> None:
    (five_lines,) = code(ROOT / "README.md")
    assert len([line for line in five_lines.splitlines() if line]) == 5
    names: dict[str, Any] = {}
    exec(five_lines, names)  # noqa: S102  # our own page
    assert names["score_map"].shape == names["image"].shape[:2]
    assert names["score_map"].dtype == np.float32


def test_the_page_from_python_runs(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    for program in code(ROOT / "docs" / "getting-started" / "from-python.md"):
        exec(program, names)  # noqa: S102  # our own page
    printed = capsys.readouterr().out.splitlines()
    assert printed[:2] == ["(128, 256) float32", "True"]
    assert printed[3] == "250 (512, 1024, 3) (512, 1024)"
    assert len(names["run"].results) == 4
    assert [line.split()[1] for line in printed[-9:-5]] == ["1"] * 4
    assert [line.split()[0] for line in printed[-5:]] == [
        "average_precision",
        "fpr_at_tpr",
        "auroc",
        "best_f1",
        "component_f1",
    ]


def test_the_page_from_python_names_every_argument_and_function() -> None:
    page = (ROOT / "docs" / "getting-started" / "from-python.md").read_text()
    functions = [name for name in oodbench.__all__ if inspect.isfunction(getattr(oodbench, name))]
    assert len(functions) > 15
    assert [name for name in functions if not re.search(rf"\b{name}\b", page)] == []
    assert {*inspect.signature(oodbench.run).parameters} >= {*re.findall(r"^\| `(\w+)` \| ", page, re.MULTILINE)}


def test_the_python_of_scores_and_photographs_runs(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "scores" / "mine").mkdir(parents=True)
    for path in sorted((place / "downloads" / "RoadAnomaly_jpg" / "frames").glob("*.jpg")):
        np.save(place / "scores" / "mine" / f"{path.stem}.npy", np.zeros((48, 96), np.float32))
    save(place / "photographs" / "a.png", photograph(1))
    for page in ("getting-started/your-score-maps.md", "how-to/predict.md"):
        (program,) = code(ROOT / "docs" / page)
        exec(program, {})  # noqa: S102  # our own page
    said = capsys.readouterr().out
    assert "mine" in said
    assert "Threshold(score=" in said


def test_the_gate_s_python_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    accept(write_result(tmp_path / "runs" / "new", [row()]), "ci/anomaly-baseline.json")
    (program,) = code(ROOT / "docs" / "how-to" / "ci-gate.md")
    exec(program, {})  # noqa: S102  # our own page
    assert capsys.readouterr().out == "True () ()\n"


def test_the_metrics_page_s_python_runs(capsys: pytest.CaptureFixture[str]) -> None:
    for program in code(ROOT / "docs" / "reference" / "metrics.md"):
        exec(program, {})  # noqa: S102  # our own page
    printed = capsys.readouterr().out.splitlines()
    assert printed[:5] == [
        "AP 0.5000, AUROC 0.5000",
        "FPR95 0.6667, FPR50 0.3333",
        "best F1 0.6667",
        "two frames in one pool: 0.5000",
        "objects: 0.5455",
    ]
    assert len(printed) == 5 + 8
    assert printed[5].startswith("{'AP': '0.")


def test_the_table_of_columns_is_the_registry() -> None:
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    for spec in METRICS.values():
        better = "higher" if spec.higher_is_better else "lower"
        line = f"| `{spec.name}` | {spec.title} | {spec.group} | {better} | {spec.unit} | {spec.description} |"
        assert line in page
    assert page.count(" | closed-set | ") + page.count(" | anomaly | ") + page.count(" | cost | ") == len(METRICS)


# The pinned torch calls this exporter deprecated. The other one needs a package that oodbench does not depend on.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_models_page_s_python_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    programs = code(ROOT / "docs" / "reference" / "models.md")
    for program in programs:
        exec(program, {"__name__": "page"})  # noqa: S102  # our own page
    assert capsys.readouterr().out.splitlines() == [
        "[1, 19, 48, 96] [1, 8, 48, 96]",
        "[1, 19, 48, 96] [1, 8, 12, 24] linear",
        "[1, 19, 48, 96] [1, 8, 12, 24] not linear",
        "[128, 256]",
    ]
    (file,) = (text for text in programs if text.startswith("# mynet.py"))
    (tmp_path / "mynet.py").write_text(file)
    source = f"{tmp_path / 'mynet.py'}:build"
    network = Registry().adapter(source).open(source, None, "cpu")
    assert network.name == "My network"
    assert network.classifier() is not None
    card = EXAMPLE_CARD + 'features = { penultimate = "features" }\n'
    (tmp_path / "network.toml").write_text(card)
    exported = Registry().adapter("network.onnx").open("network.onnx", None, "cpu")
    batch = [exported.prepare(photograph(seed)) for seed in (1, 2)]
    output = exported.forward(batch, Needs(logits=True, features=("penultimate",)))
    assert output.class_maps is not None
    assert output.class_maps.values.shape == (2, 19, 12, 24)
    assert output.features["penultimate"].shape == (2, 8, 12, 24)


def test_every_option_of_a_torch_segmenter_is_described() -> None:
    page = (ROOT / "docs" / "reference" / "models.md").read_text()
    options = list(inspect.signature(TorchSegmenter).parameters)
    for option in options[1:]:
        assert re.search(rf"^\| [^|]*`{option}`[^|]* \|", page, re.MULTILINE), option


def test_the_example_card_is_a_card() -> None:
    card = read_card(ROOT / "docs" / "examples" / "erfnet-cityscapes.toml")
    assert card.outputs.features == {"penultimate": "features", "encoder": "encoder_features"}


@pytest.mark.parametrize("card", [ModelCard, ModuleCard])
def test_every_field_of_a_model_card_is_described(card: type[BaseModel]) -> None:
    page = (ROOT / "docs" / "reference" / "models.md").read_text()
    for section, field in card.model_fields.items():
        kind = next((part for part in get_args(field.annotation) if part is not NoneType), field.annotation)
        inner = getattr(kind, "model_fields", None)
        for name in inner or [None]:
            assert f"`{section}.{name}`" in page if name else f"`{section}`" in page


def test_the_table_of_published_networks_is_the_list() -> None:
    rows = []
    for network in published_networks():
        facts = network.facts()
        facts["page"] = f"[page]({facts['page']})"
        if network.weights:
            facts["weights"] = f"[file]({network.weights})"
        rows.append({"name": f"`{network.name}`", "network": network.title} | facts)
    lines = [
        f"| {' | '.join(rows[0])} |",
        "|" + "---|" * len(rows[0]),
        *(f"| {' | '.join(row.values())} |" for row in rows),
    ]
    assert "\n".join(lines) + "\n" in (ROOT / "docs" / "reference" / "models.md").read_text()


def test_every_field_of_results_is_described() -> None:
    page = (ROOT / "docs" / "reference" / "result-json.md").read_text()
    failed = next(line for line in page.splitlines() if line.startswith("| `failed` |"))
    for record in (ResultsFile, Result):
        for name, text in attributes(record).items():
            described = text[0].lower() + text[1:].removesuffix(".")
            assert described in failed if name == "failed" else f"| `{name}` | {described} |" in page
    assert all(f"`{name}`" in failed for name in FailedBenchmark.model_fields)


def test_the_examples_of_result_json_have_their_fields() -> None:
    page = (ROOT / "docs" / "reference" / "result-json.md").read_text()
    file, result = (json.loads(example) for example in re.findall(r"```json\n(.*?)```", page, re.DOTALL))
    assert file.keys() == ResultsFile.model_fields.keys()
    ResultsFile.model_validate(file)
    assert result.keys() == Result.model_fields.keys()
    Result.model_validate(result)


def test_every_field_of_a_breakdown_is_described() -> None:
    page = (ROOT / "docs" / "reference" / "result-json.md").read_text()
    section = page[page.index("## Breakdown") : page.index("## From Python")]
    for record in (Breakdown, BreakdownThreshold, BreakdownGroup, ClassFalseAlarms):
        for name in record.model_fields:
            assert f"`{name}`" in section, name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_of_the_pages_exist(page: Path) -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for line in re.findall(r"(?<![\w/-])oodbench ([a-z][^\n`]*)", page.read_text().replace("\\\n", " ")):
        verb, *rest = line.split()
        if verb in commands:
            command = commands[verb]
            if hasattr(command, "commands") and rest:
                assert rest[0] in command.commands, line
                command = command.commands[rest[0]]
            options = {option for parameter in command.params for option in parameter.opts}
            assert set(re.findall(r"(?<!\w)--[a-z][a-z-]*", line)) <= options, line


def test_every_part_of_the_data_verb_is_on_the_page_of_data_sets() -> None:
    page = (ROOT / "docs" / "reference" / "benchmarks.md").read_text()
    for part in typer.main.get_command(app).commands["data"].commands:  # type: ignore[attr-defined]
        assert f"oodbench data {part}" in page, part


def test_the_exit_codes_are_on_their_page() -> None:
    page = (ROOT / "docs" / "reference" / "errors.md").read_text()
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)] == list(ExitCode)


def test_the_default_tolerances_are_on_the_page_of_the_gate() -> None:
    said = " and ".join(f"{metric} {points} points" for metric, points in default_tolerances().items())
    assert said.replace(" points", "", 1) in (ROOT / "docs" / "how-to" / "ci-gate.md").read_text()


def test_everything_that_is_registered_is_on_its_page() -> None:
    registry = Registry()
    for page, kinds in {"methods": ["methods"], "benchmarks": ["benchmarks", "datasets"]}.items():
        text = (ROOT / "docs" / "reference" / f"{page}.md").read_text()
        for kind in kinds:
            for name in registry.names(kind):
                assert f"`{name}`" in text, name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_links_to_sections_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#]*)#([^)]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert anchor in anchors(page.parent / target if target else page), f"{target}#{anchor}"


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MkDocs make them."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_a_guide_begins_with_what_the_reader_achieves_and_a_command(page: Path) -> None:
    title, purpose, *rest = page.read_text().split("\n\n")
    assert re.fullmatch("# .*", title)
    assert purpose.endswith((".", ":"))
    assert any(re.match(r"```(sh|python|toml)\n", part) for part in rest[:2])


def test_the_card_of_the_page_on_networks_is_a_card(tmp_path: Path) -> None:
    (card,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/getting-started/your-network.md").read_text(), re.DOTALL)
    (tmp_path / "network.toml").write_text(card)
    assert read_card(tmp_path / "network.toml").outputs.features == {"penultimate": "features"}


def test_no_placeholder_is_left() -> None:
    for page in PAGES:
        assert "<!--" not in page.read_text(), page


def test_the_table_of_protocols_has_their_rules() -> None:
    page = (ROOT / "docs" / "reference" / "protocols.md").read_text()
    for rules in PROTOCOLS.values():
        cells = (
            f"`{rules.name}`",
            rules.pooling,
            rules.average_precision,
            rules.fpr,
            rules.precision,
            rules.thresholds,
            rules.void,
            rules.frames_without_anomaly,
            "yes" if rules.components else "no",
        )
        assert f"| {' | '.join(cells)} |" in page


def test_the_protocols_of_leaderboards_are_on_the_page() -> None:
    page = (ROOT / "docs" / "reference" / "protocols.md").read_text()
    rows = re.findall(r"^\| (`[^|]+) \| `([\w-]+)` \|$", page, re.MULTILINE)
    registry = Registry()
    for name in registry.names("benchmarks"):
        card = registry.benchmark(name).card
        matches = {
            protocol for names, protocol in rows for pattern in re.findall(r"`(\S+)`", names) if fnmatch(name, pattern)
        }
        assert matches == {card.leaderboard_protocol}, name


def test_each_method_has_a_section_with_its_paper_and_parameters() -> None:
    page = (ROOT / "docs" / "reference" / "methods.md").read_text()
    sections = dict(re.findall(r"^## (`.*)\n((?:(?!^## ).*\n)*)", page, re.MULTILINE))
    registry = Registry()
    for name in registry.names("methods"):
        (section,) = (text for title, text in sections.items() if f"`{name}`" in title)
        method = registry.method(name)
        assert method.card.url in section
        for parameter, default in method.params.model_dump(mode="json").items():
            value = json.dumps(default).strip('"')
            assert f"| `{parameter}` | `{value}` |" in section, parameter


def test_every_kind_of_artifact_is_on_the_page_of_the_run_folder() -> None:
    page = (ROOT / "docs" / "reference" / "run-folder.md").read_text()
    store = LocalStore("run")
    for kind in Kind:
        path = store.path(Key(kind, ("name",)))
        assert f"`{path.relative_to('run').parts[0]}" in page, kind


def test_the_page_of_versions_has_those_of_the_code() -> None:
    page = (ROOT / "docs" / "reference" / "versions.md").read_text()
    assert f"| `plan.json` | `schema_version` {PLAN_SCHEMA} |" in page
    assert f"| `result.json`, `results/*.json` | `schema_version` {RESULTS_FILE_SCHEMA} |" in page
    assert RESULT_SCHEMA == RESULTS_FILE_SCHEMA
    assert f"| `breakdowns/*.json` | `schema_version` {BREAKDOWN_SCHEMA} |" in page
    assert f"| `sketches/*.npz` | `version` {SKETCH_VERSION} |" in page
    assert f"| baseline files of `oodbench gate` | `schema_version` {BASELINE_SCHEMA} |" in page
    assert f"| `submission.json` of a submission | `schema_version` {SUBMISSION_SCHEMA} |" in page
    assert f"The current version is {oodbench.__version__} " in page
    assert all(f"`{name}`" in page for name in PUBLIC_MODULES)


def test_every_error_is_on_the_page_of_errors() -> None:
    page = (ROOT / "docs" / "reference" / "errors.md").read_text()
    for name, error in vars(oodbench.errors).items():
        if inspect.isclass(error) and issubclass(error, oodbench.errors.OodbenchError):
            assert f"`{name}`" in page or f".{name}`" in page, name


def test_the_paths_on_the_page_of_the_design_exist() -> None:
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text()
    paths = re.findall(r"`((?:oodbench|methods|benchmarks|reports|tests|tools)/[\w./]*)`", page)
    assert len(paths) > 40
    for path in paths:
        if not re.search(r"[A-Z]{3}", path):  # a placeholder such as methods/NAME.py
            assert (ROOT / path).exists(), path


def test_the_python_of_the_page_on_scoring_resolution_runs(capsys: pytest.CaptureFixture[str]) -> None:
    page = ROOT / "docs" / "explanation" / "scoring-resolution.md"
    (program,) = code(page)
    exec(program, {})  # noqa: S102  # our own page
    printed = re.findall(r": +([\d.]+)$", capsys.readouterr().out, re.MULTILINE)
    assert f"It prints {printed[0]} and {printed[1]}." in page.read_text()
