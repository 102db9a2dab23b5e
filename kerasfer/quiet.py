"""TensorFlow's notes to its developers, kept off the standard error of our programs.

Importing TensorFlow writes lines on oneDNN, CUDA and processor features, some of which
no setting of its own takes away. Where the user asks for them (KERASFER_VERBOSE=1, or
any TF_CPP_MIN_LOG_LEVEL of their own) nothing is touched.
"""

import contextlib
import importlib.util
import logging
import os
import pathlib
import re
import sys
import tempfile

_OURS = "KERASFER_SET_LOG_LEVEL"
_NOTES = re.compile(
    rb"^(WARNING: All log messages before absl::InitializeLog|To enable the following"
    rb" instructions|[IWE]\d{4} [\d:. ]+\d+ (port|cudart_stub|cpu_feature_guard"
    rb"|cuda_platform|cuda_(dnn|blas|fft)|util|computation_placer)\.cc:)"
)


def quiet():
    """From now on, an import of TensorFlow is quiet; call before it."""
    asked = os.environ.get("KERASFER_VERBOSE") == "1"
    ours = os.environ.get(_OURS) == "1"  # of the process that started this one
    asked |= "TF_CPP_MIN_LOG_LEVEL" in os.environ and not ours
    if asked or "tensorflow" in sys.modules:
        return
    os.environ[_OURS] = "1"
    # Without a driver, the errors are that CUDA is missing.
    has_gpu = pathlib.Path("/dev/nvidiactl").exists()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2" if has_gpu else "3"
    sys.meta_path.insert(0, _QuietImport())
    # A program that trains several models traces a graph for each: no fault of theirs.
    logging.getLogger("tensorflow").addFilter(
        lambda record: "triggered tf.function retracing" not in str(record.msg)
    )


class _QuietImport:
    """Finds `tensorflow` once, with a loader whose notes are not written."""

    def find_spec(self, name, path=None, target=None):
        if name != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None:
            load = spec.loader.exec_module

            def exec_module(module):
                with _without_notes():
                    load(module)

            spec.loader.exec_module = exec_module
        return spec


@contextlib.contextmanager
def _without_notes():
    """What is written to the standard error, but for the notes, comes at the end."""
    sys.stderr.flush()
    before = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(before, 2)
            os.close(before)
            file.seek(0)
            for line in file:
                if not _NOTES.match(line):
                    os.write(2, line)
