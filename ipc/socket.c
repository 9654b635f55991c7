/*
 * Unix sockets by path. Both programs. Must never listen in a folder that others can write to,
 * never talk to another user's process, and never change this process's working directory.
 */
#include "ipc/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <kitty/limits.h>

#include "ipc/buffer.h"
#include "ipc/fd.h"
#include "ipc/file.h"

#define BACKLOG 128

/* FNV-1a, twice with different starts: 128 bits, enough that no two missions meet by chance. */
static uint64_t hash(const char *text, uint64_t state)
{
	for (; *text != '\0'; text++)
		state = (state ^ (unsigned char)*text) * 0x100000001B3U;
	return state;
}

static char *socket_name(const char *identity)
{
	return kt_format("%016" PRIx64 "%08" PRIx64, hash(identity, 0xCBF29CE484222325U),
		hash(identity, 0x9E3779B97F4A7C15U) >> 32);
}

/* Somebody else could have made the folder first, /tmp being everybody's. */
static enum kt_code check_folder(const char *path, struct kt_error *err)
{
	struct stat found;

	if (lstat(path, &found) != 0)
		return kt_error_sys(err, KT_E_IO, errno, "%s", path);
	if (!S_ISDIR(found.st_mode))
		return kt_error_set(err, KT_E_PEER_REFUSED, "%s is no folder", path);
	if (found.st_uid != geteuid())
		return kt_error_set(err, KT_E_PEER_REFUSED, "%s belongs to user %u", path,
			(unsigned)found.st_uid);
	if ((found.st_mode & 0777) != 0700)
		return kt_error_set(err, KT_E_PEER_REFUSED, "%s has mode %03o, not 700", path,
			(unsigned)found.st_mode & 0777U);
	return KT_E_OK;
}

/* Gives the folder, made and checked. Errors: KT_E_PEER_REFUSED when it is not ours alone. */
static enum kt_code socket_folder(char **out, struct kt_error *err)
{
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): no threads */
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	enum kt_code code;
	char *path;

	if (runtime != NULL && runtime[0] == '/' && kt_folder_exists(runtime))
		path = kt_path_join(runtime, "kitty");
	else
		path = kt_format("/tmp/kitty-%u", (unsigned)geteuid());
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		code = kt_error_sys(err, kt_error_from_errno(errno), errno, "%s", path);
	else
		code = check_folder(path, err);
	if (code == KT_E_OK)
		*out = path;
	else
		free(path);
	return code;
}

/*
 * An address for any path: a long one goes through /proc/self/fd/N of its folder, which must stay
 * open until bind or connect are done.
 */
static bool make_address(const char *path, struct sockaddr_un *address, int *folder_fd)
{
	const char *name = strrchr(path, '/');
	char *parent = kt_path_parent(path), *text;
	size_t len;

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	*folder_fd = -1;
	if (strlen(path) < sizeof address->sun_path) {
		text = kt_strdup(path);
	} else {
		*folder_fd = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
		text = kt_format("/proc/self/fd/%d/%s", *folder_fd, name == NULL ? path : name + 1);
	}
	len = strlen(text);
	if (len < sizeof address->sun_path)
		memcpy(address->sun_path, text, len + 1);
	free(text);
	free(parent);
	if (len >= sizeof address->sun_path)
		errno = ENAMETOOLONG;
	return len < sizeof address->sun_path;
}

static int with_address(int fd, const char *path,
	int (*call)(int fd, const struct sockaddr *address, socklen_t len))
{
	struct sockaddr_un address;
	int folder_fd, result = -1;

	if (make_address(path, &address, &folder_fd))
		result = call(fd, (const struct sockaddr *)&address, sizeof address);
	kt_fd_close(&folder_fd);
	return result;
}

static int bind_address(int fd, const struct sockaddr *address, socklen_t len)
{
	return bind(fd, address, len);
}

static int connect_address(int fd, const struct sockaddr *address, socklen_t len)
{
	int result;

	do
		result = connect(fd, address, len);
	while (result != 0 && errno == EINTR);
	return result;
}

/* The folder is ours alone, so the moment before chmod shows the socket to nobody. */
static bool start_listening(int fd, const char *path)
{
	if (unlink(path) != 0 && errno != ENOENT)
		return false;
	return with_address(fd, path, bind_address) == 0 && chmod(path, 0600) == 0 &&
	       listen(fd, BACKLOG) == 0;
}

enum kt_code kt_socket_listen(const char *identity, char **path, int *fd, struct kt_error *err)
{
	char *folder = NULL, *name, *full;
	enum kt_code code = socket_folder(&folder, err);
	int listener;

	if (code != KT_E_OK)
		return code;
	name = socket_name(identity);
	full = kt_path_join(folder, name);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener >= 0 && start_listening(listener, full)) {
		*path = kt_strdup(full);
		*fd = listener;
	} else {
		code = kt_error_sys(err, kt_error_from_errno(errno), errno, "socket %s", full);
		kt_fd_close(&listener);
	}
	free(full);
	free(name);
	free(folder);
	return code;
}

bool kt_peer_credentials(int fd, pid_t *pid, uid_t *uid)
{
	struct ucred peer;
	socklen_t len = sizeof peer;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 || len != sizeof peer)
		return false;
	*pid = peer.pid;
	*uid = peer.uid;
	return true;
}

static enum kt_code check_peer(int fd, struct kt_error *err)
{
	pid_t pid = 0;
	uid_t uid = 0;

	if (!kt_peer_credentials(fd, &pid, &uid))
		return kt_error_sys(err, KT_E_PEER_REFUSED, errno, "no peer credentials");
	if (uid != geteuid())
		return kt_error_set(err, KT_E_PEER_REFUSED, "process %d belongs to user %u",
			(int)pid, (unsigned)uid);
	return KT_E_OK;
}

enum kt_code kt_socket_accept(int listener, int *fd, struct kt_error *err)
{
	int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	enum kt_code code;

	if (connection < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == EBADF || errno == EINVAL)
			return kt_error_sys(err, KT_E_IO, errno, "accept");
		*fd = -1; /* gone again, or not there yet */
		return KT_E_OK;
	}
	code = check_peer(connection, err);
	if (code != KT_E_OK)
		kt_fd_close(&connection);
	else
		*fd = connection;
	return code;
}

enum kt_code kt_socket_connect(const char *path, int *fd, struct kt_error *err)
{
	const struct timeval patience = {.tv_sec = KT_HELLO_TIMEOUT_MS / 1000};
	int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	enum kt_code code;

	if (connection < 0)
		return kt_error_sys(err, KT_E_IO, errno, "socket");
	/* A full backlog would hold connect for ever; this bounds it. */
	(void)setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	if (with_address(connection, path, connect_address) != 0)
		code = kt_error_sys(err, KT_E_SUPERVISOR_ABSENT, errno, "%s", path);
	else
		code = check_peer(connection, err);
	if (code != KT_E_OK)
		kt_fd_close(&connection);
	else
		*fd = connection;
	return code;
}

void kt_socket_remove_stale(const char *identity)
{
	struct kt_error err = KT_ERROR_INIT;
	char *folder = NULL;
	char *name = socket_name(identity);
	char *path = NULL;
	int fd = -1;

	if (socket_folder(&folder, &err) == KT_E_OK) {
		path = kt_path_join(folder, name);
		if (kt_socket_connect(path, &fd, &err) == KT_E_OK)
			(void)close(fd);
		else if (err.code == KT_E_SUPERVISOR_ABSENT)
			(void)unlink(path);
	}
	free(path);
	free(name);
	free(folder);
}
