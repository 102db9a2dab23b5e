"""Stages of a chain: files that stand as long as what they were made from does."""

import contextlib
import hashlib
import json
import pathlib
import shutil


def fingerprint(*inputs):
    """A short hash of settings (what JSON can hold) and of files (paths)."""
    digest = hashlib.sha256()
    for value in inputs:
        if isinstance(value, pathlib.Path):
            digest.update(value.read_bytes())
        else:
            digest.update(json.dumps(value, sort_keys=True).encode())
    return digest.hexdigest()[:16]


def is_made(output, made_from):
    """Whether a stage's output is there, made from the same inputs.

    Raises:
        ValueError: it is there, made from others: what was trained on it would no
            longer be what its folder says.
    """
    if not output.exists():
        return False
    note = _note(output)
    if note.exists() and json.loads(note.read_text())["made_from"] == made_from:
        print(f"{output} is taken as it is.")
        return True
    raise ValueError(
        f"{output} was made from other inputs or settings. Choose another --out, or "
        "remove it and what was trained on it; nothing was changed."
    )


@contextlib.contextmanager
def new_folder(output, made_from, unfinished=()):
    """A folder to write a stage's files into; stands under its name once all are there.

    Args:
        output: path of the folder, where nothing stands.
        made_from: a `fingerprint`.
        unfinished: names of folders that a stopped attempt at the same inputs left to
            go on with.
    """
    temporary = output.with_name(f".making-{output.name}")
    note = temporary / "made_from"
    if not (note.exists() and note.read_text() == made_from):
        shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True, exist_ok=True)
    note.write_text(made_from)
    yield temporary
    note.unlink()
    for name in unfinished:
        shutil.rmtree(temporary / name, ignore_errors=True)
    temporary.rename(output)
    finish(output, made_from)


def finish(output, made_from):
    """Notes what a finished output was made from."""
    _note(output).write_text(json.dumps({"made_from": made_from}))


def _note(output):
    return output.with_name(f"{output.name}.stage.json")
