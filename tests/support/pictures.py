"""The documentation's pictures, of a real run: python -m tests.support.pictures."""

import base64
import io
import re
import sys
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console

from nnom_hil.cli.app import run_app
from nnom_hil.record_files import load_record
from nnom_hil.report.terminal import print_summary
from tests.support.chromium import Browser

PICTURES: Final = Path(__file__).parents[2] / "docs" / "pictures"
_STEPS: Final = (
    "preparing the model ...", "building the firmware ...", "starting the target ...",
    "timing the layers ...", "streaming vectors ...",
)  # fmt: skip
_LINE_S: Final = 0.08


def recording(folder: Path) -> str:
    """Return a run's terminal as an SVG whose lines come one by one."""
    console = Console(record=True, width=100, file=io.StringIO(), force_terminal=True)
    console.print("$ nnom-hil run --board stm32f4", highlight=False)
    for step in _STEPS:
        console.print(step, style="dim", highlight=False)
    print_summary(load_record(folder), console)
    svg = console.export_svg(title="nnom-hil", unique_id="run")
    count = 1 + max(int(n) for n in re.findall(r"clip-path=\"url\(#run-line-(\d+)\)\"", svg))
    delays = "".join(
        f'[clip-path="url(#run-line-{i})"]{{animation-delay:{_LINE_S * (i + 1):.2f}s}}'
        for i in range(count)
    )
    style = (
        "@media (prefers-reduced-motion: no-preference){"
        '[clip-path^="url(#run-line-"]{animation:come .01s both}'
        f"@keyframes come{{from{{opacity:0}}}}{delays}}}"
    )
    # its fonts would be fetched: the reader's own do
    plain = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return plain.replace("<style>", f"<style>{style}", 1)


def main() -> int:
    """Run the digits, and write all pictures."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as runs:
        code = run_app(["run", "--board", "stm32f4", "--out", runs])
        (folder,) = Path(runs).iterdir()
        (PICTURES / "run.svg").write_text(recording(folder), encoding="utf-8")
        with Browser.opened() as browser:
            browser.show(1100)
            browser.open(folder / "report.html")
            picture = browser.call(
                "Page.captureScreenshot", clip={"x": 0, "y": 0, "width": 1100, "height": 1500,
                "scale": 0.7}, captureBeyondViewport=True)  # fmt: skip
            (PICTURES / "report.png").write_bytes(base64.b64decode(picture["data"]))
    return code


if __name__ == "__main__":
    sys.exit(main())
