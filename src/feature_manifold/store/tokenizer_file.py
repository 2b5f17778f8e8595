"""The copy of the tokenizer beside a corpus, read without the model's libraries."""

from collections.abc import Callable
from pathlib import Path

from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.store.layout import TOKENIZER

TextEncoder = Callable[[str], "list[int] | None"]


def open_encoder(corpus: Path) -> TextEncoder | None:
    """Return what turns text into token ids as the harvest did, without special tokens.

    Special tokens written in the text are plain text to it. It returns None for text that the
    tokenizer can only call unknown.

    Parameters
    ----------
    corpus
        A ``corpus/`` folder.

    Returns
    -------
    TextEncoder or None
        None if there is no copy, or the library ``tokenizers`` is not installed.

    Raises
    ------
    CorruptArtifactError
        If the copy cannot be read.
    """
    path = corpus / TOKENIZER / f"{TOKENIZER}.json"
    if not path.is_file():
        return None
    try:
        from tokenizers import Tokenizer
    except ModuleNotFoundError:
        return None
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:
        # The library raises nothing more specific.
        detail = " ".join(str(error).split())[:300]
        raise CorruptArtifactError(
            f"{path} is no tokenizer: {detail}. Make it again with: fmi run CONFIG.yaml --only "
            "corpus --force"
        ) from error
    tokenizer.encode_special_tokens = True
    unknown = tokenizer.token_to_id(getattr(tokenizer.model, "unk_token", None) or "")

    def encode(text: str) -> list[int] | None:
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
        return None if unknown in ids else ids

    return encode
