/* Waits for SIGTERM in the way that its first argument names, and exits: with 0 after sigwait and signalfd, 7 after epoll,
   2 after a thread's sigwait, 3 after sigsuspend. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

static sigset_t term;

static void note(int sig)
{
}

static void *wait_in_a_thread(void *unused)
{
	int number;

	write(1, "ready\n", 6);
	sigwait(&term, &number);
	exit(2);
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	struct signalfd_siginfo info;
	struct epoll_event event = {.events = EPOLLIN};
	pthread_t thread;
	sigset_t none;
	int number, fd, epoll;

	sigemptyset(&none);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	if (!strcmp(how, "thread")) {
		pthread_create(&thread, NULL, wait_in_a_thread, NULL);
		for (;;)
			pause();
	}
	fd = signalfd(-1, &term, 0);
	signal(SIGTERM, note);
	write(1, "ready\n", 6);
	if (!strcmp(how, "signalfd"))
		return read(fd, &info, sizeof info) != sizeof info;
	if (!strcmp(how, "epoll")) {
		epoll = epoll_create1(0);
		epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
		epoll_wait(epoll, &event, 1, -1);
		return read(fd, &info, sizeof info) == sizeof info ? 7 : 1;
	}
	if (!strcmp(how, "suspend")) {
		sigsuspend(&none);
		return 3;
	}
	return sigwait(&term, &number);
}
