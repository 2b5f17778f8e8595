"""Run the full pipeline of an experiment: see --help."""

from feature_manifold.cli.scripts import run_pipeline, run_script

if __name__ == "__main__":
    run_script(run_pipeline)
