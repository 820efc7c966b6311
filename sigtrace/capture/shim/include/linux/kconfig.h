/*
 * bcc compiles only where BCC_KERNEL_SOURCE holds an include/linux/kconfig.h. probe.c needs nothing of a kernel's
 * headers, so this folder stands in for them; the headers here that are empty are those that bcc includes by itself.
 */
#define CONFIG_BPF_SYSCALL 1
