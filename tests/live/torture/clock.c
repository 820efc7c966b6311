/* clock: preloaded, sets the real-time clock back by an hour for this process as soon as the file $CLOCK_BACK is there. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
	const char *back = getenv("CLOCK_BACK");
	int failed = real(clock, now);

	if (clock == CLOCK_REALTIME && back && access(back, F_OK) == 0)
		now->tv_sec -= 3600;
	return failed;
}
