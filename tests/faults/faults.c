/* faults: a disk that breaks at a call that can be chosen, and a process that dies there.
 *
 * Preloaded, it counts the calls that change files. faults_arm(N, ERROR, FOR_GOOD) makes the Nth call from then on fail
 * with ERROR, and those after it too if it is FOR_GOOD; with ERROR 0 the process is killed just before it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_long left;
static int failure, stays;
static atomic_int armed;

void faults_arm(long at, int error, int for_good)
{
	left = at;
	failure = error;
	stays = for_good;
	armed = 1;
}

/* How many calls were left before the fault: above 0 if it never came. */
long faults_left(void)
{
	armed = 0;
	return left;
}

static int fails(void)
{
	if (!armed)
		return 0;
	long now = atomic_fetch_sub(&left, 1);
	if (now > 1 || (now < 1 && !stays))
		return 0;
	if (!failure) {
		kill(getpid(), SIGKILL);
		for (;;)
			pause();
	}
	errno = failure;
	return 1;
}

static int is_file(int descriptor)
{
	struct stat about;

	return fstat(descriptor, &about) == 0 && (S_ISREG(about.st_mode) || S_ISDIR(about.st_mode));
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define OPEN(name)                                                        \
	int name(const char *path, int flags, ...)                        \
	{                                                                 \
		va_list more;                                             \
		va_start(more, flags);                                    \
		mode_t mode = va_arg(more, mode_t);                       \
		va_end(more);                                             \
		return (flags & O_CREAT) && fails() ? -1 : REAL(name)(path, flags, mode); \
	}
#define OPENAT(name)                                                      \
	int name(int folder, const char *path, int flags, ...)            \
	{                                                                 \
		va_list more;                                             \
		va_start(more, flags);                                    \
		mode_t mode = va_arg(more, mode_t);                       \
		va_end(more);                                             \
		return (flags & O_CREAT) && fails() ? -1 : REAL(name)(folder, path, flags, mode); \
	}
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

ssize_t write(int descriptor, const void *bytes, size_t size)
{
	return is_file(descriptor) && fails() ? -1 : REAL(write)(descriptor, bytes, size);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t size, off_t at)
{
	return fails() ? -1 : REAL(pwrite)(descriptor, bytes, size, at);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t size, off64_t at)
{
	return fails() ? -1 : REAL(pwrite64)(descriptor, bytes, size, at);
}

int fsync(int descriptor)
{
	return fails() ? -1 : REAL(fsync)(descriptor);
}

int fdatasync(int descriptor)
{
	return fails() ? -1 : REAL(fdatasync)(descriptor);
}

int ftruncate64(int descriptor, off64_t size)
{
	return fails() ? -1 : REAL(ftruncate64)(descriptor, size);
}

int posix_fallocate64(int descriptor, off64_t at, off64_t size)
{
	return fails() ? errno : REAL(posix_fallocate64)(descriptor, at, size);
}

int mkdirat(int folder, const char *path, mode_t mode)
{
	return fails() ? -1 : REAL(mkdirat)(folder, path, mode);
}

int rename(const char *from, const char *to)
{
	return fails() ? -1 : REAL(rename)(from, to);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
	return fails() ? -1 : REAL(renameat)(from_folder, from, to_folder, to);
}

int unlink(const char *path)
{
	return fails() ? -1 : REAL(unlink)(path);
}

int unlinkat(int folder, const char *path, int flags)
{
	return fails() ? -1 : REAL(unlinkat)(folder, path, flags);
}

void *mmap64(void *place, size_t size, int protection, int flags, int descriptor, off64_t at)
{
	int shared = descriptor >= 0 && (flags & MAP_SHARED) && (protection & PROT_WRITE);

	return shared && fails() ? MAP_FAILED : REAL(mmap64)(place, size, protection, flags, descriptor, at);
}
