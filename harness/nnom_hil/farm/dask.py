"""Dask, imported when it is needed, quiet, and with what a farm of boards wants of it."""

from typing import Any, Final, Literal

from nnom_hil.errors import UsageError
from nnom_hil.extras import need

__all__ = ["check_address", "check_farm", "quiet_dask"]

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


def check_address(address: str, role: Literal["client", "worker", "scheduler"]) -> None:
    """Raise UsageError for an address that Dask's own configuration does not go with."""
    security = quiet_dask().Security()
    if address.startswith("tls://"):
        if security.get_connection_args(role)["ssl_context"] is None:
            raise UsageError(
                f"{address}: no certificates of a {role} in Dask's configuration, which TLS needs; "
                "docs/farm.md has an example"
            )
    elif security.require_encryption:
        raise UsageError(
            f"{address}: Dask's configuration here asks for encryption; use tls:// (--protocol tls)"
        )
