"""Two workers of one program, started as by a launcher on two machines."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile


class Worker:
    """A process `python ARGUMENTS` that finds the others by TF_CONFIG."""

    def __init__(self, arguments, config):
        # A pipe that nobody reads would fill up, and stop both.
        self.file = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            env={**os.environ, "COLUMNS": "200", "TF_CONFIG": json.dumps(config)},
            stdout=self.file,
            stderr=subprocess.STDOUT,
        )

    def output(self):
        self.file.seek(0)
        return self.file.read()


@contextlib.contextmanager
def two_workers(*arguments):
    """Both; they are gone at the end."""
    cluster = {"worker": _free_addresses(2)}
    tasks = [{"type": "worker", "index": index} for index in range(2)]
    workers = [Worker(arguments, {"cluster": cluster, "task": t}) for t in tasks]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.process.kill()
            worker.process.wait()


def run_two(*arguments, timeout=600):
    """Exit codes and all output of both."""
    with two_workers(*arguments) as workers:
        codes = [worker.process.wait(timeout) for worker in workers]
        return codes, [worker.output() for worker in workers]


def _free_addresses(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("localhost", 0))
    addresses = [f"localhost:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return addresses
