"""Every door takes every option that is its own; each is written once."""

import inspect
import json
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import typer

from nnom_hil.cli import (
    bench,
    boards,
    build,
    convert,
    explain,
    finetune,
    mlperf,
    profile,
    replay,
    run,
    serve,
    tune,
)
from nnom_hil.cli import inspect as inspect_command
from nnom_hil.cli.app import run_app
from nnom_hil.cli.options import door, expand
from nnom_hil.codegen.layouts import Api, HeaderOptions
from nnom_hil.errors import UsageError
from nnom_hil.robot.library import NnomHil
from nnom_hil.run.options import DOORS, checked, command_of, conversion_of, options_of, request_of
from nnom_hil.run.plan import Timing
from nnom_hil.run.prepare import ConvertOptions
from nnom_hil.run.request import RunRequest, request_document

COMMANDS = {
    "run": run.main,
    "build": build.main,
    "serve": serve.main,
    "mlperf": mlperf.main,
    "convert": convert.main,
    "inspect": inspect_command.main,
    "boards": boards.main,
    "profile": profile.main,
    "tune": tune.main,
    "explain": explain.main,
    "finetune": finetune.main,
    "replay": replay.main,
    **{f"bench {name}": command for name, command in bench.COMMANDS.items()},
}
OTHER: dict[str, Any] = {  # a value beside the default, and where it is found in the request
    "board": "native", "model": Path("lstm"), "data": Path("d.npz"), "limit": 3,
    "min_accuracy": 0.5, "max_error": 0.25, "method": "kld", "per_channel": False,
    "raw_input": True,
    "percentile": 99.0, "search": 1.5, "compiler": "gcc-of-mine", "optimise": "os",
    "portable": True, "weights": Path("w.h"),
    "api": "layer", "layout": "chw",
    "dense_order": "plain", "compat": True, "nnom": Path("n"), "kernels": "plain",
    "cmsis_nn": Path("c"),
    "backend": "qemu",
    "renode": Path("r"), "jobs": 2, "warm_up": 0, "repeats": 5, "timing_only": True,
    "profile": True, "tensors": "all", "estimate": False,
    "encoding": "raw", "port": "p", "probe": "1", "pack": Path("k"), "baud": 9600,
    "faults": "drop=0.5", "seed": 7, "runs": Path("out"), "boards": None, "resume": Path("x"),
    "protocol": "mlperf", "console_baud": 9600, "pixels": "unit",
}  # fmt: skip


def shown(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert run_app([*words, "--help"]) == 0
    return capsys.readouterr().out


def test_every_door_takes_every_option_of_a_conversion() -> None:
    """What a header is made with by `convert`, it can be validated, built and measured with."""
    wanted = set(DOORS["convert"]) - {"model", "data"}
    assert {"method", "search", "percentile", "portable", "api", "layout", "dense_order"} < wanted
    doors = [
        name for name in DOORS
        if name.split()[0] in {"run", "build", "open", "bench"}
        and name not in {"bench kernels", "bench model"}
    ]  # fmt: skip
    assert len(doors) == 7
    for name in doors:
        assert wanted <= set(DOORS[name]), f"{name} lacks {wanted - set(DOORS[name])}"


def test_robot_takes_what_the_terminal_takes() -> None:
    assert DOORS["open run"] == DOORS["run"]
    arguments = inspect.signature(NnomHil.open_run).parameters
    for option in options_of("open run"):
        assert arguments[option.name].default == option.default
        assert option.text in str(NnomHil.open_run.__doc__)
    assert arguments.keys() - {"self"} == set(DOORS["run"])
    assert {"baud", "nnom", "timing_only", "warm_up", "repeats", "resume"} < arguments.keys()


def test_every_door_is_a_command_with_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    own = {"bench line"}  # options of its own alone: it has neither model nor target
    assert COMMANDS.keys() - own == DOORS.keys() - {"open run"}
    for name, command in COMMANDS.items() - {(o, COMMANDS[o]) for o in own}:
        taken = inspect.signature(expand(command)).parameters
        assert taken.keys() >= set(DOORS[name]), name
        told = shown(name.split(), capsys)
        for option in options_of(name):
            flag = option.flags.partition("/")[0]
            assert flag in told or f"[{option.name}]" in told.lower(), f"{name} {flag}"


def test_every_field_of_a_request_is_some_option() -> None:
    """An option that is given changes the request; none that a request has is out of reach."""
    plain = request_of({})
    for name in DOORS["run"]:
        if name in {"boards", "resume", "renode"}:  # ways to find a board, a run, a program
            continue
        asked = request_of(checked({name: OTHER[name]}))
        assert asked != plain, name
    # NNoM's own library has no choice of kernels, and speaks no other protocol
    without = {"renode", "resume", "kernels", "nnom"}
    given = checked({k: v for k, v in OTHER.items() if k not in without})
    asked = request_of(given)
    for field in fields(RunRequest):
        assert getattr(asked, field.name) != getattr(plain, field.name), field.name
    for kind, value in (
        (ConvertOptions, asked.convert), (HeaderOptions, asked.header), (Timing, asked.timing),
    ):  # fmt: skip
        for field in fields(kind):
            if field.name in {"plain_pools", "nnom_only"} or (kind, field.name) == (
                HeaderOptions,
                "portable",
            ):
                continue  # follow from others
            assert getattr(value, field.name) != field.default, field.name


def test_defaults_are_those_of_the_request() -> None:
    convert_, header = conversion_of({})
    assert (convert_, header) == (ConvertOptions(), HeaderOptions())
    everything = {o.name: o.default for o in options_of("run") if o.default is not None}
    everything.pop("board")
    asked = request_of(checked(everything))
    assert asked == request_of({})


def test_default_that_is_on_can_be_put_off(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from nnom_hil.run import options

    turned = replace(options._ALL["per_channel"], default=True)
    monkeypatch.setitem(options._ALL, "per_channel", turned)
    assert turned.flags == "--per-channel/--no-per-channel"
    assert conversion_of({"per_channel": False})[0].per_channel is False
    assert conversion_of({"api": Api.LAYER})[0].per_channel is False


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"method": "mxe"}, "--method 'mxe' is unknown; there are: max_min, kld, mse, percentile"),
        ({"method": "mxe"}, "did you mean 'mse'?"),
        ({"api": "lyer"}, "did you mean 'layer'?"),
        ({"layout": "wch"}, "--layout 'wch' is unknown; there are: hwc, chw"),
        ({"dense_order": "plan"}, "did you mean 'plain'?"),
        ({"encoding": "compat"}, "did you mean 'compact'?"),
        ({"limit": 0}, "--limit 0: must be 1 to 1e+18"),
        ({"jobs": 65}, "--jobs 65: must be 1 to 64"),
        ({"min_accuracy": float("nan")}, "--min-accuracy nan: must be 0 to 1"),
        ({"max_error": -1.0}, "--max-error -1: must be 0 to 1e+18"),
        ({"limit": 10**400}, "--limit a number of 1329 bits: must be 1 to 1e+18"),
        ({"seed": -(10**30)}, "--seed a number of 100 bits: must be -1e+18 to 1e+18"),
        ({"baud": 10**10}, "--baud 1e+10: must be 1200 to 4.29497e+09"),
        ({"max_error": float("nan")}, "--max-error nan: must be 0 to 1e+18"),
        ({"max_error": float("inf")}, "--max-error inf: must be 0 to 1e+18"),
        ({"percentile": 10.0}, "--percentile 10: must be 50 to 100"),
        ({"warm_up": -1}, "--warm-up -1"),
        ({"faults": "dorp=0.1"}, "did you mean 'drop'?"),
        ({"board": "stm32f44"}, "did you mean 'stm32f4'?"),
    ],
)
def test_wrong_value_is_refused_with_the_nearest(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        request_of(checked(given))
    assert message in str(caught.value)


def as_typed(words: Sequence[str]) -> RunRequest:
    """The request that the terminal makes of these words of `nnom-hil run`."""
    caught: list[RunRequest] = []

    @door("run")
    def command(**given: Any) -> int:
        caught.append(request_of(given))
        return 0

    app = typer.Typer()
    app.command()(expand(command))
    app(list(words), standalone_mode=False)
    return caught[0]


@pytest.mark.parametrize(
    "name", sorted(set(OTHER) & set(DOORS["run"]) - {"resume", "renode", "boards"})
)
def test_request_says_how_it_is_asked_for(name: str) -> None:
    """Whether a front door made it or a program: the command makes the same request."""
    request = request_of(checked({name: OTHER[name]}))
    for asked in (request, replace(request, command=())):
        words = command_of(asked)
        assert words[:2] == ("nnom-hil", "run")
        assert as_typed(words[2:]) == request
    assert as_typed([]) != request


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "mse, per channel"),
        (["--method", "kld", "--no-per-channel", "--portable"], "kld, portable"),
        (["--layout", "chw", "--dense-order", "plain"], "mse, per channel, chw, plain dense"),
        (["--api", "layer"], "mse, layer API"),
    ],
)
def test_record_says_how_the_model_was_converted(words: list[str], said: str) -> None:
    assert as_typed(words).conversion_words == said


def test_command_is_what_was_typed(tmp_path: Path) -> None:
    words = ["--board", "native", "--limit", "5", "--min-accuracy", "0.123456789", "--compat"]
    assert command_of(as_typed(words)) == ("nnom-hil", "run", *words)
    asked = as_typed(["-j", "1", "--no-estimate", "--out", str(tmp_path)])
    assert set(command_of(asked)[2:]) == {"--jobs", "1", "--no-estimate", "--out", str(tmp_path)}
    kept = json.loads(request_document(asked))
    assert tuple(kept["command"]) == command_of(asked)  # that of a run that is resumed
