/*
 * Turns records and git's reflog into numbers, and prints them for people or as one JSON object.
 * Runs in kitty-stress. Must not round a broken promise away: the verdicts are printed as they are.
 */
#include "stress/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kitty/json.h>

#include "ipc/buffer.h"
#include "stress/record.h"
#include "stress/run.h"

static int by_value(const void *left, const void *right)
{
	const int64_t *a = left;
	const int64_t *b = right;

	return (*a > *b) - (*a < *b);
}

static double quantile_ms(const int64_t *sorted, size_t len, double part)
{
	size_t at = (size_t)((double)(len - 1) * part + 0.5);

	return len ? (double)sorted[at] / 1e6 : 0;
}

static double round_ms(double value)
{
	return (double)(long long)(value * 1000 + 0.5) / 1000;
}

struct window {
	int64_t first, last;
	int64_t *latencies;
	size_t len;
};

static void add_record(const struct kt_record *record, struct window *window, struct kt_speed *out)
{
	for (size_t i = 0; i < record->len; i++) {
		const struct kt_record_event *event = &record->events[i];
		if (!event->commit[0])
			continue;
		out->requests++;
		if (!window->first || event->submitted_ns < window->first)
			window->first = event->submitted_ns;
		if (event->acknowledged_ns > window->last)
			window->last = event->acknowledged_ns;
		if (event->submissions > 1)
			out->resubmitted++;
		else
			window->latencies[window->len++] =
				event->acknowledged_ns - event->submitted_ns;
	}
}

void kt_speed_measure(
	const struct kt_workspace *workspace, const char *records, struct kt_speed *out)
{
	struct window window = {0};

	memset(out, 0, sizeof *out);
	window.latencies =
		kt_alloc((workspace->lanes * workspace->events + 1) * sizeof *window.latencies);
	for (size_t i = 0; i < workspace->lanes; i++) {
		struct kt_record record;
		char *wp = kt_workspace_wp(i);
		kt_record_read(records, wp, &record);
		add_record(&record, &window, out);
		kt_record_release(&record);
		free(wp);
	}
	if (window.last > window.first)
		out->per_second =
			(double)out->requests * 1e9 / (double)(window.last - window.first);
	qsort(window.latencies, window.len, sizeof *window.latencies, by_value);
	out->p50_ms = quantile_ms(window.latencies, window.len, 0.50);
	out->p99_ms = quantile_ms(window.latencies, window.len, 0.99);
	free(window.latencies);
}

void kt_report_batches(struct kt_report *report)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_buffer count = KT_BUFFER_INIT;
	char *path = kt_format(
		"%s/.git/logs/refs/heads/%s", report->workspace->repo, report->workspace->branch);
	char *end = NULL;

	(void)kt_run_read_file(path, &text);
	for (char *line = text.data; line && (end = strchr(line, '\n')); line = end + 1) {
		char *range = NULL;
		size_t commits = 0;
		*end = '\0';
		if (end - line < 82 || memcmp(line, "0000000000", 10) == 0)
			continue;
		range = kt_format("%.40s..%.40s", line, line + 41);
		kt_buffer_clear(&count);
		KT_RUN_OUT(report->workspace->repo, &count, "git", "rev-list", "--count", range);
		commits = strtoul(kt_buffer_text(&count), NULL, 10);
		report->batches += commits > 0;
		if (commits > report->largest_batch)
			report->largest_batch = commits;
		free(range);
	}
	kt_buffer_release(&text);
	kt_buffer_release(&count);
	free(path);
}

long kt_report_disk_kib(const char *folder)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	long kib = 0;

	KT_RUN_OUT(folder, &text, "du", "-sk", ".git");
	kib = strtol(kt_buffer_text(&text), NULL, 10);
	kt_buffer_release(&text);
	return kib;
}

static double ratio(const struct kt_report *report)
{
	if (report->baseline.per_second <= 0)
		return 0;
	return report->kitty.per_second / report->baseline.per_second;
}

static const char *verdict_text(const struct kt_verdict *verdict)
{
	if (verdict->broken)
		return "broken";
	return verdict->checked ? "held" : "not checked";
}

void kt_report_print(const struct kt_report *report)
{
	const struct kt_verdicts *verdicts = report->verdicts;

	printf("lanes %zu, events per lane %zu, seed %llu\n", report->workspace->lanes,
		report->workspace->events, (unsigned long long)report->workspace->seed);
	printf("kitty     %8.1f requests/s   p50 %7.2f ms   p99 %7.2f ms   .git +%ld KiB\n",
		report->kitty.per_second, report->kitty.p50_ms, report->kitty.p99_ms,
		report->growth_kib);
	if (report->has_baseline)
		printf("baseline  %8.1f requests/s   p50 %7.2f ms   p99 %7.2f ms   .git +%ld KiB\n"
		       "ratio     %8.2f\n",
			report->baseline.per_second, report->baseline.p50_ms,
			report->baseline.p99_ms, report->baseline_growth_kib, ratio(report));
	printf("%zu acknowledged, %zu commits in %zu batches, the largest %zu; supervisor's memory "
	       "at most %ld KiB\n",
		verdicts->acknowledged, verdicts->commits, report->batches, report->largest_batch,
		report->drive->peak_rss_kib);
	if (report->drive->kills)
		printf("%zu supervisors killed, %zu requests sent again, slowest end of all "
		       "processes %lld ms\n",
			report->drive->kills, report->kitty.resubmitted,
			(long long)report->drive->slowest_end_ms);
	for (size_t i = 0; i < KT_PROMISES; i++)
		printf("%-4s %s (%zu checks, %zu broken)%s%s\n",
			kt_promise_name((enum kt_promise)i), verdict_text(&verdicts->promises[i]),
			verdicts->promises[i].checked, verdicts->promises[i].broken,
			verdicts->promises[i].broken ? ": " : "", verdicts->promises[i].first);
}

static struct kt_json *promises_json(const struct kt_verdicts *verdicts)
{
	struct kt_json *all = kt_json_new_object();

	for (size_t i = 0; i < KT_PROMISES; i++) {
		const struct kt_verdict *verdict = &verdicts->promises[i];
		struct kt_json *one = kt_json_new_object();
		kt_json_set_string(one, "verdict", verdict_text(verdict));
		kt_json_set_int(one, "checked", (int64_t)verdict->checked);
		kt_json_set_int(one, "broken", (int64_t)verdict->broken);
		if (verdict->broken)
			kt_json_set_string(one, "detail", verdict->first);
		kt_json_set(all, kt_promise_name((enum kt_promise)i), one);
	}
	return all;
}

void kt_report_print_json(const struct kt_report *report)
{
	struct kt_json *all = kt_json_new_object();
	struct kt_buffer text = KT_BUFFER_INIT;

	kt_json_set_int(all, "lanes", (int64_t)report->workspace->lanes);
	kt_json_set_int(all, "events", (int64_t)report->workspace->events);
	kt_json_set_int(all, "seed", (int64_t)report->workspace->seed);
	kt_json_set_int(all, "kills", (int64_t)report->drive->kills);
	kt_json_set_int(all, "requests", (int64_t)report->kitty.requests);
	kt_json_set_int(all, "resubmitted", (int64_t)report->kitty.resubmitted);
	kt_json_set(all, "requests_per_s", kt_json_new_double(round_ms(report->kitty.per_second)));
	kt_json_set(
		all, "baseline_per_s", kt_json_new_double(round_ms(report->baseline.per_second)));
	kt_json_set(all, "ratio", kt_json_new_double(round_ms(ratio(report))));
	kt_json_set(all, "p50_ms", kt_json_new_double(round_ms(report->kitty.p50_ms)));
	kt_json_set(all, "p99_ms", kt_json_new_double(round_ms(report->kitty.p99_ms)));
	kt_json_set(all, "baseline_p50_ms", kt_json_new_double(round_ms(report->baseline.p50_ms)));
	kt_json_set_int(all, "commits", (int64_t)report->verdicts->commits);
	kt_json_set_int(all, "batches", (int64_t)report->batches);
	kt_json_set_int(all, "largest_batch", (int64_t)report->largest_batch);
	kt_json_set_int(all, "disk_growth_kib", report->growth_kib);
	kt_json_set_int(all, "baseline_disk_growth_kib", report->baseline_growth_kib);
	kt_json_set_int(all, "supervisor_peak_rss_kib", report->drive->peak_rss_kib);
	kt_json_set_int(all, "slowest_end_ms", report->drive->slowest_end_ms);
	kt_json_set(all, "promises", promises_json(report->verdicts));
	kt_json_write(all, KT_JSON_COMPACT, &text);
	puts(kt_buffer_text(&text));
	kt_buffer_release(&text);
	kt_json_free(all);
}
