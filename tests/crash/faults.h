/*
 * What kitty-crash and the preloaded library (preload_faults.c) tell each other: a small file that
 * both map. The driver writes the order, the library counts, strikes and says what it struck.
 *
 * The file is named by KITTY_FAULTS; without it the library does nothing. One order at a time;
 * calls are counted over all processes whose program is named in `programs`, in the order in which
 * they come.
 */
#ifndef KITTY_TESTS_CRASH_FAULTS_H
#define KITTY_TESTS_CRASH_FAULTS_H

#include <stdatomic.h>

#define KT_FAULTS_VARIABLE "KITTY_FAULTS"
#define KT_FAULTS_CALLS_MAX 65536

/* What a call can fail with depends on what it is. Bits: a row of the fault table names several. */
enum kt_call_kind {
	KT_CALL_OPEN = 1,       /* creates, truncates or opens for writing */
	KT_CALL_WRITE = 2,      /* bytes into a regular file; ftruncate */
	KT_CALL_NAME = 4,       /* rename, link, symlink, mkdir: needs room in a folder */
	KT_CALL_REMOVE = 8,     /* unlink, rmdir */
	KT_CALL_SYNC = 16,      /* fsync, fdatasync */
	KT_CALL_ATTRIBUTE = 32, /* chmod */
	KT_CALL_MEMORY = 64     /* malloc and its kin; counted instead of all others */
};

enum kt_fault {
	KT_FAULT_NONE,       /* count */
	KT_FAULT_KILL,       /* this process, before the call */
	KT_FAULT_KILL_GROUP, /* and everything else in its process group */
	KT_FAULT_ERRNO,
	KT_FAULT_SHORT,  /* half of the bytes are written, and the call says so */
	KT_FAULT_NO_SYNC /* every fsync says it worked and does nothing (negative control) */
};

struct kt_faults {
	char programs[64]; /* "kitty", "git": comma-separated names of executables */
	int fault;
	int sys_errno; /* KT_FAULT_ERRNO; KT_FAULT_SHORT: what follows when it persists */
	int persists;  /* from that call on, for the calls of `kinds` */
	int kinds;     /* which calls the fault can hit; the others are counted only */
	int is_memory; /* allocations are counted and struck, and nothing else */
	long at;       /* from 1 */
	atomic_long calls;
	atomic_long struck;   /* how often */
	char trace_root[200]; /* every effect below this folder is written to <file>.trace; "": none
			       */
	char what[200];       /* the call that was struck first */
	unsigned char seen[KT_FAULTS_CALLS_MAX]; /* kind of each call, by its number */
};

/*
 * One effect in the trace: this head, then path, other and data. kind: C a file was created (or
 * found there and emptied), W data at offset, T cut to offset, R path became other, L other is
 * another name of path, U path is gone, M a folder, Y a link to other, S path was synced.
 */
struct kt_effect_head {
	char kind;
	unsigned path_len, other_len;
	long long offset;
	unsigned long long data_len;
};

#endif
