"""``fmi`` as a user types it, on a tiny GPT-2."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from feature_manifold.core.config import config_keys
from feature_manifold.testing.tiny import TinyExperiment
from tests.cli import Fmi


@pytest.fixture(scope="module")
def toy_yaml(tiny: TinyExperiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("yaml") / "toy.yaml"
    values = {key.replace("_", "-"): value for key, value in tiny.config().items()}
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


ID = "tiny-gpt2_layer1_256_medium"


def test_run_list_info_and_verify(fmi: Fmi, toy_yaml: Path, data: Path) -> None:
    code, out, err = fmi("run", toy_yaml, "--data", data)
    assert code == 0, err
    assert out.count(" ran ") == 7
    code, out, _ = fmi("run", toy_yaml, "--data-root", data)
    assert (code, out.count("skipped")) == (0, 7)
    code, out, _ = fmi("list", "--data", data)
    assert code == 0
    assert ID in out
    code, out, _ = fmi("info", ID, "--data", data)
    info = json.loads(out)
    assert info["metadata"]["n_latents"] == 256
    assert info["stages"]["harvest"]["facts"]["sae_sha256"]
    done = {"corpus", "harvest", "index", "graph", "clusters", "examples", "export"}
    assert set(info["stages"]) == done
    code, out, _ = fmi("verify", ID, "--data", data)
    assert (code, out.count("correct")) == (0, 7)
    file = data / "experiments" / ID / "latents" / "tokens.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(bytes(content))
    code, out, err = fmi("verify", ID, "--data", data)
    assert code == 4
    assert "tokens.npy does not match its checksum" in err
    assert "fmi run CONFIG.yaml --only index" in err
    code, out, err = fmi("run", toy_yaml, "--data", data, "--only", "index")
    assert (code, out.count(" ran ")) == (0, 1), err
    assert fmi("verify", ID, "--data", data)[0] == 0


def test_every_config_key_is_an_option(fmi: Fmi) -> None:
    code, out, _ = fmi("run", "--help")
    assert code == 0
    assert [key for key in config_keys() if f"--{key}" not in out] == []


def test_a_dry_run_shows_the_plan_and_the_disk(fmi: Fmi, toy_yaml: Path, tmp_path: Path) -> None:
    code, out, _ = fmi("run", toy_yaml, "--data", tmp_path, "--dry-run", "--layer", "2")
    assert code == 0
    assert "tiny-gpt2_layer2_256_medium" in out
    assert "not made yet" in out
    assert "GB of disk" in out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "none.yaml"], 2, "No config file none.yaml"),
        (["run", "--device", "gpu"], 2, "cuda:N"),
        (["run", "--layer", "-1"], 2, "layer"),
        (["run", "--only", "umap"], 2, "The stages are: corpus, harvest"),
        (["info", "nothing"], 3, "No experiment 'nothing'"),
        (["verify", "../.."], 3, "No experiment '../..'"),
        (["run", "--corpus", "none.txt", "--only", "corpus", "--model", "gpt2"], 5, "none.txt"),
    ],
)
def test_a_mistake_ends_in_one_clear_line(
    fmi: Fmi, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    found, _, err = fmi(*arguments, "--data", tmp_path)
    lines = [line for line in err.splitlines() if line.startswith("error:")]
    assert found == code
    assert len(lines) == 1
    assert message in lines[0]
    assert "Traceback" not in err


def test_a_taken_port_is_one_clear_line(fmi: Fmi, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, err = fmi("serve", "--data", tmp_path, "--port", str(port))
    assert (code, out) == (11, "")
    assert err.startswith(f"error: Port {port} on 127.0.0.1 is taken.")
    assert err.count("\n") == 1


def test_the_command_starts_without_the_server_and_torch() -> None:
    code = (
        "import sys, feature_manifold.cli.main\n"
        "heavy = {'fastapi', 'starlette', 'uvicorn', 'torch', 'umap'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_file_that_the_system_refuses_is_one_clear_line(fmi: Fmi, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for arguments in (
        ("graph", "--model", "gpt2", "--data", tmp_path / "file"),
        ("openapi", tmp_path / "none" / "api.json"),
    ):
        code, _, err = fmi(*arguments)
        assert code == 1
        assert err.startswith(f"error: {tmp_path}")
        assert err.count("\n") == 1
        assert "run the same command again" in err


def test_an_unknown_option_is_refused(fmi: Fmi) -> None:
    code, _, err = fmi("run", "--layr", "3")
    assert code == 2
    assert "--layr" in err


def test_a_damaged_experiment_is_listed_and_hides_no_other(fmi: Fmi, tmp_path: Path) -> None:
    for name, metadata in {"a[b]_layer1": '{"n_latents": 3000}', "c_layer1": "{"}.items():
        folder = tmp_path / "experiments" / name
        folder.mkdir(parents=True)
        (folder / "metadata.json").write_text(metadata)
    code, out, _ = fmi("list", "--data", tmp_path)
    assert code == 0
    assert re.search(r"a\[b\]_layer1\W+3,000", out)
    assert "c_layer1" in out
    assert "is not JSON" in " ".join(re.findall(r"[\w.]+", out))


def test_an_empty_data_root_says_how_to_fill_it(fmi: Fmi, tmp_path: Path) -> None:
    code, out, _ = fmi("list", "--data", tmp_path)
    assert code == 0
    assert "fmi demo" in out


def test_a_missing_gpu_is_one_clear_line(fmi: Fmi, toy_yaml: Path, tmp_path: Path) -> None:
    code, _, err = fmi("run", toy_yaml, "--data", tmp_path, "--device", "cuda:7")
    assert code == 8
    assert "cuda:7" in err
    assert "auto or cpu" in err


@pytest.mark.slow
def test_an_interrupt_stops_soon_and_the_run_can_be_resumed(toy_yaml: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "feature_manifold.cli", "run", toy_yaml, "--data", tmp_path]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ
    ) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if line.startswith("harvest"):
                break
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "run the same command to go on" in err
    assert subprocess.run([*command, "--only", "corpus"], check=False).returncode == 0
    rest = subprocess.run(command, check=False, capture_output=True, text=True)
    assert rest.returncode == 0, rest.stderr
    assert "corpus  skipped" in rest.stdout
