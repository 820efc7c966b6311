/* So many rounds, in a second, of a child that exits at the moment at which it is killed. The file "race" has their wait statuses. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hold.h"

static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

int main(int argc, char **argv)
{
	volatile long *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	FILE *file = fopen("race", "w");
	int rounds = argc > 1 ? atoi(argv[1]) : 0;
	long end;

	hold();
	end = now() + 1000000000;

	for (int i = 0; i < rounds && now() < end; i++) {
		int status;
		pid_t pid;
		long at;

		shared[0] = shared[1] = 0;
		pid = fork();
		if (!pid) {
			shared[1] = 1;
			while (!shared[0] || now() < shared[0])
				;
			_exit(0);
		}
		while (!shared[1])
			;
		shared[0] = now() + 20000;
		at = shared[0] + i % 200 * 200;
		while (now() < at)
			;
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		fprintf(file, "%d %d\n", pid, status);
	}
	return fclose(file);
}
