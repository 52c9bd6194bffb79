from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_a_scratch_folder_that_nobody_removed_is_gone_with_the_program(tmp_path: Path):
    script = (
        "from sanerf_hq.viewer.scratch import Scratch\n"
        "scratch = Scratch()\n"
        "(scratch.folder / 'left').mkdir()\n"
        "print(scratch.folder)\n"
        "raise KeyboardInterrupt\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path), "TMPDIR": str(tmp_path), "PATH": ""},
    )
    assert "KeyboardInterrupt" in ended.stderr
    folder = Path(ended.stdout.strip())
    assert folder.parent == tmp_path and not folder.exists()
