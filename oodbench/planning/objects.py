"""Networks and methods that were passed as Python objects instead of names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from oodbench.contracts import Method, Segmenter
from oodbench.errors import UsageError


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


def describe_method(method: Method) -> MethodSource:
    """Return how to make further instances of a method that was passed as an object.

    Raises:
        UsageError: The method is fitted. A run fits methods itself, on each network.
    """
    # Late: the identity of code is needed for objects only.
    from oodbench.user_code import code_identity

    kind = type(method)
    fresh = kind(method.params)
    if changed := sorted(name for name in vars(method) if not _is_same(vars(fresh).get(name), vars(method)[name])):
        raise UsageError(
            f"the method {kind.__name__} has state that a new one with its parameters lacks ({', '.join(changed)})",
            "Pass a method that is not fitted: a run fits it on each network.",
        )
    digest, _ = code_identity(kind)
    return MethodSource(f"{kind.__name__} object", lambda: kind(method.params), digest)


def _is_same(first: Any, second: Any) -> bool:
    if first is second:
        return True
    try:
        return bool(first == second)
    except (RuntimeError, ValueError):  # arrays and tensors, which only a fitted method has
        return False
