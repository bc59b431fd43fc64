"""One behaviour on many targets: native, shared vectors, other NNoM trees; and no orphans."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnom_hil.boards import find_board
from nnom_hil.errors import TargetError, UsageError
from nnom_hil.paths import firmware_dir
from nnom_hil.records import RunRecord, TimeSource, Verdict
from nnom_hil.run.plan import Timing
from nnom_hil.run.runner import Run
from nnom_hil.run.service import RunRequest, open_run
from nnom_hil.target.native import NativeTarget
from nnom_hil.target.qemu import QemuTarget
from nnom_hil.target.select import make_target
from nnom_hil.zoo.data import zoo_model
from tests.integration.test_run import nnom_hil, run_json


def started(tmp_path: Path, board: str, **wishes: Any) -> Run:
    run = open_run(RunRequest(board=find_board(board), runs=tmp_path, limit=40, **wishes))
    for step in (run.prepare, run.build, run.start, run.time_layers):
        step()
    return run


# ---- boards


@pytest.mark.parametrize("board", ["lm3s6965evb", "nucleo_f446re", "native", "native_sanitized"])
def test_digits_give_equal_bytes(board: str, tmp_path: Path) -> None:
    record = run_json("--board", board, "--limit", "40", "--out", tmp_path)
    assert record["verdict"] == "pass"
    assert record["outputs_equal"]
    assert all(check["ok"] for check in record["cross_checks"])


@pytest.mark.parametrize("board", ["microbit", "stm32vldiscovery"])
def test_small_boards_run_small_networks(
    board: str, tiny: tuple[Path, Path], tmp_path: Path
) -> None:
    model, data = tiny
    record = run_json("--board", board, "--model", model, "--data", data, "--out", tmp_path)
    assert record["verdict"] == "pass"
    assert record["vectors"] == 50
    assert all(layer["instructions"] > 0 for layer in record["layers"])


def test_back_end_that_the_file_lacks_is_refused(tmp_path: Path) -> None:
    done = nnom_hil("run", "--backend", "native", "--out", tmp_path)
    assert done.returncode == 2
    assert "board stm32f4 has no back end 'native'; its file has qemu, renode, probe" in done.stderr


def test_board_that_nothing_here_can_run_says_why(tmp_path: Path) -> None:
    env = {"NNOM_HIL_RENODE": str(tmp_path)}
    done = nnom_hil("run", "--board", "stm32f103", "--out", tmp_path / "r", env=env)
    assert done.returncode == 3
    assert "nothing here can run board stm32f103: renode: " in done.stderr
    assert "portable package" in done.stderr


def test_probes_are_not_looked_for_where_qemu_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def look() -> bool:
        raise AssertionError("half a second for nothing")

    monkeypatch.setattr("nnom_hil.target.there._probes_there", look)
    assert isinstance(make_target(find_board("stm32f4")), QemuTarget)
    assert isinstance(make_target(find_board("stm32f4"), "qemu"), QemuTarget)


# ---- native


def test_layers_are_timed_on_an_emulator_of_their_own(tmp_path: Path) -> None:
    """Which counts instructions; those that stream need not, and are twice as fast for it."""
    run = started(tmp_path, "stm32f4", jobs=2)
    alone = open_run(RunRequest(board=find_board("stm32f4"), runs=tmp_path, timing_only=True))
    timed = alone.execute()
    try:
        targets = [session.target for session in run._sessions]
        commands = [Path(f"/proc/{t.pid}/cmdline").read_bytes() for t in targets]  # type: ignore[attr-defined]
        assert not any(b"-icount" in command for command in commands)
        assert run.found.clock.source is TimeSource.INSTRUCTIONS
        assert {times.ticks for times in run.found.times} == {alone.found.times[0].ticks}
        assert all(session.client.inference_s > 0 for session in run._sessions)
    finally:
        record = run.finish(KeyboardInterrupt())
    assert [layer.instructions for layer in record.layers] == [
        layer.instructions for layer in timed.layers
    ]


def test_phases_of_a_run_are_told(tiny: tuple[Path, Path], tmp_path: Path) -> None:
    model, data = tiny
    done = nnom_hil(
        "run", "--board", "native", "--model", model, "--data", data, "--out", tmp_path,
        "--timings", "--json",
    )  # fmt: skip
    phases = ["imports", "conversion", "build", "start", "timing", "streaming", "comparison"]
    assert json.loads(done.stdout)["verdict"] == "pass"  # alone on standard output
    shown = [line.split()[0] for line in done.stderr.splitlines() if line.strip()]
    assert shown[-10:] == ["phase", *phases, "report", "total"]
    (folder,) = tmp_path.iterdir()
    document = json.loads((folder / "timings.json").read_text())
    assert [phase["name"] for phase in document["phases"]] == [*phases, "report"]
    assert all(phase["seconds"] >= 0 for phase in document["phases"])


def test_native_record_has_no_figures_of_a_target(tmp_path: Path) -> None:
    run = started(tmp_path, "native")
    run.stream()
    record = run.finish()
    assert record.time_source is TimeSource.HOST
    assert record.core_hz == 0
    assert record.ram_bytes is None
    assert record.verdict is Verdict.PASS


def test_native_target_reset_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    run = started(tmp_path, "native")
    client = run._sessions[0].client
    vector, resets = run._observer.vector, []

    def reset_once(done: int, total: int) -> None:
        vector(done, total)
        if done == 15:
            resets.append(done)
            client.channel.send(client.channel.frame(0x0A))

    run._observer.vector = reset_once  # type: ignore[method-assign]
    run.stream()
    record = run.finish()
    assert resets
    assert record.link is not None
    assert record.link.resets == 1
    assert record.vectors == 40
    assert record.verdict is Verdict.PASS


@pytest.mark.parametrize("board", ["native", "native_sanitized"])
def test_native_crash_is_explained(board: str, tmp_path: Path) -> None:
    run = started(tmp_path, board)
    with pytest.raises(TargetError, match=rf"firmware of board {board} .*(SIGILL|ended with)"):
        run._sessions[0].client.crash()
    run.finish(TargetError("x"))


# ---- shared vectors


def test_two_targets_give_the_record_of_one(tmp_path: Path) -> None:
    one = run_json("--limit", "101", "--out", tmp_path / "1")
    two = run_json("--limit", "101", "--jobs", "2", "--out", tmp_path / "2")
    stack = two["memory"].pop("ram_stack"), one["memory"].pop("ram_stack")
    assert min(stack) > 0  # interrupts nest differently: the one figure beside the link's
    for key in ("id", "started", "link", "ram_bytes", "check", "command"):
        assert one.pop(key) != "" != two.pop(key)
    assert one == two
    folder = next((tmp_path / "2").glob("*/run.json")).parent
    for log in ("console.log", "console-1.log"):
        assert "Confusion matrix" in (folder / log).read_text()
    entries = [json.loads(x) for x in (folder / "journal.jsonl").read_text().splitlines()]
    assert {"model", "vectors", "image"} < set(entries[0])
    assert sorted(entry["vector"] for entry in entries[1:]) == list(range(101))


def test_more_targets_than_vectors(tmp_path: Path) -> None:
    record = run_json("--limit", "2", "--jobs", "3", "--board", "native", "--out", tmp_path)
    assert record["vectors"] == 2
    assert all(check["ok"] for check in record["cross_checks"])


def test_one_of_two_targets_dies(tmp_path: Path) -> None:
    run = started(tmp_path, "stm32f4", jobs=2)
    targets = [session.target for session in run._sessions]
    assert all(isinstance(target, QemuTarget) for target in targets)
    pids = [target.pid for target in targets if isinstance(target, QemuTarget)]
    assert pids[1] is not None
    os.kill(pids[1], signal.SIGKILL)
    with pytest.raises(TargetError, match="was killed by SIGKILL") as caught:
        run.stream()
    assert run.finish(caught.value).verdict is Verdict.ERROR
    assert not [pid for pid in pids if pid is not None and alive(pid)]


def test_stateful_network_is_not_shared(tmp_path: Path) -> None:
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [layers.Input(batch_shape=(1, 4, 3)), layers.GRU(3, stateful=True), layers.Dense(2)]
    )
    model.save(tmp_path / "state.keras")
    np.savez(tmp_path / "d.npz", x=np.random.default_rng(0).random((4, 4, 3)))
    request = RunRequest(
        board=find_board("native"), runs=tmp_path, model=tmp_path / "state.keras",
        data=tmp_path / "d.npz", jobs=2,
    )  # fmt: skip
    with pytest.raises(UsageError, match="--jobs 2: this network is stateful"):
        open_run(request)


# ---- timing


def test_layer_times_are_identical_in_ten_runs(tmp_path: Path) -> None:
    def times() -> RunRecord:
        request = RunRequest(
            board=find_board("stm32f4"), runs=tmp_path, timing_only=True,
            timing=Timing(warm_up=2, repeats=4),
        )  # fmt: skip
        return open_run(request).execute()

    records = [times() for _ in range(10)]
    assert records[0].verdict is Verdict.PASS
    assert records[0].timing_runs == 4
    assert records[0].vectors_planned == 0
    assert records[0].total_instructions
    assert {record.layers for record in records} == {records[0].layers}


@pytest.mark.parametrize("timing", [(-1, 3), (0, 0), (0, 10_001)])
def test_timing_that_cannot_be_is_refused(timing: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="at least 0 and 1, at most 10000 each"):
        Timing(warm_up=timing[0], repeats=timing[1])


# ---- another NNoM tree


def nnom_tree(folder: Path) -> Path:
    """A user's tree: the library's files, and a port header as NNoM ships it."""
    tree = folder / "nnom"
    shutil.copytree(firmware_dir() / "nnom", tree)
    (tree / "CMakeLists.txt").unlink()
    (tree / "port" / "nnom_port.h").write_text(
        "#ifndef __NNOM_PORT_H__\n#define __NNOM_PORT_H__\n#include <stdlib.h>\n"
        "#include <stdio.h>\n#define nnom_malloc(n) malloc(n)\n#define nnom_free(p) free(p)\n"
        "#define nnom_memset(p,v,s) memset(p,v,s)\n#define nnom_memcpy(d,s,n) memcpy(d,s,n)\n"
        "#define nnom_us_get() 0\n#define nnom_ms_get() 0\n"
        "#define NNOM_LOG(...) printf(__VA_ARGS__)\n"
        "#define NNOM_BLOCK_NUM (8)\n#define DENSE_WEIGHT_OPT (1)\n#define NNOM_COMPAT_043 1\n"
        "#define NNOM_MEMORY_PLAN 0\n#endif\n"
    )
    return tree


@pytest.mark.parametrize("board", ["stm32f4", "native"])
def test_users_tree_is_built_and_judged(board: str, tmp_path: Path) -> None:
    tree = nnom_tree(tmp_path)
    record = run_json("--board", board, "--nnom", tree, "--limit", "20", "--out", tmp_path / "r")
    assert record["verdict"] == "pass"
    assert record["compat"]
    assert record["tools"]["nnom"].startswith("nnom ")
    # its port has no clock: the agent's own times every layer
    figure = "time_us" if board == "native" else "instructions"
    assert all(layer[figure] > 0 for layer in record["layers"])


def test_fault_in_the_users_tree_is_seen(tmp_path: Path) -> None:
    tree = nnom_tree(tmp_path)
    rule = tree / "src" / "kernels" / "requantise.h"
    assert "value > INT8_MAX ? INT8_MAX" in rule.read_text()
    rule.write_text(rule.read_text().replace("value > INT8_MAX ? INT8_MAX", "value > 9 ? 9"))
    done = nnom_hil("run", "--board", "native", "--nnom", tree, "--out", tmp_path / "r")
    assert done.returncode == 1, done.stderr
    assert "outputs differ from the reference" in done.stdout


def test_folder_that_is_no_tree_and_tree_that_does_not_compile(tmp_path: Path) -> None:
    done = nnom_hil("run", "--nnom", tmp_path, "--out", tmp_path / "r")
    assert done.returncode == 2
    assert f"{tmp_path}: not an NNoM tree: it has no inc/nnom.h" in done.stderr
    tree = nnom_tree(tmp_path)
    (tree / "src" / "bad.c").write_text("int x = ;\n")
    done = nnom_hil("run", "--board", "native", "--nnom", tree, "--out", tmp_path / "r")
    assert done.returncode == 3
    assert "the firmware does not compile" in done.stderr
    assert "bad.c:1" in done.stderr


# ---- nothing is left behind


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task")
    try:
        return [int(c) for t in tasks.iterdir() for c in (t / "children").read_text().split()]
    except OSError:
        return []


@pytest.mark.parametrize("board", ["stm32f4", "native_sanitized"])
@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_survives_an_interruption(board: str, blow: signal.Signals, tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((20_000, 28, 28, 1), dtype=np.float32)
    np.savez(tmp_path / "many.npz", x=x, y=np.zeros(len(x), dtype=np.int64))
    process = subprocess.Popen(
        # a shell starts background jobs with SIGINT ignored, and that is inherited
        ["env", "--default-signal=INT", sys.executable, "-c",
         "from nnom_hil.cli import main; raise SystemExit(main())",
         "run", "--board", board, "--jobs", "2", "--model", str(zoo_model("digits")),
         "--data", str(tmp_path / "many.npz"), "--out", str(tmp_path / "r")],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    until = time.monotonic() + 200
    journal: list[Path] = []
    while not (journal and len(journal[0].read_bytes().splitlines()) > 2):  # answers have come
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.05)
        journal = list((tmp_path / "r").glob("*/journal.jsonl"))
    targets = children(process.pid)
    try:
        assert len(targets) >= 2
        process.send_signal(blow)
        _, said = process.communicate()
    finally:
        process.kill()
    until = time.monotonic() + 10
    while any(map(alive, targets)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not [pid for pid in targets if alive(pid)]
    records = list((tmp_path / "r").glob("*/run.json"))
    if blow == signal.SIGKILL:
        assert not records
        return
    assert process.returncode == 128 + blow
    assert "interrupted" in said
    assert "Traceback" not in said
    record = json.loads(records[0].read_text())
    assert record["error"]["kind"] == "Interrupted"
    assert record["vectors"] > 0
    assert not list(tmp_path.glob("nnom-hil-*"))  # sockets and their folders


def test_native_target_ends_with_its_owner(tmp_path: Path) -> None:
    run = started(tmp_path, "native")
    target = run._sessions[0].target
    assert isinstance(target, NativeTarget)
    pid = target.pid
    run.finish(TargetError("enough"))
    assert pid is not None
    assert not alive(pid)
