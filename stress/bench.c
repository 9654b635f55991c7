/*
 * kitty-bench: the table of budgets. Must name the machine, and say what missed its budget by the
 * exit status.
 */
#include "stress/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <kitty/json.h>

#include "ipc/buffer.h"
#include "stress/run.h"

enum { KT_BENCH_ROWS_MAX = 32 };

static struct kt_bench_row rows[KT_BENCH_ROWS_MAX];
static size_t rows_len;
static char *folder_to_remove;

void kt_samples_add(struct kt_samples *samples, double value)
{
	if (samples->len < sizeof samples->values / sizeof *samples->values)
		samples->values[samples->len++] = value;
}

static int by_value(const void *left, const void *right)
{
	const double *a = left;
	const double *b = right;

	return (*a > *b) - (*a < *b);
}

double kt_samples_median(struct kt_samples *samples)
{
	if (samples->len == 0)
		return 0;
	qsort(samples->values, samples->len, sizeof *samples->values, by_value);
	return samples->values[samples->len / 2];
}

void kt_bench_add(const struct kt_bench_row *row)
{
	if (rows_len == KT_BENCH_ROWS_MAX)
		kt_run_die("too many rows");
	rows[rows_len++] = *row;
}

double kt_bench_time(const char *cwd, int expected, const char *const *argv)
{
	struct kt_buffer output = KT_BUFFER_INIT;
	int64_t from = kt_run_now_ns();
	int status = kt_run_quiet(cwd, &output, argv);
	double spent = (double)(kt_run_now_ns() - from) / 1e6;

	if (status != expected)
		kt_run_die("%s %s: status %d, expected %d: %s", argv[0], argv[1], status, expected,
			kt_buffer_text(&output));
	kt_buffer_release(&output);
	return spent;
}

static void machine(struct kt_buffer *out)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	struct utsname system = {0};

	(void)uname(&system);
	KT_RUN_OUT(folder_to_remove, &text, "sh", "-c",
		"sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1; git --version; stat "
		"-f -c %T .");
	kt_run_chomp(&text);
	for (char *newline = text.data; (newline = strchr(newline, '\n'));)
		*newline = ';';
	kt_buffer_printf(out, "%s %s; %ld cores; %s", system.sysname, system.release,
		sysconf(_SC_NPROCESSORS_ONLN), kt_buffer_text(&text));
	kt_buffer_release(&text);
}

static bool holds(const struct kt_bench_row *row)
{
	return row->value <= row->limit;
}

static void print_rows(const char *machine_text)
{
	printf("%s\n\n%-58s %12s   %-34s %12s  %s\n", machine_text, "operation (median)",
		"measured", "beside it", "at most", "verdict");
	for (size_t i = 0; i < rows_len; i++) {
		const struct kt_bench_row *row = &rows[i];
		char beside[64] = "";
		if (row->beside)
			(void)snprintf(beside, sizeof beside, "%s %.2f %s", row->beside,
				row->beside_value, row->unit);
		printf("%-58s %8.2f %-3s   %-34s %8.2f %-3s  %s\n", row->name, row->value,
			row->unit, beside, row->limit, row->unit, holds(row) ? "ok" : "TOO SLOW");
	}
}

static void print_json(const char *machine_text)
{
	struct kt_json *all = kt_json_new_object();
	struct kt_json *list = kt_json_new_array();
	struct kt_buffer text = KT_BUFFER_INIT;

	kt_json_set_string(all, "machine", machine_text);
	for (size_t i = 0; i < rows_len; i++) {
		struct kt_json *one = kt_json_new_object();
		kt_json_set_string(one, "name", rows[i].name);
		kt_json_set_string(one, "unit", rows[i].unit);
		kt_json_set(one, "value", kt_json_new_double(rows[i].value));
		kt_json_set_string(one, "beside", rows[i].beside);
		kt_json_set(one, "beside_value", kt_json_new_double(rows[i].beside_value));
		kt_json_set(one, "limit", kt_json_new_double(rows[i].limit));
		kt_json_set_bool(one, "holds", holds(&rows[i]));
		kt_json_append(list, one);
	}
	kt_json_set(all, "rows", list);
	kt_json_write(all, KT_JSON_COMPACT, &text);
	puts(kt_buffer_text(&text));
	kt_buffer_release(&text);
	kt_json_free(all);
}

static void remove_folder(void)
{
	if (folder_to_remove)
		(void)KT_TRY(NULL, NULL, "rm", "-rf", folder_to_remove);
	free(folder_to_remove);
}

int main(int argc, char **argv)
{
	bool is_json = argc == 2 && strcmp(argv[1], "--json") == 0;
	struct kt_buffer text = KT_BUFFER_INIT;
	bool is_good = true;

	if (argc > 1 && !is_json) {
		(void)fputs("usage: kitty-bench [--json]    exit: 0 within all budgets, 1 not, 2 "
			    "could not run\n",
			stderr);
		return 2;
	}
	folder_to_remove = kt_workspace_folder("bench");
	(void)atexit(remove_folder);
	kt_bench_writes(folder_to_remove);
	kt_bench_verify(folder_to_remove);
	kt_bench_folders(folder_to_remove);
	machine(&text);
	if (is_json)
		print_json(kt_buffer_text(&text));
	else
		print_rows(kt_buffer_text(&text));
	kt_buffer_release(&text);
	for (size_t i = 0; i < rows_len; i++)
		is_good = is_good && holds(&rows[i]);
	return is_good ? 0 : 1;
}
