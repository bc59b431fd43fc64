"""The benchmark's data sets, its figures, and the table of them."""

from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from sklearn.metrics import roc_auc_score

from nnom_hil.boards import find_board, published_mlperf
from nnom_hil.codegen.mlperf import FACTS, Benchmark
from nnom_hil.errors import DataError, UsageError
from nnom_hil.mlperf.dataset import (
    find_mlperf_data,
    find_mlperf_model,
    read_folder,
    roc_auc,
    top1,
)
from nnom_hil.mlperf_record import MlperfRecord, MlperfRow, PublishedResult
from nnom_hil.report.mlperf import print_mlperf
from nnom_hil.run.mlperf import MlperfRequest, named_benchmarks, named_files, run_mlperf
from nnom_hil.run.request import RunRequest


def folder_of(tmp_path: Path, rows: str, **files: int) -> Path:
    """Write a data set: labels, and files of so many bytes, each of which counts on."""
    for name, size in files.items():
        (tmp_path / name).write_bytes(bytes(i % 251 for i in range(size)))
    (tmp_path / "y_labels.csv").write_text(rows)
    return tmp_path


def test_a_file_is_one_stimulus_or_cut_into_windows(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a, 12, 7\nb,12,0\n", a=490, b=490)
    samples = read_folder(folder, Benchmark.KWS01)
    assert [(s.name, s.stimuli.shape, s.label) for s in samples] == [
        ("a", (1, 490), 7),
        ("b", (1, 490), 0),
    ]
    assert len(read_folder(folder, Benchmark.KWS01, limit=1)) == 1
    folder_of(tmp_path, "w,2,1,2560,512\n", w=2560 + 3 * 512 + 511)
    (sample,) = read_folder(tmp_path, Benchmark.AD01)
    data = (tmp_path / "w").read_bytes()
    assert [row.tobytes() for row in sample.stimuli] == [
        data[512 * i : 512 * i + 2560] for i in range(4)
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("", "names no file"),
        ("a,12\n", "line 1: needs file,classes,class"),
        ("a,12,x\n", "line 1: needs file,classes,class"),
        ("a,12,-1\n", "line 1: needs file,classes,class"),
        ("a,12,12\n", "class 12 of 12; they count from 0"),
        ("b,12,1\n", "cannot be read: No such file"),
        ("../a,12,1\n", "outside the folder; it is not read"),
        ("/etc/hostname,12,1\n", "outside the folder; it is not read"),
        ("short,12,1\n", "489 bytes, a window each 489; kws01 takes 490 bytes"),
        ("a,12,1,100,1\n", "windows of 100 bytes; kws01 takes 490"),
        ("a,12,1,490,0\n", "a window each 0"),
    ],
)
def test_a_data_set_that_is_wrong_is_told_where(tmp_path: Path, rows: str, message: str) -> None:
    folder = folder_of(tmp_path, rows, a=490, short=489)
    with pytest.raises(DataError, match=message):
        read_folder(folder, Benchmark.KWS01)


def test_models_and_data_are_found_by_both_names(tmp_path: Path) -> None:
    assert find_mlperf_model(tmp_path, Benchmark.VWW01) is None
    assert find_mlperf_data(tmp_path, Benchmark.VWW01) is None
    (tmp_path / "vww_96.h5").touch()
    assert find_mlperf_model(tmp_path, Benchmark.VWW01) == tmp_path / "vww_96.h5"
    (tmp_path / "vww01.tflite").touch()
    assert find_mlperf_model(tmp_path, Benchmark.VWW01) == tmp_path / "vww01.tflite"
    (tmp_path / "vww01.npz").touch()
    assert find_mlperf_data(tmp_path, Benchmark.VWW01) == tmp_path / "vww01.npz"
    (tmp_path / "vww01").mkdir()
    (tmp_path / "vww01" / "y_labels.csv").touch()
    assert find_mlperf_data(tmp_path, Benchmark.VWW01) == tmp_path / "vww01"


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_the_area_is_that_of_scikit_learn(rows: list[tuple[int, bool]]) -> None:
    scores = np.array([[score / 5] for score, _ in rows])
    labels = np.array([int(one) for _, one in rows])
    if len(set(labels)) < 2:
        assert roc_auc(scores, labels) is None
    else:
        assert roc_auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores[:, 0]))


@given(st.integers(0, 1 << 32))
def test_so_is_that_of_classes_against_the_rest(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet(np.ones(4), 30).round(2)
    scores /= scores.sum(axis=1, keepdims=True)
    labels = rng.integers(0, 4, 30)
    labels[:4] = range(4)
    assert roc_auc(scores, labels) == pytest.approx(
        roc_auc_score(labels, scores, multi_class="ovr", average="macro")
    )
    assert top1(scores, labels) == (scores.argmax(axis=1) == labels).mean()
    assert roc_auc(scores, np.minimum(labels, 2)) is None


def test_what_is_published_is_a_valid_table() -> None:
    table = published_mlperf()
    assert len(table.results) > 20
    keys = [(row.round, row.submitter, row.folder, row.board) for row in table.results]
    assert len(set(keys)) == len(keys)
    for row in table.results:
        for benchmark, facts in FACTS.items():
            rate = getattr(row, benchmark)
            # no core of these makes more multiplications than that
            assert rate is None or rate * facts.macs * 1e6 / row.clock_hz < 2


def request(**more: object) -> MlperfRequest:
    run = RunRequest(board=find_board("native"), runs=Path("runs"))
    return MlperfRequest(run=run, **more)  # type: ignore[arg-type]


def test_what_is_missing_is_named_with_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"(?s)ic01: no model: --model ic01=FILE.*mlcommons/tiny"):
        run_mlperf(request(models=tmp_path, datasets=tmp_path))
    (tmp_path / "kws01.h5").touch()
    with pytest.raises(UsageError, match=r"kws01: no data: --data kws01=FILE.npz or a folder"):
        run_mlperf(request(models=tmp_path, benchmarks=(Benchmark.KWS01,)))


def test_names_that_are_none_are_told(tmp_path: Path) -> None:
    assert named_benchmarks(["ic01", "ad01"]) == (Benchmark.IC01, Benchmark.AD01)
    with pytest.raises(UsageError, match=r"benchmark 'kws1' is unknown; .* did you mean 'kws01'"):
        named_benchmarks(["kws1"])
    assert named_files("--model", [f"ic01={tmp_path}"]) == {Benchmark.IC01: tmp_path}
    for pair in ("ic01", "ic01="):
        with pytest.raises(UsageError, match="needs BENCHMARK=FILE"):
            named_files("--model", [pair])
    with pytest.raises(UsageError, match="there is no such file"):
        named_files("--data", [f"ic01={tmp_path / 'none'}"])


def test_the_table_has_what_is_known_and_nothing_else() -> None:
    row = MlperfRow(
        benchmark="ic01", title="image classification", model="net.h5", model_hash="0", macs=100,
        stimuli=4, results_equal=4, top1=0.5, auc=0.75, runs=20, per_second=[4.0, 5.0, 6.0],
        median_per_second=5.0, flash=2048, ram=None, cycles=200.0, error_percent=10.0,
        core_hz=1_000_000, notes=["a note"],
    )  # fmt: skip
    bare = MlperfRow(benchmark="ad01", title="anomaly", model="ad.h5", model_hash="0", macs=1)
    others = [
        PublishedResult(
            round="1.0", submitter=name, board="B", core="cortex-m4", clock_hz=hz,
            per_second={"ic01": rate},
        )
        for name, hz, rate in (("slow", 100, 0.5), ("fast", 10_000, 60.0))
    ]  # fmt: skip
    record = MlperfRecord(
        board="b", core="cortex-m4", target="QEMU", clock="instructions",
        clock_words="of QEMU", rows=[row, bare],
        missing={"kws01": "kws01: no model"}, published=others, source="somebody",
    )  # fmt: skip
    best = record.best_published("ic01")
    assert best is not None
    assert best.submitter == "fast"
    assert record.best_published("vww01") is None
    assert MlperfRecord.model_validate_json(record.to_json()) == record
    out = StringIO()
    print_mlperf(record, Console(file=out, width=200))
    text = out.getvalue()
    for words in ("4 of 4", "50.00 %", "0.750", "5.000", "20", "4", "of QEMU",
        "inf/s, instructions", "200 ±10 %", "0.500",
        "60 inf/s, B, fast", "0.600", "ic01: a note", "left out, kws01: no model",
        "somebody"):  # fmt: skip
        assert words in text
    assert "None" not in text
