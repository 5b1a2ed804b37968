"""`fathom tasks`: bring the data of a task, list the texts that it asks for, or score every layer of a model on it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import click

from fathom.runtime.errors import FathomError
from fathom.runtime.job_files import Work

# By name, so that the code of one is no part of another's.
DATA, TEXTS, SCORES = "fathom.tasks.data", "fathom.tasks.texts", "fathom.tasks.scores"
OVER_TASKS = "fathom.tasks.over_tasks.tables"


@click.command()
@click.option("--settings", "settings_json", required=True, help="Settings, as JSON; - reads them from standard input.")
@click.option("--write-data", type=click.Path(path_type=Path), help="Only bring the data; manifest to write last.")
@click.option("--data", type=click.Path(path_type=Path), help="Manifest of the task's data.")
@click.option("--write-texts", type=click.Path(path_type=Path), help="Only list the texts; corpus to write.")
@click.option("--corpus", type=click.Path(path_type=Path), help="Corpus of the task's texts.")
@click.option("--states", type=click.Path(path_type=Path), help="Folder of the stores to read.")
@click.option("--shards", type=click.IntRange(min=1), help="Shards that the states are cut into.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where the tables go.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Layers at a time.")
@click.option("--write-over-tasks", type=click.Path(path_type=Path), help="Only take tasks together; table to write.")
@click.argument("tables", nargs=-1, type=click.Path(path_type=Path))
def command(
    settings_json: str,
    write_data: Path | None,
    data: Path | None,
    write_texts: Path | None,
    corpus: Path | None,
    states: Path | None,
    shards: int | None,
    folder: Path | None,
    threads: int,
    write_over_tasks: Path | None,
    tables: tuple[Path, ...],
) -> Work:
    """Score every layer of stored states on a downstream task, through mteb.

    Writes TASK.parquet (all scores of every layer) and TASK.layers.parquet (the main score) into the folder, and mteb's
    own JSON of every layer below mteb/. With --write-data or --write-texts, what comes before that; with
    --write-over-tasks, what is taken of the TABLES of several tasks together.
    """
    done: Work
    if write_over_tasks is not None:
        done = import_module(OVER_TASKS).write_over_tasks(settings_json, tables, write_over_tasks)
        return done
    if write_data is not None:
        done = import_module(DATA).write_data(settings_json, write_data)
        return done
    if data is None:
        msg = "--data: expected the manifest of the task's data"
        raise FathomError(msg)
    if write_texts is not None:
        done = import_module(TEXTS).write_texts(settings_json, data, write_texts)
        return done
    if corpus is None or states is None or shards is None or folder is None:
        msg = "--corpus, --states, --shards, --folder: expected all of them, or --write-data, or --write-texts"
        raise FathomError(msg)
    done = import_module(SCORES).score_layers(settings_json, data, corpus, states, shards, folder, threads)
    return done
