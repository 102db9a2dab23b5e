"""Runs in processes of their own: one that fails or is killed takes no other along."""

import multiprocessing
import multiprocessing.connection
import os
import pathlib
import re
import sys
import traceback

from kerasfer.experiments.devices import refuse_workers
from kerasfer.experiments.runs import is_claimed, reported_errors
from kerasfer.experiments.termination import STATUS, end_with_parent


def run_all(runs, jobs, logs, done):
    """Runs them, so many at a time; gives the ones that failed.

    Runs that another process has begun come last: it is then waited for, and its result
    taken.

    Args:
        runs: list of (name, recipe name, config, row, seed, folder).
        jobs: how many at a time. Each gets an equal share of the cores; with several in
            CUDA_VISIBLE_DEVICES, they take turns on them.
        logs: folder for what they print, `<name>.log`.
        done: called with the number of finished runs after each.

    Returns:
        list of (run, path of the log).
    """
    logs.mkdir(parents=True, exist_ok=True)
    pending, live, failed = list(runs), {}, []
    slots = list(range(jobs))
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    try:
        while pending or live:
            while pending and slots:
                run = _next(pending)
                slot = slots.pop(0)
                log = logs / f"{run[0]}.log"
                environment = {"TF_NUM_INTRAOP_THREADS": threads, **_device(slot)}
                arguments = run, log, environment if jobs > 1 else {}
                process = _start(_work, arguments)
                live[process.sentinel] = process, run, log, slot
            for sentinel in multiprocessing.connection.wait(list(live)):
                process, run, log, slot = live.pop(sentinel)
                process.join()
                slots.append(slot)
                if process.exitcode != 0:
                    failed.append((run, log))
                done(1)
    finally:
        for process, *_ in live.values():
            process.terminate()
        for process, *_ in live.values():  # each finishes its epoch
            process.join()
    return failed


def _next(pending):
    free = (i for i, run in enumerate(pending) if not is_claimed(run[-1]))
    return pending.pop(next(free, 0))


def _device(slot):
    devices = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    if len(devices) < 2:
        return {}
    return {"CUDA_VISIBLE_DEVICES": devices[slot % len(devices)]}


def _start(target, arguments):
    process = _context().Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


def _context():
    """How runs start: forks of a server that has imported what all of them need, which
    takes longer than a short run, and has computed nothing. CUDA survives no fork."""
    cuda = pathlib.Path("/dev/nvidiactl").exists()
    if cuda or "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    quiet_first = "kerasfer.experiments"
    context.set_forkserver_preload([quiet_first, "tensorflow", "keras", "pandas"])
    return context


def _work(run, log, environment):
    # TensorFlow reads these when it computes for the first time.
    os.environ.update(environment)
    from kerasfer.experiments.study.file import load_recipe

    name, recipe, config, row, seed, folder = run
    with pathlib.Path(log).open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    end_with_parent(multiprocessing.parent_process())
    try:
        with reported_errors():
            refuse_workers(config.training, "A study")
            load_recipe(recipe, name).run(config, row, seed, folder)
    except SystemExit as error:
        if error.code != STATUS:
            print(error.code, flush=True)
        sys.exit(1)
    except Exception:
        traceback.print_exc()
        sys.exit(1)


def last_line(log):
    """What a run said of its failure; its last line, if it had no time to say."""
    text = log.read_text(errors="replace") if log.exists() else ""
    lines = [line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()]
    errors = [
        line for line in lines if re.match(r"error:|[\w.]*(Error|Exception):", line)
    ]
    return (errors or lines or ["it was killed before it said anything"])[-1]
