# The C types of rows.py, for Cython; it runs without them.
cimport cython


cdef class Chunk:
    cdef public Py_ssize_t rows, at
    cdef public const long long[::1] line, ts, time
    cdef public const int[::1] cpu, tid, pid, sig, target, ret, code, comm, target_comm, filename, cgroup
    cdef public const int[::1] status, uid, ns_pid, user, command
    cdef public const long long[::1] cgroup_id
    cdef public const unsigned char[::1] kind, small, flag
    cdef public list comms, target_comms, filenames, cgroups, users, commands

    @cython.locals(row=Row)
    cpdef Row row(self, Py_ssize_t i)
    @cython.locals(i=Py_ssize_t)
    cpdef bint is_sorted(self)


@cython.freelist(64)
cdef class Row:
    cdef public long long line, ts, time
    cdef public int kind, cpu, tid, pid, sig, target, ret, code, status, small, flag
    cdef public object comm, target_comm

    cpdef fill(self, Chunk chunk, Py_ssize_t i)


cdef class Follower:
    @cython.locals(i=Py_ssize_t)
    cpdef follow(self, Chunk chunk, long long before)
    @cython.locals(first=Chunk, other=Chunk, line="long long", other_line="long long", following="long long", k=Py_ssize_t)
    cpdef follow_all(self, list chunks, long long before)
    cpdef step(self, Chunk chunk, Py_ssize_t i)
