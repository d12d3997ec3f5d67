"""The packages of a build: oodbench, and the three folders of plugins at the top of the repository.

In a checkout the folders are in the package through symbolic links. A build doesn't read the links, since a zip of the
repository and many Windows checkouts have none.
"""

from pathlib import Path

from setuptools import find_packages, setup

FOLDERS = ("methods", "benchmarks", "reports")

missing = [folder for folder in FOLDERS if not Path(folder, "__init__.py").is_file()]
if missing:
    raise SystemExit(
        f"{' and '.join(f'{folder}/' for folder in missing)} must be next to setup.py, or the package would be "
        "incomplete: build from a whole copy of the repository or from a source distribution."
    )

plugins = find_packages(include=[pattern for folder in FOLDERS for pattern in (folder, f"{folder}.*")])
setup(
    packages=sorted({*find_packages(include=["oodbench", "oodbench.*"]), *(f"oodbench.{name}" for name in plugins)}),
    package_dir={f"oodbench.{folder}": folder for folder in FOLDERS},
)
