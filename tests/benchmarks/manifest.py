"""How long ten million rows take to open, and how much memory.

python tests/benchmarks/manifest.py --rows 10000000
"""

import argparse
import pathlib
import resource
import tempfile
import time

from kerasfer.data import read_manifest


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "manifest.csv"
        with path.open("w") as file:
            file.write("path,label,split,subject\n")
            for row in range(rows):
                shard, number = divmod(row, 1000)
                file.write(
                    f"shards/{shard:06d}.tfrecord#{number * 6091},,unlabeled,"
                    f"m.{row // 100:06x}\n"
                )
        before = _peak()
        start = time.perf_counter()
        manifest = read_manifest(path)
        seconds = time.perf_counter() - start
    print(
        f"{len(manifest):,} rows: {seconds:.1f} s, {_peak():.2f} GB at most "
        f"({before:.2f} GB of it before the manifest)"
    )


def _peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    main()
