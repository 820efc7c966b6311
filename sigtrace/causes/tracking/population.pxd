# The C types of population.py, for Cython; it runs without them.
cimport cython

from sigtrace.causes.tracking.process cimport Process, Signal
from sigtrace.causes.tracking.rows cimport Chunk, Follower

cdef const int _GENERATE, _ZOMBIES, _CGROUPS, _FREE
cdef const unsigned int _GOLDEN, _BITS


cdef class Pids:
    cdef Py_ssize_t _size, _count
    cdef int _shift
    cdef int[::1] _keys
    cdef list _processes

    cpdef Process get(self, int pid)
    @cython.locals(i=Py_ssize_t)
    cpdef put(self, int pid, Process process)
    @cython.locals(i=Py_ssize_t, k=Py_ssize_t, own=Py_ssize_t)
    cpdef remove(self, int pid)
    cpdef list all(self)
    @cython.locals(i=Py_ssize_t, process=Process)
    cpdef place(self, Py_ssize_t size, list placed)
    @cython.locals(spread="unsigned int")
    cdef inline Py_ssize_t _own(self, int pid) noexcept
    @cython.locals(i=Py_ssize_t)
    cdef inline Py_ssize_t _place(self, int pid) noexcept
    @cython.locals(keys=int[::1], processes=list, before=Py_ssize_t, i=Py_ssize_t, k=Py_ssize_t)
    cdef _grow(self, object size)


cdef class Population(Follower):
    cdef public list processes
    cdef bint _lossy
    cdef int _kept_pid
    cdef public Pids _known
    cdef public dict _pid_of, _cgroups
    cdef public set _were_there
    cdef public list _zombies
    cdef public Py_ssize_t _died

    @cython.locals(process=Process, known=Process, of=int)
    cdef Process _living(self, int tid, int pid, int kind)
    cdef Process _new(self, int pid, long long start, Process parent)
    @cython.locals(thread=Process, process=Process, signal=Signal)
    cdef _was_a_thread(self, int tid, int pid)
    @cython.locals(process=Process, other=Process)
    cdef Process _owner_of_last(self, Process thread)
    cdef _keep(self, Process victim, Signal signal)
    cdef _is_no_thread(self, int tid)
    @cython.locals(process=Process, pid=int)
    cdef Process _hit(self, int target)
    @cython.locals(oldest=Process)
    cdef _buried(self, Process process)
    cdef _described(self, Chunk chunk, Py_ssize_t i, Process process)
    cdef _moved(self, Chunk chunk, Py_ssize_t i)
    cdef _know_cgroup(self, Chunk chunk, Py_ssize_t i)


cpdef object name_of(list names, int code)
cdef bint _may_be_a_thread_of(Process known, int pid, int kind)
