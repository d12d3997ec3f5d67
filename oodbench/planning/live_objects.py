"""Networks and methods passed as Python objects instead of names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from oodbench.contracts import Method, Segmenter
from oodbench.errors import UsageError
from oodbench.registry import Registry, check_card, make_spec
from oodbench.user_code import code_identity

OBJECT = " object"
"""Suffix of the name that a plan records for an object, which no other process can open."""


@dataclass(frozen=True)
class Objects:
    """Networks and methods passed to a run as objects.

    Attributes:
        segmenters: Networks.
        methods: Methods that are not fitted. Each network gets its own instance, created from the class and the
            parameters.
    """

    segmenters: tuple[Segmenter, ...] = ()
    methods: tuple[Method, ...] = ()


class MethodSource(NamedTuple):
    """A method of a plan, before it is combined with networks.

    Attributes:
        spec: The method as `--method` takes it; for an object, the name of its class.
        make: Function that returns a new instance.
        source_digest: Digest of the user code that defines the method; None for a method of this package.
    """

    spec: str
    make: Callable[[], Method]
    source_digest: str | None


def describe_method(method: Method, registry: Registry) -> MethodSource:
    """Return the source of a method that was passed as an object, from which further instances are created.

    Raises:
        UsageError: The method is fitted. A run fits each method itself, on each network.
        PluginError: Its card is not valid.
    """
    kind = type(method)
    unfitted = kind(method.params)
    if changed := sorted(name for name in vars(method) if not _is_same(vars(unfitted).get(name), vars(method)[name])):
        raise UsageError(
            f"the method {kind.__name__} has state that a new instance does not have ({', '.join(changed)})",
            "Pass a method that is not fitted. A run fits it on each network.",
        )
    name = method.card.name
    check_card(method.card, kind.__name__)
    if name in registry.names("methods") and registry.load("methods", name) is kind:  # equal to the named method
        spec = make_spec(name, method.params.model_dump(exclude_defaults=True))
        return MethodSource(spec, lambda: kind(method.params), registry.source_digest("methods", name))
    digest, _ = code_identity(kind)
    return MethodSource(f"{kind.__name__}{OBJECT}", lambda: kind(method.params), digest)


def _is_same(first: Any, second: Any) -> bool:
    if first is second:
        return True
    try:
        return bool(first == second)
    except (RuntimeError, ValueError):  # arrays and tensors, which only a fitted method has
        return False
