"""What came out, and how it differs from what a cited source says."""

from kerasfer.vision.images import EXPRESSIONS


def print_totals(data_set, counts, reasons):
    """Prints the images of each split and class, the reasons of those left out, and a
    comparison with the data set's `totals`.

    Args:
        data_set: `DataSet`.
        counts: (split, class) -> number of images.
        reasons: reason -> number of images left out.
    """
    for split in dict.fromkeys(split for split, _ in counts):
        classes = _of_split(counts, split)
        shown = ", ".join(f"{name or 'no label'} {n}" for name, n in classes.items())
        print(f"{split or 'no split'}: {sum(classes.values())} images ({shown})")
    print(f"rejected: {sum(reasons.values())}")
    for reason, count in reasons.most_common(10):
        print(f"  {count:6d}  {reason}")
    if not data_set.totals:
        print("No reference for the totals is stored.")
        return
    wrong = [*_differences(data_set.totals, counts)]
    if wrong:
        print(f"The totals differ from {data_set.totals_source}:")
        print("\n".join(f"  {difference}" for difference in wrong))
    else:
        print(f"The totals are those of {data_set.totals_source}.")


def _differences(totals, counts):
    for split, expected in totals.items():
        classes = _of_split(counts, split)
        split = split or "no split"
        if isinstance(expected, int):
            if sum(classes.values()) != expected:
                yield f"{split}: {sum(classes.values())} instead of {expected}"
            continue
        for name, number in expected.items():
            if classes.get(name, 0) != number:
                yield f"{split} {name}: {classes.get(name, 0)} instead of {number}"


def _of_split(counts, split):
    """Class -> number, expressions in the order of FER+, other names sorted."""
    of_split = {name: n for (part, name), n in counts.items() if part == split}
    order = [name for name in EXPRESSIONS if name in of_split]
    order += sorted(name for name in of_split if name not in EXPRESSIONS)
    return {name: of_split[name] for name in order}
