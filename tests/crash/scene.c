/*
 * The temporary repository of kitty-crash and the processes in it. Must leave no process and,
 * unless asked to, no file behind.
 */
#include "scene.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STUCK_S = 60 };

static char *library;

static void die(const char *what)
{
	(void)fprintf(stderr, "kitty-crash: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void set(const char *name, const char *value)
{
	if (setenv(name, value, 1) != 0)
		die(name);
}

static void on_alarm(int number)
{
	(void)number; /* only interrupts the waiting */
}

void kt_scene_setup(void)
{
	static const char *const names[] = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE",
		"GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "SPEC_KITTY_MISSION", "SPEC_KITTY_WP",
		"SPEC_KITTY_LANE", "SPEC_KITTY_SOCKET", "LD_PRELOAD"};
	struct sigaction action = {.sa_handler = on_alarm};
	char self[4096];
	ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
	char *folder = NULL, *path = NULL, *top = NULL;

	if (len <= 0 || prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L) != 0 ||
		sigaction(SIGALRM, &action, NULL) != 0)
		die("setup");
	self[len] = '\0';
	folder = dirname(self); /* <build>/tests */
	library = kt_format("%s/libkitty-faults.so", folder);
	top = kt_format("%s/..", folder);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		(void)unsetenv(names[i]);
	path = kt_format("%s:%s:%s", folder, top, getenv("PATH"));
	set("PATH", path);
	set("KITTY_BIN", top);
	set("KITTY_SOURCE", KITTY_SOURCE_DIR);
	set("GIT_CONFIG_NOSYSTEM", "1");
	set("ID", "01KSPTVW00000000000000CRSH");
	free(path);
	free(top);
}

/* ---- processes ---- */

/* Kills every child there is at this moment; grandchildren become children. */
static void kill_children(void)
{
	char *path = kt_format("/proc/self/task/%d/children", (int)getpid());
	FILE *list = fopen(path, "re");
	int pid = 0;

	while (list != NULL && fscanf(list, "%d", &pid) == 1) /* NOLINT(cert-err34-c) */
		(void)kill(pid, SIGKILL);
	if (list != NULL)
		(void)fclose(list);
	free(path);
}

/* Waits for the program and for everything it left. `also_dies`: nothing outlives it. */
static struct kt_scene_end wait_all(pid_t program, bool also_dies)
{
	struct kt_scene_end end = {0, false};
	int status = 0;
	pid_t pid = 0;

	(void)alarm(STUCK_S);
	while ((pid = waitpid(-1, &status, 0)) > 0 || (pid < 0 && errno == EINTR)) {
		if (pid < 0) {
			end.was_stuck = true;
			kill_children();
			(void)alarm(1);
		}
		if (pid == program)
			end.status =
				WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		if (pid > 0 && also_dies)
			kill_children();
	}
	(void)alarm(0);
	return end;
}

static void child_run(const struct kt_scene *scene, const char *script, const char *shim)
{
	char *repo = kt_format("%s/repo", scene->box), *out = kt_format("%s/said", scene->box);
	char *faults = kt_format("%s/faults", scene->box);
	int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || null < 0 || setpgid(0, 0) != 0 || chdir(repo) != 0 || dup2(null, 0) < 0 ||
		dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		_exit(126);
	if (shim != NULL) {
		char *path = kt_format("%s:%s", shim, getenv("PATH"));

		set("PATH", path);
		set("KITTY_SHIM", shim);
	} else {
		set("LD_PRELOAD", library);
		set(KT_FAULTS_VARIABLE, faults);
	}
	(void)execl("/bin/sh", "sh", "-c", script, (char *)NULL);
	_exit(127);
}

struct kt_scene_end kt_scene_run(const struct kt_scene *scene, const char *script, const char *shim)
{
	/* MISSION and the like stand in box/env. */
	char *text = kt_format(". %s/env; rm -f $BOX/acknowledged; %s", scene->box, script);
	pid_t pid = fork();
	struct kt_scene_end end;

	if (pid < 0)
		die("fork");
	if (pid == 0)
		child_run(scene, text, shim);
	free(text);
	end = wait_all(pid, scene->faults->fault == KT_FAULT_KILL_GROUP);
	return end;
}

static void read_back(const char *path, struct kt_buffer *out)
{
	char block[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = 0;

	while (fd >= 0 && (len = read(fd, block, sizeof block)) > 0)
		kt_buffer_append(out, block, (size_t)len);
	if (fd >= 0)
		(void)close(fd);
}

int kt_scene_script(const struct kt_scene *scene, const char *script, struct kt_buffer *out)
{
	char *text =
		kt_format("BOX=%s; REPO=$BOX/repo; OUT=$BOX/out; ERR=$BOX/err; : >$OUT; : "
			  ">$ERR; . \"$KITTY_SOURCE/tests/support/lib.sh\"; . "
			  "\"$KITTY_SOURCE/tests/support/merge.sh\"; . "
			  "\"$KITTY_SOURCE/tests/support/topology.sh\"; [ ! -f $BOX/env ] || . "
			  "$BOX/env; cd $REPO || exit 2\n%s",
			scene->box, script);
	char *said = kt_format("%s/script", scene->box);
	struct kt_scene_end end;
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0) {
		int fd = open(said, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

		if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
			_exit(126);
		(void)execl("/bin/sh", "sh", "-c", text, (char *)NULL);
		_exit(127);
	}
	end = wait_all(pid, false);
	if (out != NULL)
		read_back(said, out);
	free(said);
	free(text);
	return end.was_stuck ? 124 : end.status;
}

/* ---- the repository ---- */

static void faults_map(struct kt_scene *scene)
{
	char *path = kt_format("%s/faults", scene->box);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *map = MAP_FAILED;

	if (fd >= 0 && ftruncate(fd, sizeof *scene->faults) == 0)
		map = mmap(NULL, sizeof *scene->faults, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		die(path);
	(void)close(fd);
	free(path);
	scene->faults = map;
}

static void must(const struct kt_scene *scene, const char *what, const char *script)
{
	struct kt_buffer said = KT_BUFFER_INIT;
	int status = kt_scene_script(scene, script, &said);

	if (status != 0) {
		(void)fprintf(stderr, "kitty-crash: %s: %s of %s: status %d\n%s", scene->box, what,
			scene->operation->name, status, kt_buffer_text(&said));
		exit(2);
	}
	kt_buffer_release(&said);
}

void kt_scene_save(const struct kt_scene *scene)
{
	char *script =
		kt_format("rm -rf $BOX/%s && cp -a $REPO $BOX/%s", scene->saved, scene->saved);

	must(scene, "copy", script);
	free(script);
}

void kt_scene_restore(const struct kt_scene *scene)
{
	char *script = kt_format(
		"cd $BOX && chmod -R u+w repo && rm -rf repo && cp -a %s repo", scene->saved);

	must(scene, "restoring", script);
	free(script);
}

void kt_scene_open(struct kt_scene *scene, const struct kt_operation *operation)
{
	const char *temporary = getenv("TMPDIR");
	char *box = kt_format("%s/kcrash.XXXXXX", temporary == NULL ? "/tmp" : temporary);
	char *value = NULL, *script = NULL;

	*scene = (struct kt_scene){.operation = operation, .saved = kt_strdup("saved")};
	if (mkdtemp(box) == NULL)
		die(box);
	scene->box = box;
	faults_map(scene);
	value = kt_format("%s/home", box);
	set("HOME", value);
	set("XDG_CONFIG_HOME", value);
	free(value);
	value = kt_format("%s/run", box);
	set("XDG_RUNTIME_DIR", value);
	free(value);
	value = kt_format("%s/home/.gitconfig", box);
	set("GIT_CONFIG_GLOBAL", value);
	free(value);
	/* core.trustctime: the copies are as good as what was copied. */
	script = kt_format(
		"BOX=%s; mkdir -p -m 700 $BOX/home $BOX/run && git config --global "
		"user.name Test && git config --global user.email test@example.com && "
		"git config --global core.trustctime false && git config --global "
		"core.checkStat minimal && git init -q -b main --template= $BOX/repo "
		"&& mkdir $BOX/repo/src $BOX/repo/.git/hooks $BOX/repo/.git/info && cd "
		"$BOX/repo && echo 'int main(void) { return 0; }' >src/main.c && git add . "
		"&& git commit -q -m Initial",
		box);
	if (system(script) != 0) /* NOLINT(cert-env33-c,concurrency-mt-unsafe) */
		die("a repository");
	free(script);
	scene->shim = kt_format("%s/preload", box);
	script = kt_format("mkdir %s && printf '#!/bin/sh\\nLD_PRELOAD=%s " KT_FAULTS_VARIABLE
			   "=%s/faults exec %%s \"$@\"\\n' \"$(command -v git)\" >%s/git && "
			   "chmod +x %s/git",
		scene->shim, library, box, scene->shim, scene->shim);
	if (system(script) != 0) /* NOLINT(cert-env33-c,concurrency-mt-unsafe) */
		die("a shim");
	free(script);
	script = kt_format("set -e\n%s\nset +e\nprintf 'BOX=%%s REPO=%%s MISSION=%%s BRANCH=%%s "
			   "COORD=%%s LOG=%%s\\n' \"$BOX\" \"$REPO\" \"$MISSION\" \"$BRANCH\" "
			   "\"$COORD\" \"$LOG\" >$BOX/env\nkitty-check --note $REPO >$BOX/before",
		operation->setup);
	must(scene, "setup", script);
	free(script);
	kt_scene_save(scene);
}

void kt_scene_close(struct kt_scene *scene, bool keeps)
{
	char *script = kt_format("cd / && chmod -R u+w %s && rm -rf %s", scene->box, scene->box);

	(void)munmap(scene->faults, sizeof *scene->faults);
	if (keeps)
		(void)printf("kept: %s\n", scene->box);
	else if (system(script) != 0) /* NOLINT(cert-env33-c,concurrency-mt-unsafe) */
		die(scene->box);
	free(script);
	free(scene->box);
	free(scene->saved);
	free(scene->shim);
	*scene = (struct kt_scene){0};
}
