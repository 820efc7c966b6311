# The C types of scan.py, for Cython. scan.py runs without them; see there.
cimport cython

cdef int _KILL, _SENT_HALF, _TO_HALF, _LOST
cdef int _NEWLINE, _TAB, _RETURN, _BLANK, _HASH, _OPEN, _CLOSE, _MINUS, _DOT, _ZERO, _NINE, _COLON
cdef int _UPPER_C, _UPPER_P, _BRACKET, _BRACKET_END, _LOWER_B, _LOWER_T
cdef long long _SECONDS
cdef int _COMM, _PIECES, _CPUS, _NAMES, _SLOTS, _FIELDS


cdef class Scanner:
    cdef readonly Py_ssize_t capacity, rows
    cdef readonly long long lines, other, continuation, comment, blank, malformed, unstitchable
    cdef readonly long long kill, half, losses, microseconds, ticks
    cdef readonly dict lost_by_cpu, lost_unknown
    cdef readonly set layouts
    cdef readonly list names
    cdef dict _codes

    cdef readonly long long[::1] ts, line, lost
    cdef readonly int[::1] cpu, tid, pid, comm, sig, target, ret
    cdef readonly signed char[::1] event

    cdef const unsigned char[::1] _buf
    cdef Py_ssize_t _cpus
    cdef long long[::1] _pending
    cdef unsigned char[::1] _name_len, _name_bytes
    cdef int[::1] _name_code
    cdef bint _opened, _after_piece, _seen_header
    cdef bytes _pieces
    cdef long long _num, _ts, _open_line, _open_ts
    cdef int _cpu, _tid, _pid, _open_cpu, _open_tid, _open_pid

    cpdef new_columns(self)

    cdef list _pending_cpus(self)

    @cython.locals(i=Py_ssize_t)
    cpdef Py_ssize_t scan(self, const unsigned char[::1] block, Py_ssize_t start, Py_ssize_t end) except -1

    @cython.locals(i=Py_ssize_t, m=Py_ssize_t)
    cdef Py_ssize_t _line(self, Py_ssize_t start, Py_ssize_t end) except -2

    @cython.locals(i=Py_ssize_t)
    cdef inline bint _has_newline(self, Py_ssize_t start, Py_ssize_t end) except -1

    cdef inline Py_ssize_t _newline(self, Py_ssize_t i) except -2

    @cython.locals(k=Py_ssize_t)
    cdef inline bint _at(self, Py_ssize_t i, const unsigned char *word, Py_ssize_t n) except -1

    cdef inline Py_ssize_t _blanks(self, Py_ssize_t i) except -2

    @cython.locals(n="long long", first=Py_ssize_t, c=int)
    cdef inline Py_ssize_t _digits(self, Py_ssize_t i) except -2

    @cython.locals(negative=bint)
    cdef inline Py_ssize_t _integer(self, Py_ssize_t i) except -2

    @cython.locals(k=Py_ssize_t)
    cdef inline Py_ssize_t _header(self, Py_ssize_t i) except -2

    cdef inline Py_ssize_t _tgid(self, Py_ssize_t i) except -2

    @cython.locals(c=int, first=Py_ssize_t)
    cdef inline Py_ssize_t _flags(self, Py_ssize_t i) except -2

    @cython.locals(ts="long long", k=Py_ssize_t, fraction=bint)
    cdef inline Py_ssize_t _time(self, Py_ssize_t i) except -2

    @cython.locals(first=Py_ssize_t, found=Py_ssize_t, i=Py_ssize_t, m=Py_ssize_t)
    cdef Py_ssize_t _loose_header(self, Py_ssize_t start) except -2

    @cython.locals(first=Py_ssize_t)
    cdef bint _event_name(self, Py_ssize_t i) except -1

    @cython.locals(c=int)
    cdef inline Py_ssize_t _message(self, Py_ssize_t start, Py_ssize_t i) except -2

    @cython.locals(k=Py_ssize_t, stop=Py_ssize_t, close=Py_ssize_t)
    cdef inline Py_ssize_t _sent(self, Py_ssize_t i) except -2

    @cython.locals(i=Py_ssize_t)
    cdef inline Py_ssize_t _close(self, Py_ssize_t start, Py_ssize_t stop) except -2

    cdef inline Py_ssize_t _trim(self, Py_ssize_t start, Py_ssize_t stop) except -2

    @cython.locals(stop=Py_ssize_t, k=Py_ssize_t, target=int)
    cdef inline Py_ssize_t _to(self, Py_ssize_t start, Py_ssize_t i) except -2

    @cython.locals(cpu=int, at=Py_ssize_t)
    cdef inline void _pend(self, int comm) except *

    @cython.locals(cpu=int, at=Py_ssize_t, row=Py_ssize_t)
    cdef inline void _complete(self, Py_ssize_t start, int target, int ret) except *

    cdef void _flush(self, int cpu) except *

    @cython.locals(at=Py_ssize_t, row=Py_ssize_t)
    cdef inline void _take(self, int cpu, int shape, int target, int ret) except *

    @cython.locals(row=Py_ssize_t)
    cdef inline void _row(self, int shape, int cpu, long long line, long long ts) except *

    cdef _grow(self, Py_ssize_t cpus)

    @cython.locals(stop=Py_ssize_t, c=int)
    cdef Py_ssize_t _headerless(self, Py_ssize_t start) except -2

    @cython.locals(cpu=int, k=Py_ssize_t, count="long long")
    cdef bint _loss(self, Py_ssize_t i, Py_ssize_t stop) except -1

    @cython.locals(n=Py_ssize_t, close=Py_ssize_t, comm=int)
    cdef _continue(self, Py_ssize_t start, Py_ssize_t stop)

    @cython.locals(first=Py_ssize_t, stop=Py_ssize_t)
    cdef int _header_comm(self, Py_ssize_t start) except -2

    @cython.locals(n=Py_ssize_t, k=Py_ssize_t, slot=Py_ssize_t, at=Py_ssize_t, code=int)
    cdef inline int _intern(self, Py_ssize_t start, Py_ssize_t stop, int tid) except -2
