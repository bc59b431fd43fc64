"""The hardware map is a person's file too: a scan keeps what was written beside its facts."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from nnom_hil.probe.hardware import Entry, HardwareMap, load_map, save_map

NAMES = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=12)
ENTRIES = st.lists(
    st.builds(
        Entry,
        probe=NAMES,
        description=NAMES,
        port=st.just("") | NAMES,
        board=st.from_regex(r"[a-z0-9_]{0,8}", fullmatch=True),
        recognised=st.just("") | NAMES,
        candidates=st.lists(NAMES, max_size=3).map(tuple),
    ),
    unique_by=lambda entry: entry.probe,
    max_size=4,
)


def test_comments_and_order_survive_a_scan(tmp_path: Path) -> None:
    file = tmp_path / "hardware.toml"
    save_map(file, HardwareMap(attached=(Entry(probe="A", candidates=("x", "y")),)))
    mine = file.read_text().replace('board = ""', 'board = "stm32f4"  # on Anna\'s desk')
    file.write_text("# keep out of the rain\n" + mine)
    (known,) = load_map(file).attached
    now = known.model_copy(update={"port": "/dev/ttyACM0", "candidates": ()})
    save_map(file, HardwareMap(attached=(now, Entry(probe="B"))))
    written = file.read_text()
    assert written.startswith("# keep out of the rain\n# The boards of this machine")
    assert 'board = "stm32f4"  # on Anna\'s desk' in written
    assert "candidates" not in written
    assert load_map(file).attached == (now, Entry(probe="B"))
    save_map(file, load_map(file))
    assert file.read_text() == written


@given(ENTRIES, ENTRIES)
def test_what_is_written_is_read(first: list[Entry], then: list[Entry]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "hardware.toml"
        save_map(file, HardwareMap(attached=tuple(first)))
        assert list(load_map(file).attached) == first
        save_map(file, HardwareMap(attached=tuple(then)))
        found = {entry.probe: entry for entry in load_map(file).attached}
        assert found == {e.probe: e for e in first} | {e.probe: e for e in then}
