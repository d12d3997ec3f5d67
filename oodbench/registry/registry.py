"""Registry of plugins. A plugin is imported only when it is requested.

A plugin file declares its public names in a literal that is read without importing the file:

    PLUGINS = {"methods": {"msp": ("MSP", "one minus the largest softmax probability")}}

The literal maps each kind and public name to the attribute in the file and one line for `oodbench list`. Files are
found in the package's plugin folders, through entry points of other distributions (group `oodbench`, each with the name
of a module), and by `--plugin`.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from oodbench.contracts import (
    Adapter,
    Benchmark,
    Dataset,
    GridMethod,
    Head,
    Method,
    MethodCard,
    PixelMethod,
    Report,
    Submission,
)
from oodbench.errors import OodbenchError, PluginError, UnknownNameError, UsageError, describe_absent_plugin
from oodbench.registry.entry import (
    Entry,
    PluginCode,
    check_card,
    code_of_entry_point,
    code_of_file,
    code_of_package,
    code_of_untrusted_file,
    read_declarations,
)
from oodbench.registry.identified import IdentifiedBenchmark, IdentifiedDataset
from oodbench.text import escape_controls
from oodbench.user_code import code_identity, record_used_code
from oodbench.validation import explain

_FOLDERS = ("methods", "benchmarks", "reports", "segmenters")


class Registry:
    """Registry of all plugins that can be found.

    Args:
        plugins: Plugin files of the user.
        untrusted: Plugin files that a run names and the user does not. They are never imported: using one of their
            plugins is an error that names the file. A missing or invalid file among them is not an error by itself.
        stems: Maps plugin files of the user to the names, without `.py`, that they have in their digests: a copy of a
            plugin of a run has the digest that the run recorded, even under another name.

    Raises:
        PluginError: A plugin file can't be read, or two plugins have the same name. Raised at the first lookup.
    """

    def __init__(
        self,
        plugins: Sequence[Path] = (),
        untrusted: Sequence[Path] = (),
        stems: Mapping[Path, str] = MappingProxyType({}),
    ) -> None:
        self._stems = stems
        self.plugins = tuple(plugins)
        self._untrusted = tuple(untrusted)
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
        for entry in self._untrusted_entries():  # an untrusted file replaces no other plugin
            entries.setdefault((entry.kind, entry.name), entry)
        return entries

    def _untrusted_entries(self) -> Iterator[Entry]:
        for file in self._untrusted:
            if file.is_file():  # not a device or a pipe, which may have no end
                try:
                    yield from read_declarations(file, code_of_untrusted_file(file))
                except OodbenchError as error:
                    self.warnings.append(error.problem)

    def _files(self) -> Iterable[tuple[Path, PluginCode]]:
        for folder in _FOLDERS:
            root = _find_folder(folder)
            for file in sorted(root.rglob("*.py")):
                names = file.relative_to(root.parent).with_suffix("").parts
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
                problem = "not a Python file (.py)" if path.exists() else "no such plugin file"
                raise PluginError(f"{path}: {problem}", "Give the path of a Python file to --plugin.")
            code = code_of_file(path, self._stems.get(path))
            if not read_declarations(path, code):
                raise PluginError(
                    f"{path}: declares no plugins",
                    'Add PLUGINS = {"methods": {"name": ("Class", "one line")}} to the file '
                    "(docs/how-to/add-a-method.md).",
                )
            yield path, code

    @property
    def _missing(self) -> Path | None:
        """A plugin file that a run names and that does not exist; None if there is none."""
        return next((file for file in self._untrusted if not file.is_file()), None)

    def check_files(self) -> None:
        """Check that the plugin files of the user exist, can be read and have no name in common.

        Raises:
            PluginError: A file can't be used.
        """
        _ = self._entries

    def check_trusted(self) -> None:
        """Check that no plugin file of a run is left out.

        Raises:
            UntrustedCodeError: There is a file that only a run names.
        """
        for file in self._untrusted:
            code_of_untrusted_file(file).import_module()  # raises

    def names(self, kind: str) -> list[str]:
        """Return the public names of a kind, sorted."""
        added = self._benchmarks if kind == "benchmarks" else ()
        return sorted([*(name for found, name in self._entries if found == kind), *added])

    def entries(self, kind: str) -> list[Entry]:
        """Return the entries of a kind, sorted by name."""
        return [self._entries[key] for key in sorted(self._entries) if key[0] == kind]

    def load(self, kind: str, name: str) -> Any:
        """Import and return a plugin's class.

        Raises:
            UnknownNameError: There is no plugin of that name.
            PluginError: The plugin can't be imported.
        """
        return self._entry(kind, name).load()

    def _entry(self, kind: str, name: str) -> Entry:
        entry = self._entries.get((kind, name))
        if entry is None:
            noun = kind.removesuffix("s")
            raise UnknownNameError(noun, name, self.names(kind), f"oodbench list {kind}", absent=self._missing)
        return entry

    def load_working(self, kind: str) -> list[Any]:
        """Import and return all classes of a kind. A class that can't be imported causes only a warning."""
        plugins = []
        for entry in self.entries(kind):
            try:
                plugins.append(entry.load())
            except PluginError as error:
                self.warnings.append(error.problem)
        return plugins

    def is_given(self, kind: str, name: str) -> bool:
        """Return whether a plugin comes from a `--plugin` file."""
        return self._entries[kind, name].file in self.plugins

    def source_digest(self, kind: str, name: str) -> str | None:
        """Return the digest of a plugin's code, which is part of the digest of everything that the plugin computes.

        For a `--plugin` file, and for a distribution installed with `pip install -e`, it covers the file and all local
        modules that it imports. For other distributions it covers their name and version. Plugins of this package are
        versioned by their cards: the digest is None.

        Raises:
            UnknownNameError: There is no plugin of that name.
            PluginError: The file can't be imported.
        """
        return self._entry(kind, name).source_digest()

    def method(self, spec: str) -> Method:
        """Create the method of `NAME` or `NAME:key=value,...`, with validated parameters."""
        plugin, params = self._parse_spec("methods", spec)
        if not issubclass(plugin, PixelMethod | GridMethod):
            raise PluginError(
                f"the method '{plugin.card.name}' is neither a PixelMethod nor a GridMethod",
                "Derive its class from one of them.",
            )
        method: Method = _create(plugin, params, "method", spec)
        return method

    def method_card(self, name: str) -> MethodCard:
        """Return the card of a method by name. The methods of this package are not imported, which would need torch.

        Raises:
            UnknownNameError: There is no method of that name.
            PluginError: The plugin can't be imported.
        """
        return self._entry("methods", name).method_card()

    def submission(self, spec: str) -> Submission:
        """Create the submission of `NAME` or `NAME:key=value,...`, with validated parameters."""
        submission: Submission = _create(*self._parse_spec("submissions", spec), "submission", spec)
        return submission

    def _parse_spec(self, kind: str, spec: str) -> tuple[Any, dict[str, str]]:
        """Return the class of `NAME:key=value,...` and the parameters; check the names of the parameters only."""
        name, _, options = spec.partition(":")
        noun = kind.removesuffix("s")
        params = key_values(options, f"{noun} '{spec}'", f"See: oodbench info {noun} {name}")
        plugin = self.load(kind, name)
        unknown = next((key for key in params if key not in plugin.Params.model_fields), None)
        if unknown is not None:
            see = f"oodbench info {noun} {name}"
            raise UnknownNameError(f"parameter of {name}", unknown, plugin.Params.model_fields, see)
        return plugin, params

    def add_benchmark(self, benchmark: Benchmark) -> None:
        """Register a benchmark that was passed as an object under its name.

        Raises:
            PluginError: Another benchmark has the same name, or its card is not valid.
        """
        name = benchmark.card.name
        check_card(benchmark.card, type(benchmark).__name__)
        if ("benchmarks", name) in self._entries or self._benchmarks.get(name, benchmark) is not benchmark:
            raise PluginError(f"two benchmarks are called '{name}'", "Rename one of them on its card.")
        self._benchmarks[name] = benchmark

    def benchmark(self, name: str) -> Benchmark:
        """Return a benchmark by name."""
        if name in self._benchmarks:
            added = self._benchmarks[name]
            return IdentifiedBenchmark(added, code_identity(type(added))[0])
        plugin: type[Benchmark] = self.load("benchmarks", name)
        digest = self.source_digest("benchmarks", name)
        return plugin() if digest is None else IdentifiedBenchmark(plugin(), digest)

    def dataset(self, name: str) -> Dataset:
        """Return a dataset by name."""
        plugin: type[Dataset] = self.load("datasets", name)
        digest = self.source_digest("datasets", name)
        return plugin() if digest is None else IdentifiedDataset(plugin(), digest)

    def report(self, name: str) -> Report:
        """Return a report by name."""
        plugin: type[Report] = self.load("reports", name)
        return plugin()

    def head(self, name: str, parameters: Mapping[str, Any]) -> Head:
        """Create a head by name, with validated parameters."""
        plugin: type[Head] = self.load("heads", name)
        source_digest = self.source_digest("heads", name)
        if source_digest is not None:
            record_used_code(source_digest)
        try:
            return plugin(plugin.Params.model_validate(parameters))
        except ValidationError as error:
            raise UsageError(f"head '{name}': {'; '.join(explain(error))}", f"See: oodbench info head {name}") from None

    def adapter(self, source: str) -> Adapter:
        """Return the adapter that accepts `--model SOURCE`.

        Raises:
            UsageError: No adapter accepts the source.
            PluginError: No adapter accepts the source, and an adapter in a `--plugin` file can't be imported. Or an
                adapter is untrusted: the network may be one of those that it opens.
        """
        for entry in self.entries("models"):
            if entry.file in self._untrusted:
                entry.load()  # raises
        adapters: list[Adapter] = [plugin(self.head) for plugin in self.load_working("models")]
        for adapter in adapters:
            if adapter.accepts(source):
                return adapter
        for entry in self.entries("models"):
            if entry.file in self.plugins:
                entry.load()  # raises the error of an adapter of the user that can't be imported
        formats = "; ".join(f"{adapter.card.takes}" for adapter in adapters)
        absent = f" ({describe_absent_plugin(self._missing)})" if self._missing else ""
        raise UsageError(
            f"--model {source}: no adapter accepts this; expected {formats}{absent}", "See: oodbench list models"
        )


def key_values(text: str, where: str, see: str) -> dict[str, str]:
    """Parse `key=value,...`.

    Args:
        text: The text.
        where: The option or plugin that the text belongs to, for errors.
        see: The remedy of errors, which refers to a description of the keys.

    Raises:
        UsageError: A part is not key=value, or a key occurs twice.
    """
    values: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            raise UsageError(f"{where}: expected key=value, got '{part}'", see)
        if key.strip() in values:
            raise UsageError(f"{where}: {key.strip()} is given twice", "Give it once.")
        values[key.strip()] = value.strip()
    return values


def make_spec(name: str, parameters: Mapping[str, Any]) -> str:
    """Return a plugin with parameters as `NAME:key=value,...`, the text that `key_values` parses."""
    return f"{name}:{','.join(f'{key}={value}' for key, value in parameters.items())}" if parameters else name


def _create(plugin: Any, params: Mapping[str, str], noun: str, spec: str) -> Any:
    """Create a plugin with validated parameters."""
    name = plugin.card.name
    try:
        return plugin(plugin.Params.model_validate(params))
    except TypeError as error:  # an abstract method is missing
        raise PluginError(f"the {noun} '{name}' can't be created: {error}", "Implement the missing methods.") from None
    except ValidationError as error:
        first = error.errors()[0]
        parameter = f"{first['loc'][0]}={first['input']}: " if first["loc"] else ""
        raise UsageError(
            f"{noun} '{spec}': {parameter}{first['msg'].lower()}", f"See: oodbench info {noun} {name}"
        ) from None


def method_label(method: Method) -> str:
    """Return a method's title with the parameters that differ from their defaults."""
    changed = method.params.model_dump(exclude_defaults=True)
    parameters = f" ({', '.join(f'{key}={value}' for key, value in changed.items())})" if changed else ""
    return escape_controls(method.card.title + parameters)


def _find_folder(name: str) -> Path:
    """Return the path of one of the package's plugin folders.

    In an editable install of a checkout without symbolic links, the folder is outside the package.
    """
    spec = importlib.util.find_spec(f"oodbench.{name}")
    if spec is None or spec.origin is None:
        package = Path(__file__).parents[1]
        raise PluginError(
            f"{package / name} is not a folder of plugins: symbolic links or files are missing in this checkout",
            f"Install the checkout, which needs no symbolic links: python -m pip install -e {package.parent}",
        )
    return Path(spec.origin).parent
