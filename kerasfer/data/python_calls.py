"""Python functions called from tf.data threads, and a clean end of the program.

A pipeline prefetches in threads of TensorFlow's own. One that enters Python while the
interpreter shuts down aborts the process, or never comes back. So at exit the functions
turn into stubs that return at once, the iterators that the program still holds are
deleted, which waits for their threads, and then, for what holds others, the program
waits until the buffers are full and the calls have ceased.
"""

import atexit
import functools
import gc
import threading
import time
import weakref

import numpy as np

_QUIET = 0.3  # seconds without a call after which the buffers are taken to be full
_PATIENCE = 10.0  # seconds after which the program ends all the same

_changed = threading.Condition()
_running = 0
_last_call = 0.0
_closing = False


def stopping_at_exit(function, specs):
    """`function`, replaced by one that returns empty arrays once the program ends.

    Args:
        function: takes any arguments, returns a list of arrays.
        specs: (dtype, shape) of each array; unknown sizes are None.
    """

    @functools.wraps(function)
    def guarded(*arguments):
        global _running, _last_call
        with _changed:
            _last_call = time.monotonic()
            if _closing:
                return [
                    np.zeros([size or 0 for size in shape], dtype)
                    for dtype, shape in specs
                ]
            _running += 1
        try:
            return function(*arguments)
        finally:
            with _changed:
                _running -= 1
                _changed.notify_all()

    return guarded


def _wait_for_calls():
    global _closing
    if not _last_call:
        return
    deadline = time.monotonic() + _PATIENCE
    with _changed:
        _closing = True
        if not _changed.wait_for(lambda: not _running, timeout=_PATIENCE):
            return  # a call that hangs: waiting for its thread would never end
    _delete_iterators()
    with _changed:
        while time.monotonic() < deadline:
            if time.monotonic() - _last_call > _QUIET:
                return
            _changed.wait(timeout=_QUIET / 2)


def _delete_iterators():
    import tensorflow as tf

    for found in gc.get_objects():
        if issubclass(type(found), tf.data.Iterator):
            vars(found).clear()  # its resource too, which nothing else holds


# Exit handlers run in reverse order, and all finalizers run in one handler, which the
# first of them registers. Registered after it, this one stops the calls before data
# workers end: a later call would start new workers, which nothing would end.
weakref.finalize(_changed, lambda: None)
atexit.register(_wait_for_calls)
