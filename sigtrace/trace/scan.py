# cython: language_level=3, annotation_typing=False
# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The hot loop of parse: whole lines of a trace_pipe log become columns.

One grammar, in Python. If a C compiler is there when the package is built, Cython compiles it with the types of
scan.pxd; if not, Python runs it as it stands here: the same source, the same rows. The types are in scan.pxd because
`long long[::1]` is no type to a Python type checker, and so that nobody needs Cython to run this.

Everything in a block may be an attacker's choice. A block ends with a newline, every walk to the right stops at one,
and every walk to the left stops at the start of its line, so nothing outside the block is read. The compiled scanner
does not check this at each byte, for that would cost a third of the speed; the interpreted one does, and the property
tests run both.
"""

from __future__ import annotations

from sigtrace.facts.events import ROWS
from sigtrace.trace import layouts
from sigtrace.trace.syscalls import Call, Calls

try:
    import cython  # type: ignore[import-untyped]
except ImportError:  # nobody needs Cython to run this
    from contextlib import nullcontext
    from types import SimpleNamespace

    cython = SimpleNamespace(nogil=nullcontext())

# A row's `shape` is four times its place in `sigtrace.facts.events.ROWS`, plus 1 if the pid is not known, plus 2 if the
# comm is not: the header does not always have them. tests/test_events.py compares these places with that table.
_KILL = 0
_SENT = 1
_TO = 2
_ENTERED = 3
_RETURNED = 4
_LOST = 5  # and 6 if the kernel does not say how many
_GENERATE = 7
_DELIVER = 8
_EXIT = 9  # and 10 before Linux 6.10 had group_dead
_FORK = 11
_EXEC = 12
_OOM = 13  # and 14 without figures, 15 without the victim's name
_EXIT_GROUP = 16
_EXIT_THREAD = 17
_ARGS = 18  # and 19 without the arguments
_EXECUTED = 20
_ATTACH = 21
_MKDIR = 22

_NEWLINE = 10
_TAB = 9
_RETURN = 13
_BLANK = 32
_HASH = 35
_OPEN = 40
_CLOSE = 41
_MINUS = 45
_DOT = 46
_ZERO = 48
_NINE = 57
_COLON = 58
_UPPER_P = 80
_BRACKET = 91
_BRACKET_END = 93
_LOWER_A = 97
_LOWER_B = 98
_LOWER_C = 99
_LOWER_F = 102
_LOWER_G = 103
_LOWER_M = 109
_LOWER_S = 115
_LOWER_T = 116
_LOWER_Y = 121

_WORD = 4294967295  # 32 bits
_COMM = 16  # TASK_COMM_LEN, and the width of the header's first column
_PIECES = 8192  # trace_seq ends a record there, whatever newlines are in its names
_SECONDS = 9_000_000_000_000  # in microseconds still 64 bits
_CPUS = 65536  # more than any Linux has; bounds the state that a forged line can claim
_NAMES = 65536  # names kept from batch to batch
_LETTERS = 1 << 24  # and what they may have together
_SLOTS = 4096  # of the cache from tid to name
_SAID = 48  # more than `PID 4194304 (fifteen letters.) sent signal `

# One pending line a CPU: line (0: none), ts, tid, pid, comm, sig.
_FIELDS = 6


class Scanner:
    """Scan blocks of whole lines into columns, stitching the two lines of a call by CPU.

    The state is one pending line a CPU, the pieces of the one record that a newline in a name has cut, and the `calls`
    that the kernel's own lines tell. Columns have room for `capacity` rows, of which `rows` are filled; some hold the
    values of several columns of a batch, which no row has together: sigtrace/trace/batch.py says which. If `unlocked`,
    lines are scanned without the interpreter's lock: other threads work meanwhile, and only one thread may use the
    scanner.
    """

    def __init__(self, capacity: int, utc_offset_us: int = 0, *, unlocked: bool = False) -> None:
        self.capacity = capacity
        self._unlocked = unlocked
        self._utc_offset_us = utc_offset_us
        self.lines = 0
        self.other = self.continuation = self.comment = self.blank = self.malformed = self.unstitchable = 0
        self.kill = self.half = self.losses = 0
        self.microseconds = self.ticks = 0
        self.lost_by_cpu: dict[int, int] = {}
        self.lost_unknown: dict[int, int] = {}
        self.layouts: set[str] = set()
        self.seen = memoryview(bytearray(8 * len(ROWS))).cast("q")
        self._cpus = 0
        self._pending = memoryview(bytearray()).cast("q")
        self._grow(64)
        self.names: list[str] = []
        self.letters = 0
        self._codes: dict[str, int] = {}
        self._name_len = memoryview(bytearray(_SLOTS))
        self._name_bytes = memoryview(bytearray(_SLOTS * _COMM))
        self._name_code = memoryview(bytearray(_SLOTS * 4)).cast("i")
        # By thread, what its last message began with, up to the signal, and what that meant.
        self._said_len = memoryview(bytearray(_SLOTS))
        self._said_bytes = memoryview(bytearray(_SLOTS * _SAID))
        self._said_pid = memoryview(bytearray(_SLOTS * 4)).cast("i")
        self._said_comm = memoryview(bytearray(_SLOTS * 4)).cast("i")
        self._only = memoryview(b"".join(b"\xff" * n + bytes(_SAID - n) for n in range(_SAID + 1)))  # the first n
        self.calls = Calls()
        self._threads = self._ready = 0
        self.opened = False
        self.pieces = b""
        self.after_piece = False
        self.seen_header = False
        self._fraction = False
        self._num = self._end = self._minus = self._said_end = 0
        self._cpu = self._tid = self._pid = self._ts = 0
        self.open_kind = self.open_line = self.open_cpu = self.open_ts = self.open_tid = self.open_pid = 0
        self.open_comm = self.open_sig = self.open_code = 0
        self._buf = b""
        self.begin()

    def begin(self) -> None:
        """Begin columns of memory of their own: whoever has the old ones keeps them."""
        if len(self.names) > _NAMES or self.letters > _LETTERS:
            self._restart_names()
        n = self.capacity
        self.rows = 0
        self.ts = memoryview(bytearray(8 * n)).cast("q")
        self.time = memoryview(bytearray(8 * n)).cast("q")
        self.cpu = memoryview(bytearray(4 * n)).cast("i")
        self.shape = memoryview(bytearray(n))
        self.tid = memoryview(bytearray(4 * n)).cast("i")
        self.pid = memoryview(bytearray(4 * n)).cast("i")
        self.comm = memoryview(bytearray(4 * n)).cast("i")
        self.sig = memoryview(bytearray(4 * n)).cast("i")
        self.target = memoryview(bytearray(4 * n)).cast("i")
        self.ret = memoryview(bytearray(4 * n)).cast("i")
        self.line = memoryview(bytearray(8 * n)).cast("q")
        self.lost = memoryview(bytearray(8 * n)).cast("q")
        self.target_comm = memoryview(bytearray(4 * n)).cast("i")
        self.filename = memoryview(bytearray(4 * n)).cast("i")
        self.code = memoryview(bytearray(4 * n)).cast("i")
        self.small = memoryview(bytearray(n))
        self.bit = memoryview(bytearray(n))

    def scan(self, block: bytes, start: int, end: int) -> int:
        """Scan the lines of block[start:end]; return where it stopped: at `end`, or earlier if the batch is full."""
        self._buf = block
        self._end = end
        if self._unlocked:
            with cython.nogil:
                return self._lines(start, end)
        # Each new name is a Python object, for which the lock would be taken again, after waiting for busy threads.
        return self._lines(start, end)

    def _lines(self, i: int, end: int) -> int:
        while self.rows + 2 <= self.capacity:
            if self._ready != 0:
                self._give_ready()
            elif i < end:
                self.lines += 1
                i = self._line(i, end)
            else:
                break
        return i

    def skip_line(self) -> None:
        """Count a line that was too long to keep."""
        self._abandon()
        self.lines += 1
        self.malformed += 1

    def finish(self) -> bool:
        """End the log: pending lines become halves, in the order of their lines. False if the batch is full."""
        # What the last line made ready stands before them: it has a row already, unless the batch was full.
        self._give_ready()
        if self._ready != 0:
            return False
        self._abandon()
        for _, cpu in sorted((self._pending[cpu * _FIELDS], cpu) for cpu in self.pending_cpus()):
            if self.rows == self.capacity:
                return False
            self._flush(cpu)
        self.calls.end()
        self.count_calls()
        self._give_ready()
        return self._ready == 0

    def pending_cpus(self) -> list[int]:
        """Return the CPUs that have a pending line."""
        return [cpu for cpu in range(self._cpus) if self._pending[cpu * _FIELDS] != 0]

    def pending_line(self, cpu: int) -> list[int]:
        """Return a CPU's pending line: its number, ts, tid, pid, the code of its comm, sig."""
        return [self._pending[cpu * _FIELDS + i] for i in range(_FIELDS)]

    def restore_line(self, cpu: int, fields: list[int]) -> None:
        """Set a CPU's pending line, as another scanner had it; the code of its comm is one of this scanner."""
        if cpu >= self._cpus:
            self._grow(cpu + 1)
        for i in range(_FIELDS):
            self._pending[cpu * _FIELDS + i] = fields[i]

    def pending(self) -> int:
        """Return how many lines have been read that are not yet of any kind."""
        return len(self.pending_cpus()) + self.opened + int(self.calls.pending())

    # Lines

    def _line(self, start: int, end: int) -> int:
        # The kernel pads the header's comm to 16 bytes, so its minus stands at a place that no comm can move.
        i = start + _COMM
        m = -1
        if i < end and self._buf[i] == _MINUS and not self._has_newline(start):
            self._minus = i
            m = self._header(i)
        if m < 0:
            m = self._loose_header(start)
            if m < 0:
                return self._headerless(start)
        if self.opened:
            self._abandon()
        self.seen_header = True
        if self._fraction:
            self.microseconds += 1
        else:
            self.ticks += 1
        i = self._message(start, m)
        self.after_piece = False
        return i

    def _has_newline(self, start: int) -> bool:
        found = 0
        for i in range(16):  # _COMM, as a number that the compiler knows
            found |= self._buf[start + i] == _NEWLINE
        return found != 0

    def _newline(self, i: int) -> int:
        while self._buf[i] != _NEWLINE:
            i += 1
        return i

    def _at(self, i: int, word: bytes, n: int) -> bool:
        # All bytes at once, and no leaving at the first that differs: the compiler makes one comparison of them.
        if i + n > self._end:
            return False
        differ = 0
        for k in range(n):
            differ |= self._buf[i + k] ^ word[k]
        return differ == 0

    def _blanks(self, i: int) -> int:
        while self._buf[i] == _BLANK or self._buf[i] == _TAB:
            i += 1
        return i

    def _digits(self, i: int) -> int:
        # -> where the digits end, or -1 if there are none, or too many for 64 bits.
        n = 0
        first = i
        c = self._buf[i]
        while _ZERO <= c <= _NINE and i - first < 19:
            n = n * 10 + (c - _ZERO)
            i += 1
            c = self._buf[i]
        self._num = n
        if i == first or i - first > 18:
            return -1
        return i

    def _integer(self, i: int) -> int:
        negative = self._buf[i] == _MINUS
        if negative:
            i += 1
        i = self._digits(i)
        if i < 0:
            return -1
        if negative:
            self._num = -self._num
        if self._num > 2147483647 or self._num < -2147483648:
            return -1
        return i

    # Header: -TID [(TGID)] [CPU] [FLAGS] TIME:

    def _header(self, i: int) -> int:
        # i stands on the minus before the tid; -> where the event's name begins, or -1.
        i = self._digits(i + 1)
        if i < 0 or self._num > 2147483647:
            return -1
        self._tid = self._num
        k = self._blanks(i)
        if k == i:
            return -1
        i = self._tgid(k)
        if i < 0 or self._buf[i] != _BRACKET:
            return -1
        k = i + 1
        i = self._digits(k)
        if i < 0 or i - k < 3 or self._num >= _CPUS or self._buf[i] != _BRACKET_END:
            return -1
        self._cpu = self._num
        k = self._blanks(i + 1)
        if k == i + 1:
            return -1
        return self._time(self._flags(k))

    def _tgid(self, i: int) -> int:
        # Option record-tgid: `(   4779) `, or `(-------) ` if the kernel has forgotten it.
        self._pid = -1
        if self._buf[i] != _OPEN:
            return i
        i = self._blanks(i + 1)
        if self._buf[i] == _MINUS:
            while self._buf[i] == _MINUS:
                i += 1
        else:
            i = self._digits(i)
            if i < 0 or self._num > 2147483647:
                return -1
            self._pid = self._num
        if self._buf[i] != _CLOSE:
            return -1
        return self._blanks(i + 1)

    def _flags(self, i: int) -> int:
        # Option irq-info: four characters or more; off, the time follows at once.
        c = self._buf[i]
        if _ZERO <= c <= _NINE:
            return i
        first = i
        while c != _BLANK and c != _TAB and c != _NEWLINE and i - first < 9:
            i += 1
            c = self._buf[i]
        if i - first < 4 or i - first > 8:
            return -1
        return self._blanks(i)

    def _time(self, i: int) -> int:
        if i < 0:
            return -1
        i = self._digits(i)
        if i < 0:
            return -1
        self._ts = self._num
        if self._buf[i] == _DOT:
            self._fraction = True
            i = self._microseconds(i + 1)
            if i < 0:
                return -1
        else:
            self._fraction = False
        if self._buf[i] != _COLON or self._buf[i + 1] != _BLANK:
            return -1
        return i + 2

    def _microseconds(self, i: int) -> int:
        # Always six digits, taken without a branch between.
        if i + 6 > self._end or self._ts > _SECONDS:
            return -1
        n = 0
        bad = 0
        for k in range(6):
            c = self._buf[i + k]
            bad |= (c < _ZERO) | (c > _NINE)
            n = n * 10 + (c - _ZERO)
        self._ts = self._ts * 1000000 + n
        return -1 if bad else i + 6

    def _loose_header(self, start: int) -> int:
        # A pasted line has lost its padding, and a name with a newline puts its last piece here. The last minus
        # that can be the header's is taken: the ones before it are the comm's own. The event's name is asked for
        # as well, since a comm of 15 bytes has room for a header without one.
        first = self._blanks(start)
        found = -1
        i = first
        while i - first <= _COMM and self._buf[i] != _NEWLINE:
            if self._buf[i] == _MINUS:
                m = self._header(i)
                if m >= 0 and self._event_name(m):
                    found = i
            i += 1
        self._minus = found
        return self._header(found) if found >= 0 else -1

    def _event_name(self, i: int) -> bool:
        first = i
        while self._buf[i] > _BLANK and self._buf[i] != _COLON:
            i += 1
        if i > first and self._buf[i] == _COLON:
            return self._buf[i + 1] == _BLANK
        return self._at(first, b"sys_", 4) and self._at(i, b" -> ", 4)

    # Messages

    def _message(self, start: int, i: int) -> int:
        # -> where the next line begins.
        c = self._buf[i]
        if c == _LOWER_B and self._at(i, b"bpf_trace_printk: ", 18):
            return self._printk(start, i + 18)
        if c == _LOWER_S and self._buf[i + 1] == _LOWER_Y:
            return self._syscall(start, i)
        if c in (_LOWER_S, _LOWER_M):
            return self._event(start, i)
        if c == _LOWER_C:
            return self._cgroup(start, i)
        if c == _ZERO:
            # Before Linux 5.9 bpf_trace_printk had no name: a bare 0x00000001, or 0.
            while self._buf[i] > _BLANK and self._buf[i] != _COLON:
                i += 1
            if self._buf[i] == _COLON and self._buf[i + 1] == _BLANK:
                return self._printk(start, i + 2)
        self.other += 1
        return self._newline(i) + 1

    def _printk(self, start: int, i: int) -> int:
        if self._buf[i] == _LOWER_B and self._at(i, b"bpf_string=", 11):
            i += 11
        if self._buf[i] == _UPPER_P and self._at(i, b"PID ", 4):
            k = self._again(i)
            return k if k != -1 else self._sent(i + 4)
        if self._buf[i] == _LOWER_T and self._at(i, b"to PID ", 7):
            return self._to(start, i + 7)
        if self._buf[i] == _LOWER_S and self._at(i, b"sigtrace ", 9):
            return self._context(start, i + 9)
        self.other += 1
        return self._newline(i) + 1

    def _event(self, start: int, i: int) -> int:
        # The kernel's own events, by the name that begins at i.
        kind = 0
        if self._at(i, b"signal_generate: ", 17):
            kind = _GENERATE
            k = self._numbers(i + 17)
            if k >= 0 and self._at(k, b" comm=", 6):
                k += 6
            else:
                k = -1
        elif self._at(i, b"signal_deliver: ", 16):
            kind = _DELIVER
            k = self._numbers(i + 16)
        elif self._at(i, b"sched_process_exit: comm=", 25):
            kind = _EXIT
            k = i + 25
        elif self._at(i, b"sched_process_fork: comm=", 25):
            kind = _FORK
            k = i + 25
        elif self._at(i, b"sched_process_exec: filename=", 29):
            kind = _EXEC
            k = i + 29
        elif self._at(i, b"mark_victim: pid=", 17):
            kind = _OOM
            k = self._integer(i + 17)
            self.open_sig = self._num
        else:
            self.other += 1
            return self._newline(i) + 1
        if k < 0:
            self.malformed += 1
            return self._newline(i) + 1
        self._open(kind, self._pid)
        self.open_comm = self._header_comm(start)
        return self._name_and_rest(k)

    def _numbers(self, i: int) -> int:
        # sig=%d errno=%d code=%d; -> where they end, or -1.
        if not self._at(i, b"sig=", 4):
            return -1
        i = self._integer(i + 4)
        self.open_sig = self._num
        if i < 0 or not self._at(i, b" errno=", 7):
            return -1
        i = self._integer(i + 7)
        if i < 0 or not self._at(i, b" code=", 6):
            return -1
        i = self._integer(i + 6)
        self.open_code = self._num
        return i

    def _open(self, kind: int, pid: int) -> None:
        self.open_kind = kind
        self.open_line = self.lines
        self.open_cpu = self._cpu
        self.open_ts = self._ts
        self.open_tid = self._tid
        self.open_pid = pid
        self.open_comm = -1  # a code of an older dictionary would name nobody

    def _name_and_rest(self, i: int) -> int:
        # A name, and what follows it to the end of the line; or only a piece of the name, if it holds a newline.
        stop = self._newline(i)
        if not self._ended(i, stop):
            if self.open_kind == _SENT and self.open_cpu < self._cpus and self._pending[self.open_cpu * _FIELDS] != 0:
                self._flush(self.open_cpu)  # what completes this one must not complete that one
            self._cut(i, stop)
        return stop + 1

    def _cut(self, i: int, stop: int) -> None:
        self.opened = True
        self.pieces = bytes(self._buf[i:stop])

    def _ended(self, start: int, stop: int) -> bool:
        # Matched from the right, for a name may say anything. False if the end is not in start:stop.
        stop = self._trim(start, stop)
        if self.open_kind == _SENT:
            i = self._left(start, stop, b") sent signal ", 14)
            if i < 0:
                return False
            sig = self._num
            self.open_comm = self._intern(start, i, self.open_tid)
            self._said_end = i + 14
            self._pend(self.open_comm, sig)
            return True
        if self.open_kind == _GENERATE:
            ended = self._generate(start, stop)
        elif self.open_kind == _DELIVER:
            ended = self._deliver(start)
        elif self.open_kind == _EXIT:
            ended = self._exit(start, stop)
        elif self.open_kind == _FORK:
            ended = self._fork(start, stop)
        elif self.open_kind == _EXEC:
            ended = self._exec(start, stop)
        else:
            ended = self._oom(start, stop)
        return ended

    def _left(self, start: int, stop: int, word: bytes, n: int) -> int:
        # The word and an integer that ends at stop; -> where the word begins, or -1.
        i = stop
        while i > start and _ZERO <= self._buf[i - 1] <= _NINE:
            i -= 1
        if i == stop:
            return -1
        if i > start and self._buf[i - 1] == _MINUS:
            i -= 1
        if i - start < n or not self._at(i - n, word, n) or self._integer(i) != stop:
            return -1
        return i - n

    def _generate(self, start: int, stop: int) -> bool:
        # comm=%s pid=%d grp=%d res=%d
        i = self._left(start, stop, b" res=", 5)
        if i < 0:
            return False
        res = self._num
        i = self._left(start, i, b" grp=", 5)
        if i < 0:
            return False
        grp = self._num
        i = self._left(start, i, b" pid=", 5)
        if i < 0:
            return False
        target = self._num
        row = self._evidence(_GENERATE, self.open_comm)
        self.sig[row] = self.open_sig
        self.code[row] = self.open_code
        self.target[row] = target
        self.target_comm[row] = self._intern(start, i, target)
        self.bit[row] = grp != 0
        self.small[row] = res & 127
        return True

    def _deliver(self, start: int) -> bool:
        # sa_handler=%lx sa_flags=%lx: SIG_DFL is 0, SIG_IGN 1.
        if not self._at(start, b" sa_handler=", 12):
            return self._refused()
        i = start + 12
        while _ZERO <= self._buf[i] <= _NINE or _LOWER_A <= self._buf[i] <= _LOWER_F:
            i += 1
        if i == start + 12 or not self._at(i, b" sa_flags=", 10):
            return self._refused()
        handler = 2
        if i == start + 13 and self._buf[i - 1] <= _ZERO + 1:
            handler = self._buf[i - 1] - _ZERO
        row = self._evidence(_DELIVER, self.open_comm)
        self.sig[row] = self.open_sig
        self.code[row] = self.open_code
        self.small[row] = handler
        return True

    def _exit(self, start: int, stop: int) -> bool:
        # comm=%s pid=%d prio=%d group_dead=true
        kind = _EXIT
        dead = stop - start > 16 and self._at(stop - 16, b" group_dead=true", 16)
        if dead:
            i = stop - 16
        elif stop - start > 17 and self._at(stop - 17, b" group_dead=false", 17):
            i = stop - 17
        elif self.seen[_EXIT] == 0:
            kind = _EXIT + 1
            i = stop
        else:
            return False
        i = self._left(start, i, b" prio=", 6)
        if i < 0:
            return False
        i = self._left(start, i, b" pid=", 5)
        if i < 0 or self._num != self.open_tid:
            return False
        row = self._evidence(kind, self._intern(start, i, self.open_tid))
        self.bit[row] = dead
        return True

    def _fork(self, start: int, stop: int) -> bool:
        # comm=%s pid=%d child_comm=%s child_pid=%d: a child is born with its parent's name (dup_task_struct), and no
        # name has room for all that stands between the two.
        stop = self._left(start, stop, b" child_pid=", 11)
        if stop < 0:
            return False
        target = self._num
        for i in range(start, stop):
            if self._buf[i] == _BLANK and self._at(i, b" pid=", 5):
                k = self._integer(i + 5)
                if 0 <= k < stop and self._at(k, b" child_comm=", 12) and self._same(start, i, k + 12, stop):
                    row = self._evidence(_FORK, self._intern(start, i, self.open_tid))
                    self.target[row] = target
                    self.target_comm[row] = self._intern(k + 12, stop, target)
                    return True
        return False

    def _same(self, start: int, stop: int, other: int, end: int) -> bool:
        if stop - start != end - other:
            return False
        for i in range(stop - start):
            if self._buf[start + i] != self._buf[other + i]:
                return False
        return True

    def _exec(self, start: int, stop: int) -> bool:
        # filename=%s pid=%d old_pid=%d
        i = self._left(start, stop, b" old_pid=", 9)
        if i < 0:
            return False
        target = self._num
        i = self._left(start, i, b" pid=", 5)
        if i < 0:
            return False
        row = self._evidence(_EXEC, self.open_comm)
        self.target[row] = target
        self.filename[row] = self._intern(start, i, target)
        return True

    def _oom(self, start: int, stop: int) -> bool:
        # pid=%d comm=%s total-vm=%lukB ... uid=%u ...; only pid=%d before Linux 6.8
        if start == stop:
            self.target[self._evidence(_OOM + 2, self.open_comm)] = self.open_sig
            return True
        if not self._at(start, b" comm=", 6):
            return self._refused()
        start += 6
        for i in range(stop - 1, start - 1, -1):
            if self._buf[i] == _BLANK and self._at(i, b" total-vm=", 10):
                uid = self._uid(i, stop)
                row = self._evidence(_OOM if uid else _OOM + 1, self.open_comm)
                self.target[row] = self.open_sig
                self.target_comm[row] = self._intern(start, i, self.open_sig)
                if uid:
                    self.code[row] = self._num
                    self.filename[row] = self._intern(i + 1, stop, self.open_sig)
                return True
        return False

    def _uid(self, i: int, stop: int) -> bool:
        # Whether one stands in i:stop; 32 bits, as the column has them.
        while i < stop:
            if self._buf[i] == _BLANK and self._at(i, b" uid=", 5):
                i = self._digits(i + 5)
                if i < 0 or self._num > _WORD:
                    return False
                self._num = self._signed(self._num)
                return True
            i += 1
        return False

    def _signed(self, n: int) -> int:
        return n - _WORD - 1 if n > 2147483647 else n

    def _refused(self) -> bool:
        # An event of a known name and of another form, in which no name can hide a newline.
        self.malformed += 1
        return True

    def _evidence(self, kind: int, comm: int) -> int:
        shape = 4 * kind + (self.open_pid < 0) + 2 * (comm < 0)
        self._row(shape, self.open_cpu, self.open_line, self.open_ts)
        row = self.rows - 1
        self.tid[row] = self.open_tid
        self.pid[row] = self.open_pid
        self.comm[row] = max(comm, 0)
        self.seen[kind] += 1
        return row

    # Lines without a name to match from the right

    def _row_of_line(self, kind: int, start: int) -> int:
        self._open(kind, self._pid)
        return self._evidence(kind, self._header_comm(start))

    def _malformed(self, i: int) -> int:
        self.malformed += 1
        return self._newline(i) + 1

    def _text_end(self, i: int) -> int:
        # A text may end in blanks; only what a paste adds is cut off.
        stop = self._newline(i)
        return stop - 1 if stop > i and self._buf[stop - 1] == _RETURN else stop

    def _context(self, start: int, i: int) -> int:
        if self._at(i, b"exec old=", 9):
            return self._executed(start, i + 9)
        if self._at(i, b"args uid=", 9):
            return self._args(start, i + 9)
        self.other += 1
        return self._newline(i) + 1

    def _executed(self, start: int, i: int) -> int:
        # exec old=%d PATH
        k = self._integer(i)
        old = self._num
        if k < 0 or self._buf[k] != _BLANK:
            return self._malformed(i)
        stop = self._text_end(k + 1)
        row = self._row_of_line(_EXECUTED, start)
        self.target[row] = old
        self.filename[row] = self._intern(k + 1, stop, self._tid)
        return self._newline(stop) + 1

    def _args(self, start: int, i: int) -> int:
        # args uid=%d cgroup=%llu COMMAND, or without the command
        k = self._integer(i)
        uid = self._num
        k = self._digits(k + 8) if k >= 0 and self._at(k, b" cgroup=", 8) else -1
        cgroup = self._num
        stop = self._text_end(k) if k >= 0 else 0
        if k < 0 or (k < stop and self._buf[k] != _BLANK):
            return self._malformed(i)
        told = stop > k + 1
        row = self._row_of_line(_ARGS if told else _ARGS + 1, start)
        self.code[row] = uid
        self.lost[row] = cgroup
        if told:
            self.filename[row] = self._intern(k + 1, stop, self._tid)
        return self._newline(stop) + 1

    def _cgroup(self, start: int, i: int) -> int:
        if self._at(i, b"cgroup_attach_task: dst_root=", 29):
            return self._attach(start, i + 29)
        if self._at(i, b"cgroup_mkdir: root=", 19):
            return self._mkdir(start, i + 19)
        self.other += 1
        return self._newline(i) + 1

    def _cgroup_numbers(self, i: int, prefix: bytes, n: int) -> int:
        # ROOT id=%llu level=%d path=, each word with the prefix; -> where the path begins, or -1. _num is the id.
        i = self._digits(i)
        if i < 0 or self._buf[i] != _BLANK or not self._at(i + 1, prefix, n) or not self._at(i + 1 + n, b"id=", 3):
            return -1
        i = self._digits(i + n + 4)
        number = self._num
        if i < 0 or self._buf[i] != _BLANK or not self._at(i + 1, prefix, n) or not self._at(i + 1 + n, b"level=", 6):
            return -1
        i = self._digits(i + n + 7)
        if i < 0 or self._buf[i] != _BLANK or not self._at(i + 1, prefix, n) or not self._at(i + 1 + n, b"path=", 5):
            return -1
        self._num = number
        return i + n + 6

    def _attach(self, start: int, i: int) -> int:
        # dst_root=%d dst_id=%llu dst_level=%d dst_path=%s pid=%d comm=%s: what a path and a name may say is bounded
        # by the name's length only. If they can be parted in two ways, neither is taken.
        path = self._cgroup_numbers(i, b"dst_", 4)
        if path < 0:
            return self._malformed(i)
        cgroup = self._num
        end = self._newline(path)
        stop = self._trim(path, end)
        ways = path_end = comm = pid = 0
        for k in range(path, stop):
            if self._buf[k] == _BLANK and self._at(k, b" pid=", 5):
                m = self._integer(k + 5)
                if m >= 0 and self._at(m, b" comm=", 6) and stop - m - 6 < _COMM:
                    ways += 1
                    path_end = k
                    comm = m + 6
                    pid = self._num
        if ways != 1:
            return self._malformed(i)
        row = self._row_of_line(_ATTACH, start)
        self.target[row] = pid
        self.target_comm[row] = self._intern(comm, stop, pid)
        self.filename[row] = self._intern(path, path_end, pid)
        self.lost[row] = cgroup
        return end + 1

    def _mkdir(self, start: int, i: int) -> int:
        # root=%d id=%llu level=%d path=%s
        path = self._cgroup_numbers(i, b"", 0)
        if path < 0:
            return self._malformed(i)
        cgroup = self._num
        stop = self._text_end(path)
        row = self._row_of_line(_MKDIR, start)
        self.filename[row] = self._intern(path, stop, self._tid)
        self.lost[row] = cgroup
        return self._newline(stop) + 1

    # System calls

    def _syscall(self, start: int, i: int) -> int:
        if self._at(i, b"sys_exit_group(", 15):
            return self._status(_EXIT_GROUP, start, i + 15)
        if self._at(i, b"sys_exit(", 9):
            return self._status(_EXIT_THREAD, start, i + 9)
        k = -1
        if self._at(i, b"sys_kill", 8):
            k = i + 8
        elif self._at(i, b"sys_tkill", 9):
            k = i + 9
        elif self._at(i, b"sys_tgkill", 10):
            k = i + 10
        if k >= 0:
            if self._buf[k] == _OPEN:
                return self._call(start, i, k)
            if self._at(k, b" -> ", 4):
                return self._return(start, i, k)
        self.other += 1
        return self._newline(i) + 1

    def _hexadecimal(self, i: int) -> int:
        # Of a number the lower 32 bits, signed. 0x stands before it on newer kernels, and only from 10 on.
        if self._buf[i] == _MINUS:
            return self._integer(i)
        if self._at(i, b"0x", 2):
            i += 2
        n = 0
        first = i
        c = self._buf[i]
        while i - first < 17 and (_ZERO <= c <= _NINE or _LOWER_A <= c <= _LOWER_F):
            n = (n * 16 + (c - _ZERO if c <= _NINE else c - _LOWER_A + 10)) & _WORD
            i += 1
            c = self._buf[i]
        self._num = self._signed(n)
        if i == first or i - first > 16:
            return -1
        return i

    def _argument(self, i: int, word: bytes, n: int) -> int:
        # `sig: 9`, or with option verbose `int sig: 9`; -> where the number ends, or -1.
        if self._at(i, b"pid_t ", 6):
            i += 6
        elif self._at(i, b"int ", 4):
            i += 4
        if not self._at(i, word, n):
            return -1
        return self._hexadecimal(i + n)

    def _line_ends(self, i: int) -> bool:
        return self._trim(i, self._newline(i)) == i

    def _status(self, kind: int, start: int, i: int) -> int:
        # error_code: %lx)
        k = self._argument(i, b"error_code: ", 12)
        status = self._num & 255
        if k < 0 or self._buf[k] != _CLOSE or not self._line_ends(k + 1):
            return self._malformed(i)
        self.code[self._row_of_line(kind, start)] = status
        return self._newline(k) + 1

    def _call(self, start: int, i: int, k: int) -> int:
        # sys_kill(pid: %lx, sig: %lx), sys_tgkill(tgid: %lx, pid: %lx, sig: %lx)
        m = k + 1
        if self._buf[i + 5] == _LOWER_G:
            m = self._argument(m, b"tgid: ", 6)
            if m < 0 or not self._at(m, b", ", 2):
                return self._malformed(i)
            m += 2
        m = self._argument(m, b"pid: ", 5)
        target = self._num
        if m < 0 or not self._at(m, b", ", 2):
            return self._malformed(i)
        m = self._argument(m + 2, b"sig: ", 5)
        if m < 0 or self._buf[m] != _CLOSE or not self._line_ends(m + 1):
            return self._malformed(i)
        self._enter(start, i, k, target, self._num)
        return self._newline(m) + 1

    def _return(self, start: int, i: int, k: int) -> int:
        # sys_kill -> 0x%lx
        m = self._hexadecimal(k + 4)
        if m < 0 or not self._line_ends(m):
            return self._malformed(i)
        self._leave(start, i, k, self._num)
        return self._newline(m) + 1

    def _enter(self, start: int, i: int, k: int, target: int, sig: int) -> None:
        name, comm = bytes(self._buf[i:k]).decode(), self._caller(start)
        at = (self.lines, self._ts, self._cpu, self._tid, self._pid)
        self.calls.entered(Call(name, *at, comm, sig, target))
        self.count_calls()

    def _leave(self, start: int, i: int, k: int, ret: int) -> None:
        name, comm = bytes(self._buf[i:k]).decode(), self._caller(start)
        at = (self.lines, self._ts, self._cpu, self._tid, self._pid)
        self.calls.returned(Call(name, *at, comm, ret=ret))
        self.count_calls()

    def _caller(self, start: int) -> str | None:
        code = self._header_comm(start)
        return None if code < 0 else self.names[code]

    def count_calls(self) -> None:
        """Count the threads of which `calls` keeps a call, and the calls that are ready to be rows."""
        self._threads = len(self.calls)
        self._ready = len(self.calls.ready)

    def _lose_calls(self, cpu: int) -> None:
        self.calls.lose(cpu)
        self.count_calls()

    def _count_kernel_call(self, sig: int, target: int, ret: int) -> None:
        self.calls.seen(self._tid, sig, target, ret)
        self.count_calls()

    def _give_ready(self) -> None:
        while self._ready != 0 and self.rows < self.capacity:
            call = self.calls.ready.popleft()
            self._ready -= 1
            kind = _KILL if call.whole else _ENTERED if call.ret is None else _RETURNED
            self._row(4 * kind + (call.pid < 0) + 2 * (call.comm is None), call.cpu, call.line, call.ts)
            row = self.rows - 1
            self.tid[row] = call.tid
            self.pid[row] = call.pid
            self.comm[row] = 0 if call.comm is None else self.intern_name(call.comm)
            self.sig[row] = call.sig or 0
            self.target[row] = call.target or 0
            self.ret[row] = call.ret or 0
            self.kill += 2 * call.whole
            self.half += not call.whole

    # The program's two lines

    def _sent(self, i: int) -> int:
        # PID %d (%s) sent signal %d
        k = self._integer(i)
        if k < 0 or self._num < 0 or self._buf[k] != _BLANK or self._buf[k + 1] != _OPEN:
            self.other += 1
            return self._newline(i) + 1
        self._open(_SENT, self._num)
        k = self._name_and_rest(k + 2)
        if not self.opened:
            self._keep_said(i - 4)
        return k

    def _again(self, i: int) -> int:
        # What this thread said last, and all that must follow it up to the end of the line: what is matched from the
        # right would be the same. -> where the next line begins, or -1.
        slot = self._tid & (_SLOTS - 1)
        n = self._said_len[slot]
        if n == 0 or i + _SAID > self._end:
            return -1
        differ = 0
        for k in range(48):  # _SAID, as a number that the compiler knows; all bytes at once, as in _at
            differ |= (self._buf[i + k] ^ self._said_bytes[slot * 48 + k]) & self._only[n * 48 + k]
        if differ != 0:
            return -1
        i = self._integer(i + n)
        if i < 0 or self._buf[i] != _BLANK or self._buf[i + 1] != _NEWLINE:
            return -1
        self._open(_SENT, self._said_pid[slot])
        self._pend(self._said_comm[slot], self._num)
        return i + 2

    def _keep_said(self, start: int) -> None:
        n = self._said_end - start
        slot = self._tid & (_SLOTS - 1)
        self._said_len[slot] = 0
        if n <= _SAID:
            for k in range(n):
                self._said_bytes[slot * _SAID + k] = self._buf[start + k]
            self._said_len[slot] = n
            self._said_pid[slot] = self.open_pid
            self._said_comm[slot] = self.open_comm

    def _trim(self, start: int, stop: int) -> int:
        while stop > start and (
            self._buf[stop - 1] == _BLANK or self._buf[stop - 1] == _RETURN or self._buf[stop - 1] == _TAB
        ):
            stop -= 1
        return stop

    def _to(self, start: int, i: int) -> int:
        # to PID %d, ret = %d
        k = self._integer(i)
        if k < 0:
            self.other += 1
            return self._newline(i) + 1
        target = self._num
        if self._at(k, b", ret = ", 8):
            k = self._integer(k + 8)
            if k >= 0 and (self._buf[k] == _NEWLINE or self._trim(k, self._newline(k)) == k):
                self._complete(start, target, self._num)
                return self._newline(k) + 1
        self.malformed += 1
        return self._newline(i) + 1

    # Stitching

    def _pend(self, comm: int, sig: int) -> None:
        cpu = self.open_cpu
        if cpu >= self._cpus:
            self._grow(cpu + 1)
        at = cpu * _FIELDS
        if self._pending[at] != 0:
            self._flush(cpu)
        self._pending[at] = self.open_line
        self._pending[at + 1] = self.open_ts
        self._pending[at + 2] = self.open_tid
        self._pending[at + 3] = self.open_pid
        self._pending[at + 4] = comm
        self._pending[at + 5] = sig

    def _complete(self, start: int, target: int, ret: int) -> None:
        # The two lines of a call come from one CPU, next to each other in its stream; a tid dictionary across a
        # loss would join the first line of one call to the second of another.
        cpu = self._cpu
        if cpu >= self._cpus:
            self._grow(cpu + 1)
        at = cpu * _FIELDS
        if self._pending[at] != 0 and self._pending[at + 2] == self._tid:
            sig = self._pending[at + 5]
            self._take(cpu, 4 * _KILL, target, ret)
            self.kill += 2
            if self._threads != 0:
                self._count_kernel_call(sig, target, ret)
        else:
            if self._pending[at] != 0:
                self._flush(cpu)
            comm = self._header_comm(start)
            self._row(4 * _TO + (self._pid < 0) + 2 * (comm < 0), cpu, self.lines, self._ts)
            row = self.rows - 1
            self.tid[row] = self._tid
            self.pid[row] = self._pid
            self.comm[row] = max(comm, 0)
            self.target[row] = target
            self.ret[row] = ret
            self.half += 1

    def _flush(self, cpu: int) -> None:
        self._take(cpu, 4 * _SENT, 0, 0)
        self.half += 1

    def _take(self, cpu: int, shape: int, target: int, ret: int) -> None:
        at = cpu * _FIELDS
        self._row(shape, cpu, self._pending[at], self._pending[at + 1])
        row = self.rows - 1
        self.tid[row] = self._pending[at + 2]
        self.pid[row] = self._pending[at + 3]
        self.comm[row] = self._pending[at + 4]
        self.sig[row] = self._pending[at + 5]
        self.target[row] = target
        self.ret[row] = ret
        self._pending[at] = 0

    def _row(self, shape: int, cpu: int, line: int, ts: int) -> None:
        row = self.rows
        self.shape[row] = shape
        self.cpu[row] = cpu
        self.line[row] = line
        self.ts[row] = ts
        self.time[row] = ts + self._utc_offset_us
        self.rows = row + 1

    def _grow(self, cpus: int) -> None:
        cpus = max(cpus, 2 * self._cpus)
        grown = memoryview(bytearray(8 * _FIELDS * cpus)).cast("q")
        for i in range(self._cpus * _FIELDS):
            grown[i] = self._pending[i]
        self._pending = grown
        self._cpus = cpus

    # Lines without a header

    def _headerless(self, start: int) -> int:
        stop = self._newline(start)
        i = self._blanks(start)
        if self._at(i, b"CPU:", 4) and self._loss(i + 4, stop):
            return stop + 1
        self.after_piece = True
        if self.opened:
            self._continue(start, stop)
            return stop + 1
        c = self._buf[start]
        if c == _HASH:
            self.comment += 1
        elif self._trim(start, stop) == start:
            self.blank += 1
        elif self._unstitchable(bytes(self._buf[start:stop])):
            self.unstitchable += 1
        elif self.seen_header:
            # A piece of the record before, or of the name in the next one's header.
            self.continuation += 1
        else:
            self.malformed += 1
        return stop + 1

    def _loss(self, i: int, stop: int) -> bool:
        # CPU:%d [LOST %lu EVENTS], or CPU:%d [LOST EVENTS] if the kernel cannot say how many.
        i = self._digits(i)
        if i < 0 or self._num >= _CPUS or not self._at(i, b" [LOST ", 7):
            return False
        cpu = self._num
        i += 7
        count = -1
        k = self._digits(i)
        if k >= 0:
            if self._buf[k] != _BLANK:
                return False
            count = self._num
            i = k + 1
        if not self._at(i, b"EVENTS]", 7) or self._trim(i, stop) != i + 7:
            return False
        self._abandon()
        self.after_piece = False
        if self._threads != 0:
            self._lose_calls(cpu)
        if cpu >= self._cpus:
            self._grow(cpu + 1)
        if self._pending[cpu * _FIELDS] != 0:
            self._flush(cpu)
        self._row(4 * (_LOST + (count < 0)), cpu, self.lines, 0)
        self.lost[self.rows - 1] = count
        self.losses += 1
        if count >= 0:
            self.lost_by_cpu[cpu] = self.lost_by_cpu.get(cpu, 0) + count
        else:
            self.lost_unknown[cpu] = self.lost_unknown.get(cpu, 0) + 1
        self.seen_header = True
        return True

    def _continue(self, start: int, stop: int) -> None:
        # A newline in the name has cut the message: `PID 7 (nl`, `x) sent signal 0 `.
        self.continuation += 1
        self.pieces += b"\n" + bytes(self._buf[start:stop])
        n = len(self.pieces)
        if n > _PIECES:
            self._abandon()
        else:
            block, end = self._buf, self._end
            self._buf = self.pieces + b"\n"
            self._end = n + 1
            if self._ended(0, n):
                self.opened = False
                self.pieces = b""
            self._buf, self._end = block, end

    def _abandon(self) -> None:
        # The rest of an opened message never came.
        if self.opened:
            self.opened = False
            self.pieces = b""
            self.malformed += 1

    def _unstitchable(self, line: bytes) -> bool:
        option = layouts.option_of(line)
        if option is not None:
            self.layouts.add(option)
        return option is not None

    # Names

    def _header_comm(self, start: int) -> int:
        # `<...>` is the kernel's word for a name it has forgotten; a name in pieces is not all here.
        stop = self._minus
        if self.after_piece and stop != start + _COMM:
            return -1
        first = self._blanks(start)
        first = min(first, stop)
        if stop - first == 5 and self._at(first, b"<...>", 5):
            return -1
        return self._intern(first, stop, self._tid)

    def _intern(self, start: int, stop: int, tid: int) -> int:
        # A thread seldom renames itself: the last name of a tid is compared before the dictionary is asked.
        n = stop - start
        slot = tid & (_SLOTS - 1)
        at = slot * _COMM
        if n <= _COMM and self._name_len[slot] == n + 1:
            k = 0
            while k < n and self._name_bytes[at + k] == self._buf[start + k]:
                k += 1
            if k == n:
                return self._name_code[slot]
        return self._intern_new(start, stop, tid)

    def _intern_new(self, start: int, stop: int, tid: int) -> int:
        n = stop - start
        slot = tid & (_SLOTS - 1)
        at = slot * _COMM
        key = bytes(self._buf[start:stop])
        code = self.intern_name(key.decode("utf-8", "backslashreplace"))
        if n <= _COMM:
            self._name_len[slot] = n + 1
            for k in range(n):
                self._name_bytes[at + k] = self._buf[start + k]
            self._name_code[slot] = code
        return code

    def intern_name(self, name: str) -> int:
        """Return the code that stands for a name in the columns."""
        code = self._codes.get(name)
        if code is None:
            code = len(self.names)
            self.names.append(name)
            self.letters += len(name)
            self._codes[name] = code
        return code

    def _restart_names(self) -> None:
        # So that a stream of ever new names keeps memory flat; what is pending takes its name along.
        names = self.names
        self.names = []
        self.letters = 0
        self._codes = {}
        self._name_len = memoryview(bytearray(_SLOTS))
        self._said_len = memoryview(bytearray(_SLOTS))
        if self.opened and self.open_comm >= 0:
            self.open_comm = self.intern_name(names[self.open_comm])
        for cpu in self.pending_cpus():
            at = cpu * _FIELDS + 4
            self._pending[at] = self.intern_name(names[self._pending[at]])
