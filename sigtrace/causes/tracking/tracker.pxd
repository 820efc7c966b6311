# The C types of tracker.py, for Cython; it runs without them.
cimport cython

from sigtrace.causes.gaps cimport Gaps
from sigtrace.causes.tracking.population cimport Population, name_of
from sigtrace.causes.tracking.process cimport Process, Signal
from sigtrace.causes.tracking.rows cimport Chunk, Row

cdef const int _PROCESS, _LOST, _KILL, _KILL_HALF, _GENERATE, _DELIVER, _FORK, _EXEC, _EXIT, _OOM
cdef const int _EXIT_GROUP, _EXIT_THREAD, _EXEC_SAFE, _ARGS, _ATTACH, _MKDIR, _CGROUP, _THREAD
cdef const long long _TICKS_US


cdef class Tracker(Population):
    cdef public long long exited, failed
    cdef object _ended, _settled
    cdef Gaps _gaps
    cdef bint _all_endings, _live, _exits_told
    cdef public dict _parents_to_come, _unsettled
    cdef public object _waiting
    cdef public long long _line

    cpdef settle(self)
    @cython.locals(process=Process, signal=Signal)
    cpdef end(self)

    @cython.locals(kind=int, tid=int, process=Process)
    cpdef step(self, Chunk chunk, Py_ssize_t i)
    @cython.locals(target=int, child=Process)
    cdef _ran(self, Chunk chunk, Py_ssize_t i, Process process)
    @cython.locals(code=int, sig=int, signal=Signal, row=Row)
    cdef _called(self, Chunk chunk, Py_ssize_t i, Process process)
    @cython.locals(signal=Signal)
    cdef _did_another(self, int tid)
    @cython.locals(row=Row, victim=Process, signal=Signal, in_exit=bint)
    cdef _generated(self, Chunk chunk, Py_ssize_t i, Process sender)
    @cython.locals(signal=Signal)
    cdef _was_taken(self, Process victim, Signal anew)
    @cython.locals(forgotten=Signal)
    cdef _keep(self, Process victim, Signal signal)
    @cython.locals(sig=int, handler=int, signal=Signal)
    cdef _delivered(self, Chunk chunk, Py_ssize_t i, Process process)
    @cython.locals(child=int, before=Process, process=Process)
    cdef _forked(self, Chunk chunk, Py_ssize_t i, Process parent)
    @cython.locals(old=int)
    cdef _executed(self, Chunk chunk, Py_ssize_t i, Process process)
    @cython.locals(victim=Process)
    cdef _chosen(self, Chunk chunk, Py_ssize_t i, Process asker)
    cdef _left(self, Chunk chunk, Py_ssize_t i, Process process, bint whole)
    @cython.locals(tid=int, dead=int, died=Row, called=bint)
    cdef _exited(self, Chunk chunk, Py_ssize_t i, Process process)
    cdef bint _just_exited(self, Process process)
    cdef _count_exit(self, Process process)
    @cython.locals(signal=Signal, died=Row)
    cdef _died_unseen(self, Process process)
    @cython.locals(process=Process, signal=Signal, one=Signal, lost=bint)
    cdef _judge(self, bint everything)
    @cython.locals(first="long long")
    cdef bint _lost(self, Row died, Signal signal)
    cdef _tell(self, Signal signal, bint over)

