"""Every configuration key is documented as it is, and every config on a page is valid."""

from typing import Any

import pytest
import yaml

from feature_manifold.core.config import ExperimentConfig, config_keys, load_config, make_config
from feature_manifold.pipeline.pipeline import STAGES
from tests.docs.pages import PAGE_IDS, PAGES, ROOT, blocks, names_in, page, rows_of, section

PIPELINE = "docs/pipeline.md"


def key_rows() -> list[list[str]]:
    return rows_of(section(page(PIPELINE), "Configuration"), "key", "default", "meaning")


def expected_row(key: str) -> str:
    field = ExperimentConfig.model_fields[key.replace("-", "_")]
    extra: Any = field.json_schema_extra
    default = "" if field.default is None else f"`{_as_yaml(field.default)}`"
    stages = ", ".join(f"`{stage}`" for stage in extra["stages"])
    return " | ".join((f"`{key}`", default, str(field.description), stages))


def _as_yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize("key", config_keys())
def test_every_key_has_its_row_with_default_meaning_and_stages(key: str) -> None:
    assert expected_row(key) in [" | ".join(row) for row in key_rows()]


def test_the_table_names_no_key_that_does_not_exist() -> None:
    assert [names_in(row[0])[0] for row in key_rows()] == config_keys()


def test_every_stage_has_its_row_in_order() -> None:
    listed = [names_in(row[0])[0] for row in rows_of(page(PIPELINE), "stage", "reads", "writes")]
    assert listed == [stage.name for stage in STAGES]


CONFIGS = [
    pytest.param(block, id=f"{name}-{number}")
    for path, name in zip(PAGES, PAGE_IDS, strict=True)
    for number, block in enumerate(blocks(path.read_text(encoding="utf-8"), "yaml"))
    # A concept file is held against its reader in test_docs_search.py.
    if not block.startswith("concepts:")
]


@pytest.mark.parametrize("block", CONFIGS)
def test_configs_on_the_pages_are_valid(block: str) -> None:
    make_config(yaml.safe_load(block))


@pytest.mark.parametrize(
    "path", sorted((ROOT / "experiments").glob("*.yaml")), ids=lambda p: p.name
)
def test_configs_that_ship_are_valid(path: Any) -> None:
    load_config(path)
