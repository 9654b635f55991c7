/* Requests in flight. Pure part of the worker; it must never give one number twice. */
#include "worker/requests.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"

void kt_requests_release(struct kt_requests *requests)
{
	free(requests->all);
	requests->all = NULL;
	requests->len = 0;
}

uint64_t kt_requests_add(
	struct kt_requests *requests, uint64_t client, uint64_t client_request, unsigned type)
{
	if (requests->len == KT_REQUESTS_MAX)
		return 0;
	if (requests->all == NULL)
		requests->all = kt_realloc_array(NULL, KT_REQUESTS_MAX, sizeof(*requests->all));
	requests->all[requests->len++] = (struct kt_request){.number = ++requests->last_number,
		.client = client,
		.client_request = client_request,
		.type = type};
	return requests->last_number;
}

static void take_at(struct kt_requests *requests, size_t at, struct kt_request *out)
{
	*out = requests->all[at];
	requests->len--;
	memmove(requests->all + at, requests->all + at + 1,
		(requests->len - at) * sizeof(*requests->all));
}

bool kt_requests_take(struct kt_requests *requests, uint64_t number, struct kt_request *out)
{
	for (size_t i = 0; i < requests->len; i++)
		if (requests->all[i].number == number) {
			take_at(requests, i, out);
			return true;
		}
	return false;
}

bool kt_requests_take_oldest(struct kt_requests *requests, struct kt_request *out)
{
	if (requests->len == 0)
		return false;
	take_at(requests, 0, out);
	return true;
}

void kt_requests_forget_client(struct kt_requests *requests, uint64_t client)
{
	for (size_t i = 0; i < requests->len; i++)
		if (requests->all[i].client == client)
			requests->all[i].client = 0;
}

size_t kt_requests_of_client(const struct kt_requests *requests, uint64_t client)
{
	size_t count = 0;

	for (size_t i = 0; i < requests->len; i++)
		count += requests->all[i].client == client ? 1 : 0;
	return count;
}
