"""The docstrings of the public names: each is a page of reference, and each example runs."""

from __future__ import annotations

import ast
import dataclasses
import doctest
import importlib
import inspect
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import oodbench
from tests.helpers.docstrings import (
    MODULES,
    PublicName,
    attributes,
    docstring,
    items,
    public_functions,
    public_names,
    public_properties,
    sections,
    summary,
)

NAMES = public_names()
DOCUMENTED = [public for public in NAMES if public.is_documented_by_itself]
CLASSES = [public for public in DOCUMENTED if inspect.isclass(public.value)]
FUNCTIONS = [pair for public in DOCUMENTED for pair in public_functions(public)]

# Words that begin a fragment, or a summary that needs its neighbours to be understood.
FRAGMENTS = ("A", "An", "As", "How", "It", "Of", "That", "The", "What")

# Verbs that begin the summary of a function and not that of a class.
VERBS = ("Return", "Compute", "Check", "Create", "Write", "Read", "Yield", "Convert", "Find", "Get", "Make", "Raise")

# Examples that take longer than about two seconds on one core: they score frames with a bundled model.
SLOW = {
    "oodbench.Prediction",
    "oodbench.Run",
    "oodbench.Verdict",
    "oodbench.VerificationCheck",
    "oodbench.accept",
    "oodbench.compare",
    "oodbench.evaluate_scores",
    "oodbench.gate",
    "oodbench.load",
    "oodbench.merge",
    "oodbench.predict",
    "oodbench.run",
    "oodbench.submit",
    "oodbench.verify",
    "oodbench.contracts.Breakdown",
    "oodbench.contracts.Report",
    "oodbench.contracts.Result",
    "oodbench.contracts.ResultsFile",
    "oodbench.contracts.RunView",
    "oodbench.metrics.PixelSketch",
}

# Public classes that have no example: records inside other records, and errors of longer tasks.
WITHOUT_EXAMPLE = {
    "oodbench.contracts.BreakdownGroup",
    "oodbench.contracts.BreakdownThreshold",
    "oodbench.contracts.ClassFalseAlarms",
    "oodbench.contracts.ComparedMethod",
    "oodbench.contracts.HeadCard",
    "oodbench.contracts.MethodComparison",
    "oodbench.contracts.ReportCard",
    "oodbench.contracts.SubmissionScorer",
    "oodbench.errors.BenchmarksFailedError",
    "oodbench.errors.NotStoredError",
    "oodbench.errors.StopRequestedError",
    "oodbench.errors.StoppedElsewhereError",
    "oodbench.errors.TrainingError",
}


def path_of(public: PublicName) -> str:
    return public.path


def examples(public: PublicName) -> list[doctest.DocTest]:
    """Return the doctests of a function, or of a class and its members."""
    found = doctest.DocTestFinder().find(public.value, public.path, module=False, globs={})
    return [test for test in found if test.examples]


@pytest.mark.parametrize(
    "public",
    [
        pytest.param(public, marks=[pytest.mark.slow] if public.path in SLOW else [])
        for public in DOCUMENTED
        if examples(public)
    ],
    ids=path_of,
)
def test_the_examples_run(public: PublicName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    report: list[str] = []
    for test in examples(public):
        doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=report.append)
    assert not report, "".join(report)


def test_the_example_of_the_package_runs() -> None:
    result = doctest.testmod(oodbench, globs={})
    assert result.attempted > 5
    assert result.failed == 0


def test_every_name_has_an_example() -> None:
    without = {public.path for public in DOCUMENTED if ">>> " not in docstring(public.value)}
    assert without == WITHOUT_EXAMPLE


def test_examples_import_public_names_alone() -> None:
    for public in DOCUMENTED:
        for test in examples(public):
            for node in ast.walk(ast.parse("".join(example.source for example in test.examples))):
                if isinstance(node, ast.ImportFrom) and str(node.module).startswith("oodbench"):
                    assert node.module in MODULES, public.path


def test_examples_are_in_their_section() -> None:
    for public in DOCUMENTED:
        text = docstring(public.value)
        assert text.count(">>> ") == sections(text).get("Examples", "").count(">>> "), public.path


def test_every_name_is_documented() -> None:
    missing = [
        public.path
        for public in NAMES
        if public.name != "__version__" and not public.is_documented_by_itself and not constant_is_documented(public)
    ]
    missing += [public.path for public in DOCUMENTED if not docstring(public.value)]
    missing += [
        name
        for public in DOCUMENTED
        for name, _ in (*public_functions(public), *public_properties(public))
        if not inspect.getdoc(member(public, name))
    ]
    assert missing == []


def member(public: PublicName, name: str) -> Any:
    """Return the member of a class, so that a docstring of its base is found; or the function itself."""
    return getattr(public.value, name.rpartition(".")[2]) if "." in name else public.value


def constant_is_documented(public: PublicName) -> bool:
    """Return whether a string follows the assignment of a constant, in any module that the name comes from."""
    module = importlib.import_module(public.module)
    for statement in ast.parse(inspect.getsource(module)).body:
        if isinstance(statement, ast.ImportFrom) and public.name in {alias.name for alias in statement.names}:
            module = importlib.import_module(statement.module or "")
    for statement, following in pairwise(ast.parse(inspect.getsource(module)).body):
        target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
        if isinstance(target, ast.Name) and target.id == public.name:
            return isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
    return False


def test_the_arguments_of_functions_are_documented() -> None:
    wrong = []
    for name, function in FUNCTIONS:
        parameters = [key for key in inspect.signature(function).parameters if key not in ("self", "cls")]
        documented = list(items(docstring(function), "Args"))
        # The base documents the arguments of an override; pytest passes those of tests.
        is_optional = not docstring(function) or getattr(function, "__override__", False) or is_test(name)
        if documented != parameters and not (is_optional and not documented):
            wrong.append((name, documented, parameters))
    assert wrong == []


def is_test(name: str) -> bool:
    return name.rpartition(".")[2].startswith("test_")


def test_the_arguments_of_classes_are_documented() -> None:
    wrong = []
    for public in CLASSES:
        is_record = dataclasses.is_dataclass(public.value) or issubclass(public.value, BaseModel)
        is_protocol = getattr(public.value, "_is_protocol", False)
        takes = []
        if "__init__" in vars(public.value) and not is_record and not is_protocol:
            takes = [key for key in inspect.signature(public.value.__init__).parameters if key != "self"]
        documented = list(items(docstring(public.value), "Args"))
        if documented != takes:
            wrong.append((public.path, documented, takes))
    assert wrong == []


def test_the_fields_of_records_are_documented() -> None:
    wrong = []
    for public in CLASSES:
        kind = public.value
        if dataclasses.is_dataclass(kind):
            fields = [field.name for field in dataclasses.fields(kind)]
        elif issubclass(kind, BaseModel):
            fields = list(kind.model_fields)
        else:
            fields = list(getattr(kind, "_fields", ()))
        public_fields = {name for name in fields if not name.startswith("_")}
        if fields and {*attributes(kind)} != public_fields:
            wrong.append((public.path, {*attributes(kind)} ^ public_fields))
    assert wrong == []


def test_the_results_of_functions_are_documented() -> None:
    assert [
        name
        for name, function in FUNCTIONS
        if "." not in name
        and inspect.signature(function).return_annotation not in ("None", None)
        and not {"Returns", "Yields"} & sections(docstring(function)).keys()
    ] == []


def test_each_error_has_its_condition() -> None:
    errors = [
        (name, error, condition)
        for name, value in (*FUNCTIONS, *((public.path, public.value) for public in CLASSES))
        for error, condition in items(docstring(value), "Raises").items()
    ]
    assert len(errors) > 100
    assert [error for error in errors if not error[1].isidentifier() or not error[2]] == []


def test_summaries_of_functions_are_sentences() -> None:
    summaries = {name: summary(function).split() for name, function in FUNCTIONS if docstring(function)}
    assert {
        name: words
        for name, words in summaries.items()
        if len(words) < 3 or words[0] in FRAGMENTS or not words[-1].endswith((".", ":"))
    } == {}


def test_summaries_of_classes_are_nouns() -> None:
    summaries = {public.path: summary(public.value).split() for public in CLASSES}
    assert {path: words for path, words in summaries.items() if len(words) < 3 or words[0] in VERBS} == {}


def test_summaries_of_properties_are_nouns() -> None:
    summaries = {name: inspect.getdoc(value) or "" for public in CLASSES for name, value in public_properties(public)}
    assert {name: text for name, text in summaries.items() if text.split()[0] in VERBS} == {}


def test_the_sections_of_a_docstring_are_read() -> None:
    text = """Do it.

    Args:
        first: One.
            Two.
        *others: Three.

    Raises:
        ValueError: Four.
    """
    text = inspect.cleandoc(text)
    assert list(sections(text)) == ["Args", "Raises"]
    assert items(text, "Args") == {"first": "One. Two.", "others": "Three."}
    assert items("Args:\n    a, b: Two at once.", "Args") == {"a, b: Two at once.": ""}
