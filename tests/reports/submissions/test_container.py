"""The command of the container, offline, as an ordinary user that can write only to the output folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import oodbench
from oodbench.contracts import KnownFrame
from oodbench.errors import UsageError
from oodbench.storage.keys import fit_key, score_key
from tests.helpers.container_rehearsal import can_rehearse, rehearse
from tests.helpers.files import NO_NAMESPACES, photograph, save
from tests.helpers.handmade_submissions import files, track, unsynced
from tests.reports.submissions.test_fishyscapes import fishyscapes, make_full_scorer

__all__ = ["unsynced"]


@pytest.mark.slow
@pytest.mark.skipif(not can_rehearse(), reason=NO_NAMESPACES)
def test_the_command_writes_the_inputs_of_the_run(
    unsynced: None, network_file: Path, road_anomaly: Path, cityscapes: Path, tmp_path: Path
) -> None:
    run = oodbench.run(
        models=[network_file],
        methods=["knn:k=2"],
        benchmarks=["road-anomaly"],
        data=[road_anomaly],
        id_data=[cityscapes],
        out=tmp_path / "run",
        stop_after="score",
    )
    (scorer,) = run.record.scorers
    scored = replace(
        make_full_scorer(), source=str(network_file), spec=scorer.spec, fit=bytes(run.store.read(fit_key(scorer.key)))
    )
    fishyscapes().write(scored, tmp_path, track)
    images, output, root = (tmp_path / name for name in ("images", "written", "root"))
    for number, size in enumerate([(48, 96), (30, 50)]):
        save(images / f"{number:04d}_street_rgb.png", photograph(number, size))
    for folder in (output, root):
        folder.mkdir()
    done = rehearse(tmp_path / "container", images, output, root)
    assert done.returncode == 0, done.stderr
    assert sorted(files(output)) == [f"000{n}_{kind}.npy" for n in (0, 1) for kind in ("anomaly", "segmentation")]
    known = [KnownFrame("", 0, "", (48, 96)), KnownFrame("", 1, "", (30, 50))]
    assert list(fishyscapes().check(output, known)) == []

    # The scores equal those of the run for the same images: they are predicted here with the fit of the run.
    fit_file = tmp_path / "fit.safetensors"
    fit_file.write_bytes(scored.fit)
    here = oodbench.predict(
        images,
        method=scorer.spec,
        model=network_file,
        form="fishyscapes",
        fit_file=fit_file,
        out=tmp_path / "here",
    )
    assert [share.image for share in here.shares] == ["0000_street_rgb", "0001_street_rgb"]
    assert files(tmp_path / "here") == files(output)
    frame = run.frames("road-anomaly")[0]
    folder = tmp_path / "again"
    save(folder / "0000_again.png", run.image("road-anomaly", frame))
    oodbench.predict(
        folder, method=scorer.spec, model=network_file, form="fishyscapes", fit_file=fit_file, out=tmp_path / "same"
    )
    key = run.record.benchmarks[0].frames[0].key
    np.testing.assert_array_equal(
        np.load(tmp_path / "same" / "0000_anomaly.npy"), run.artifacts.map(score_key(scorer.key, key))
    )


def test_the_container_has_all_required_files(network_file: Path, tmp_path: Path) -> None:
    images = save(tmp_path / "images" / "0000_a.png", photograph(1)).parent
    given = {"model": network_file, "form": "fishyscapes", "out": tmp_path / "out"}
    for changes, message in (
        ({"form": "segment-me-if-you-can"}, "is not written image by image"),
        ({"form": "fishyscape"}, "Did you mean 'fishyscapes'"),
        ({"out": None}, "needs an output folder"),
        ({"method": "knn"}, "knn is fitted on in-distribution frames"),
        ({"fit_file": tmp_path / "fit"}, "msp is not fitted"),
        ({"method": "gmmseg"}, "gmmseg does not fit tiny"),
        ({"method": "knn", "fit_file": tmp_path / "fit"}, "fit: no such file"),
        ({"form": None, "fit_file": tmp_path / "fit"}, "--fit is only for --format"),
    ):
        with pytest.raises(UsageError, match=message):
            oodbench.predict(images, **({"method": "msp"} | given | changes))  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("spec", ["knn:k=2\n%post\n    touch /a", "knn:k=\x1b"])
def test_a_command_of_several_lines_is_refused(unsynced: None, tmp_path: Path, spec: str) -> None:
    scored = replace(make_full_scorer(), source="streets-softmax", spec=spec)
    with pytest.raises(UsageError, match="expected one line of printable text"):
        fishyscapes().write(scored, tmp_path, track)
