"""``fmi import`` of what our own harvest script wrote, and what works on it afterwards."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from feature_manifold.core.config import make_config
from feature_manifold.core.progress import SilentProgress
from feature_manifold.pipeline.raw_output import harvest_to_folder
from feature_manifold.server.settings import ServerSettings
from feature_manifold.testing.tiny import TinyExperiment
from tests.cli import Fmi
from tests.pipeline.importing import contents
from tests.server.clients import make_client

ID = "tiny-gpt2_layer1_256_medium"


@pytest.fixture(scope="module")
def raw(tiny: TinyExperiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documented files alone, without our own layout beside them."""
    folder = tmp_path_factory.mktemp("harvest") / "raw_activations"
    harvest_to_folder(make_config(tiny.config()), folder, progress=SilentProgress())
    shutil.move(folder / "native", folder.parent / "native")
    return folder


def test_what_the_harvest_script_wrote_becomes_the_same_experiment(
    fmi: Fmi, tiny: TinyExperiment, raw: Path, tmp_path: Path
) -> None:
    config = tmp_path / "toy.yaml"
    values = {key.replace("_", "-"): value for key, value in tiny.config().items()}
    config.write_text(yaml.safe_dump(values))
    assert fmi("run", config, "--data", tmp_path / "ours")[0] == 0

    data = tmp_path / "theirs"
    code, out, err = fmi("import", raw, "--data", data, "--tokenizer", tiny.model_folder)
    assert code == 0, err
    for item in ("shards", "latents", "texts", "decoder", "graph", "metadata"):
        assert f"{item:>10}  " in out
    assert f"experiment {ID}" in out
    folders = [root / "experiments" / ID for root in (tmp_path / "ours", data)]
    for part in ("latents", "graph"):
        ours, theirs = (contents(folder / part) for folder in folders)
        assert ours == theirs
    ours, theirs = (json.loads((folder / "metadata.json").read_bytes()) for folder in folders)
    assert {key: theirs[key] for key in ours if key not in ("n_shards", "num_shards")} == {
        key: ours[key] for key in ours if key not in ("n_shards", "num_shards")
    }

    assert ID in fmi("list", "--data", data)[1]
    assert fmi("info", ID, "--data", data)[0] == 0
    assert fmi("verify", ID, "--data", data)[0] == 0
    code, out, err = fmi("run", config, "--data", data, "--skip-harvest")
    assert (code, out.count("skipped"), out.count("left")) == (0, 5, 2), err
    with make_client(ServerSettings(data)) as client:
        (listed,) = client.get("/api/experiments").json()["experiments"]
        assert (listed["id"], listed["problem"]) == (ID, None)
        page = client.get("/api/latent/5", params={"experiment_id": ID}).json()
        exported = data / "visualizer_data" / ID / "latents" / "00005.json"
        assert page == json.loads(exported.read_bytes())

    code, _, err = fmi("import", raw, "--data", data, "--sae-l0", "big", "--id", ID)
    assert code == 2
    assert "--force" in err
    assert err.count("\n") == 1


def test_a_tokenizer_that_is_not_there_is_said_at_once(fmi: Fmi, raw: Path, tmp_path: Path) -> None:
    code, _, err = fmi("import", raw, "--data", tmp_path, "--tokenizer", tmp_path / "none")
    assert code == 6
    assert err.strip().count("\n") <= 1
    assert not (tmp_path / "experiments" / ID / "metadata.json").exists()
