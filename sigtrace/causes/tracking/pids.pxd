# The C types of pids.py, for Cython; it runs without them.
cimport cython

from sigtrace.causes.tracking.process cimport Process

cdef const int _FREE
cdef const unsigned int _GOLDEN


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
    cdef inline Py_ssize_t _own(self, int pid) noexcept
    @cython.locals(i=Py_ssize_t)
    cdef inline Py_ssize_t _place(self, int pid) noexcept
    @cython.locals(keys=int[::1], processes=list, before=Py_ssize_t, i=Py_ssize_t, k=Py_ssize_t)
    cdef _grow(self, object size)
