"""Every command, option and script is documented, and what is documented exists."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.command_line import (
    CONFIG_OPTIONS,
    all_commands,
    fmi,
    fmi_commands,
    parameters,
    script_commands,
    takes_config,
)
from tests.docs.pages import (
    PAGE_IDS,
    PAGES,
    ROOT,
    headings,
    names_in,
    page,
    section,
    shell_commands,
    spans,
    tables,
)

PIPELINE = "docs/pipeline.md"
EVERY_KEY = "[configuration key](#configuration)"
STAGE_SECTION = "One stage"
OPTION = re.compile(r"--[a-z][a-z0-9-]*")
PLACEHOLDER = re.compile(r"[A-Z_]+(\.yaml)?")
FOREIGN_OPTIONS = {"--bind"}
"""Options of other programs that the pages name."""

SPECIFIED_SCRIPTS = {
    "run_pipeline.py",
    "harvest_activations_v2.py",
    "build_indices.py",
    "compute_edges.py",
    "extract_top_activations.py",
    "export_umap_json.py",
    "sanity_check_sae.py",
    "test_sae_loading.py",
}


def command_section(name: str) -> str:
    text = page(PIPELINE)
    if f"`{name}`" in headings(text):
        return section(text, f"`{name}`")
    shared = section(text, STAGE_SECTION)
    assert f"`{name}`" in shared, f"{PIPELINE} has no section '### `{name}`'"
    return shared


@pytest.mark.parametrize("name", sorted(all_commands()))
def test_every_option_of_a_command_is_in_its_section(name: str) -> None:
    command = all_commands()[name]
    text = command_section(name)
    documented = {option for span in spans(text) for option in OPTION.findall(span)}
    if takes_config(command):
        assert EVERY_KEY in text, f"{PIPELINE}, {name}: say that it takes every {EVERY_KEY}"
        documented |= CONFIG_OPTIONS
    missing = parameters(command).keys() - documented
    assert not missing, f"{PIPELINE}, section {name}: {', '.join(sorted(missing))} is missing"


def test_options_of_fmi_itself_are_named() -> None:
    named = set(spans(section(page(PIPELINE), "Commands")))
    assert {f"fmi {option}" for option in parameters(fmi())} <= named


@pytest.mark.parametrize("name", sorted(all_commands()))
def test_option_tables_name_only_options_that_exist_with_their_defaults(name: str) -> None:
    known = parameters(all_commands()[name])
    for header, rows in tables(command_section(name)):
        if header[0] != "option":
            continue
        for row in rows:
            for option in names_in(row[0]):
                assert option in known, f"{PIPELINE}, {name}: there is no {option}"
                default = known[option].default
                if "default" in header and isinstance(default, (int, str)) and default is not False:
                    assert row[header.index("default")] == f"`{default}`", f"{name} {option}"


def test_every_command_section_is_of_a_command() -> None:
    known = all_commands()
    titles = [title.strip("`") for title in headings(page(PIPELINE)) if title.startswith("`")]
    assert set(titles) <= known.keys()
    assert len(titles) == len(set(titles))


def test_the_stage_section_tells_stages_from_other_commands() -> None:
    shared = set(spans(section(page(PIPELINE), STAGE_SECTION))) & fmi_commands().keys()
    own = {title.strip("`") for title in headings(page(PIPELINE))}
    assert shared - {"fmi run"} == fmi_commands().keys() - own


@pytest.mark.parametrize("path", PAGES, ids=PAGE_IDS)
def test_commands_on_a_page_exist_and_take_their_options(path: Path) -> None:
    for words in shell_commands(path.read_text(encoding="utf-8")):
        check_command(words)


def check_command(words: list[str]) -> None:
    line = " ".join(words)
    program = words[0].removeprefix(".venv/bin/")
    if program == "fmi":
        if len(words) == 1 or words[1].startswith("-") or PLACEHOLDER.fullmatch(words[1]):
            return
        name, rest = f"fmi {words[1]}", words[2:]
    elif program == "python" and len(words) > 1 and words[1].startswith("scripts/"):
        name, rest = words[1].removeprefix("scripts/"), words[2:]
    elif program == "make":
        check_make(words[1:], line)
        return
    else:
        return
    assert name in all_commands(), f"'{line}': there is no command {name}"
    known = parameters(all_commands()[name]).keys() | {"--help"}
    for word in rest:
        if word.startswith("--"):
            assert word.split("=")[0] in known, f"'{line}': {name} has no {word}"
        if word.startswith("experiments/"):
            assert (ROOT / word).exists(), f"'{line}': there is no {word}"


def check_make(words: list[str], line: str) -> None:
    targets, variables = make_targets(), make_variables()
    for word in words:
        name, is_variable, _ = word.partition("=")
        known = variables if is_variable else targets
        assert name in known or PLACEHOLDER.fullmatch(name), f"'{line}': make knows no {name}"


def make_targets() -> set[str]:
    phony = re.search(r"^\.PHONY: (.*)$", page("Makefile"), re.MULTILINE)
    assert phony is not None
    return set(phony[1].split())


def make_variables() -> set[str]:
    return set(re.findall(r"^(\w+) \??:?=", page("Makefile"), re.MULTILINE))


@pytest.mark.parametrize("target", sorted(make_targets()))
def test_every_make_target_is_in_contributing(target: str) -> None:
    assert f"`make {target}`" in page("CONTRIBUTING.md")


@pytest.mark.parametrize("path", PAGES, ids=PAGE_IDS)
def test_options_named_on_a_page_belong_to_some_command(path: Path) -> None:
    known = {name for command in all_commands().values() for name in parameters(command)}
    known |= FOREIGN_OPTIONS | {"--help", "--version"}
    named = {
        option
        for span in spans(path.read_text(encoding="utf-8"))
        for option in OPTION.findall(span)
    }
    assert named <= known


@pytest.mark.parametrize("name", sorted(SPECIFIED_SCRIPTS))
def test_every_script_of_the_specification_exists_and_is_named(name: str) -> None:
    assert name in script_commands()
    assert f"`{name}`" in page("README.md")


def test_the_table_of_scripts_is_complete() -> None:
    listed = [
        names_in(row[0])[0]
        for header, rows in tables(section(page(PIPELINE), "Scripts"))
        if header == ["script", "purpose"]
        for row in rows
    ]
    assert sorted(listed) == sorted(script_commands())


def messages(path: Path) -> Iterator[str]:
    """Yield every text in a Python file; what is filled in at run time reads ``X``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            parts = (p.value if isinstance(p, ast.Constant) else "X" for p in node.values)
            yield "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


ADVICE = re.compile(r"\bfmi ([a-z][a-z-]*)((?: +(?:--?[a-z-]+|[A-Z][\w.]*))*)")


def advice_in(texts: Iterator[str]) -> Iterator[tuple[str, list[str]]]:
    for text in texts:
        for match in ADVICE.finditer(" ".join(text.split())):
            yield match[1], OPTION.findall(match[2])


def source_texts() -> Iterator[str]:
    for path in sorted((ROOT / "src").rglob("*.py")):
        yield from messages(path)
    for path in sorted((ROOT / "web" / "src").rglob("*.ts*")):
        yield from re.findall(r'"[^"\n]*"|`[^`]*`', path.read_text(encoding="utf-8"))


def test_commands_in_messages_of_the_code_exist() -> None:
    wrong = [
        f"fmi {name} {' '.join(options)}"
        for name, options in advice_in(source_texts())
        if f"fmi {name}" not in fmi_commands()
        or not set(options) <= parameters(fmi_commands()[f"fmi {name}"]).keys()
    ]
    assert not wrong, wrong


def test_advice_is_found_in_messages() -> None:
    found = list(advice_in(iter(["Make it with: fmi run CONFIG.yaml --only\ngraph, or fmi list."])))
    assert found == [("run", ["--only"]), ("list", [])]


def test_wrong_commands_are_refused() -> None:
    for words in (["fmi", "rum"], ["fmi", "serve", "--prot", "1"], ["make", "tests"]):
        with pytest.raises(AssertionError):
            check_command(words)


def test_both_forms_of_a_switch_are_seen() -> None:
    assert "--no-skip-jaccard" in parameters(fmi_commands()["fmi run"])
