"""Firmware images: CMake, Ninja and arm-none-eabi-gcc, cached by content."""

from nnom_hil.build.image import (
    Image,
    SectionSizes,
    build_image,
    check_drivers,
    drivers,
    nnom_tree,
    tree_digest,
)

__all__ = [
    "Image",
    "SectionSizes",
    "build_image",
    "check_drivers",
    "drivers",
    "nnom_tree",
    "tree_digest",
]
