# cython: language_level=3, annotation_typing=False
# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The hot loop of parse: whole lines of a trace_pipe log become columns.

One grammar, in Python. Where a C compiler is at hand when the package is built, Cython compiles it with the
types of scan.pxd; where none is, it runs as it stands here: the same source, the same rows. The types stand in
scan.pxd because `long long[::1]` is no type to a Python type checker, and so that nobody needs Cython to run it.

Everything in a block may be an attacker's choice. A block ends with a newline, every walk to the right stops at one,
and every walk to the left at the start of its line, so nothing is read outside of it. Interpreted, Python checks that
anew at each byte; compiled, the checks would cost a third of the speed, and the property tests run both.
"""

from __future__ import annotations

import re

SHAPES = ("kill", "kill_half", "kill_half", "lost")
"""The event's name by the code that stands in column `event`; a half is of one shape or of the other."""

_KILL = 0
_SENT_HALF = 1
_TO_HALF = 2
_LOST = 3

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
_UPPER_C = 67
_UPPER_P = 80
_BRACKET = 91
_BRACKET_END = 93
_LOWER_B = 98
_LOWER_T = 116

_COMM = 16  # TASK_COMM_LEN, and the width of the header's first column
_PIECES = 256  # a first half in pieces is never longer: 15 bytes of comm and three numbers
_SECONDS = 9_000_000_000_000  # in microseconds still 64 bits
_CPUS = 65536  # more than any Linux has; bounds the state that a forged line can claim
_NAMES = 65536  # names kept from batch to batch
_SLOTS = 4096  # of the cache from tid to name

# One pending line a CPU: line (0: none), ts, tid, pid, comm, sig.
_FIELDS = 6

# Our lines under headers that name no CPU and tid to stitch by, each named by the option that makes it.
_OURS = rb"(bpf_string=)?(PID \d+ \(.*\) sent signal -?\d+|to PID -?\d+, ret = -?\d+)[ \t\r]*$"
_FOREIGN = tuple(
    (option, re.compile(header + _OURS, re.DOTALL))
    for option, header in (
        ("latency-format", rb"\s*.{0,16}-\d+ +\d+\S+ +\d+us\W*: \w+: "),
        ("verbose", rb".*\[[0-9a-f]+\] \d+\.\d+ms \(\+\d+\.\d+ms\): \w+: "),
        ("context-info", rb"\s*(\w+: )?"),
    )
)


class Scanner:
    """Scan blocks of whole lines into columns, stitching the two lines of a call by CPU.

    State is one pending line a CPU, and the pieces of the one record that a newline in a name has cut. Columns are
    memoryviews over bytearrays, of `capacity` rows; `rows` of them are filled.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.lines = 0
        self.other = self.continuation = self.comment = self.blank = self.malformed = self.unstitchable = 0
        self.kill = self.half = self.losses = 0
        self.microseconds = self.ticks = 0
        self.lost_by_cpu: dict[int, int] = {}
        self.lost_unknown: dict[int, int] = {}
        self.layouts: set[str] = set()
        self._cpus = 0
        self._pending = memoryview(bytearray()).cast("q")
        self._grow(64)
        self.names: list[str] = []
        self._codes: dict[str, int] = {}
        self._name_len = memoryview(bytearray(_SLOTS))
        self._name_bytes = memoryview(bytearray(_SLOTS * _COMM))
        self._name_code = memoryview(bytearray(_SLOTS * 4)).cast("i")
        self._opened = False
        self._pieces = b""
        self._after_piece = False
        self._seen_header = False
        self._num = 0
        self._cpu = self._tid = self._pid = self._ts = 0
        self._open_line = self._open_cpu = self._open_tid = self._open_pid = self._open_ts = 0
        self._buf = b""
        self.new_columns()

    def new_columns(self) -> None:
        """Begin a batch: columns of their own memory, and room for names."""
        if len(self.names) > _NAMES:
            self._restart_names()
        n = self.capacity
        self.rows = 0
        self.ts = memoryview(bytearray(8 * n)).cast("q")
        self.cpu = memoryview(bytearray(4 * n)).cast("i")
        self.event = memoryview(bytearray(n)).cast("b")
        self.tid = memoryview(bytearray(4 * n)).cast("i")
        self.pid = memoryview(bytearray(4 * n)).cast("i")
        self.comm = memoryview(bytearray(4 * n)).cast("i")
        self.sig = memoryview(bytearray(4 * n)).cast("i")
        self.target = memoryview(bytearray(4 * n)).cast("i")
        self.ret = memoryview(bytearray(4 * n)).cast("i")
        self.line = memoryview(bytearray(8 * n)).cast("q")
        self.lost = memoryview(bytearray(8 * n)).cast("q")

    def scan(self, block: bytes, start: int, end: int) -> int:
        """Scan the lines of block[start:end]; return where it stopped: `end`, or before, where the batch is full."""
        self._buf = block
        i = start
        while i < end and self.rows + 2 <= self.capacity:
            self.lines += 1
            i = self._line(i, end)
        return i

    def skip_line(self) -> None:
        """Count a line that was too long to keep."""
        self._abandon()
        self.lines += 1
        self.malformed += 1

    def finish(self) -> bool:
        """End the log: what is pending becomes halves, in the order of their lines. False where the batch is full."""
        self._abandon()
        for _, cpu in sorted((self._pending[cpu * _FIELDS], cpu) for cpu in self._pending_cpus()):
            if self.rows == self.capacity:
                return False
            self._flush(cpu)
        return True

    def pending(self) -> int:
        """Return how many lines are read and not yet of any kind."""
        return len(self._pending_cpus()) + self._opened

    def _pending_cpus(self) -> list[int]:
        return [cpu for cpu in range(self._cpus) if self._pending[cpu * _FIELDS] != 0]

    # Lines

    def _line(self, start: int, end: int) -> int:
        # The kernel pads the header's comm to 16 bytes, so its minus stands at a place that no comm can move.
        i = start + _COMM
        m = -1
        if i < end and self._buf[i] == _MINUS and not self._has_newline(start, i):
            m = self._header(i)
        if m < 0:
            m = self._loose_header(start)
            if m < 0:
                return self._headerless(start)
        if self._opened:
            self._abandon()
        self._seen_header = True
        i = self._message(start, m)
        self._after_piece = False
        return i

    def _has_newline(self, start: int, end: int) -> bool:
        for i in range(start, end):
            if self._buf[i] == _NEWLINE:
                return True
        return False

    def _newline(self, i: int) -> int:
        while self._buf[i] != _NEWLINE:
            i += 1
        return i

    def _at(self, i: int, word: bytes, n: int) -> bool:
        # A block ends with a newline and no word holds one: a mismatch comes before the end of the buffer.
        for k in range(n):
            if self._buf[i + k] != word[k]:
                return False
        return True

    def _blanks(self, i: int) -> int:
        while self._buf[i] == _BLANK or self._buf[i] == _TAB:
            i += 1
        return i

    def _digits(self, i: int) -> int:
        # -> where the digits end, or -1 where there are none or too many for 64 bits.
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
        # Option record-tgid: `(   4779) `, or `(-------) ` where the kernel has forgotten it.
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
        ts = self._num
        if self._buf[i] == _DOT:
            k = self._digits(i + 1)
            if k - i != 7 or ts > _SECONDS:
                return -1
            i = k
            self._ts = ts * 1000000 + self._num
            fraction = True
        else:
            self._ts = ts
            fraction = False
        if self._buf[i] != _COLON or self._buf[i + 1] != _BLANK:
            return -1
        if fraction:
            self.microseconds += 1
        else:
            self.ticks += 1
        return i + 2

    def _loose_header(self, start: int) -> int:
        # A pasted line has lost its padding, and a name with a newline puts its last piece here. The last minus
        # that can be the header's is taken: the ones before it are the comm's own. The event's name is asked for
        # as well, since a comm of 15 bytes has room for a header without one.
        first = self._blanks(start)
        found = -1
        i = first
        while i - first <= _COMM and self._buf[i] != _NEWLINE:
            if self._buf[i] == _MINUS:
                microseconds = self.microseconds
                ticks = self.ticks
                m = self._header(i)
                if m >= 0 and not self._event_name(m):
                    m = -1
                if m < 0 or found >= 0:
                    self.microseconds = microseconds
                    self.ticks = ticks
                if m >= 0:
                    found = i
            i += 1
        if found < 0:
            return -1
        microseconds = self.microseconds
        ticks = self.ticks
        m = self._header(found)
        self.microseconds = microseconds
        self.ticks = ticks
        return m

    def _event_name(self, i: int) -> bool:
        first = i
        while self._buf[i] > _BLANK and self._buf[i] != _COLON:
            i += 1
        return i > first and self._buf[i] == _COLON and self._buf[i + 1] == _BLANK

    # Messages

    def _message(self, start: int, i: int) -> int:
        # -> where the next line begins.
        c = self._buf[i]
        if c == _LOWER_B and self._at(i, b"bpf_trace_printk: ", 18):
            i += 18
        elif c == _ZERO:
            # Before Linux 5.9 bpf_trace_printk had no name: a bare 0x00000001, or 0.
            while self._buf[i] > _BLANK and self._buf[i] != _COLON:
                i += 1
            if self._buf[i] != _COLON or self._buf[i + 1] != _BLANK:
                self.other += 1
                return self._newline(i) + 1
            i += 2
        else:
            self.other += 1
            return self._newline(i) + 1
        c = self._buf[i]
        if c == _LOWER_B and self._at(i, b"bpf_string=", 11):
            i += 11
            c = self._buf[i]
        if c == _UPPER_P and self._at(i, b"PID ", 4):
            return self._sent(i + 4)
        if c == _LOWER_T and self._at(i, b"to PID ", 7):
            return self._to(start, i + 7)
        self.other += 1
        return self._newline(i) + 1

    def _sent(self, i: int) -> int:
        # PID %d (%s) sent signal %d
        k = self._integer(i)
        if k < 0 or self._buf[k] != _BLANK or self._buf[k + 1] != _OPEN:
            self.other += 1
            return self._newline(i) + 1
        if self._num < 0:
            self.other += 1
            return self._newline(i) + 1
        self._open_line = self.lines
        self._open_cpu = self._cpu
        self._open_ts = self._ts
        self._open_tid = self._tid
        self._open_pid = self._num
        k += 2
        stop = self._newline(k)
        close = self._close(k, stop)
        if close > k + _PIECES:
            self.malformed += 1
        elif close >= 0:
            self._pend(self._intern(k, close, self._open_tid))
        else:
            self._opened = True
            self._pieces = bytes(self._buf[k:stop])
        return stop + 1

    def _close(self, start: int, stop: int) -> int:
        # Matched from the right: the comm before it may say anything. -> where the comm ends, or -1.
        stop = self._trim(start, stop)
        i = stop
        while i > start and _ZERO <= self._buf[i - 1] <= _NINE:
            i -= 1
        if i == stop:
            return -1
        if i > start and self._buf[i - 1] == _MINUS:
            i -= 1
        if i - start < 14 or not self._at(i - 14, b") sent signal ", 14) or self._integer(i) != stop:
            return -1
        return i - 14

    def _trim(self, start: int, stop: int) -> int:
        while stop > start and (
            self._buf[stop - 1] == _BLANK or self._buf[stop - 1] == _RETURN or self._buf[stop - 1] == _TAB
        ):
            stop -= 1
        return stop

    def _to(self, start: int, i: int) -> int:
        # to PID %d, ret = %d
        stop = self._newline(i)
        k = self._integer(i)
        if k < 0:
            self.other += 1
            return stop + 1
        target = self._num
        if not self._at(k, b", ret = ", 8):
            self.malformed += 1
            return stop + 1
        k = self._integer(k + 8)
        if k < 0 or self._trim(k, stop) != k:
            self.malformed += 1
            return stop + 1
        self._complete(start, target, self._num)
        return stop + 1

    # Stitching

    def _pend(self, comm: int) -> None:
        cpu = self._open_cpu
        if cpu >= self._cpus:
            self._grow(cpu + 1)
        at = cpu * _FIELDS
        if self._pending[at] != 0:
            self._flush(cpu)
        self._pending[at] = self._open_line
        self._pending[at + 1] = self._open_ts
        self._pending[at + 2] = self._open_tid
        self._pending[at + 3] = self._open_pid
        self._pending[at + 4] = comm
        self._pending[at + 5] = self._num

    def _complete(self, start: int, target: int, ret: int) -> None:
        # The two lines of a call come from one CPU, next to each other in its stream; a tid dictionary across a
        # loss would join the first line of one call to the second of another.
        cpu = self._cpu
        if cpu >= self._cpus:
            self._grow(cpu + 1)
        at = cpu * _FIELDS
        if self._pending[at] != 0 and self._pending[at + 2] == self._tid:
            self._take(cpu, _KILL, target, ret)
            self.kill += 2
            return
        if self._pending[at] != 0:
            self._flush(cpu)
        self._row(_TO_HALF, cpu, self.lines, self._ts)
        row = self.rows - 1
        self.tid[row] = self._tid
        self.pid[row] = self._pid
        self.comm[row] = self._header_comm(start)
        self.target[row] = target
        self.ret[row] = ret
        self.half += 1

    def _flush(self, cpu: int) -> None:
        self._take(cpu, _SENT_HALF, 0, 0)
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
        self.event[row] = shape
        self.cpu[row] = cpu
        self.line[row] = line
        self.ts[row] = ts
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
        if self._at(start, b"CPU:", 4) and self._loss(start + 4, stop):
            return stop + 1
        if self._opened:
            self._continue(start, stop)
            return stop + 1
        c = self._buf[start]
        if c == _HASH:
            self.comment += 1
        elif self._trim(start, stop) == start:
            self.blank += 1
        elif self._unstitchable(bytes(self._buf[start:stop])):
            self.unstitchable += 1
        elif self._seen_header:
            # A piece of the record before, or of the name in the next one's header.
            self.continuation += 1
            self._after_piece = True
        else:
            self.malformed += 1
            self._after_piece = True
        return stop + 1

    def _loss(self, i: int, stop: int) -> bool:
        # CPU:%d [LOST %lu EVENTS], or CPU:%d [LOST EVENTS] where the kernel cannot say how many.
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
        if cpu >= self._cpus:
            self._grow(cpu + 1)
        if self._pending[cpu * _FIELDS] != 0:
            self._flush(cpu)
        self._row(_LOST, cpu, self.lines, 0)
        self.lost[self.rows - 1] = count
        self.losses += 1
        if count >= 0:
            self.lost_by_cpu[cpu] = self.lost_by_cpu.get(cpu, 0) + count
        else:
            self.lost_unknown[cpu] = self.lost_unknown.get(cpu, 0) + 1
        self._seen_header = True
        return True

    def _continue(self, start: int, stop: int) -> None:
        # A newline in the name has cut the message: `PID 7 (nl`, `x) sent signal 0 `.
        self.continuation += 1
        self._pieces += b"\n" + bytes(self._buf[start:stop])
        n = len(self._pieces)
        if n > _PIECES:
            self._abandon()
            return
        block = self._buf
        self._buf = self._pieces + b"\n"
        close = self._close(0, n)
        comm = self._intern(0, close, self._open_tid) if close >= 0 else -1
        self._buf = block
        if close >= 0:
            self._opened = False
            self._pieces = b""
            self._pend(comm)

    def _abandon(self) -> None:
        # The rest of an opened message never came.
        if self._opened:
            self._opened = False
            self._pieces = b""
            self.malformed += 1

    def _unstitchable(self, line: bytes) -> bool:
        for option, layout in _FOREIGN:
            if layout.match(line):
                self.layouts.add(option)
                return True
        return False

    # Names

    def _header_comm(self, start: int) -> int:
        # `<...>` is the kernel's word for a name it has forgotten; a name in pieces is not all here.
        if self._after_piece:
            return -1
        first = self._blanks(start)
        stop = start + _COMM
        if self._buf[stop] != _MINUS:
            stop = first
            while self._buf[stop] != _MINUS:
                stop += 1
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
        key = bytes(self._buf[start:stop])
        code = self._intern_bytes(key)
        if n <= _COMM:
            self._name_len[slot] = n + 1
            for k in range(n):
                self._name_bytes[at + k] = self._buf[start + k]
            self._name_code[slot] = code
        return code

    def _intern_bytes(self, key: bytes) -> int:
        name = key.decode("utf-8", "backslashreplace")
        code = self._codes.get(name)
        if code is None:
            code = len(self.names)
            self.names.append(name)
            self._codes[name] = code
        return code

    def _restart_names(self) -> None:
        # So that a stream of ever new names keeps memory flat; what is pending takes its name along.
        names = self.names
        self.names = []
        self._codes = {}
        self._name_len = memoryview(bytearray(_SLOTS))
        for cpu in range(self._cpus):
            at = cpu * _FIELDS
            if self._pending[at] != 0:
                name = names[self._pending[at + 4]]
                self._pending[at + 4] = self._codes.setdefault(name, len(self.names))
                if self._pending[at + 4] == len(self.names):
                    self.names.append(name)
