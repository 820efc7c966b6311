# The C types of scan.py, for Cython. scan.py runs without them; see there.
# Lines can be scanned without the interpreter's lock; what makes Python's objects takes it again (`with gil`).
cimport cython

cdef const int _KILL, _SENT, _TO, _ENTERED, _RETURNED, _LOST, _GENERATE, _DELIVER, _EXIT, _FORK, _EXEC, _OOM
cdef const int _EXIT_GROUP, _EXIT_THREAD, _ARGS, _EXECUTED, _ATTACH, _MKDIR
cdef const int _NEWLINE, _TAB, _RETURN, _BLANK, _HASH, _OPEN, _CLOSE, _MINUS, _DOT, _ZERO, _NINE, _COLON
cdef const int _UPPER_P, _BRACKET, _BRACKET_END, _LOWER_A, _LOWER_B, _LOWER_C, _LOWER_F, _LOWER_G
cdef const int _LOWER_M, _LOWER_S, _LOWER_T, _LOWER_Y
cdef const long long _SECONDS, _WORD
cdef const int _COMM, _PIECES, _CPUS, _NAMES, _SLOTS, _SAID, _FIELDS


cdef class Scanner:
    cdef readonly Py_ssize_t capacity, rows
    # `public` is what checkpoint.py takes and gives back.
    cdef public long long lines, other, continuation, comment, blank, malformed, unstitchable
    cdef public long long kill, half, losses, microseconds, ticks
    cdef public dict lost_by_cpu, lost_unknown
    cdef public set layouts
    cdef readonly list names
    cdef readonly Py_ssize_t letters
    cdef dict _codes

    cdef readonly long long[::1] ts, time, line, lost
    cdef readonly int[::1] cpu, tid, pid, comm, sig, target, ret, target_comm, filename, code
    cdef readonly unsigned char[::1] shape, small, bit
    cdef readonly long long[::1] seen
    cdef long long _utc_offset_us

    cdef const unsigned char[::1] _buf
    cdef Py_ssize_t _cpus
    cdef long long[::1] _pending
    cdef unsigned char[::1] _name_len, _name_bytes
    cdef int[::1] _name_code
    cdef unsigned char[::1] _said_len, _said_bytes
    cdef int[::1] _said_pid, _said_comm
    cdef const unsigned char[::1] _only
    cdef readonly object calls
    cdef Py_ssize_t _threads, _ready
    cdef bint _unlocked, _fraction
    cdef public bint opened, after_piece, seen_header
    cdef public bytes pieces
    cdef public long long open_line, open_ts
    cdef public int open_kind, open_cpu, open_tid, open_pid, open_comm, open_sig, open_code
    cdef long long _num, _ts
    cdef Py_ssize_t _end, _minus, _said_end
    cdef int _cpu, _tid, _pid

    cpdef begin(self)

    cpdef list pending_cpus(self)

    cpdef int intern_name(self, str name) except -1

    @cython.locals(i=Py_ssize_t)
    cpdef Py_ssize_t scan(self, const unsigned char[::1] block, Py_ssize_t start, Py_ssize_t end) except -1

    cdef Py_ssize_t _lines(self, Py_ssize_t i, Py_ssize_t end) except -1 nogil

    cdef int _abandon(self) except -1 with gil

    cdef int _cut(self, Py_ssize_t i, Py_ssize_t stop) except -1 with gil

    @cython.locals(n=Py_ssize_t, k=Py_ssize_t, slot=Py_ssize_t, at=Py_ssize_t, code=int)
    cdef int _intern_new(self, Py_ssize_t start, Py_ssize_t stop, int tid) except -2 with gil

    @cython.locals(i=Py_ssize_t, m=Py_ssize_t)
    cdef Py_ssize_t _line(self, Py_ssize_t start, Py_ssize_t end) except -2 nogil

    @cython.locals(i=Py_ssize_t, found="unsigned char")
    cdef inline bint _has_newline(self, Py_ssize_t start) noexcept nogil

    cdef inline Py_ssize_t _newline(self, Py_ssize_t i) noexcept nogil

    @cython.locals(k=Py_ssize_t, differ="unsigned char")
    cdef inline bint _at(self, Py_ssize_t i, const unsigned char *word, Py_ssize_t n) noexcept nogil

    cdef inline Py_ssize_t _blanks(self, Py_ssize_t i) noexcept nogil

    @cython.locals(n="long long", first=Py_ssize_t, c=int)
    cdef inline Py_ssize_t _digits(self, Py_ssize_t i) noexcept nogil

    @cython.locals(negative=bint)
    cdef inline Py_ssize_t _integer(self, Py_ssize_t i) noexcept nogil

    @cython.locals(k=Py_ssize_t)
    cdef inline Py_ssize_t _header(self, Py_ssize_t i) noexcept nogil

    cdef inline Py_ssize_t _tgid(self, Py_ssize_t i) noexcept nogil

    @cython.locals(c=int, first=Py_ssize_t)
    cdef inline Py_ssize_t _flags(self, Py_ssize_t i) noexcept nogil

    cdef inline Py_ssize_t _time(self, Py_ssize_t i) noexcept nogil

    @cython.locals(n="long long", bad=int, k=Py_ssize_t, c=int)
    cdef inline Py_ssize_t _microseconds(self, Py_ssize_t i) noexcept nogil

    @cython.locals(first=Py_ssize_t, found=Py_ssize_t, i=Py_ssize_t, m=Py_ssize_t)
    cdef Py_ssize_t _loose_header(self, Py_ssize_t start) noexcept nogil

    @cython.locals(first=Py_ssize_t)
    cdef bint _event_name(self, Py_ssize_t i) noexcept nogil

    @cython.locals(k=Py_ssize_t)
    cdef inline Py_ssize_t _printk(self, Py_ssize_t start, Py_ssize_t i) except -2 nogil

    @cython.locals(kind=int, k=Py_ssize_t)
    cdef Py_ssize_t _event(self, Py_ssize_t start, Py_ssize_t i) except -2 nogil

    cdef Py_ssize_t _numbers(self, Py_ssize_t i) noexcept nogil

    cdef inline int _open(self, int kind, int pid) noexcept nogil

    @cython.locals(stop=Py_ssize_t)
    cdef Py_ssize_t _name_and_rest(self, Py_ssize_t i) except -2 nogil

    @cython.locals(i=Py_ssize_t, sig=int, ended=bint)
    cdef bint _ended(self, Py_ssize_t start, Py_ssize_t stop) except -1 nogil

    @cython.locals(i=Py_ssize_t)
    cdef Py_ssize_t _left(self, Py_ssize_t start, Py_ssize_t stop, const unsigned char *word, Py_ssize_t n) noexcept nogil

    @cython.locals(i=Py_ssize_t, row=Py_ssize_t, res=int, grp=int, target=int)
    cdef bint _generate(self, Py_ssize_t start, Py_ssize_t stop) except -1 nogil

    @cython.locals(i=Py_ssize_t, row=Py_ssize_t, handler=int)
    cdef bint _deliver(self, Py_ssize_t start) except -1 nogil

    @cython.locals(i=Py_ssize_t, row=Py_ssize_t, kind=int, dead=bint)
    cdef bint _exit(self, Py_ssize_t start, Py_ssize_t stop) except -1 nogil

    @cython.locals(i=Py_ssize_t, k=Py_ssize_t, row=Py_ssize_t, target=int)
    cdef bint _fork(self, Py_ssize_t start, Py_ssize_t stop) except -1 nogil

    @cython.locals(i=Py_ssize_t)
    cdef bint _same(self, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t other, Py_ssize_t end) noexcept nogil

    @cython.locals(i=Py_ssize_t, row=Py_ssize_t, target=int)
    cdef bint _exec(self, Py_ssize_t start, Py_ssize_t stop) except -1 nogil

    @cython.locals(i=Py_ssize_t, row=Py_ssize_t, uid=bint)
    cdef bint _oom(self, Py_ssize_t start, Py_ssize_t stop) except -1 nogil

    cdef bint _uid(self, Py_ssize_t i, Py_ssize_t stop) noexcept nogil

    cdef inline long long _signed(self, long long n) noexcept nogil

    cdef bint _refused(self) noexcept nogil

    @cython.locals(shape=int, row=Py_ssize_t)
    cdef Py_ssize_t _evidence(self, int kind, int comm) except -1 nogil

    @cython.locals(c=int)
    cdef inline Py_ssize_t _message(self, Py_ssize_t start, Py_ssize_t i) except -2 nogil

    cdef Py_ssize_t _row_of_line(self, int kind, Py_ssize_t start) except -1 nogil

    cdef Py_ssize_t _malformed(self, Py_ssize_t i) noexcept nogil

    @cython.locals(stop=Py_ssize_t)
    cdef inline Py_ssize_t _text_end(self, Py_ssize_t i) noexcept nogil

    cdef Py_ssize_t _context(self, Py_ssize_t start, Py_ssize_t i) except -2 nogil

    @cython.locals(k=Py_ssize_t, stop=Py_ssize_t, row=Py_ssize_t, old=int)
    cdef Py_ssize_t _executed(self, Py_ssize_t start, Py_ssize_t i) except -2 nogil

    @cython.locals(k=Py_ssize_t, stop=Py_ssize_t, row=Py_ssize_t, uid=int, cgroup="long long", told=bint)
    cdef Py_ssize_t _args(self, Py_ssize_t start, Py_ssize_t i) except -2 nogil

    cdef Py_ssize_t _cgroup(self, Py_ssize_t start, Py_ssize_t i) except -2 nogil

    @cython.locals(number="long long")
    cdef Py_ssize_t _cgroup_numbers(self, Py_ssize_t i, const unsigned char *prefix, Py_ssize_t n) noexcept nogil

    @cython.locals(
        path=Py_ssize_t, end=Py_ssize_t, stop=Py_ssize_t, k=Py_ssize_t, m=Py_ssize_t, row=Py_ssize_t,
        path_end=Py_ssize_t, comm=Py_ssize_t, ways=int, pid=int, cgroup="long long"
    )
    cdef Py_ssize_t _attach(self, Py_ssize_t start, Py_ssize_t i) except -2 nogil

    @cython.locals(path=Py_ssize_t, stop=Py_ssize_t, row=Py_ssize_t, cgroup="long long")
    cdef Py_ssize_t _mkdir(self, Py_ssize_t start, Py_ssize_t i) except -2 nogil

    @cython.locals(k=Py_ssize_t)
    cdef Py_ssize_t _syscall(self, Py_ssize_t start, Py_ssize_t i) except -2 nogil

    @cython.locals(n="long long", first=Py_ssize_t, c=int)
    cdef Py_ssize_t _hexadecimal(self, Py_ssize_t i) noexcept nogil

    cdef Py_ssize_t _argument(self, Py_ssize_t i, const unsigned char *word, Py_ssize_t n) noexcept nogil

    cdef inline bint _line_ends(self, Py_ssize_t i) noexcept nogil

    @cython.locals(k=Py_ssize_t, status=int)
    cdef Py_ssize_t _status(self, int kind, Py_ssize_t start, Py_ssize_t i) except -2 nogil

    @cython.locals(m=Py_ssize_t, target=int)
    cdef Py_ssize_t _call(self, Py_ssize_t start, Py_ssize_t i, Py_ssize_t k) except -2 nogil

    @cython.locals(m=Py_ssize_t)
    cdef Py_ssize_t _return(self, Py_ssize_t start, Py_ssize_t i, Py_ssize_t k) except -2 nogil

    cdef int _enter(self, Py_ssize_t start, Py_ssize_t i, Py_ssize_t k, int target, int sig) except -1 with gil

    cdef int _leave(self, Py_ssize_t start, Py_ssize_t i, Py_ssize_t k, int ret) except -1 with gil

    @cython.locals(code=int)
    cdef object _caller(self, Py_ssize_t start)

    cpdef count_calls(self)

    cdef int _lose_calls(self, int cpu) except -1 with gil

    cdef int _count_kernel_call(self, int sig, int target, int ret) except -1 with gil

    @cython.locals(row=Py_ssize_t, kind=int)
    cdef int _give_ready(self) except -1 with gil

    @cython.locals(k=Py_ssize_t)
    cdef Py_ssize_t _sent(self, Py_ssize_t i) except -2 nogil

    @cython.locals(slot=Py_ssize_t, n=Py_ssize_t, k=Py_ssize_t, differ="unsigned char")
    cdef inline Py_ssize_t _again(self, Py_ssize_t i) except -2 nogil

    @cython.locals(n=Py_ssize_t, slot=Py_ssize_t, k=Py_ssize_t)
    cdef int _keep_said(self, Py_ssize_t start) noexcept nogil

    cdef inline Py_ssize_t _trim(self, Py_ssize_t start, Py_ssize_t stop) noexcept nogil

    @cython.locals(stop=Py_ssize_t, k=Py_ssize_t, target=int)
    cdef inline Py_ssize_t _to(self, Py_ssize_t start, Py_ssize_t i) except -2 nogil

    @cython.locals(cpu=int, at=Py_ssize_t)
    cdef inline int _pend(self, int comm, int sig) except -1 nogil

    @cython.locals(cpu=int, at=Py_ssize_t, row=Py_ssize_t, comm=int, sig=int)
    cdef inline int _complete(self, Py_ssize_t start, int target, int ret) except -1 nogil

    cdef int _flush(self, int cpu) except -1 nogil

    @cython.locals(at=Py_ssize_t, row=Py_ssize_t)
    cdef inline int _take(self, int cpu, int shape, int target, int ret) except -1 nogil

    @cython.locals(row=Py_ssize_t)
    cdef inline int _row(self, int shape, int cpu, long long line, long long ts) except -1 nogil

    cdef int _grow(self, Py_ssize_t cpus) except -1 with gil

    @cython.locals(stop=Py_ssize_t, i=Py_ssize_t, c=int)
    cdef Py_ssize_t _headerless(self, Py_ssize_t start) except -2 with gil

    @cython.locals(cpu=int, k=Py_ssize_t, count="long long")
    cdef bint _loss(self, Py_ssize_t i, Py_ssize_t stop) except -1 with gil

    @cython.locals(n=Py_ssize_t, end=Py_ssize_t)
    cdef int _continue(self, Py_ssize_t start, Py_ssize_t stop) except -1 with gil

    @cython.locals(first=Py_ssize_t, stop=Py_ssize_t)
    cdef int _header_comm(self, Py_ssize_t start) except -2 nogil

    @cython.locals(n=Py_ssize_t, k=Py_ssize_t, slot=Py_ssize_t, at=Py_ssize_t, code=int)
    cdef inline int _intern(self, Py_ssize_t start, Py_ssize_t stop, int tid) except -2 nogil
