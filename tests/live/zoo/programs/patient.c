/* Blocks SIGTERM, waits for it in the way that its first argument names, and exits with 0. */
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct signalfd_siginfo info;
	sigset_t term;
	int number;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	write(1, "ready\n", 6);
	if (argc > 1 && !strcmp(argv[1], "signalfd"))
		return read(signalfd(-1, &term, 0), &info, sizeof info) != sizeof info;
	return sigwait(&term, &number);
}
