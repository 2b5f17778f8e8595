"""Three tiny stages in a chain, to test planning and running without a model."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from feature_manifold.core.config import ExperimentConfig, make_config
from feature_manifold.pipeline.stage import Stage, StageContext, StageResult
from feature_manifold.store.layout import ExperimentPaths


@dataclass
class Toy:
    """Stages ``corpus`` -> ``graph`` -> ``examples`` that write a file each and count runs."""

    ran: list[str] = field(default_factory=list)
    fail_in: str = ""
    estimate: int = 10

    def stages(self) -> tuple[Stage, ...]:
        return (
            self._stage("corpus", (), lambda paths: paths.corpus),
            self._stage("graph", ("corpus",), lambda paths: paths.graph),
            self._stage("examples", ("graph",), lambda paths: paths.examples),
        )

    def _stage(
        self, name: str, inputs: tuple[str, ...], folder: Callable[[ExperimentPaths], Path]
    ) -> Stage:
        def run(context: StageContext) -> StageResult:
            self.ran.append(name)
            text = "\n".join(f"{key} {value}" for key, value in sorted(context.inputs.items()))
            # Only the corpus writes its config: a change of seed alone does not change a graph.
            own = str(context.config.num_tokens) if name == "corpus" else ""
            (context.folder / "content").write_text(text + own)
            if self.fail_in == name:
                raise RuntimeError(f"{name} fails")
            return StageResult(facts={"n": 1})

        return Stage(
            name=name,
            version=1,
            does="toy",
            folder=folder,
            inputs=inputs,
            run=run,
            estimate=lambda config, paths: self.estimate,
        )


def toy_config(**values: object) -> ExperimentConfig:
    return make_config({"num-tokens": 10, **values})


def toy_paths(folder: Path) -> ExperimentPaths:
    return ExperimentPaths(folder / "toy", folder / "visualizer")
