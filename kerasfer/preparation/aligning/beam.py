"""The same shards on Apache Beam: one machine, or Flink, Spark, Dataflow."""

import apache_beam as beam

from kerasfer.preparation.aligning.faces import Aligner
from kerasfer.preparation.aligning.shards import do_shard
from kerasfer.preparation.aligning.workers import use_one_core


class AlignShards(beam.PTransform):
    """(number, photos) -> how many photos; writes each shard into OUT.

    OUT must be a folder that all workers see, and kerasfer and `data_prep/` must be
    importable there. A shard that is done twice, as Beam may do it, has the same bytes.

    Args:
        out: path of the folder.
        settings: what `aligning.shards.settings_of` gives.
    """

    def __init__(self, out, settings):
        super().__init__()
        self._out, self._settings = out, settings

    def expand(self, shards):
        return (
            shards
            | "Spread" >> beam.Reshuffle()
            | "Align" >> beam.ParDo(_AlignShard(self._out, self._settings))
        )


class _AlignShard(beam.DoFn):
    def __init__(self, out, settings):
        self._out, self._settings = out, settings

    def setup(self):
        use_one_core()
        self._aligner = Aligner(self._settings)

    def process(self, shard):
        number, photos = shard
        yield do_shard(self._aligner, self._out, number, photos)
