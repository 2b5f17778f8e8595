"""Tiny experiments, made once for all harvest tests."""

import pytest

from feature_manifold.testing.tiny import TinyExperiment, TinyHub, tiny_gemma_cache, tiny_gpt2


@pytest.fixture(scope="session")
def gemma_text(tmp_path_factory: pytest.TempPathFactory) -> TinyHub:
    return tiny_gemma_cache(tmp_path_factory.mktemp("gemma-text"))


@pytest.fixture(scope="session")
def gemma_multimodal(tmp_path_factory: pytest.TempPathFactory) -> TinyHub:
    return tiny_gemma_cache(tmp_path_factory.mktemp("gemma-multimodal"), multimodal=True)


@pytest.fixture(scope="session")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> TinyExperiment:
    return tiny_gpt2(tmp_path_factory.mktemp("gpt2"))
