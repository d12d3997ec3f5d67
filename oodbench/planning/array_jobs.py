"""The shard of a process that a scheduler started as one of an array: Slurm, Kubernetes and AWS Batch."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from oodbench.errors import UsageError
from oodbench.planning.shard import Shard

AUTO_SHARD = "auto"
"""The shard of a request that is found in the environment."""

_BY_HAND = "Or give the shard as --shard i/n."
_SLURM = "Slurm sets it in array jobs."


def find_shard(environment: Mapping[str, str]) -> Shard:
    """Return the shard that corresponds to the index of an array job.

    Args:
        environment: The environment variables of the process.

    Raises:
        UsageError: No scheduler or several have set their variables, one is missing, or the values don't fit together.
    """
    found = [name for name in _SCHEDULERS if environment.get(name)]
    if not found:
        raise UsageError(
            "--shard auto: this process is not part of an array job; expected one of the environment variables "
            f"{', '.join(_SCHEDULERS)}",
            f"Start it as an array job of Slurm or AWS Batch, or as an indexed Job of Kubernetes. {_BY_HAND}",
        )
    if len(found) > 1:
        values = " and ".join(f"{name}={environment[name]}" for name in found)
        raise UsageError(
            f"--shard auto: {values} are both set; expected the index of one scheduler", f"Unset one. {_BY_HAND}"
        )
    return _SCHEDULERS[found[0]](environment)


def _slurm(environment: Mapping[str, str]) -> Shard:
    names = [f"SLURM_ARRAY_TASK_{part}" for part in ("ID", "MIN", "MAX", "COUNT")]
    task, first, last, count = (_number(environment, name, _SLURM) for name in names)
    step = _number({"SLURM_ARRAY_TASK_STEP": "1"} | dict(environment), "SLURM_ARRAY_TASK_STEP", _SLURM)
    tasks = range(first, last + 1, step) if step else range(0)
    if len(tasks) != count or task not in tasks:
        raise UsageError(
            f"--shard auto: task {task} of an array of {count} tasks from {first} to {last} in steps of {step}; "
            "expected evenly spaced indices",
            f"Submit a whole range, such as sbatch --array=1-16. {_BY_HAND}",
        )
    return Shard(tasks.index(task) + 1, count)


def _kubernetes(environment: Mapping[str, str]) -> Shard:
    remedy = "Kubernetes does not set it: in the Job, set the variable to the number in 'completions'."
    return _count_from_zero(environment, "JOB_COMPLETION_INDEX", "JOB_COMPLETIONS", remedy)


def _aws_batch(environment: Mapping[str, str]) -> Shard:
    remedy = "AWS Batch sets it in array jobs."
    return _count_from_zero(environment, "AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE", remedy)


_SCHEDULERS: Mapping[str, Callable[[Mapping[str, str]], Shard]] = {
    "SLURM_ARRAY_TASK_ID": _slurm,
    "JOB_COMPLETION_INDEX": _kubernetes,
    "AWS_BATCH_JOB_ARRAY_INDEX": _aws_batch,
}
"""Maps the variable with the index, by which a scheduler is recognised, to the function that reads its variables."""


def _count_from_zero(environment: Mapping[str, str], index_name: str, count_name: str, remedy: str) -> Shard:
    index, count = _number(environment, index_name, remedy), _number(environment, count_name, remedy)
    if index >= count:
        raise UsageError(
            f"--shard auto: {index_name}={index} and {count_name}={count}; expected an index from 0 to "
            f"{count_name} - 1",
            f"Correct {count_name}. {_BY_HAND}",
        )
    return Shard(index + 1, count)


def _number(environment: Mapping[str, str], name: str, remedy: str) -> int:
    text = environment.get(name, "")
    if not re.fullmatch("[0-9]{1,9}", text):
        state = f"{name} is {text!r}" if text else f"{name} is not set"
        raise UsageError(f"--shard auto: {state}; expected a number", f"{remedy} {_BY_HAND}")
    return int(text)
