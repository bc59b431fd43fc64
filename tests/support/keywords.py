"""docs/keywords.md, from the library itself: python -m tests.support.keywords."""

import html
import re
from pathlib import Path

from robot.libdoc import LibraryDocumentation

__all__ = ["PAGE", "keywords_page"]

PAGE = Path(__file__).parents[2] / "docs" / "keywords.md"


def _cell(text: str) -> str:
    return html.unescape(text).replace("|", "\\|")


def _markdown(robot_text: str) -> str:
    """Return documentation in Robot's format as Markdown: names of keywords, tables, examples."""
    lines: list[str] = []
    table: list[list[str]] = []
    example = False
    for line in [*robot_text.splitlines(), ""]:
        is_example = line.startswith("| ") and not line.startswith("| =") and not table
        if is_example != example:
            lines.append("```robotframework" if is_example else "```")
            example = is_example
        if line.startswith("| ="):
            table.append([cell.strip(" =") for cell in line.strip("| ").split(" | ")])
            table.append(["---"] * len(table[0]))
        elif table and line.startswith("| "):
            table.append([_cell(cell.strip()) for cell in line.strip("| ").split(" | ", 1)])
        elif line.startswith("| "):
            lines.append(line[2:].replace("`", ""))
        else:
            lines += [f"| {' | '.join(row)} |" for row in table]
            table = []
            lines.append(re.sub(" +", " ", line).replace("``", "`"))
    return "\n".join(lines).strip()


def keywords_page() -> str:
    """Return the page."""
    library = LibraryDocumentation("nnom_hil.robot.NnomHil")
    parts = [
        "# Keywords",
        "Made by `python -m tests.support.keywords` from the library; the page that Robot's tools "
        "know is made by\n`libdoc nnom_hil.robot.NnomHil keywords.html`. How suites look: "
        "[suites.md](suites.md).",
        _markdown(library.doc),
    ]
    by_tag = sorted(library.keywords, key=lambda k: (_order(k.tags), k.lineno))
    for keyword in by_tag:
        arguments = " ".join(f"`{argument}`" for argument in keyword.args)
        if "=Argument=" in keyword.doc:
            arguments = "the options of `nnom-hil run`, by name"
        head = f"## {keyword.name}\n\n"
        told = f"Arguments: {arguments}\n\n" if arguments else ""
        parts.append(head + told + _markdown(keyword.doc))
    return "\n\n".join(parts).rstrip() + "\n"


def _order(tags: object) -> int:
    words = str(tags)
    return 2 if "Assertion" in words else 1 if "Result" in words else 0


if __name__ == "__main__":
    PAGE.write_text(keywords_page())
