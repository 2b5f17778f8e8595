"""Write the model card from the provenance file, so that its figures are the measured ones."""

import json
from typing import Any

from feature_manifold.core.errors import MissingArtifactError
from feature_manifold.demo.assets import AssetPaths
from feature_manifold.demo.groups import GROUPS

_HEAD = """\
# almanac: a language model with visible feature manifolds

`almanac` is a tiny language model (Gemma 3 architecture, 3 layers, 128 wide, tied embeddings) and
two sparse autoencoders on its residual stream. It exists so that the explorer can be tried, and
its measures checked, on a real model with known ground truth. It speaks one small artificial
language and is of no other use.

## Contents

| file | what |
|---|---|
| `almanac/` | Hugging Face folder: `Gemma3ForCausalLM`, float32; one token per word |
| `almanac-sae-layer0/` | SAELens folder: JumpReLU, 2,048 latents, residual stream after layer 0 |
| `almanac-sae-layer1/` | the same after layer 1, with more active latents: contexts |
| `corpus.jsonl.zst` | held-out text, `{"text": ...}` per line |
| `ground_truth.json` | true place of every word of every group |
| `provenance.json` | seed, steps, versions, losses, every measurement |

## Training

Text, model and autoencoders come from the code in `demo/`; nothing was downloaded and no text was
written by others. The text is generated: sentences about eleven groups of words, in which
neighbours on a circle, a line or a map are mentioned together by a smooth law (von Mises on
circles, Gaussian elsewhere), plus exact facts ("Two days after Monday is Wednesday"), fewer of them
where they would bend a circle. For the first quarter of the steps there are no facts. Answers weigh
four times as much as other tokens. The first layer sees the current word and the one before it.

The autoencoders are BatchTopK, saved as JumpReLU with one common threshold; decoder rows have
length 1 and start on data points; latents that fall silent are moved to badly explained points.
"""

_TAIL = """\
## Limits

- The facts are finite and were not held out: accuracy says learned, not generalised.
- The text was written to make these shapes. That they appear shows that the pipeline finds what is
  there; it is no evidence about language models trained on natural text.
- Clusters, core tokens, displayed planes and ranks use no labels. The words of a group are used to
  choose the cluster that covers it best (F1) and to judge the order of its points.
- R is the length of the mean of exp(i (found angle - true angle)), for the better direction of
  travel.
- Seeds 0, 1 and 2 are not untouched tests: the recipe and the measures were settled while
  looking at them. Settled on seed 0 alone: the text, once, after a first model failed "o'clock"
  and the facts on notes; the rule for the displayed plane (hues had failed); the formula that
  ranks clusters (three tried); that latents with fewer than 8 firings do not count (towns had
  failed); that a line break is no answer (with it months failed); the second null, when the
  first had failed. That recipe failed six must bars on seed 1 and four on seed 2, on weekdays
  and "o'clock" among others. Tried since, on seeds 0 to 2: a first layer that sees everything,
  four words or two (two it is); fewer facts on circles; weekdays a little rarer, and without
  the frames that put "morning" and "evening" behind them; 3 to 7 active latents after layer 0
  (5.5 it is), 2,000 and 4,000 steps; the resolutions of the clustering; exchanging a cluster's
  members for the latents that fire on its core tokens; loops measured against a regular
  polygon's; a term for flatness in the score (left out).
- Seed 3 was run once, after all of that: read it as the untuned test. It has no ring on
  "o'clock" at either layer: there the third harmonic outweighs the first, an echo of the exact
  facts in steps of three hours, or so we think.
- The null that deals decoder rows to other latents fails its bar with every seed, and cannot meet
  it: in 128 dimensions the rows that a cluster of 10 to 40 latents is dealt are nearly at right
  angles, and at right angles they keep all distances between activation patterns (Johnson and
  Lindenstrauss 1984). The circle is in how strongly neighbouring words fire the same latents; any
  unrelated rows show it. Dealing the activations to other tokens destroys it, with every seed.
- No causal intervention was made: the circles are there, their use by the model is not shown.
- One thread, one processor and one torch build give the same bytes; elsewhere the last bits of the
  weights differ, and after thousands of steps so do the weights.
"""


def write_card(paths: AssetPaths) -> None:
    """Write ``MODEL_CARD.md`` from ``provenance.json``."""
    facts = json.loads(paths.provenance.read_text(encoding="utf-8"))
    sections = [_HEAD, _run(facts), _bars(facts), _clouds(facts), _accuracies(facts), _TAIL]
    paths.card.write_text("\n".join(sections), encoding="utf-8")


def other_seeds(runs: tuple[AssetPaths, ...]) -> dict[str, dict[str, Any]]:
    """What the card shows of runs with other seeds, by seed.

    Raises
    ------
    MissingArtifactError
        If a folder holds no provenance file.
    """
    found = {}
    for paths in runs:
        if not paths.provenance.is_file():
            raise MissingArtifactError(
                f"{paths.root} holds no {paths.provenance.name}. Train it first: "
                f"fmi train-demo {paths.root} --seed N"
            )
        run = json.loads(paths.provenance.read_text(encoding="utf-8"))
        kept = ("bars", "minutes", "cpu_minutes", "model", "sae_steps")
        found[str(run["seed"])] = {key: run[key] for key in kept}
    return found


def _run(facts: dict[str, Any]) -> str:
    model = facts["model"]
    lines = [
        f"Made with `{facts['command']}` in {facts['minutes']:.0f} minutes, "
        f"{facts['cpu_minutes']:.0f} of them processor time, on one thread "
        f"(Python {facts['software']['python']}, torch {facts['software']['torch']}, transformers "
        f"{facts['software']['transformers']}): {model['steps']:,} steps, {model['n_tokens']:,} "
        f"tokens; final loss {model['loss']:.2f} nats a token, {model['answer_loss']:.2f} on "
        f"answers; {facts['sae_steps']:,} steps for each autoencoder.",
        "",
        "| autoencoder | active latents per token | variance explained | latents that never fire |",
        "|---|---|---|---|",
    ]
    for sae in facts["measurements"]["saes"]:
        lines.append(
            f"| layer {sae['layer']} | {sae['l0']:.1f} | {sae['explained']:.3f} | "
            f"{sae['dead']:.0%} |"
        )
    return "\n".join(lines) + "\n"


def _bars(facts: dict[str, Any]) -> str:
    runs = {str(facts["seed"]): facts["bars"]}
    runs |= {seed: run["bars"] for seed, run in sorted(facts["other_seeds"].items())}
    lines = [
        "## Bars",
        "",
        f"Values by seed (seed {facts['seed']} ships); **bold** fails. `goal` rows may fail.",
        "",
        "| bar | at least | kind | " + " | ".join(f"seed {seed}" for seed in runs) + " |",
        "|---|---|---|" + "---|" * len(runs),
    ]
    for row in zip(*runs.values(), strict=True):
        cells = " | ".join(_cell(bar) for bar in row)
        kind = "must" if row[0]["must"] else "goal"
        lines.append(f"| {row[0]['name']} | {row[0]['at_least']:g} | {kind} | {cells} |")
    lines.append("")
    for seed, found in runs.items():
        failed = [bar["name"] for bar in found if not bar["passed"]]
        text = "; ".join(failed) if failed else "none"
        met = len(found) - len(failed)
        lines.append(f"- Seed {seed}: {met} of {len(found)} met; failed: {text}.")
    return "\n".join(lines) + "\n"


def _cell(bar: dict[str, Any]) -> str:
    text = f"{bar['value']:.3f}".rstrip("0").rstrip(".")
    return text if bar["passed"] else f"**{text}**"


def _clouds(facts: dict[str, Any]) -> str:
    measured = facts["measurements"]
    lines = [
        "## What the label-free clusters show (layer 0)",
        "",
        f"Place among {measured['n_clusters']} ranked clusters. Fit: R2 of the true coordinate "
        "from two PCs.",
        "",
        "| group | shape | latents | F1 | place | R | in order | harmonic 1 | fit |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for group in GROUPS:
        cloud = measured["clouds"][group.name]
        ring = cloud["ring"]
        shown = (
            f"{ring['resultant']:.3f} | {ring['order']:.0%} | {ring['harmonic']:.2f} |  "
            if ring
            else f" | | | {cloud['fit']:.3f} "
        )
        lines.append(
            f"| {group.name} ({len(group.words)}) | {group.kind} | {len(cloud['latents'])} | "
            f"{cloud['f1']:.2f} | {cloud['rank']} | {shown}|"
        )
    lines += ["", 'The twelve hours on the single token "o\'clock", raw residual stream:', ""]
    for layer, ring in measured["oclock"].items():
        lines.append(f"- layer {layer}: R {ring['resultant']:.3f}, in order {ring['order']:.0%}")
    return "\n".join(lines) + "\n"


def _accuracies(facts: dict[str, Any]) -> str:
    found = facts["measurements"]["accuracies"]
    rows = [f"| {name} | {value:.2f} |" for name, value in found.items()]
    head = ["## Accuracy on facts", "", "| topic | right answers |", "|---|---|"]
    return "\n".join(head + rows) + "\n"
