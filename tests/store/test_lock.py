import subprocess
import sys
from pathlib import Path

import pytest

from feature_manifold.core.errors import LockedError
from feature_manifold.store.lock import experiment_lock

HOLD = """
import sys
from pathlib import Path
from feature_manifold.store.lock import experiment_lock
with experiment_lock(Path(sys.argv[1])):
    sys.stdout.write("held\\n")
    sys.stdout.flush()
    sys.stdin.read()
"""


def test_a_second_run_stops_at_once_and_names_the_first(tmp_path: Path) -> None:
    lock = tmp_path / "toy" / ".lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(LockedError, match=f"'toy' is in use by process {holder.pid}"),
            experiment_lock(lock),
        ):
            pass
        holder.kill()
        holder.wait()
        # A dead holder does not block.
        with experiment_lock(lock):
            pass


def test_the_lock_can_be_taken_again_after_a_failure(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    with pytest.raises(RuntimeError), experiment_lock(lock):
        raise RuntimeError
    with experiment_lock(lock):
        pass
