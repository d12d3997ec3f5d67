"""Each way of building and installing gives exactly the files of the package in git."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINKS = ("methods", "benchmarks", "reports")
# Folders of the requirements. Their .pth files are not read.
REQUIREMENTS = [path for path in sys.path if path and Path(path).resolve() != ROOT]
OFFLINE = ("--no-deps", "--no-build-isolation", "--no-index")

# Isolated (-I) and without the site module (-S), so that neither PYTHONPATH nor another editable install can provide
# modules that the installation under test lacks.
RUN_INSTALLED = """\
import os, runpy, site, sys
site.addsitedir(sys.argv[1])
sys.path += sys.argv[2].split(os.pathsep)
sys.argv = ["oodbench", *sys.argv[3:]]
runpy.run_module("oodbench", run_name="__main__")
"""


@pytest.fixture(scope="module")
def tracked() -> list[str]:
    """Return the files of the repository."""
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [path for path in listed if path and os.path.lexists(ROOT / path)]


@pytest.fixture(scope="module")
def package(tracked: list[str]) -> dict[str, bytes]:
    """Return the content of each file of the installed package, by its path."""
    links = {f"oodbench/{folder}" for folder in LINKS}
    inside = {path: path for path in tracked if path.startswith("oodbench/") and path not in links}
    linked = {f"oodbench/{path}": path for path in tracked if path.partition("/")[0] in LINKS}
    return {name: (ROOT / path).read_bytes() for name, path in (inside | linked).items()}


@pytest.fixture
def archive(tracked: list[str], tmp_path: Path) -> Path:
    """Write a zip of the repository, with symbolic links as git and GitHub store them."""
    path = tmp_path / "repository.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name in tracked:
            if (ROOT / name).is_symlink():
                entry = zipfile.ZipInfo(name)
                entry.create_system = 3  # Unix, which stores file types
                entry.external_attr = (stat.S_IFLNK | 0o777) << 16
                file.writestr(entry, (ROOT / name).readlink().as_posix())
            else:
                file.write(ROOT / name, name)
    return path


@pytest.fixture
def tree(request: pytest.FixtureRequest, archive: Path, tmp_path: Path) -> Path:
    """Copy the repository; its three links are symbolic links, text files, or missing."""
    root = tmp_path / "tree"
    with zipfile.ZipFile(archive) as file:
        file.extractall(root)  # a symbolic link becomes a text file, as in a checkout with core.symlinks=false
    for folder in LINKS:
        link = root / "oodbench" / folder
        assert link.read_text() == f"../{folder}"
        if request.param != "text files":
            link.unlink()
        if request.param == "links":
            link.symlink_to(f"../{folder}")
    return root


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=cwd)


def pip(*arguments: str | Path, cwd: Path) -> None:
    done = run(sys.executable, "-m", "pip", *arguments, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr


def oodbench(*arguments: str, installed: Path) -> str:
    """Return the output of oodbench in a folder of installed packages, with the requirements of the tests."""
    requirements = os.pathsep.join(REQUIREMENTS)
    command = (sys.executable, "-I", "-S", "-c", RUN_INSTALLED, installed, requirements, *arguments)
    done = run(*command, cwd=installed)
    assert done.returncode == 0, done.stderr
    return done.stdout


def check_package(source: Path, package: dict[str, bytes], scratch: Path) -> None:
    """Check that pip's wheel of the source contains the package and lists the methods of the repository."""
    installed = scratch / "installed"
    pip("install", *OFFLINE, "--no-compile", "--target", installed, source, cwd=scratch)
    paths = {path.relative_to(installed).as_posix(): path for path in installed.rglob("*") if path.is_file()}
    paths = {name: path for name, path in paths.items() if not name.startswith("bin/") and ".dist-info/" not in name}
    assert paths.keys() == package.keys()
    assert {name: path.read_bytes() for name, path in paths.items()} == package
    check_methods(installed)


def check_methods(installed: Path) -> None:
    expected = run(sys.executable, "-m", "oodbench", "list", "methods", cwd=ROOT).stdout
    assert "msp" in expected
    assert oodbench("list", "methods", installed=installed) == expected


@pytest.mark.slow
@pytest.mark.parametrize("tree", ["links", "text files", "missing"], indirect=True)
def test_a_wheel_built_from_the_repository_has_all_files(tree: Path, package: dict[str, bytes], tmp_path: Path) -> None:
    check_package(tree, package, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("tree", ["links", "text files"], indirect=True)
def test_a_wheel_built_from_the_source_distribution_has_all_files(
    tree: Path, package: dict[str, bytes], tmp_path: Path
) -> None:
    build = (sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", tmp_path, tree)
    done = run(*build, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (source,) = tmp_path.glob("*.tar.gz")
    shutil.rmtree(tree)
    check_package(source, package, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("tree", ["links", "text files"], indirect=True)
def test_an_editable_install_finds_the_plugins(tree: Path, tmp_path: Path) -> None:
    pip("install", *OFFLINE, "--ignore-installed", "--prefix", tmp_path / "prefix", "--editable", tree, cwd=tmp_path)
    (record,) = (tmp_path / "prefix").rglob("oodbench-*.dist-info")
    check_methods(record.parent)
    folder = tree / "methods"
    folder.joinpath("added.py").write_text('PLUGINS = {"methods": {"added": ("Added", "a method")}}\n')
    assert "added" in oodbench("list", "methods", installed=record.parent)


@pytest.mark.parametrize("tree", ["text files", "missing"], indirect=True)
def test_a_repository_without_links_is_an_error_with_the_remedy(tree: Path) -> None:
    sources = os.pathsep.join([str(tree), *REQUIREMENTS])
    command = [sys.executable, "-S", "-m", "oodbench", "list", "methods"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tree, env=os.environ | {"PYTHONPATH": sources})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: {tree / 'oodbench' / 'methods'} is not a folder of plugins: symbolic links or files are "
        "missing in this checkout\n"
        f"       Install the checkout, which needs no symbolic links: python -m pip install -e {tree}\n"
    )


@pytest.mark.parametrize("tree", ["links"], indirect=True)
def test_an_incomplete_repository_is_not_built(tree: Path, tmp_path: Path) -> None:
    shutil.rmtree(tree / "methods")
    done = run(sys.executable, "-m", "pip", "wheel", *OFFLINE, "--wheel-dir", tmp_path, tree, cwd=tmp_path)
    assert done.returncode != 0
    assert "methods/ must be next to setup.py" in done.stdout + done.stderr
    assert not list(tmp_path.glob("*.whl"))
