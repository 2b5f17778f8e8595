from pathlib import Path

import pytest

from feature_manifold.core.config import (
    ExperimentConfig,
    config_hash,
    config_keys,
    load_config,
    make_config,
    resolve_path,
    width_names,
)
from feature_manifold.core.errors import ConfigError

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
SPEC_KEYS = "model layer sae-width sae-l0 num-tokens data-root device batch-size seq-len n-workers"


def test_the_specifications_keys_are_accepted_with_hyphens(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("model: x/y\nlayer: 3\nsae-width: 16k\nnum-tokens: 7\ntop-k: 5\n")
    config = load_config(path)
    assert (config.model, config.layer, config.sae_width) == ("x/y", 3, "16k")
    assert (config.num_tokens, config.top_k) == (7, 5)
    assert {*SPEC_KEYS.split(), "top-k", "context-size"} <= set(config_keys())


def test_an_unknown_key_is_refused_with_the_nearest_known_one(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("sae-witdh: 16k\n")
    with pytest.raises(ConfigError, match="sae-witdh.*Did you mean 'sae-width'"):
        load_config(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layer: -1\n", "layer"),
        ("layer: two\n", "layer"),
        ("sae-width: wide\n", "65k"),
        ("device: gpu\n", "cuda"),
        ("sae-l0: ../up\n", "letters"),
        ("num-tokens: 3000000000\n", "num-tokens.*2000000000"),
        ("- a\n- b\n", "mapping"),
        ("layer: [\n", "Cannot read"),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_key(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_says_where_the_documented_ones_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="experiments/"):
        load_config(tmp_path / "none.yaml")


def test_options_win_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("layer: 3\n")
    assert load_config(path, layer=5, seed=None).layer == 5


def test_the_experiment_id_is_the_specifications() -> None:
    config = make_config({})
    assert config.experiment_id == "gemma-3-27b-pt_layer31_65k_medium"
    suffixed = make_config({"experiment-suffix": "all"})
    assert suffixed.experiment_id == "gemma-3-27b-pt_layer31_65k_medium_all"


def test_a_stage_depends_on_its_own_keys_only() -> None:
    config = make_config({})
    assert "layer" in config.stage_config("harvest")
    assert "layer" not in config.stage_config("corpus")
    moved = make_config({"batch-size": 2, "device": "cpu", "n-workers": 3})
    for stage in ("corpus", "harvest", "graph", "examples"):
        assert config.stage_config(stage) == moved.stage_config(stage)


def test_every_field_names_known_stages_and_says_what_it_means() -> None:
    stages = {"corpus", "harvest", "graph", "clusters", "examples", "export"}
    for name, field in ExperimentConfig.model_fields.items():
        assert field.description, name
        assert isinstance(field.json_schema_extra, dict)
        assert set(field.json_schema_extra["stages"]) <= stages, name


def test_the_hash_does_not_depend_on_the_order_of_keys() -> None:
    assert config_hash({"a": 1, "b": 2}) == config_hash({"b": 2, "a": 1})
    assert config_hash({"a": 1}) != config_hash({"a": 2})


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("*.yaml")), ids=lambda path: path.name)
def test_every_shipped_experiment_is_valid(path: Path) -> None:
    assert load_config(path).experiment_id


def test_the_documented_experiments_are_there() -> None:
    names = {path.name for path in EXPERIMENTS.glob("*.yaml")}
    documented = {"gemma3_27b_layer31", "gemma3_27b_layer15", "gemma3_27b_layer31_262k"}
    assert {f"{name}.yaml" for name in documented} <= names


@pytest.mark.parametrize(
    ("n_latents", "published"),
    [(16_384, "16k"), (65_536, "65k"), (262_144, "262k"), (1 << 20, "1m"), (24_576, "24k")],
)
def test_widths_are_written_as_published(n_latents: int, published: str) -> None:
    names = width_names(n_latents)
    assert names[0] == published
    assert str(n_latents) in names
    assert all(make_config({"sae-width": name}) for name in names)


def test_widths_may_be_written_in_units_of_1024() -> None:
    assert {"64k", "65k"} <= set(width_names(1 << 16))
    assert width_names(256) == ["256"]
    assert "23k" not in width_names(24_000)


def test_a_package_path_is_inside_the_package() -> None:
    path = resolve_path("package:core/config.py")
    assert path is not None
    assert path.is_file()
    with pytest.raises(ConfigError, match="no such file"):
        resolve_path("package:nothing/here")
    assert resolve_path("google/gemma-3-27b-pt") is None
