/*
 * What is told when there is no memory: one structured error, in the form that the command
 * promised.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <kitty/error.h>
#include <kitty/json.h>

#include "ipc/buffer.h"

/* In a child: sanitizers give no NULL that could be asked for (crash/memory does). What it wrote to
 * each stream; its exit status. */
static int told(bool is_json, char out[1024], char err[1024])
{
	int pipes[2][2], status = 0;
	pid_t pid;

	for (int i = 0; i < 2; i++)
		assert_int_equal(pipe2(pipes[i], O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)dup2(pipes[0][1], STDOUT_FILENO);
		(void)dup2(pipes[1][1], STDERR_FILENO);
		kt_out_of_memory_is_json(is_json);
		kt_out_of_memory();
	}
	for (int i = 0; i < 2; i++) {
		ssize_t len;

		(void)close(pipes[i][1]);
		len = read(pipes[i][0], i == 0 ? out : err, 1023);
		assert_true(len >= 0);
		(i == 0 ? out : err)[len] = '\0';
		(void)close(pipes[i][0]);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void a_person_reads_code_and_next_step(void **state)
{
	char out[1024], err[1024];

	(void)state;
	assert_int_equal(told(false, out, err), kt_error_exit(KT_E_OUT_OF_MEMORY));
	assert_string_equal(out, "");
	assert_string_equal(err,
		"kitty: there is not enough memory [OUT_OF_MEMORY]\n"
		"next: end other programs, then see with kitty status what was done\n");
}

static void a_program_reads_one_object(void **state)
{
	char out[1024], err[1024];
	struct kt_json *answer = NULL;
	struct kt_error error = KT_ERROR_INIT;

	(void)state;
	assert_int_equal(told(true, out, err), kt_error_exit(KT_E_OUT_OF_MEMORY));
	assert_string_equal(err, "");
	assert_int_equal(kt_json_parse(out, strlen(out), 0, &answer, &error), KT_E_OK);
	assert_string_equal(
		kt_json_get_string(kt_json_get(answer, "error"), "code"), "OUT_OF_MEMORY");
	kt_json_free(answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_person_reads_code_and_next_step),
		cmocka_unit_test(a_program_reads_one_object),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
