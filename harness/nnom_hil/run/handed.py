"""A run's model, image and words made by one machine, and the run by another that has neither
model file nor compiler: what is large travels as entries of the cache, named by their content.
"""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from nnom_hil.build import Image, kept_image
from nnom_hil.run.options import command_of
from nnom_hil.run.plan import Observer
from nnom_hil.run.prepare import kept_preparation
from nnom_hil.run.provenance import commit_of
from nnom_hil.run.request import RunRequest, read_header, request_document
from nnom_hil.run.runner import build_for, library_tools
from nnom_hil.run.service import Given, execute_and_report, open_given, prepare_run
from nnom_hil.run.shown import Outcome

__all__ = ["Handed", "hand_over", "run_handed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """What a run is given. prepared, image: keys of entries of the cache. document: request.json.

    weights: text of a weights.h of the user's own. tools: versions of what is not ours of the
    library.
    """

    model_name: str
    prepared: str
    image: str
    document: str
    command: tuple[str, ...]
    commit: str | None
    weights: str | None
    tools: dict[str, str]

    @property
    def parcels(self) -> tuple[tuple[str, str], ...]:
        """Kind and key of the entries."""
        return (("prepared", self.prepared), ("images", self.image))


def hand_over(request: RunRequest, observer: Observer) -> Handed:
    """Check a run, convert its model and build its image; raises as open_run and building do."""
    prepared = prepare_run(request, observer)
    observer.step("building the firmware")
    weights = None if request.weights is None else read_header(request.weights)
    image: Image = build_for(
        request.board,
        prepared.graph,
        header=request.header,
        compat=request.is_compat,
        library=request.library,
        weights=weights,
    )
    return Handed(
        model_name=request.model_file.stem,
        prepared=prepared.key,
        image=image.id,
        document=request_document(request),
        command=command_of(request),
        commit=commit_of(),
        weights=weights,
        tools=library_tools(request.library),
    )


def run_handed(
    request: RunRequest, handed: Handed, observer: Observer
) -> tuple[Outcome, dict[str, bytes]]:
    """Run what was handed over; return what became of it, and the files of its folder by name.

    Raises StoreError where the cache does not have what was handed over, and what open_run raises.
    """
    with tempfile.TemporaryDirectory(prefix="nnom-hil-cell-") as place:
        prepared = kept_preparation(handed.prepared, handed.model_name).limited(request.limit)
        given = Given(
            model_name=handed.model_name,
            prepared=prepared,
            image=kept_image(handed.image),
            document=handed.document,
            command=handed.command,
            commit=handed.commit,
            weights=handed.weights,
            tools=handed.tools,
        )
        run = open_given(replace(request, runs=Path(place)), given, observer)
        outcome = execute_and_report(run)
        files = {path.name: path.read_bytes() for path in outcome.folder.iterdir()}
    return outcome, files
