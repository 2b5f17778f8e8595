"""Train the demo language model: a Gemma 3 of 0.7 M parameters, from scratch, on generated text.

The architecture is Hugging Face's own ``Gemma3ForCausalLM`` made small, so the result loads
wherever Gemma 3 loads. One thread and a fixed seed give the same weights on the same processor
and torch build; another number of threads sums in another order and drifts apart.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from feature_manifold.core.progress import Progress
from feature_manifold.core.rng import generator
from feature_manifold.demo.text import token_stream
from feature_manifold.demo.tokenizer import CONTEXT_SIZE, token_index

if TYPE_CHECKING:
    import torch
    from transformers import Gemma3ForCausalLM

MODEL_NAME = "almanac"
D_MODEL = 128
BOS_ID, PAD_ID = 1, 0
BATCH = 16
STEPS = 3000
#: Words that the first layer sees, the current one included. Gemma 3's first layers are local too.
LOCAL_WINDOW = 2
#: Share of the steps whose text is fuzzy only, so that circles form before any arithmetic.
FUZZY_FIRST = 0.25
FACT_SHARE = 0.3
#: An answer counts as much as this many other tokens.
ANSWER_WEIGHT = 4.0
PEAK_RATE = 2.5e-3
WARM_UP_STEPS = 100


@dataclass(frozen=True)
class TrainingLog:
    """What training measured.

    Attributes
    ----------
    steps, n_tokens
        Optimiser steps and tokens seen.
    loss, answer_loss
        Mean cross-entropy in nats over the last tenth of the steps: all tokens, answers only
        (NaN if there were no answers).
    """

    steps: int
    n_tokens: int
    loss: float
    answer_loss: float


def train_model(
    *, seed: int, steps: int, progress: Progress
) -> tuple["Gemma3ForCausalLM", TrainingLog]:
    """Train the language model from scratch.

    Parameters
    ----------
    seed
        Decides the text and the initial weights.
    steps
        Optimiser steps of 16 contexts of 128 tokens.
    progress
        Told of every step.

    Returns
    -------
    model, log
        The model in evaluation mode, float32 on the CPU.
    """
    import torch

    model = new_model(seed)
    token_ids, is_answer = training_text(seed, steps)
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    plain = [p for p in model.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}],
        lr=PEAK_RATE,
        betas=(0.9, 0.98),
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_at(step, steps))
    sums = np.zeros((steps, 4))
    with progress.task("Training the language model", total=steps, unit="step") as task:
        for step in range(steps):
            batch = torch.from_numpy(token_ids[step])
            loss, sums[step] = _weighted_loss(model, batch, torch.from_numpy(is_answer[step]))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            task.advance()
    loss_sum, n, answer_sum, n_answers = sums[-max(1, steps // 10) :].sum(0)
    model.eval()  # type: ignore[no-untyped-call]
    return model, TrainingLog(
        steps=steps,
        n_tokens=token_ids.size,
        loss=float(loss_sum / n),
        answer_loss=float(answer_sum / n_answers) if n_answers else math.nan,
    )


def new_model(seed: int) -> "Gemma3ForCausalLM":
    """Build the untrained model: three layers, the first one local, 128 wide, tied embeddings."""
    import torch
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    config = Gemma3TextConfig(
        vocab_size=len(token_index()) + 3,
        hidden_size=D_MODEL,
        intermediate_size=384,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=4,
        head_dim=32,
        query_pre_attn_scalar=32,
        max_position_embeddings=512,
        sliding_window=LOCAL_WINDOW,
        layer_types=["sliding_attention", "full_attention", "full_attention"],
        tie_word_embeddings=True,
        bos_token_id=BOS_ID,
        pad_token_id=PAD_ID,
        eos_token_id=None,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(generator(seed, "demo", "weights").integers(2**63 - 1)))
        model: Gemma3ForCausalLM = Gemma3ForCausalLM(config)
    return model


def training_text(seed: int, steps: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Write the text of every step: token ids and answer marks, (steps, BATCH, CONTEXT_SIZE)."""
    first = int(FUZZY_FIRST * steps)
    per_step = BATCH * CONTEXT_SIZE
    parts = [
        token_stream(
            generator(seed, "demo", "text", name),
            token_index(),
            bos=BOS_ID,
            n_tokens=n_steps * per_step,
            fact_share=share,
        )
        for name, n_steps, share in (("fuzzy", first, 0.0), ("mixed", steps - first, FACT_SHARE))
    ]
    shape = (steps, BATCH, CONTEXT_SIZE)
    token_ids = np.concatenate([part[0] for part in parts]).reshape(shape)
    return token_ids, np.concatenate([part[1] for part in parts]).reshape(shape)


def rate_at(step: int, steps: int) -> float:
    """Share of the peak learning rate: linear warm-up, then cosine down to a twentieth."""
    warm_up = min(WARM_UP_STEPS, steps)
    if step < warm_up:
        return (step + 1) / warm_up
    done = (step - warm_up) / max(1, steps - warm_up)
    return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * done))


def _weighted_loss(
    model: "Gemma3ForCausalLM", batch: "torch.Tensor", is_answer: "torch.Tensor"
) -> tuple["torch.Tensor", tuple[float, float, float, float]]:
    """Loss to minimise, and (loss sum, tokens, answer loss sum, answers) without weights."""
    import torch

    logits = model(input_ids=batch[:, :-1], use_cache=False).logits
    target = batch[:, 1:]
    each = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), target.flatten(), reduction="none"
    )
    answer = is_answer[:, 1:].flatten()
    weight = torch.where(answer, ANSWER_WEIGHT, 1.0)
    # What follows the beginning of a text is a coin toss among topics and counts like any token.
    plain = each.detach()
    measured = (
        float(plain.sum()),
        float(len(plain)),
        float(plain[answer].sum()),
        float(answer.sum()),
    )
    return (each * weight).sum() / weight.sum(), measured
