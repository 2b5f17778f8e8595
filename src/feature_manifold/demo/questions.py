"""Ask the demo model the facts of each topic and count right answers.

The facts are finite and all of them may have been met in training: the figure says what was
learned, not what generalises.
"""

from typing import TYPE_CHECKING

import numpy as np

from feature_manifold.core.rng import generator
from feature_manifold.demo.activations import padded
from feature_manifold.demo.text import ANSWER_MARK, Writer
from feature_manifold.demo.tokenizer import token_index
from feature_manifold.demo.topics import TOPICS, Topic

if TYPE_CHECKING:
    from transformers import Gemma3ForCausalLM

N_QUESTIONS = 300


def accuracies(
    model: "Gemma3ForCausalLM", *, seed: int, n_questions: int = N_QUESTIONS
) -> dict[str, float]:
    """Share of right answers by topic, each on ``n_questions`` freshly drawn facts.

    The answer is right when it is the most probable next word. The line break is left out: in a
    wrapped document it may come before any word, and it answers nothing.
    """
    return {
        topic.group.name: _accuracy(model, topic, seed=seed, n_questions=n_questions)
        for topic in TOPICS
    }


def _accuracy(model: "Gemma3ForCausalLM", topic: Topic, *, seed: int, n_questions: int) -> float:
    import torch

    index = token_index()
    writer = Writer(generator(seed, "demo", "questions", topic.group.name), fact_share=1.0)
    sentences = [writer.fact(topic) for _ in range(n_questions)]
    # Every fact ends in its answer and a full stop: [bos, w0 .. w(n-3), answer, stop].
    answers = np.array([index[words[-2].removeprefix(ANSWER_MARK)] for words in sentences])
    questions, is_real = padded([[1, *(index[word] for word in s[:-2])] for s in sentences])
    with torch.no_grad():
        logits = model(input_ids=torch.from_numpy(questions), use_cache=False).logits
    logits[:, :, index["\n"]] = -torch.inf
    last = torch.from_numpy(is_real.sum(1) - 1)
    found = logits[torch.arange(n_questions), last].argmax(1).numpy()
    return float((found == answers).mean())
