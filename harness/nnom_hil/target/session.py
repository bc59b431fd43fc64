"""A session: one image running on one target, spoken to through the agent."""

from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path
from types import TracebackType
from typing import Self

from nnom_hil.deadline import Deadline
from nnom_hil.errors import LinkError, TargetError
from nnom_hil.link.client import AgentClient, TargetFaultError
from nnom_hil.link.messages import Hello
from nnom_hil.target.base import HasLog, Target
from nnom_hil.target.symbols import describe_address

__all__ = ["Session", "SessionState"]

_START_TIMEOUT_S = 120.0  # Renode: 4 s on a quiet machine, 20 s seen on a loaded one
_HELLO_TIMEOUT_S = 20.0


class SessionState(Enum):
    """A session is opened once and closed once."""

    NEW = auto()
    RUNNING = auto()
    CLOSED = auto()


class Session:
    """Context manager: starts the target, greets it, refuses wrong firmware, leaves nothing behind.

    image_id: what the firmware must say it is; None takes any. on_text gets the console text as it
    comes. nonce yields 32-bit numbers that name boots.
    """

    def __init__(
        self,
        target: Target,
        elf: Path,
        image_id: str | None,
        *,
        on_text: Callable[[str], None],
        nonce: Callable[[], int],
    ) -> None:
        self.state = SessionState.NEW
        self.heard = ""  # the target's remarks, once it is closed
        self.target = target
        self._elf = elf
        self._image_id = image_id
        self._on_text = on_text
        self._nonce = nonce
        self._client: AgentClient | None = None
        self._hello: Hello | None = None

    def __enter__(self) -> Self:
        if self.state is not SessionState.NEW:
            raise TargetError(f"session: open needs state NEW, is {self.state.name}")
        try:
            transport = self.target.start(self._elf, Deadline.after(_START_TIMEOUT_S))
            self._client = AgentClient(
                transport,
                on_text=self._on_text,
                why_dead=self.target.why_dead,
                revive=self.target.reset,
                nonce=self._nonce,
            )
            self.state = SessionState.RUNNING
            self._hello = self._client.hello(timeout_s=_HELLO_TIMEOUT_S)
            self._check_firmware(self._hello)
            if self.target.facts.runs_already:
                self._client.reset()
                self._hello = self._client.hello(timeout_s=_HELLO_TIMEOUT_S)
        except BaseException as exc:
            self.close(exc)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(error)

    @property
    def client(self) -> AgentClient:
        """The link to the running target."""
        if self._client is None or self.state is not SessionState.RUNNING:
            raise TargetError(f"session: client needs state RUNNING, is {self.state.name}")
        return self._client

    @property
    def hello(self) -> Hello:
        """Who the target said it is."""
        if self._hello is None:
            raise TargetError(f"session: hello needs state RUNNING, is {self.state.name}")
        return self._hello

    def close(self, trouble: BaseException | None = None) -> None:
        """Stop the target; twice is fine. A fault that ended it gets its functions' names."""
        if self._client is not None and self.state is SessionState.RUNNING:
            self._client.channel.drain_text()
        self.state = SessionState.CLOSED
        if isinstance(self.target, HasLog):
            self.heard = self.heard or self.target.remarks
        if isinstance(trouble, (LinkError, TargetFaultError)) and not trouble.heard:
            trouble.heard = self.heard
        self.target.stop()
        self._add_symbols(trouble)

    def _check_firmware(self, hello: Hello) -> None:
        if self._image_id is not None and hello.image_id != self._image_id:
            raise LinkError(
                f"wrong or stale firmware: the target runs image {hello.image_id[:12]} for board "
                f"{hello.board!r}, expected is {self._image_id[:12]}; flash it again"
            )

    def _add_symbols(self, error: BaseException | None) -> None:
        """Name the function that a fault happened in; the message is all a user may see."""
        if isinstance(error, TargetFaultError):
            pc = describe_address(self._elf, error.report.pc)
            lr = describe_address(self._elf, error.report.lr)
            error.where = f"in {pc}, called from {lr}"
