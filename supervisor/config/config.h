/*
 * .kittify/config.yaml (the only reader of YAML, together with frontmatter.h).
 *
 * Unknown keys are an error inside the `kitty:` section and ignored elsewhere, because other
 * programs own the rest of the file. All problems are reported at once, with line and column.
 */
#ifndef KITTY_SUPERVISOR_CONFIG_CONFIG_H
#define KITTY_SUPERVISOR_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include <kitty/error.h>

struct kt_buffer;

enum kt_prompt_by { KT_PROMPT_STDIN, KT_PROMPT_ARGUMENT, KT_PROMPT_FILE };

/* One entry of kitty.agents: a command line that works on a WP. */
struct kt_agent {
	char *name;
	char **argv; /* NULL-terminated; with KT_PROMPT_FILE an element {prompt_file} is replaced by
			its path */
	enum kt_prompt_by prompt_by;
	long timeout_s;     /* 0: none */
	size_t capacity;    /* WPs at once; at least 1 */
	char **environment; /* NULL-terminated "NAME=value" */
};

/* One entry of kitty.sinks: where committed events go. */
struct kt_sink_config {
	char *name;
	bool is_file;
	char **argv; /* a command, NULL-terminated; NULL: a file */
	char *path;  /* a file, relative to the primary checkout; NULL: a command */
	long timeout_ms;
	size_t retries;
};

struct kt_config {
	struct kt_sink_config *sinks;
	size_t sinks_len;
	struct kt_agent *agents;
	size_t agents_len;
	char *default_agent; /* NULL: the first */
	size_t max_parallel; /* 0: no bound */
	long hook_timeout_ms;
	long agent_grace_ms;
	size_t lane_commit_max_bytes; /* size of uncommitted files that kitty commits for an agent
				       */
	bool owned_required;          /* changes outside owned_files keep a WP from for_review */
	bool subtasks_required; /* open subtasks block for_review instead of being recorded done */
	char *review;           /* agent that reviews; NULL: people do */
	size_t review_rounds;   /* at least 1 */
	bool review_self;       /* reviewer and implementer may be the same */
	bool sign_bookkeeping;
	bool has_protected;        /* protection.protected_branches is given (an empty list protects
				      nothing) */
	char **protected_branches; /* NULL-terminated globs */
};

/* The defaults when the file does not exist. Errors: KT_E_CONFIG_INVALID; `problems` (may be NULL)
 * gets one line per problem, "FILE:LINE:COLUMN: text". Gives. */
KT_MUST_CHECK enum kt_code kt_config_load(
	const char *path, struct kt_config **out, struct kt_buffer *problems, struct kt_error *err);
void kt_config_free(struct kt_config *config);
const struct kt_agent *kt_config_find_agent(const struct kt_config *config, const char *name);

/* Text of a fresh config.yaml with comments, what `kitty init` writes. */
const char *kt_config_template(void);

#endif
