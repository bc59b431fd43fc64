"""What Renode says of its troubles, shortened."""

from pathlib import Path

import pytest

from nnom_hil.target.renode.trouble import brief_output, log_excerpt

STACK = "  at Antmicro.Renode.Core.X () [0x00041] in <9173ad74>:0 \n" * 20


@pytest.mark.parametrize(
    ("output", "told"),
    [
        (f"Fatal error:\nno such thing\n{STACK}\n[ERROR] FATAL UNHANDLED EXCEPTION: X: no\n{STACK}",
         "it crashed: no such thing"),
        (f"Fatal error:\nouter\n{STACK}Inner exception:\nthe cause\n{STACK}",
         "it crashed: the cause"),
        (f"Unhandled exception. System.IO.IOException: disk full\n{STACK}",
         "it crashed: System.IO.IOException: disk full"),
        ("=====\nGot a SIGSEGV while executing native code.\n=====\n",
         "it crashed: Got a SIGSEGV while executing native code."),
        ("mono not found. Renode requires Mono 5.20 or newer.\n",
         "mono not found. Renode requires Mono 5.20 or newer."),
        ("".join(f"line {i}\n" for i in range(100)),
         "line 94\nline 95\nline 96\nline 97\nline 98\nline 99"),
        ("", ""),
    ],
)  # fmt: skip
def test_cause_is_a_line(output: str, told: str) -> None:
    assert brief_output(output) == told


def test_log_is_told_by_kinds(tmp_path: Path) -> None:
    log = tmp_path / "renode.log"
    assert log_excerpt(log) == ""  # there is none yet
    lines = ["12:00:00.0000 [INFO] Including script", "12:00:00.0000 [DEBUG] x"]
    lines += [f"12:00:00.{i:04} [WARNING] sysbus: read at 0x{i:X}" for i in range(30)]
    lines += ["12:00:01.0000 [ERROR] cpu: abort", "half a li"]
    log.write_text("\n".join(lines))
    assert log_excerpt(log) == ("warning: sysbus: read at 0x1D (and 29 like it)\nerror: cpu: abort")
