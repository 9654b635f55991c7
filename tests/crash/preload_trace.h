/*
 * The trace of effects that a power loss could drop, written by libkitty-faults.so to <order>.trace
 * (faults.h says how). Does nothing until kt_trace_open. All paths are made absolute; what does not
 * lie below the root is left out.
 */
#ifndef KITTY_TESTS_CRASH_PRELOAD_TRACE_H
#define KITTY_TESTS_CRASH_PRELOAD_TRACE_H

#include <stdbool.h>
#include <stddef.h>

#include "faults.h"

void kt_trace_open(const char *order, const char *root);

void kt_trace_name(char kind, int at, const char *path);
void kt_trace_names(char kind, int from_at, const char *from, int to_at, const char *to);
void kt_trace_cut(const char *path, long long len);
void kt_trace_link(int at, const char *target, const char *path);
void kt_trace_data(char kind, int fd, long long offset, const void *data, size_t len);

long long kt_trace_offset(int fd); /* where the next write goes */
bool kt_trace_exists(int at, const char *path);

#endif
