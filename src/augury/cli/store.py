"""`augury store`: hidden states on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(help="Hidden states on disk.", no_args_is_help=True)


@app.command("ls")
def list_stores(
    root: Annotated[Path, typer.Argument(help="Folder to look in.")] = Path("runs"),
) -> None:
    """List the stores below a folder: rows, sites, number type, size, finished or not."""
    from augury.activations.inventory import describe, find_stores
    from augury.errors import AuguryError

    for path in find_stores(root):
        try:
            print(describe(path).line())
        except AuguryError as error:
            print(error)


@app.command("show")
def show(path: Annotated[Path, typer.Argument(help="Folder of the store.")]) -> None:
    """Say what determines the values of a store, and how far it has come."""
    from augury.activations.inventory import describe

    for line in describe(path).lines():
        print(line)


@app.command("verify")
def verify(path: Annotated[Path, typer.Argument(help="Folder of the store.")]) -> None:
    """Check every shard against its checksum, and its rows against the header."""
    from augury.activations.store import Store

    store = Store.open(path)
    store.verify()
    print(f"{store.n_rows} rows of {len(store.sites)} sites: every checksum is right")


@app.command("import")
def import_(
    sources: Annotated[
        list[Path], typer.Argument(help="Folder of captured states, or files of one folder.")
    ],
    to: Annotated[Path, typer.Argument(help="Folder of traces, tokens and store.")],
    traces: Annotated[Path, typer.Option("--traces", help="Parquet or JSONL file of the texts.")],
    tokens: Annotated[
        Path | None,
        typer.Option(
            "--tokens", help="Ids of each text; tokens.parquet of the folder if not given."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="Whose tokenizer made the ids; to place them on the texts."),
    ] = None,
) -> None:
    """Make a store of states that another program captured; docs/import.md tells the layout."""
    from augury.studies.importing import import_capture

    for line in import_capture(sources, to, traces=traces, tokens=tokens, model=model):
        print(line)


@app.command("export")
def export(
    path: Annotated[Path, typer.Argument(help="Folder of the store.")],
    to: Annotated[Path, typer.Argument(help="New folder.")],
    kind: Annotated[str, typer.Option("--format", help="npy, safetensors or parquet.")] = "npy",
    site: Annotated[
        list[str] | None, typer.Option("--site", help="Only this site; may be repeated.")
    ] = None,
) -> None:
    """Write the rows in a format that other tools read."""
    from augury.activations.export import export_store
    from augury.activations.store import Store

    for file in export_store(Store.open(path), to, kind, sites=tuple(site or ())):  # type: ignore[arg-type]
        print(file)
