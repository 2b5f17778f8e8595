"""``fmi synth`` as a user types it."""

import json
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from feature_manifold.cli.main import app
from feature_manifold.cli.synth import size_of
from feature_manifold.core.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "size"),
    [("65536", 65536), ("10M", 10_000_000), ("10m", 10_000_000), ("1.5k", 1500), (" 2K", 2000)],
)
def test_sizes_may_end_in_k_or_m(text: str, size: int) -> None:
    assert size_of(text) == size


@pytest.mark.parametrize("text", ["", "k", "1.0005k", "-3", "10G", "1e6", "ten"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a size"):
        size_of(text)


def test_the_command_writes_both_layouts_and_says_how_to_go_on(tmp_path: Path) -> None:
    line = (
        "synth --tokens 1k --latents 256 --l0 7.5 --d-model 32 --seed 3 --layout both "
        f"--shard-tokens 0.4k --layer 2 --experiment-suffix try --data {tmp_path}"
    )
    result = CliRunner().invoke(app, shlex.split(line), catch_exceptions=False)
    assert result.exit_code == 0
    root = tmp_path / "experiments" / "planted_layer2_256_7.5_try"
    assert f"fmi run {root / 'config.yaml'} --skip-harvest" in result.output
    metadata = json.loads((root / "metadata.json").read_bytes())
    assert metadata["num_tokens"] == 1000
    assert metadata["n_firings"] == pytest.approx(7500, rel=0.05)
    assert metadata["n_shards"] == 3
    spec = json.loads((root / "ground_truth.json").read_bytes())["spec"]
    assert (spec["seed"], spec["d_model"], spec["shard_tokens"]) == (3, 32, 400)
    assert (tmp_path / "spec_layout" / root.name / "shard_00000.npz").exists()
