"""Archives from elsewhere: refused before a file of them is written."""

import io
import stat
import tarfile
import zipfile
from collections import namedtuple

import pytest

from kerasfer.preparation.importing import source
from kerasfer.preparation.importing.source import opened


def tar_of(path, *members):
    """Members: name -> bytes, or a `TarInfo` of something else."""
    with tarfile.open(path, "w") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            name, content = member
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def zip_of(path, *members):
    """Members: name -> bytes, or (ZipInfo, bytes)."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def special(kind, name="faces/a.png", target="/etc/passwd"):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def linked(name):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("make", "members", "error"),
    [
        (tar_of, [special(tarfile.SYMTYPE)], "is a link or a device"),
        (tar_of, [special(tarfile.LNKTYPE, target="b.png")], "is a link or a device"),
        (tar_of, [special(tarfile.FIFOTYPE)], "is a link or a device"),
        (tar_of, [("a.png", b"1"), special(tarfile.CHRTYPE)], "is a link or a device"),
        (tar_of, [("../a.png", b"1")], "leaves the folder"),
        (tar_of, [("/tmp/a.png", b"1")], "leaves the folder"),
        (zip_of, [(linked("a.png"), b"/etc/passwd")], "is a link or a device"),
        (zip_of, [("../a.png", b"1")], "leaves the folder"),
        (zip_of, [("a/../../b.png", b"1")], "leaves the folder"),
    ],
)
def test_what_could_write_elsewhere_is_refused(make, members, error, tmp_path):
    archive = make(tmp_path / "archive", *members)
    with pytest.raises(ValueError, match=error):
        opened(archive, tmp_path / "out" / "files")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("make", [tar_of, zip_of])
def test_more_than_there_is_room_for_is_refused(make, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(source.shutil, "disk_usage", lambda _: usage(10, 9, 1000))
    archive = make(tmp_path / "archive", ("a", b"0" * 600), ("b", b"0" * 600))
    with pytest.raises(ValueError, match="has room for 0.0 GB"):
        opened(archive, tmp_path / "files")
    assert not (tmp_path / "files").exists()


@pytest.mark.parametrize("make", [tar_of, zip_of])
def test_too_many_members_are_refused(make, tmp_path, monkeypatch):
    monkeypatch.setattr(source, "_MOST_MEMBERS", 3)
    archive = make(tmp_path / "archive", *((str(k), b"") for k in range(4)))
    with pytest.raises(ValueError, match="holds 4 members or more"):
        opened(archive, tmp_path / "files")


@pytest.mark.parametrize("make", [tar_of, zip_of])
def test_files_and_folders_are_unpacked(make, tmp_path):
    archive = make(tmp_path / "archive", ("a/b.png", b"12"), ("c.png", b"3"))
    folder = opened(archive, tmp_path / "files")
    assert (folder / "a/b.png").read_bytes() == b"12"
    assert (folder / "c.png").read_bytes() == b"3"
