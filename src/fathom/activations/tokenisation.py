"""Texts as token ids, with the token at which every marked span ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fathom.activations.settings import StartToken
from fathom.activations.token_replacement import randomise_tokens, repeat_tokens
from fathom.runtime.errors import FathomError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


FIRST_RANDOM_AS_PUBLISHED = 20  # the papers' code draws random tokens from this id on, special tokens included


@dataclass(frozen=True)
class TokenisedTexts:
    """Texts of one shard, in the order of the corpus."""

    ids: list[npt.NDArray[np.int32]]
    """Token ids of every text, special tokens included where the tokenizer adds them."""
    spans: dict[str, npt.NDArray[np.int64]]
    """Span name -> index of its last token in every text."""
    span_starts: dict[str, npt.NDArray[np.int64]]
    """Span name -> index of its first token in every text."""
    truncated: int
    """Texts that were cut at the longest length."""
    doubled_start: dict[str, Any] | None = None
    """How many texts begin with the start token twice, the id of the first, and the token; None if no text does."""

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of every text, (texts,)."""
        return np.array([len(ids) for ids in self.ids], dtype=np.int64)


def tokenise(
    corpus: pd.DataFrame,
    tokenizer: PreTrainedTokenizerFast,
    *,
    longest: int | None,
    truncate: bool,
    place: str,
    start_token: StartToken = "tokenizer",
    vocabulary: int | None = None,
) -> TokenisedTexts:
    """Tokenise the texts of a corpus.

    `place` names model and corpus in errors; `vocabulary` is how many ids the model's embedding has, as many as the
    tokenizer if left out. Errors: FathomError if a text has a token that the model has not, if texts are longer than
    `longest` and must not be cut, if a text gives no token, if a span is missing from some texts or covers no token, if
    a perturbation would replace the tokens of a span or is of an unknown kind, and where `start_token` asks for one
    that there is none of.
    A text that is cut keeps the special tokens after it, as the tokenizer's own truncation does. What a perturbation
    replaces are the tokens that are left then, and never those special tokens before and after them.
    """
    tokens: list[npt.NDArray[np.int32]] = []
    offsets: list[list[tuple[int, int]]] = []
    start = start_id(tokenizer)
    if start is None and start_token != "tokenizer":
        msg = f"{place}: activations.start_token is {start_token}, but the model's tokenizer has no start token"
        raise FathomError(msg)
    before, after = special_frame(tokenizer, start_token)
    for text, draws, marked in zip(corpus["text"], corpus["token_draws"], corpus["spans"], strict=True):
        places: list[tuple[int, int]] = []
        if draws is None:
            # As Python objects they are a hundred bytes a token, so only those that are looked at are kept.
            encoded = tokenizer(text, return_offsets_mapping=marked is not None, verbose=False)
            ids, places = _with_start(encoded["input_ids"], encoded.get("offset_mapping", places), start, start_token)
        else:
            drawn = draw_tokens(np.asarray(draws, dtype=np.float64), tokenizer, vocabulary)
            ids = [*before, *drawn.tolist(), *after]
        tokens.append(np.array(ids, dtype=np.int32))
        offsets.append(places)
    _refuse_unknown(tokens, corpus["id"], tokenizer, vocabulary, place)
    lengths = np.array([len(ids) for ids in tokens])
    frame = len(before) + len(after)
    if (lengths <= frame).any():
        msg = f"{place}: text {corpus['id'].iloc[int(lengths.argmin())]!r} gives no token"
        raise FathomError(msg)
    span_starts, spans = _find_spans(corpus, offsets, place)
    too_long = lengths > longest if longest is not None else np.zeros(len(tokens), dtype=bool)
    if too_long.any():
        first = int(too_long.argmax())
        if not truncate:
            msg = (
                f"{place}: {int(too_long.sum())} of {len(tokens)} texts are longer than {longest} tokens, first "
                f"{corpus['id'].iloc[first]!r} with {lengths[first]}; set activations.truncate to true to cut them"
            )
            raise FathomError(msg)
        kept = (longest or 0) - len(after)
        if kept <= len(before):
            msg = f"{place}: texts cannot be cut to {longest} tokens, {frame} of which are the tokenizer's own"
            raise FathomError(msg)
        _refuse_cut_spans(spans, too_long, kept, corpus["id"], place)
        end = np.array(after, dtype=np.int32)
        tokens = [np.concatenate([ids[:kept], end]) if cut else ids for ids, cut in zip(tokens, too_long, strict=True)]
    _perturb(tokens, corpus, tokenizer, len(before), len(after), place, vocabulary)
    return TokenisedTexts(
        ids=tokens,
        spans=spans,
        span_starts=span_starts,
        truncated=int(too_long.sum()),
        doubled_start=_doubled_start(tokens, corpus["id"], tokenizer, start),
    )


def _doubled_start(
    tokens: list[npt.NDArray[np.int32]], texts: pd.Series[str], tokenizer: PreTrainedTokenizerFast, start: int | None
) -> dict[str, Any] | None:
    doubled = [len(ids) > 1 and bool(ids[0] == ids[1] == start) for ids in tokens]
    if start is None or not any(doubled):
        return None
    token = tokenizer.convert_ids_to_tokens(start)
    return {"count": doubled.count(True), "first": str(texts.iloc[doubled.index(True)]), "token": token}


def start_id(tokenizer: PreTrainedTokenizerFast) -> int | None:
    """Id of the token that starts a text: that of a sequence, or of a classifier, in this order."""
    # An attribute of none gives None, as the tokenizer's own loading allows; transformers warns of it in a log only.
    found: int | None = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.cls_token_id
    return found


def _with_start(
    ids: list[int], places: list[tuple[int, int]], start: int | None, how: StartToken
) -> tuple[list[int], list[tuple[int, int]]]:
    """A text with or without a start token, and the places of its tokens in the text."""
    if how == "added" and start is not None and ids[:1] != [start]:
        return [start, *ids], [(0, 0), *places] if places else places
    if how == "left_out":
        first = next((at for at, one in enumerate(ids) if one != start), len(ids))
        return ids[first:], places[first:]
    return ids, places


def _perturb(
    tokens: list[npt.NDArray[np.int32]],
    corpus: pd.DataFrame,
    tokenizer: PreTrainedTokenizerFast,
    before: int,
    after: int,
    place: str,
    vocabulary: int | None,
) -> None:
    """Replace tokens, in place, of the texts that say so; `before` and `after` count special tokens."""
    if corpus["perturbation"].isna().all():
        return
    ordinary = _ordinary_tokens(tokenizer, vocabulary)
    published = np.arange(FIRST_RANDOM_AS_PUBLISHED, _known_ids(tokenizer, vocabulary), dtype=np.int32)
    for text, spans, how, ids in zip(corpus["id"], corpus["spans"], corpus["perturbation"], tokens, strict=True):
        if how is None:
            continue
        if spans is not None:
            msg = f"{place}: text {text!r} marks spans, whose tokens its perturbation would replace"
            raise FathomError(msg)
        own = ids[before : len(ids) - after]
        match how["kind"]:
            case "repetition":
                own[:] = repeat_tokens(own, how["probability"], how["seed"], as_published=how["published"])
            case "randomness":
                drawn_from = published if how["published"] else ordinary
                own[:] = randomise_tokens(own, how["probability"], how["seed"], drawn_from)
            case other:
                msg = f"{place}: text {text!r} has a perturbation {other!r}, expected 'repetition' or 'randomness'"
                raise FathomError(msg)


def _refuse_unknown(
    tokens: list[npt.NDArray[np.int32]],
    texts: pd.Series[str],
    tokenizer: PreTrainedTokenizerFast,
    vocabulary: int | None,
    place: str,
) -> None:
    """A token that was added to a tokenizer, and not to the model, has no embedding to look up."""
    for text, ids in zip(texts, tokens, strict=True):
        if vocabulary is not None and ids.size and int(ids.max()) >= vocabulary:
            unknown = int(ids.max())
            token = tokenizer.convert_ids_to_tokens(unknown)
            msg = (
                f"{place}: text {text!r} has the token {token!r} of id {unknown}, the model's embedding has "
                f"{vocabulary:,} rows (ids 0 to {vocabulary - 1}); "
                "resize it (model.resize_token_embeddings), or take the token out of the tokenizer"
            )
            raise FathomError(msg)


def draw_tokens(
    draws: npt.NDArray[np.float64], tokenizer: PreTrainedTokenizerFast, vocabulary: int | None = None
) -> npt.NDArray[np.int32]:
    """Map draws in [0, 1) to token ids, uniformly over those that the model has, without special tokens."""
    ordinary = _ordinary_tokens(tokenizer, vocabulary)
    return ordinary[(draws * len(ordinary)).astype(np.int64)]


def reference_text(
    tokenizer: PreTrainedTokenizerFast,
    tokens: int,
    longest: int | None,
    vocabulary: int | None = None,
    start_token: StartToken = "tokenizer",
) -> npt.NDArray[np.int32]:
    """A text of so many random tokens (fewer where the model reads no more), in the tokenizer's own special tokens."""
    before, after = special_frame(tokenizer, start_token)
    count = tokens if longest is None else max(1, min(tokens, longest - len(before) - len(after)))
    drawn = draw_tokens(np.random.default_rng(0).random(count), tokenizer, vocabulary)
    return np.array([*before, *drawn.tolist(), *after], dtype=np.int32)


def _known_ids(tokenizer: PreTrainedTokenizerFast, vocabulary: int | None) -> int:
    """How many ids tokenizer and model both have."""
    return len(tokenizer) if vocabulary is None else min(len(tokenizer), vocabulary)


def _ordinary_tokens(tokenizer: PreTrainedTokenizerFast, vocabulary: int | None) -> npt.NDArray[np.int32]:
    """Ids that tokenizer and model both have, without special tokens."""
    # `all_special_ids` holds those that have a role (start, padding, ...), the added tokens also such as <|user|>.
    added = [token_id for token_id, token in tokenizer.added_tokens_decoder.items() if token.special]
    special = np.array([*tokenizer.all_special_ids, *added], dtype=np.int64)
    return np.setdiff1d(np.arange(_known_ids(tokenizer, vocabulary)), special).astype(np.int32)


def special_frame(
    tokenizer: PreTrainedTokenizerFast, start_token: StartToken = "tokenizer"
) -> tuple[list[int], list[int]]:
    """Special tokens before and after a text: the tokenizer's own, with or without a start token as that says."""
    encoded = tokenizer("a", return_special_tokens_mask=True)
    ids, special = list(encoded["input_ids"]), list(encoded["special_tokens_mask"])
    first, last = special.index(0), len(special) - special[::-1].index(0)
    return _with_start(ids[:first], [], start_id(tokenizer), start_token)[0], ids[last:]


def _find_spans(
    corpus: pd.DataFrame, offsets: list[list[tuple[int, int]]], place: str
) -> tuple[dict[str, npt.NDArray[np.int64]], dict[str, npt.NDArray[np.int64]]]:
    """Index of the first and of the last token of every span in every text."""
    marked: list[list[dict[str, Any]]] = [[] if spans is None else list(spans) for spans in corpus["spans"]]
    names = sorted({span["name"] for spans in marked for span in spans})
    starts: dict[str, npt.NDArray[np.int64]] = {}
    ends: dict[str, npt.NDArray[np.int64]] = {}
    for name in names:
        found = np.full((2, len(marked)), -1, dtype=np.int64)
        for row, (spans, covered) in enumerate(zip(marked, offsets, strict=True)):
            for span in spans:
                if span["name"] == name:
                    inside = [
                        token
                        for token, (start, end) in enumerate(covered)
                        if start < span["end"] and end > span["start"]
                    ]
                    found[:, row] = (inside[0], inside[-1]) if inside else -1
        if (found < 0).any():
            msg = f"{place}: text {corpus['id'].iloc[int(found[0].argmin())]!r} has no token in a span {name!r}"
            raise FathomError(msg)
        starts[name], ends[name] = found
    return starts, ends


def _refuse_cut_spans(
    spans: dict[str, npt.NDArray[np.int64]],
    too_long: npt.NDArray[np.bool_],
    kept: int,
    texts: pd.Series[str],
    place: str,
) -> None:
    for name, ends in spans.items():
        lost = too_long & (ends >= kept)
        if lost.any():
            msg = (
                f"{place}: cutting text {texts.iloc[int(lost.argmax())]!r} after {kept} tokens would lose span {name!r}"
            )
            raise FathomError(msg)
