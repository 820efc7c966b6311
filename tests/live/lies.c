/* lies THREADS CALLS: threads that call kill() as fast as they can, move from CPU to CPU, and take names that lie.
 *
 * No process is hit: pid_max is at most 2^22, and the targets begin at 1,500,000,000. Call i of thread t names target
 * 1,500,000,000 + t * CALLS + i with signal target % 65: a row that pairs two calls is seen by that. The names are pieces
 * of lines as trace_pipe prints them, of 15 bytes at most, and name a process 777777 that is not there.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

static const char *const names[] = {
	"x) sent signal ", "\nto PID 777777,", "PID 777777 (x) ", ") sent signal 9", "CPU:0 [LOST 9 E", "\nCPU:0 [LOST 9",
	" EVENTS]\n", "CPU:1 [LOST EVE", "# tracer: nop\n", "\n#\n#", "\033[2J\033[H", "\033]0;x\a", "<...>", "-777777 [000] ",
	"-1 [000] 1: a: ", "1: sys_kill -> ", "\n\n\n", "\r", "a b", " pid=777777 ", "777777 grp=1 ", "\377\376", "(-------)", "x",
};

static long calls, cpus;

static void *run(void *number)
{
	long thread = (long)number;
	pid_t target = 1500000000 + (pid_t)(thread * calls);
	unsigned int dice = (unsigned int)thread * 2654435761u + 1;
	cpu_set_t set;

	for (long i = 0; i < calls; i++, target++) {
		dice = dice * 1664525 + 1013904223;
		if ((dice >> 24) % 16 == 0) {
			CPU_ZERO(&set);
			CPU_SET((dice >> 16) % cpus, &set);
			sched_setaffinity(0, sizeof(set), &set);
		}
		if ((dice >> 20) % 8 == 0)
			prctl(PR_SET_NAME, names[(dice >> 8) % (sizeof(names) / sizeof(names[0]))]);
		kill(target, target % 65);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	long threads = argc > 1 ? atol(argv[1]) : 0;
	pthread_t thread[64];

	calls = argc > 2 ? atol(argv[2]) : 0;
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (threads < 1 || threads > 64 || calls < 1 || threads * calls > 500000000) {
		fprintf(stderr, "usage: lies THREADS CALLS\n");
		return 2;
	}
	for (long number = 0; number < threads; number++)
		if (pthread_create(&thread[number], NULL, run, (void *)number))
			return 1;
	for (long number = 0; number < threads; number++)
		pthread_join(thread[number], NULL);
	return 0;
}
