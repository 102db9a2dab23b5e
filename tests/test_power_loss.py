"""What a loss of power leaves, at any moment of writing, is a run that goes on.

A disk is made up: of what is written, only what was flushed (fsync) is there after a
loss. Data that were not are zero bytes long; a new name that was not is absent, and
what stood there before is back.
"""

import os
import pathlib
import shutil

import pytest

from kerasfer import safe_write
from kerasfer.callbacks.checkpoint import Checkpoint, last_checkpoint
from kerasfer.safe_write import atomic_write, new_folder, remove_leftovers


class Disk:
    """Sees flushes and renames below a folder; keeps copies of what would be left.

    Args:
        root: folder.
        copies: folder for them.
        flushes: whether they have an effect; without, the test must fail.
    """

    def __init__(self, root, copies, flushes=True):
        self.root, self.copies, self.flushes = root, copies, flushes
        self.durable = {}  # inode -> size and time when its data were flushed
        self.names = []  # (new path, copy of what was there, folder) not flushed yet
        self.count = 0

    def fsync(self, descriptor):
        self.lose()
        if not self.flushes:
            return
        place = pathlib.Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if place.is_dir():
            self.names = [entry for entry in self.names if entry[0].parent != place]
        else:
            self.durable[place.stat().st_ino] = self._version(place)
        self.lose()

    def renamed(self, rename):
        def replaced(source, target):
            source, target = pathlib.Path(source), pathlib.Path(target)
            before = None
            if target.exists():
                before = self.copies / f"before-{self.count}-{len(self.names)}"
                shutil.copyfile(target, before)
            self.lose()
            rename(source, target)
            self.names.append((target, before))
            self.lose()

        return replaced

    def lose(self):
        """Two copies of the disk as a loss of power now might leave it."""
        for names_too in (True, False):
            copy = self.copies / f"{self.count:04d}"
            self.count += 1
            if not self.root.exists():
                continue
            shutil.copytree(self.root, copy)
            for path in [p for p in self.root.rglob("*") if p.is_file()]:
                if self.durable.get(path.stat().st_ino) != self._version(path):
                    (copy / path.relative_to(self.root)).write_bytes(b"")
            for target, before in () if names_too else reversed(self.names):
                place = copy / target.relative_to(self.root)
                if place.is_dir():
                    shutil.rmtree(place)
                else:
                    place.unlink(missing_ok=True)
                if before is not None:
                    shutil.copyfile(before, place)

    @staticmethod
    def _version(path):
        facts = path.stat()
        return facts.st_size, facts.st_mtime_ns


@pytest.fixture
def disk(tmp_path, monkeypatch):
    def made(flushes=True):
        root, copies = tmp_path / "disk", tmp_path / "copies"
        root.mkdir()
        copies.mkdir()
        disk = Disk(root, copies, flushes)
        monkeypatch.setattr(safe_write.os, "fsync", disk.fsync)
        monkeypatch.setattr(safe_write.os, "replace", disk.renamed(os.replace))
        monkeypatch.setattr(safe_write.os, "rename", disk.renamed(os.rename))
        return disk

    return made


def left(disk):
    return sorted(p for p in disk.copies.iterdir() if p.name[0].isdigit())


def write_twice(disk):
    for text in ("first", "second"):
        with atomic_write(disk.root / "result.json") as temporary:
            temporary.write_text(text)


def test_a_file_is_the_old_one_or_the_new_one(disk):
    disk = disk()
    write_twice(disk)
    found = [
        (copy / "result.json").read_text()
        for copy in left(disk)
        if (copy / "result.json").exists()
    ]
    assert len(left(disk)) >= 10 and set(found) == {"first", "second"}
    assert found.index("second") > found.index("first")


def test_the_disk_of_this_test_loses_what_is_not_flushed(disk):
    disk = disk(flushes=False)
    write_twice(disk)
    found = [p.read_text() for copy in left(disk) for p in copy.glob("result.json")]
    assert "" in found


def test_a_folder_is_whole_or_absent(disk):
    disk = disk()
    with new_folder(disk.root / "exported") as folder:
        (folder / "deep/er").mkdir(parents=True)
        for name in ("card.md", "deep/a", "deep/er/b"):
            (folder / name).write_text(name)
    whole = [copy for copy in left(disk) if (copy / "exported").exists()]
    assert len(left(disk)) >= 10 and whole
    for copy in whole:
        for name in ("card.md", "deep/a", "deep/er/b"):
            assert (copy / "exported" / name).read_text() == name


def test_leftovers_are_removed_and_nothing_else(tmp_path):
    (tmp_path / ".writing-1-a.csv").write_text("x")
    (tmp_path / ".writing-2-b").mkdir()
    (tmp_path / "c.csv").write_text("x")
    remove_leftovers(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["c.csv"]


@pytest.mark.parametrize("flushes", [True, False])
def test_a_run_goes_on_from_any_loss(disk, flushes, monkeypatch):
    from support.checkpoint_runs import RUN, model_of, trained

    disk = disk(flushes)
    trained(disk.root, epochs=3)
    epochs, damaged = [], 0
    for copy in left(disk):
        remove_leftovers(copy)
        try:
            place = last_checkpoint(copy / "checkpoints")
        except ValueError:
            damaged += 1
            continue
        done = int(place.name.removeprefix("epoch-")) if place else 0
        epochs.append(done)
    if not flushes:
        assert damaged  # what the disk of a run before this was like
        return
    assert not damaged and len(epochs) >= 10 and {0, 1, 2, 3} == set(epochs)
    for kind in (epochs[::2], epochs[1::2]):  # with names not flushed, without them
        assert kind == sorted(kind)
    monkeypatch.undo()
    for copy in left(disk)[:: max(1, len(left(disk)) // 12)]:
        if last_checkpoint(copy / "checkpoints"):
            files = [copy / n for n in ("best.weights.h5", "metrics.csv")]
            checkpoint = Checkpoint(copy / "checkpoints", RUN, [], [*files, copy / "a"])
            assert checkpoint.resume(model_of()) in (1, 2, 3)
            assert len(files[1].read_text().splitlines()) >= 2
