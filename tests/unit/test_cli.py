"""The command line as people use it: help, mistakes, defaults, widths, JSON, completion."""

import inspect
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer
from tests.support.cli import FOLDER, HELP, KEPT, SCREEN, printed, workplace

from nnom_hil.cli.app import COMMANDS, GROUPS, run_app
from nnom_hil.cli.completing import boards, models
from nnom_hil.cli.options import expand
from nnom_hil.cli.settings import variable_of
from nnom_hil.run.options import all_options

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("place")
    with workplace(folder):
        yield folder


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with no settings above it that count."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NNOM_HIL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NNOM_HIL_CONFIG", raising=False)
    return tmp_path


def told(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.strip()


def every_command() -> Iterator[tuple[str, Any]]:
    for name in COMMANDS:
        yield name, import_module(f"nnom_hil.cli.{name}").main
    for name in GROUPS:
        module = import_module(f"nnom_hil.cli.{name}")
        if not module.NEEDS_COMMAND:
            yield name, module.main
        yield from ((f"{name} {sub}", command) for sub, command in module.COMMANDS.items())


# ---- what is printed


@pytest.mark.xdist_group("cli")
@pytest.mark.parametrize("name", KEPT)
def test_commands_print_what_is_kept(name: str, place: Path) -> None:
    """A change is wanted: python -m tests.support.cli"""
    screen, pipe = printed(KEPT[name], SCREEN), printed(KEPT[name], None)
    assert screen == (FOLDER / f"{name}.screen.txt").read_text()
    assert pipe == (FOLDER / f"{name}.pipe.txt").read_text()
    is_message = pipe.startswith("nnom-hil: ")  # a terminal has words whole, a pipe a line
    assert is_message or max(map(len, screen.splitlines())) <= SCREEN
    words = {word for word in pipe.split() if "─" not in word}
    words |= {word.removeprefix("cortex-") for word in words}
    assert {word for word in screen.split() if "─" not in word} <= words


@pytest.mark.xdist_group("cli")
@pytest.mark.parametrize("words", HELP, ids=" ".join)
def test_help_fits_the_screen(words: list[str], place: Path) -> None:
    screen = printed(words, SCREEN)
    assert screen.endswith("exit code 0\n")
    assert max(map(len, screen.splitlines())) <= SCREEN


def test_every_kept_file_is_of_a_command() -> None:
    kept = {f"{name}.{kind}.txt" for name in KEPT for kind in ("screen", "pipe")}
    assert {path.name for path in FOLDER.iterdir()} == kept


def test_every_command_and_option_says_what_it_is_for() -> None:
    for name, command in every_command():
        assert command.__doc__, name
        for option in inspect.signature(expand(command)).parameters.values():
            if option.annotation is typer.Context:
                continue
            hints = getattr(option.annotation, "__metadata__", ())
            assert hints, f"{name} {option.name}"
            assert hints[0].help, f"{name} {option.name}"


def test_every_command_that_ends_gives_json() -> None:
    endless = {"worker", "scheduler", "completion", "mlperf", "serve"}
    lacking = [
        name
        for name, command in every_command()
        if "json" not in inspect.signature(command).parameters and name not in endless
    ]
    assert lacking == []


def test_json_is_all_there_is(place: Path) -> None:
    for name in ("boards", "boards-show", "doctor", "history", "report", "run-dry-run", "compare"):
        said = printed([*KEPT[name], "--json", "--quiet"], None)
        document, _, _ = said.rpartition("exit code")
        assert json.loads(document)


# ---- help and mistakes


@pytest.mark.parametrize("words", [[], ["-h"], ["--help"], ["bench"], ["cache"], ["run", "-h"]])
def test_help_is_no_mistake(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(words) == 0
    assert capsys.readouterr().out.startswith("Usage: nnom-hil")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rnu"], "no command 'rnu'; did you mean 'run'?; see: nnom-hil --help"),
        (["cache", "claer"], "no command 'claer'; did you mean 'clear'?; see: nnom-hil cache -"),
        (["run", "--baord", "x"], "no option '--baord'; did you mean '--board'?; see: nnom-hil r"),
        (["run", "--limit", "x"], "see: nnom-hil run --help"),
        (["convert", "--method", "mes"], "did you mean 'mse'?; see: nnom-hil convert --help"),
        (["boards", "show"], "Missing argument 'name'; see: nnom-hil boards show --help"),
        (["run", "--board", "stm32f5"], "did you mean 'stm32f4'?"),
        (["run", "--model", "digitz"], "did you mean 'digits'?"),
    ],
)
def test_mistakes_are_told_with_the_nearest_name(
    words: list[str], said: str, alone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_app(words) == 2
    assert said in told(capsys)
    assert list(alone.iterdir()) == []


def test_quiet_and_verbose_stand_anywhere(alone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loud = ["convert", "gru", "-o", "w.h"]
    assert run_app(loud) == 0
    assert "quantising ..." in told(capsys)
    for words in (["-q", *loud], [*loud, "--quiet"]):
        assert run_app(words) == 0
        assert told(capsys) == ""


# ---- defaults


def plan(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, str]:
    assert run_app(["run", "--dry-run", "--json", *words]) == 0
    found: dict[str, str] = json.loads(capsys.readouterr().out)
    return found


def test_command_line_comes_before_environment_before_file(
    alone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (alone / "nnom-hil.toml").write_text('board = "microbit"\nlimit = 3\n[run]\nlimit = 4\n')
    (alone / "deep").mkdir()
    monkeypatch.chdir(alone / "deep")
    assert plan(capsys)["board"].startswith("microbit:")
    assert plan(capsys)["vectors"] == "the first 4 of the bundled data"
    monkeypatch.setenv("NNOM_HIL_BOARD", "native")
    assert plan(capsys)["board"].startswith("native:")
    assert plan(capsys, "--board", "mps2_an386")["board"].startswith("mps2_an386:")
    monkeypatch.setenv("NNOM_HIL_CONFIG", "none")
    assert plan(capsys)["vectors"] == "all of the bundled data"


def test_paths_are_meant_from_the_file_s_folder(
    alone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (alone / "pyproject.toml").write_text('[tool.nnom-hil]\nmodel = "m/net.onnx"\ndata="m/v.npz"\n')
    (alone / "m").mkdir()
    for name in ("net.onnx", "v.npz"):
        (alone / "m" / name).write_bytes(b"x")
    (alone / "deep").mkdir()
    monkeypatch.chdir(alone / "deep")
    assert plan(capsys)["model"] == str(alone / "m" / "net.onnx")
    (alone / "pyproject.toml").write_text('[tool.nnom-hil]\nmodel = "gru"\n')
    assert plan(capsys)["model"].endswith("gru.keras")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('bord = "x"', "bord: no such option; did you mean 'board'?"),
        ("limit = 'x'", "limit = 'x': must be a whole number"),
        ("limit = true", "limit = True: must be a whole number"),
        ("per_channel = 1", "per_channel = 1: must be true or false"),
        ("min-accuracy = 3", "min-accuracy: --min-accuracy 3: must be 0 to 1"),
        ('method = "mes"', "method: --method 'mes' is unknown"),
        ("[rum]\nlimit = 1", "[rum]: no such command"),
        ("[convert]\nlimit = 1\n[run]\nlimt = 1", "[run] limt: no such option; did you mean 'lim"),
        ("limit = ", "not valid TOML"),
        ('resume = "x"', "resume: no such option"),
    ],
)
def test_mistakes_in_the_file_are_told_with_file_and_key(
    text: str, said: str, alone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (alone / "nnom-hil.toml").write_text(text)
    assert run_app(["run", "--dry-run"]) == 2
    message = told(capsys)
    assert f"{alone / 'nnom-hil.toml'}: " in message
    assert said in message


def test_a_file_that_is_named_must_be_there(
    alone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NNOM_HIL_CONFIG", "nowhere.toml")
    assert run_app(["run", "--dry-run"]) == 2
    assert "NNOM_HIL_CONFIG: nowhere.toml: no such file; none reads no file" in told(capsys)


def test_docs_have_the_table_of_keys_and_variables() -> None:
    text = (ROOT / "docs" / "environment.md").read_text()
    for option in all_options().values():
        if option.name not in {"resume", "against"}:
            variable = variable_of(option.name)
            flag = option.flags.partition("/")[0]
            row = f"| `{flag}` | `{option.name}` | {f'`{variable}`' if variable else '–'} |"
            assert row in text


# ---- what would be done


@pytest.mark.parametrize(
    "words",
    [
        ["run", "--board", "native"], ["build", "--board", "native"], ["convert", "digits"],
        ["cache", "clear"], ["matrix", "m.toml"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_dry_runs_do_nothing(
    words: list[str], alone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (alone / "m.toml").write_text('[matrix]\nmodel = ["gru"]\nboard = ["native", "stm32f4"]\n')
    assert run_app([*words, "--dry-run"]) == 0
    assert capsys.readouterr().out.strip()
    assert [path.name for path in alone.iterdir()] == ["m.toml"]


# ---- completion


def test_names_are_completed() -> None:
    assert boards("stm32f4") == ["stm32f4"]
    assert models("d") == ["digits"]


def test_files_are_completed(alone: Path) -> None:
    for name in ("net.keras", "notes.txt", "mine.toml"):
        (alone / name).touch()
    (alone / "nets").mkdir()
    (alone / "nets" / "a.onnx").touch()
    assert models("n") == ["net.keras", "nets/"]
    assert models("nets/") == ["nets/a.onnx"]
    assert boards("mi") == ["microbit", "microbit_v2", "mine.toml"]


def asked(shell: str, words: str, tmp_path: Path) -> str:
    """What a shell's script asks, answered by a process, which loads nothing heavy."""
    code = (
        "import sys; from nnom_hil.cli.app import run_app\n"
        "try: run_app([])\n"
        "finally: print(*{m.split('.')[0] for m in sys.modules}, file=sys.stderr)"
    )
    variables = {
        "bash": {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))},
        "zsh": {"_TYPER_COMPLETE_ARGS": words},
        "fish": {"_TYPER_COMPLETE_ARGS": words, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)} | variables
    env |= {"_NNOM_HIL_COMPLETE": f"complete_{shell}", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False
    )
    assert not {"numpy", "rich", "tensorflow", "keras", "pyocd"} & set(done.stderr.split())
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_are_answered(
    shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_app(["completion", shell]) == 0
    assert "_NNOM_HIL_COMPLETE" in capsys.readouterr().out
    found = asked(shell, "nnom-hil run --board stm32f1", tmp_path)
    assert "stm32f103" in found
    assert "stm32f4" not in found
    assert "percentile" in asked(shell, "nnom-hil convert --method pe", tmp_path)


# ---- Ctrl-C


@pytest.mark.parametrize(
    ("words", "phase"),
    [
        (["convert", "gru", "--search", "600", "-o", "w.h"], "searching formats"),
        (["build", "--board", "native", "--model", "gru"], ""),
    ],
)
def test_ctrl_c_leaves_nothing_half_written(words: list[str], phase: str, alone: Path) -> None:
    code = "import sys; from nnom_hil.cli import main; sys.exit(main())"
    with subprocess.Popen(
        [sys.executable, "-c", code, *words],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        if phase:
            for line in process.stderr:
                if phase in line:
                    break
        else:  # while it compiles
            while not list((alone / "cache").glob("nnom-hil/work/*")) and not list(
                (alone / "cache").glob("work/*")
            ):
                assert process.poll() is None
                time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        assert process.wait() == 130, said
    assert "nnom-hil: interrupted" in said
    assert not (alone / "w.h").exists()
    assert not list(alone.glob("*.elf"))
    assert not list((alone / "cache").rglob(".new-*"))
    assert not list((alone / "cache").glob("work/*/*"))
