"""A CMSIS-Pack of our own, with a flash algorithm of our own, for a chip that pyOCD has not."""

import subprocess
import zipfile
from pathlib import Path

from nnom_hil.tool import find_tool

SOURCE = Path(__file__).parents[1] / "native" / "flash_algorithm.c"

_PDSC = """\
<?xml version="1.0" encoding="UTF-8"?>
<package schemaVersion="1.4">
  <vendor>Test</vendor>
  <name>Test_DFP</name>
  <description>One chip, for a test</description>
  <url>http://localhost/</url>
  <releases><release version="1.0.0" date="2026-01-01">The first</release></releases>
  <devices>
    <family Dfamily="STM32F4 Series" Dvendor="STMicroelectronics:13">
      <processor Dcore="Cortex-M4" DcoreVersion="r0p1" Dfpu="SP_FPU" Dmpu="MPU"
                 Dendian="Little-endian" Dclock="168000000"/>
      <debug __dp="0" __ap="0"/>
      <device Dname="STM32F407VGTx">
        <memory name="Flash" access="rx" start="0x08000000" size="0x00100000" startup="1"
                default="1"/>
        <memory name="SRAM" access="rwx" start="0x20000000" size="0x00020000" default="1"/>
        <algorithm name="Flash/F4.FLM" start="0x08000000" size="0x00100000"
                   RAMstart="0x20000000" RAMsize="0x4000" default="1"/>
      </device>
    </family>
  </devices>
</package>
"""


def make_pack(folder: Path) -> Path:
    """Compile the flash algorithm and put it into a pack."""
    algorithm = folder / "F4.FLM"
    subprocess.run(
        [
            find_tool("arm-none-eabi-gcc"), "-mcpu=cortex-m4", "-mthumb", "-Os", "-ffreestanding",
            "-nostdlib", "-Wall", "-Wextra", "-Werror", "-Wl,--entry=0",
            "-Wl,--section-start=PrgCode=0", "-Wl,--section-start=DevDscr=0x1000",
            SOURCE, "-o", algorithm,
        ],
        check=True,
    )  # fmt: skip
    pack = folder / "Test.Test_DFP.1.0.0.pack"
    with zipfile.ZipFile(pack, "w") as archive:
        archive.writestr("Test.Test_DFP.pdsc", _PDSC)
        archive.write(algorithm, "Flash/F4.FLM")
    return pack
