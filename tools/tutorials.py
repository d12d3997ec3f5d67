"""Execution of the notebooks in docs/tutorials: `python -m tools.tutorials [NAME...]`.

Each notebook is executed from its first cell in a fresh kernel and an empty folder, and written back with its outputs.
What differs between two executions on one machine, such as times, is removed. Needs the extra `dev`.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "tutorials"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
"""The metadata of each notebook. Everything else depends on the machine or on the editor."""

# Seconds per cell, for slow machines.
_TIMEOUT = 600


def read(path: Path) -> NotebookNode:
    """Return a notebook."""
    return nbformat.read(path, as_version=4)


def execute(notebook: NotebookNode) -> NotebookNode:
    """Return an executed and cleaned copy of a notebook.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell failed.
    """
    copy = nbformat.from_dict(notebook)
    with tempfile.TemporaryDirectory() as folder:
        search = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        environment = os.environ | {"PYTHONPATH": search, "IPYTHONDIR": f"{folder}/ipython"}
        environment.pop("MPLBACKEND", None)  # the kernel chooses the one that shows figures in the notebook
        (work := Path(folder, "work")).mkdir()
        client = NotebookClient(
            copy,
            timeout=_TIMEOUT,
            kernel_name="python3",
            resources={"metadata": {"path": str(work)}},
            record_timing=False,
        )
        client.execute(env=environment)
    return clean(copy)


def clean(notebook: NotebookNode) -> NotebookNode:
    """Return a copy with the same cells, outputs and ids, and with no other metadata.

    Successive outputs to one stream are joined, because a kernel divides them by time.
    """
    copy = nbformat.from_dict(notebook)
    copy["metadata"] = nbformat.from_dict(METADATA)
    for cell in copy["cells"]:
        cell["metadata"] = nbformat.from_dict({})
        if cell["cell_type"] == "code":
            cell["outputs"] = _join_streams(cell["outputs"])
        for output in cell.get("outputs", ()):
            if "metadata" in output:
                output["metadata"] = nbformat.from_dict({})
    return copy


def _join_streams(outputs: Sequence[NotebookNode]) -> list[NotebookNode]:
    joined: list[NotebookNode] = []
    for output in outputs:
        if joined and output["output_type"] == "stream" and joined[-1].get("name") == output["name"]:
            joined[-1]["text"] += output["text"]
        else:
            joined.append(output)
    return joined


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="notebooks without .ipynb; by default all")
    names = parser.parse_args(arguments).names or sorted(path.stem for path in FOLDER.glob("*.ipynb"))
    for name in names:
        path, start = FOLDER / f"{name}.ipynb", time.perf_counter()
        nbformat.write(execute(read(path)), path)
        print(f"{path.name}: {time.perf_counter() - start:.0f} s, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
