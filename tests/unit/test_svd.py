"""boards check --against svd: steps and chip facts compared with a vendor's file."""

import sys
import zipfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest

from nnom_hil.boards import Comparison, compare, find_board, find_chip, load_svd
from nnom_hil.boards import svd as svd_module
from nnom_hil.boards.board import Board, Startup, Step
from nnom_hil.cli.app import run_app
from nnom_hil.errors import BoardError, ToolError
from nnom_hil.paths import boards_dir
from nnom_hil.run.boardfiles import check_board

REGISTER = """<register><name>{name}</name><addressOffset>{offset}</addressOffset>
<size>32</size><access>{access}</access><resetValue>{reset}</resetValue><fields>{fields}</fields>
</register>"""
FIELD = """<field><name>{0}</name><bitOffset>{1}</bitOffset><bitWidth>{2}</bitWidth>{3}</field>"""
RCC = (
    REGISTER.format(name="CR", offset="0x0", access="read-write", reset="0x83", fields=(
        FIELD.format("HSION", 0, 1, "") + FIELD.format("HSEON", 16, 1, "")
        + FIELD.format("HSERDY", 17, 1, "<access>read-only</access>")
        + FIELD.format("PLLON", 24, 1, "")
    ))
    + REGISTER.format(name="PLLCFGR", offset="0x4", access="read-write", reset="0x24003010",
        fields=FIELD.format("PLLM", 0, 6, "") + FIELD.format("PLLN", 6, 9, ""))
    + REGISTER.format(name="ONLY", offset="0x8", access="write-only", reset="0", fields="")
    + REGISTER.format(name="SEEN", offset="0xC", access="read-only", reset="0", fields="")
    + """<register><dim>4</dim><dimIncrement>4</dimIncrement><dimIndex>0-3</dimIndex>
    <name>ROW%s</name><addressOffset>0x10</addressOffset><size>32</size></register>"""
)  # fmt: skip
SVD = f"""<?xml version="1.0" encoding="utf-8"?>
<device schemaVersion="1.3"><name>X</name><version>1</version><description>x</description>
<addressUnitBits>8</addressUnitBits><width>32</width><peripherals>
<peripheral><name>RCC</name><baseAddress>0x40023800</baseAddress><registers>{RCC}</registers>
</peripheral>
<peripheral derivedFrom="RCC"><name>USART2</name><baseAddress>0x40004400</baseAddress>
<interrupt><name>USART2</name><value>38</value></interrupt></peripheral>
</peripherals></device>"""


def written(folder: Path, text: str = SVD) -> Path:
    path = folder / "x.svd"
    path.write_text(text)
    return path


def board(*steps: Step) -> Board:
    return find_board("nucleo_f446re").model_copy(update={"startup": Startup(steps=steps)})


def test_registers_of_all_kinds_are_found(tmp_path: Path) -> None:
    svd = load_svd(written(tmp_path))
    assert {a: r[0].path for a, r in svd.registers.items() if a >= 0x4002_3800} == {
        0x4002_3800: "RCC.CR", 0x4002_3804: "RCC.PLLCFGR", 0x4002_3808: "RCC.ONLY",
        0x4002_380C: "RCC.SEEN", 0x4002_3810: "RCC.ROW0", 0x4002_3814: "RCC.ROW1",
        0x4002_3818: "RCC.ROW2", 0x4002_381C: "RCC.ROW3",
    }  # fmt: skip
    assert svd.registers[0x4000_4400][0].path == "USART2.CR"
    assert svd.interrupts["USART2"] == {"USART2": 38}
    found = svd.at(0x4002_3800)
    assert found is not None
    assert (found.known, found.reset) == (0x0103_0001, 0x83)
    assert [f.name for f in found.fields if f.read_only] == ["HSERDY"]


def test_steps_are_decoded_with_its_names(tmp_path: Path) -> None:
    svd = load_svd(written(tmp_path))
    one = board(
        Step(set=0x4002_3800, bits=0x0001_0000), Step(wait=0x4002_3800, bits=0x0002_0000),
        Step(write=0x4002_3804, value=0x2400_2D04), Step(write=0x4002_3810, value=5),
    )  # fmt: skip
    compared = compare(one, None, svd)
    assert compared.faults == []
    assert [step.split()[2:] for step in compared.steps] == [
        ["RCC.CR", "HSEON=1"], ["RCC.CR", "HSERDY=1"], ["RCC.PLLCFGR", "PLLM=4", "PLLN=180"],
        ["RCC.ROW0", "0"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("step", "fault"),
    [
        (Step(set=0x4002_3880, bits=1), "step 1 (0x40023880): no register of the SVD file is there"),
        (Step(set=0x4002_3800, bits=0x10), "step 1 (RCC.CR): bits 0x00000010 are reserved"),
        (Step(write=0x4002_3804, value=1 << 30), "step 1 (RCC.PLLCFGR): bits 0x40000000 are reserved"),
        (Step(set=0x4002_3800, bits=1 << 17), "step 1 (RCC.CR): HSERDY is read only (bits 0x00020000)"),
        (Step(write=0x4002_380C, value=1), "step 1 (RCC.SEEN): the register is read only"),
        (Step(wait=0x4002_3808, bits=1), "step 1 (RCC.ONLY): a wait, and the register is write only"),
    ],
)  # fmt: skip
def test_planted_error_is_named(step: Step, fault: str, tmp_path: Path) -> None:
    assert compare(board(step), None, load_svd(written(tmp_path))).faults == [fault]


def replaced(old: str, new: str) -> Callable[[Path], Path]:
    assert old in SVD
    return lambda folder: written(folder, SVD.replace(old, new, 1))


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (replaced("<bitOffset>16<", "<bitOffset>18<"), "RCC.CR.HSEON is bits 0x00010000 in the chip's file, 0x00040000 in the SVD file"),
        (replaced("0x40004400", "0x40004800"), "USART2 is at 0x40004400 in the chip's file, 0x40004800 in the SVD file"),
        (replaced("<value>38<", "<value>37<"), "USART2 has interrupt 38 in the chip's file, 37 in the SVD file"),
        (replaced("<bitWidth>6<", "<bitWidth>5<"), "RCC.PLLCFGR.PLLM is bits 0x0000003F in the chip's file, 0x0000001F in the SVD file"),
    ],
)  # fmt: skip
def test_facts_that_disagree_are_named(
    make: Callable[[Path], Path], fault: str, tmp_path: Path
) -> None:
    chip = find_chip("stm32f446re")
    assert compare(board(), chip, load_svd(written(tmp_path))).faults == []
    compared = compare(board(), chip, load_svd(make(tmp_path)))
    assert compared.faults == [fault]
    assert any("RCC.CFGR" not in note and "not in the SVD file" in note for note in compared.notes)


REAL = [
    ("stm32f103", "STM32F103xx.svd"), ("nucleo_f429zi", "STM32F429x.svd"), ("microbit", "nrf51.svd"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "file"), REAL)
def test_shipped_board_against_what_pyocd_brings(name: str, file: str, tmp_path: Path) -> None:
    compared = against_pyocds(name, file, tmp_path)
    assert compared.faults == []
    assert len(compared.steps) == len(find_board(name).startup.steps)
    assert not any("?" in step for step in compared.steps)


def test_file_of_another_chip_is_told(tmp_path: Path) -> None:
    faults = against_pyocds("stm32f072b_disco", "STM32F0xx.svd", tmp_path).faults  # the F051's
    assert "step 2 (RCC.CR2): bits 0x00010000 are reserved" in faults  # HSI48ON


def against_pyocds(name: str, file: str, folder: Path) -> Comparison:
    with zipfile.ZipFile(str(files("pyocd.debug.svd").joinpath("svd_data.zip"))) as archive:
        archive.extract(file, folder)
    one = find_board(name)
    assert one.chip is not None
    return compare(one, find_chip(one.chip), load_svd(folder / file))


WRONG = [
    ("text", "no XML at all", "no valid XML"),
    ("truncated", SVD[: len(SVD) // 2], "no valid XML"),
    ("other", "<package></package>", "it is about 'package', no device"),
    ("empty", "", "no valid XML"),
    ("nothing", "<device><name>X</name></device>", "cmsis-svd cannot read this SVD file"),
    ("address", SVD.replace("0x40023800", "here"), "cmsis-svd cannot read this SVD file"),
    ("doctype", SVD.replace("<device", "<!DOCTYPE device [<!ENTITY a 'b'>]><device", 1), "DOCTYPE"),
    ("arrays", SVD.replace("<dim>4<", "<dim>9000000<"), "more than 65536 registers"),
    ("dim", SVD.replace("<dim>4<", "<dim>four<"), "more than 65536 registers"),
]


@pytest.mark.parametrize(("what", "text", "message"), WRONG, ids=[what for what, *_ in WRONG])
def test_damaged_file_is_named(what: str, text: str, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(BoardError, match=message) as caught:
        load_svd(path)
    assert str(path) in str(caught.value), what


def test_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BoardError, match="cannot read the SVD file"):
        load_svd(tmp_path / "nowhere.svd")
    with pytest.raises(BoardError, match="cannot read the SVD file"):
        load_svd(tmp_path)
    monkeypatch.setattr(svd_module, "_MOST_BYTES", 100)
    with pytest.raises(BoardError, match="larger than"):
        load_svd(written(tmp_path))


def test_without_the_package_its_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cmsis_svd", None)
    with pytest.raises(ToolError, match=r"pip install 'nnom-hil\[svd\]'"):
        load_svd(written(tmp_path))


def test_check_fails_where_the_two_disagree(tmp_path: Path) -> None:
    path = tmp_path / "nucleo_f446re.toml"
    path.write_text((boards_dir() / "nucleo_f446re.toml").read_text())
    with pytest.raises(BoardError, match=r"x.svd says otherwise:\n  step 1 \(0x40023840\): no reg"):
        check_board(path, build=False, svd=written(tmp_path))


def test_commands_show_what_was_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(["boards", "show", "nucleo_f446re"]) == 0
    said = capsys.readouterr().out
    assert "    7  write  RCC.PLLCFGR      PLLM=4 PLLN=180 PLLSRC=1 PLLQ=8 PLLR=2\n" in said
    assert "  PLL = HSE / 4 * 180 / 2 (VCO 360 MHz) = 180 MHz\n" in said
    assert "  console  CMSIS header stm32f446xx.h (base, interrupt)" in said
    path = tmp_path / "nucleo_f446re.toml"
    text = (boards_dir() / "nucleo_f446re.toml").read_text()
    path.write_text(text.replace('chip = "stm32f446re"\n', "").replace("115_200", "115_201"))
    assert run_app(["boards", "show", str(path)]) == 0
    assert "    7  write 0x40023804, value 0x28402D04\n" in capsys.readouterr().out
    check = ["boards", "check", str(path), "--no-build", "--against"]
    assert run_app([*check, "svd", str(written(tmp_path))]) == 2
    assert "x.svd says otherwise:\n  step 1 (0x40023840): no register" in capsys.readouterr().err
    assert run_app([*check, "pdsc", "x"]) == 2
    assert "--against pdsc: svd FILE is all" in capsys.readouterr().err
