/* Holds, and dies of a POSIX timer that sends SIGTERM. */
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "hold.h"

int main(void)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGTERM};
	struct itimerspec in = {.it_value = {.tv_nsec = 20000000}};
	timer_t timer;

	hold();
	timer_create(CLOCK_MONOTONIC, &event, &timer);
	timer_settime(timer, 0, &in, NULL);
	sleep(100);
	return 99;
}
