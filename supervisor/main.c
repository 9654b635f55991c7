/*
 * kitty: every command, and the supervisor. All of it stands in supervisor/cli.
 */
#include "supervisor/cli/command.h"

int main(int argc, char **argv)
{
	return kt_cli_main(argc, argv);
}
