"""`fathom VERB`: finds the stage's command and starts it, importing nothing else. The verbs are the stages."""

from __future__ import annotations

import errno
import importlib
import logging
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fathom.runtime import described
from fathom.runtime.errors import FathomError
from fathom.runtime.forked import run_forked
from fathom.runtime.redaction import RedactingFormatter
from fathom.stages import STAGES

if TYPE_CHECKING:
    from fathom.runtime.job_files import Work


# What looks at a config, or at results, whichever stage made them.
TOOLS = {
    "check": ("fathom.workflow.check", "Is a config fine? It is read as data; nothing in it runs."),
    "trace": ("fathom.provenance.trace", "Print what a figure, or any other result, came from."),
    "verify": ("fathom.provenance.verify", "Read every result again: what is corrupt, missing or stale?"),
}
FETCHING = {"models", "corpora", "tasks"}  # they run where Snakemake does; compute nodes often have no network
# What a machine says where fathom can do nothing: no room, or no right to write.
NO_ROOM_OR_RIGHT = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
log = logging.getLogger("fathom")


class _Stages(click.Group):
    """Imports a stage only when its verb is used, so that `fathom --help` is instant."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return [*STAGES, *TOOLS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        return prepare(cmd_name) if cmd_name in STAGES or cmd_name in TOOLS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        with formatter.section("Stages"):
            formatter.write_dl(list(STAGES.items()))
        with formatter.section("Config and provenance"):
            formatter.write_dl([(verb, summary) for verb, (_, summary) in TOOLS.items()])


def prepare(verb: str) -> click.Command:
    """Import a verb, with what libraries read from the environment as they are imported."""
    if verb not in FETCHING:
        # Before the hub's library is imported, which reads these once. Without them it tries the network first.
        os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    if not sys.stderr.isatty():
        # For the bars of the libraries. Where there is no terminal, fathom writes lines.
        os.environ.setdefault("TQDM_DISABLE", "1")
    module = TOOLS[verb][0] if verb in TOOLS else f"fathom.{verb}.command"
    command: click.Command = importlib.import_module(module).command
    return command


@click.group(cls=_Stages, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.option("--log", "log_file", type=click.Path(path_type=Path), help="Also write messages to this file.")
@click.option(
    "--record", type=click.Path(path_type=Path), help="Write down what the verb did: inputs, outputs, machine, times."
)
@click.option("--code", help="Digest of the verb's code, for the record.")
@click.version_option(package_name="fathom")
@click.pass_context
def verbs(ctx: click.Context, log_file: Path | None, record: Path | None, code: str | None) -> None:  # noqa: ARG001 - for write_down
    """Measure, layer by layer, what a model's hidden states hold.

    Each stage is one verb. Snakemake calls them in the right order and only where something changed: run `snakemake
    --cores all`. A verb reads files and settings (JSON) and writes files; call one by hand to look into a single job.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    if log_file is not None:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(log_file, mode="w", encoding="utf-8"))
    for handler in handlers:
        handler.setFormatter(RedactingFormatter("%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=handlers)
    log.setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
    if record is not None:
        if ctx.invoked_subcommand in TOOLS:
            msg = f"--record is for stages; {ctx.invoked_subcommand} makes no result"
            raise click.UsageError(msg)
        from fathom.provenance.records import Started

        record.unlink(missing_ok=True)
        ctx.obj = Started()


@verbs.result_callback()
@click.pass_context
def write_down(ctx: click.Context, work: Work, log_file: Path | None, record: Path | None, code: str | None) -> None:  # noqa: ARG001 - click hands over all options
    """Write the record of a job that has succeeded, last of all."""
    if record is not None:
        from fathom.provenance.records import write_record

        write_record(record, str(ctx.invoked_subcommand), work, code, ctx.obj)


def main() -> None:
    """Run a verb, in a fork where a run of the workflow keeps a process to be forked from."""
    arguments = sys.argv[1:]
    status = run_forked(arguments)
    if status is not None:
        sys.exit(status)
    run(arguments)


def run(arguments: list[str]) -> None:
    """Run a verb. Bad input ends with one line and exit status 1; a fault of fathom's own with a traceback."""
    described.wanted = False
    try:
        verbs.main(args=arguments, prog_name="fathom", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except FathomError as error:
        log.error("fathom: error: %s", error)
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - here a fault ends: it goes to the log as well, then the process fails
        if isinstance(error, OSError) and error.errno in NO_ROOM_OR_RIGHT:
            log.error("fathom: error: %s", error)
            sys.exit(1)
        log.error("fathom: this is a fault in fathom, please report it\n%s", traceback.format_exc())
        sys.exit(2)


if __name__ == "__main__":
    main()
