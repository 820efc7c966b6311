/* To be preloaded: writes down what waitpid says to whom it is preloaded to, in the folder that ZOO_STATUSES names. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t note(pid_t pid, const int *status)
{
	const char *folder = getenv("ZOO_STATUSES");
	char path[500], temporary[500], text[20];
	int fd;

	if (pid <= 0 || !status || !folder || (!WIFEXITED(*status) && !WIFSIGNALED(*status)))
		return pid;
	snprintf(path, sizeof path, "%s/status of %d", folder, pid);
	snprintf(temporary, sizeof temporary, "%s/seen %d", folder, pid);
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0)
		return pid;
	write(fd, text, snprintf(text, sizeof text, "%d", *status));
	close(fd);
	rename(temporary, path);
	return pid;
}

pid_t waitpid(pid_t pid, int *status, int options)
{
	pid_t (*real)(pid_t, int *, int) = dlsym(RTLD_NEXT, "waitpid");

	return note(real(pid, status, options), status);
}
