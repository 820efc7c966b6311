/* Exits without being asked, in the way that its first argument names; the second one is whom it kills. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hold.h"

static const char *how, *target;
static pthread_barrier_t both;

static void *follow(void *unused)
{
	if (!strcmp(how, "early_thread"))
		syscall(SYS_exit, 7);
	if (!strcmp(how, "two_groups")) {
		pthread_barrier_wait(&both);
		syscall(SYS_exit_group, 9);
	}
	usleep(50000);
	if (!strcmp(how, "kill_without_a_leader")) {
		kill(atoi(target), SIGTERM);
		syscall(SYS_exit, 0);
	}
	if (!strncmp(how, "group", 5))
		syscall(SYS_exit_group, 4);
	if (!strcmp(how, "leader_first"))
		syscall(SYS_exit, 5);
	return unused;
}

static int run_a_missing_program(void)
{
	FILE *file;
	pid_t pid = vfork();
	int status;

	if (!pid) {
		execl("/nonexistent/program", "program", NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	file = fopen("child", "w");
	fprintf(file, "%d", pid);
	fclose(file);
	return status != 127 << 8;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	how = argc > 1 ? argv[1] : "";
	target = argc > 2 ? argv[2] : "";
	hold();
	if (!strcmp(how, "vfork"))
		return run_a_missing_program();
	pthread_barrier_init(&both, NULL, 2);
	pthread_create(&thread, NULL, follow, NULL);
	if (!strcmp(how, "all")) {
		usleep(100000);
		pthread_exit(NULL);
	}
	if (!strcmp(how, "two_groups")) {
		pthread_barrier_wait(&both);
		syscall(SYS_exit_group, 8);
	}
	if (!strcmp(how, "leader_first") || !strcmp(how, "kill_without_a_leader") || !strcmp(how, "group_after_the_leader"))
		syscall(SYS_exit, !strcmp(how, "kill_without_a_leader") ? 0 : 3);
	if (!strcmp(how, "early_thread")) {
		pthread_join(thread, NULL);
		return 2;
	}
	for (;;)
		pause();
}
