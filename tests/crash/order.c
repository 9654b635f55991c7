/*
 * kitty-fault-order FILE PROGRAMS FAULT AT: writes an order for the preloaded library (faults.h),
 * for shell scripts. FAULT: none (count), kill, no-sync. kitty-fault-order FILE prints how many
 * calls were counted and how many struck.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "faults.h"

static const struct {
	const char *name;
	enum kt_fault fault;
} names[] = {{"none", KT_FAULT_NONE}, {"kill", KT_FAULT_KILL_GROUP}, {"no-sync", KT_FAULT_NO_SYNC}};

static struct kt_faults *order_map(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *map = MAP_FAILED;

	if (fd >= 0 && ftruncate(fd, sizeof(struct kt_faults)) == 0)
		map = mmap(
			NULL, sizeof(struct kt_faults), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd >= 0)
		(void)close(fd);
	return map == MAP_FAILED ? NULL : map;
}

int main(int argc, char **argv)
{
	struct kt_faults *order = argc == 2 || argc == 5 ? order_map(argv[1]) : NULL;

	if (order == NULL)
		return 2;
	if (argc == 2) {
		(void)printf("%ld %ld\n", atomic_load(&order->calls), atomic_load(&order->struck));
		return 0;
	}
	memset(order, 0, sizeof *order);
	(void)snprintf(order->programs, sizeof order->programs, "%s", argv[2]);
	order->kinds = ~0;
	order->at = strtol(argv[4], NULL, 10);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(names[i].name, argv[3]) == 0) {
			order->fault = (int)names[i].fault;
			return 0;
		}
	return 2;
}
