"""Networks and methods that were passed as Python objects instead of names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from oodbench.contracts import Method, Segmenter
from oodbench.errors import UsageError
from oodbench.registry import Registry
from oodbench.user_code import code_identity

OBJECT = " object"
"""Ends what a plan records in place of the name or file of an object, which no other process can open."""


@dataclass(frozen=True)
class Objects:
    """What a run was given as objects.

    Attributes:
        segmenters: Networks.
        methods: Methods, not fitted. Each network gets its own instance, made from the class and the parameters.
    """

    segmenters: tuple[Segmenter, ...] = ()
    methods: tuple[Method, ...] = ()


class MethodSource(NamedTuple):
    """A method of a plan, before it is combined with networks.

    Attributes:
        spec: The method as `--method` takes it; of an object the name of its class.
        make: Function that returns a new instance.
        source_digest: The digest of the user's code that it is made of; None for a method of this package.
    """

    spec: str
    make: Callable[[], Method]
    source_digest: str | None


def describe_method(method: Method, registry: Registry) -> MethodSource:
    """Return how to make further instances of a method that was passed as an object.

    Raises:
        UsageError: The method is fitted. A run fits methods itself, on each network.
    """
    kind = type(method)
    fresh = kind(method.params)
    if changed := sorted(name for name in vars(method) if not _is_same(vars(fresh).get(name), vars(method)[name])):
        raise UsageError(
            f"the method {kind.__name__} has state that a new one with its parameters lacks ({', '.join(changed)})",
            "Pass a method that is not fitted: a run fits it on each network.",
        )
    name = method.card.name
    if name in registry.names("methods") and registry.load("methods", name) is kind:  # the same as by its name
        options = method.params.model_dump(exclude_defaults=True)
        spec = f"{name}:{','.join(f'{key}={value}' for key, value in options.items())}" if options else name
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
