/*
 * Goes through every state of the model, breadth first, and asserts the promises of P1 to P4, P6,
 * P8 and P10 in each. Then once more for every protection that can be taken out: each such model
 * must break a promise, and the shortest way there is printed. A test.
 *
 *   explore            some millions of states, and the sabotaged ones
 *   explore --deep     some ten millions, a few minutes and some gigabytes
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"

enum { FIRST_CAPACITY = 1 << 16, HASH_LOAD = 2 };

/* How a state was first met. */
struct origin {
	uint32_t parent;
	const char *name;
	int worker;
};

struct search {
	const struct model *model;
	struct model_state *states;
	struct origin *origins;
	uint32_t *table; /* index + 1 of a state; 0: free */
	size_t len, capacity, current;
	uint64_t transitions;
	size_t broken_at; /* index of the first state that breaks a promise */
	enum promise broken;
	size_t worker_moves; /* of the current state */
};

static void *grow(void *old, size_t count, size_t size)
{
	void *new = realloc(old, count * size);

	if (new == NULL)
		abort();
	return new;
}

static uint64_t hash(const struct model_state *state)
{
	const unsigned char *bytes = (const unsigned char *)state;
	uint64_t sum = 0xcbf29ce484222325U;

	for (size_t i = 0; i < sizeof *state; i++)
		sum = (sum ^ bytes[i]) * 0x100000001b3U;
	return sum ^ sum >> 29;
}

/* The place of that state in the table, taken or free. */
static uint32_t *place_of(const struct search *search, const struct model_state *state)
{
	size_t mask = search->capacity * HASH_LOAD - 1;
	size_t at = hash(state) & mask;

	while (search->table[at] != 0 &&
		memcmp(&search->states[search->table[at] - 1], state, sizeof *state) != 0)
		at = (at + 1) & mask;
	return &search->table[at];
}

static void make_room(struct search *search)
{
	if (search->len < search->capacity)
		return;
	search->capacity = search->capacity == 0 ? FIRST_CAPACITY : search->capacity * 2;
	search->states = grow(search->states, search->capacity, sizeof *search->states);
	search->origins = grow(search->origins, search->capacity, sizeof *search->origins);
	free(search->table);
	search->table = calloc(search->capacity * HASH_LOAD, sizeof *search->table);
	if (search->table == NULL)
		abort();
	for (size_t i = 0; i < search->len; i++)
		*place_of(search, &search->states[i]) = (uint32_t)i + 1;
}

/* The writers have no names: of two states that differ only in who is who, one is enough. */
static void sort_writers(struct model_state *state)
{
	uint8_t *owners[] = {&state->lock, &state->ref_lock, &state->intent};
	struct worker first = state->worker[0];

	if (memcmp(&state->worker[0], &state->worker[1], sizeof first) <= 0)
		return;
	state->worker[0] = state->worker[1];
	state->worker[1] = first;
	for (size_t i = 0; i < sizeof owners / sizeof owners[0]; i++)
		if (*owners[i] < MODEL_WORKERS)
			*owners[i] = (uint8_t)(1 - *owners[i]);
}

static void add(struct search *search, const struct model_state *found, const struct origin *origin)
{
	struct model_state sorted = *found;
	const struct model_state *state = &sorted;
	uint32_t *place = NULL;

	sort_writers(&sorted);
	make_room(search);
	place = place_of(search, state);
	if (*place != 0)
		return;
	search->states[search->len] = *state;
	search->origins[search->len] = *origin;
	*place = (uint32_t)++search->len;
	if (search->broken == ALL_KEPT) {
		search->broken = kt_model_check(state);
		search->broken_at = search->len - 1;
	}
}

static void on_move(const struct model_move *move, void *arg)
{
	struct search *search = arg;
	const struct origin origin = {(uint32_t)search->current, move->name, move->worker};

	search->transitions++;
	if (move->worker >= 0)
		search->worker_moves++;
	add(search, move->to, &origin);
}

static void explore(struct search *search, const struct budget *budget)
{
	const struct origin none = {0, "start", -1};
	struct model_state state;

	kt_model_init(&state, budget);
	add(search, &state, &none);
	for (; search->current < search->len && search->broken == ALL_KEPT; search->current++) {
		state = search->states[search->current];
		search->worker_moves = 0;
		for (int worker = 0; worker < MODEL_WORKERS; worker++)
			kt_model_worker_moves(search->model, &state, worker, on_move, search);
		/* Whatever is under way can go on by itself. */
		if (search->worker_moves == 0 && kt_model_is_busy(&state) &&
			search->broken == ALL_KEPT) {
			search->broken = P10;
			search->broken_at = search->current;
		}
		kt_model_outside_moves(search->model, &state, on_move, search);
	}
}

static void print_way(const struct search *search)
{
	size_t way[256], len = 0;

	for (size_t at = search->broken_at; at != 0 && len < 256; at = search->origins[at].parent)
		way[len++] = at;
	while (len-- > 0) {
		const struct origin *origin = &search->origins[way[len]];

		printf("    %s%s\n", origin->worker < 0 ? "" : "a writer: ", origin->name);
	}
}

static void release(struct search *search)
{
	free(search->states);
	free(search->origins);
	free(search->table);
}

/* True when every promise is kept. */
static bool is_kept(const struct model *model, const struct budget *budget)
{
	struct search search = {.model = model};
	bool kept = false;

	explore(&search, budget);
	kept = search.broken == ALL_KEPT;
	printf("%s hooks; kills %d, power cuts %d, foreign commits %d, doubles %d, errors %d, "
	       "timeouts %d, refusals %d: %zu states, %llu transitions: %s\n",
		model->has_hooks ? "with" : "without", budget->crashes, budget->power_cuts,
		budget->foreign_moves, budget->doubles, budget->errors, budget->timeouts,
		budget->refusals, search.len, (unsigned long long)search.transitions,
		kept ? "every promise kept" : kt_model_promise_name(search.broken));
	if (!kept)
		print_way(&search);
	release(&search);
	return kept;
}

/* What may happen, and how often. All of it together is more than a machine can go through; these
 * mixtures hold each pair that meets in the code. */
static const struct mixture {
	bool has_hooks, is_deep;
	struct budget budget;
} mixtures[] = {
	{false, false, {.crashes = 1, .power_cuts = 1}},
	{false, false, {.foreign_moves = 1, .doubles = 1}},
	{false, false, {.errors = 1, .refusals = 1}},
	{true, false, {.crashes = 1, .refusals = 1}},
	{true, false, {.foreign_moves = 1, .refusals = 1}},
	{false, true, {.crashes = 2, .power_cuts = 1}},
	{false, true, {.crashes = 1, .doubles = 1, .foreign_moves = 1}},
	{false, true, {.crashes = 1, .errors = 1}},
	{false, true, {.power_cuts = 1, .errors = 1}},
	{false, true, {.errors = 1, .foreign_moves = 1, .timeouts = 1}},
	{false, true, {.crashes = 1, .timeouts = 1, .doubles = 1}},
	{true, true, {.crashes = 1, .power_cuts = 1, .refusals = 1}},
	{true, true, {.crashes = 1, .foreign_moves = 1, .refusals = 1}},
	{true, true, {.crashes = 1, .errors = 1}},
};

/* Each protection, and what must happen for its absence to show. */
static const struct sabotaged {
	enum sabotage off;
	const char *name;
	struct budget budget;
} sabotages[] = {
	{NO_LOCK, "without the lock", {0}},
	{NO_HEAL, "without healing", {.crashes = 1}},
	{NO_COMPARE, "swap without compare", {.foreign_moves = 1}},
	{NO_FLUSH, "without flushing the ref", {.power_cuts = 1}},
	{NO_FLUSH_OF_WHAT_WAS_FOUND, "trusting a ref that a killed writer moved",
		{.crashes = 1, .power_cuts = 1}},
	{NO_ID_CHECK, "without looking for the id", {.crashes = 1}},
	{RECEIPT_BEFORE_SWAP, "receipt before the swap", {0}},
	{EXIT_CODE_DECIDES, "exit status decides, not the ref", {.errors = 1}},
	{NO_READ_BACK_AFTER_ERROR, "a failed flush taken for a failed swap", {.errors = 1}},
	{READ_BACK_EXACTLY, "a foreign commit on top taken for a failed swap",
		{.foreign_moves = 1}},
	{NO_INTENT, "without the intent record", {.crashes = 1}},
	{BREAKS_LIVING_LOCK, "breaking the lock of a git that outlives its writer", {.crashes = 1}},
	{EFFECT_BEFORE_COMMIT, "effect before the commit", {0}},
};

/* True when the model without that protection breaks a promise. */
static bool is_caught(const struct sabotaged *sabotaged)
{
	const struct model model = {
		.is_coarse = true, .minted = MODEL_EVENTS - 1, .off = sabotaged->off};
	struct search search = {.model = &model};
	bool caught = false;

	explore(&search, &sabotaged->budget);
	caught = search.broken != ALL_KEPT;
	printf("%s: %s%s after %zu states\n", sabotaged->name, caught ? "breaks " : "NOT CAUGHT",
		caught ? kt_model_promise_name(search.broken) : "", search.len);
	release(&search);
	return caught;
}

int main(int argc, char **argv)
{
	bool is_deep = argc > 1 && strcmp(argv[1], "--deep") == 0;
	bool good = true;

	for (size_t i = 0; i < sizeof mixtures / sizeof mixtures[0]; i++) {
		const struct model model = {.has_hooks = mixtures[i].has_hooks,
			.is_coarse = true,
			.minted = MODEL_EVENTS - 1};

		if (mixtures[i].is_deep == is_deep)
			good = is_kept(&model, &mixtures[i].budget) && good;
	}
	for (size_t i = 0; !is_deep && i < sizeof sabotages / sizeof sabotages[0]; i++)
		good = is_caught(&sabotages[i]) && good;
	return good ? 0 : 1;
}
