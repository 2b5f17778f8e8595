"""Inject a fault at every operation in turn, in a process under the shim that answers requests.

``python -m tests.pipeline.faults.drive FOLDER`` reads lines ``SCENARIO FAULT``. For each it forks,
injects, writes what it did to ``FOLDER/SCENARIO/result.json``, and answers with a code, which is 0
if all held; else a traceback is on its standard error. Kernels are compiled once for all requests.

An attempt that ends with the same files as an earlier one is checked by that one: what the next
run does depends on the files alone.
"""

import gc
import hashlib
import json
import os
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from feature_manifold.core.errors import FmiError
from feature_manifold.core.progress import SilentProgress
from feature_manifold.pipeline.pipeline import verify_experiment
from feature_manifold.store.atomic import is_aside
from feature_manifold.store.layout import EXPERIMENT_LIST, MANIFEST, DataRoot
from feature_manifold.store.manifest import read_manifest
from tests.pipeline.faults.scenarios import DATA, SCENARIOS, Scenario, start_over
from tests.pipeline.faults.shim import Fault, arm, disarm

MOST = 5000
Operation = tuple[str, str, str]


def contents(root: Path) -> dict[str, bytes]:
    """Return every file below a folder but locks, and the list of experiments without its time."""
    found = {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name != ".lock"
    }
    for name in found:
        if name.endswith(EXPERIMENT_LIST):
            values = json.loads(found[name])
            del values["updated_at"]
            found[name] = json.dumps(values).encode()
    return found


def in_child(work: Callable[[], None]) -> int:
    """Do it in a fork of this process and return how that ended: a code, or minus the signal."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 - the child must end here, whatever happens
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@dataclass(frozen=True)
class Ground:
    """Where the attempts are made.

    Attributes
    ----------
    scenario
        What is run.
    work
        Folder of everything.
    before, after
        Files before the run, and after one that nothing disturbed.
    undisturbed
        Operations of that run: kind, path, and second path of each.
    """

    scenario: Scenario
    work: Path
    before: dict[str, bytes]
    after: dict[str, bytes]
    undisturbed: list[Operation]

    @property
    def root(self) -> Path:
        """Folder of the attempt."""
        return self.work / "attempt"

    @property
    def log(self) -> Path:
        """Operations of the attempt, a line each."""
        return self.work / "operations.txt"

    def attempt(self, fault: Fault, at: int) -> int:
        """Run with a fault at operation ``at``; return how many operations there were."""
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        arm(self.root, fault, at, log=log)
        try:
            self.scenario.run(self.root)
        finally:
            seen = disarm()
            os.close(log)
        return seen

    def state(self) -> str:
        """Return a digest of all that the next run finds: names, files, which are one file."""
        digest = hashlib.blake2b()
        first: dict[int, str] = {}
        for path in sorted(self.root.rglob("*")):
            name = str(path.relative_to(self.root))
            entry = (name, path.is_dir(), first.setdefault(path.lstat().st_ino, name))
            digest.update(repr(entry).encode())
        digest.update(repr(sorted(contents(self.root).items())).encode())
        return digest.hexdigest()

    def open_files(self) -> list[str]:
        """Return the files of the attempt that this process holds open, and so may hold locked."""
        found = []
        for descriptor in Path("/proc/self/fd").iterdir():
            # The one that lists them is closed by now.
            with suppress(FileNotFoundError):
                found.append(str(descriptor.readlink()))
        return [name for name in found if name.startswith(f"{self.root}/")]

    def start(self) -> None:
        """Go back to the state before the run."""
        start_over(self.scenario, self.work / "template", self.root)

    def check_once(self, checked: set[str]) -> None:
        """Check, unless files were left just like this before."""
        state = self.state()
        if state not in checked:
            self.check()
            checked.add(state)

    def check(self) -> None:
        """Check that nothing claims to be finished and is not, and that the next run ends right."""
        claimed = {path.parent for path in self.root.rglob(MANIFEST) if not is_aside(path)}
        for folder in claimed:
            self._check_whole(folder)
        data = DataRoot(self.root / DATA)
        for experiment_id in data.experiment_ids():
            states = verify_experiment(data.experiment(experiment_id), progress=SilentProgress())
            for state in states:
                assert state.state != "damaged", state
        self.scenario.run(self.root)
        self.check_same(contents(self.root), self.after)

    def _check_whole(self, folder: Path) -> None:
        """Check every file of a folder with a manifest against one and the same run's."""
        manifest = read_manifest(folder)
        assert manifest is not None
        names = [(folder / name).resolve() for name in (*manifest.files, MANIFEST)]
        files = [name.relative_to(self.root).as_posix() for name in names]
        now = {name: (self.root / name).read_bytes() for name in files}
        runs = [{name: run.get(name) for name in files} for run in (self.before, self.after)]
        assert now in runs, f"{folder} claims to be finished, and is of neither run"

    def check_same(self, now: dict[str, bytes], then: dict[str, bytes]) -> None:
        """Compare all files."""
        assert now.keys() == then.keys(), sorted(now.keys() ^ then.keys())
        differing = [name for name in now if now[name] != then[name]]
        assert not differing, differing


def operations(log: Path) -> list[Operation]:
    """Read a log: kind, path, and second path of each operation."""
    lines = log.read_text().splitlines()
    return [(kind, path, other) for kind, path, other in (line.split("\t") for line in lines)]


def prepare(scenario: Scenario, work: Path) -> Ground:
    """Run once without fault, which also compiles every kernel before the first fork."""
    ground = Ground(scenario, work, {}, {}, [])
    ground.start()
    before = contents(ground.root)
    ground.attempt(Fault.COUNT, 0)
    return Ground(scenario, work, before, contents(ground.root), operations(ground.log))


def kill_everywhere(ground: Ground) -> Counter[str]:
    """Kill with SIGKILL at operation 1, 2, 3 ... until a run survives; count by kind."""
    kinds: Counter[str] = Counter()
    checked: set[str] = set()
    for at in range(1, MOST):
        ground.start()
        ended = in_child(lambda at=at: ground.attempt(Fault.KILL, at) and None)
        if ended == 0:
            ground.check_same(contents(ground.root), ground.after)
            return kinds
        assert ended == -signal.SIGKILL, f"operation {at}: ended with {ended}"
        last = operations(ground.log)[-1]
        kinds[last[0]] += 1
        try:
            ground.check_once(checked)
        except BaseException as error:
            error.add_note(f"after a kill at operation {at}: {last}")
            raise
    raise AssertionError(f"no run survived {MOST} kills")


def fail_everywhere(ground: Ground, fault: Fault) -> Counter[str]:
    """Fill the disk, or let one operation fail, at operation 1, 2, 3 ...; count errors by class."""
    errors: Counter[str] = Counter()
    checked: set[str] = set()
    for at in range(1, MOST):
        ground.start()
        try:
            seen = ground.attempt(fault, at)
        except (FmiError, OSError) as error:
            name, text = type(error).__name__, str(error)
        else:
            if seen < at:
                return errors
            name, text = "none", ""
        errors[name] += 1
        try:
            if fault == Fault.FULL:
                assert name in ("DiskSpaceError", "none"), text
            assert "\n" not in text
            assert not ground.open_files()
            ground.check_once(checked)
        except BaseException as error:
            last = operations(ground.log)[at - 1]
            error.add_note(f"after {fault.name} at operation {at}: {last}")
            raise
    raise AssertionError(f"no run survived {MOST} faults")


def inject(ground: Ground, fault: Fault) -> None:
    """Do one scenario with one kind of fault, and write down what happened."""
    counts = kill_everywhere(ground) if fault == Fault.KILL else fail_everywhere(ground, fault)
    (ground.work / "result.json").write_text(json.dumps([counts, ground.undisturbed]))


def main(work: Path) -> None:
    """Answer requests until there are no more."""
    grounds: dict[str, Ground] = {}
    for line in sys.stdin:
        name, fault = line.split()
        if name not in grounds:
            grounds[name] = prepare(SCENARIOS[name], work.resolve() / name)
            # What a fork shares with its parent stays shared: counting would copy the pages.
            gc.collect()
            gc.freeze()
        code = in_child(lambda name=name, fault=fault: inject(grounds[name], Fault[fault]))
        sys.stdout.write(f"{code}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
