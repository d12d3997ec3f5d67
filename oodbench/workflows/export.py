"""Photographs in the format of a leaderboard: a network and a method, an image in, its files out, nothing else.

No threshold, no pictures, and nothing beside the files: so it runs where only the folder for them can be written.
"""

from __future__ import annotations

from pathlib import Path

from oodbench.contracts import Method, Scoring, Segmenter
from oodbench.data import open_photographs
from oodbench.errors import UsageError
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


def export(
    images: Path, form: str, fit: Path | None, request: Request, registry: Registry, progress: Progress
) -> dict[str, Size]:
    """Score each image and write it.

    Args:
        images: a folder of photographs, or one.
        form: a submission that is written image by image.
        fit: what the method has learned, of a method that learns.
        request: one method, one network, where they run, and where to write.
        registry: with the plugins of the request.
        progress: what to tell.

    Returns:
        The images, id -> size.

    Raises:
        OodbenchError: a name, a file or an image is not what it should be.
    """
    submission = registry.submission(form)
    if not submission.card.images:
        raise UsageError(f"{form} is not written image by image", "Write it from a run: oodbench submit.")
    if request.out is None:
        raise UsageError(f"--format {form} needs a folder to write into", "Give it: --out DIR.")
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
            with add_error_context(network.name, [frame]):
                ((result,), _) = score_output(batch.output, [sizes[frame.id]], {form: method}, Scoring())
            submission.write_image(request.out, frame.id, result.scores[form], result.prediction)
            advance(1)
    return sizes


def _load_fit(method: Method, network: Segmenter, fit: Path | None) -> None:
    reason = network.capabilities.lacks(method.needs())
    if reason is not None:
        raise UsageError(f"{method.card.name} does not fit {network.name}: {reason}", "Choose another one.")
    if method.needs().fit != (fit is not None):
        learns = "learns from in-distribution frames" if fit is None else "learns nothing"
        remedy = "Give what it learned in a run: --fit RUN/fits/FILE." if fit is None else "Leave --fit out."
        raise UsageError(f"{method.card.name} {learns}", remedy)
    if fit is not None:
        method.load(read_fit_file(fit))
