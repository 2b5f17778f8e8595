"""`fmi clusters` on the shipped model: groups found and ranked without labels, held to its bars."""

import numpy as np
import pytest

from feature_manifold.cli.demo import demo_configs
from feature_manifold.core.config import load_config
from feature_manifold.core.progress import SilentProgress
from feature_manifold.demo.assets import shipped
from feature_manifold.demo.truth import load_truth
from feature_manifold.geometry.clusters.core import count_types
from feature_manifold.geometry.clusters.profiles import type_profiles
from feature_manifold.pipeline.pipeline import experiment_paths, run_experiment
from feature_manifold.pipeline.plan import Selection
from feature_manifold.store.clusters import ClusterSet
from feature_manifold.store.experiment import Experiment

MEMBER_SHARE = 0.6
MIN_FIRINGS = 8
FOUND_F1 = 0.5
Found = dict[str, tuple[int, float]]


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    config = load_config(demo_configs()[0], data_root=tmp_path_factory.mktemp("demo"))
    # Pages of latents and their export are not asked for here.
    selection = Selection(leave=("examples", "export"))
    run_experiment(config, selection, progress=SilentProgress())
    return Experiment(experiment_paths(config))


@pytest.fixture(scope="module")
def found(experiment: Experiment) -> Found:
    """By group, the place in the ranked list of the cluster that overlaps it best, and its F1."""
    firings, token_id = experiment.by_latent, np.asarray(experiment.tokens.token_id)
    n_types = len(count_types(token_id, n_types=1))
    profiles = type_profiles(firings, token_id, n_types=n_types, progress=SilentProgress())
    often = np.diff(firings.indptr) >= MIN_FIRINGS
    clusters = experiment.clusters
    places: Found = {}
    for name, group in load_truth(shipped().truth).items():
        share = profiles.share_on(np.sort(group.token_ids))
        members = np.flatnonzero((share > MEMBER_SHARE) & often)
        f1 = [_f1(latents_of(clusters, place), members) for place in range(clusters.n_clusters)]
        best = int(np.argmax(f1))
        places[name] = (best + 1, f1[best])
    return places


def latents_of(clusters: ClusterSet, place: int) -> np.ndarray:
    return np.asarray(clusters.latents[clusters.indptr[place] : clusters.indptr[place + 1]])


def _f1(found: np.ndarray, members: np.ndarray) -> float:
    return 2 * len(np.intersect1d(found, members)) / (len(found) + len(members))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "worst"), [("weekdays", 10), ("months", 5), ("notes", 10)])
def test_the_clearest_circles_stand_at_the_top_of_the_list(
    found: Found, name: str, worst: int
) -> None:
    place, f1 = found[name]
    assert f1 > 0.85
    assert place <= worst


@pytest.mark.slow
def test_nine_of_eleven_groups_are_in_the_top_20_and_the_mean_rank_is_ten(found: Found) -> None:
    assert len(found) == 11
    ranks = [place for place, f1 in found.values() if f1 > FOUND_F1]
    assert sum(place <= 20 for place in ranks) >= 9
    assert np.mean(ranks) <= 10


@pytest.mark.slow
def test_a_cluster_of_a_map_is_found_whole(found: Found) -> None:
    assert found["towns"][1] > 0.85


@pytest.mark.slow
def test_the_list_is_ordered_by_score_and_every_p_says_of_how_many(experiment: Experiment) -> None:
    measures = experiment.clusters.measures
    assert (np.diff(measures["score"]) <= 0).all()
    both = np.maximum(measures["hollow_p_shuffle"], measures["hollow_p_spectrum"])
    assert (measures["p"] == both).all()
    assert (measures["p"] > 0).all()
