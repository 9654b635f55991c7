/*
 * The inside of invariants.c: what its files share. Nobody else includes it.
 *
 * invariants.c       the mission, the proof of `kitty verify`, the notes of before (P7)
 * invariants_log.c   rows of the log at the tip: P1, P2, P6, P8
 * invariants_refs.c  locks and worktrees: P3, P7
 */
#ifndef KITTY_STRESS_INVARIANTS_PRIVATE_H
#define KITTY_STRESS_INVARIANTS_PRIVATE_H

#include "ipc/buffer.h"
#include "stress/invariants.h"

struct kt_invariants_walk {
	const struct kt_invariants *job;
	struct kt_verdicts *verdicts;
	char *slug;
	char *ref;        /* full name that holds the log; the first of several */
	char *refs;       /* all of them, space-separated: without a coordination branch lanes hold
			   * rows of their own */
	char *log_path;   /* repo-relative */
	char *common_dir; /* absolute */
	struct kt_buffer log; /* at the tip; of several, each row once */
};

/* Lines of a text, one after the other: writes the line's end over the newline. NULL at the end. */
char *kt_next_line(char **rest);

/* Membership in the words of a text (commit ids, event ids), sorted. */
struct kt_words {
	char **words; /* borrow from the text they were taken from */
	size_t len, capacity;
};
void kt_words_add(struct kt_words *words, char *word);
void kt_words_sort(struct kt_words *words);
size_t kt_words_count(const struct kt_words *words, const char *word);
void kt_words_release(struct kt_words *words);

void kt_invariants_log(struct kt_invariants_walk *walk);
void kt_invariants_refs(struct kt_invariants_walk *walk);

#endif
