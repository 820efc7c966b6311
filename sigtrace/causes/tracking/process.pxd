# The C types of process.py, for Cython; it runs without them.
cimport cython

from sigtrace.causes.tracking.rows cimport Row


cdef class Signal:
    cdef public Row row, call, taken
    cdef public Process sender, victim
    cdef public int sig, thread
    cdef public bint in_exit, routine, settled, hits_sender, ended, told
    cdef public str fate

    cpdef bint came_through(self)
    cpdef bint may_go(self)
    cpdef bint is_queued_once(self)
    cpdef bint is_settled(self, long long line)
    cpdef object target(self)
    cpdef bint to_group(self)


# What refers to itself does so by its signals, which the tracker lets go of: to look for garbage in so many takes a
# tenth of the time.
@cython.no_gc
@cython.freelist(1024)
cdef class Process:
    cdef public int pid, depth
    cdef public long long start, quiet_exit
    cdef public object comm, filename, command, cgroup, user, oom_figures
    cdef public int ns_pid, status, headed
    cdef public bint named_by_file, acted, judged, ran, leaving, dead, silent
    cdef public Process parent, oom_asker
    cdef public Signal ended_by
    cdef public list images, signals
    cdef public Row fatal, oom, left, died
    cdef public set took_fatal, exited, exiting

    cpdef begin(self, int pid, long long start, Process parent)
    cpdef object name(self)
    cpdef execute(self, long long line, filename)
    cdef _shed_threads(self)
    cdef _survive(self)
    cpdef outlive(self, int tid)
    @cython.locals(process=Process)
    cpdef bint is_kernels(self)
    cpdef bint sent_itself(self, int sig)
    cpdef Signal fatal_signal(self, Row died)
    @cython.locals(signal=Signal)
    cpdef bint is_settled(self, long long line)
    @cython.locals(signal=Signal, first=Signal)
    cpdef Signal next_of(self, int sig, int tid)
    @cython.locals(signal=Signal)
    cpdef renumber(self, int old)
    cpdef inherit(self, Process parent)
    @cython.locals(one=Signal, n=cython.int, first=cython.int, times=dict, spare=dict)
    cpdef Signal keep(self, Signal signal)
    @cython.locals(process=Process)
    cpdef list ancestors(self)
    @cython.locals(process=Process)
    cdef _forget_the_oldest(self)
