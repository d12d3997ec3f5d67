"""Records of what a run has computed and what is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

State: TypeAlias = Literal["done", "running", "stopped", "failed", "missing", "unknown"]
"""`stopped`: begun and not finished, and no process works on it. `missing`: not begun. `unknown`: begun and not
finished, and whether a process works on it can't be found out."""


Stage: TypeAlias = Literal["fit", "calibrate", "score", "evaluate", "report"]


@dataclass(frozen=True)
class StageStatus:
    """The state of one stage of a run.

    Attributes:
        stage: Name of the stage.
        state: Its state.
        done: Number of stored results of the stage: fits, calibrations, frames (once per network), results, and 1 if
            reports are stored.
        planned: Number of these results when the stage is complete.
    """

    stage: Stage
    state: State
    done: int
    planned: int


@dataclass(frozen=True)
class BenchmarkStatus:
    """The state of one benchmark of a run.

    Attributes:
        benchmark: Name of the benchmark.
        state: Its state.
        scored: Number of frames that all methods have scored, counted once per network.
        frames: Number of frames to score, counted once per network.
        evaluated: Number of stored results.
        results: Number of results to compute; 0 if the labels are not public.
        problem: Why the benchmark failed; None if it did not.
    """

    benchmark: str
    state: State
    scored: int
    frames: int
    evaluated: int
    results: int
    problem: str | None = None


@dataclass(frozen=True)
class ShardStatus:
    """The state of one shard of a run, the part that one process scores.

    Attributes:
        shard: The shard as `i/n`.
        state: Its state; `failed` if its folder is damaged or belongs to another run.
        scored: Number of its frames that all methods have scored, counted once per network.
        frames: Number of its frames, counted once per network.
        seconds_left: Estimated time to score the other frames, in seconds; None before the first batch.
        problem: What is wrong with its folder; None if nothing is.
    """

    shard: str
    state: State
    scored: int
    frames: int
    seconds_left: float | None
    problem: str | None = None


@dataclass(frozen=True)
class RunStatus:
    """What a run has computed and what is left, as `status` returns it.

    Attributes:
        run: The folder of the run.
        state: State of the whole run. It is `done` if all stages are.
        seconds_left: Estimated time to score the remaining frames, in seconds: that of the slowest shard if the run has
            shards. None if it is unknown, as before the first batch.
        stages: The stages, in order.
        benchmarks: The benchmarks, in the order of the plan.
        shards: The shards; empty if the run has none.

    Examples:
        >>> import oodbench
        >>> _ = oodbench.run(
        ...     models="streets-softmax", methods="msp", benchmarks="streets-anomaly", limit=2, id_limit=1,
        ...     shard="1/2", out="run",
        ... )
        >>> status = oodbench.status("run")
        >>> status.state, [(shard.shard, shard.state) for shard in status.shards]
        ('stopped', [('1/2', 'done'), ('2/2', 'missing')])
    """

    run: str
    state: State
    seconds_left: float | None
    stages: tuple[StageStatus, ...]
    benchmarks: tuple[BenchmarkStatus, ...]
    shards: tuple[ShardStatus, ...]
