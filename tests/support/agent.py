"""The agent in C with a small model, compiled for this machine around a program of the tests."""

import subprocess
from pathlib import Path

from nnom_hil.boards import find_board
from nnom_hil.codegen.firmware import FirmwareSettings, board_config_h, config_h
from nnom_hil.codegen.mlperf import MlperfSettings, mlperf_config_h
from nnom_hil.codegen.weights import weights_h
from nnom_hil.link.compact import layout_of
from nnom_hil.model.qgraph import QGraph
from nnom_hil.paths import firmware_dir


def build_agent(
    folder: Path,
    graph: QGraph,
    compiler: list[str],
    *sources: Path,
    mlperf: MlperfSettings | None = None,
) -> Path:
    """Compile the agent, the library and these sources; return what comes out.

    mlperf: what speaks that protocol, instead of the agent.
    """
    layout = layout_of(graph.input.shape)
    settings = FirmwareSettings(
        input_bytes=graph.input.size,
        model_hash="00",
        step=layout.step if layout else 0,
        stride=layout.stride if layout else 0,
        mlperf=mlperf,
    )
    if mlperf is not None:
        (folder / "mlperf_config.h").write_text(mlperf_config_h(mlperf))
    board = find_board("native")
    (folder / "board_config.h").write_text(board_config_h(board))
    (folder / "config.h").write_text(config_h(board, settings, image_id="0123456789"))
    (folder / "weights.h").write_text(weights_h(graph, provenance="a test of the agent"))
    firmware = firmware_dir()
    nnom = firmware / "nnom"
    subprocess.run(
        [
            *compiler, "-g", "-w", "-DMLPERF_MOST_RUNS=3u",
            '-DCOMPACT_CONFIG="config.h"', '-DNNOM_PORT_CONFIG="platform/nnom_config.h"',
            "-DCONFIG_COMPAT_043=0", "-DNNOM_LOG(...)=((void)0)",
            f"-I{folder}", f"-I{firmware}", f"-I{nnom / 'inc'}", f"-I{nnom / 'port'}",
            f"-Dnnom_input_bytes=((uint8_t[{graph.input.size}]){{0}})",
            *sources, firmware / "app" / "model.c",
            *sorted((firmware / ("agent" if mlperf is None else "mlperf")).glob("*.c")),
            *sorted((nnom / "src").rglob("*.c")), "-lm", "-o", folder / "agent",
        ],
        check=True,
    )  # fmt: skip
    return folder / "agent"
