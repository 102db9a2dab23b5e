"""A process that does shards: its networks are loaded once."""

from kerasfer.preparation.aligning.faces import Aligner
from kerasfer.preparation.aligning.shards import do_shard

_aligner = None  # of this process


def start_worker(settings):
    """Loads the networks."""
    global _aligner
    use_one_core()
    _aligner = Aligner(settings)


def work(out, number, photos):
    """Does a shard; how many photos it had."""
    return do_shard(_aligner, out, number, photos)


def use_one_core():
    """Makes TensorFlow and OpenCV compute on one core, from now on.

    Sums over several are added in another order, and the result must not depend on how
    many processes there are.
    """
    import tensorflow as tf

    from kerasfer.vision.images import cv2

    if tf.config.threading.get_intra_op_parallelism_threads() != 1:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    cv2.setNumThreads(1)
