"""Every command line of the specification, on a tiny Gemma 3 27B, and every file it names.

Only what a tiny model forces is changed: fewer tokens, shorter windows, no GPU.
"""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from tests.scripts.conftest import SCRIPTS, Run

TINY = ("--num-tokens", "3000", "--seq-len", "48", "--device", "cpu", "--dtype", "float32")
PUBLISHED = ("--layer", "31", "--sae-width", "65k", "--sae-l0", "medium")
SHARD_TYPES = {
    "token_indices": "int64",
    "latent_indices": "int32",
    "activations": "float16",
    "token_ids": "int32",
    "doc_ids": "int32",
    "positions": "int16",
}
EXPERIMENTS = SCRIPTS.parent / "experiments"


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("manual")


@pytest.fixture(scope="module")
def raw(work: Path, run: Run) -> Path:
    """Step 1, which the other steps go on from."""
    folder = work / "raw_activations"
    code = run(
        "harvest_activations_v2.py",
        *PUBLISHED,
        "--output-dir",
        folder,
        *TINY,
        "--shard-tokens",
        "1000",
    )
    assert code == 0
    return folder


@pytest.fixture(scope="module")
def data(work: Path, raw: Path, run: Run) -> Path:
    """Step 2."""
    folder = work / "data"
    code = run("build_indices.py", "--input-dir", raw, "--output-dir", folder, "--n-workers", "8")
    assert code == 0
    return folder


def test_step_1_writes_shards_decoder_labels_and_metadata(raw: Path) -> None:
    shards = sorted(raw.glob("shard_*.npz"))
    assert len(shards) > 1
    last = -1
    for shard in shards:
        rows = arrays(shard)
        assert {name: str(rows[name].dtype) for name in rows} == SHARD_TYPES
        tokens = rows["token_indices"]
        assert tokens.min() > last
        assert (np.diff(tokens) >= 0).all()
        last = int(tokens.max())
        assert (rows["activations"] > 0).all()
        assert (rows["positions"] >= 0).all()
    decoder = np.load(raw / "decoder.npy", allow_pickle=False)
    metadata = load(raw / "metadata.json")
    assert decoder.dtype == np.float32
    assert decoder.shape == (metadata["n_latents"], metadata["d_model"])
    names = {"model_name", "sae_release", "sae_id", "layer", "num_tokens", "n_latents", "d_model"}
    assert names <= set(metadata)
    assert (metadata["model_name"], metadata["layer"]) == ("google/gemma-3-27b-pt", 31)
    assert metadata["num_shards"] == len(shards)
    assert metadata["num_tokens"] == 3000


def test_step_1_labels_are_the_tokens_that_latents_fire_on_most(raw: Path) -> None:
    labels = load(raw / "latent_labels.json")
    rows = [arrays(shard) for shard in sorted(raw.glob("shard_*.npz"))]
    latents = np.concatenate([part["latent_indices"] for part in rows])
    ids = np.concatenate([part["token_ids"] for part in rows])
    busiest = int(np.bincount(latents).argmax())
    counts = np.bincount(ids[latents == busiest])
    label = labels[str(busiest)]
    assert set(label) == {"token", "token_id", "count", "total_firings"}
    assert label["token_id"] == int(counts.argmax())
    assert label["count"] == int(counts.max())
    assert label["total_firings"] == int((latents == busiest).sum())
    silent = set(range(len(labels))) - set(latents.tolist())
    assert all(labels[str(latent)]["token"] is None for latent in silent)


def test_step_2_writes_one_index_per_latent(data: Path, raw: Path) -> None:
    n_latents = load(data / "metadata.json")["n_latents"]
    files = sorted((data / "latents").glob("*.npz"))
    assert [path.stem for path in files] == [f"{latent:05d}" for latent in range(n_latents)]
    assert np.array_equal(np.load(data / "decoder.npy"), np.load(raw / "decoder.npy"))
    rows = [arrays(shard) for shard in sorted(raw.glob("shard_*.npz"))]
    latents = np.concatenate([part["latent_indices"] for part in rows])
    tokens = np.concatenate([part["token_indices"] for part in rows])
    activations = np.concatenate([part["activations"] for part in rows])
    for latent in range(n_latents):
        index = arrays(files[latent])
        assert index["token_indices"].dtype == np.int64
        assert index["activations"].dtype == np.float16
        assert np.array_equal(index["token_indices"], tokens[latents == latent])
        assert np.array_equal(index["activations"], activations[latents == latent])


def test_step_3_writes_positions_and_edges(data: Path, run: Run) -> None:
    assert run("compute_edges.py", "--data-dir", data, "--top-k", "100") == 0
    n_latents = load(data / "metadata.json")["n_latents"]
    positions = np.load(data / "graph" / "positions.npy", allow_pickle=False)
    assert positions.shape == (n_latents, 2)
    assert positions.dtype == np.float32
    assert np.isfinite(positions).all()
    for name in ("decoder_similarity", "jaccard_similarity", "coactivation"):
        edges = sp.load_npz(data / "graph" / f"{name}.npz")
        assert edges.shape == (n_latents, n_latents)
        assert edges.dtype == np.float32
        assert (edges != edges.T).nnz == 0
        assert edges.nnz > 0
    assert load(data / "graph" / "metadata.json")["top_k"] == 100


def test_step_3_quick_mode_leaves_out_what_it_is_told_to(work: Path, raw: Path, run: Run) -> None:
    folder = work / "quick"
    assert run("build_indices.py", "--input-dir", raw, "--output-dir", folder) == 0
    quick = ("--top-k", "100", "--skip-coactivation", "--skip-jaccard")
    assert run("compute_edges.py", "--data-dir", folder, *quick) == 0
    assert {path.name for path in (folder / "graph").iterdir()} == {
        "positions.npy",
        "decoder_similarity.npz",
        "metadata.json",
        "manifest.json",
    }


@pytest.mark.parametrize("kind", ["coactivation", "jaccard"])
def test_step_3_leaves_out_one_kind_of_edges(work: Path, raw: Path, run: Run, kind: str) -> None:
    folder = work / f"without-{kind}"
    assert run("build_indices.py", "--input-dir", raw, "--output-dir", folder) == 0
    assert run("compute_edges.py", "--data-dir", folder, "--top-k", "5", f"--skip-{kind}") == 0
    kinds = {"cosine", "jaccard", "coactivation"} - {kind}
    assert set(load(folder / "graph" / "metadata.json")["edges"]) == kinds
    files = {"cosine": "decoder_similarity", "jaccard": "jaccard_similarity"}
    names = {files.get(kind, kind) for kind in kinds}
    assert {path.stem for path in (folder / "graph").glob("*.npz")} == names


def test_steps_4_and_5_write_what_the_visualizer_reads(
    work: Path, raw: Path, data: Path, run: Run
) -> None:
    visualizer = work / "visualizer" / "data"
    full = ("--top-k", "50", "--context-size", "10", "--sample-percentiles", "--n-workers", "8")
    arguments = ("--raw-dir", raw, "--output-dir", visualizer, *full)
    assert run("extract_top_activations.py", *arguments) == 0
    assert run("compute_edges.py", "--data-dir", data) == 0
    positions = data / "graph" / "positions.npy"
    output = visualizer / "positions.json"
    assert run("export_umap_json.py", "--positions-file", positions, "--output", output) == 0

    index = load(visualizer / "index.json")
    keys = {"n_latents", "num_tokens", "top_k", "sample_percentiles", "context_size", "latents"}
    assert keys <= set(index)
    assert index["num_tokens"] == load(raw / "metadata.json")["num_tokens"] == 3000
    assert (index["top_k"], index["context_size"]) == (50, 10)
    assert index["sample_percentiles"] is True
    assert set(index["latents"]["0"]) >= {"label", "total_firings", "n_examples"}
    assert sum(entry["total_firings"] for entry in index["latents"].values()) == sum(
        len(arrays(shard)["activations"]) for shard in raw.glob("shard_*.npz")
    )
    shown = load(visualizer / "positions.json")
    assert shown["n_latents"] == index["n_latents"] == len(shown["positions"])
    assert np.allclose(shown["positions"], np.load(positions))
    check_pages(visualizer)


def check_pages(visualizer: Path) -> None:
    pages = [load(path) for path in sorted((visualizer / "latents").glob("*.json"))]
    fired = [page for page in pages if page["total_firings"]]
    assert len(fired) > 200
    for page in fired:
        check_page(page)
    # A group is empty only where every firing of its strength has a stronger one beside it.
    for group in ("high", "medium", "low"):
        assert sum(bool(page["examples"][group]) for page in fired) > 20


def check_page(page: dict[str, Any]) -> None:
    assert set(page["activation_stats"]) == {"min", "max", "mean", "p10", "p50", "p90"}
    assert (len(page["histogram"]["bins"]), len(page["histogram"]["counts"])) == (31, 30)
    assert sum(page["histogram"]["counts"]) == page["total_firings"]
    assert set(page["examples"]) == {"top", "high", "medium", "low"}
    assert page["examples"]["top"]
    for example in page["examples"]["top"]:
        assert example["context"] == "".join(example["tokens"])
        assert len(example["tokens"]) == len(example["token_activations"])
        firing = [at for at, value in enumerate(example["token_activations"]) if value > 0]
        assert example["firing_positions"] == firing
        assert example["n_firings"] == len(firing) >= 1
        assert example["max_activation"] == max(example["token_activations"])
    strongest = page["examples"]["top"][0]["max_activation"]
    assert strongest == pytest.approx(page["activation_stats"]["max"])


def test_step_4_on_the_first_shards_only(work: Path, raw: Path, run: Run) -> None:
    visualizer = work / "first"
    quick = ("--top-k", "50", "--max-shards", "1")
    assert (
        run("extract_top_activations.py", "--raw-dir", raw, "--output-dir", visualizer, *quick) == 0
    )
    index = load(visualizer / "index.json")
    rows = arrays(raw / "shard_00000.npz")
    total = sum(entry["total_firings"] for entry in index["latents"].values())
    assert total == len(rows["activations"])
    # The shard covers 1,000 rows or a window more, each window with its BOS.
    covered = load(raw / "native/raw_activations/shard_00000/manifest.json")["facts"]["stop"]
    assert 0.9 * covered < index["num_tokens"] < covered < 1100
    assert index["sample_percentiles"] is False
    left = {path.name for path in visualizer.iterdir()} - {".lock"}
    assert left == {"index.json", "search_index.json", "latents"}


def test_steps_2_and_4_read_the_prototypes_shards_too(work: Path, raw: Path, run: Run) -> None:
    """The specification's files alone, cut at numbers of rows in the middle of tokens."""
    foreign = work / "foreign"
    foreign.mkdir()
    for name in ("decoder.npy", "metadata.json"):
        (foreign / name).write_bytes((raw / name).read_bytes())
    rows = [arrays(shard) for shard in sorted(raw.glob("shard_*.npz"))]
    joined = {name: np.concatenate([part[name] for part in rows]) for name in SHARD_TYPES}
    for number, start in enumerate(range(0, len(joined["token_ids"]), 7001)):
        part = {name: column[start : start + 7001] for name, column in joined.items()}
        np.savez(foreign / f"shard_{number:05d}.npz", **part)
    assert run("build_indices.py", "--input-dir", foreign, "--output-dir", work / "adopted") == 0
    ours, theirs = work / "data" / "latents", work / "adopted" / "latents"
    for name in ("indptr.npy", "tokens.npy", "activations.npy", "token_latents.npy"):
        assert (ours / name).read_bytes() == (theirs / name).read_bytes()
    visualizer = work / "foreign-visualizer"
    arguments = ("--raw-dir", foreign, "--output-dir", visualizer, "--sample-percentiles")
    assert run("extract_top_activations.py", *arguments) == 0
    check_pages(visualizer)


@pytest.fixture(scope="module")
def pipeline_root(work: Path, run: Run) -> Path:
    root = work / "root"
    config = EXPERIMENTS / "gemma3_27b_layer31.yaml"
    arguments = ("--config", config, "--data-root", root, *TINY, "--n-workers", "2")
    assert run("run_pipeline.py", *arguments) == 0
    return root


def test_the_full_pipeline_makes_the_documented_tree(pipeline_root: Path) -> None:
    name = "gemma-3-27b-pt_layer31_65k_medium"
    experiment = pipeline_root / "experiments" / name
    for part in ("raw_activations", "latents", "graph", "decoder.npy", "metadata.json"):
        assert (experiment / part).exists(), part
    exported = pipeline_root / "visualizer_data" / name
    for part in ("index.json", "positions.json", "latents/00000.json"):
        assert (exported / part).exists(), part
    listed = load(pipeline_root / "visualizer_data" / "experiments.json")["experiments"]
    assert [entry["id"] for entry in listed] == [name]


def test_the_full_pipeline_from_options_alone_skips_what_is_done(
    pipeline_root: Path, run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--model", "google/gemma-3-27b-pt", *PUBLISHED, "--data-root", pipeline_root)
    capfd.readouterr()
    assert run("run_pipeline.py", *arguments, *TINY) == 0
    outcomes = re.findall(r"^ *\w+ +(ran|skipped|left) ", capfd.readouterr().out, re.MULTILINE)
    assert outcomes == ["skipped"] * 7


def test_a_dry_run_says_what_would_run_and_why(
    pipeline_root: Path, run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    config = EXPERIMENTS / "gemma3_27b_layer31.yaml"
    arguments = ("--config", config, "--data-root", pipeline_root, *TINY, "--context-size", "7")
    before = sorted(path for path in pipeline_root.rglob("*"))
    capfd.readouterr()
    assert run("run_pipeline.py", *arguments, "--dry-run") == 0
    shown = capfd.readouterr().out
    assert "changed: context-size" in shown
    assert re.search(r"harvest\W+skip", shown)
    assert re.search(r"examples\W+run", shown)
    assert sorted(path for path in pipeline_root.rglob("*")) == before


def test_skip_harvest_needs_no_model_but_raw_data(
    pipeline_root: Path, tmp_path: Path, run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    config = EXPERIMENTS / "gemma3_27b_layer31.yaml"
    here = ("--config", config, "--data-root", pipeline_root, *TINY, "--skip-harvest")
    assert run("run_pipeline.py", *here, "--context-size", "9") == 0
    nowhere = ("--config", config, "--data-root", tmp_path, *TINY, "--skip-harvest")
    capfd.readouterr()
    assert run("run_pipeline.py", *nowhere) == 3
    assert "--only corpus" in capfd.readouterr().err


def test_sanity_check_sae_measures_l0_and_variance_explained(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run("sanity_check_sae.py", *PUBLISHED, *TINY) == 0
    shown = capfd.readouterr().out
    assert re.search(r"L0 +\d+\.\d+", shown)
    assert re.search(r"variance explained +-?\d+\.\d+", shown)


def test_test_sae_loading_says_what_it_loaded(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("test_sae_loading.py", *PUBLISHED, "--device", "cpu") == 0
    assert "layer_31_width_65k_l0_medium" in capfd.readouterr().out


def test_the_second_documented_layer_does_not_exist_and_says_what_does(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = ("--layer", "15", "--sae-width", "65k", "--sae-l0", "medium", "--device", "cpu")
    assert run("test_sae_loading.py", *asked) == 7
    message = capfd.readouterr().err
    assert message.count("\n") == 1
    assert "layer_16_width_65k_l0_medium" in message


@pytest.mark.parametrize("script", sorted(path.name for path in SCRIPTS.glob("*.py")))
def test_every_script_explains_itself(
    script: str, run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(script, "--help") == 0
    assert "Usage" in capfd.readouterr().out
