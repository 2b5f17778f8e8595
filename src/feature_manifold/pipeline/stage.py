"""What a stage is: a folder made from a part of the config and from other stages' folders."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from feature_manifold.core.config import ExperimentConfig
from feature_manifold.core.progress import Progress
from feature_manifold.store.experiment import Experiment
from feature_manifold.store.layout import ExperimentPaths


@dataclass(frozen=True)
class StageContext:
    """What a stage works with.

    Attributes
    ----------
    config, paths
        The experiment.
    folder
        Where the stage writes: a staging folder that is committed when ``run`` returns, or, for a
        resumable stage, its final folder.
    inputs
        Digests of what the stage reads, as its manifest will record them.
    progress
        Reports to the user.
    """

    config: ExperimentConfig
    paths: ExperimentPaths
    folder: Path
    inputs: Mapping[str, str]
    progress: Progress

    @property
    def experiment(self) -> Experiment:
        """The experiment as finished so far."""
        return Experiment(self.paths)

    def stage_config(self, stage: str) -> dict[str, Any]:
        """Return the part of the config that affects a stage."""
        return self.config.stage_config(stage)


@dataclass(frozen=True)
class StageResult:
    """What a stage reports for its manifest.

    Attributes
    ----------
    facts
        Free figures.
    outside
        Files written beside the folder, relative to it, which its manifest also covers.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    outside: tuple[str, ...] = ()


def _no_fingerprints(config: ExperimentConfig, paths: ExperimentPaths) -> dict[str, str]:
    return {}


def _no_memory(config: ExperimentConfig, paths: ExperimentPaths) -> int:
    return 0


def _no_check(config: ExperimentConfig) -> None:
    pass


@dataclass(frozen=True)
class Stage:
    """One stage of the pipeline.

    Attributes
    ----------
    name
        As in ``--only``; also the key of its config part.
    version
        Of the format of its folder.
    does
        One phrase for plans.
    folder
        Where its output lies.
    inputs
        Stages whose folders it reads.
    run
        Writes the folder's files.
    estimate
        Bytes that it will write, about.
    memory
        Bytes of resident memory that it will take at its peak, about, the interpreter and its
        libraries included; 0 where that is not estimated.
    fingerprints
        Digests of further files that it reads: models, SAEs and corpora on this machine.
    resumable
        It writes its final folder in place, committing parts as it goes.
    check
        Raises, in seconds, if the config asks for what is not there; called before any stage runs.
    """

    name: str
    version: int
    does: str
    folder: Callable[[ExperimentPaths], Path]
    inputs: tuple[str, ...]
    run: Callable[[StageContext], StageResult]
    estimate: Callable[[ExperimentConfig, ExperimentPaths], int]
    fingerprints: Callable[[ExperimentConfig, ExperimentPaths], dict[str, str]] = _no_fingerprints
    memory: Callable[[ExperimentConfig, ExperimentPaths], int] = _no_memory
    resumable: bool = False
    check: Callable[[ExperimentConfig], None] = _no_check
