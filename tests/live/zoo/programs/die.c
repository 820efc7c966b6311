/* Dies in the way that its first argument names. */
#include <assert.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hold.h"

static sigjmp_buf back;
static volatile int zero;

static void restore(int sig)
{
	signal(sig, SIG_DFL);
}

static void *fault(void *unused)
{
	*(volatile int *)0 = 1;
	return unused;
}

static int overflow(int depth)
{
	volatile char room[4096];
	room[0] = depth;
	return overflow(depth + 1) + room[0];
}

static void handle(int sig)
{
	siglongjmp(back, sig);
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";

	hold();
	if (!strcmp(how, "abort_with_a_core")) {
		struct rlimit all;
		getrlimit(RLIMIT_CORE, &all);
		all.rlim_cur = all.rlim_max;
		setrlimit(RLIMIT_CORE, &all);
		abort();
	}
	if (!strcmp(how, "assertion")) {
		close(2);
		assert(zero);
	}
	if (!strcmp(how, "segmentation_fault"))
		fault(NULL);
	if (!strcmp(how, "general_protection_fault"))
		*(volatile int *)0x8000000000000000 = 1;
	if (!strcmp(how, "segmentation_fault_in_a_thread")) {
		pthread_t thread;
		pthread_create(&thread, NULL, fault, NULL);
		pthread_join(thread, NULL);
	}
	if (!strcmp(how, "segmentation_fault_while_ignored")) {
		signal(SIGSEGV, SIG_IGN);
		fault(NULL);
	}
	if (!strcmp(how, "bus_error")) {
		int fd = open("empty", O_RDWR | O_CREAT, 0600);
		*(volatile char *)mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0) = 1;
	}
	if (!strcmp(how, "illegal_instruction"))
#if defined(__x86_64__)
		__asm__ volatile("ud2");
#else
		__asm__ volatile(".inst 0x00000000");
#endif
	if (!strcmp(how, "division_by_zero"))
		return 7 / zero;
	if (!strcmp(how, "breakpoint_trap"))
#if defined(__x86_64__)
		__asm__ volatile("int3");
#else
		__asm__ volatile("brk #0");
#endif
	if (!strcmp(how, "stack_overflow"))
		return overflow(0);
	if (!strcmp(how, "stack_overflow_with_a_handler")) {
		signal(SIGSEGV, handle);
		return overflow(0);
	}
	if (!strcmp(how, "forbidden_system_call")) {
		struct sock_filter filter[] = {
			BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		};
		struct sock_fprog program = {4, filter};
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
		getppid();
	}
	if (!strcmp(how, "forbidden_by_strict_mode")) {
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
		getppid();
	}
	if (!strcmp(how, "fault_handled_and_made_again")) {
		signal(SIGSEGV, restore);
		fault(NULL);
	}
	if (!strcmp(how, "fault_survived")) {
		signal(SIGSEGV, handle);
		if (!sigsetjmp(back, 1))
			fault(NULL);
		return 0;
	}
	return 99;
}
