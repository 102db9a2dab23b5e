"""Shards over processes, then one manifest."""

import collections
import concurrent.futures
import csv
import dataclasses
import json
import multiprocessing
import shutil

from kerasfer.data.licences import licence_notes, write_notice
from kerasfer.preparation.aligning.faces import ENCODINGS, FACTS, crop_of
from kerasfer.preparation.aligning.photos import read_photos
from kerasfer.preparation.aligning.shards import (
    FOLDER,
    open_folder,
    record_path,
    settings_of,
)
from kerasfer.preparation.aligning.workers import start_worker, work
from kerasfer.safe_write import atomic_write, remove_leftovers

MANIFEST, REJECTED, CROP = "manifest.csv", "rejected.csv", "crop.json"


def run(config, do=None):
    """Does the shards that are this program's and missing; assembles what is whole.

    Args:
        config: of `detect_and_align.py`.
        do: function of the config, the settings, and (number, photos) pairs, that
            does shards; None is by processes of this machine.

    Raises:
        ValueError: columns of the source that the manifest has itself; see also
            `aligning.photos.read_photos` and `aligning.shards.open_folder`.
    """
    photos = read_photos(config.source, ENCODINGS[config.encoding])
    columns = [*photos[0].columns]
    if clash := set(columns) & {"path", *FACTS}:
        raise ValueError(
            f"{config.source} has columns that the manifest gets of its own: "
            f"{', '.join(sorted(clash))}. Rename them."
        )
    settings = settings_of(config, photos)
    open_folder(config.out, settings, config.resume)
    starts = range(0, len(photos), config.shard_size)
    shards = [photos[start : start + config.shard_size] for start in starts]
    missing = [
        (number, shards[number])
        for number in range(len(shards))
        if number % config.num_shards == config.shard_index
        and not record_path(config.out, number).exists()
    ]
    if missing:
        (do or _in_processes)(config, settings, missing)
    if not all(record_path(config.out, n).exists() for n in range(len(shards))):
        print("Other parts of the work are not done; who ends last writes the rest.")
        return
    _assemble(config, settings, columns, len(shards))


def _in_processes(config, settings, missing):
    from tqdm import tqdm

    with tqdm(total=sum(len(p) for _, p in missing), unit="photo", disable=None) as bar:
        if config.jobs == 1:
            start_worker(settings)
            for number, photos in missing:
                bar.update(work(config.out, number, photos))
            return
        try:
            for future in _submitted(config, settings, missing):
                bar.update(future.result())
        except concurrent.futures.BrokenExecutor:
            raise OSError(
                "a process ended from outside (killed, or out of memory). Whole shards "
                "are kept: go on with --resume, with fewer --jobs if memory was short."
            ) from None


def _submitted(config, settings, missing):
    """The shards' futures, as they are done by `--jobs` processes."""
    with concurrent.futures.ProcessPoolExecutor(
        min(config.jobs, len(missing)),
        multiprocessing.get_context("spawn"),  # TensorFlow does not survive a fork
        start_worker,
        (settings,),
    ) as pool:
        futures = [
            pool.submit(work, config.out, number, photos) for number, photos in missing
        ]
        try:
            yield from concurrent.futures.as_completed(futures)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _assemble(config, settings, columns, count):
    """manifest.csv and what stands beside it, of the records of all shards."""
    out = config.out
    for folder in (out / FOLDER, *out.glob("shards"), *out.glob("images/**/")):
        remove_leftovers(folder)  # of a process that was killed: all shards are whole
    header = ["path", *columns, *FACTS]
    kept = refused = 0
    with (
        atomic_write(out / MANIFEST) as manifest_path,
        atomic_write(out / REJECTED) as rejected_path,
        manifest_path.open("w", newline="", encoding="utf8") as manifest_file,
        rejected_path.open("w", newline="", encoding="utf8") as rejected_file,
    ):
        manifest = csv.DictWriter(manifest_file, header, lineterminator="\n")
        rejected = csv.DictWriter(
            rejected_file, ["path", "reason"], lineterminator="\n"
        )
        manifest.writeheader()
        rejected.writeheader()
        for number in range(count):
            record = json.loads(record_path(out, number).read_text())
            manifest.writerows(record["rows"])
            rejected.writerows(record["rejected"])
            kept += len(record["rows"])
            refused += len(record["rejected"])
    with atomic_write(out / CROP) as temporary:
        temporary.write_text(
            json.dumps(dataclasses.asdict(crop_of(settings)), indent=1)
        )
    write_notice(out, licence_notes(config.source))
    if not kept:
        _refuse_empty(config, out)
    print(f"{kept} faces, {refused} rows of rejected.csv. {out / MANIFEST}")


def _refuse_empty(config, out):
    """Takes the folder away, so that the corrected command can write it.

    Raises:
        ValueError: with what most photos were rejected for.
    """
    with (out / REJECTED).open(newline="", encoding="utf8") as file:
        reasons = collections.Counter(row["reason"] for row in csv.DictReader(file))
    (reason, count), *_ = reasons.most_common(1)
    shutil.rmtree(out)
    hint = ""
    if config.source.suffix.lower() == ".csv" and "No such file" in reason:
        root = config.source.parent.resolve()
        hint = f" Relative paths of a CSV start at its own folder, {root}."
    raise ValueError(
        f"No face was kept of {sum(reasons.values())} photos, so nothing was written."
        f" {count} times: {reason}.{hint}"
    )
