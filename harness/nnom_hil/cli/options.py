"""Options that several sub-commands share, declared once."""

import os
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "BackendOption",
    "BoardOption",
    "BoardsOption",
    "CompatOption",
    "DataOption",
    "JsonOption",
    "MethodOption",
    "ModelArgument",
    "ModelOption",
    "NnomOption",
    "PackOption",
    "PerChannelOption",
    "PortOption",
    "ProbeOption",
    "RenodeOption",
]

BoardOption = Annotated[str, typer.Option("--board", "-b", help="A board's name, or a .toml file.")]
BoardsOption = Annotated[
    Path | None, typer.Option("--boards", help="A folder with board files of your own.")
]
ModelOption = Annotated[
    Path | None, typer.Option("--model", "-m", help="A Keras file or folder [the bundled digits].")
]
ModelArgument = Annotated[
    Path | None,
    typer.Argument(help="A .keras or .h5 file or a SavedModel folder [the bundled digits]."),
]
BackendOption = Annotated[
    str | None,
    typer.Option("--backend", help="native, qemu, renode or probe [the first that is there]."),
]


def _name_renode(path: Path | None) -> Path | None:
    if path is not None:
        os.environ["NNOM_HIL_RENODE"] = str(path)  # as if the user had set it
    return path


RenodeOption = Annotated[
    Path | None,
    typer.Option(
        "--renode",
        callback=_name_renode,
        help="Renode's program, folder or portable package [$NNOM_HIL_RENODE or PATH].",
    ),
]
DataOption = Annotated[
    Path | None, typer.Option("--data", "-d", help="An .npz with x, y and, optionally, x_calib.")
]
MethodOption = Annotated[
    str,
    typer.Option("--method", help="How formats are chosen: max_min, kld, mse or percentile."),
]
PerChannelOption = Annotated[
    bool, typer.Option("--per-channel", help="One weight format per convolution channel.")
]
CompatOption = Annotated[
    bool, typer.Option("--compat", help="Give NNoM 0.4.3's own int8 results, faults included.")
]
NnomOption = Annotated[
    Path | None,
    typer.Option("--nnom", help="Build on this NNoM tree (inc, src, port) instead of ours."),
]
PortOption = Annotated[
    str | None,
    typer.Option(
        "--port", help="Device or pyserial URL; without a probe, firmware runs behind it already."
    ),
]
ProbeOption = Annotated[
    str | None, typer.Option("--probe", help="Flash by this probe's id, or remote:HOST:PORT.")
]
PackOption = Annotated[
    Path | None, typer.Option("--pack", help="A CMSIS-Pack file that has the board's chip.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON, nothing else.")]
