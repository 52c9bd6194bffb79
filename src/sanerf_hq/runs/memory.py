"""Memory: the largest resident set of this process, for the ``peak_memory_mb`` of a scene.

Linux keeps the peak in ``/proc/self/status`` (VmHWM) and lets a process start it anew; elsewhere the peak is
that of the whole process so far, so a scene's figure may be an earlier scene's. 1 MB is 10⁶ bytes. What lies
on a GPU is not counted.
"""

from __future__ import annotations

import sys
from pathlib import Path

STATUS = Path("/proc/self/status")
CLEAR_REFS = Path("/proc/self/clear_refs")


def reset_peak_memory() -> bool:
    """Start the peak anew at what is resident now; False where the system does not allow it."""
    try:
        CLEAR_REFS.write_text("5")  # 5: reset the peak resident set, see proc(5)
    except OSError:
        return False
    return True


def peak_memory_mb() -> float | None:
    """The peak since :func:`reset_peak_memory` worked last, else since the process began, in MB of 10⁶ bytes.

    None where the system does not tell (Windows).
    """
    peak = _peak_from_status()
    if peak is None:
        peak = _peak_from_rusage()
    return None if peak is None else peak / 1e6


def _peak_from_status() -> int | None:
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None


def _peak_from_rusage() -> int | None:
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes on macOS, kB elsewhere
