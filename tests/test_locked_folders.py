"""Folders that are replaced as a whole."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from oodbench.errors import RunFolderError
from oodbench.files import write_atomically
from oodbench.locked_folders import lock_folder, replace_folder


def write(folder: Path, text: str) -> None:
    with replace_folder(folder) as new:
        (new / "a.txt").write_text(text)


def content(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_is_created_and_replaced(tmp_path: Path) -> None:
    write(tmp_path / "deep" / "out", "one")
    (tmp_path / "deep" / "out" / "old.txt").touch()
    write(tmp_path / "deep" / "out", "two")
    assert content(tmp_path) == {"deep/out/a.txt": "two"}


def test_an_error_leaves_the_old_content(tmp_path: Path) -> None:
    write(tmp_path / "out", "one")
    with pytest.raises(ValueError, match="torn"), replace_folder(tmp_path / "out") as new:
        write_atomically(new / "a.txt", lambda _: int("torn"))
    assert content(tmp_path) == {"out/a.txt": "one"}


def test_a_failed_exchange_restores_the_old_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "out", "one")
    rename = Path.rename

    def fail_for_new(path: Path, target: Path) -> Path:
        if path.name == "new":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail_for_new)
    with pytest.raises(RunFolderError, match="can't be written"):
        write(tmp_path / "out", "two")
    assert content(tmp_path) == {"out/a.txt": "one"}


def test_a_killed_process_leaves_nothing_for_good(tmp_path: Path) -> None:
    left = tmp_path / ".out.oodbench-part" / "new" / "b.txt"
    left.parent.mkdir(parents=True)
    left.touch()
    write(tmp_path / "out", "one")
    assert content(tmp_path) == {"out/a.txt": "one"}


def test_a_link_to_a_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "disk" / "out").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "out")
    write(tmp_path / "link", "one")
    assert (tmp_path / "link").is_symlink()
    assert content(tmp_path / "disk") == {"out/a.txt": "one"}


def test_a_mount_point_is_an_error_that_names_a_folder_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == tmp_path / "disk")
    with pytest.raises(RunFolderError, match=r"disk: is a mount point.*\n.*--out .*disk/new\."):
        write(tmp_path / "disk", "one")
    write(tmp_path / "disk" / "new", "one")
    assert content(tmp_path) == {"disk/new/a.txt": "one"}


def test_two_processes_can_not_replace_one_folder(tmp_path: Path) -> None:
    with lock_folder(tmp_path / ".out.oodbench-part"), pytest.raises(RunFolderError, match="another oodbench process"):
        write(tmp_path / "out", "one")


def test_a_full_disk_is_an_error_without_a_word_of_resuming(tmp_path: Path) -> None:
    def fail(_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(RunFolderError) as error, replace_folder(tmp_path / "out") as new:
        write_atomically(new / "a.txt", fail)
    assert error.value.remedy == "Free some space, or choose another folder with --out."
    assert not list(tmp_path.iterdir())
