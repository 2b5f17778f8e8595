"""Pages hold together: links resolve, the readme opens as it should, nothing private is in them."""

import json
import re
from pathlib import Path

import pytest

import feature_manifold
from tests.docs.pages import (
    HEADING,
    PAGE_IDS,
    PAGES,
    ROOT,
    anchor,
    blocks,
    headings,
    names_in,
    page,
    rows_of,
    shell_commands,
    without_fences,
)

LINK = re.compile(r"\]\(([^)\s]+)\)")
MACHINE_PATH = re.compile(
    r"(?<![\w:/.])/(home|root|work|tmp|mnt|data|remote|Users|scratch)\b|[A-Z]:\\"
)
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|TBD)\b")


@pytest.mark.parametrize("path", PAGES, ids=PAGE_IDS)
def test_links_resolve(path: Path) -> None:
    broken = [
        link for link in LINK.findall(path.read_text(encoding="utf-8")) if not resolves(path, link)
    ]
    assert not broken


def resolves(path: Path, link: str) -> bool:
    if link.startswith(("https://", "http://")):
        return True
    name, _, part = link.partition("#")
    target = path.parent / name if name else path
    if not target.exists():
        return False
    anchors = [anchor(title) for title in headings(target.read_text("utf-8"))] if part else []
    return not part or part in anchors


def test_a_broken_link_is_seen() -> None:
    readme = ROOT / "README.md"
    assert resolves(readme, "docs/pipeline.md#configuration")
    assert not resolves(readme, "docs/pipeline.md#nowhere")
    assert not resolves(readme, "docs/nowhere.md")


@pytest.mark.parametrize("path", PAGES, ids=PAGE_IDS)
def test_no_page_holds_a_machine_path(path: Path) -> None:
    assert not MACHINE_PATH.search(path.read_text(encoding="utf-8"))


def test_machine_paths_are_seen() -> None:
    assert MACHINE_PATH.search("in /home/someone/data")
    assert not MACHINE_PATH.search("data/raw, https://host/home")


@pytest.mark.parametrize("path", PAGES, ids=PAGE_IDS)
def test_no_page_is_unfinished(path: Path) -> None:
    assert not UNFINISHED.search(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", PAGES, ids=PAGE_IDS)
def test_pages_have_one_title_and_no_heading_twice(path: Path) -> None:
    found = HEADING.findall(without_fences(path.read_text(encoding="utf-8")))
    assert [marks for marks, _ in found].count("#") == 1
    assert found[0][0] == "#"
    titles = [title for _, title in found]
    assert len(titles) == len(set(titles))


def test_the_readme_opens_with_one_sentence_one_screenshot_and_two_commands() -> None:
    _, sentence, picture, commands, *_ = page("README.md").split("\n\n")
    assert re.fullmatch(r"[^.!?]+\.", sentence.replace("\n", " "))
    assert re.fullmatch(r"!\[.+\]\(docs/images/explorer\.png\)", picture)
    found = list(shell_commands(commands + "\n"))
    assert found == [["make", "demo"], ["make", "test"]]


@pytest.mark.parametrize(
    "path", [p for p in PAGES if p.parent.name == "docs"], ids=lambda p: p.name
)
def test_every_page_of_docs_is_named_in_the_readme(path: Path) -> None:
    assert f"(docs/{path.name})" in page("README.md")


def test_shortcuts_in_the_readme_are_those_of_the_app() -> None:
    sheet = page("web/src/components/ShortcutSheet.tsx")
    for keys, _ in rows_of(page("README.md"), "key", "does"):
        assert f'["{keys.strip("`")}"' in sheet


def test_the_package_and_the_changelog_agree_on_the_version() -> None:
    titles = headings(page("CHANGELOG.md"))
    assert any(title.split(",")[0] == feature_manifold.__version__ for title in titles)


def test_npm_scripts_on_the_pages_exist() -> None:
    scripts = json.loads(page("web/package.json"))["scripts"]
    lines = [" ".join(words) for path in PAGES for words in shell_commands(path.read_text("utf-8"))]
    named = {match[1] for line in lines for match in re.finditer(r"\bnpm run (\S+)", line)}
    assert named
    assert named <= scripts.keys()


def test_environment_variables_of_the_code_are_documented() -> None:
    sources = [*(ROOT / "src").rglob("*.py"), ROOT / "hatch_build.py"]
    used = {
        name for path in sources for name in re.findall(r"\bFMI_[A-Z_]+\b", path.read_text("utf-8"))
    }
    listed = {
        name for row in rows_of(page("docs/pipeline.md"), "variable") for name in names_in(row[0])
    }
    assert used
    assert used <= listed


def test_json_on_the_pages_is_json() -> None:
    for path in PAGES:
        for block in blocks(path.read_text(encoding="utf-8"), "json"):
            json.loads(block)
