"""Where an NNoM project has program, header, port and files, in the shapes of NNoM's examples."""

import shutil
from pathlib import Path

import pytest
from tests.support.nnom_projects import PROJECTS, place

from nnom_hil.build.guest import guest_config_h, guest_files_c
from nnom_hil.errors import UsageError
from nnom_hil.run.nnom_project import find_project


def test_a_program_of_a_pc_is_found(tmp_path: Path) -> None:
    project = find_project(place("pc", tmp_path))
    guest = project.guest
    assert guest.sources == (tmp_path / "pc" / "main.c",)
    assert guest.header == tmp_path / "pc" / "weights.h"
    assert guest.port is None
    assert guest.files == (("test_data.bin", tmp_path / "pc" / "test_data.bin"),)
    assert not project.old_header
    assert dict(project.lines())["port"] == "ours"


def test_a_project_of_rt_thread_is_found(tmp_path: Path) -> None:
    """Its port, a header from before NNoM 0.4, and start-up code that is the board's own."""
    project = find_project(place("shell", tmp_path), script=["nn_stat"])
    root = tmp_path / "shell"
    assert project.guest.sources == (root / "mcu" / "main.c",)
    assert project.guest.port == root / "port"
    assert project.guest.includes[0] == root / "mcu"
    assert "NNOM_API_BEFORE_04" in project.guest.defines
    assert "before NNoM 0.4" in dict(project.lines())["network"]


def test_what_comes_by_y_modem_is_taken_along(tmp_path: Path) -> None:
    assert [name for name, _ in find_project(place("ymodem", tmp_path)).guest.files] == [
        "test_data.bin"
    ]


def test_a_copy_of_nnom_inside_is_not_the_project(tmp_path: Path) -> None:
    """Neither its examples nor its sources; its port is, where the project has none."""
    folder = place("pc", tmp_path)
    nnom = folder / "nnom"
    for name in ("inc/nnom.h", "src/core/nnom.c", "port/nnom_port.h", "examples/a/weights.h"):
        (nnom / name).parent.mkdir(parents=True, exist_ok=True)
        (nnom / name).write_text("")
    shutil.copyfile(folder / "main.c", nnom / "examples" / "a" / "main.c")
    shutil.copyfile(folder / "weights.h", nnom / "examples" / "a" / "weights.h")
    guest = find_project(folder).guest
    assert guest.sources == (folder / "main.c",)
    assert guest.port == nnom / "port"


def test_other_sources_of_its_folder_belong_to_the_program(tmp_path: Path) -> None:
    folder = place("pc", tmp_path)
    for name in ("mfcc.c", "stm32l4xx_it.c", "startup_stm32.c", "system_stm32l4xx.c"):
        (folder / name).write_text("int x;")
    (folder / "tool.c").write_text("int main(void) { return 0; }")
    (folder / "main_pc.c").write_text('#include "weights.h"\nint main(void) { return 0; }')
    guest = find_project(folder).guest
    assert [path.name for path in guest.sources] == ["main.c", "mfcc.c"]
    other = find_project(folder, sources=[folder / "main_pc.c"]).guest
    assert [path.name for path in other.sources] == ["main_pc.c", "mfcc.c"]


def test_headers_of_a_vendor_that_are_missing_have_stubs(tmp_path: Path) -> None:
    folder = place("pc", tmp_path)
    main = folder / "main.c"
    main.write_text('#include "stm32l4xx_hal.h"\n' + main.read_text())
    assert find_project(folder).guest.stubs == ("stm32l4xx_hal.h",)
    (folder / "stm32l4xx_hal.h").write_text("")
    assert find_project(folder).guest.stubs == ()


def test_what_a_project_lacks_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no such folder; name the one that has main\.c"):
        find_project(tmp_path / "none")
    folder = place("pc", tmp_path)
    (folder / "weights.h").unlink()
    with pytest.raises(UsageError, match=r"no header in it has nnom_model_create\(\).*--header"):
        find_project(folder)
    (folder / "train.py").write_text("generate_model(model, x)")
    with pytest.raises(UsageError, match=r"train\.py writes one: run it first"):
        find_project(folder)
    folder = place("pc", tmp_path / "b")
    (folder / "main.c").write_text("int main(void) { return 0; }")
    with pytest.raises(UsageError, match=r"no source in it includes weights\.h and has main"):
        find_project(folder)


def test_what_could_be_two_things_is_asked_for(tmp_path: Path) -> None:
    folder = place("pc", tmp_path)
    (folder / "main.c").rename(folder / "a.c")
    shutil.copyfile(folder / "a.c", folder / "b.c")
    with pytest.raises(UsageError, match=r"several programs: a\.c, b\.c; name one with --source"):
        find_project(folder)
    assert find_project(folder, sources=[folder / "b.c"]).guest.sources[0].name == "b.c"
    shell = place("shell", tmp_path)
    (shell / "port2").mkdir()
    (shell / "port2" / "nnom_port.h").write_text("")
    with pytest.raises(UsageError, match=r"several ports: port/nnom_port\.h, port2/nnom_port\.h"):
        find_project(shell)


def test_names_of_files_cannot_leave_their_strings(tmp_path: Path) -> None:
    text = guest_files_c([('a".c', tmp_path / 'x"; y')])
    assert '{"a\\".c", file_0_begin, file_0_end}' in text
    assert f'.incbin \\"{tmp_path}/x\\\\\\"; y\\"' in text
    assert '"say \\"x\\"\\0"' in guest_config_h(['say "x"'])


def test_every_shape_is_tried() -> None:
    assert {path.name for path in PROJECTS.iterdir() if path.is_dir()} == {"pc", "shell", "ymodem"}
