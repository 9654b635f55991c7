/*
 * Small things about descriptors that several files of ipc/ and both programs need.
 */
#ifndef KITTY_IPC_FD_H
#define KITTY_IPC_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

void kt_fd_close(int *fd); /* closes unless negative, sets -1; keeps errno */
bool kt_fd_set_nonblocking(int fd);

/*
 * write(2) that never raises SIGPIPE: a peer that is gone gives -1 and EPIPE, whatever this
 * process does with the signal. The signal mask is the caller's again on return.
 */
ssize_t kt_fd_write_quietly(int fd, const void *bytes, size_t len);

/* poll(2) of one descriptor for events, restarted after signals; timeout_ms < 0 waits for ever. */
bool kt_fd_wait(int fd, short events, int timeout_ms);

#endif
