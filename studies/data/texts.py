"""Texts as the numbers of their words, and the words that are worth a number."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

WORDS = 1000  # numbered: the most common of the training rows
TOKENS = 64  # of a text; what is longer loses its end
TERMS = 500  # of a text column beside others, weighted by TF-IDF
PADDING, UNKNOWN = 0, 1


def words(text: str | None) -> list[str]:
    """The first words of a text, in small letters."""
    return re.findall(r"\w+", (text or "").lower())[:TOKENS]


def tokens(texts: Sequence[str | None], training: NDArray[np.int64]) -> NDArray[np.int64]:
    """Texts as the numbers of their words, padded with zeros at the end.

    Words are numbered from 2 by how common they are in the training rows, the first of the alphabet
    first among equals; others have the number 1, and so has a text without words.

    Args:
        texts: of all rows.
        training: numbers of the training rows.

    Returns:
        As long as the longest training text: (rows, length).
    """
    split = [words(text) for text in texts]
    counts = Counter(word for row in training for word in split[row])
    ranked = sorted(counts, key=lambda word: (-counts[word], word))[:WORDS]
    numbers = {word: number for number, word in enumerate(ranked, start=UNKNOWN + 1)}
    length = max(1, *(len(split[row]) for row in training))
    encoded = np.full((len(split), length), PADDING, dtype=np.int64)
    for row, found in enumerate(split):
        kept = [numbers.get(word, UNKNOWN) for word in found[:length]] or [UNKNOWN]
        encoded[row, : len(kept)] = kept
    return encoded
