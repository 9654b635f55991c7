/*
 * Unix stream sockets: where they live, who is at the other end. Both programs.
 *
 * Sockets live in $XDG_RUNTIME_DIR/kitty or /tmp/kitty-UID, a folder of ours with mode 0700 that is
 * no link; names are short hashes, because a socket's path may have 107 bytes. The path that was
 * listened on is written down by the caller (the supervisor in its holder file); nobody computes it
 * again.
 */
#ifndef KITTY_IPC_SOCKET_H
#define KITTY_IPC_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

#include <kitty/error.h>

/*
 * Listens on a socket whose name is a hash of identity (any text that tells this one from all
 * others: common dir, mission, lane). A stale one of the same name is replaced, so the caller must
 * hold the lock that makes it the only one of that identity. Gives *path and *fd (non-blocking,
 * close-on-exec, mode 0600).
 */
KT_MUST_CHECK enum kt_code kt_socket_listen(
	const char *identity, char **path, int *fd, struct kt_error *err);

/* Takes away the socket of a listener of that identity that was killed; one that still listens
 * stays. */
void kt_socket_remove_stale(const char *identity);

/*
 * Accepts one connection: non-blocking, close-on-exec, peer of our user. *fd is -1 when there is
 * none to accept. A peer of another user is closed: KT_E_PEER_REFUSED. Out of descriptors: KT_E_IO
 * with errno EMFILE or ENFILE; the caller should stop listening for a moment.
 */
KT_MUST_CHECK enum kt_code kt_socket_accept(int listener, int *fd, struct kt_error *err);

/*
 * Connects to a path of any length (blocking socket, close-on-exec) and checks the peer's user.
 * Errors: KT_E_SUPERVISOR_ABSENT when nobody listens, KT_E_PEER_REFUSED.
 */
KT_MUST_CHECK enum kt_code kt_socket_connect(const char *path, int *fd, struct kt_error *err);

/* Process and user at the other end, as they were when it connected. False for no unix socket. */
bool kt_peer_credentials(int fd, pid_t *pid, uid_t *uid);

#endif
