"""Names of plugins, bundled models and protocols, by shell pattern."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from oodbench.metrics.protocols import PROTOCOLS
from oodbench.planning.one_or_more import OneOrMore
from oodbench.workflows.arguments import make_registry


def list_methods(pattern: str = "*", *, plugins: OneOrMore = ()) -> list[str]:
    """Return the names of the methods that match a shell pattern, sorted.

    Args:
        pattern: The pattern, such as `gmm*`.
        plugins: Python files with your own methods, which are listed, too.

    Returns:
        Names for `create_method`, `Scorer` and `run(methods=...)`.

    Raises:
        PluginError: A plugin file is missing or not valid.

    Examples:
        >>> import oodbench
        >>> oodbench.list_methods("gmmseg*")
        ['gmmseg', 'gmmseg-norm']
    """
    return _match(make_registry(plugins).names("methods"), pattern)


def list_benchmarks(pattern: str = "*", *, plugins: OneOrMore = ()) -> list[str]:
    """Return the names of the benchmarks (frames with anomaly labels) that match a shell pattern, sorted.

    Args:
        pattern: The pattern, such as `streets-*`.
        plugins: Python files with your own benchmarks, which are listed, too.

    Returns:
        Names for `load_benchmark` and `run(benchmarks=...)`.

    Raises:
        PluginError: A plugin file is missing or not valid.

    Examples:
        >>> import oodbench
        >>> oodbench.list_benchmarks("streets-*")
        ['streets-anomaly', 'streets-obstacles', 'streets-static']
    """
    return _match(make_registry(plugins).names("benchmarks"), pattern)


def list_datasets(pattern: str = "*", *, plugins: OneOrMore = ()) -> list[str]:
    """Return the names of the datasets (frames with semantic labels) that match a shell pattern, sorted.

    Args:
        pattern: The pattern, such as `streets-*`.
        plugins: Python files with your own datasets, which are listed, too.

    Returns:
        Names for `load_dataset` and `run(id_data={NAME: FOLDER})`.

    Raises:
        PluginError: A plugin file is missing or not valid.

    Examples:
        >>> import oodbench
        >>> oodbench.list_datasets("c*")
        ['cityscapes', 'coco-stuff']
    """
    return _match(make_registry(plugins).names("datasets"), pattern)


def list_reports(pattern: str = "*", *, plugins: OneOrMore = ()) -> list[str]:
    """Return the names of the reports (tables, figures, pages) that match a shell pattern, sorted.

    Args:
        pattern: The pattern, such as `heatmaps*`.
        plugins: Python files with your own reports, which are listed, too.

    Returns:
        Names for `Run.report`.

    Raises:
        PluginError: A plugin file is missing or not valid.

    Examples:
        >>> import oodbench
        >>> oodbench.list_reports("*curve*"), oodbench.list_reports("heat*")
        ([], ['heatmaps'])
    """
    return _match(make_registry(plugins).names("reports"), pattern)


def list_submissions(pattern: str = "*", *, plugins: OneOrMore = ()) -> list[str]:
    """Return the names of the leaderboards that match a shell pattern, sorted.

    Args:
        pattern: The pattern, such as `fishy*`.
        plugins: Python files with your own submissions (writers of files for a leaderboard), which are listed, too.

    Returns:
        Names for `submit` and `check_submission`.

    Raises:
        PluginError: A plugin file is missing or not valid.

    Examples:
        >>> import oodbench
        >>> oodbench.list_submissions()
        ['fishyscapes', 'segment-me-if-you-can']
    """
    return _match(make_registry(plugins).names("submissions"), pattern)


def list_models(pattern: str = "*") -> list[str]:
    """Return the names of the models in this package that match a shell pattern, sorted.

    Args:
        pattern: The pattern, such as `streets-*`.

    Returns:
        Names for `load_segmenter`, `predict(model=...)` and `run(models=...)`.

    Examples:
        >>> import oodbench
        >>> oodbench.list_models()
        ['streets-gmmseg', 'streets-softmax']
    """
    from oodbench.segmenters.bundled import BUNDLED

    return _match(BUNDLED, pattern)


def list_protocols(pattern: str = "*") -> list[str]:
    """Return the names of the protocols that match a shell pattern, sorted.

    A protocol is a set of rules that turns scores into metrics.

    Args:
        pattern: The pattern, such as `caos*`.

    Returns:
        Names for `run(protocols=...)` and `Run.evaluate`; the keys of `oodbench.metrics.PROTOCOLS`.

    Examples:
        >>> import oodbench
        >>> oodbench.list_protocols("caos*")
        ['caos', 'caos-without-void']
    """
    return _match(PROTOCOLS, pattern)


def _match(names: Iterable[str], pattern: str) -> list[str]:
    return sorted(name for name in names if fnmatchcase(name, pattern))
