"""Files around the code: lower bounds, workflows, hooks, tasks, the citation file, issue forms and CONTRIBUTING.md."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from tools.tasks import FAST, TASKS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
PYTHON = "Programming Language :: Python :: "
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ISSUE_FORMS = sorted(path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def read_pins(name: str) -> dict[str, Version]:
    """Return package -> version of a constraints file, in which each line pins one package."""
    pins = {}
    for line in (ROOT / name).read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            package, version = line.split("==")
            assert canonicalize_name(package) not in pins, line
            pins[canonicalize_name(package)] = Version(version)
    return pins


def find_floors(requirements: Iterable[str]) -> dict[str, Version]:
    """Return package -> the lowest version that a requirement allows."""
    floors = {}
    for requirement in map(Requirement, requirements):
        (floor,) = [Version(one.version) for one in requirement.specifier if one.operator in (">=", "==")]
        floors[canonicalize_name(requirement.name)] = floor
    return floors


def runtime_requirements() -> list[str]:
    extras = ("hdf5", "mmseg", "ray", "train", "transformers")
    return [*PROJECT["dependencies"], *(line for extra in extras for line in EXTRAS[extra])]


# lower bounds


def test_the_lower_bounds_are_the_lowest_constraints() -> None:
    floors, pins = find_floors(runtime_requirements()), read_pins("constraints-lowest.txt")
    assert len(floors) > 25
    assert {package: pins.get(package) for package in floors} == floors


def test_a_lower_bound_is_read_from_each_form() -> None:
    found = find_floors(["a>=1.2", "B_c==3.0", "d>=1,<2"])
    assert found == {"a": Version("1.2"), "b-c": Version("3"), "d": Version("1")}
    with pytest.raises(ValueError, match="not enough values"):
        find_floors(["a<2"])


def test_the_tested_versions_are_allowed() -> None:
    pins = read_pins("constraints.txt")
    for requirement in map(Requirement, [*runtime_requirements(), *EXTRAS["dev"], *EXTRAS["docs"]]):
        if requirement.name != "oodbench":
            assert pins[canonicalize_name(requirement.name)] in requirement.specifier, requirement


# workflows


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_pins_its_actions_and_has_few_permissions(path: Path) -> None:
    workflow = read_yaml(path)
    assert workflow["permissions"] in ({}, {"contents": "read"})
    assert "concurrency" in workflow
    for job in workflow["jobs"].values():
        assert set(job.get("permissions", {}).values()) <= {"read"} or job["environment"] == "pypi"
        for step in job["steps"]:
            if "uses" in step:
                assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", step["uses"]), step
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False
    assert "Not tried outside GitHub" in path.read_text("utf-8").partition("\nname:")[0]


def test_there_is_a_workflow_of_each_kind() -> None:
    assert [path.stem for path in WORKFLOWS] == ["docs", "lint", "release", "test"]


def test_the_workflow_tests_the_versions_and_systems_of_the_classifiers() -> None:
    matrix = read_yaml(ROOT / ".github" / "workflows" / "test.yml")["jobs"]["test"]["strategy"]["matrix"]
    versions = matrix["python-version"]
    named = [line.removeprefix(PYTHON) for line in PROJECT["classifiers"] if line.startswith(PYTHON)]
    assert versions == [version for version in named if re.fullmatch(r"\d+\.\d+", version)]
    allowed = SpecifierSet(PROJECT["requires-python"])
    assert all(version in allowed for version in versions)
    major, minor = versions[0].split(".")
    assert f"{major}.{int(minor) - 1}" not in allowed
    systems = {"macos": "MacOS", "ubuntu": "POSIX :: Linux", "windows": "Microsoft :: Windows"}
    tested = {f"Operating System :: {systems[name.partition('-')[0]]}" for name in matrix["os"]}
    assert tested == {line for line in PROJECT["classifiers"] if line.startswith("Operating System")}


@pytest.mark.parametrize("name", ["docs", "lint", "test"])
def test_a_workflow_installs_and_runs_one_task(name: str) -> None:
    (job,) = read_yaml(ROOT / ".github" / "workflows" / f"{name}.yml")["jobs"].values()
    runs = [step["run"] for step in job["steps"] if "run" in step]
    assert runs == ["python -m tools.tasks install", f"python -m tools.tasks {name}"]


# hooks and tasks


def read_hooks() -> dict[str, Mapping[str, Any]]:
    (repository,) = read_yaml(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    return {hook["id"]: hook for hook in repository["hooks"]}


def test_the_hooks_are_programs_of_the_environment() -> None:
    hooks = read_hooks()
    assert all(hook["language"] == "system" for hook in hooks.values())
    commands = {hook["entry"].partition(" --")[0] for hook in hooks.values()}
    assert commands >= {"ruff format", "ruff check", "mypy", "zizmor", "check-jsonschema"}


def test_the_hooks_leave_out_only_what_a_comment_explains() -> None:
    lines = (ROOT / ".pre-commit-config.yaml").read_text("utf-8").splitlines()
    excluded = [line for line in lines if line.lstrip().startswith("exclude:")]
    assert len(excluded) == sum("exclude" in hook for hook in read_hooks().values())
    assert all(" # " in line for line in excluded)


def test_ci_runs_the_tasks_of_the_workflows() -> None:
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert re.findall(r"-m tools\.tasks (\S+)", script) == ["lint", "docs"]


def test_the_readme_installs_and_tests_as_the_tasks_do() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    (command,) = re.findall(r"^python3 -m venv .*-m pytest.*$", readme, re.MULTILINE)
    _, install, test = (part.replace("'", "").split()[1:] for part in command.split(" && "))
    assert ("pip", *install) == TASKS["install"][1]
    assert tuple(test[1:]) == TASKS["test"][1]


def test_a_task_gives_the_exit_code_of_its_command() -> None:
    command = [sys.executable, "-m", "tools.tasks"]
    unknown = subprocess.run([*command, "tests"], cwd=ROOT, capture_output=True, text=True)
    assert unknown.returncode == 2
    assert re.findall(r"^  (\S+)", unknown.stderr, re.MULTILINE) == list(TASKS)
    failed = subprocess.run([*command, "lint", "--no-such-option"], cwd=ROOT, capture_output=True, text=True)
    assert failed.returncode != 0
    assert "+ python -m pre_commit run --all-files --no-such-option" in failed.stdout


# other files


def test_the_citation_names_this_version() -> None:
    citation = read_yaml(ROOT / "CITATION.cff")
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert citation["authors"] == PROJECT["authors"]


@pytest.mark.parametrize("path", ISSUE_FORMS, ids=lambda path: path.name)
def test_an_issue_form_has_the_keys_that_it_needs(path: Path) -> None:
    form = read_yaml(path)
    assert form.keys() >= {"name", "description", "body"}
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    ids = [field["id"] for field in fields]
    assert len(ids) == len(set(ids)) > 2
    assert all(field["attributes"]["label"] for field in fields)
    assert any(field.get("validations", {}).get("required") for field in fields)


def test_there_is_an_issue_form_of_each_kind() -> None:
    assert [path.stem for path in ISSUE_FORMS] == ["bug", "new_benchmark", "new_method", "wrong_number"]


def test_contributing_is_short_and_complete() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert 700 < len(text.split()) <= 1000
    headings = ["Set up", "Test", "A method, step by step", "Other plugins", "Rules", "Checks", "Review"]
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == headings
    assert set(re.findall(r"^\| `([\w-]+)` \|", text, re.MULTILINE)) >= {*TASKS, "gpu"}
    for name in re.findall(r"not (\w+)", FAST):
        assert f"| `{name}` |" in text
    tasks = re.findall(r"python -m tools\.tasks ([\w-]+)$", text, re.MULTILINE)
    assert set(tasks) <= TASKS.keys()
    assert {"install", "lint", "test-fast", "docs"} <= set(tasks)
