/* kills THREADS CALLS: threads that call kill() as fast as they can, and what a call took.
 *
 * No process is hit: pid_max is at most 2^22 (linux/threads.h, PID_MAX_LIMIT), and the targets begin at
 * 2,000,000,000. Call i of thread t names target 2,000,000,000 + t * CALLS + i, with signal target % 65, so that each
 * call is told from every other, and a row that pairs the signal of one with the target of another is seen.
 * Prints the nanoseconds per call, from the start of all threads to the end of the last.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static long calls;
static pthread_barrier_t start;

static void *run(void *number)
{
	pid_t first = 2000000000 + (pid_t)((long)number * calls);

	pthread_barrier_wait(&start);
	for (pid_t target = first; target < first + calls; target++)
		kill(target, target % 65);
	return NULL;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	long threads = argc > 1 ? atol(argv[1]) : 0;
	pthread_t thread[64];
	double began;

	calls = argc > 2 ? atol(argv[2]) : 0;
	if (threads < 1 || threads > 64 || calls < 1 || threads * calls > 100000000) {
		fprintf(stderr, "usage: kills THREADS CALLS\n");
		return 2;
	}
	pthread_barrier_init(&start, NULL, threads + 1);
	for (long number = 0; number < threads; number++)
		if (pthread_create(&thread[number], NULL, run, (void *)number))
			return 1;
	pthread_barrier_wait(&start);
	began = seconds();
	for (long number = 0; number < threads; number++)
		pthread_join(thread[number], NULL);
	printf("%.1f\n", (seconds() - began) * 1e9 / calls);
	return 0;
}
