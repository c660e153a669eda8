"""The command `augury`: its verbs, and what an error looks like."""

from __future__ import annotations

import sys
import traceback
import warnings
from typing import Annotated

import typer

from augury import __version__
from augury.cli import (
    anchors,
    deferrals,
    doctor,
    evaluate,
    introspection,
    organism,
    probes,
    reading,
    run,
    state_transition,
    store,
    view,
)
from augury.errors import AuguryError
from augury.runs.progress import printable

__all__ = ["app", "main"]

app = typer.Typer(
    name="augury",
    help="What a language model is about to do, read from its hidden states before it does it.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("run")(run.command)
app.command("evaluate")(evaluate.command)
app.command("plan-deferrals")(deferrals.command)
app.command("doctor")(doctor.command)
app.command("extract")(reading.extract)
app.command("estimate")(reading.estimate)
app.command("view")(view.command)
app.add_typer(anchors.app, name="anchors")
app.add_typer(introspection.app, name="introspection")
app.add_typer(organism.app, name="organism")
app.add_typer(probes.app, name="probes")
app.add_typer(store.app, name="store")
app.add_typer(state_transition.app, name="state-transition")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"augury {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    _State.debug = debug


class _State:
    debug = False


def main() -> None:
    """Run the command; every failure becomes one line on stderr and an exit code."""
    # What a library will rename one day is for its developers.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"transformers|peft")
    try:
        app(standalone_mode=True)
    except AuguryError as error:
        if _State.debug:
            traceback.print_exc()
        _complain(error.code, str(error))
    except KeyboardInterrupt:
        _complain_of_interruption()
    except SystemExit as ended:
        # Some versions of typer turn Ctrl-C into this code without a word.
        if ended.code == 130:
            _complain_of_interruption()
        raise
    except Exception as error:
        if _State.debug:
            traceback.print_exc()
        what = f"{type(error).__name__}: {error}"
        _complain(70, f"{what}; this is a bug in augury; fix: report it with `augury --debug ...`")


def _complain_of_interruption() -> None:
    _complain(130, f"interrupted; finished work is kept; {run.resume_hint()}")


def _complain(code: int, message: str) -> None:
    line = " ".join(printable(message).split("\n")) if code == 70 else _lines(message)
    print(f"error[{code}] {line}", file=sys.stderr)
    sys.exit(code)


def _lines(message: str) -> str:
    """The message, its control characters escaped; tables keep their lines."""
    return "\n".join(printable(line) for line in message.split("\n"))
