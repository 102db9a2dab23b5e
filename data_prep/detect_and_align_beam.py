r"""detect_and_align.py on Apache Beam, for millions of photos.

    pip install -r requirements-beam.txt
    python data_prep/detect_and_align_beam.py PHOTOS OUT --crop arcface --size 112 \
        --output tfrecord --encoding jpeg -- --runner FlinkRunner --flink_master HOST

The flags before -- are those of detect_and_align.py (whose --jobs has no meaning here),
those behind it Beam's; none is Beam's runner on this machine. OUT must be a folder that
all workers see. The shards, and their bytes, are those of detect_and_align.py, and what
one has begun the other can end with --resume.
"""

import functools
import sys

import tyro

from kerasfer.data_prep.detect_and_align import Config


def main():
    ours, _, of_beam = "\0".join(sys.argv[1:]).partition("\0--\0")
    config = tyro.cli(Config, args=_flags(ours), description=__doc__)
    try:
        from kerasfer.preparation.aligning.program import run

        run(config, functools.partial(_on_beam, _flags(of_beam)))
    except KeyboardInterrupt:
        sys.exit("Interrupted. Whole shards are kept: go on with --resume.")
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"error: {error}")


def _flags(text):
    return text.split("\0") if text else []


def _on_beam(flags, config, settings, missing):
    from kerasfer.optional import require

    beam = require("apache_beam", "This program", "-r requirements-beam.txt")
    from apache_beam.options.pipeline_options import PipelineOptions

    from kerasfer.preparation.aligning.beam import AlignShards

    with beam.Pipeline(options=PipelineOptions(flags)) as pipeline:
        (
            pipeline
            | "Shards" >> beam.Create(missing, reshuffle=False)
            | "Do" >> AlignShards(config.out.resolve(), settings)
        )


if __name__ == "__main__":
    main()
