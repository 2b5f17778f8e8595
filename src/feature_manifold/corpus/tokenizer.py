"""The model's tokenizer: token ids of plain text, and readable text of token ids."""

import codecs
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from transformers import AutoTokenizer

from feature_manifold.core.config import resolve_path
from feature_manifold.core.errors import CorpusError, ModelError
from feature_manifold.core.hub import hub_access

BYTE_PIECE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


def _show_bytes(error: UnicodeError) -> tuple[str, int]:
    """Show bytes that are no UTF-8 as ``<0xE2>``: a token may hold part of a character."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    part = error.object[error.start : error.end]
    return "".join(f"<0x{byte:02X}>" for byte in part), error.end


codecs.register_error("fmi-show-bytes", _show_bytes)


class Tokenizer:
    """A Hugging Face tokenizer, used so that no input can become a special token.

    BOS is not left to the tokenizer: whether it adds one depends on its class, its files and the
    library's version. The caller puts ``bos_id`` first in every window.

    Parameters
    ----------
    name
        Hub id, local folder or ``package:PATH`` of the model.

    Raises
    ------
    ModelError
        If there is no tokenizer, or it is out of reach.
    """

    def __init__(self, name: str) -> None:
        try:
            with hub_access(name, kind="model", error=ModelError):
                self._tokenizer: Any = AutoTokenizer.from_pretrained(resolve_path(name) or name)
        except (OSError, ValueError, KeyError, ImportError) as error:
            detail = " ".join(str(error).split())
            raise ModelError(f"Model '{name}' has no usable tokenizer: {detail}") from error

    @property
    def bos_id(self) -> int | None:
        """Token that the model expects first; None for models trained without one."""
        value = self._tokenizer.bos_token_id
        return None if value is None else int(value)

    @property
    def special_ids(self) -> list[int]:
        """Ids of all special tokens, BOS included, rising."""
        return sorted({int(token_id) for token_id in self._tokenizer.all_special_ids})

    def encode(self, texts: Sequence[str]) -> list[npt.NDArray[np.int32]]:
        """Turn texts into token ids; ``<bos>`` written in a text stays five characters.

        Raises
        ------
        CorpusError
            If a text cannot be encoded, for instance because of a lone surrogate.
        """
        try:
            encoded = self._tokenizer(
                list(texts),
                add_special_tokens=False,
                split_special_tokens=True,
                return_attention_mask=False,
                verbose=False,
            )
        except UnicodeEncodeError as error:
            raise CorpusError(f"The corpus holds text that is not Unicode: {error}") from error
        return [np.array(ids, dtype=np.int32) for ids in encoded["input_ids"]]

    def vocabulary(self) -> list[str]:
        """Return the text of every token id, as it would stand in running text.

        Byte-level pieces are decoded; SentencePiece's ``▁`` is a space; bytes that are part of a
        character are shown as ``<0xE2>``; special tokens show their name.
        """
        tokenizer = self._tokenizer
        # Ids may have holes, so that the greatest exceeds their number.
        size = max(tokenizer.get_vocab().values()) + 1
        pieces = tokenizer.convert_ids_to_tokens(list(range(size)))
        added = {int(key): str(value) for key, value in tokenizer.added_tokens_decoder.items()}
        backend = getattr(tokenizer, "backend_tokenizer", None)
        readable = (
            _byte_level_text if "ByteLevel" in str(getattr(backend, "decoder", "")) else _piece_text
        )
        return [
            added[token_id] if token_id in added else readable(piece or "")
            for token_id, piece in enumerate(pieces)
        ]

    def save(self, folder: Path) -> None:
        """Write the tokenizer's files."""
        self._tokenizer.save_pretrained(folder)


def _piece_text(piece: str) -> str:
    match = BYTE_PIECE.fullmatch(piece)
    if match:
        byte = int(match[1], 16)
        return chr(byte) if byte < 0x80 else f"<0x{byte:02X}>"
    return piece.replace("▁", " ")


def _byte_alphabet() -> dict[str, int]:
    """Return GPT-2's stand-in characters for bytes: printable ones stand for themselves."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in set(printable)]
    alphabet = {chr(byte): byte for byte in printable}
    return alphabet | {chr(0x100 + index): byte for index, byte in enumerate(hidden)}


BYTE_ALPHABET = _byte_alphabet()


def _byte_level_text(piece: str) -> str:
    if any(letter not in BYTE_ALPHABET for letter in piece):
        return piece
    return bytes(BYTE_ALPHABET[letter] for letter in piece).decode("utf-8", "fmi-show-bytes")
