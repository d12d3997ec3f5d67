"""The recorded environment of a run that several processes scored."""

from __future__ import annotations

import json
from pathlib import Path

from oodbench.environment import describe_environment, join_environments
from oodbench.storage.keys import environment_key
from oodbench.storage.local import LocalStore
from tests.helpers.fake_benchmarks import small_run
from tests.helpers.stored import forge


def test_joined_environments_have_all_values() -> None:
    first, second = {"threads": "1", "torch": "2.0"}, {"threads": "2", "torch": "2.0", "numba": "0.60"}
    both = {"threads": "1 or 2", "torch": "2.0", "numba": "0.60"}
    assert join_environments([first]) == first
    assert join_environments([first, second]) == both
    assert join_environments([both, first, second]) == both


def test_a_resumed_run_records_the_environments_in_which_it_scored(
    network_file: Path, road_anomaly: Path, tmp_path: Path
) -> None:
    def score() -> str:
        run = small_run(network_file, road_anomaly, tmp_path / "run", methods=["msp"], stop_after="score")
        path = LocalStore(run.folder).path(environment_key(run.record.networks[0].digest))
        environment: dict[str, str] = json.loads(path.read_text())
        if environment["threads"] == here:
            forge(run.folder, path, json.dumps(environment | {"threads": "64"}))
        return environment["threads"]

    here = describe_environment("cpu")["threads"]
    assert score() == here
    assert score() == "64"  # nothing was left to score
    next((tmp_path / "run").glob("scores/*/*.npy")).unlink()
    assert score() == f"64 or {here}"
