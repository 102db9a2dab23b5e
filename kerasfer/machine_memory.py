"""How much memory this machine, or the container that one is in, has."""

import os
import pathlib

_LIMITS = (  # of Linux's control groups, versions 2 and 1
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)


def machine_memory(limits=_LIMITS):
    """Bytes of it; infinite where the system does not say.

    >>> machine_memory() > 0
    True
    """
    if not hasattr(os, "sysconf"):  # Windows
        return float("inf")
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for path in map(pathlib.Path, limits):
        text = path.read_text().strip() if path.is_file() else ""
        if text.isdigit():  # else "max"
            memory = min(memory, int(text))
    return memory
