/* bcc writes a version into the program; the kernel has not looked at it for tracepoints since they can run BPF. */
#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + (c))
#define LINUX_VERSION_CODE KERNEL_VERSION(5, 9, 0)
