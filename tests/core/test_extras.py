import sys
from typing import Any

import pytest

from feature_manifold.core import extras

MISSING = ModuleNotFoundError("No module named 'ripser'", name="ripser")
CHECKOUT = "file:///home/me/feature%20manifolds"


@pytest.mark.parametrize(
    ("record", "source"),
    [
        ({}, '"feature-manifold-interface[harvest]"'),
        ({"url": "https://x/y.whl", "archive_info": {}}, '"feature-manifold-interface[harvest]"'),
        ({"url": CHECKOUT, "dir_info": {}}, '"/home/me/feature manifolds[harvest]"'),
        (
            {"url": CHECKOUT, "dir_info": {"editable": True}},
            '--editable "/home/me/feature manifolds[harvest]"',
        ),
    ],
)
def test_a_missing_extra_says_what_to_type_where_it_was_installed_from(
    record: dict[str, Any], source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "_installed_from", lambda: record)
    assert str(extras.missing_extra(MISSING, work="fmi train-demo", extra="harvest")) == (
        "fmi train-demo needs ripser, which is not installed: "
        f"{sys.executable} -m pip install {source}"
    )


def test_a_package_that_is_not_installed_is_told_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "DISTRIBUTION", "no-such-distribution-here")
    assert extras.install_command("harvest").endswith(
        'install "no-such-distribution-here[harvest]"'
    )
