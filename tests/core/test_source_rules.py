"""What must not occur anywhere in the package: ways for a file to run code."""

import ast
from pathlib import Path

import pytest

import feature_manifold

SOURCES = sorted(Path(feature_manifold.__file__).parent.rglob("*.py"))


def violations(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names} | {getattr(node, "module", "") or ""}
            if names & {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal"}:
                found.append(f"line {node.lineno}: import of {names}")
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called in {"eval", "exec", "torch.load", "yaml.load", "os.system"}:
            found.append(f"line {node.lineno}: {called}")
        for keyword in node.keywords:
            truth = isinstance(keyword.value, ast.Constant) and keyword.value.value is not False
            if keyword.arg in {"allow_pickle", "trust_remote_code", "shell"} and truth:
                found.append(f"line {node.lineno}: {keyword.arg}")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_file_can_run_code(path: Path) -> None:
    assert violations(path) == []


def test_the_rule_finds_what_it_forbids(tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_text("import pickle\ntorch.load(x)\nnp.load(x, allow_pickle=True)\neval('1')\n")
    assert len(violations(path)) == 4
