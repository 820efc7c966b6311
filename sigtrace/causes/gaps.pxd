# The C types of gaps.py, for Cython; it runs without them.
from sigtrace.causes.tracking.rows cimport Chunk, Follower


cdef class Gaps(Follower):
    cdef dict _last_ts, _open
    cdef list _found, _starts, _ends, _missing
    cdef double _last
    cdef bint _merged

    cpdef step(self, Chunk chunk, Py_ssize_t i)
    cpdef bint between(self, long long first_ts, long long last_ts)
    cdef _merge(self)
