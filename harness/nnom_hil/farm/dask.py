"""Dask, imported when it is needed, quiet, and with what a farm of boards wants of it."""

from typing import Any, Final

from nnom_hil.extras import need

__all__ = ["check_farm", "quiet_dask"]

_SETTINGS: Final = {
    "logging": {"distributed": "error"},
    "distributed.admin.large-graph-warning-threshold": "1GiB",
    # a worker of ours waits for processes: there is nothing in its threads to watch
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.tick.limit": "10s",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.system-monitor.gil.enabled": False,
}


def check_farm() -> None:
    """Raise ToolError where Dask is not installed."""
    quiet_dask()


def quiet_dask() -> Any:
    """Return the package `distributed`; raises ToolError where it is not installed."""
    need("farm", "a farm")
    import dask

    given = dask.config.get("logging", None) is not None
    wanted = {k: v for k, v in _SETTINGS.items() if k != "logging" or not given}
    dask.config.set(wanted)
    import distributed  # which reads how it is to log

    return distributed
