"""The search for the best way to convert and build a model, by reference and emulator.

The user's vectors are parted in three: formats are chosen by some (calibration), ways by others,
and what is told is told of the rest, which chose nothing. Conversions are judged by the reference
alone. Of what builds cost, each choice is tried alone first; those that can gain something are then
tried together. What has been found is journaled as it comes.
"""

import itertools
import json
import random
import shlex
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np

from nnom_hil.boards import Cpu
from nnom_hil.build import sharing_trees
from nnom_hil.errors import DataError, StoreError, UsageError
from nnom_hil.files import Appender, make_folder, read_regular, seal, unseal, write_whole
from nnom_hil.locks import FileLock
from nnom_hil.matrix import Cell, Value, cell_key
from nnom_hil.run.options import checked, command_of, options_of, request_of
from nnom_hil.run.plan import MatrixObserver
from nnom_hil.run.prepare import find_model, preparation_key
from nnom_hil.run.request import RunRequest
from nnom_hil.run.trials import Judged, check_point, judge_conversion, measure_point
from nnom_hil.tuning import CHANCE, Limits, Point, TuneRecord, front_of, levels_of
from nnom_hil.version import version
from nnom_hil.zoo.data import is_bundled

__all__ = ["TuneRun", "begin_tune", "resume_tune"]

_SCHEMA: Final = "nnom-hil/tuning/1"
_JOURNAL: Final = "tried.jsonl"
_DATA: Final = "data.npz"
_UNSEEN: Final = "unseen.npz"
_LIMIT: Final = 64 << 20
_FEWEST: Final = 8
"""Vectors of each part."""
_MOST_CALIBRATION: Final = 512
"""Vectors of the calibration that are scored, to see what it overfits."""
_BASE: Final = {"board", "boards", "model", "compiler", "cmsis_nn"}
_METHODS: Final[tuple[Cell, ...]] = (
    {},  # the default: mse
    {"method": "max_min"},
    {"method": "kld"},
    {"method": "percentile", "percentile": 99.9},
    {"method": "percentile", "percentile": 99.99},
)
"""Ways to choose formats: they cost the same and answer differently."""
_AXES: Final[tuple[tuple[Cell, ...], ...]] = (
    ({}, {"per_channel": False}),
    ({}, {"kernels": "plain"}),
    ({}, {"optimise": "o3"}, {"optimise": "os"}),
    ({}, {"layout": "chw"}),
    ({}, {"dense_order": "plain"}),
)
"""What builds cost is a matter of; the first of each is the default."""
_OF_CONVERSION: Final = {"method", "percentile", "per_channel", "layout"}


def begin_tune(
    given: Mapping[str, Any],
    folder: Path,
    *,
    seed: int = 0,
    trials: int = 64,
    limits: Limits | None = None,
    command: tuple[str, ...] = (),
) -> "TuneRun":
    """Return a search that has not begun, in a new folder.

    given: checked options of a run: board, boards, model, data, compiler, cmsis_nn. trials: the
    most points to build. Raises UsageError, BoardError, ModelError and DataError for what is wrong.
    """
    if (folder / _JOURNAL).exists():
        raise UsageError(
            f"{folder}: a search is there already; go on with it: nnom-hil tune --resume {folder}"
        )
    request = request_of(given)
    if request.board.core.cpu is Cpu.NATIVE:
        raise UsageError(
            f"board {request.board.name} is a process of this machine, whose cycles and bytes say "
            "nothing of a microcontroller; name a board with a Cortex-M"
        )
    base = {key: _plain(value) for key, value in given.items() if key in _BASE}
    model = request.model_file
    base["model"] = model.stem if is_bundled(model) else str(model.resolve())
    parts = _parted(request, seed)
    state = {
        "schema": _SCHEMA,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "base": base,
        "seed": seed,
        "trials": trials,
        "limits": (limits or Limits()).model_dump(mode="json"),
        "vectors": parts.counts,
        "command": list(command),
    }
    return TuneRun(folder, state, {}, parts.files)


def resume_tune(folder: Path) -> "TuneRun":
    """Return a search that goes on after an earlier process was ended.

    Raises UsageError for a folder that has none.
    """
    state, known = _read_journal(folder / _JOURNAL)
    for name in (_DATA, _UNSEEN):
        if not (folder / name).is_file():
            raise UsageError(f"{folder / name}: the search's data is gone; start another one")
    return TuneRun(folder, state, known, {})


def _plain(value: Any) -> Value:
    if isinstance(value, bool | int | float):
        return value
    return str(value.resolve()) if isinstance(value, Path) else str(value)


# ---- the user's vectors in three parts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """counts: vectors by part. files: by name; data.npz has the parts one after the other."""

    counts: dict[str, int]
    files: dict[str, bytes]


def _parted(request: RunRequest, seed: int) -> _Parts:
    """Part the vectors at random; raises ModelError and DataError."""
    from nnom_hil.run.source import source_of
    from nnom_hil.zoo.data import load_bundled
    from nnom_hil.zoo.files import load_vectors

    model = find_model(request.model)
    if request.data is None and not is_bundled(model):
        raise DataError(
            f"{model}: vectors are needed with a model of your own; add --data FILE.npz"
        )
    data = (
        load_bundled(model)
        if request.data is None
        else load_vectors(request.data, source_of(model).input_shape)
    )
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(data.x))
    if data.x_calibration is data.x:
        choosing, unseen, calibration = np.array_split(order, 3)
        x_calib, y_calib = data.x[calibration], None if data.y is None else data.y[calibration]
    else:
        choosing, unseen = np.array_split(order, 2)
        x_calib, y_calib = data.x_calibration, data.y_calibration
    if min(len(choosing), len(unseen), len(x_calib)) < _FEWEST:
        raise DataError(
            f"{request.data or model}: {len(data.x)} vectors are too few to part them: the search "
            f"needs {_FEWEST} to choose formats by, {_FEWEST} to choose ways by and {_FEWEST} to "
            "tell the result of"
        )
    scored = rng.permutation(len(x_calib))[:_MOST_CALIBRATION]
    if data.y is not None and y_calib is None:
        scored = scored[:0]  # nothing to judge them by
    x = np.concatenate([data.x[choosing], data.x[unseen], x_calib[scored]])
    all_: dict[str, Any] = {"x": x, "x_calib": x_calib}
    some: dict[str, Any] = {"x": data.x[unseen], "x_calib": x_calib}
    if data.y is not None:
        tail = [] if y_calib is None else [y_calib[scored]]
        all_["y"] = np.concatenate([data.y[choosing], data.y[unseen], *tail])
        some["y"] = data.y[unseen]
        if y_calib is not None:
            all_["y_calib"] = some["y_calib"] = y_calib
    return _Parts(
        counts={"choosing": len(choosing), "unseen": len(unseen), "calibration": len(scored)},
        files={_DATA: _npz(all_), _UNSEEN: _npz(some)},
    )


def _npz(arrays: Mapping[str, Any]) -> bytes:
    buffer = BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


# ---- the journal


def _read_journal(path: Path) -> tuple[dict[str, Any], dict[str, Point]]:
    """Return what a search is and its points, by key; a line that was cut off is none."""
    try:
        lines = read_regular(path, _LIMIT).split(b"\n")
    except OSError as exc:
        raise UsageError(f"{path.parent}: not a search's folder: {exc.strerror}") from exc
    entries = []
    for number, line in enumerate(filter(None, lines)):
        try:
            entries.append(unseal(json.loads(line)))
        except (ValueError, AttributeError, RecursionError):
            if number == 0:
                break
    if not entries or entries[0].get("schema") != _SCHEMA:
        raise UsageError(
            f"{path}: not a search's journal, or of another version; start another one"
        )
    return entries[0], {e["key"]: Point.model_validate(e["point"]) for e in entries[1:]}


class TuneRun:
    """A search, begun or not. What it finds is the same for the same state."""

    def __init__(
        self,
        folder: Path,
        state: dict[str, Any],
        known: dict[str, Point],
        files: Mapping[str, bytes],
    ) -> None:
        self.folder = folder
        self._state = state
        self._known = known
        self._files = files
        self._base: Cell = dict(state["base"])
        self._limits = Limits.model_validate(state["limits"])
        self._observer = MatrixObserver()
        self._lines: Appender | None = None
        self._judged: dict[str, Judged] = {}

    def execute(self, jobs: int, observer: MatrixObserver | None = None) -> TuneRecord:
        """Search, `jobs` builds at a time, and return what was found.

        Raises UsageError where another process is at it, or a search that goes on has another model
        or data, StoreError where the folder cannot be written, and what keeps the default from
        being converted.
        """
        self._observer = observer or self._observer
        lock = FileLock(self.folder / ".lock")
        try:
            make_folder(self.folder)
            if not lock.acquire():
                raise UsageError(f"{self.folder}: another process is at this search; wait for it")
        except OSError as exc:
            raise self._unwritten(exc) from exc
        try:
            self._open()
            with sharing_trees():
                return self._searched(jobs)
        finally:
            if self._lines is not None:
                self._lines.close()
            lock.release(remove=True)

    def _open(self) -> None:
        for name, data in self._files.items():
            write_whole(self.folder / name, data)
        default = self._request({})
        key = preparation_key(default.model_file, default.data, default.conversion)
        if self._state.setdefault("conversion", key) != key:
            raise UsageError(
                f"{self.folder}: its model, its data or what converts them is not what it was when "
                "this search began; start another one"
            )
        path = self.folder / _JOURNAL
        try:
            is_new = not path.exists()
            torn = not is_new and not path.read_bytes().endswith(b"\n")
            self._lines = Appender(path)
            if torn:
                self._lines.write(b"\n")
        except OSError as exc:
            raise self._unwritten(exc) from exc
        if is_new:
            self._write(self._state)

    def _write(self, entry: Mapping[str, Any]) -> None:
        assert self._lines is not None
        try:
            self._lines.write(f"{json.dumps(seal(entry), sort_keys=True)}\n".encode())
        except OSError as exc:
            raise self._unwritten(exc) from exc

    def _unwritten(self, error: OSError) -> StoreError:
        return StoreError(
            f"{self.folder}: cannot write the search: {error.strerror}; free space, then: nnom-hil "
            f"tune --resume {self.folder}"
        )

    # ---- the search

    def _searched(self, jobs: int) -> TuneRecord:
        trials = int(self._state["trials"])
        alone: list[Cell] = [{}, *(way for axis in self._axes for way in axis[1:])]
        self._measure(alone[:trials], jobs)
        worth = [way for way in alone[1:trials] if self._gains_something(way)]
        axes = [[{}, *(way for way in axis[1:] if way in worth)] for axis in self._axes]
        together = [way for way in self._together(axes) if way not in alone]
        seeded = random.Random(self._state["seed"]).sample(together, len(together))
        chosen = seeded[: max(0, trials - len(alone))]
        self._measure([way for way in together if way in chosen], jobs)
        measured = [way for way in (*alone, *together) if cell_key(way) in self._known]
        return self._record(measured, planned=len(alone) + len(together))

    @property
    def _axes(self) -> tuple[tuple[Cell, ...], ...]:
        """Return what can be chosen; the user's CMSIS-NN is one more kind of kernels."""
        kinds, kernels, *others = _AXES
        cmsis = self._base.get("cmsis_nn")
        return (kinds, (*kernels, {"cmsis_nn": cmsis}) if cmsis else kernels, *others)

    def _gains_something(self, way: Cell) -> bool:
        """Whether a choice, made alone, is better than the default in anything."""
        return 1 in front_of([self._levelled({}), self._levelled(way)])

    def _together(self, axes: Sequence[Sequence[Cell]]) -> Iterator[Cell]:
        """Yield all ways that these choices make together, by each conversion that is worth it."""
        for ways in itertools.product(*axes):
            chosen: Cell = {}
            for way in ways:
                chosen |= way
            for method in self._methods(chosen):
                yield {**chosen, **method}

    def _methods(self, way: Cell) -> list[Cell]:
        """Return the first method, and the best one if it is better than that beyond chance."""
        form = _of_conversion(way)
        first = self._judge(form)
        if first.conversion.trouble:
            return []
        others = [(method, self._judge({**form, **method}, first)) for method in _METHODS[1:]]
        able = [
            (judged.choosing.mean(), method)
            for method, judged in others
            if judged.conversion.chance is not None
            and judged.conversion.chance < CHANCE / len(others)  # Bonferroni: so many are tried
        ]
        return [{}, *([max(able, key=lambda pair: pair[0])[1]] if able else [])]

    def _judge(self, form: Cell, first: Judged | None = None) -> Judged:
        """Return what a conversion is worth; first: the one that it is to be better than."""
        key = cell_key(form)
        if key not in self._judged:
            self._observer.step("conversion", _words(form))
            counts = self._state["vectors"]
            self._judged[key] = judge_conversion(self._request(form), form, counts, first)
        return self._judged[key]

    def _request(self, way: Cell, data: str = _DATA) -> RunRequest:
        """Return the run that a way is; raises UsageError for one that cannot be."""
        kinds = {option.name: option.kind for option in options_of("run")}
        given = {**self._base, **way, "data": str(self.folder / data)}
        if "cmsis_nn" not in way:
            given.pop("cmsis_nn", None)
        return request_of(
            checked({k: Path(str(v)) if kinds[k] is Path else v for k, v in given.items()})
        )

    def _measure(self, ways: Sequence[Cell], jobs: int) -> None:
        """Build what is not known yet and learn what it costs."""
        todo = [way for way in ways if cell_key(way) not in self._known]
        self._observer.begin(0, len(todo))
        judged = {cell_key(way): self._judge(_of_conversion(way)) for way in ways}
        with ThreadPoolExecutor(jobs) as pool:
            points = [
                pool.submit(copy_context().run, self._measured, way, judged[cell_key(way)])
                for way in todo
            ]
            try:
                for way, point in zip(todo, points, strict=True):
                    found = point.result()
                    self._known[cell_key(way)] = found
                    self._write({"key": cell_key(way), "point": found.model_dump(mode="json")})
                    self._observer.end(_words(way), found.trouble or "measured")
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _measured(self, way: Cell, judged: Judged) -> Point:
        self._observer.step(_words(way), "building and counting")
        try:
            request = self._request(way, _UNSEEN)
        except UsageError as exc:
            return Point(options=way, command="", trouble=str(exc))
        command = shlex.join(command_of(request))
        choosing, unseen = judged.conversion.choosing, judged.conversion.unseen
        point = Point(
            options=way,
            command=command,
            choosing=None if choosing is None else choosing.int8,
            unseen=None if unseen is None else unseen.int8,
        )
        return measure_point(point, request, judged)

    def _levelled(self, way: Cell) -> Point:
        """Return a measured point with its conversion's level among all that were judged."""
        able = {key: j.choosing for key, j in self._judged.items() if j.prepared is not None}
        level = levels_of(able).get(cell_key(_of_conversion(way)), 0)
        return self._known[cell_key(way)].model_copy(update={"level": level})

    # ---- the record

    def _record(self, ways: Sequence[Cell], planned: int) -> TuneRecord:
        """Return what was found; the points of the front are run."""
        points = []
        for way in ways:
            point = self._levelled(way)
            broken = "" if point.trouble else self._limits.broken_by(point)
            points.append(point.model_copy(update={"trouble": broken}) if broken else point)
        front = front_of(points)
        for place in front:
            self._observer.step(_words(points[place].options), "checking its outputs")
            request = replace(
                self._request(points[place].options, _UNSEEN), runs=self.folder / "runs"
            )
            points[place] = check_point(points[place], request)
        judged = list(self._judged.values())
        return TuneRecord(
            tool_version=version(),
            started=self._state["started"],
            model=Path(str(self._base["model"])).stem,
            board=str(self._base.get("board", "stm32f4")),
            seed=self._state["seed"],
            gain=self._judge({}).gain,
            limits=self._limits,
            vectors=self._state["vectors"],
            conversions=tuple(j.conversion for j in judged),
            points=tuple(points),
            front=front,
            planned=planned,
            command=tuple(self._state["command"]),
        )


def _of_conversion(way: Cell) -> Cell:
    return {key: value for key, value in way.items() if key in _OF_CONVERSION}


def _words(way: Cell) -> str:
    return ", ".join(f"{key} {value}" for key, value in way.items()) or "the default"
