/*
 * Runs a fuzz target over its corpus without a fuzzer: every file, and of every file a hundred
 * variations that are the same in every run (cut, one byte changed, one byte doubled). Linked in
 * place of libFuzzer's main.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/target.h"

enum { VARIATIONS = 100, FILE_MAX = 1 << 20 };

static uint64_t next(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 33;
}

static void vary(const uint8_t *bytes, size_t len, uint64_t seed)
{
	uint8_t *copy = malloc(len + 1);
	uint64_t state = seed;
	size_t at = len ? next(&state) % len : 0;

	if (!copy || len == 0) {
		free(copy);
		return;
	}
	memcpy(copy, bytes, len);
	if (seed % 3 == 0) {
		(void)LLVMFuzzerTestOneInput(copy, at);
	} else if (seed % 3 == 1) {
		copy[at] = (uint8_t)next(&state);
		(void)LLVMFuzzerTestOneInput(copy, len);
	} else {
		memmove(copy + at + 1, copy + at, len - at);
		(void)LLVMFuzzerTestOneInput(copy, len + 1);
	}
	free(copy);
}

static int replay(const char *path)
{
	static uint8_t bytes[FILE_MAX];
	FILE *file = fopen(path, "rbe");
	size_t len = 0;

	if (!file) {
		perror(path);
		return 0;
	}
	len = fread(bytes, 1, sizeof bytes, file);
	(void)fclose(file);
	(void)LLVMFuzzerTestOneInput(bytes, len);
	for (uint64_t seed = 1; seed <= VARIATIONS; seed++)
		vary(bytes, len, seed);
	return 1;
}

int main(int argc, char **argv)
{
	DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
	const struct dirent *entry = NULL;
	char path[4096];
	int files = 0;

	if (!folder) {
		(void)fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
		return 2;
	}
	while ((entry = readdir(folder)))
		if (entry->d_name[0] != '.') {
			(void)snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
			files += replay(path);
		}
	(void)closedir(folder);
	printf("%d files, %d inputs\n", files, files * (VARIATIONS + 1));
	return files > 0 ? 0 : 1;
}
