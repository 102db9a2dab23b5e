"""Shards of the work, each done whole or not at all."""

import hashlib
import json

from kerasfer.preparation.aligning.crops import crops_of_shard
from kerasfer.preparation.aligning.faces import Rejected
from kerasfer.safe_write import atomic_write

FOLDER = ".shards"
SETTINGS = "settings.json"

# What the crops and their shards depend on; the number of programs is not among it.
_SETTINGS = (
    "crop",
    "margin",
    "size",
    "channels",
    "detector",
    "yunet_model",
    "faces",
    "min_confidence",
    "min_side",
    "output",
    "encoding",
    "shard_size",
)


def settings_of(config, photos):
    """What a result depends on, as JSON holds it."""
    settings = {name: getattr(config, name) for name in _SETTINGS}
    if config.yunet_model is not None:
        settings["yunet_model"] = str(config.yunet_model.resolve())
    listed = json.dumps([tuple(photo) for photo in photos]).encode()
    return {**settings, "pictures": hashlib.sha256(listed).hexdigest()}


def open_folder(out, settings, resume):
    """Claims OUT for these settings; what was begun with others is left alone.

    Raises:
        FileExistsError: something stands there, and it is not to be gone on with.
        ValueError: it was begun with other settings or photos.
    """
    begun = out / FOLDER / SETTINGS
    if out.exists() and any(out.iterdir()):
        if not begun.exists():
            raise FileExistsError(
                f"{out} exists and was not begun by this program. Choose another "
                "folder; nothing was changed."
            )
        written = json.loads(begun.read_text())
        others = [name for name in settings if written.get(name) != settings[name]]
        if others:
            raise ValueError(
                f"{out} was begun with other settings: {', '.join(others)}. Choose "
                "another folder; nothing was changed."
            )
        if not resume:
            raise FileExistsError(
                f"{out} was begun already. Go on with --resume, or choose another "
                "folder; nothing was changed."
            )
    begun.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(begun) as temporary:
        temporary.write_text(json.dumps(settings, indent=1))


def record_path(out, number):
    """Where a shard's record is, once it is done."""
    return out / FOLDER / f"{number:06d}.json"


def do_shard(aligner, out, number, photos):
    """Writes the crops of a shard, then its record; how many photos it had.

    Doing it again writes the same bytes.

    Args:
        aligner: `aligning.faces.Aligner`.
        out: the folder.
        number: of the shard.
        photos: list of `aligning.photos.Photo`.
    """
    rows, rejected = [], []
    with crops_of_shard(out, number, aligner.settings["output"]) as write:
        for photo in photos:
            try:
                encoded, facts, remark = aligner(photo)
            except Rejected as reason:
                rejected.append({"path": photo.name, "reason": str(reason)})
                continue
            path = write(photo, encoded)
            rows.append({"path": path, **photo.columns, **facts})
            if remark:
                rejected.append({"path": photo.name, "reason": remark})
    with atomic_write(record_path(out, number)) as temporary:
        temporary.write_text(json.dumps({"rows": rows, "rejected": rejected}))
    return len(photos)
