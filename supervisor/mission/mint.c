/*
 * Mints mission ids. Used by kitty only. Never reads the clock itself.
 */
#include "supervisor/mission/mint.h"

#include <string.h>

#include "ipc/buffer.h"
#include "ipc/clock.h"

static const char crockford[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

#define WINDOW_MS 1024 /* ten bits of time stand behind the first eight characters */

char *kt_mission_id_mint(int64_t time_ms)
{
	char text[27] = "";
	unsigned char random[16];

	kt_random_bytes(random, sizeof(random));
	for (int i = 9; i >= 0; i--) {
		text[i] = crockford[time_ms & 31];
		time_ms >>= 5;
	}
	for (int i = 0; i < 16; i++)
		text[10 + i] = crockford[random[i] & 31];
	return kt_strndup(text, 26);
}

int64_t kt_mission_id_next_window(int64_t time_ms)
{
	return (time_ms / WINDOW_MS + 1) * WINDOW_MS;
}

int64_t kt_mission_id_window(const char *mid8)
{
	int64_t value = 0;

	for (int i = 0; i < 8; i++)
		value = value * 32 + (strchr(crockford, mid8[i]) - crockford);
	return value * WINDOW_MS;
}
