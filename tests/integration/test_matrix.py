"""What a matrix shares between its processes gives what plain runs give."""

from elftools.elf.elffile import ELFFile

from nnom_hil.boards import find_board
from nnom_hil.build import build_image, sharing_trees
from nnom_hil.cache import Entry
from nnom_hil.codegen.layouts import HeaderOptions
from nnom_hil.files import remove_tree
from nnom_hil.run.prepare import prepare
from nnom_hil.run.runner import firmware_header, firmware_settings
from nnom_hil.zoo.data import zoo_model


def test_images_of_a_shared_build_folder_are_those_of_plain_builds() -> None:
    board, header = find_board("stm32f4"), HeaderOptions()
    graph = prepare(zoo_model("digits"), None).graph
    settings = firmware_settings(graph, header=header)
    # images of this test alone, which removes them from the cache that all workers use
    text = firmware_header(graph, header) + "/* test_matrix.py */\n"
    wrong = text.replace("OUTPUT_RSHIFT {9,", "OUTPUT_RSHIFT {8,", 1)
    assert wrong != text

    def loaded(weights: str) -> dict[str, bytes]:
        """What reaches the target; debug sections have the name of the build folder."""
        image = build_image(board, weights, settings)
        with image.elf.open("rb") as file:
            sections = [s for s in ELFFile(file).iter_sections() if s["sh_flags"] & 2]  # SHF_ALLOC
            found = {section.name: section.data() for section in sections}
        remove_tree(Entry(kind="images", key=image.id).path)
        return found

    plain = loaded(wrong)
    with sharing_trees():
        assert loaded(text) != plain
        assert loaded(wrong) == plain
