"""Finds plugins, and imports one only when it is asked for.

A plugin file declares its public names in a literal that is read without importing the file:

    PLUGINS = {"methods": {"msp": ("MSP", "one minus the largest softmax probability")}}

kind -> public name -> (attribute in the file, one line for `oodbench list`). Files are found in the package's own
plugin folders, through the entry points of other distributions (group `oodbench`, each naming a module), and by
`--plugin`.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from oodbench.contracts import Adapter, Benchmark, Dataset, GridMethod, Head, Method, PixelMethod, Report, Submission
from oodbench.errors import PluginError, UnknownNameError, UsageError
from oodbench.registry.entry import (
    Entry,
    PluginCode,
    code_of_entry_point,
    code_of_file,
    code_of_package,
    read_declarations,
)
from oodbench.registry.identified import IdentifiedBenchmark, IdentifiedDataset
from oodbench.user_code import code_identity, record_used_code
from oodbench.validation import explain

_FOLDERS = ("methods", "benchmarks", "reports", "segmenters")


class Registry:
    """All plugins that can be found.

    Args:
        plugins: files given by the user.

    Raises:
        PluginError: one of those files can't be read, or two plugins have one name.
    """

    def __init__(self, plugins: Sequence[Path] = ()) -> None:
        self.plugins = tuple(plugins)
        self.warnings: list[str] = []
        self._benchmarks: dict[str, Benchmark] = {}

    @cached_property
    def _entries(self) -> dict[tuple[str, str], Entry]:
        entries: dict[tuple[str, str], Entry] = {}
        for file, code in self._files():
            for entry in read_declarations(file, code):
                other = entries.setdefault((entry.kind, entry.name), entry)
                if other is not entry:
                    raise PluginError(
                        f"two {entry.kind} are called '{entry.name}': {other.file} and {file}", "Rename one of them."
                    )
        return entries

    def _files(self) -> Iterable[tuple[Path, PluginCode]]:
        for folder in _FOLDERS:
            place = _find_folder(folder)
            for file in sorted(place.rglob("*.py")):
                names = file.relative_to(place.parent).with_suffix("").parts
                module = ".".join(("oodbench", *(names[:-1] if names[-1] == "__init__" else names)))
                yield file, code_of_package(module)
        for point in entry_points(group="oodbench"):
            problem = "there is no such module"
            spec = None
            try:
                spec = importlib.util.find_spec(point.module)
            except ImportError as error:
                problem = str(error)
            if spec is not None and spec.origin is not None:
                yield Path(spec.origin), code_of_entry_point(point, Path(spec.origin))
            else:
                self.warnings.append(f"the plugins of '{point.name}' can't be found in {point.module}: {problem}")
        for path in self.plugins:
            if not path.is_file() or path.suffix != ".py":
                raise PluginError(f"{path}: no such plugin file", "--plugin takes the path of a Python file.")
            code = code_of_file(path)
            if not read_declarations(path, code):
                raise PluginError(
                    f"{path}: declares no plugins",
                    'Expected PLUGINS = {"methods": {"name": ("Class", "one line")}} in it (docs/plugins.md).',
                )
            yield path, code

    def names(self, kind: str) -> list[str]:
        """Return the public names of a kind, sorted."""
        added = self._benchmarks if kind == "benchmarks" else ()
        return sorted([*(name for found, name in self._entries if found == kind), *added])

    def entries(self, kind: str) -> list[Entry]:
        """What was declared of a kind, in order of the names."""
        return [self._entries[key] for key in sorted(self._entries) if key[0] == kind]

    def load(self, kind: str, name: str) -> Any:
        """The class of that kind and name; UnknownNameError with the nearest name where there is none."""
        entry = self._entries.get((kind, name))
        if entry is None:
            raise UnknownNameError(kind.removesuffix("s"), name, self.names(kind), f"oodbench list {kind}")
        return entry.load()

    def load_working(self, kind: str) -> list[Any]:
        """The classes of a kind; one that can't be imported is a warning, since nobody asked for it by name."""
        plugins = []
        for entry in self.entries(kind):
            try:
                plugins.append(entry.load())
            except PluginError as error:
                self.warnings.append(error.problem)
        return plugins

    def is_given(self, kind: str, name: str) -> bool:
        """Return whether a plugin comes from a file that the user gave."""
        return self._entries[kind, name].file in self.plugins

    def source_digest(self, kind: str, name: str) -> str | None:
        """Return the digest of the code of a plugin, which the digest of whatever it computes must cover.

        For a file given with `--plugin`, and for a distribution installed with `pip install -e`, it covers the file and
        all local modules that it imports. For other distributions it covers their name and version. Plugins of this
        package have none: their cards have versions.

        Raises:
            PluginError: the file can't be imported.
        """
        return self._entries[kind, name].source_digest()

    def method(self, spec: str) -> Method:
        """The method of `NAME` or `NAME:key=value,...`, with validated parameters."""
        plugin, given = self._specified("methods", spec)
        if not issubclass(plugin, PixelMethod | GridMethod):
            raise PluginError(f"the method '{plugin.card.name}' is neither a PixelMethod nor a GridMethod")
        made: Method = _create(plugin, given, "method", spec)
        return made

    def submission(self, spec: str) -> Submission:
        """The submission of `NAME` or `NAME:key=value,...`, with validated parameters."""
        made: Submission = _create(*self._specified("submissions", spec), "submission", spec)
        return made

    def _specified(self, kind: str, spec: str) -> tuple[Any, dict[str, str]]:
        """The class of `NAME:key=value,...`, and the parameters as they were given, their names known to be right."""
        name, _, rest = spec.partition(":")
        what = kind.removesuffix("s")
        given = key_values(rest, f"{what} '{spec}'", f"See: oodbench info {what} {name}")
        plugin = self.load(kind, name)
        unknown = next((key for key in given if key not in plugin.Params.model_fields), None)
        if unknown is not None:
            see = f"oodbench info {what} {name}"
            raise UnknownNameError(f"parameter of {name}", unknown, plugin.Params.model_fields, see)
        return plugin, given

    def add_benchmark(self, benchmark: Benchmark) -> None:
        """Make a benchmark that was passed as an object known by its name.

        Raises:
            PluginError: Another benchmark has its name.
        """
        name = benchmark.card.name
        if ("benchmarks", name) in self._entries or self._benchmarks.get(name, benchmark) is not benchmark:
            raise PluginError(f"two benchmarks are called '{name}'", "Give the card of one another name.")
        self._benchmarks[name] = benchmark

    def benchmark(self, name: str) -> Benchmark:
        """Return the benchmark of that name."""
        if name in self._benchmarks:
            added = self._benchmarks[name]
            return IdentifiedBenchmark(added, code_identity(type(added))[0])
        plugin: type[Benchmark] = self.load("benchmarks", name)
        digest = self.source_digest("benchmarks", name)
        return plugin() if digest is None else IdentifiedBenchmark(plugin(), digest)

    def dataset(self, name: str) -> Dataset:
        """Return the dataset of that name."""
        plugin: type[Dataset] = self.load("datasets", name)
        digest = self.source_digest("datasets", name)
        return plugin() if digest is None else IdentifiedDataset(plugin(), digest)

    def report(self, name: str) -> Report:
        """The report of that name."""
        plugin: type[Report] = self.load("reports", name)
        return plugin()

    def head(self, name: str, parameters: Mapping[str, Any]) -> Head:
        """The head of that name with validated parameters."""
        plugin: type[Head] = self.load("heads", name)
        source_digest = self.source_digest("heads", name)
        if source_digest is not None:
            record_used_code(source_digest)
        try:
            return plugin(plugin.Params.model_validate(parameters))
        except ValidationError as error:
            raise UsageError(f"head '{name}': {'; '.join(explain(error))}", f"See: oodbench info head {name}") from None

    def adapter(self, source: str) -> Adapter:
        """The adapter that takes `--model SOURCE`."""
        adapters: list[Adapter] = [plugin(self.head) for plugin in self.load_working("models")]
        for adapter in adapters:
            if adapter.accepts(source):
                return adapter
        for entry in self.entries("models"):
            if entry.file in self.plugins:
                entry.load()  # raises the error of an adapter that the user gave and that can't be imported
        takes = "; ".join(f"{adapter.card.takes}" for adapter in adapters)
        raise UsageError(f"--model {source}: no adapter takes this; expected {takes}", "See: oodbench list models")


def key_values(text: str, where: str, see: str) -> dict[str, str]:
    """What `key=value,...` says.

    Args:
        text: that.
        where: what it belongs to, for the error.
        see: where its keys are described.

    Raises:
        UsageError: a part is no key=value, or a key is given twice.
    """
    given: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            raise UsageError(f"{where}: expected key=value, got '{part}'", see)
        if key.strip() in given:
            raise UsageError(f"{where}: {key.strip()} is given twice", "Give it once.")
        given[key.strip()] = value.strip()
    return given


def _create(plugin: Any, given: Mapping[str, str], what: str, spec: str) -> Any:
    """A plugin with the parameters that were given for it."""
    name = plugin.card.name
    try:
        return plugin(plugin.Params.model_validate(given))
    except TypeError as error:  # an abstract method is missing
        raise PluginError(f"the {what} '{name}' can't be made: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = f"{first['loc'][0]}={first['input']}: " if first["loc"] else ""
        raise UsageError(
            f"{what} '{spec}': {where}{first['msg'].lower()}", f"See: oodbench info {what} {name}"
        ) from None


def method_label(method: Method) -> str:
    """The method's title, with the parameters that differ from their defaults."""
    changed = method.params.model_dump(exclude_defaults=True)
    return method.card.title + (
        f" ({', '.join(f'{key}={value}' for key, value in changed.items())})" if changed else ""
    )


def _find_folder(name: str) -> Path:
    """Return the path of one of the package's plugin folders.

    In an editable install of a checkout without symbolic links, the folder is outside the package.
    """
    spec = importlib.util.find_spec(f"oodbench.{name}")
    if spec is None or spec.origin is None:
        package = Path(__file__).parents[1]
        raise PluginError(
            f"{package / name} is not a folder of plugins: this checkout has no symbolic links, or lacks files",
            f"Install it, which needs no symbolic links: python -m pip install -e {package.parent}",
        )
    return Path(spec.origin).parent
