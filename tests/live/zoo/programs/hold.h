/* Waits until the scene goes on. */
#include <fcntl.h>
#include <unistd.h>

static void hold(void)
{
	char byte;
	int gate = open("gate", O_RDONLY);

	read(gate, &byte, 1);
	close(gate);
}
