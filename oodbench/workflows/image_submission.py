"""Scores of photographs in the format of a leaderboard, written image by image.

It writes only these files: no threshold, no heatmaps, no run. Therefore it needs only one writable folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from oodbench.contracts import Method, Scoring, Segmenter
from oodbench.data import open_photographs
from oodbench.errors import UnknownNameError, UsageError
from oodbench.files import cannot_write
from oodbench.planning.plan import combine_needs
from oodbench.planning.request import Request
from oodbench.planning.resolve import find_methods, open_networks
from oodbench.progress import Progress
from oodbench.registry import Registry
from oodbench.stages.apply_methods import add_error_context, score_output
from oodbench.stages.batching import forward_batches, split_batches
from oodbench.storage.fits import read_fit_file
from oodbench.types import Size

_SEE = (
    "oodbench list submissions. Without --format, score maps and heatmaps are written; a binary mask is the score map "
    "above the threshold in shares.csv."
)


def write_images(
    images: Sequence[Path], form: str, fit: Path | None, request: Request, registry: Registry, progress: Progress
) -> dict[str, Size]:
    """Score each image and write it in the format of a leaderboard.

    Args:
        images: Photographs, or folders of photographs.
        form: Name of a submission that is written image by image.
        fit: The file with the method's fit; None for a method that is not fitted.
        request: The request, with one method, one network and the output folder.
        registry: The registry, with the plugins of the request.
        progress: Callback for progress messages.

    Returns:
        The size of each image, by id.

    Raises:
        OodbenchError: A name, a file or an image is invalid.
    """
    formats = registry.names("submissions")
    if form.partition(":")[0] not in formats:
        raise UnknownNameError("leaderboard format", form, formats, _SEE)
    submission = registry.submission(form)
    if not submission.card.images:
        raise UsageError(f"{form} is not written image by image", "Write it from a run with oodbench submit.")
    if request.out is None:
        raise UsageError(f"--format {form} needs an output folder", "Give it with --out DIR.")
    (source,) = find_methods(request, registry)
    method = source.make()
    ((network, _),) = open_networks(request, registry).values()
    _load_fit(method, network, fit)
    frames = open_photographs(images).frames
    try:
        request.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(request.out, error) from error
    sizes = {frame.id: frame.read_size() for frame in frames}
    needs = combine_needs(network, [method])
    with progress.track(f"score {network.name}", len(frames), "images") as advance:
        for batch in forward_batches(network, frames, split_batches(len(frames), 1), needs):
            (frame,) = (frames[index] for index in batch.positions)
            with add_error_context(network, [frame]):
                ((result,), _) = score_output(batch.output, [sizes[frame.id]], {form: method}, Scoring())
            submission.write_image(request.out, frame.id, result.scores[form], result.prediction)
            advance(1)
    return sizes


def _load_fit(method: Method, network: Segmenter, fit: Path | None) -> None:
    reason = network.capabilities.lacks(method.needs())
    if reason is not None:
        raise UsageError(f"{method.card.name} does not fit {network.name}: {reason}", "Choose another method.")
    if method.needs().fit != (fit is not None):
        problem = "is fitted on in-distribution frames" if fit is None else "is not fitted"
        remedy = "Give its fit from a run: --fit RUN/fits/FILE." if fit is None else "Remove --fit."
        raise UsageError(f"{method.card.name} {problem}", remedy)
    if fit is not None:
        method.load(read_fit_file(fit))
