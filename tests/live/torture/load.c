/* load RATE SECONDS: one thread calls kill() RATE times a second, in groups of a millisecond; 0 seconds are for good.
 *
 * No process is hit: pid_max is at most 2^22 (linux/threads.h, PID_MAX_LIMIT), and the targets begin at
 * 2,000,000,000. Call i names target 2,000,000,000 + i, with signal (7 i + 3) % 65, so that a call that is missing, that
 * comes twice, or whose signal and target are paired wrongly is seen. Prints the number of calls at its end, or
 * when SIGTERM ends it.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static volatile sig_atomic_t ended;

static void end(int number)
{
	(void)number;
	ended = 1;
}

int main(int argc, char **argv)
{
	long rate = argc > 1 ? atol(argv[1]) : 0;
	long seconds = argc > 2 ? atol(argv[2]) : -1;
	long calls = 0;
	struct timespec next;

	if (rate < 1 || seconds < 0 || rate * seconds > 147000000) {
		fprintf(stderr, "usage: load RATE SECONDS\n");
		return 2;
	}
	signal(SIGTERM, end);
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (long group = 1; !ended && (!seconds || group <= seconds * 1000); group++) {
		for (; calls < rate * group / 1000; calls++)
			kill(2000000000 + (pid_t)calls, (7 * calls + 3) % 65);
		next.tv_nsec += 1000000;
		if (next.tv_nsec >= 1000000000) {
			next.tv_nsec -= 1000000000;
			next.tv_sec++;
		}
		while (!ended && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL))
			;
	}
	printf("%ld\n", calls);
	return 0;
}
