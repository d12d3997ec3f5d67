"""Choice of one method on one network of a run."""

from __future__ import annotations

from oodbench.errors import UnknownNameError, UsageError
from oodbench.planning.records import ScorerRecord
from oodbench.runs.run import Run


def find_scorer(run: Run, method: str | None, network: str | None) -> ScorerRecord:
    """Return the only scorer of the run with this method and network.

    Args:
        run: The run.
        method: Label or name of the method; None: any method.
        network: Name of the network; None: any network.

    Raises:
        UnknownNameError: The run has no such scorer.
        UsageError: The run has several such scorers.
    """
    scorers = list(run.record.scorers)
    if network is not None:
        networks = [scorer.network for scorer in scorers]
        if network not in networks:
            raise UnknownNameError("network in this run", network, dict.fromkeys(networks))
        scorers = [scorer for scorer in scorers if scorer.network == network]
    if method is not None:
        matches = [scorer for scorer in scorers if method in (scorer.label, scorer.spec, scorer.method)]
        if not matches:
            raise UnknownNameError("method in this run", method, dict.fromkeys(scorer.spec for scorer in scorers))
        scorers = matches
    if len(scorers) > 1:
        raise UsageError(
            f"{run.folder}: has {len(scorers)} scorers: "
            + ", ".join(f"{scorer.spec} on {scorer.network}" for scorer in scorers),
            "Choose one with --method and, if there are several networks, --network.",
        )
    return scorers[0]
