"""Folders in the specification's layout and the prototype's become experiments."""

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from feature_manifold.core.config import make_config
from feature_manifold.core.errors import ConfigError, CorruptArtifactError, MissingArtifactError
from feature_manifold.core.progress import SilentProgress
from feature_manifold.export.rows import spec_rows
from feature_manifold.pipeline import adopt
from feature_manifold.pipeline.imports import Import, plan_import, run_import
from feature_manifold.pipeline.pipeline import STAGES, verify_experiment
from feature_manifold.pipeline.plan import Selection, make_plan
from feature_manifold.pipeline.runner import run_stages
from feature_manifold.store.experiment import Experiment
from feature_manifold.store.layout import EDGES, DataRoot, ExperimentPaths
from feature_manifold.store.manifest import read_manifest
from feature_manifold.store.shards import open_shards
from tests.pipeline import importing
from tests.pipeline.importing import ID, N_LATENTS, SILENT_TAIL, VOCABULARY, contents

CONFIG = {"edges-top-k": 5, "umap-neighbors": 4, "top-k": 6, "n-workers": 2}
QUIET = SilentProgress()


def planned(folder: Path, data: Path, **options: object) -> Import:
    config = make_config({**CONFIG, "data-root": data})
    given = {"experiment_id": None, "tokenizer": None, "identity": {}, **options}
    return plan_import(folder, config, **given)


def imported(folder: Path, data: Path, *, force: bool = False, **options: object) -> Import:
    plan = planned(folder, data, **options)
    run_import(plan, force=force, adopt_only=False, progress=QUIET)
    return plan


def states(paths: ExperimentPaths) -> dict[str, str]:
    return {state.name: state.state for state in verify_experiment(paths, progress=QUIET)}


def note(plan: Import, item: str) -> str:
    return next(note.text for note in plan.notes if note.item == item)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``latents/`` that the index stage makes of our own layout."""
    data = tmp_path_factory.mktemp("ours")
    root = importing.write_native(data / "experiments" / ID)
    paths = DataRoot(data).experiment(ID)
    config = make_config({**CONFIG, "data-root": data})
    run_stages(STAGES, config, paths, Selection(only=("index",)), progress=QUIET)
    return root / "latents"


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return importing.write_spec(tmp_path_factory.mktemp("spec") / "raw_activations")


@pytest.mark.parametrize(
    ("rows_per_file", "batch_rows"), [(5, 1), (50, 1), (50, 60), (50, 1 << 25), (100_000, 60)]
)
def test_both_layouts_index_to_the_same_bytes(
    tmp_path: Path, ours: Path, rows_per_file: int, batch_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert = adopt.convert_shards
    monkeypatch.setattr(
        adopt, "convert_shards", lambda *a, **k: convert(*a, **k, batch_rows=batch_rows)
    )
    folder = importing.write_spec(tmp_path / "raw_activations", rows_per_file=rows_per_file)
    plan = planned(folder, tmp_path / "data")
    stages = plan.adopting
    run_stages(stages, plan.config, plan.paths, Selection(), progress=QUIET)
    run_stages(STAGES, plan.config, plan.paths, Selection(only=("index",)), progress=QUIET)
    assert contents(plan.paths.latents) == contents(ours)
    experiment = Experiment(plan.paths)
    assert experiment.tokens.n_tokens == 108
    assert int(experiment.by_latent.tokens.max()) < 108 - SILENT_TAIL


def test_an_import_is_a_whole_experiment(tmp_path: Path, spec: Path, ours: Path) -> None:
    before = {path: path.stat() for path in spec.rglob("*")}
    plan = imported(spec, tmp_path)
    assert plan.paths == DataRoot(tmp_path).experiment(ID)
    assert set(states(plan.paths).values()) == {"correct"}
    assert contents(plan.paths.latents) == contents(ours)
    metadata = json.loads(plan.paths.metadata.read_text())
    assert (metadata["model_name"], metadata["num_tokens"]) == ("maker/toy", 96)
    assert metadata["experiment_id"] == ID
    listed = json.loads((tmp_path / "visualizer_data" / "experiments.json").read_text())
    assert [entry["id"] for entry in listed["experiments"]] == [ID]
    after = {path: path.stat() for path in spec.rglob("*")}
    assert {path: (stat.st_mtime_ns, stat.st_size) for path, stat in before.items()} == {
        path: (stat.st_mtime_ns, stat.st_size) for path, stat in after.items()
    }


def test_a_run_goes_on_from_an_import(tmp_path: Path, spec: Path) -> None:
    plan = imported(spec, tmp_path)
    selection = Selection(leave=("corpus", "harvest"))
    matching = make_config({**CONFIG, "data-root": tmp_path})
    actions = [step.action for step in make_plan(STAGES, matching, plan.paths, selection)]
    assert actions == ["leave", "leave", *["skip"] * 5]
    other = matching.replaced(top_k=9)
    reports = run_stages(STAGES, other, plan.paths, selection, progress=QUIET)
    ran = [report.name for report in reports if report.outcome == "ran"]
    assert ran == ["examples", "export"]


@pytest.mark.parametrize("layout", ["experiment", "raw", "script", "manual"])
def test_every_folder_of_shards_is_found(
    tmp_path: Path, layout: str, ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "given"
    if layout == "experiment":
        importing.write_spec(folder / "raw_activations")
        for name in ("decoder.npy", "metadata.json"):
            (folder / "raw_activations" / name).rename(folder / name)
    elif layout == "raw":
        importing.write_native(folder)
        folder = folder / "raw_activations"
    elif layout == "script":
        importing.write_native(folder / "native")
        importing.write_spec(folder / "unused")
        for path in (folder / "unused").iterdir():
            path.rename(folder / path.name)
    else:
        importing.write_native(folder / "adopted")
        for name in ("decoder.npy", "metadata.json"):
            (folder / "adopted" / name).rename(folder / name)
    plan = imported(folder, tmp_path / "data")
    assert set(states(plan.paths).values()) == {"correct"}
    assert contents(plan.paths.latents) == contents(ours)
    if layout != "experiment":
        assert "of our own layout" in note(plan, "shards")
        assert Experiment(plan.paths).vocabulary == VOCABULARY


def test_per_latent_files_and_corpus_arrays_make_the_same_index(tmp_path: Path, ours: Path) -> None:
    plan = imported(importing.write_prototype(tmp_path / "proto"), tmp_path / "data")
    assert "latents/*.npz" in note(plan, "shards")
    assert contents(plan.paths.latents) == contents(ours)
    assert set(states(plan.paths).values()) == {"correct"}
    assert Experiment(plan.paths).vocabulary == VOCABULARY


def test_names_of_six_digits_are_ordered_by_number(tmp_path: Path) -> None:
    folder = tmp_path / "wide"
    (folder / "latents").mkdir(parents=True)
    for latent in (99_999, 100_000, 100_001, 20_000):
        np.savez(
            folder / "latents" / f"{latent:05d}.npz",
            token_indices=np.array([latent % 7]),
            activations=np.ones(1, dtype=np.float16),
        )
    plan = imported(folder, tmp_path / "data")
    experiment = Experiment(plan.paths)
    assert experiment.by_latent.n_latents == 100_002
    for latent in (99_999, 100_000, 100_001, 20_000):
        assert experiment.latent(latent)[0].tolist() == [latent % 7]
    assert "no decoder" in note(plan, "decoder")
    assert "stay unknown" in note(plan, "shards")
    found = states(plan.paths)
    assert (found["index"], found["graph"], found["export"]) == ("correct", "missing", "missing")


def test_what_is_missing_is_said_with_its_cost(tmp_path: Path) -> None:
    folder = importing.write_spec(
        tmp_path / "bare", with_decoder=False, n_latents=None, model_name=None
    )
    plan = planned(folder, tmp_path / "data")
    assert plan.paths.root.name == "bare"
    assert "U+FFFD; give --tokenizer" in note(plan, "texts")
    assert "no edges and no layout" in note(plan, "decoder")
    assert "no map" in note(plan, "graph")
    assert "left out" in note(plan, "latents")
    assert "unknown: model_name" in note(plan, "metadata")
    assert "--model" in note(plan, "metadata")
    run_import(plan, force=False, adopt_only=False, progress=QUIET)
    # The last latent never fires, and nothing tells of it.
    assert Experiment(plan.paths).by_latent.n_latents == N_LATENTS - 1


def test_adopting_alone_leaves_the_later_stages(tmp_path: Path, spec: Path) -> None:
    plan = planned(spec, tmp_path)
    run_import(plan, force=False, adopt_only=True, progress=QUIET)
    found = states(plan.paths)
    assert (found["harvest"], found["index"]) == ("correct", "missing")


def test_labels_tell_the_texts_of_some_tokens(tmp_path: Path) -> None:
    folder = importing.write_spec(tmp_path / "raw_activations")
    labels = {str(latent): {"token": None, "token_id": None} for latent in range(N_LATENTS)}
    labels["4"] = {"token": " seven", "token_id": 7, "count": 3, "total_firings": 5}
    (folder / "latent_labels.json").write_text(json.dumps(labels))
    plan = planned(folder, tmp_path / "data")
    assert "only those of labels" in note(plan, "texts")
    run_import(plan, force=False, adopt_only=True, progress=QUIET)
    assert Experiment(plan.paths).vocabulary == ["�"] * 7 + [" seven"]


def test_an_experiment_is_not_overwritten_unless_forced(tmp_path: Path, spec: Path) -> None:
    first = imported(spec, tmp_path)
    kept = contents(first.paths.root)
    # The same import again finds everything done.
    again = run_import(planned(spec, tmp_path), force=False, adopt_only=False, progress=QUIET)
    assert {report.outcome for report in again} == {"skipped"}
    other = importing.write_spec(
        tmp_path / "other" / "raw_activations", with_decoder=False, n_tokens=120
    )
    with pytest.raises(ConfigError, match="there already.*--id.*--force"):
        imported(other, tmp_path)
    assert contents(first.paths.root) == kept
    imported(other, tmp_path, force=True)
    assert Experiment(first.paths).tokens.n_tokens == 120
    # Without a decoder nothing of the old map may stay.
    found = states(first.paths)
    assert (found["graph"], found["export"], found["index"]) == ("missing", "missing", "correct")
    assert not first.paths.decoder.exists()
    renamed = imported(other, tmp_path, experiment_id="other.name")
    assert renamed.paths.root.name == "other.name"


@pytest.mark.parametrize("bad", ["../up", "a/b", "", ".hidden"])
def test_ids_that_cannot_be_are_refused(tmp_path: Path, spec: Path, bad: str) -> None:
    if bad:
        with pytest.raises(ConfigError, match="cannot be an experiment id"):
            planned(spec, tmp_path, experiment_id=bad)
    else:
        assert planned(spec, tmp_path, experiment_id=bad).paths.root.name == ID


@pytest.mark.parametrize("given", [f"experiments/{ID}", f"experiments/{ID}/raw_activations", "."])
def test_a_source_inside_the_experiment_is_refused(tmp_path: Path, given: str) -> None:
    importing.write_spec(tmp_path / "experiments" / ID / "raw_activations")
    importing.write_prototype(tmp_path / "other")
    (tmp_path / "other" / "latents").rename(tmp_path / "latents")
    with pytest.raises(ConfigError, match="never changed"):
        planned(tmp_path / given, tmp_path)


def test_missing_shards_are_noticed(tmp_path: Path) -> None:
    folder = importing.write_spec(tmp_path / "raw_activations")
    (folder / "shard_000004.npz").unlink()
    with pytest.raises(CorruptArtifactError, match="shard number 4 is not there"):
        planned(folder, tmp_path / "data")
    stated = importing.write_spec(tmp_path / "fewer" / "raw_activations", num_shards=99)
    with pytest.raises(CorruptArtifactError, match="tell of 99"):
        planned(stated, tmp_path / "data")


def test_nothing_to_import(tmp_path: Path) -> None:
    with pytest.raises(MissingArtifactError, match="No folder"):
        planned(tmp_path / "none", tmp_path)
    with pytest.raises(MissingArtifactError, match=r"Nothing to import.*shard_\*\.npz"):
        planned(tmp_path, tmp_path / "data")


def test_a_decoder_of_other_latents_is_refused(tmp_path: Path) -> None:
    folder = importing.write_spec(tmp_path / "raw_activations", n_latents=25)
    with pytest.raises(CorruptArtifactError, match=r"24 rows and metadata\.json states 25"):
        planned(folder, tmp_path / "data")
    np.save(folder / "decoder.npy", np.full((25, 2), np.nan, dtype=np.float32))
    with pytest.raises(CorruptArtifactError, match=r"decoder\.npy, row 0: not finite"):
        imported(folder, tmp_path / "data")
    assert not DataRoot(tmp_path / "data").experiment_ids()


def with_graph(folder: Path, **changes: object) -> Path:
    """Add positions and edges of an unknown making."""
    (folder / "graph").mkdir()
    random = np.random.default_rng(1)
    upper = np.triu(random.random((N_LATENTS, N_LATENTS)) > 0.7, 1) * np.float32(0.5)
    files = {
        "positions.npy": random.random((N_LATENTS, 2)).astype(np.float32),
        **dict.fromkeys(EDGES.values(), sp.csr_matrix(upper + upper.T)),
        **changes,
    }
    for name, content in files.items():
        path = folder / "graph" / name
        sp.save_npz(path, content) if sp.issparse(content) else np.save(path, content)
    return folder


def test_a_graph_is_taken_if_it_cannot_be_computed_again(tmp_path: Path) -> None:
    folder = with_graph(importing.write_prototype(tmp_path / "proto", with_decoder=False))
    plan = imported(folder, tmp_path / "data")
    assert "cannot be computed again" in note(plan, "graph")
    experiment = Experiment(plan.paths)
    assert np.array_equal(experiment.positions("cosine"), np.load(folder / "graph/positions.npy"))
    for kind, name in EDGES.items():
        assert (experiment.edges(kind) != sp.load_npz(folder / "graph" / name)).nnz == 0
    found = states(plan.paths)
    assert found.pop("clusters") == "missing", "without a decoder there are no clouds"
    assert set(found.values()) == {"correct"}
    manifest = read_manifest(plan.paths.graph)
    assert manifest is not None
    assert manifest.format == "adopt-graph"
    computed = imported(with_graph(importing.write_prototype(tmp_path / "b")), tmp_path / "data2")
    assert "computed again" in note(computed, "graph")
    manifest = read_manifest(computed.paths.graph)
    assert manifest is not None
    assert manifest.format == "graph"


def bad_graphs() -> dict[str, tuple[str, object]]:
    loop = sp.csr_matrix(np.eye(N_LATENTS, dtype=np.float32))
    one_way = np.zeros((N_LATENTS, N_LATENTS), dtype=np.float32)
    one_way[2, 5] = 0.5
    negative = sp.csr_matrix(-(one_way + one_way.T))
    infinite = sp.csr_matrix(one_way + one_way.T)
    infinite.data[:] = np.inf
    outside = sp.csr_matrix(one_way + one_way.T)
    outside.indices[0] = 1000
    positions = np.full((N_LATENTS, 2), 0.5, dtype=np.float32)
    not_finite, far = positions.copy(), positions.copy()
    not_finite[3, 1], far[3, 0] = np.nan, 7
    return {
        "another size": ("jaccard_similarity.npz", sp.csr_matrix(np.eye(3, dtype=np.float32))),
        "loops": ("jaccard_similarity.npz", loop),
        "one way": ("coactivation.npz", sp.csr_matrix(one_way)),
        "negative": ("coactivation.npz", negative),
        "infinite": ("coactivation.npz", infinite),
        "outside": ("decoder_similarity.npz", outside),
        "positions NaN": ("positions.npy", not_finite),
        "positions far": ("positions.npy", far),
        "positions few": ("positions.npy", positions[:3]),
    }


@pytest.mark.parametrize("case", bad_graphs())
def test_a_graph_that_cannot_be_is_refused(tmp_path: Path, case: str) -> None:
    name, content = bad_graphs()[case]
    folder = importing.write_prototype(tmp_path / "proto", with_decoder=False)
    with_graph(folder, **{name: content})
    plan = planned(folder, tmp_path / "data")
    with pytest.raises(CorruptArtifactError, match=name.replace(".", r"\.")):
        run_import(plan, force=False, adopt_only=False, progress=QUIET)
    assert states(plan.paths)["graph"] == "missing"


def test_exported_json_alone_becomes_an_exported_folder(tmp_path: Path, spec: Path) -> None:
    made = imported(spec, tmp_path / "made")
    folder = tmp_path / ID
    (folder / "visualizer" / "latents").mkdir(parents=True)
    for path in made.paths.visualizer.rglob("*.json"):
        if path.name != "manifest.json":
            target = folder / "visualizer" / path.relative_to(made.paths.visualizer)
            target.write_bytes(path.read_bytes())
    (folder / "metadata.json").write_text(json.dumps({"d_model": 5}))
    plan = imported(folder, tmp_path / "data")
    assert "static file server" in note(plan, "visualizer")
    assert contents(plan.paths.visualizer) == contents(made.paths.visualizer)
    assert states(plan.paths)["export"] == "correct"
    listed = json.loads((tmp_path / "data/visualizer_data/experiments.json").read_text())
    assert [(entry["id"], entry["layer"]) for entry in listed["experiments"]] == [(ID, 2)]
    (folder / "visualizer" / "index.json").write_text("[]")
    with pytest.raises(CorruptArtifactError, match=r"index\.json is not a JSON object"):
        imported(folder, tmp_path / "data", force=True)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("activations", np.nan, "bad activation nan"),
        ("activations", np.inf, "bad activation inf"),
        ("activations", -1, "bad activation -1.0"),
        ("latent_indices", N_LATENTS, "bad latent 24, expected 0 to 23"),
        ("latent_indices", -1, "bad latent -1"),
        ("token_indices", 108, "bad token 108, expected 0 to 107"),
        ("positions", -3, "bad position -3"),
        ("token_ids", -1, "bad token_id -1"),
    ],
)
def test_bad_values_are_refused_by_file_and_row(
    tmp_path: Path, column: str, value: float, message: str
) -> None:
    folder = importing.write_spec(tmp_path / "raw_activations", rows_per_file=50)
    path = folder / "shard_00002.npz"
    with np.load(path) as archive:
        arrays = {name: archive[name].copy() for name in archive.files}
    # The first row of a token: a later one would be refused for contradicting it.
    row = int(np.searchsorted(arrays["token_indices"], arrays["token_indices"][-1]))
    arrays[column][row] = value
    np.savez(path, **arrays)
    plan = planned(folder, tmp_path / "data")
    with pytest.raises(CorruptArtifactError, match=rf"shard_00002\.npz, row {row}: {message}"):
        run_import(plan, force=False, adopt_only=False, progress=QUIET)
    assert set(states(plan.paths).values()) <= {"missing", "correct"}
    assert states(plan.paths)["harvest"] == "missing"
    assert not plan.paths.metadata.exists()


def test_a_firing_split_from_its_duplicate_is_found(tmp_path: Path) -> None:
    """The duplicate is the first row of the next file, of the same token."""
    folder = importing.write_spec(tmp_path / "raw_activations", rows_per_file=50)
    with np.load(folder / "shard_00001.npz") as archive:
        last = {name: archive[name][-1] for name in archive.files}
    with np.load(folder / "shard_00002.npz") as archive:
        arrays = {name: np.concatenate([[last[name]], archive[name]]) for name in archive.files}
    typed = {name: array.astype(last[name].dtype) for name, array in arrays.items()}
    np.savez(folder / "shard_00002.npz", **typed)
    with pytest.raises(CorruptArtifactError, match=r"shard_00002\.npz, row 0: duplicate firing"):
        imported(folder, tmp_path / "data")


def test_shards_out_of_order_are_found(tmp_path: Path) -> None:
    folder = importing.write_spec(tmp_path / "raw_activations", rows_per_file=50)
    second, third = folder / "shard_00002.npz", folder / "shard_000003.npz"
    contents_of_second = second.read_bytes()
    second.write_bytes(third.read_bytes())
    third.write_bytes(contents_of_second)
    with pytest.raises(CorruptArtifactError, match=r"shard_000003\.npz, row 0: token \d+ after"):
        imported(folder, tmp_path / "data")


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_round_trip_gives_the_same_rows(tmp_path: Path, dtype: type) -> None:
    folder = importing.write_spec(tmp_path / "raw_activations", dtype=dtype)
    plan = planned(folder, tmp_path / "data")
    run_import(plan, force=False, adopt_only=True, progress=QUIET)
    table = Experiment(plan.paths).tokens
    again = importing.joined(list(spec_rows(open_shards(plan.paths.raw_activations), table)))
    wanted = importing.rows_of(tmp_path / "tokens", dtype=dtype)
    for name in ("token_indices", "latent_indices", "activations", "token_ids", "doc_ids"):
        assert getattr(again, name).dtype == getattr(wanted, name).dtype
        np.testing.assert_array_equal(getattr(again, name), getattr(wanted, name))
    np.testing.assert_array_equal(again.positions, wanted.positions)


@pytest.mark.parametrize("layout", ["spec", "prototype", "native"])
def test_the_disk_that_adopting_takes_is_known_before(tmp_path: Path, layout: str) -> None:
    write = {
        "spec": importing.write_spec,
        "prototype": importing.write_prototype,
        "native": importing.write_native,
    }[layout]
    plan = planned(write(tmp_path / "raw_activations"), tmp_path / "data")
    run_stages(plan.adopting, plan.config, plan.paths, Selection(), progress=QUIET)
    for stage in plan.adopting:
        # Headers, and the few windows and documents, are of no weight at full size.
        taken = sum(
            path.stat().st_size - 128
            for path in stage.folder(plan.paths).rglob("*.npy")
            if path.stat().st_nlink == 1 and path.name not in ("windows.npy", "documents.npy")
        )
        assert stage.estimate(plan.config, plan.paths) == pytest.approx(taken, rel=0.2)
