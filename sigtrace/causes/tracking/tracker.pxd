# The C types of tracker.py, for Cython; it runs without them.
cimport cython

from sigtrace.causes.gaps cimport Gaps
from sigtrace.causes.tracking.pids cimport Pids
from sigtrace.causes.tracking.process cimport Process, Signal
from sigtrace.causes.tracking.rows cimport Chunk, Follower, Row

cdef const int _PROCESS, _LOST, _KILL, _KILL_HALF, _GENERATE, _DELIVER, _FORK, _EXEC, _EXIT, _OOM
cdef const int _EXIT_GROUP, _EXIT_THREAD, _EXEC_SAFE, _ARGS, _ATTACH, _MKDIR, _CGROUP, _CGROUPS, _STANDARD
cdef const int _ZOMBIES
cdef const long long _CALLED_WITHIN


cdef class Tracker(Follower):
    cdef public long long exited, failed, passed_over
    cdef public list processes
    cdef object _ended, _settled
    cdef Gaps _gaps
    cdef bint _all_endings, _live
    cdef int _kept_pid
    cdef Pids _known
    cdef dict _pid_of, _parents_to_come, _unsettled, _cgroups
    cdef list _zombies
    cdef object _waiting
    cdef Py_ssize_t _died
    cdef long long _line

    cpdef settle(self)
    @cython.locals(process=Process, signal=Signal)
    cpdef end(self)

    @cython.locals(kind=int, tid=int, process=Process)
    cpdef step(self, Chunk chunk, Py_ssize_t i)
    @cython.locals(process=Process)
    cdef Process _living(self, int tid, int pid, int kind)
    cdef Process _new(self, int pid, long long start, Process parent)
    @cython.locals(thread=Process, process=Process, signal=Signal)
    cdef _was_a_thread(self, int tid, int pid)
    @cython.locals(process=Process, pid=int)
    cdef Process _hit(self, int target)
    @cython.locals(target=int, child=Process)
    cdef _ran(self, Chunk chunk, Py_ssize_t i, Process process)
    @cython.locals(code=int, sig=int, signal=Signal, row=Row)
    cdef _called(self, Chunk chunk, Py_ssize_t i, Process process)
    @cython.locals(signal=Signal)
    cdef _did_another(self, int tid)
    @cython.locals(row=Row, victim=Process, signal=Signal, in_exit=bint)
    cdef _generated(self, Chunk chunk, Py_ssize_t i, Process sender)
    @cython.locals(signal=Signal)
    cdef _was_taken(self, Process victim, Row row)
    @cython.locals(forgotten=Signal)
    cdef _keep(self, Process victim, Signal signal)
    @cython.locals(sig=int, handler=int, signal=Signal)
    cdef _delivered(self, Chunk chunk, Py_ssize_t i, Process process)
    @cython.locals(child=int, before=Process, process=Process)
    cdef _forked(self, Chunk chunk, Py_ssize_t i, Process parent)
    @cython.locals(old=int)
    cdef _executed(self, Chunk chunk, Py_ssize_t i, Process process)
    cdef _described(self, Chunk chunk, Py_ssize_t i, Process process)
    cdef _moved(self, Chunk chunk, Py_ssize_t i)
    cdef _know_cgroup(self, Chunk chunk, Py_ssize_t i)
    @cython.locals(victim=Process)
    cdef _chosen(self, Chunk chunk, Py_ssize_t i, Process asker)
    cdef _left(self, Chunk chunk, Py_ssize_t i, Process process, bint whole)
    @cython.locals(tid=int, dead=int, died=Row)
    cdef _exited(self, Chunk chunk, Py_ssize_t i, Process process)
    cdef _count_exit(self, Process process)
    @cython.locals(signal=Signal, died=Row)
    cdef _died_unseen(self, Process process)
    @cython.locals(oldest=Process)
    cdef _buried(self, Process process)
    @cython.locals(process=Process, signal=Signal, one=Signal, lost=bint)
    cdef _judge(self, bint everything)
    cdef bint _is_settled(self, Signal signal)
    @cython.locals(first="long long")
    cdef bint _lost(self, Row died, Signal signal)
    cdef _tell(self, Signal signal, bint over)


cdef object _name(list names, int code)
