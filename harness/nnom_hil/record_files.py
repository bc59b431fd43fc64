"""run.json: reading it, of every version there was, and the JSON schema of what is written."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nnom_hil.errors import UsageError
from nnom_hil.files import first_problem, read_regular

if TYPE_CHECKING:
    from nnom_hil.records import RunRecord  # pydantic: only what reads a record waits for it

__all__ = ["RECORD_FILE", "load_record", "run_schema"]

RECORD_FILE: Final = "run.json"
_LIMIT: Final = 64 << 20


def load_record(path: Path) -> "RunRecord":
    """Read run.json, or the run.json of a run's folder; raises UsageError for anything else."""
    from pydantic import ValidationError

    from nnom_hil.records import RunRecord

    file = path / RECORD_FILE if path.is_dir() else path
    try:
        return RunRecord.model_validate_json(read_regular(file, _LIMIT))
    except OSError as exc:
        raise UsageError(f"{file}: cannot read the record: {exc.strerror}") from exc
    except ValidationError as exc:
        remedy = ""
        if (file.parent / "request.json").is_file():
            remedy = f"; made again from its journal by: nnom-hil run --resume {file.parent}"
        raise UsageError(f"{file}: not a run record: {first_problem(exc)}{remedy}") from exc


def run_schema() -> str:
    """Return the JSON schema of a run.json as it is written now, as JSON text."""
    from nnom_hil.records import RUN_SCHEMA, RunRecord

    schema: dict[str, Any] = RunRecord.model_json_schema(by_alias=True, mode="serialization")
    check = {
        "description": "The first 32 hexadecimal digits of the SHA-256 of all the rest, as JSON "
        "with sorted keys and neither spaces nor line ends between them.",
        "pattern": "^[0-9a-f]{32}$",
        "type": "string",
    }
    schema["properties"]["check"] = check
    schema["required"] = sorted([*schema["required"], "check"])
    named = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{RUN_SCHEMA.replace('/', ':')}",
        **schema,
    }
    return json.dumps(named, indent=2, ensure_ascii=False) + "\n"
