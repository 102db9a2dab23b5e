"""All images looked at once; what was found, printed and written."""

import collections
import csv

from kerasfer.data import read_manifest
from kerasfer.preparation.checking.clean import (
    check_target,
    rows_to_drop,
    write_clean,
)
from kerasfer.preparation.checking.looks import look_at
from kerasfer.preparation.checking.problems import Problem, problems_of
from kerasfer.preparation.checking.sheets import draw_sheets
from kerasfer.safe_write import new_folder


def run(config):
    """Prints and writes; whether there are problems that are not to be ignored."""
    if config.write_clean is not None:
        check_target(config.manifest, config.write_clean)
    manifest = read_manifest(config.manifest)
    looks, problems = _looked_at(manifest)
    problems += problems_of(manifest, looks)
    _print_classes(manifest)
    _print_sizes(looks)
    _print_problems(problems, config)
    if config.out is not None:
        with new_folder(config.out) as folder:
            with (folder / "problems.csv").open("w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(("problem", "path", "other"))
                writer.writerows(problems)
            draw_sheets(folder, manifest, looks)
        print(f"Folder: {config.out}")
    if config.write_clean is not None:
        _write_clean(config, manifest, problems)
    return any(problem.kind not in config.ignore for problem in problems)


def _write_clean(config, manifest, problems):
    counted = [p for p in problems if p.kind not in config.ignore]
    dropped, contradicting = rows_to_drop(manifest, counted)
    left = write_clean(config.manifest, config.write_clean, dropped)
    gone = len(dropped)
    print(f"{config.write_clean}: {left} of {len(manifest)} faces, without {gone}.")
    if contradicting:
        print(
            f"{contradicting} images were there with different labels; the one that "
            "stays may be wrong: look at them (--out)."
        )
    if any(p.kind == "subject_across_splits" for p in counted):
        print("Subjects in several splits are left: move them, or drop the split.")


def _looked_at(manifest):
    from tqdm import tqdm

    looks, problems = [], []
    for row in tqdm(range(len(manifest)), unit="image", disable=None):
        try:
            looks.append(look_at(row, manifest.image(row, channels=3)))
        except (ValueError, OSError) as error:
            problems.append(Problem("unreadable", manifest.names[row], str(error)))
    return looks, problems


def _print_classes(manifest):
    parts = manifest.parts if manifest.parts is not None else ["all"] * len(manifest)
    names = [*manifest.class_names, "unlabelled"]
    counts = collections.Counter(zip(parts, manifest.labels, strict=True))
    for part in dict.fromkeys(parts):
        of_part = {n: counts[part, k] for k, n in enumerate(names[:-1])}
        of_part["unlabelled"] = counts[part, -1]
        listed = ", ".join(
            f"{name} {count}" for name, count in of_part.items() if count
        )
        print(f"{part}: {sum(of_part.values())} faces ({listed})")


def _print_sizes(looks):
    sizes = collections.Counter(look.size for look in looks)
    listed = [f"{w} x {h}: {n}" for (h, w), n in sizes.most_common(5)]
    more = f", and {len(sizes) - 5} more sizes" if len(sizes) > 5 else ""
    print(f"sizes: {', '.join(listed)}{more}")


def _print_problems(problems, config):
    kinds = collections.Counter(problem.kind for problem in problems)
    if not problems:
        print("Nothing was found.")
    for kind, count in kinds.most_common():
        print(f"{kind}: {count}{' (ignored)' if kind in config.ignore else ''}")
        of_kind = [problem for problem in problems if problem.kind == kind]
        for problem in of_kind[: config.examples]:
            print(f"    {problem.path}  {problem.other}".rstrip())
