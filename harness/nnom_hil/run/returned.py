"""Takes in the folder of a run that another machine has made."""

from collections.abc import Mapping
from pathlib import Path

from nnom_hil.errors import StoreError
from nnom_hil.files import make_folder, write_whole
from nnom_hil.history import remember
from nnom_hil.record_files import RECORD_FILE
from nnom_hil.records import RunRecord

__all__ = ["take_in"]


def take_in(runs: Path, name: str, files: Mapping[str, bytes]) -> str:
    """Write a run's files into a folder of their own; return its name.

    It is another than name, in the record too, where two machines began in the same microsecond.
    Raises StoreError.
    """
    own, number = name, 1
    try:
        make_folder(runs)
        while True:
            try:
                (runs / own).mkdir()
                break
            except FileExistsError:
                number += 1
                own = f"{name}-{number}"
    except OSError as exc:
        raise StoreError(
            f"{runs / own}: cannot write the run's record: {exc.strerror}; free space or use "
            "--out DIR"
        ) from exc
    for file, data in files.items():
        if Path(file).name != file:
            continue  # a worker has no say in where we write
        if file == RECORD_FILE and own != name:
            record = RunRecord.model_validate_json(data)
            data = record.model_copy(update={"id": own}).to_json().encode()  # noqa: PLW2901
        write_whole(runs / own / file, data)
    remember(runs / own)
    return own
