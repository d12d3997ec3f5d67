"""The shard of `--shard auto`, from the variables of each scheduler."""

from __future__ import annotations

import pytest

from oodbench.errors import UsageError
from oodbench.planning.array_jobs import find_shard
from oodbench.planning.request import Request
from oodbench.planning.shard import Shard


def slurm(task: object, first: object, last: object, count: object, step: object = 1) -> dict[str, str]:
    values = {"ID": task, "MIN": first, "MAX": last, "COUNT": count, "STEP": step}
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in values.items()}


def kubernetes(index: object, count: object) -> dict[str, str]:
    return {"JOB_COMPLETION_INDEX": str(index), "JOB_COMPLETIONS": str(count)}


def aws(index: object, count: object) -> dict[str, str]:
    return {"AWS_BATCH_JOB_ARRAY_INDEX": str(index), "AWS_BATCH_JOB_ARRAY_SIZE": str(count)}


@pytest.mark.parametrize(
    ("environment", "shard"),
    [
        (slurm(1, 1, 16, 16), "1/16"),
        (slurm(0, 0, 15, 16), "1/16"),
        (slurm(15, 0, 15, 16), "16/16"),
        (slurm(12, 10, 13, 4), "3/4"),
        (slurm(14, 10, 14, 3, 2), "3/3"),
        (slurm(9, 2, 9, 2, 7), "2/2"),
        (slurm(5, 5, 5, 1), "1/1"),
        (kubernetes(0, 16), "1/16"),
        (kubernetes(15, 16), "16/16"),
        (aws(0, 2), "1/2"),
        (aws(1, 2), "2/2"),
        (aws(1, 2) | {"SLURM_ARRAY_TASK_ID": "", "SLURM_JOB_ID": "7"}, "2/2"),
    ],
)
def test_the_index_of_an_array_job_is_a_shard(environment: dict[str, str], shard: str) -> None:
    assert find_shard(environment) == Shard.of(shard)


def test_the_tasks_of_an_array_are_all_shards() -> None:
    for first, step, count in ((0, 1, 5), (1, 1, 1), (3, 4, 6)):
        tasks = range(first, first + step * count, step)
        shards = [find_shard(slurm(task, tasks[0], tasks[-1], count, step)) for task in tasks]
        assert shards == [Shard(index, count) for index in range(1, count + 1)]


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "not part of an array job.*JOB_COMPLETION_INDEX"),
        ({"JOB_COMPLETIONS": "4"}, "not part of an array job"),
        (slurm(1, 1, 2, 2) | aws(0, 2), "SLURM_ARRAY_TASK_ID=1 and AWS_BATCH_JOB_ARRAY_INDEX=0 are both set"),
        ({"SLURM_ARRAY_TASK_ID": "1"}, "SLURM_ARRAY_TASK_MIN is not set"),
        (slurm("a", 1, 2, 2), "SLURM_ARRAY_TASK_ID is 'a'; expected a number"),
        (slurm(1, 1, 2, -2), "SLURM_ARRAY_TASK_COUNT is '-2'"),
        (slurm(3, 1, 7, 3), "task 3 of an array of 3 tasks from 1 to 7"),
        (slurm(9, 1, 7, 7), "task 9"),
        (slurm(2, 1, 7, 4, 2), "task 2"),
        (slurm(1, 1, 7, 7, 0), "steps of 0"),
        (slurm(1, 1, 7, 0), "array of 0 tasks"),
        ({"JOB_COMPLETION_INDEX": "0"}, r"JOB_COMPLETIONS is not set.*\n.*set the variable to the number in 'comp"),
        (kubernetes(4, 4), "JOB_COMPLETION_INDEX=4 and JOB_COMPLETIONS=4; expected an index from 0"),
        (kubernetes(0, 0), "JOB_COMPLETIONS=0"),
        (kubernetes("1.0", 4), "JOB_COMPLETION_INDEX is '1.0'"),
        ({"AWS_BATCH_JOB_ARRAY_INDEX": "0"}, "AWS_BATCH_JOB_ARRAY_SIZE is not set"),
        (aws(2, 2), "AWS_BATCH_JOB_ARRAY_INDEX=2"),
    ],
)
def test_an_environment_without_one_valid_index_is_an_error(environment: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=f"(?s)--shard auto: .*{message}") as raised:
        find_shard(environment)
    assert "--shard i/n" in str(raised.value.remedy)


def test_a_request_for_auto_reads_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in slurm(0, 0, 0, 0) | aws(0, 0):
        monkeypatch.delenv(name, raising=False)
    for name, value in kubernetes(2, 4).items():
        monkeypatch.setenv(name, value)
    assert Request.of(shard="auto").shard == Shard(3, 4)
    monkeypatch.delenv("JOB_COMPLETIONS")
    with pytest.raises(UsageError, match="JOB_COMPLETIONS is not set"):
        Request.of(shard="auto")


def test_a_folder_names_its_shard() -> None:
    assert Shard.of_folder(Shard(3, 16).folder) == Shard(3, 16)
    for name in ("3/16", "0-of-2", "01-of-2", "backup", "1-of-2-of-3"):
        assert Shard.of_folder(name) is None
