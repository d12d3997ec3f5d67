"""The outcome of one check of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from typing_extensions import override

from oodbench.errors import OodbenchError, StopRequestedError


@dataclass(frozen=True)
class VerificationCheck:
    """The outcome of one check of a run, as `verify` returns it.

    Attributes:
        verdict: `right`, `wrong`, or `not checked`.
        what: The subject of the check, such as a network or the score maps of a method.
        said: The finding; for `not checked`, the reason why the check was not possible.

    Examples:
        >>> import oodbench
        >>> run = oodbench.run(
        ...     models="streets-softmax", methods="msp", benchmarks="streets-anomaly", limit=1, id_limit=1,
        ...     stop_after="evaluate", out="run",
        ... )
        >>> check = oodbench.verify(run)[0]
        >>> check.verdict, check.what
        ('right', 'network streets-softmax')
    """

    verdict: Literal["right", "wrong", "not checked"]
    what: str
    said: str

    @override
    def __str__(self) -> str:
        return f"{self.verdict:<11}  {self.what}: {self.said}"


def right(what: str, said: str) -> VerificationCheck:
    """Return a check that found what was expected."""
    return VerificationCheck("right", what, said)


def wrong(what: str, said: str) -> VerificationCheck:
    """Return a check that found something else than was expected."""
    return VerificationCheck("wrong", what, said)


def not_checked(what: str, said: str) -> VerificationCheck:
    """Return a check that was not possible."""
    return VerificationCheck("not checked", what, said)


def judge(what: str, problems: Iterable[str], confirmed: str) -> VerificationCheck:
    """Return `wrong` with the first problem and the number of others, or `right` if there is no problem."""
    found = list(problems)
    if not found:
        return right(what, confirmed)
    others = len(found) - 1
    return wrong(what, f"{found[0]} ({others} more problem{'s' if others > 1 else ''})" if others else found[0])


def compare_digests(what: str, contents: str, digest: str, recorded: str) -> VerificationCheck:
    """Compare a digest with the one that the run recorded."""
    if digest != recorded:
        return wrong(what, f"{contents} have the digest {digest[:12]}; the run recorded {recorded[:12]}")
    return right(what, f"{contents}, {digest[:12]}")


def run_checks(what: str, checks: Callable[[], Iterable[VerificationCheck]]) -> Iterable[VerificationCheck]:
    """Yield checks; if they fail because a stored file has unexpected content, yield a check that is wrong.

    Args:
        what: The subject of the check that is wrong.
        checks: Function that yields the checks.
    """
    try:
        yield from checks()
    except StopRequestedError:
        raise
    except OodbenchError as error:
        yield wrong(what, error.problem)
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        # A file that was forged can have any content, with valid digests.
        yield wrong(
            what, f"a stored file does not have the content that oodbench writes ({type(error).__name__}: {error})"
        )
