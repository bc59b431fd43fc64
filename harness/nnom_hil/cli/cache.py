"""nnom-hil cache: what is kept of conversions and builds, whether it is sound, how it goes."""

from nnom_hil.cli.options import DryRunOption, JsonOption
from nnom_hil.cli.outcome import print_json, print_plan

__all__ = ["COMMANDS", "NEEDS_COMMAND", "main"]

NEEDS_COMMAND = True


def main() -> int:
    """Show, verify or clear what is kept of conversions and builds."""
    return 0


def show(*, json: JsonOption = False) -> int:
    """Show where the cache is, what it holds, and how much it may hold."""
    from datetime import datetime

    from nnom_hil.cache import limit_bytes, usage
    from nnom_hil.paths import cache_dir

    rows = usage()
    if json:
        kinds = {r.kind: {"entries": r.entries, "bytes": r.size_bytes} for r in rows}
        print_json({"folder": cache_dir(), "limit_bytes": limit_bytes(), "kinds": kinds})
        return 0
    print(f"{cache_dir()}")
    for row in rows:
        since = ""
        if row.oldest:
            since = f", the oldest used {datetime.fromtimestamp(row.oldest):%Y-%m-%d %H:%M}"
        print(f"{row.kind:10} {row.entries:6} entries {row.size_bytes / 1e6:10.1f} MB{since}")
    total = sum(row.size_bytes for row in rows)
    print(f"{total / 1e6:.1f} MB of {limit_bytes() / 1e6:.0f} MB")
    return 0


def verify(*, json: JsonOption = False) -> int:
    """Check every entry and remove what is damaged. Exit code: 0 all sound, 1 damage was found."""
    from nnom_hil.cache import verify as verify_all
    from nnom_hil.errors import ExitCode

    sound, damaged = verify_all()
    if json:
        print_json({"sound": sound, "damaged": damaged})
        return int(ExitCode.FAIL if damaged else ExitCode.PASS)
    for line in damaged:
        print(line)
    print(f"{sound} sound, {len(damaged)} damaged")
    return int(ExitCode.FAIL if damaged else ExitCode.PASS)


def clear(*, json: JsonOption = False, dry_run: DryRunOption = False) -> int:
    """Remove all that no running process uses. Exit code 3 where something cannot be removed."""
    from dataclasses import asdict

    from nnom_hil.cache import clear as clear_all
    from nnom_hil.errors import ExitCode

    if dry_run:
        return _tell(json=json)
    result = clear_all()
    if json:
        print_json(asdict(result))
    else:
        print(
            f"{result.removed} entries removed, {result.freed_bytes / 1e6:.1f} MB; "
            f"{result.in_use} are in use and stay"
        )
        print(*result.failed, sep="\n", end="\n" if result.failed else "")
    return int(ExitCode.ENVIRONMENT if result.failed else ExitCode.PASS)


def _tell(*, json: bool) -> int:
    from nnom_hil.cache import usage

    rows = usage()
    entries, size = sum(row.entries for row in rows), sum(row.size_bytes for row in rows)
    what = f"{entries} entries, {size / 1e6:.1f} MB, but for those in use"
    return print_plan({"removes": what}, json=json)


COMMANDS = {"show": show, "verify": verify, "clear": clear}
