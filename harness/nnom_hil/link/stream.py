"""Vectors in slices, several at a time: selective repeat with credit, on evidence only.

A slice is sent again when an answer shows that it was lost, never because time has passed: a
time-out sends a poll of some bytes, whose answer tells what became of all that went before it.
docs/protocol.md has the rules, tests/unit/test_protocol_model.py tries them over every interleaving
of loss, repetition and reset.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from nnom_hil.deadline import Deadline
from nnom_hil.errors import LinkError
from nnom_hil.link.channel import AgentRefusedError, Channel, TargetWasResetError
from nnom_hil.link.flight import Flight, Sent
from nnom_hil.link.frame import ANSWER, SHORT_OVERHEAD, AgentError, Frame, FrameType
from nnom_hil.link.job import Job, Vector
from nnom_hil.link.line import Line
from nnom_hil.link.messages import CONTENT_HEAD, VectorResult
from nnom_hil.link.pace import Pace

__all__ = ["SLICE_OVERHEAD", "StreamRules", "Vector", "VectorStream"]

LOG = logging.getLogger(__name__)

SLICE_OVERHEAD: Final = SHORT_OVERHEAD + 2
"""Bytes of a slice on the wire beside what it carries: its frame, tag and offset."""

_TAGS: Final = 256
_OFFSETS: Final = 4096  # granules
_LAST: Final = 0x10
_POLL_BYTES: Final = SHORT_OVERHEAD + 1
_ACK_BYTES: Final = SHORT_OVERHEAD + 8  # as a rule
_ASK_UNITS: Final = 64  # pieces of a result that one ask names
_MOST_AHEAD: Final = 8  # vectors, where the target keeps none
_POLL_EVERY: Final = 12  # slices
_STALLS: Final = 0.4  # probability that no poll under way is answered, where all wait for one
_MOST_POLLS: Final = 12
_WORTH_WAITING: Final = 0.6  # probability of an answer without a poll
_BAD_LINE_LOSES: Final = 0.9  # of the polls, or their answers
_SILENCES: Final = 0.4  # the same, after a silence
_PINGS_FROM: Final = 2  # silences in a row
_REVIVALS: Final = 2  # resets from outside without an answer between them
_SURELY: Final = 1e-6  # so improbable is chance before a target is called silent


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRules:
    """What the target said it can, and what the host wants.

    window: bytes of the receive ring. slots: vectors that it collects at once; 0: each must come in
    one slice. granule: bytes at whose multiples slices begin. output_bytes: of one result.
    in_order: one vector at a time. first_s: how long the first answer may take; give_up_s: how long
    nothing may get on.
    """

    window: int
    slots: int
    granule: int
    output_bytes: int
    in_order: bool = False
    first_s: float = 1.0
    longest_s: float = 1.0
    give_up_s: float = 10.0


class VectorStream:
    """One stream of vectors over a channel.

    open_stream agrees with the target on the number of a stream; start_again, called when it was
    reset, finds the new boot id first. revive resets a target that has gone silent, from outside;
    False where that cannot be done.
    """

    def __init__(
        self,
        channel: Channel,
        rules: StreamRules,
        *,
        open_stream: Callable[[], None],
        start_again: Callable[[], None],
        revive: Callable[[], bool] = lambda: False,
    ) -> None:
        self._channel = channel
        self._rules = rules
        self._open_stream = open_stream
        self._start_again = start_again
        self._revive = revive
        self._revived = 0  # times in a row
        self._line = Line()
        self._pace = Pace(first_s=rules.first_s, longest_s=rules.longest_s)
        self._flight = Flight(rules.window)
        self._jobs: dict[int, Job] = {}  # by tag, the oldest first
        self._tag = 0
        self._since_poll = 0
        self._pings: dict[int, int] = {}  # bytes sent until then, by the frame's number
        self._progress = channel.clock()
        self._damaged = channel.stats.damaged
        self._longest = 1
        self._ahead = 1 if rules.in_order else rules.slots or _MOST_AHEAD

    def run(self, vectors: Iterable[Vector]) -> Iterator[VectorResult]:
        """Yield each vector's result once; raises as AgentClient.stream does."""
        source = iter(vectors)
        more = True
        try:
            self._open_stream()
        except TargetWasResetError:
            self._restart()
        self._progress = self._channel.clock()
        while more or self._jobs:
            try:
                more = more and self._open_jobs(source)
                self._fill()
                yield from self._take()
            except TargetWasResetError:
                self._restart()

    # ---- what is sent

    def _open_jobs(self, source: Iterator[Vector]) -> bool:
        """Take up vectors while there is a place for them; return whether there are more."""
        while len(self._jobs) < self._ahead:
            oldest = next(iter(self._jobs.values()), None)
            if oldest is not None and (self._tag - oldest.tag) % _TAGS >= self._ahead:
                return True  # the oldest one's place is the next one's
            vector = next(source, None)
            if vector is None:
                return False
            size = VectorResult.HEAD + self._rules.output_bytes
            content = vector.content(self._unit(size))
            job = Job(vector, self._tag, content, self._rules.granule, bytearray(size))
            self._jobs[job.tag] = job
            self._tag = (self._tag + 1) % _TAGS
        return True

    def _unit(self, size: int) -> int:
        """Return the granules of one piece of a result; 0: it comes in one."""
        granule = self._rules.granule
        piece = self._line.slice_size(size, SLICE_OVERHEAD, granule, max(size, granule))
        fits = size <= _OFFSETS * granule
        return 0 if piece >= size or not fits else min(255, piece // granule)

    def _fill(self) -> None:
        """Send what is needed, as far as there is room; then a poll if no answer would come."""
        for job in list(self._jobs.values()):
            size = self._size(job) if job.need else 0
            while job.need:
                if not self._send_slice(job, size):
                    self._poll_if_unsure()
                    return
        self._poll_if_unsure()

    def _size(self, job: Job) -> int:
        """Return the bytes of the job's next slices."""
        total, step = len(job.content), self._rules.granule
        if self._rules.slots == 0:
            return -(-total // step) * step
        longest = self._rules.window // 2 - SLICE_OVERHEAD
        return self._line.slice_size(total, SLICE_OVERHEAD, step, longest)

    def _send_slice(self, job: Job, size: int) -> bool:
        """Send what is needed first; False if there is no room for it."""
        most = min(size, len(job.content))
        if not self._flight.has_room(most + most // 254 + SLICE_OVERHEAD):
            return False
        part, first, data, last = job.take(size)
        kind = FrameType.SLICE | (_LAST if last else 0) | first >> 8
        job.last = self._flight.next
        self._send(kind, bytes([job.tag, first & 0xFF]) + data, tag=job.tag, part=part)
        self._since_poll += 1
        if self._since_poll >= _POLL_EVERY and not self._will_answer(job):
            self._poll()
        return True

    def _send(
        self, kind: int, body: bytes, *, tag: int = -1, part: int = 0, base: int = -1
    ) -> None:
        flight = self._flight
        order = flight.next
        size = self._channel.send_short(kind, order & 0xFF, body)
        flight.add(
            Sent(
                order=order,
                size=size,
                end=flight.sent_bytes + size,
                at_s=self._channel.clock(),
                tag=tag,
                part=part,
                base=base,
            )
        )
        self._channel.stats.stream_bytes += size

    def _will_answer(self, job: Job) -> bool:
        """Whether the job's result is likely to come without a poll."""
        if job.need:
            return False
        bytes_ = job.under_way + SLICE_OVERHEAD + len(job.result)
        return self._line.survives(bytes_) > _WORTH_WAITING

    def _poll_if_unsure(self) -> None:
        if not self._since_poll:
            return
        waiting = [job for job in self._jobs.values() if job.under_way or job.asked >= 0]
        if not waiting or any(self._will_answer(job) for job in waiting):
            return
        unanswered = self._lost ** max(1, self._flight.polls)
        self._poll()
        while unanswered > _STALLS and self._flight.polls < _MOST_POLLS and self._poll():
            unanswered *= self._lost

    @property
    def _lost(self) -> float:
        """The share of polls that are not answered."""
        return 1.0 - self._line.survives(_POLL_BYTES + _ACK_BYTES)

    @property
    def _lost_in_silence(self) -> float:
        """The same; damage that comes in a silence is from a line that is worse than it seemed."""
        damage = self._channel.stats.damaged > self._damaged
        return max(self._lost, _BAD_LINE_LOSES) if damage else self._lost

    def _poll(self) -> bool:
        """Ask what has become of all that is open; False if there is no room for it."""
        flight = self._flight
        if not flight.has_room_for_poll(_POLL_BYTES):
            return False
        base = flight.open[0].order if flight.open else flight.next
        self._send(FrameType.POLL, bytes([base & 0xFF]), base=base)
        self._channel.stats.polls += 1
        self._since_poll = 0
        return True

    def _poll_again(self) -> None:
        """Send the newest poll once more, under its number, where there is none left for another.

        Where polls have used up the window it is sent all the same: no answer has come for so long
        that they were lost, and if not, it is this poll alone that finds no room.
        """
        flight, channel = self._flight, self._channel
        poll = flight.sent_as(flight.polled & 0xFF)
        if poll is None or poll.base < 0:
            self._ping()
            return
        flight.repeated = poll.order
        size = channel.send_short(FrameType.POLL, poll.order & 0xFF, bytes([poll.base & 0xFF]))
        flight.sent_bytes += size
        channel.stats.stream_bytes += size
        channel.stats.polls += 1

    def _ask(self, job: Job) -> bool:
        """Ask for what is missing of a result; the vector itself where the target keeps none.

        False if there is no room for it.
        """
        if self._rules.slots == 0:
            job.have, job.need = 0, job.all
            self._channel.stats.retransmitted += 1
            return True
        unit = self._unit(len(job.result))
        if unit == 0 and job.got:
            unit = min(255, -(-len(job.result) // self._rules.granule))
        first, bits = job.missing_units(unit, _ASK_UNITS) if unit else (0, b"")
        if not self._flight.has_room_for_poll(_POLL_BYTES + 4 + len(bits)):
            return False
        self._flight.forget(job.tag)  # an ask before this one
        job.asked = self._flight.next
        body = bytes([job.tag]) + first.to_bytes(2, "little") + bytes([unit]) + bits
        self._send(FrameType.ASK, body, tag=job.tag)
        self._since_poll += 1
        return True

    # ---- what comes back

    def _take(self) -> Iterator[VectorResult]:
        """Wait for an answer and yield the results that come with it; a poll goes when none comes.

        Each result at once: a reset or a fault may come right behind it, and be raised.
        """
        channel = self._channel
        pause_s = self._pace.timeout_s(self._lost_in_silence)
        deadline = Deadline.after(pause_s, clock=channel.clock)
        frame = channel.receive(deadline, or_damaged=True)
        if frame is None and not deadline.expired:
            self._poll()  # in the place of the one whose answer this may have been
            return
        if frame is None:
            self._silence()
            return
        while frame is not None:
            if (result := self._result(frame)) is not None:
                self._note_line()
                yield result
            if not channel.has_frames:
                break
            frame = channel.receive(Deadline.after(0.0, clock=channel.clock))
        self._ask_again()
        if self._flight.leaves_doubt:
            self._poll()
        self._note_line()

    def _result(self, frame: Frame) -> VectorResult | None:
        """Take in one frame; return the result that it completes."""
        if frame.type == FrameType.ERROR:
            if frame.body[:1] == bytes([AgentError.STALE_BOOT]):
                raise TargetWasResetError
            raise AgentRefusedError(*frame.body[:2])
        if frame.type == FrameType.PING | ANSWER:
            self._pinged(frame)
        elif frame.type == FrameType.POLL | ANSWER:
            self._acknowledged(frame)
        elif frame.type & 0xE0 == FrameType.SLICE | ANSWER:
            return self._piece(frame)
        return None

    def _echo(self, number: int) -> None:
        """Note how far the target has come, and how long it took."""
        sent = self._flight.echo(number)
        if sent is not None and sent.order != self._flight.repeated:
            self._pace.took(self._channel.clock() - sent.at_s)
        self._pace.silent = 0

    def _pinged(self, frame: Frame) -> None:
        before = self._pings.pop(frame.seq, None)
        if before is None:
            return
        if int.from_bytes(frame.body[:4], "little") != self._channel.stream:
            raise TargetWasResetError  # another program has greeted it meanwhile
        self._flight.passed(before - 1)
        self._pace.silent = 0

    def _piece(self, frame: Frame) -> VectorResult | None:
        self._echo(frame.seq)
        if len(frame.body) < 2:
            return None
        job = self._jobs.get(frame.body[0])
        if job is None:
            return None
        self._get_on()
        offset = (frame.type & 0x0F) << 8 | frame.body[1]
        if not job.add_result(offset, frame.body[2:]):
            return None
        del self._jobs[job.tag]
        for sent in self._flight.forget(job.tag):
            if sent.part:  # each granule has one slice under way at most, and all have come
                self._line.note(sent.size, True)
        self._revived = 0
        stats = self._channel.stats
        stats.vector_bytes += len(job.vector.content(0)) - CONTENT_HEAD
        self._longest = max(self._longest, len(job.content))
        return job.parsed()

    def _acknowledged(self, frame: Frame) -> None:
        """A poll's answer: what came of those that it asked for is known, all others were lost."""
        poll = self._flight.sent_as(frame.seq)
        if poll is None or poll.base < 0:
            return
        self._echo(frame.seq)
        bits = int.from_bytes(frame.body, "little")
        flight = self._flight
        while flight.open and flight.open[0].order < poll.order:
            sent = flight.open.popleft()
            at = sent.order - poll.base
            if at < 0:
                continue  # sent before the poll's base: known then already
            self._learn(sent, bool(bits >> at & 1))

    def _learn(self, sent: Sent, arrived: bool) -> None:
        """Note the fate of a transmission; what was lost is needed again."""
        self._line.note(sent.size, arrived)
        job = self._jobs.get(sent.tag)
        if job is None:
            return
        if not sent.part:
            job.asked = -1
        elif arrived:
            job.have |= sent.part
            self._get_on()
        else:
            job.need |= sent.part
        if not arrived:
            self._channel.stats.retransmitted += 1

    def _ask_again(self) -> None:
        """Ask for the results of vectors that the target has, and has answered before this."""
        for job in self._jobs.values():
            if job.is_delivered and job.asked < 0:
                self._ask(job)

    def _get_on(self) -> None:
        self._progress = self._channel.clock()
        self._damaged = self._channel.stats.damaged

    # ---- silence, resets

    def _silence(self) -> None:
        """Send a poll: it is no loss that is told by time, only its answer tells one."""
        self._pace.silent += 1
        if self._check_silence():
            return
        waiting = [job for job in self._jobs.values() if job.is_delivered]
        only_asks = waiting and not any(sent.part for sent in self._flight.open)
        if self._pace.silent >= _PINGS_FROM:  # it may have been reset
            self._ping()
        if not (only_asks and self._ask(waiting[0])) and not self._poll():
            self._poll_again()
        unanswered = self._lost
        while unanswered * self._lost > _SILENCES and self._poll():
            unanswered *= self._lost

    def _ping(self) -> None:
        """Send what a target that was reset refuses by name: short frames it takes for damage."""
        frame = self._channel.frame(FrameType.PING)
        size = self._channel.send(frame)
        self._flight.sent_bytes += size
        self._pings[frame.seq] = self._flight.next
        self._channel.stats.stream_bytes += size
        self._channel.stats.polls += 1

    def _check_silence(self) -> bool:
        """Reset a target that is silent for too long and return True; LinkError if that is no help.

        One that hangs again and again at the same vectors is left alone.
        """
        waited_s = self._waited_s()
        chance = self._lost_in_silence**self._pace.silent
        if waited_s <= self._rules.give_up_s or chance > _SURELY:
            return False
        if self._revived < _REVIVALS and self._revive():
            self._revived += 1
            LOG.warning("no answer for %.0f s; the target was reset from outside", waited_s)
            self._restart()
            return True
        silence = self._channel.silence("a vector", waited_s, self._damaged)
        resets = f", after {self._revived} resets from outside" if self._revived else ""
        raise LinkError(silence + resets)

    def _waited_s(self) -> float:
        """Return how long nothing has got on, while there was a connection."""
        return self._channel.clock() - max(self._progress, self._channel.reconnected_at)

    def _restart(self) -> None:
        """Greet a target that was reset; it may be reset again meanwhile. All is sent anew."""
        while True:
            try:
                self._start_again()
                self._open_stream()
                break
            except TargetWasResetError:
                continue
        self._flight = Flight(self._rules.window)
        self._pings.clear()
        self._pace.silent = self._since_poll = 0
        jobs = list(self._jobs.values())
        for tag, job in enumerate(jobs):
            job.begin(tag)
        self._jobs = {job.tag: job for job in jobs}
        self._tag = len(jobs)
        self._progress = self._channel.clock()

    def _note_line(self) -> None:
        """Tell the statistics what the line is like."""
        stats = self._channel.stats
        stats.byte_error = self._line.byte_error
        stats.bound = self._line.bound(SLICE_OVERHEAD, self._longest)
