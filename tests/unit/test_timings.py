"""--timings: every phase once, with the CPU of what was started."""

import subprocess
import sys
import time

from nnom_hil.cli.timings import Timings

BUSY = (
    "import time; t = time.process_time()\n"
    "while time.process_time() < t + 0.3: pass\n"
    "print(); import sys; sys.stdin.read()"
)


def test_phases_count_ended_and_running_processes() -> None:
    timings = Timings("imports")
    timings.begin("running")
    with subprocess.Popen(
        [sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        timings.begin("idle")
        time.sleep(0.05)
    timings.begin("ended")
    timings.end()
    names = [phase.name for phase in timings.phases]
    imports, running, idle, ended = timings.phases
    assert names == ["imports", "running", "idle", "ended"]
    assert imports.cpu_s > 0
    assert imports.seconds > 0
    assert running.cpu_s >= 0.25  # while it runs
    assert idle.seconds >= 0.05
    assert max(idle.cpu_s, ended.cpu_s) < 0.25  # not once more when it has ended
