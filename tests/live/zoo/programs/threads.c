/* Three threads beside the first; what they do is the first argument. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hold.h"

static const char *how, *command;
static volatile sig_atomic_t done;

static void note(int sig)
{
	done = sig;
}

static void leave(int sig)
{
	exit(0);
}

static void *wait_for_signals(void *last)
{
	if (last && !strcmp(how, "exec")) {
		execlp(command, command, "100", NULL);
		abort();
	}
	if (last && !strcmp(how, "abort"))
		abort();
	if (last && !strcmp(how, "kill_self"))
		kill(getpid(), SIGTERM);
	if (last && !strcmp(how, "handle")) {
		sigset_t none;
		sigemptyset(&none);
		pthread_sigmask(SIG_SETMASK, &none, NULL);
	}
	if (last)
		write(1, "ready\n", 6);
	for (int i = 0; i < 7500; i++) {
		usleep(20000);
		if (done)
			exit(0);
	}
	exit(99);
}

int main(int argc, char **argv)
{
	pthread_t thread;

	how = argc > 1 ? argv[1] : "";
	command = argc > 2 ? argv[2] : "";
	if (!strcmp(how, "exec") || !strcmp(how, "abort") || !strcmp(how, "kill_self"))
		hold();
	if (!strcmp(how, "exit") || !strcmp(how, "block"))
		signal(SIGUSR1, leave);
	if (!strcmp(how, "handle"))
		signal(SIGTERM, note);
	if (!strcmp(how, "handle") || !strcmp(how, "block")) {
		sigset_t term;
		sigemptyset(&term);
		sigaddset(&term, SIGTERM);
		pthread_sigmask(SIG_SETMASK, &term, NULL);
	}
	for (int i = 0; i < 3; i++)
		pthread_create(&thread, NULL, wait_for_signals, i == 2 ? "last" : NULL);
	if (!strcmp(how, "leader_gone"))
		pthread_exit(NULL);
	for (int i = 0; i < 100; i++)
		sleep(1);
	return 99;
}
