"""The kernels: what sigtrace does on each, tried in virtual machines of Debian's own images, by emulation."""
