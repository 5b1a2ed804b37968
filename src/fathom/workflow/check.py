"""`fathom check`: is this config fine? It is read as data; nothing in it runs."""

from __future__ import annotations

import click

from fathom.models.prepare import check_own, describe
from fathom.runtime.errors import FathomError
from fathom.workflow.config import Config
from fathom.workflow.load import load_config
from fathom.workflow.strict_yaml import read_config_files


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
def command(files: tuple[str, ...]) -> None:
    """Check a config, of several files as Snakemake puts them over each other, and the model folders that it names.

    A folder is checked as `fathom models` will check it: pickled or quantised weights, for example, are refused. What
    is fetched is not looked at. The exit status is 1 if anything is wrong.
    """
    config = load_config(read_config_files(files), files)
    problems, notes = look_at_models(config)
    for note in notes:
        click.echo(note)
    for problem in problems:
        click.echo(f"fathom: error: {problem}", err=True)
    if problems:
        raise SystemExit(1)
    click.echo(f"{', '.join(files)}: fine; models: {len(config.all_models)}, corpora: {len(config.corpora)}")


def look_at_models(config: Config) -> tuple[list[str], list[str]]:
    """One line for each model folder of the user's that `fathom models` would refuse, and what it would say of others.

    Said is the longest text of a model whose files do not agree on it.
    """
    problems, notes = [], []
    for name, model in config.models.items():
        if model.own_folder is not None:
            try:
                check_own(model.own_folder)
                facts = describe(model.own_folder, name, depth=model.depth, part=model.part)
            except FathomError as error:
                place = f"models.{name}"
                problems.append(str(error) if str(error).startswith(place) else f"{place}: {error}")
            else:
                if "(" in (facts["context_from"] or ""):
                    notes.append(
                        f"models.{name}: texts of at most {facts['context']:,} tokens, {facts['context_from']}"
                    )
    return problems, notes
