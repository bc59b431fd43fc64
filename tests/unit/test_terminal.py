"""Nothing hostile reaches a terminal: from consoles, names, titles and messages of any kind."""

import ast
import io
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text
from tests.unit.test_monitor import NEW

import nnom_hil
from nnom_hil.boards import load_board
from nnom_hil.cli.app import run_app
from nnom_hil.cli.terminal import shielded, terminal
from nnom_hil.console import clean_console
from nnom_hil.errors import BoardError, ToolError, UsageError
from nnom_hil.paths import boards_dir
from nnom_hil.probe.hardware import Entry, HardwareMap, load_map, save_map
from nnom_hil.report.html import render_page
from nnom_hil.report.screen import Screen
from nnom_hil.text import HIDDEN, a_screen, printable
from nnom_hil.toml import parse_toml
from nnom_hil.tool import tool_version

HOSTILE = "a\x1b[31m\x1b]0;t\x07\x9b2J\x7f\u202e\u2066\u200f\u061c\u2028\u2029\x85\rb"
OWN_COLOURS = re.compile(r"\x1b\[[0-9;]*m")  # what rich writes for our own styles


def hidden(text: str) -> list[str]:
    return HIDDEN.findall(text)


@given(st.text())
def test_printable_text_has_nothing_hidden(text: str) -> None:
    shown = printable(text)
    assert hidden(shown) == []
    assert printable(shown) == shown
    if not hidden(text):
        assert shown == text


def test_every_character_of_the_promise_is_hidden() -> None:
    promised = [*range(9), *range(11, 32), *range(0x7F, 0xA0), 0x061C, 0x200E, 0x200F]
    promised += [*range(0x2028, 0x202F), *range(0x2066, 0x206A), 0xD800, 0xDFFF]
    assert all(hidden(chr(code)) for code in promised)
    assert not hidden("\t\n äß漢 µ×–… 👍")


@given(st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner, max_size=4)))
def test_json_stays_the_same_json(value: Any) -> None:
    assert json.loads(printable(json.dumps(value, ensure_ascii=False))) == value


@given(st.text())
def test_screen_is_a_screen(text: str) -> None:
    assert a_screen(text) == text or len(a_screen(text)) < len(text)
    long = a_screen(text + "\nline" * 10_000)
    assert len(long.split("\n")) <= 41
    assert len(a_screen("x" * 10**6)) < 5000


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_shield_and_console_let_our_colours_through_only(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Tty()
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("sys.stdout", stream)
    with shielded():
        sys.stdout.write(HOSTILE)
        table = Table(title=HOSTILE, caption=HOSTILE)
        table.add_column(HOSTILE)
        table.add_row(HOSTILE + "[link=http://x]y[/link]")
        console = terminal()
        console.print(table)
        console.print(Text(HOSTILE, "bold red"))
        console.print(f"[red]{HOSTILE}[/]", soft_wrap=True)
    written = stream.getvalue()
    assert "\x1b[1;31m" in written
    assert "[red]" in OWN_COLOURS.sub("", written)
    assert hidden(OWN_COLOURS.sub("", written)) == []
    assert "\\u001b[31m" in written


def test_nothing_behind_a_hidden_character_is_lost_in_a_table() -> None:
    stream = io.StringIO()
    screen = Screen(stream, width=200)
    table = Table(title=HOSTILE + "title", caption=HOSTILE + "caption")
    table.add_column(HOSTILE + "heading")
    table.add_row(HOSTILE + "cell")
    screen.print(table)
    for end in ("title", "caption", "heading", "cell"):
        assert f"\\u000db{end}" in stream.getvalue()


@pytest.mark.parametrize("json_too", [False, True])
def test_console_of_a_file_reaches_the_terminal_as_text(
    json_too: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log.txt"
    log.write_text(NEW + f"Error: {HOSTILE}\nERROR! {HOSTILE}\n", encoding="utf-8")
    assert run_app(["monitor", str(log), "--out", str(tmp_path), *["--json"] * json_too]) == 1
    told = capsys.readouterr()
    assert hidden(told.out + told.err) == []
    if json_too:
        assert json.loads(told.out)["verdict"] == "fail"
    page = next(tmp_path.rglob("report.html")).read_text(encoding="utf-8")
    assert hidden(page.partition("<body>")[0]) == []


def test_console_of_a_port_reaches_the_terminal_as_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target, host = os.openpty()
    done = threading.Event()

    def play() -> None:
        while not done.is_set():
            os.write(target, (NEW + HOSTILE + "\n").encode())
            time.sleep(0.05)

    player = threading.Thread(target=play)
    player.start()
    stopper = threading.Timer(1.0, done.set)  # then it is quiet, and reading ends
    stopper.start()
    port = ["--port", os.ttyname(host), "--quiet", "1", "--out", str(tmp_path)]
    run_app(["monitor", *port])
    done.set()
    player.join()
    os.close(target)
    os.close(host)
    told = capsys.readouterr()
    assert "Conv2D" in told.err
    assert hidden(told.out + told.err) == []


def test_names_of_files_and_layers_reach_the_terminal_as_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_app(["convert", str(tmp_path / f"{HOSTILE}.keras")]) == 2
    x = keras.Input((3,))
    name = HOSTILE.replace("/", "")
    model = keras.Model(x, keras.layers.Dense(2, name=name, activation="elu")(x))
    path = tmp_path / "m\u202e.keras"
    model.save(path)
    np.savez(tmp_path / "x.npz", x=np.ones((2, 3)))
    assert run_app(["convert", str(path), "--data", str(tmp_path / "x.npz")]) == 2
    told = capsys.readouterr()
    assert "activation 'elu'" in told.err
    assert hidden(told.out + told.err) == []
    assert "\\u202e.keras" in told.err


def test_html_shows_hidden_characters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.j2").write_text("<p>{{ text }}</p>{{ text | safe }}")
    monkeypatch.setattr("nnom_hil.report.html.templates_dir", lambda: tmp_path)
    assert render_page("t.j2", {}, text="<\x1b\u202e>") == (
        "<p>&lt;\\u001b\\u202e&gt;</p><\\u001b\\u202e>\n"
    )


@pytest.mark.parametrize("spelled", [r"\u001b[31m", r"\u009b", r"\u202E", r"\u2028", r"\u007f"])
def test_board_with_a_hidden_character_is_refused(spelled: str, tmp_path: Path) -> None:
    whole = (boards_dir() / "native.toml").read_text()
    path = tmp_path / "native.toml"
    path.write_text(re.sub(r'(?m)^title = "', lambda m: m[0] + spelled, whole))
    with pytest.raises(BoardError, match=r"native.toml: not valid TOML: title = .* character U\+"):
        load_board(path)


TOML: dict[str, tuple[str, str]] = {
    "large": ("a = 1\n" * 50_000, "more than 262144 bytes"),
    "line": ("a = '" + "x" * 5000 + "'", "line 1 has 5006 characters"),
    "dots": ("a" + ".a" * 40 + " = 1", "and 40 dots"),
    "nested": ("a = " + "[" * 2000, "nested more than 32 deep"),
    "nested whole": ("a = " + "[" * 40 + "]" * 40, "nested more than 32 deep"),
    "number": ("a = " + "9" * 4080 + "9" * 10, "a = "),
    "long number": ("a = " + "_".join("9" * 4 for _ in range(800)), ""),
    "key": ('"\\u001b" = 1', "the control character U\\+001B"),
}


@pytest.mark.parametrize("case", TOML)
def test_toml_that_would_take_long_is_refused(case: str) -> None:
    text, message = TOML[case]
    if case in {"number", "long number"}:  # Python converts up to 4300 digits
        assert parse_toml(text.encode())["a"] > 10**3000
        return
    with pytest.raises(ValueError, match=message):
        parse_toml(text.encode())


def test_hardware_map_of_strange_probes_is_read_again(tmp_path: Path) -> None:
    """What a probe says of itself is not to make a map that is then refused."""
    path = tmp_path / "map.toml"
    save_map(path, HardwareMap(attached=(Entry(probe="p\x1b", description=HOSTILE),)))
    assert load_map(path).attached[0].probe == "p\\u001b"
    path.write_text('schema = "nnom-hil/hardware/1"\n[[attached]]\nprobe = "\\u001b"\n')
    with pytest.raises(UsageError, match=r"U\+001B"):
        load_map(path)


def test_colours_of_a_console_are_dropped() -> None:
    assert clean_console("\x1b[1;32mok\x1b[0m\r\n\x9bx\u202ey") == "ok\nxy"


def test_robot_shows_messages_as_text(tmp_path: Path) -> None:
    suite = tmp_path / "t.robot"
    suite.write_text(
        "*** Settings ***\nLibrary    nnom_hil.robot.NnomHil\n*** Test Cases ***\nHostile\n"
        "    Open Run    model=/tmp/a\\x1b[31m\\u202e\\x85.keras    data=/tmp/x.npz\n"
    )
    command = [sys.executable, "-m", "robot", "--outputdir", str(tmp_path), "--xunit", "x.xml"]
    done = subprocess.run(
        [*command, "--consolecolors", "off", str(suite)], capture_output=True, check=False
    )
    shown = done.stdout.decode() + done.stderr.decode()
    assert "\\u001b[31m\\u202e\\u0085.keras: cannot be read" in shown
    assert hidden(shown) == []
    assert "\\u001b[31m" in (tmp_path / "x.xml").read_text()
    assert hidden((tmp_path / "x.xml").read_text()) == []


def test_program_that_says_nothing_of_its_version_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "mute"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(ToolError, match="mute --version: it says nothing"):
        tool_version("mute")


def test_no_other_module_opens_a_terminal() -> None:
    """rich's own console would print what is hidden, and markup that stands in names."""
    package = Path(nnom_hil.__file__).parent
    made = [
        path.relative_to(package).as_posix()
        for path in sorted(package.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"Console", "console.Console"}
    ]
    assert made == []  # but for report/screen.py, which is made of it


@pytest.mark.parametrize("argv", [
    ["report", "x" * 5000], ["inspect", "x" * 5000], ["boards", "check", "x" * 5000],
    ["cache", "show", "x" * 5000], ["run", "--data", "x" * 5000], ["run", "--limit", "x" * 5000],
])  # fmt: skip
def test_long_words_of_a_command_fill_no_more_than_a_screen(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_app(argv) in {2, 3}
    said = capsys.readouterr().err
    assert "nnom-hil: " in said
    assert len(said) < 4500


@pytest.mark.parametrize("argv", [
    ["boards", "check"], ["boards", "scan", "--map"], ["run", "--board"],
])  # fmt: skip
def test_pipe_in_place_of_a_toml_file_is_not_waited_for(
    argv: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "a.toml")
    assert run_app([*argv, str(tmp_path / "a.toml")]) == 2
    assert "it is a pipe, no file" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", ".", "/"])
def test_board_without_a_name_is_told(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(["boards", "new", name]) == 2
    assert "'': a board's name has small letters" in capsys.readouterr().err


@pytest.mark.parametrize("option", [
    ["--core-mhz", "inf"], ["--core-mhz", "nan"], ["--quiet", "inf"], ["--quiet", "nan"],
    ["--baud", "1" + "0" * 30],
])  # fmt: skip
def test_numbers_of_monitor_have_bounds(
    option: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log").write_text(NEW)
    assert run_app(["monitor", str(tmp_path / "log"), *option]) == 2
    assert f"Invalid value for '{option[0]}'" in capsys.readouterr().err


def test_too_little_memory_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("nnom_hil.cache.usage", fail)
    assert run_app(["cache", "show"]) == 3
    assert capsys.readouterr().err.startswith("nnom-hil: there is not enough memory")
