"""What a conversion lost, and what would help, in a line."""

from nnom_hil.model.quantise.options import Method
from nnom_hil.model.quantise.quality import Quality
from nnom_hil.run.prepare import ConvertOptions

__all__ = ["advise"]

_LITTLE_DB = 25.0
_MOST_AGREE = 0.99
_UNEVEN = 8.0  # times that channels differ: three of eight bits of the weakest
_FEW_INPUTS = 50


def advise(
    quality: Quality, options: ConvertOptions, command: str, *, chooses: bool, one_format: bool
) -> str:
    """Return what was lost and, if that is much, what would help.

    command: what converts the model so. chooses: an answer is one of several classes. one_format:
    the header has no room for formats per channel.
    """
    agreement = quality.agreement if chooses else None
    output = quality.layers[-1].sqnr_db
    lost = []
    if agreement is not None:
        lost.append(f"{100 * (1 - agreement):.1f} % of {quality.samples} answers differ from float")
    if output is not None:
        lost.append(f"output SQNR {output:.1f} dB")
    text = "lost: " + (", ".join(lost) or "nothing was to be measured")
    little = (output is None or output >= _LITTLE_DB) and (agreement or 1.0) >= _MOST_AGREE
    remedy = _remedy(quality, options, command, little=little, one_format=one_format)
    return text if remedy is None else f"{text}; {remedy}"


def _remedy(
    quality: Quality, options: ConvertOptions, command: str, *, little: bool, one_format: bool
) -> str | None:
    if quality.uneven_input > _UNEVEN:
        differ = f"the input's channels differ {quality.uneven_input:.0f}-fold and share one format"
        if options.raw_input:
            return f"{differ}: {command.replace(' --raw-input', '')}"
        return (
            f"{differ}: begin the network with a Normalization layer, which is folded out, "
            "or scale the data"
        )
    if little:
        return None
    if Method(options.method) is not Method.MSE:
        better = command.replace(f" --method {options.method}", "")
        return f"by the default method less is: {better}"
    if not options.per_channel and not one_format:
        return f"per channel less is: {command.replace(' --no-per-channel', '')}"
    if quality.calibration < _FEW_INPUTS:
        return (
            f"formats were chosen by {quality.calibration} inputs: "
            f"give some hundred as x_calib in --data"
        )
    if options.raw_input:
        return f"scaled inputs may help: {command.replace(' --raw-input', '')}"
    if not options.search_seconds:
        return f"trying formats may help: {command} --search 60"
    return None
